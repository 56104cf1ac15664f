/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "making.h"

G_BEGIN_DECLS

/* How devices of one kind are made: a table of functions, and what it makes is a VfMaking. Who
 * chooses, promises, records and recovers knows no kind: the kind of a parent, of a device or of
 * what a record says finds the table. */
typedef struct {
    /* vf_parent_get_kind() of the parents that it serves, vf_device_get_kind() of the devices that
     * it makes, and `provider` in records */
    const char *kind;

    /* What can be made on @parent, of VfParentType. It stays the parent's, or the provider's. */
    GPtrArray *(*get_types)(VfParent *parent);

    /* One that is to be made as planned, with room reserved for it until it exists or goes. Takes
     * @plan, and names the device where that has no id. NO_ROOM; NOT_FOUND when the type has gone
     * meanwhile; NOT_SUPPORTED when it cannot have that id. */
    VfMaking *(*reserve)(VfRegistry *registry, VfPlan *plan, GError **error);

    /* What a record has announced in @create, one of its @entries: with inode 0 when the record
     * does not say which device that became, and nobody can know. NULL: the line is not whole. */
    VfMaking *(*find)(GPtrArray *entries, GVariant *create);

    /* One that exists, or has; only to be removed. @made has an inode. */
    VfMaking *(*new_for_removal)(const VfMade *made);
} VfProvider;

/* What says no kind, a record or a lease of the first version, means this one. */
#define VF_PROVIDER_FIRST "mdev"

/* @providers (of const VfProvider, as vf_providers_new() returns them): that of @kind; NULL. */
const VfProvider *vf_provider_find(GPtrArray *providers, const char *kind);

/* As `find` of the one that @create names. NULL also when there is none of that name: another build
 * has made it. */
VfMaking *vf_provider_find_made(GPtrArray *providers, GPtrArray *entries, GVariant *create);

G_END_DECLS
