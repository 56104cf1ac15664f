/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What somebody means who names an object by what it is about. */

/* One object on the bus. */
typedef struct {
    char *path;
    char *id;
    const char *prefix; /* of its path: VF_PATH_DEVICE … */
    GObject *subject;   /* the VfDevice or VfParent, else the skeleton */
    GDBusInterfaceSkeleton *skeleton;
} VfLookupEntry;

/* The path of the one of @entries (values: VfLookupEntry) that @id means: see vf_objects_lookup().
 */
const char *vf_lookup(GHashTable *entries, const char *id, GError **error);

G_END_DECLS
