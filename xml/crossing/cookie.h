/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "requirement.h"

/* The cookie: what Begin at the source tells Prepare at the destination. Namespace
 * https://vferry.org/ns/migration/1, at most 1 MiB. No secret is in it. */

#define VF_MIGRATION_DEVICES_MAX 256

typedef struct {
    char *ref; /* the device's Id at the source: A-Z a-z 0-9 . : _ -, at most 128 */
    VfRequirement *requirement;
    gboolean has_estimate;
    guint64 stop_copy_bytes; /* estimated size of the state of the stopped device; counts with
                                has_estimate */
} VfMigrationDevice;

typedef struct {
    char *job;    /* UUID, lower-case */
    char *source; /* HostId of the source: UUID, lower-case */
    guint32 stream_min,
        stream_max;  /* versions of the stream that the source speaks, 1 <= min <= max */
    char *operation; /* "rehearse" or "save"; NULL: to migrate */
    char **features; /* of the stream: a-z 0-9 -, sorted, each once; empty, never NULL */
    GPtrArray
        *devices; /* of VfMigrationDevice in the order of Begin, at least one, each ref once */
} VfMigration;

/* @job and @source are UUIDs in lower case. Without devices, stream 1 to 1, no features. */
VfMigration *vf_migration_new(const char *job, const char *source);
void vf_migration_free(VfMigration *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfMigration, vf_migration_free)

/* Takes its own reference to @requirement. The device stays the cookie's. */
VfMigrationDevice *vf_migration_add_device(VfMigration *self, const char *ref,
                                           VfRequirement *requirement);

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "migration". INVALID_XML,
 * LIMIT_EXCEEDED. */
VfMigration *vf_migration_parse(const char *text, gssize size, const char *where, GError **error);

/* Free with g_free(). */
char *vf_migration_format(const VfMigration *self);
