/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "host-id.h"
#include "io.h"
#include "names.h"
#include "number.h"
#include "sysfs.h"
#include "uuid.h"

#define JOBS "jobs"
#define CREATED "created"
#define SOURCE_SUFFIX ".source"
#define DESTINATION_SUFFIX ".destination"
#define CREATION_SUFFIX ".creation"

struct _VfLedger {
    GObject parent_instance;
    int jobs; /* directory fds */
    int created_dir;
    GMutex locking;      /* from making or opening a record to having its lock: a scan must not
                            lock the new record of a job before its maker does */
    GMutex noting;       /* a thread brings a file in created_dir into step */
    GMutex table;        /* of the next; held for moments only */
    GHashTable *created; /* Id -> Note; what created_dir says, or will say */
};

typedef struct {
    char *type;
    guint64 inode;
} Note;

G_DEFINE_FINAL_TYPE(VfLedger, vf_ledger, G_TYPE_OBJECT)

static Note *
note_new(const char *type, guint64 inode)
{
    Note *note = g_new0(Note, 1);

    note->type = g_strdup(type);
    note->inode = inode;
    return note;
}

static void
note_free(gpointer data)
{
    Note *note = data;

    g_free(note->type);
    g_free(note);
}

static void
vf_ledger_finalize(GObject *object)
{
    VfLedger *self = VF_LEDGER(object);

    vf_io_clear_fd(&self->jobs);
    vf_io_clear_fd(&self->created_dir);
    g_hash_table_unref(self->created);
    g_mutex_clear(&self->locking);
    g_mutex_clear(&self->noting);
    g_mutex_clear(&self->table);
    G_OBJECT_CLASS(vf_ledger_parent_class)->finalize(object);
}

static void
vf_ledger_class_init(VfLedgerClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_ledger_finalize;
}

static void
vf_ledger_init(VfLedger *self)
{
    self->jobs = -1;
    self->created_dir = -1;
    g_mutex_init(&self->locking);
    g_mutex_init(&self->noting);
    g_mutex_init(&self->table);
    self->created = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, note_free);
}

static int
open_directory(const char *parent, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(parent, name, NULL);
    int fd = -1;

    if (g_mkdir_with_parents(path, 0700) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot use the directory “%s”"), path);
    return fd;
}

/* What a note says, and whether it is of @this_boot. NULL: it is none, or one of 0.1.0's. */
static Note *
read_note(VfLedger *self, const char *name, gboolean *this_boot)
{
    g_autofree char *text = vf_sysfs_read(self->created_dir, name, NULL);
    g_auto(GStrv) lines = text ? g_strsplit(text, "\n", 3) : NULL;
    guint64 inode;

    if (!lines || g_strv_length(lines) != 3 ||
        !vf_number_parse_u64(lines[2], "inode", 1, G_MAXUINT64, &inode, NULL))
        return NULL;
    *this_boot = g_str_equal(lines[1], vf_host_get_boot());
    return note_new(lines[0], inode);
}

static gboolean
remove_note(VfLedger *self, const char *name, GError **error)
{
    if (unlinkat(self->created_dir, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "unlink");
}

static gboolean
write_note(VfLedger *self, const char *name, const Note *note, GError **error)
{
    vf_autofd int fd = openat(self->created_dir, name,
                              O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    g_autofree char *text =
        g_strdup_printf("%s\n%s\n%" G_GUINT64_FORMAT, note->type, vf_host_get_boot(), note->inode);

    if (fd < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "open");
    return vf_io_write_all(fd, text, strlen(text), error);
}

static void
load_created(VfLedger *self)
{
    g_auto(GStrv) names = vf_sysfs_list(self->created_dir, NULL);

    for (char **name = names; name && *name; name++) {
        g_autofree char *uuid = vf_uuid_normalize(*name, "UUID", NULL);
        gboolean this_boot = FALSE;
        Note *note = read_note(self, *name, &this_boot);

        if (note && this_boot) {
            g_hash_table_replace(self->created, g_strdup(uuid ? uuid : *name), note);
            continue;
        }
        if (note || uuid)
            (void)remove_note(self, *name, NULL); /* the next start tries again */
        else
            g_warning("%s is no note of a device and is left alone", *name);
        g_clear_pointer(&note, note_free);
    }
}

VfLedger *
vf_ledger_new(const char *state_dir, GError **error)
{
    g_autoptr(VfLedger) self = g_object_new(VF_TYPE_LEDGER, NULL);

    self->jobs = open_directory(state_dir, JOBS, error);
    if (self->jobs < 0)
        return NULL;
    self->created_dir = open_directory(state_dir, CREATED, error);
    if (self->created_dir < 0)
        return NULL;
    load_created(self);
    return g_steal_pointer(&self);
}

char *
vf_ledger_name(const char *uuid, VfJobRole role)
{
    return g_strconcat(uuid, role == VF_JOB_SOURCE ? SOURCE_SUFFIX : DESTINATION_SUFFIX, NULL);
}

/* One operation in a worker thread. */
typedef struct {
    char *name;
    char *creation; /* its record goes when the note @name is on disk; NULL: none */
    int fd;         /* a copy of the record's, so that its owner may let go of it meanwhile */
    char *event;
    GVariant *details;
    GHashTable *except;
} Operation;

static void
operation_free(gpointer data)
{
    Operation *operation = data;

    g_free(operation->name);
    g_free(operation->creation);
    vf_io_clear_fd(&operation->fd);
    g_free(operation->event);
    g_clear_pointer(&operation->details, g_variant_unref);
    g_clear_pointer(&operation->except, g_hash_table_unref);
    g_free(operation);
}

static GTask *
operation_new(VfLedger *self, Operation **operation, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, NULL, callback, data);

    *operation = g_new0(Operation, 1);
    (*operation)->fd = -1;
    g_task_set_source_tag(task, operation_new);
    g_task_set_task_data(task, *operation, operation_free);
    return task;
}

static VfRecord *
create_locked(VfLedger *self, const char *name, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->locking);
    g_autoptr(VfRecord) record = vf_record_create(self->jobs, name, error);

    if (!record || vf_record_lock(record, error))
        return g_steal_pointer(&record);
    unlinkat(self->jobs, name, 0);
    return NULL;
}

static void
create_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    VfLedger *self = source;
    Operation *operation = data;
    GError *error = NULL;
    g_autoptr(VfRecord) record = NULL;

    if (faccessat(self->jobs, operation->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                                _("there is a record “%s” already"), operation->name);
        return;
    }
    record = create_locked(self, operation->name, &error);
    if (record && vf_record_append(record, "begin", operation->details, &error)) {
        g_task_return_pointer(task, g_steal_pointer(&record), (GDestroyNotify)vf_record_free);
        return;
    }
    if (record)
        unlinkat(self->jobs, operation->name, 0);
    g_task_return_error(task, error);
}

/* Takes @name. */
static void
start_creating(VfLedger *self, char *name, GVariant *begin, GAsyncReadyCallback callback,
               gpointer data)
{
    Operation *operation;
    g_autoptr(GTask) task = operation_new(self, &operation, callback, data);

    operation->name = name;
    operation->details = g_variant_ref_sink(begin);
    g_task_run_in_thread(task, create_in_thread);
}

void
vf_ledger_create_async(VfLedger *self, const char *uuid, VfJobRole role, GVariant *begin,
                       GAsyncReadyCallback callback, gpointer data)
{
    start_creating(self, vf_ledger_name(uuid, role), begin, callback, data);
}

VfRecord *
vf_ledger_create_finish(VfLedger *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
append_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Operation *operation = data;
    g_autoptr(VfRecord) record = vf_record_new_from_fd(vf_io_steal_fd(&operation->fd));
    GError *error = NULL;

    if (vf_record_append(record, operation->event, operation->details, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void
vf_ledger_append_async(VfLedger *self, VfRecord *record, const char *event, GVariant *details,
                       GAsyncReadyCallback callback, gpointer data)
{
    Operation *operation;
    g_autoptr(GTask) task = operation_new(self, &operation, callback, data);
    GError *error = NULL;

    operation->event = g_strdup(event);
    operation->details = g_variant_ref_sink(details ? details : g_variant_new("a{sv}", NULL));
    operation->fd = vf_io_dup(vf_record_get_fd(record), &error);
    if (operation->fd < 0)
        g_task_return_error(task, error);
    else
        g_task_run_in_thread(task, append_in_thread);
}

gboolean
vf_ledger_append_finish(VfLedger *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
remove_record(VfLedger *self, const char *name)
{
    if (unlinkat(self->jobs, name, 0) < 0 && errno != ENOENT)
        g_warning("cannot remove the record %s: %s", name, g_strerror(errno));
}

static void
remove_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Operation *operation = data;

    remove_record(source, operation->name);
    g_task_return_boolean(task, TRUE);
}

/* Takes @name. */
static void
start_removing(VfLedger *self, char *name)
{
    Operation *operation;
    g_autoptr(GTask) task = operation_new(self, &operation, NULL, NULL);

    operation->name = name;
    g_task_run_in_thread(task, remove_in_thread);
}

void
vf_ledger_remove(VfLedger *self, const char *uuid, VfJobRole role)
{
    start_removing(self, vf_ledger_name(uuid, role));
}

void
vf_ledger_found_free(VfLedgerFound *self)
{
    g_free(self->name);
    g_free(self->uuid);
    g_clear_pointer(&self->record, vf_record_free);
    g_clear_pointer(&self->entries, g_ptr_array_unref);
    g_clear_error(&self->error);
    g_free(self);
}

static VfLedgerFound *
found_new(const char *name)
{
    gboolean source = g_str_has_suffix(name, SOURCE_SUFFIX);
    gboolean creation = g_str_has_suffix(name, CREATION_SUFFIX);
    const char *suffix = source ? SOURCE_SUFFIX : creation ? CREATION_SUFFIX : DESTINATION_SUFFIX;
    g_autofree char *stem = NULL;
    g_autofree char *uuid = NULL;
    VfLedgerFound *found;

    if (!g_str_has_suffix(name, suffix))
        return NULL;
    stem = g_strndup(name, strlen(name) - strlen(suffix));
    uuid = vf_uuid_normalize(stem, "UUID", NULL);
    if (!uuid || !g_str_equal(uuid, stem))
        return NULL;
    found = g_new0(VfLedgerFound, 1);
    found->name = g_strdup(name);
    found->creation = creation;
    found->uuid = g_steal_pointer(&uuid);
    found->role = source ? VF_JOB_SOURCE : VF_JOB_DESTINATION;
    return found;
}

/* Whose it is may be seen from what it says, also when a mover has the lock. */
static VfRecord *
open_locked(VfLedger *self, VfLedgerFound *found, const char *name)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->locking);
    g_autoptr(VfRecord) record = vf_record_open(self->jobs, name, &found->error);

    if (record && !vf_record_lock(record, &found->error)) {
        found->entries = vf_record_read_until_damage(record);
        return NULL;
    }
    return g_steal_pointer(&record);
}

static void
take_over(VfLedger *self, VfLedgerFound *found, const char *name)
{
    g_autoptr(VfRecord) record = open_locked(self, found, name);

    if (!record)
        return;
    found->entries = vf_record_read(record, &found->error);
    if (found->entries)
        found->record = g_steal_pointer(&record);
    else
        found->entries = vf_record_read_until_damage(record);
}

GPtrArray *
vf_ledger_scan(VfLedger *self, GHashTable *except, GError **error)
{
    g_auto(GStrv) names = vf_sysfs_list(self->jobs, error);
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)vf_ledger_found_free);

    for (char **name = names; name && *name; name++) {
        VfLedgerFound *found;

        if (except && g_hash_table_contains(except, *name))
            continue;
        found = found_new(*name);
        if (!found) {
            g_warning("%s is no record of a job and is left alone", *name);
            continue;
        }
        take_over(self, found, *name);
        g_ptr_array_add(all, found);
    }
    return names ? g_steal_pointer(&all) : NULL;
}

static void
scan_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Operation *operation = data;
    GError *error = NULL;
    GPtrArray *all = vf_ledger_scan(source, operation->except, &error);

    if (all)
        g_task_return_pointer(task, all, (GDestroyNotify)g_ptr_array_unref);
    else
        g_task_return_error(task, error);
}

void
vf_ledger_scan_async(VfLedger *self, GHashTable *except, GAsyncReadyCallback callback,
                     gpointer data)
{
    Operation *operation;
    g_autoptr(GTask) task = operation_new(self, &operation, callback, data);
    GHashTableIter iter;
    gpointer name;

    /* a copy: the caller's may change while the thread reads */
    operation->except = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (except) {
        g_hash_table_iter_init(&iter, except);
        while (g_hash_table_iter_next(&iter, &name, NULL))
            g_hash_table_add(operation->except, g_strdup(name));
    }
    g_task_run_in_thread(task, scan_in_thread);
}

GPtrArray *
vf_ledger_scan_finish(VfLedger *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* What the table says now, not what it said when this was begun: threads overtake each other, and
 * the file has to say what came last. */
static void
note_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    VfLedger *self = source;
    Operation *operation = data;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->noting);
    g_autoptr(GError) error = NULL;
    const Note *noted;
    Note *note;

    g_mutex_lock(&self->table);
    noted = g_hash_table_lookup(self->created, operation->name);
    note = noted ? note_new(noted->type, noted->inode) : NULL;
    g_mutex_unlock(&self->table);
    if (note && !write_note(self, operation->name, note, &error))
        g_warning("cannot note that %s was created here: %s", operation->name, error->message);
    else if (!note && !remove_note(self, operation->name, &error))
        g_warning("cannot forget that %s was created here: %s", operation->name, error->message);
    g_clear_pointer(&note, note_free);
    if (operation->creation)
        remove_record(self, operation->creation);
    g_task_return_boolean(task, TRUE);
}

static GTask *
noting_new(VfLedger *self, const char *uuid, GAsyncReadyCallback callback, gpointer data)
{
    Operation *operation;
    GTask *task = operation_new(self, &operation, callback, data);

    operation->name = g_strdup(uuid);
    return task;
}

static void
set_created(VfLedger *self, const char *uuid, const char *type, guint64 inode)
{
    g_mutex_lock(&self->table);
    g_hash_table_replace(self->created, g_strdup(uuid), note_new(type, inode));
    g_mutex_unlock(&self->table);
}

void
vf_ledger_note_created(VfLedger *self, const char *uuid, const char *type, guint64 inode)
{
    g_autoptr(GTask) task = noting_new(self, uuid, NULL, NULL);

    set_created(self, uuid, type, inode);
    g_task_run_in_thread(task, note_in_thread);
}

void
vf_ledger_forget_created(VfLedger *self, const char *uuid, guint64 inode)
{
    g_autoptr(GTask) task = NULL;

    if (!vf_ledger_find_created(self, uuid, inode))
        return;
    g_mutex_lock(&self->table);
    g_hash_table_remove(self->created, uuid);
    g_mutex_unlock(&self->table);
    task = noting_new(self, uuid, NULL, NULL);
    g_task_run_in_thread(task, note_in_thread);
}

char **
vf_ledger_list_created(VfLedger *self)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    GHashTableIter iter;
    gpointer uuid;

    g_hash_table_iter_init(&iter, self->created);
    while (g_hash_table_iter_next(&iter, &uuid, NULL))
        g_strv_builder_add(builder, uuid);
    return g_strv_builder_end(builder);
}

guint64
vf_ledger_get_created_inode(VfLedger *self, const char *uuid)
{
    const Note *note = g_hash_table_lookup(self->created, uuid);

    return note ? note->inode : 0;
}

const char *
vf_ledger_find_created(VfLedger *self, const char *uuid, guint64 inode)
{
    const Note *note = g_hash_table_lookup(self->created, uuid);

    return note && note->inode == inode ? note->type : NULL;
}

/* --- devices that are being made for no job --- */

static char *
creation_name(const char *id)
{
    return g_strconcat(id, CREATION_SUFFIX, NULL);
}

void
vf_ledger_begin_creation_async(VfLedger *self, const char *id, GAsyncReadyCallback callback,
                               gpointer data)
{
    GVariantDict begin;

    g_variant_dict_init(&begin, NULL);
    g_variant_dict_insert(&begin, "boot", "s", vf_host_get_boot());
    start_creating(self, creation_name(id), g_variant_dict_end(&begin), callback, data);
}

VfRecord *
vf_ledger_begin_creation_finish(VfLedger *self, GAsyncResult *result, GError **error)
{
    return vf_ledger_create_finish(self, result, error);
}

void
vf_ledger_end_creation_async(VfLedger *self, const char *id, const char *uuid, const char *type,
                             guint64 inode, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = noting_new(self, uuid, callback, data);
    Operation *operation = g_task_get_task_data(task);

    operation->creation = creation_name(id);
    set_created(self, uuid, type, inode);
    g_task_run_in_thread(task, note_in_thread);
}

void
vf_ledger_end_creation_finish(VfLedger *self, GAsyncResult *result)
{
    g_task_propagate_boolean(G_TASK(result), NULL);
}

void
vf_ledger_drop_creation(VfLedger *self, const char *id)
{
    start_removing(self, creation_name(id));
}
