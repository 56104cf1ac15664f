/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "domain.h"
#include "qemu-monitor.h"

G_BEGIN_DECLS

/* What the guest is now, and which devices it has: asks, and writes it into @domain. NULL @domain:
 * only what is returned. */
void vf_qemu_look_async(VfQemuMonitor *monitor, VfDomain *domain, GAsyncReadyCallback callback,
                        gpointer data);
/* DEVICE when it is no QEMU, or does not answer. *@running: the guest runs; *@migrating (nullable):
 * somebody has it migrate. */
gboolean vf_qemu_look_finish(GAsyncResult *result, gboolean *running, gboolean *migrating,
                             GError **error);

G_END_DECLS
