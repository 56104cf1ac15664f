/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

#include "facts.h"
#include "model.h"

G_BEGIN_DECLS

/* A device as discovery sees it, with what leases and jobs add. Identity never changes; everything
 * else is a GObject property whose notify the bus object follows. Owned by the registry; a holder
 * of a reference finds vf_device_is_gone() after its removal. */
#define VF_TYPE_DEVICE (vf_device_get_type())
G_DECLARE_FINAL_TYPE(VfDevice, vf_device, VF, DEVICE, GObject)

typedef enum {
    VF_DEVICE_UNKNOWN, /* others may have it open; we do not look */
    VF_DEVICE_IDLE,    /* we know that nobody has it open */
    VF_DEVICE_OPEN,
    VF_DEVICE_LEASED,
    VF_DEVICE_LENT,
    VF_DEVICE_MIGRATING,
    VF_DEVICE_STOPPED,
    VF_DEVICE_FAILED_NEEDS_RESET,
} VfDeviceState;

/* "unknown", "idle", ... as on the bus. Static. */
const char *vf_device_state_to_string(VfDeviceState state);

/* Everything returned stays the device's and is never NULL unless said. */
const char *vf_device_get_id(VfDevice *self);
const char *vf_device_get_kind(VfDevice *self); /* "mdev", "pci" */
const char *vf_device_get_sysfs_path(VfDevice *self);
/* What tells it from whatever had its name before or has it after: the inode of its directory in
 * sysfs, of a PCI function that of its child in `vfio-dev`, which each binding makes anew. Within
 * one boot (vf_host_get_boot()). */
guint64 vf_device_get_inode(VfDevice *self);
const char *vf_device_get_uuid(VfDevice *self);      /* "" unless an mdev */
const char *vf_device_get_address(VfDevice *self);   /* "" unless pci */
const char *vf_device_get_parent_id(VfDevice *self); /* "" when none */
const char *vf_device_get_driver(VfDevice *self);    /* "" when unbound */
/* NOT_FOUND where the kernel removes it, and waits for whoever has it open. */
gboolean vf_device_check_stays(VfDevice *self, GError **error);
const char *vf_device_get_type_name(VfDevice *self); /* mdev type id, "" when unknown (yet) */
const char *vf_device_get_vfio_dev(VfDevice *self);  /* "" when no VFIO driver is bound */
int vf_device_get_iommu_group(VfDevice *self);       /* -1 when none */
int vf_device_get_numa_node(VfDevice *self);         /* -1 when unknown */
const char *vf_device_get_model_id(VfDevice *self);  /* "" when no descriptor matches */
const char *vf_device_get_model_source(VfDevice *self);
/* NULL when no descriptor matches. */
VfModel *vf_device_get_model(VfDevice *self);
/* A list of values (value.h): every parameter of the model, a NULL value where nothing could
 * read it. Never changed in place: a new list takes its place when the device changes. */
GPtrArray *vf_device_get_values(VfDevice *self);
/* A device is usable when it is bound and has its vfio-dev, and an mdev's type (and so its model)
 * is known. */
gboolean vf_device_is_complete(VfDevice *self);
VfDeviceState vf_device_get_state(VfDevice *self);
gboolean vf_device_is_gone(VfDevice *self);

/* Leases, loans and jobs say what they did with it. */
void vf_device_set_state(VfDevice *self, VfDeviceState state);

/* What a probe, or the mover's inspect, found: of "stop-copy", "p2p", "pre-copy"; @source "probe"
 * or "debugfs". @flags NULL and @source "unknown" forget it. */
void vf_device_set_migration(VfDevice *self, const char *const *flags, const char *source);
const char *const *vf_device_get_migration(VfDevice *self);
const char *vf_device_get_migration_source(VfDevice *self);

/* For the registry alone. */
VfDevice *vf_device_new(const char *id, const char *kind, const char *sysfs_path,
                        const char *parent_id);
/* Takes over what @facts says of it (and of no other: vf_device_is_of()); one notify for each
 * property that changed. */
void vf_device_update(VfDevice *self, const VfFacts *facts);
void vf_device_set_gone(VfDevice *self);
/* Whether @facts are of this device, and not of one that took its place: all that was known of it,
 * and every open descriptor, is of the one before. */
gboolean vf_device_is_of(VfDevice *self, const VfFacts *facts);

G_END_DECLS
