/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"
#include "value.h"

/* What a host has and can make. Namespace https://vferry.org/ns/capabilities/1, at most 16 MiB.
 * Build one by filling the structures; every pointer in them is owned by its structure. Formatting
 * sorts: models, parents, offers and devices by id, parameters by name. */

/* A way in which a parent can supply a device. */
typedef struct {
    char *id;          /* "<parent>/<type>" */
    char *model;       /* nullable: no descriptor matches */
    char *how;         /* "create" */
    char *type;        /* nullable: the mdev type's id */
    guint64 left;      /* how many more, reservations subtracted */
    char **usable_by;  /* nullable; sorted: libvirt, qemu, vfio */
    GPtrArray *values; /* list (value.h): what every such device is */
    char **settable;   /* nullable; sorted: parameters that a new device can be given, see the model
                          for the allowed values */
} VfCapabilitiesOffer;

typedef struct {
    char *id;
    char *kind;        /* "mdev", "pci" */
    char *path;        /* in sysfs */
    char *driver;      /* nullable */
    GPtrArray *offers; /* of VfCapabilitiesOffer */
} VfCapabilitiesParent;

typedef enum {
    VF_CAPABILITIES_STOP_COPY = 1 << 0,
    VF_CAPABILITIES_P2P = 1 << 1,
    VF_CAPABILITIES_PRE_COPY = 1 << 2,
} VfCapabilitiesMigration;

typedef struct {
    char *id;
    char *kind;             /* "mdev", "pci" */
    char *path;             /* in sysfs */
    char *parent;           /* nullable: the parent's id */
    char *model;            /* nullable: no descriptor matches */
    char *state;            /* as the bus property Device.State; where that is unknown, of a
                               PCI function what the kernel shows: idle or open */
    gboolean being_removed; /* the kernel waits until whoever has it open closes it, and tells its
                               type no more */
    GPtrArray *values;      /* list (value.h); a NULL value is unread */
    char *migration_source; /* "debugfs", "probe" or "unknown" */
    VfCapabilitiesMigration migration; /* counts only when migration_source is not "unknown"; one
                                          that "debugfs" does not list beside others is unknown */
} VfCapabilitiesDevice;

typedef struct {
    char *host_id;      /* the bus property Manager.HostId: a UUID */
    char *host_name;    /* nullable */
    char *arch;         /* nullable: uname -m */
    char *kernel;       /* nullable: uname -r */
    GPtrArray *models;  /* of VfModel; a parsed one has schema and digest, but neither matches nor
                           readers */
    GPtrArray *parents; /* of VfCapabilitiesParent */
    GPtrArray *devices; /* of VfCapabilitiesDevice */
} VfCapabilities;

VfCapabilities *vf_capabilities_new(const char *host_id);
void vf_capabilities_free(VfCapabilities *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCapabilities, vf_capabilities_free)

/* With empty lists; @kind, @how and @state are fixed later by assigning a g_strdup()ed text where
 * they differ from "mdev", "create", "unknown". migration_source is "unknown". */
VfCapabilitiesParent *vf_capabilities_parent_new(const char *id, const char *path);
void vf_capabilities_parent_free(VfCapabilitiesParent *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCapabilitiesParent, vf_capabilities_parent_free)

VfCapabilitiesOffer *vf_capabilities_offer_new(const char *id);
void vf_capabilities_offer_free(VfCapabilitiesOffer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCapabilitiesOffer, vf_capabilities_offer_free)

VfCapabilitiesDevice *vf_capabilities_device_new(const char *id, const char *path);
void vf_capabilities_device_free(VfCapabilitiesDevice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCapabilitiesDevice, vf_capabilities_device_free)

/* Takes a reference, once for each id. */
void vf_capabilities_add_model(VfCapabilities *self, VfModel *model);

/* NULL when there is none. */
VfModel *vf_capabilities_find_model(const VfCapabilities *self, const char *id);

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "capabilities". INVALID_XML,
 * LIMIT_EXCEEDED. */
VfCapabilities *vf_capabilities_parse(const char *text, gssize size, const char *where,
                                      GError **error);

/* What cannot be in XML (control characters, bytes that are not UTF-8) becomes U+FFFD. Free with
 * g_free(). */
char *vf_capabilities_format(const VfCapabilities *self);

/* One device or model element alone, as a document in the same namespace. Free with g_free(). */
char *vf_capabilities_device_format(const VfCapabilitiesDevice *self);
char *vf_capabilities_model_format(const VfModel *model);
