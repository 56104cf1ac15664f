/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "capabilities-stream.h"

/* What many hosts have and can make, in memory: for questions that are asked more than once.
 * Offers that are alike to a comparison share a class, so that each class is compared once. */

/* Everything about an offer or a device but where it is and how many there are. */
typedef struct {
    VfModel *model;   /* nullable: none, or its document does not describe it */
    VfShape *shape;   /* model id, values, settable, usable by, ... */
    const char *kind; /* of the device or the offer's parent: "mdev", "pci", "vfio-user" */
} VfFleetClass;

typedef struct {
    const char *id;
    guint64 left;     /* of a device: 1 when it is idle, else 0 */
    guint32 class_id; /* index into classes */
} VfFleetOffer;

typedef struct {
    char *id;    /* GRefString, as the two below */
    char *name;  /* nullable */
    char *where; /* nullable: the file */
    guint first; /* its first offer, index into offers */
    guint n_offers;
} VfFleetHost;

typedef struct VfFleetPrivate VfFleetPrivate;

/* Read only. */
typedef struct {
    GArray *hosts;      /* of VfFleetHost, in the order in which they were added */
    GArray *offers;     /* of VfFleetOffer, by host; in a host in its document's order */
    GPtrArray *classes; /* of VfFleetClass */
    VfFleetPrivate *priv;
} VfFleet;

VfFleet *vf_fleet_new(void);
void vf_fleet_free(VfFleet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfFleet, vf_fleet_free)

/* @where nullable. */
void vf_fleet_add(VfFleet *self, const VfCapabilities *capabilities, const char *where);

/* A document: as vf_capabilities_stream_read() and ..._read_file(). A document with an error adds
 * nothing. */
gboolean vf_fleet_add_text(VfFleet *self, const char *text, gssize size, const char *where,
                           GError **error);
gboolean vf_fleet_add_file(VfFleet *self, const char *path, GError **error);

/* Forgets the hosts and, when there are many, the classes. */
void vf_fleet_clear(VfFleet *self);

static inline const VfFleetHost *
vf_fleet_host(const VfFleet *self, guint i)
{
    return &g_array_index(self->hosts, VfFleetHost, i);
}

/* The @i-th offer of a host. */
static inline const VfFleetOffer *
vf_fleet_offer(const VfFleet *self, const VfFleetHost *host, guint i)
{
    return &g_array_index(self->offers, VfFleetOffer, host->first + i);
}

static inline const VfFleetClass *
vf_fleet_class(const VfFleet *self, guint i)
{
    return self->classes->pdata[i];
}
