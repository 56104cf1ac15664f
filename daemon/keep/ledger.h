/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "phase.h"
#include "record.h"

G_BEGIN_DECLS

/* The records of all jobs of this host: <state>/jobs/<job uuid>.source and .destination
 * (docs/migration-stream.md). Everything that touches the disk happens in a worker thread. A record
 * stays its owner's while an operation runs on it. */
#define VF_TYPE_LEDGER (vf_ledger_get_type())
G_DECLARE_FINAL_TYPE(VfLedger, vf_ledger, VF, LEDGER, GObject)

/* Makes the directories. Blocks; for start-up. */
VfLedger *vf_ledger_new(const char *state_dir, GError **error);

/* A new, locked record whose first line is `begin`. Consumes a floating @begin. BUSY when there is
 * one. */
void vf_ledger_create_async(VfLedger *self, const char *uuid, VfJobRole role, GVariant *begin,
                            GAsyncReadyCallback callback, gpointer data);
VfRecord *vf_ledger_create_finish(VfLedger *self, GAsyncResult *result, GError **error);

/* Consumes a floating @details. On disk when it completes. */
void vf_ledger_append_async(VfLedger *self, VfRecord *record, const char *event, GVariant *details,
                            GAsyncReadyCallback callback, gpointer data);
gboolean vf_ledger_append_finish(VfLedger *self, GAsyncResult *result, GError **error);

/* The file of a finished job; one that is not there is no error. Failures are logged: a record too
 * many is looked at again at the next start. */
void vf_ledger_remove(VfLedger *self, const char *uuid, VfJobRole role);

/* A device that is made for no job has a record of its own while it is being made,
 * <state>/jobs/<@id>.creation, with the lines of a destination's: from before the first write until
 * it is noted as created, or nothing is left of it. It is the creation's, and not the device's: two
 * of one UUID at once have two. */
void vf_ledger_begin_creation_async(VfLedger *self, const char *id, GAsyncReadyCallback callback,
                                    gpointer data);
VfRecord *vf_ledger_begin_creation_finish(VfLedger *self, GAsyncResult *result, GError **error);
/* As vf_ledger_note_created(), and when that is on disk the record is removed. */
void vf_ledger_end_creation_async(VfLedger *self, const char *id, const char *uuid,
                                  const char *type, guint64 inode, GAsyncReadyCallback callback,
                                  gpointer data);
void vf_ledger_end_creation_finish(VfLedger *self, GAsyncResult *result);
/* Nothing is left of it. */
void vf_ledger_drop_creation(VfLedger *self, const char *id);

/* What an earlier daemon left. */
typedef struct {
    char *name;        /* of the file */
    char *uuid;        /* of the job, or the creation's id */
    gboolean creation; /* of a device, for no job */
    VfJobRole role;
    VfRecord *record;   /* locked; NULL when @error is set */
    GPtrArray *entries; /* as far as it can be read; NULL: not at all */
    GError *error;      /* BUSY: a mover is still at work on it, and goes on writing */
} VfLedgerFound;

void vf_ledger_found_free(VfLedgerFound *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfLedgerFound, vf_ledger_found_free)

/* All of them, as an array of VfLedgerFound, except those whose file name (see vf_ledger_name()) is
 * a key of
 * @except (nullable). Free with g_ptr_array_unref(). */
void vf_ledger_scan_async(VfLedger *self, GHashTable *except, GAsyncReadyCallback callback,
                          gpointer data);
GPtrArray *vf_ledger_scan_finish(VfLedger *self, GAsyncResult *result, GError **error);
/* The same, of all. Blocks; for start-up. */
GPtrArray *vf_ledger_scan(VfLedger *self, GHashTable *except, GError **error);

/* "<uuid>.source". Free with g_free(). */
char *vf_ledger_name(const char *uuid, VfJobRole role);

/* Devices that vferry created, so that a source's can be removed after it has left:
 * <state>/created/<Id>, the type in its first line, the boot (vf_host_get_boot()) in its second
 * and its inode (vf_device_get_inode()) in its third. Another boot's, and those without an inode,
 * which are 0.1.0's, are dropped when the ledger is made: what has the Id now may be somebody
 * else's. What has neither the form of a note nor a UUID for its name is no note, and stays. */
void vf_ledger_note_created(VfLedger *self, const char *uuid, const char *type, guint64 inode);
/* That one; a note of another one of that UUID stays. */
void vf_ledger_forget_created(VfLedger *self, const char *uuid, guint64 inode);
/* The type it was created from, or NULL when we did not create that one. Stays the ledger's. */
const char *vf_ledger_find_created(VfLedger *self, const char *uuid, guint64 inode);
/* Their Ids. Free with g_strfreev(). */
char **vf_ledger_list_created(VfLedger *self);
/* That of the noted one of @uuid; 0 when there is none. */
guint64 vf_ledger_get_created_inode(VfLedger *self, const char *uuid);

G_END_DECLS
