/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "facts.h"

#include <string.h>

#include "debugfs.h"
#include "error.h"
#include "io.h"
#include "kernel-models.h"
#include "names.h"
#include "number.h"
#include "read-values.h"
#include "sysfs.h"
#include "value.h"

void
vf_facts_free(VfFacts *self)
{
    g_free(self->driver);
    g_free(self->type_name);
    g_free(self->vfio_dev);
    g_free(self->physfn);
    g_clear_pointer(&self->model, vf_model_unref);
    g_clear_pointer(&self->values, g_ptr_array_unref);
    g_strfreev(self->migration);
    g_free(self);
}

/* Links come and go with the state of the device: a missing one is an answer. */
static char *
read_link_or_empty(int dir_fd, const char *name)
{
    char *target = vf_sysfs_read_link(dir_fd, name, NULL);

    return target ? target : g_strdup("");
}

/* The kernel takes the `subsystem` link away before it announces a removal, the directory only
 * after (device_del() and bus_remove_device(), drivers/base), and in between it waits for whoever
 * has the device open. */
static gboolean
is_leaving(int dir_fd)
{
    return !vf_sysfs_exists(dir_fd, "subsystem");
}

static int
read_iommu_group(int dir_fd)
{
    g_autofree char *group = vf_sysfs_read_link(dir_fd, "iommu_group", NULL);
    guint64 number;

    if (!group || !vf_number_parse_u64(group, "iommu_group", 0, G_MAXINT, &number, NULL))
        return -1;
    return (int)number;
}

/* Whichever driver it is, what is registered with VFIO has a child in this class:
 * vfio_register_group_dev() makes exactly one, drivers/vfio/vfio_main.c. Returns its inode, 0 when
 * there is none. */
static guint64
read_vfio_dev(VfFacts *self, int dir_fd, GError **error)
{
    vf_autofd int fd = vf_sysfs_open_subdir(dir_fd, VF_SYSFS_VFIO_DEV, error);
    g_auto(GStrv) names = fd < 0 ? NULL : vf_sysfs_list(fd, error);
    vf_autofd int child_fd = names && names[0] ? vf_sysfs_open_subdir(fd, names[0], error) : -1;
    guint64 inode = child_fd >= 0 && !is_leaving(child_fd) ? vf_sysfs_get_inode(child_fd) : 0;

    self->vfio_dev = g_strdup(inode ? names[0] : "");
    return inode;
}

int
vf_facts_read_numa_node(int dir_fd)
{
    g_autofree char *text = vf_sysfs_read(dir_fd, "numa_node", NULL);
    gint64 node;

    if (!text || !vf_number_parse_i64(text, "numa_node", -1, G_MAXINT, &node, NULL))
        return -1;
    return (int)node;
}

char *
vf_facts_read_driver(int dir_fd)
{
    return read_link_or_empty(dir_fd, "driver");
}

/* What is said of any device that VFIO can hand out; @binding: the inode of its child. */
static VfFacts *
read_common(const char *sysfs_path, int dir_fd, guint64 *binding, GError **error)
{
    g_autofree char *name = g_path_get_basename(sysfs_path);
    g_autoptr(VfFacts) self = g_new0(VfFacts, 1);
    g_autoptr(GError) local = NULL;

    self->driver = vf_facts_read_driver(dir_fd);
    *binding = read_vfio_dev(self, dir_fd, &local);
    if (vf_sysfs_is_unread(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    self->leaving = is_leaving(dir_fd);
    self->iommu_group = read_iommu_group(dir_fd);
    self->migration = self->vfio_dev[0] ? vf_debugfs_read_migration(name) : NULL;
    return g_steal_pointer(&self);
}

static void
take_model(VfFacts *self, VfModel *model, const VfReading *reading)
{
    if (!model) {
        self->values = vf_value_list_new();
        return;
    }
    self->model = vf_model_ref(model);
    self->values = vf_reading_of_device(reading, model);
}

/* What its driver says comes first; a new reference or NULL. */
static VfModel *
find_mdev_model(const VfFacts *self, int dir_fd, int type_fd, const char *parent_driver,
                const VfModels *models)
{
    VfModel *model = NULL;

    if (!self->type_name[0] || vf_kernel_models_find(dir_fd, type_fd, &model))
        return model;
    model = vf_models_find_for_mdev(models, parent_driver, self->type_name);
    return model ? vf_model_ref(model) : NULL;
}

VfFacts *
vf_facts_read_mdev(const char *sysfs_path, const char *parent_driver, const VfModels *models,
                   GError **error)
{
    vf_autofd int dir_fd = vf_sysfs_open_dir(sysfs_path, error);
    vf_autofd int parent_fd = dir_fd < 0 ? -1 : vf_sysfs_open_subdir(dir_fd, "..", error);
    vf_autofd int type_fd =
        dir_fd < 0 ? -1 : vf_sysfs_open_subdir(dir_fd, VF_SYSFS_MDEV_TYPE, NULL);
    VfReading reading = {"", sysfs_path, dir_fd, parent_fd, -1, type_fd};
    g_autoptr(VfModel) model = NULL;
    guint64 binding;
    VfFacts *self;

    if (dir_fd < 0 || parent_fd < 0)
        return NULL;
    self = read_common(sysfs_path, dir_fd, &binding, error);
    if (!self)
        return NULL;
    self->inode = vf_sysfs_get_inode(dir_fd);
    self->type_name = read_link_or_empty(dir_fd, VF_SYSFS_MDEV_TYPE);
    self->physfn = g_strdup("");
    /* an mdev has no numa_node of its own: its memory and its interrupts are the parent's */
    self->numa_node = vf_facts_read_numa_node(parent_fd);
    reading.type = self->type_name;
    model = find_mdev_model(self, dir_fd, type_fd, parent_driver, models);
    take_model(self, model, &reading);
    return self;
}

/* As the kernel writes it, "0x15b3"; -1: it does not. */
static int
read_pci_number(int dir_fd, const char *attribute)
{
    g_autofree char *text = vf_sysfs_read(dir_fd, attribute, NULL);

    if (!text || strlen(text) != 6 || !g_str_has_prefix(text, "0x") ||
        strspn(text + 2, "0123456789abcdef") != 4)
        return -1;
    return (int)g_ascii_strtoull(text + 2, NULL, 16);
}

/* Of a function that VFIO can hand out; which model another one would be, nobody asks. */
static VfModel *
find_function_model(const VfFacts *self, int dir_fd, const VfModels *models)
{
    VfPciId id;

    if (!self->vfio_dev[0])
        return NULL;
    id.vendor = read_pci_number(dir_fd, "vendor");
    id.device = read_pci_number(dir_fd, "device");
    id.subsystem_vendor = read_pci_number(dir_fd, "subsystem_vendor");
    id.subsystem_device = read_pci_number(dir_fd, "subsystem_device");
    return vf_models_find_for_pci(models, &id, self->driver);
}

VfFacts *
vf_facts_read_pci(const char *sysfs_path, const VfModels *models, GError **error)
{
    vf_autofd int dir_fd = vf_sysfs_open_dir(sysfs_path, error);
    vf_autofd int physfn_fd = dir_fd < 0 ? -1 : vf_sysfs_open_subdir(dir_fd, VF_SYSFS_PHYSFN, NULL);
    VfReading reading = {"", sysfs_path, dir_fd, physfn_fd, physfn_fd, -1};
    guint64 binding;
    VfFacts *self;

    if (dir_fd < 0)
        return NULL;
    self = read_common(sysfs_path, dir_fd, &binding, error);
    if (!self)
        return NULL;
    self->inode = binding;
    self->type_name = g_strdup("");
    self->physfn = read_link_or_empty(dir_fd, VF_SYSFS_PHYSFN);
    self->numa_node = vf_facts_read_numa_node(dir_fd);
    take_model(self, find_function_model(self, dir_fd, models), &reading);
    return self;
}

/* All of VFIO's PCI drivers enable the function when it is opened, and disable it when the last
 * descriptor is closed: vfio_pci_core_enable() and vfio_pci_core_disable(), vfio_pci_core.c.
 * `enable` counts that. Other drivers enable it for themselves when they are bound, and one before
 * may have left it so: then it counts as open, which is the safe side. */
VfUse
vf_facts_read_use(const char *sysfs_path)
{
    vf_autofd int dir_fd = vf_sysfs_open_dir(sysfs_path, NULL);
    g_autofree char *driver = dir_fd < 0 ? NULL : vf_facts_read_driver(dir_fd);
    guint64 count;

    if (!driver || !strstr(driver, "vfio") ||
        !vf_sysfs_read_u64(dir_fd, VF_SYSFS_ENABLE, G_MAXINT, &count, NULL))
        return VF_USE_UNKNOWN;
    return count > 0 ? VF_USE_OPEN : VF_USE_NONE;
}
