/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "model.h"

G_BEGIN_DECLS

/* What PCI functions say of themselves in their configuration space. The kernel wakes a function in
 * D3cold for whoever reads it, and waits for one that does not come back from a reset
 * (pci_config_pm_runtime_get(), drivers/pci/pci.c; pci_wait_cfg(), drivers/pci/access.c): that is
 * done in threads, here and nowhere else. */

/* Whether a parameter of @model is read there. */
gboolean vf_config_space_wanted(const VfModel *model);

/* A list of values (xml/value.h): every such parameter of @model, unread or not, of the function at
 * @sysfs_path as it is then. Never fails. */
void vf_config_space_read_async(const char *sysfs_path, VfModel *model,
                                GAsyncReadyCallback callback, gpointer data);
GPtrArray *vf_config_space_read_finish(GAsyncResult *result);

G_END_DECLS
