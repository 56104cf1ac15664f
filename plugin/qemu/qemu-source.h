/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qemu-side.h"

G_BEGIN_DECLS

/* The driver's functions of these names. */
void vf_qemu_source_begin(VfJob *job, VfQemuMonitor *monitor, GTask *task);
void vf_qemu_source_perform(VfJob *job, GTask *task);

/* VfMoverSideUncommitted: the guest runs here, unless it was never asked to move. */
void vf_qemu_source_uncommitted(VfJob *job, VfOutcome *said);

G_END_DECLS
