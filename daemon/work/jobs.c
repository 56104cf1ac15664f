/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "jobs.h"

#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "error.h"
#include "host-id.h"
#include "job-keep.h"
#include "job-log.h"
#include "job-object.h"
#include "names.h"
#include "options.h"

/* Its description, its record, and its mover's socket and process. */
#define KEPT_PARTS 4

struct _VfJobs {
    GObject parent_instance;
    const VfContext *context;
    guint memory_ms;
    GPtrArray *entries; /* of Entry */
    guint pruning;
};

G_DEFINE_FINAL_TYPE(VfJobs, vf_jobs, G_TYPE_OBJECT)

typedef struct {
    VfJobs *jobs;
    VfJob *job;
    VferryJob *skeleton;
    guint expiry;
    gint64 since; /* when the time to its expiry began */
    guint holds;
    gboolean resolving;
} Entry;

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_signal_handlers_disconnect_by_data(entry->job, entry);
    g_signal_handlers_disconnect_by_data(entry->skeleton, entry);
    g_clear_handle_id(&entry->expiry, g_source_remove);
    g_object_unref(entry->skeleton);
    g_object_unref(entry->job);
    g_free(entry);
}

static void
vf_jobs_finalize(GObject *object)
{
    VfJobs *self = VF_JOBS(object);

    g_clear_handle_id(&self->pruning, g_source_remove);
    g_ptr_array_unref(self->entries);
    G_OBJECT_CLASS(vf_jobs_parent_class)->finalize(object);
}

static void
vf_jobs_class_init(VfJobsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_jobs_finalize;
    g_signal_new("expired", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 1, VF_TYPE_JOB);
}

static void
vf_jobs_init(VfJobs *self)
{
    self->entries = g_ptr_array_new_with_free_func(entry_free);
}

static Entry *
find_entry(VfJobs *self, VfJob *job)
{
    for (guint i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];
        if (entry->job == job)
            return entry;
    }
    return NULL;
}

VfJob *
vf_jobs_find(VfJobs *self, const char *uuid, VfJobRole role)
{
    for (guint i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];
        if (vf_job_get_role(entry->job) == role && g_str_equal(vf_job_get_uuid(entry->job), uuid))
            return entry->job;
    }
    return NULL;
}

/* One that runs has it open, and one in doubt may have all there is of its state. */
static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfJobs *self = user;

    for (guint i = 0; i < self->entries->len; i++) {
        VfJob *job = ((Entry *)self->entries->pdata[i])->job;
        gboolean in_doubt = vf_job_is_in_doubt(job);

        if ((in_doubt || !vf_job_get_outcome(job)) && vf_job_has_device(job, touch))
            return vf_touch_refuse_job(touch, vf_job_get_uuid(job), in_doubt, error);
    }
    return TRUE;
}

VfJobs *
vf_jobs_new(const VfContext *context, guint memory_ms)
{
    VfJobs *self = g_object_new(VF_TYPE_JOBS, NULL);

    self->context = context;
    self->memory_ms = memory_ms;
    vf_uses_add(context->uses, check_use, self);
    return self;
}

static const char *
entry_path(const Entry *entry)
{
    return g_dbus_interface_skeleton_get_object_path(G_DBUS_INTERFACE_SKELETON(entry->skeleton));
}

const char *
vf_jobs_get_path(VfJobs *self, VfJob *job)
{
    const Entry *entry = find_entry(self, job);

    return entry ? entry_path(entry) : "/";
}

/* --- the end --- */

static void
expire(Entry *entry)
{
    VfJobs *self = entry->jobs;
    g_autoptr(VfJob) job = g_object_ref(entry->job);
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));

    if (driver)
        vf_driver_drop(driver, job);
    vf_job_forget(job);
    /* one that never got its record leaves alone whose name it met there */
    if (vf_job_get_record(job))
        vf_ledger_remove(self->context->ledger, vf_job_get_uuid(job), vf_job_get_role(job));
    vf_objects_remove(self->context->objects, G_DBUS_INTERFACE_SKELETON(entry->skeleton));
    g_ptr_array_remove(self->entries, entry);
    g_signal_emit_by_name(self, "expired", job);
}

static gboolean
on_expiry(gpointer data)
{
    Entry *entry = data;

    entry->expiry = 0;
    expire(entry);
    return G_SOURCE_REMOVE;
}

/* One that is about to expire, and after which enough others of its user have ended. */
static Entry *
find_surplus(VfJobs *self)
{
    for (guint i = 0; i < self->entries->len; i++) {
        const Entry *entry = self->entries->pdata[i];
        guint newer = 0;

        for (guint j = 0; j < self->entries->len && entry->expiry; j++) {
            const Entry *other = self->entries->pdata[j];

            if (other->expiry && vf_job_get_uid(other->job) == vf_job_get_uid(entry->job) &&
                (other->since > entry->since || (other->since == entry->since && j > i)))
                newer++;
        }
        if (newer >= VF_JOBS_ENDED_MAX)
            return self->entries->pdata[i];
    }
    return NULL;
}

static gboolean
on_prune(gpointer data)
{
    VfJobs *self = data;
    Entry *entry;

    self->pruning = 0;
    while ((entry = find_surplus(self)))
        expire(entry);
    return G_SOURCE_REMOVE;
}

/* In doubt: kept until somebody resolves it, however long that takes. */
static void
arm_expiry(Entry *entry, gint64 age_ms)
{
    VfResult result = vf_job_get_result(entry->job);
    gint64 left = (gint64)entry->jobs->memory_ms - age_ms;

    g_clear_handle_id(&entry->expiry, g_source_remove);
    if (result == VF_RESULT_NONE || result == VF_RESULT_IN_DOUBT || entry->holds > 0)
        return;
    entry->since = g_get_monotonic_time() - age_ms * 1000;
    entry->expiry = g_timeout_add((guint)MAX(left, 0), on_expiry, entry);
    if (!entry->jobs->pruning) /* not under the feet of whoever ended it */
        entry->jobs->pruning = g_timeout_add(0, on_prune, entry->jobs);
}

static void
on_completed(VfJob *job, Entry *entry)
{
    if (vf_job_get_kept(job))
        vf_kept_reserve(vf_job_get_kept(job), 0, NULL);
    arm_expiry(entry, 0);
}

void
vf_jobs_hold(VfJobs *self, VfJob *job)
{
    Entry *entry = find_entry(self, job);

    if (!entry)
        return;
    entry->holds++;
    arm_expiry(entry, 0);
}

void
vf_jobs_release(VfJobs *self, VfJob *job)
{
    Entry *entry = find_entry(self, job);

    if (!entry || entry->holds == 0)
        return;
    entry->holds--;
    arm_expiry(entry, 0);
}

/* --- Cancel --- */

static gboolean
check_cancel(Entry *entry, GVariant *options_dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    VfJobPhase phase = vf_job_get_phase(entry->job);
    VfDriver *driver;

    if (!vf_options_end(options, error))
        return FALSE;
    if (phase >= VF_JOB_COMMITTING) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("job %s is %s and cannot be cancelled"), vf_job_get_uuid(entry->job),
                    vf_job_get_phase_name(entry->job));
        return FALSE;
    }
    driver = vf_context_choose_driver(entry->jobs->context, vf_job_get_driver_name(entry->job),
                                      NULL, error);
    return driver && vf_driver_cancel(driver, entry->job, error);
}

static gboolean
on_cancel(VferryJob *skeleton, GDBusMethodInvocation *invocation, GVariant *options, Entry *entry)
{
    GError *error = NULL;

    if (check_cancel(entry, options, &error))
        vferry_job_complete_cancel(skeleton, invocation);
    else
        vf_bus_return_error(invocation, error);
    return TRUE;
}

/* --- Resolve --- */

typedef struct {
    VfJobs *jobs;
    VfJob *job;
    VferryJob *skeleton;
    GDBusMethodInvocation *invocation; /* NULL: an earlier daemon was asked */
    gboolean run;
    guint32 uid;
} Resolution;

static void
resolution_free(Resolution *self)
{
    g_object_unref(self->jobs);
    g_object_unref(self->job);
    g_object_unref(self->skeleton);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Resolution, resolution_free)

static void
set_resolving(Resolution *resolution, gboolean resolving)
{
    Entry *entry = find_entry(resolution->jobs, resolution->job);

    if (entry)
        entry->resolving = resolving;
}

/* Who runs it now has completed the migration; who gave it back has not. */
static VfOutcome *
resolved_outcome(const Resolution *resolution)
{
    gboolean source = vf_job_get_role(resolution->job) == VF_JOB_SOURCE;
    VfOutcome *outcome;
    VfDeviceOutcome state = resolution->run ? VF_DEVICE_OUTCOME_RUNNING : VF_DEVICE_OUTCOME_STOPPED;

    if (source != resolution->run)
        outcome = vf_outcome_new(VF_RESULT_COMPLETED, NULL);
    else
        outcome = vf_outcome_new(
            VF_RESULT_CANCELLED,
            g_error_new(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("resolved by uid %u: %s"),
                        resolution->uid,
                        source ? _("the source runs on") : _("this destination never runs")));
    g_variant_unref(outcome->statistics);
    outcome->statistics = g_variant_ref(vf_job_get_outcome(resolution->job)->statistics);
    for (guint i = 0; i < vf_job_get_n_devices(resolution->job); i++) {
        VfDeviceOutcome its =
            vf_job_get_device(resolution->job, i)->reset ? VF_DEVICE_OUTCOME_NEEDS_RESET : state;
        g_array_append_val(outcome->devices, its);
    }
    return outcome;
}

/* Takes @error. */
static void
refuse_resolution(const Resolution *resolution, GError *error)
{
    const char *uuid = vf_job_get_uuid(resolution->job);

    if (resolution->invocation) {
        vf_bus_return_error(resolution->invocation, error);
        return;
    }
    vf_log_job(G_LOG_LEVEL_WARNING, uuid, "job %s was to run here, and is in doubt again: %s", uuid,
               error->message);
    g_error_free(error);
}

static void
finish_resolution(Resolution *resolution, GError *error)
{
    g_autoptr(Resolution) done = resolution;

    set_resolving(done, FALSE);
    if (done->run)
        vf_job_set_run_decided(done->job, FALSE, 0);
    if (error) {
        refuse_resolution(done, error);
        return;
    }
    vf_job_log_event(done->job, VF_EVENT_JOB_RESOLVED, "job %s (%s) was resolved by uid %u: %s",
                     vf_job_get_uuid(done->job),
                     vf_job_get_role(done->job) == VF_JOB_SOURCE ? "source" : "destination",
                     done->uid, done->run ? "its devices run here" : "its devices never run here");
    vf_job_resolve_doubt(done->job, resolved_outcome(done));
    if (done->invocation)
        vferry_job_complete_resolve(done->skeleton, done->invocation);
}

static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    Resolution *resolution = data;
    GError *error = NULL;

    /* the mover's own line, `returned` or `started`, says already that it runs */
    if (!vf_ledger_append_finish(VF_LEDGER(source), result, &error) && resolution->run) {
        vf_job_log(resolution->job, G_LOG_LEVEL_WARNING,
                   "the decision is done but not in the record: %s", error->message);
        g_clear_error(&error);
    }
    finish_resolution(resolution, error);
}

static GVariant *
decision_details(const Resolution *resolution)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "decision", "s", resolution->run ? "run" : "discard");
    g_variant_dict_insert(&dict, "uid", "u", resolution->uid);
    return g_variant_dict_end(&dict);
}

static void
record_decision(Resolution *resolution)
{
    vf_ledger_append_async(resolution->jobs->context->ledger, vf_job_get_record(resolution->job),
                           "resolved", decision_details(resolution), on_recorded, resolution);
}

/* --- what a destination that is discarded has open ---
 *
 * Whoever hears that it is may run the other side, and one of its devices may run: nothing is open
 * here then, nor in systemd's store, and the decision is written down only afterwards. While
 * systemd does not confirm that, the job stays in doubt, and somebody may ask again. */

static void
on_settled(GObject *source, GAsyncResult *result, gpointer data)
{
    Resolution *resolution = data;
    GError *error = NULL;

    if (vf_fd_store_settle_finish(VF_FD_STORE(source), result, &error))
        record_decision(resolution);
    else
        finish_resolution(resolution, error);
}

static void
on_let_go(GObject *source, GAsyncResult *result, gpointer data)
{
    Resolution *resolution = data;

    vf_job_wait_closed_finish(VF_JOB(source), result);
    vf_fd_store_settle_async(resolution->jobs->context->store, on_settled, resolution);
}

static void
on_systemd_answers(GObject *source, GAsyncResult *result, gpointer data)
{
    Resolution *resolution = data;
    VfJob *job = resolution->job;
    VfDriver *driver =
        vf_context_find_driver(resolution->jobs->context, vf_job_get_driver_name(job));
    GError *error = NULL;

    if (!vf_fd_store_settle_finish(VF_FD_STORE(source), result, &error)) {
        finish_resolution(resolution, error);
        return;
    }
    if (driver)
        vf_driver_drop(driver, job);
    vf_job_wait_closed_async(job, on_let_go, resolution);
}

/* Where systemd does not answer anyway, nothing is touched. */
static void
let_go(Resolution *resolution)
{
    vf_fd_store_settle_async(resolution->jobs->context->store, on_systemd_answers, resolution);
}

static void
on_driver_resolved(GObject *source, GAsyncResult *result, gpointer data)
{
    Resolution *resolution = data;
    GError *error = NULL;

    if (!vf_driver_call_finish(VF_DRIVER(source), result, &error))
        finish_resolution(resolution, error);
    else if (!resolution->run && vf_job_get_role(resolution->job) == VF_JOB_DESTINATION)
        let_go(resolution);
    else
        record_decision(resolution);
}

static void
call_driver(Resolution *resolution)
{
    GError *error = NULL;
    VfDriver *driver = vf_context_choose_driver(
        resolution->jobs->context, vf_job_get_driver_name(resolution->job), NULL, &error);

    if (driver)
        vf_driver_call_async(driver, resolution->run ? VF_DRIVER_RUN : VF_DRIVER_DISCARD,
                             resolution->job, NULL, on_driver_resolved, resolution);
    else
        finish_resolution(resolution, error);
}

static Resolution *
resolution_new(Entry *entry, GDBusMethodInvocation *invocation, gboolean run, guint32 uid)
{
    Resolution *self = g_new0(Resolution, 1);

    entry->resolving = TRUE;
    self->jobs = g_object_ref(entry->jobs);
    self->job = g_object_ref(entry->job);
    self->skeleton = g_object_ref(entry->skeleton);
    self->invocation = invocation;
    self->run = run;
    self->uid = uid;
    return self;
}

static void
run_here(Resolution *resolution)
{
    vf_job_set_run_decided(resolution->job, TRUE, resolution->uid);
    call_driver(resolution);
}

static gboolean
check_resolve(Entry *entry, const char *decision, GVariant *options_dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(options_dict);

    if (!vf_options_end(options, error))
        return FALSE;
    if (!g_str_equal(decision, "run") && !g_str_equal(decision, "discard")) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("decision “%.100s” is neither “run” nor “discard”"), decision);
        return FALSE;
    }
    if (vf_job_is_in_doubt(entry->job) && !entry->resolving)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                entry->resolving ? _("job %s is being resolved") : _("job %s is not in doubt"),
                vf_job_get_uuid(entry->job));
    return FALSE;
}

static gboolean
on_resolve(VferryJob *skeleton, GDBusMethodInvocation *invocation, const char *decision,
           GVariant *options, Entry *entry)
{
    GError *error = NULL;
    Resolution *resolution;

    if (!check_resolve(entry, decision, options, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    resolution =
        resolution_new(entry, invocation, g_str_equal(decision, "run"),
                       vf_gate_get_sender_uid(entry->jobs->context->gate,
                                              g_dbus_method_invocation_get_sender(invocation)));
    if (resolution->run)
        run_here(resolution);
    else
        call_driver(resolution);
    return TRUE;
}

static void
resume_resolution(Entry *entry)
{
    guint32 uid;

    if (vf_job_is_in_doubt(entry->job) && vf_job_get_run_decided(entry->job, &uid))
        run_here(resolution_new(entry, NULL, TRUE, uid));
}

static gboolean
is_owner(const char *sender, guint32 uid, gpointer data)
{
    const Entry *entry = data;

    return uid != (guint32)-1 && uid == vf_job_get_uid(entry->job);
}

gboolean
vf_jobs_reserve(VfJobs *self, VfJob *job, guint n_more, GError **error)
{
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));

    if (!driver || !vf_driver_can_restore(driver))
        return TRUE;
    if (!vf_job_get_kept(job))
        vf_job_keep_follow(job, vf_kept_new(self->context->store,
                                            source ? VF_KEPT_SOURCE : VF_KEPT_DESTINATION,
                                            vf_job_get_uuid(job)));
    return vf_kept_reserve(vf_job_get_kept(job), KEPT_PARTS + n_more, error);
}

const char *
vf_jobs_add(VfJobs *self, VfJob *job)
{
    Entry *entry = g_new0(Entry, 1);
    const char *path;

    if (*vf_job_get_path(job))
        vf_objects_expect(self->context->objects, VF_PATH_JOB, vf_job_get_uuid(job),
                          vf_job_get_path(job));
    entry->jobs = self;
    entry->job = g_object_ref(job);
    entry->skeleton = vf_job_object_new(job, self->context->objects);
    vf_job_log_follow(job);
    g_signal_connect(entry->skeleton, "handle-cancel", G_CALLBACK(on_cancel), entry);
    g_signal_connect(entry->skeleton, "handle-resolve", G_CALLBACK(on_resolve), entry);
    g_signal_connect(job, "completed", G_CALLBACK(on_completed), entry);
    g_ptr_array_add(self->entries, entry);
    /* one that an earlier daemon knew may have ended already */
    arm_expiry(entry, (g_get_monotonic_time() - vf_job_get_times(job)->end_monotonic) / 1000);
    path = vf_objects_add(self->context->objects, VF_PATH_JOB, vf_job_get_uuid(job),
                          G_DBUS_INTERFACE_SKELETON(entry->skeleton), is_owner, entry);
    vf_job_set_path(job, path);
    vf_job_save(job);
    resume_resolution(entry);
    return path;
}

GVariant *
vf_jobs_begin_details(VfJob *job)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    GVariantBuilder inodes;
    GVariantDict dict;

    g_variant_builder_init(&inodes, G_VARIANT_TYPE("at"));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);

        g_ptr_array_add(devices, device->ref);
        g_variant_builder_add(&inodes, "t",
                              device->device ? vf_device_get_inode(device->device) : 0);
    }
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "job", "s", vf_job_get_uuid(job));
    g_variant_dict_insert(&dict, "uid", "u", vf_job_get_uid(job));
    g_variant_dict_insert(&dict, "time", "x", vf_job_get_times(job)->start);
    g_variant_dict_insert(&dict, "peer", "s", vf_job_get_peer(job));
    g_variant_dict_insert(&dict, "driver", "s", vf_job_get_driver_name(job));
    if (*vf_host_get_boot())
        g_variant_dict_insert(&dict, "boot", "s", vf_host_get_boot());
    if (*vf_job_get_override(job))
        g_variant_dict_insert(&dict, "override", "s", vf_job_get_override(job));
    g_variant_dict_insert_value(
        &dict, "devices",
        g_variant_new_strv((const char *const *)devices->pdata, (gssize)devices->len));
    if (vf_job_get_role(job) == VF_JOB_SOURCE) /* a destination's are yet to be made */
        g_variant_dict_insert_value(&dict, "inodes", g_variant_builder_end(&inodes));
    else
        g_variant_builder_clear(&inodes);
    return g_variant_dict_end(&dict);
}
