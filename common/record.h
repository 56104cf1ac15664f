/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A record: what one job or lease did and decided, as an append-only file of lines
 *
 *     <event> <GVariant text of a{sv}> <16 hex digits, XXH3-64 of the line before them>\n
 *
 * Each line is one write(2), followed by fsync, before the thing that it announces is done: after a
 * crash the file says what may exist and whether the commit was made. A torn last line was never
 * acted on: readers skip it and vf_record_lock() removes it; a damaged line anywhere else is an
 * error, since nobody may guess what it said. A daemon locks a record when it creates or takes it
 * over and passes the fd to its mover. Both append; the lock lives while either does, so that a
 * restarted daemon knows by BUSY that a mover of its predecessor is still at work. */
typedef struct VfRecord VfRecord;

typedef struct {
    char *event;
    GVariant *details; /* a{sv} */
} VfRecordEntry;

/* @name must not exist. The directory is fsynced, too. */
VfRecord *vf_record_create(int dir_fd, const char *name, GError **error);
VfRecord *vf_record_open(int dir_fd, const char *name, GError **error);
/* Takes ownership of @fd. */
VfRecord *vf_record_new_from_fd(int fd);
void vf_record_free(VfRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfRecord, vf_record_free)

/* Stays the record's. */
int vf_record_get_fd(VfRecord *self);
/* In bytes. */
gboolean vf_record_get_size(VfRecord *self, gsize *size, GError **error);

/* Consumes a floating @details (a{sv}, or NULL). Blocks until the line is on disk: never on the
 * main loop. */
gboolean vf_record_append(VfRecord *self, const char *event, GVariant *details, GError **error);

/* The same without waiting for the disk: of what is worth nothing to another boot. */
gboolean vf_record_mark(VfRecord *self, const char *event, GVariant *details, GError **error);

/* Every entry, oldest first. Free with g_ptr_array_unref(). */
GPtrArray *vf_record_read(VfRecord *self, GError **error);
/* The same, or, of a damaged or too large one, those before the damage: not for who decides by what
 * it says, but for who has to leave alone what it names. NULL when it cannot be read at all. */
GPtrArray *vf_record_read_until_damage(VfRecord *self);

/* The last entry for @event in what vf_record_read() returned, or NULL. */
const VfRecordEntry *vf_record_find(GPtrArray *entries, const char *event);

/* An exclusive lock of this open file description, which ends with the last copy of the fd; FALSE
 * with BUSY when another one is held. Removes a torn last line. Needed before the first append. */
gboolean vf_record_lock(VfRecord *self, GError **error);
