/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model-folders.h"

/* What sysfs and debugfs say about one device at one moment; sysfs all through one directory fd.
 * Nothing else is opened. */
typedef struct {
    char *driver;    /* "" when unbound */
    char *type_name; /* mdev type id; "" while the kernel has not made the link yet */
    char *vfio_dev;  /* "" when there is none */
    guint64 inode;   /* of what it is as long as it is itself, see vf_device_get_inode(); 0: none */
    gboolean leaving;  /* the kernel has begun to remove it */
    char *physfn;      /* of an SR-IOV VF: its PF's address; else "" */
    int iommu_group;   /* -1 when none */
    int numa_node;     /* -1 when unknown */
    VfModel *model;    /* NULL when no descriptor matches; a reference */
    GPtrArray *values; /* list (value.h), empty without a model */
    char **migration;  /* as vf_debugfs_read_migration(): NULL when unknown */
} VfFacts;

/* @parent_driver as in VfMatch (model.h). NOT_FOUND when the device has gone, and
 * vf_sysfs_is_unread() when nobody knows. */
VfFacts *vf_facts_read_mdev(const char *sysfs_path, const char *parent_driver,
                            const VfModels *models, GError **error);
/* Of a PCI function, whatever is bound to it; it has a model only while a VFIO driver is. NOT_FOUND
 * when it has gone, and vf_sysfs_is_unread() when nobody knows. */
VfFacts *vf_facts_read_pci(const char *sysfs_path, const VfModels *models, GError **error);
void vf_facts_free(VfFacts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfFacts, vf_facts_free)

typedef enum {
    VF_USE_UNKNOWN,
    VF_USE_NONE,
    VF_USE_OPEN,
} VfUse;

/* Whether somebody has a PCI function open, whoever it is. UNKNOWN unless one of VFIO's own PCI
 * drivers is bound. */
VfUse vf_facts_read_use(const char *sysfs_path);

/* Of any device's directory: -1 when it does not say. */
int vf_facts_read_numa_node(int dir_fd);
/* "" when unbound. Free with g_free(). */
char *vf_facts_read_driver(int dir_fd);
