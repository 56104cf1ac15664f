/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "qemu-monitor.h"

G_BEGIN_DECLS

/* Asks the kernel whether it takes the state that QEMU has loaded into the devices of @job, one
 * after the other (docs/guests.md, "Who asks the kernel"). Needs accept-from-process=yes. */
void vf_qemu_accept_async(VfJob *job, const VfQemuMonitor *monitor, GAsyncReadyCallback callback,
                          gpointer data);
/* FALSE: one of them it does not take, or could not be asked about; @error says which. */
gboolean vf_qemu_accept_finish(GAsyncResult *result, GError **error);

G_END_DECLS
