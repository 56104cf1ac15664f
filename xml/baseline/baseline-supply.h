/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"

/* Who can supply what, as a baseline sees it: hosts with the kinds of devices that each can supply,
 * without how many of them are left. */

/* Devices that are alike to a comparison. */
typedef struct {
    const VfModel *model;
    GPtrArray *known;      /* list (value.h) */
    char *const *settable; /* nullable */
} VfSupplyClass;

typedef struct {
    const char *id;
    const char *name; /* nullable */
    guint first;      /* its first offer, index into offers */
    guint n_offers;
} VfSupplyHost;

/* Owns neither models, values nor names. */
typedef struct {
    GArray *classes; /* of VfSupplyClass */
    GArray *hosts;   /* of VfSupplyHost */
    GArray *offers;  /* of guint32, indices into classes; by host */
} VfSupply;

VfSupply *vf_supply_new(void);
void vf_supply_free(VfSupply *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfSupply, vf_supply_free)

/* The index of the new class. */
guint32 vf_supply_add_class(VfSupply *self, const VfModel *model, GPtrArray *known,
                            char *const *settable);

/* The offers that are added next are this host's. */
void vf_supply_add_host(VfSupply *self, const char *id, const char *name);
void vf_supply_add_offer(VfSupply *self, guint32 class_id);

static inline const VfSupplyClass *
vf_supply_class(const VfSupply *self, guint i)
{
    return &g_array_index(self->classes, VfSupplyClass, i);
}

static inline const VfSupplyHost *
vf_supply_host(const VfSupply *self, guint i)
{
    return &g_array_index(self->hosts, VfSupplyHost, i);
}

/* --- the part of a supply that is of one model */

/* A version of the schema that hosts have. */
typedef struct {
    const VfModel *model;
    guint hosts;
} VfPoolSchema;

/* Hosts that can supply the same classes. */
typedef struct {
    guint first; /* its first member, index into members */
    guint n_members;
    guint hosts;   /* how many */
    guint witness; /* of its members, the one to look at first */
} VfPoolGroup;

typedef struct {
    GArray *classes;  /* of VfSupplyClass; alike ones are one, and those whose schemas have the same
                         digest have the same model */
    GArray *groups;   /* of VfPoolGroup */
    GArray *members;  /* of guint32, indices into classes, ascending; by group */
    GArray *schemas;  /* of VfPoolSchema: the one that most hosts have first, of equals the one with
                         the lower digest */
    GArray *group_of; /* of gint32, by host of the supply; -1: it has nothing of the model */
    GHashTable *models;  /* digest -> VfModel */
    GHashTable *digests; /* VfModel -> its digest, computed */
} VfPool;

VfPool *vf_pool_new(const VfSupply *supply, const char *model_id);
void vf_pool_free(VfPool *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfPool, vf_pool_free)

static inline const VfSupplyClass *
vf_pool_class(const VfPool *self, guint i)
{
    return &g_array_index(self->classes, VfSupplyClass, i);
}

static inline VfPoolGroup *
vf_pool_group(const VfPool *self, guint i)
{
    return &g_array_index(self->groups, VfPoolGroup, i);
}

static inline const guint32 *
vf_pool_members(const VfPool *self, const VfPoolGroup *group)
{
    return &g_array_index(self->members, guint32, group->first);
}

static inline const VfModel *
vf_pool_schema(const VfPool *self, guint i)
{
    return g_array_index(self->schemas, VfPoolSchema, i).model;
}

/* The parameter as the first of the schemas that has it says; NULL when none does. */
const VfParameter *vf_pool_parameter(const VfPool *self, const char *name);
