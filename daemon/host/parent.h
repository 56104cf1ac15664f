/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

#include "model-folders.h"

G_BEGIN_DECLS

/* What devices are created on: an mdev parent, with how many more of which type, or the physical
 * function (PF) of SR-IOV, whose virtual functions others make (sriov_numvfs) and vferry only
 * finds; it has no types. A function that is both is the mdev parent: that is what can be created
 * on it. */
#define VF_TYPE_PARENT (vf_parent_get_type())
G_DECLARE_FINAL_TYPE(VfParent, vf_parent, VF, PARENT, GObject)

/* A type, as one model: when the driver itself says that devices of a type can be of one of
 * several, there is one of these for each, with the same room. Who keeps one across anything that
 * refreshes the parent, vf_parent_reserve() included, holds a reference: the driver may take the
 * type away. */
typedef struct {
    char *type;        /* "mtty-2" */
    char *name;        /* the driver's pretty name; may be any UTF-8 */
    char *device_api;  /* "vfio-pci" */
    VfModel *model;    /* NULL when neither the driver nor a descriptor says */
    gboolean shared;   /* there is another one of this type */
    char *description; /* nullable: what the driver says (kernel-models.h), as it was read */
    GPtrArray *values; /* list (value.h): what every device of this type is, as far as it can be
                          known before it is made; empty without a model */
    guint64 available; /* available_instances, read when the parent last changed */
    guint64 reserved;  /* promised to leases */
} VfParentType;

VfParentType *vf_parent_type_ref(VfParentType *type);
void vf_parent_type_unref(VfParentType *type);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfParentType, vf_parent_type_unref)

const char *vf_parent_get_id(VfParent *self);   /* its name in sysfs */
const char *vf_parent_get_kind(VfParent *self); /* "mdev", "pci" */
const char *vf_parent_get_sysfs_path(VfParent *self);
const char *vf_parent_get_driver(VfParent *self); /* property "driver": a PF's can change */
int vf_parent_get_numa_node(VfParent *self);
GPtrArray *vf_parent_get_types(VfParent *self);                          /* of VfParentType */
const VfParentType *vf_parent_find_type(VfParent *self, const char *id); /* the first, or NULL */
/* As the model of that id; @model NULL: as any. */
const VfParentType *vf_parent_find_offer(VfParent *self, const char *type, const char *model);

/* "<parent>/<type>", and "/<model>" when that is not all. Free with g_free(). */
char *vf_parent_offer_id(VfParent *self, const VfParentType *type);

/* available minus reserved. */
guint64 vf_parent_type_left(const VfParentType *type);

/* Room promised to leases that have not created their device yet; `left` is available minus this.
 * FALSE with NO_ROOM when nothing is left: reads available_instances afresh. */
gboolean vf_parent_reserve(VfParent *self, const char *type, GError **error);
void vf_parent_unreserve(VfParent *self, const char *type);

/* Reads available_instances of every type, and what its driver says of it, again; notifies "offers"
 * when something changed. All types of a parent usually share one pool, so creating one device
 * changes all of them. Of a PF, reads the driver again. */
void vf_parent_refresh(VfParent *self);

/* What kind of parent @name is now; NULL: none, or with an error that is vf_sysfs_is_unread() one
 * that nobody knows. Static. */
const char *vf_parent_kind_of(const char *name, GError **error);

/* For the registry alone. NOT_FOUND when @name is no parent (any more), else as above. @models must
 * outlive the parent. */
VfParent *vf_parent_new(const char *name, const VfModels *models, GError **error);

G_END_DECLS
