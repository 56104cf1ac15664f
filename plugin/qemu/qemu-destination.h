/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu-side.h"

G_BEGIN_DECLS

/* The driver's function of that name. @ask: the kernel is asked before the commit. */
void vf_qemu_destination_listen(VfJob *job, gboolean ask, GTask *task);

/* The QEMU that is to receive the guest is there. BUSY when another one is, which has not ended. */
gboolean vf_qemu_destination_take(VfJob *job, VfDomain *domain, VfQemuMonitor *monitor,
                                  GError **error);

/* It has not been attached after all, and is nobody's to receive a guest. */
void vf_qemu_destination_give_up(VfJob *job, const VfQemuMonitor *monitor);

/* VfMoverSideUncommitted: what has been loaded here must never run. */
void vf_qemu_destination_uncommitted(VfJob *job, VfOutcome *said);
/* A job of an earlier daemon, too: its guest has its devices as soon as it has completed, and its
 * worker may wait for the kernel's word. @ask: as the administrator has it now. */
void vf_qemu_destination_follow(VfJob *job, gboolean ask);

G_END_DECLS
