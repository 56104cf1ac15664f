/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "qemu-monitor.h"

G_BEGIN_DECLS

/* Who asks the kernel whether it takes the state that QEMU has loaded into the devices of a job
 * (docs/guests.md, "Who asks the kernel"): a worker for each of them, which has found its device
 * by the time that the guest stands still, so that the question is all that its pause is longer. */
typedef struct VfQemuAccept VfQemuAccept;

/* @refusal: one of them it does not take, or could not be asked about; it says which. NULL: it
 * takes all of them. */
typedef void (*VfQemuAccepted)(gpointer data, const GError *refusal);

/* As soon as QEMU has the devices open. @allowed: accept-from-process=yes, without which all that
 * comes is a refusal that says so. @answered comes once, after vf_qemu_accept_ask(). */
VfQemuAccept *vf_qemu_accept_new(VfJob *job, const VfQemuMonitor *monitor, gboolean allowed,
                                 VfQemuAccepted answered, gpointer data);
void vf_qemu_accept_ask(VfQemuAccept *self);
/* What has not been answered never will be. */
void vf_qemu_accept_free(VfQemuAccept *self);

G_END_DECLS
