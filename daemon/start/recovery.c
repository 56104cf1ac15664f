/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "recovery.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "host-id.h"
#include "log.h"
#include "provider.h"
#include "verdict.h"

struct _VfRecovery {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfLeases *leases;
    VfSourceDevices *source_devices;
    guint retry_ms;
    guint retry;
    gboolean started;     /* the first look is done: what comes later is this daemon's own */
    GHashTable *own;      /* names of records that are decided on */
    GHashTable *waiting;  /* and of those, seen by the last scan, whose mover is still at work: name
                             -> Orphan */
    GHashTable *removing; /* Ids of what a creation left behind */
    GHashTable *damaged;  /* name -> Orphan: nobody can say what is about its devices */
};

G_DEFINE_FINAL_TYPE(VfRecovery, vf_recovery, G_TYPE_OBJECT)

static void
vf_recovery_finalize(GObject *object)
{
    VfRecovery *self = VF_RECOVERY(object);

    g_clear_handle_id(&self->retry, g_source_remove);
    g_hash_table_unref(self->own);
    g_hash_table_unref(self->waiting);
    g_hash_table_unref(self->removing);
    g_hash_table_unref(self->damaged);
    g_object_unref(self->jobs);
    g_object_unref(self->leases);
    g_object_unref(self->source_devices);
    G_OBJECT_CLASS(vf_recovery_parent_class)->finalize(object);
}

static void
vf_recovery_class_init(VfRecoveryClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_recovery_finalize;
}

/* What a record says its devices here are: at a source, those that it began with; at a destination,
 * those that it made, or was about to. */
typedef struct {
    char *id;
    guint64 inode; /* 0: that of 0.1.0 says it by name */
} Named;

static void
named_clear(gpointer data)
{
    g_free(((Named *)data)->id);
}

/* A record that somebody works on who is none of this daemon's, and the devices in it. */
typedef struct {
    char *job;
    GArray *devices; /* of Named */
} Orphan;

static void
orphan_free(gpointer data)
{
    Orphan *self = data;

    g_free(self->job);
    g_array_unref(self->devices);
    g_free(self);
}

static GHashTable *
orphans_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, orphan_free);
}

static void
vf_recovery_init(VfRecovery *self)
{
    self->own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->waiting = orphans_new();
    self->removing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->damaged = orphans_new();
}

static const Orphan *
find_orphan(GHashTable *orphans, const VfTouch *touch)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, orphans);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Orphan *orphan = value;

        for (guint i = 0; i < orphan->devices->len; i++) {
            const Named *named = &g_array_index(orphan->devices, Named, i);

            if (vf_touch_is_of(touch, named->id, named->inode))
                return orphan;
        }
    }
    return NULL;
}

/* A second mover on one device would be two who decide about it. */
static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfRecovery *self = user;
    const Orphan *at_work = find_orphan(self->waiting, touch);
    const Orphan *damaged = find_orphan(self->damaged, touch);

    if (at_work)
        return vf_touch_refuse_job(touch, at_work->job, FALSE, error);
    if (damaged)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT,
                    _("device %s is in job %s, whose record is damaged: when it is certain what "
                      "became of the job, remove the record and restart vferryd"),
                    touch->id, damaged->job);
    else if (g_hash_table_contains(self->removing, touch->id))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is %s"), touch->id,
                    _("being worked on"));
    else
        return TRUE;
    return FALSE;
}

VfRecovery *
vf_recovery_new(const VfContext *context, VfJobs *jobs, VfLeases *leases,
                VfSourceDevices *source_devices, guint retry_ms)
{
    VfRecovery *self = g_object_new(VF_TYPE_RECOVERY, NULL);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->leases = g_object_ref(leases);
    self->source_devices = g_object_ref(source_devices);
    self->retry_ms = retry_ms;
    vf_uses_add(context->uses, check_use, self);
    return self;
}

/* The lines that announce what is made. There is one for each device of the job, and all are
 * written before a mover is given the record: what comes later is not the daemon's. */
static GPtrArray *
list_announced(GPtrArray *entries)
{
    const VfRecordEntry *begin = vf_verdict_find_begin(entries);
    GPtrArray *all = g_ptr_array_new();
    g_auto(GStrv) devices = NULL;
    guint n = G_MAXUINT; /* of a creation, which no mover is given */

    if (begin && g_variant_lookup(begin->details, "devices", "^as", &devices))
        n = g_strv_length(devices);
    for (guint i = 0; i < entries->len && all->len < n; i++)
        if (g_str_equal(((const VfRecordEntry *)entries->pdata[i])->event, "create"))
            g_ptr_array_add(all, entries->pdata[i]);
    return all;
}

/* Else whatever has a device's path and UUID, or its address, now is another one, and its inode may
 * be the same: the kernel counts from the start again. */
static gboolean
is_of_this_boot(GPtrArray *entries)
{
    const VfRecordEntry *begin = vf_verdict_find_begin(entries);
    const char *boot;

    return begin && g_variant_lookup(begin->details, "boot", "&s", &boot) &&
           g_str_equal(boot, vf_host_get_boot());
}

static VfRecordVerdict
judge(const VfLedgerFound *found)
{
    return vf_verdict(found->role, found->entries);
}

/* One that says so: then its devices are not those that have their names now. */
static gboolean
is_of_another_boot(GPtrArray *entries)
{
    const VfRecordEntry *begin = vf_verdict_find_begin(entries);

    return begin && g_variant_lookup(begin->details, "boot", "s", NULL) &&
           !is_of_this_boot(entries);
}

static void
name_source(GPtrArray *entries, GArray *all)
{
    const VfRecordEntry *begin = vf_verdict_find_begin(entries);
    g_auto(GStrv) ids = NULL;
    g_autoptr(GVariant) inodes = NULL;

    if (!begin || !g_variant_lookup(begin->details, "devices", "^as", &ids))
        return;
    inodes = g_variant_lookup_value(begin->details, "inodes", G_VARIANT_TYPE("at"));
    for (guint i = 0; ids[i]; i++) {
        Named named = {.id = g_strdup(ids[i])};

        if (inodes && i < g_variant_n_children(inodes))
            g_variant_get_child(inodes, i, "t", &named.inode);
        g_array_append_val(all, named);
    }
}

static void
name_made(VfRecovery *self, GPtrArray *entries, GArray *all)
{
    g_autoptr(GPtrArray) announced = list_announced(entries);

    for (guint i = 0; i < announced->len; i++) {
        GVariant *details = ((const VfRecordEntry *)announced->pdata[i])->details;
        g_autoptr(VfMaking) making =
            vf_provider_find_made(self->context->providers, entries, details);
        Named named = {.inode = making ? vf_making_get_inode(making) : 0};

        if (g_variant_lookup(details, "uuid", "s", &named.id))
            g_array_append_val(all, named);
    }
}

static GArray *
list_named(VfRecovery *self, const VfLedgerFound *found)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Named));

    g_array_set_clear_func(all, named_clear);
    if (!found->entries || is_of_another_boot(found->entries))
        return all;
    if (found->role == VF_JOB_SOURCE && !found->creation)
        name_source(found->entries, all);
    else
        name_made(self, found->entries, all);
    return all;
}

/* Whatever has the name of one that is to be removed may be another one, so it is enough only to
 * keep others from what is in doubt. */
static void
find_device(VfRecovery *self, VfLedgerFound *found, VfJob *job, guint index, const Named *named)
{
    VfRegistry *registry = self->context->registry;
    VfDevice *device = NULL;

    if (found->role == VF_JOB_SOURCE && named->inode)
        device = vf_registry_find_this_device(registry, named->id, named->inode);
    else if (found->role == VF_JOB_SOURCE && judge(found) != VF_RECORD_COMPLETED)
        device = vf_registry_find_device(registry, named->id);
    if (device)
        vf_job_set_device(job, index, device);
    else
        vf_job_name_device(job, index, named->id, named->inode);
}

static void
note_moved_on(const VfLedgerFound *found, VfJob *job)
{
    for (guint i = 0; i < found->entries->len; i++) {
        const VfRecordEntry *entry = found->entries->pdata[i];
        guint32 index;

        if (g_str_equal(entry->event, "moved-on") &&
            g_variant_lookup(entry->details, "device", "u", &index) &&
            index < vf_job_get_n_devices(job))
            vf_job_get_device(job, index)->moved_on = TRUE;
    }
}

static VfJob *
make_job(VfRecovery *self, VfLedgerFound *found)
{
    const VfRecordEntry *begin = vf_verdict_find_begin(found->entries);
    g_auto(GVariantDict) details = G_VARIANT_DICT_INIT(begin->details);
    const char *peer = "";
    const char *driver = "";
    const char *override = "";
    const char *operation = "";
    VfJobOperation value = VF_JOB_MIGRATE;
    g_auto(GStrv) devices = NULL;
    guint32 uid = (guint32)-1;
    gint64 start = 0;
    g_autoptr(GArray) named = list_named(self, found);
    VfJob *job;

    g_variant_dict_lookup(&details, "uid", "u", &uid);
    g_variant_dict_lookup(&details, "peer", "&s", &peer);
    g_variant_dict_lookup(&details, "driver", "&s", &driver);
    g_variant_dict_lookup(&details, "override", "&s", &override);
    g_variant_dict_lookup(&details, "operation", "&s", &operation);
    vf_job_operation_from_string(operation, &value);
    g_variant_dict_lookup(&details, "devices", "^as", &devices);
    g_variant_dict_lookup(&details, "time", "x", &start);
    job = vf_job_new(found->role, found->uuid, uid, "");
    if (start > 0)
        vf_job_set_start_time(job, start);
    vf_job_set_operation(job, value);
    vf_job_set_peer(job, peer);
    vf_job_set_driver_name(job, driver);
    vf_job_set_override(job, override);
    for (guint i = 0; devices && devices[i]; i++) {
        vf_job_add_device(job, devices[i], NULL);
        if (i < named->len)
            find_device(self, found, job, i, &g_array_index(named, Named, i));
    }
    note_moved_on(found, job);
    vf_job_take_record(job, g_steal_pointer(&found->record));
    if (found->role == VF_JOB_SOURCE)
        vf_source_devices_recover(self->source_devices, job);
    return job;
}

GPtrArray *
vf_recovery_list_made(GPtrArray *providers, GPtrArray *entries)
{
    GPtrArray *makings = g_ptr_array_new_with_free_func(g_object_unref);
    g_autoptr(GPtrArray) announced = list_announced(entries);
    gboolean here = is_of_this_boot(entries);

    for (guint i = 0; here && i < announced->len; i++) {
        GVariant *details = ((const VfRecordEntry *)announced->pdata[i])->details;
        g_autoptr(VfMaking) making = vf_provider_find_made(providers, entries, details);
        const char *id = making ? vf_making_get_id(making) : "?";

        if (making && vf_making_get_inode(making))
            g_ptr_array_add(makings, g_steal_pointer(&making));
        else if (making && g_file_test(vf_making_get_sysfs_path(making), G_FILE_TEST_EXISTS))
            vf_log_device(G_LOG_LEVEL_WARNING, id,
                          "%s may have been made by the last daemon, whose record does not say "
                          "which device it was: it is left alone",
                          id);
        else if (!making && g_variant_lookup(details, "uuid", "&s", &id))
            vf_log_device(G_LOG_LEVEL_WARNING, id,
                          "%s may have been made by the last daemon, in a way that this one does "
                          "not know: it is left alone",
                          id);
    }
    return makings;
}

static void
restore_lease(VfRecovery *self, VfJob *job, VfLedgerFound *found)
{
    vf_jobs_hold(self->jobs, job);
    vf_leases_restore(self->leases, job,
                      vf_recovery_list_made(self->context->providers, found->entries));
}

static void
show_undone(VfRecovery *self, VfLedgerFound *found)
{
    g_autoptr(VfJob) job = make_job(self, found);

    vf_job_complete(job, vf_outcome_new(VF_RESULT_FAILED,
                                        g_error_new_literal(
                                            VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                            _("the daemon was restarted before the commit; what "
                                              "was prepared here is undone"))));
    vf_jobs_add(self->jobs, job);
    restore_lease(self, job, found);
}

static void
show_lost(VfRecovery *self, VfLedgerFound *found)
{
    g_autoptr(VfJob) job = make_job(self, found);

    vf_job_complete(
        job,
        vf_outcome_new(VF_RESULT_FAILED,
                       g_error_new_literal(
                           VFERRY_ERROR, VFERRY_ERROR_FAILED,
                           _("the daemon and the mover ended before the commit, and the loan with "
                             "them: nothing has started at the destination, but whether the device "
                             "runs here only its holder can see"))));
    vf_jobs_add(self->jobs, job);
}

static void
show_in_doubt(VfRecovery *self, VfLedgerFound *found)
{
    g_autoptr(VfJob) job = make_job(self, found);
    const char *text =
        found->role == VF_JOB_SOURCE
            ? _("the commit is on record here, and no word that the destination runs")
            : _("the commit is on record here, and not that the devices ran; the daemon that had "
                "them open has gone, and their state with it");

    vf_job_complete(job,
                    vf_outcome_new(VF_RESULT_IN_DOUBT,
                                   g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT, text)));
    vf_jobs_add(self->jobs, job);
    if (found->role == VF_JOB_DESTINATION)
        restore_lease(self, job, found);
}

/* Whoever waits for Finish or Confirm while the daemon is restarted hears how it ended. */
static void
show_finished(VfRecovery *self, VfLedgerFound *found)
{
    gboolean completed = judge(found) == VF_RECORD_COMPLETED;
    g_autoptr(VfJob) job = make_job(self, found);
    g_autoptr(GPtrArray) made =
        completed && found->role == VF_JOB_DESTINATION
            ? vf_recovery_list_made(self->context->providers, found->entries)
            : g_ptr_array_new();
    const char *text = found->role == VF_JOB_SOURCE ? _("the devices run here again")
                                                    : _("what was prepared here is undone");
    GError *error =
        g_error_new(VFERRY_ERROR, VFERRY_ERROR_FAILED, _("it ended before the commit; %s"), text);

    if (completed)
        g_clear_error(&error);
    for (guint i = 0; i < made->len; i++) /* it came here and runs */
        vf_making_note_created(made->pdata[i], self->context->registry, self->context->ledger);
    vf_job_complete(job, vf_outcome_new(completed ? VF_RESULT_COMPLETED : VF_RESULT_FAILED, error));
    vf_jobs_add(self->jobs, job);
}

typedef struct {
    VfRecovery *recovery;
    char *id;
    VfRecord *record; /* its lock is held until nothing is left */
} Undoing;

static void
on_creation_undone(GObject *source, GAsyncResult *result, gpointer data)
{
    Undoing *undoing = data;
    const char *id = vf_making_get_id(VF_MAKING(source));
    g_autoptr(GError) error = NULL;

    if (vf_making_remove_finish(VF_MAKING(source), result, &error)) {
        vf_ledger_drop_creation(undoing->recovery->context->ledger, undoing->id);
        vf_log_device(G_LOG_LEVEL_MESSAGE, id,
                      "%s was being made when the last daemon ended, and is removed", id);
    } else { /* its record stays: the next start tries again */
        vf_log_device(G_LOG_LEVEL_WARNING, id, "%s", error->message);
    }
    g_hash_table_remove(undoing->recovery->removing, id);
    vf_record_free(undoing->record);
    g_object_unref(undoing->recovery);
    g_free(undoing->id);
    g_free(undoing);
}

/* Somebody asked for a device and did not hear whether it is there. One that is noted stays,
 * anything else is removed. */
static void
undo_creation(VfRecovery *self, VfLedgerFound *found)
{
    VfLedger *ledger = self->context->ledger;
    g_autoptr(GPtrArray) makings = vf_recovery_list_made(self->context->providers, found->entries);
    VfMaking *making = makings->len > 0 ? makings->pdata[0] : NULL;
    Undoing *undoing;

    if (!making ||
        vf_ledger_find_created(ledger, vf_making_get_id(making), vf_making_get_inode(making))) {
        vf_ledger_drop_creation(ledger, found->uuid);
        return;
    }
    undoing = g_new0(Undoing, 1);
    undoing->recovery = g_object_ref(self);
    undoing->id = g_strdup(found->uuid);
    undoing->record = g_steal_pointer(&found->record);
    g_hash_table_add(self->removing, g_strdup(vf_making_get_id(making)));
    vf_making_remove_async(making, on_creation_undone, undoing);
}

static void
take(VfRecovery *self, VfLedgerFound *found)
{
    switch (judge(found)) {
    case VF_RECORD_UNCOMMITTED:
        if (found->role == VF_JOB_SOURCE)
            show_lost(self, found);
        else
            show_undone(self, found);
        break;
    case VF_RECORD_DISCARDED:
        show_undone(self, found);
        break;
    case VF_RECORD_IN_DOUBT:
        show_in_doubt(self, found);
        break;
    case VF_RECORD_COMPLETED:
    case VF_RECORD_RETURNED:
        show_finished(self, found); /* how long ago that was, no clock can be trusted to say */
        break;
    case VF_RECORD_EMPTY:
    default:
        vf_ledger_remove(self->context->ledger, found->uuid, found->role);
        break;
    }
}

static Orphan *
orphan_new(VfRecovery *recovery, const VfLedgerFound *found)
{
    Orphan *self = g_new0(Orphan, 1);

    self->job = g_strdup(found->uuid);
    self->devices = list_named(recovery, found);
    return self;
}

/* Of a job of this daemon's, as long as it is on the bus. */
static gboolean
is_ours(VfRecovery *self, const VfLedgerFound *found)
{
    VfJob *job = found->creation ? NULL : vf_jobs_find(self->jobs, found->uuid, found->role);

    return job && vf_job_get_record(job); /* without one it has met this one, which is in its way */
}

static void
look_at(VfRecovery *self, VfLedgerFound *found, GHashTable *waited)
{
    if ((self->started && !g_hash_table_contains(waited, found->name)) || is_ours(self, found))
        return; /* made after the start, or while the first scan ran */
    if (g_error_matches(found->error, VFERRY_ERROR, VFERRY_ERROR_BUSY)) {
        g_hash_table_insert(self->waiting, g_strdup(found->name), orphan_new(self, found));
        return;
    }
    if (found->error)
        g_hash_table_insert(self->damaged, g_strdup(found->name), orphan_new(self, found));
    g_hash_table_add(self->own, g_strdup(found->name));
    if (found->error)
        vf_log_event(VF_EVENT_RECORD_DAMAGED, VF_ABOUT(.job = found->uuid),
                     "the record of job %s cannot be used and is left alone: %s", found->uuid,
                     found->error->message);
    else if (found->creation)
        undo_creation(self, found);
    else
        take(self, found);
}

static void wait_for_movers(VfRecovery *self);

/* What waited and is not there any more has nobody to wait for. */
static void
look_at_all(VfRecovery *self, GPtrArray *all)
{
    g_autoptr(GHashTable) waited = g_steal_pointer(&self->waiting);

    self->waiting = orphans_new();
    for (guint i = 0; i < all->len; i++)
        look_at(self, all->pdata[i], waited);
    wait_for_movers(self);
}

static void
on_scanned(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(VfRecovery) self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = vf_ledger_scan_finish(VF_LEDGER(source), result, &error);

    if (all) {
        look_at_all(self, all);
        return;
    }
    g_warning("cannot read what the last daemon left: %s", error->message);
    wait_for_movers(self); /* what it knows of them still counts */
}

static gboolean
on_retry(gpointer data)
{
    VfRecovery *self = data;

    self->retry = 0;
    vf_ledger_scan_async(self->context->ledger, self->own, on_scanned, g_object_ref(self));
    return G_SOURCE_REMOVE;
}

static void
wait_for_movers(VfRecovery *self)
{
    if (g_hash_table_size(self->waiting) > 0)
        self->retry = g_timeout_add(self->retry_ms, on_retry, self);
}

void
vf_recovery_leave(VfRecovery *self, const char *uuid, VfJobRole role)
{
    g_hash_table_add(self->own, vf_ledger_name(uuid, role));
}

gboolean
vf_recovery_start(VfRecovery *self, GError **error)
{
    g_autoptr(GPtrArray) all = vf_ledger_scan(self->context->ledger, self->own, error);

    if (!all) {
        g_prefix_error(error, _("cannot read what the last daemon left: "));
        return FALSE;
    }
    look_at_all(self, all);
    self->started = TRUE;
    return TRUE;
}
