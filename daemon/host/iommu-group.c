/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "iommu-group.h"

#include <glib/gi18n-lib.h>

#include "facts.h"
#include "io.h"
#include "names.h"
#include "sysfs.h"

/* Drivers that do no DMA of their own, which are no hindrance (driver_managed_dma in the kernel).
 */
static gboolean
is_harmless(const char *driver)
{
    static const char *const names[] = {"pcieport", "pci-stub", NULL};

    return !driver[0] || g_strv_contains(names, driver);
}

/* "0000:01:00.1 (igb)", or NULL. */
static char *
describe_foreign(int devices_fd, const char *name)
{
    vf_autofd int dir_fd = vf_sysfs_open_subdir(devices_fd, name, NULL);
    g_autofree char *driver = dir_fd < 0 ? NULL : vf_facts_read_driver(dir_fd);

    if (!driver || is_harmless(driver) || vf_sysfs_exists(dir_fd, VF_SYSFS_VFIO_DEV))
        return NULL;
    return g_strdup_printf("%s (%s)", name, driver);
}

static char *
list_foreign(int group)
{
    g_autofree char *path = g_strdup_printf(VF_SYSFS_IOMMU_GROUPS "/%d/devices", group);
    vf_autofd int fd = vf_sysfs_open_dir(path, NULL);
    g_auto(GStrv) names = fd < 0 ? NULL : vf_sysfs_list(fd, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; names && names[i]; i++) {
        char *foreign = describe_foreign(fd, names[i]);

        if (foreign)
            g_ptr_array_add(found, foreign);
    }
    if (found->len == 0)
        return NULL;
    g_ptr_array_add(found, NULL);
    return g_strjoinv(", ", (char **)found->pdata);
}

void
vf_iommu_group_explain(int group, GError **error)
{
    g_autofree char *foreign = group < 0 ? NULL : list_foreign(group);
    g_autofree char *message = NULL;

    if (!foreign)
        return;
    message = g_strdup_printf(_("%s; all of IOMMU group %d must be bound to VFIO drivers, or "
                                "unbound, but these are not: %s"),
                              (*error)->message, group, foreign);
    g_free((*error)->message);
    (*error)->message = g_steal_pointer(&message);
}
