/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "resolve.h"

#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "error.h"
#include "job-log.h"
#include "options.h"

#define RESOLVER "vferry-resolver"

struct _VfResolver {
    GObject parent_instance;
    const VfContext *context;
    GHashTable *under_way; /* of VfJob, each held by its resolution */
};

G_DEFINE_FINAL_TYPE(VfResolver, vf_resolver, G_TYPE_OBJECT)

static void
vf_resolver_finalize(GObject *object)
{
    g_hash_table_unref(VF_RESOLVER(object)->under_way);
    G_OBJECT_CLASS(vf_resolver_parent_class)->finalize(object);
}

static void
vf_resolver_class_init(VfResolverClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_resolver_finalize;
}

static void
vf_resolver_init(VfResolver *self)
{
    self->under_way = g_hash_table_new(NULL, NULL);
}

typedef struct {
    VfResolver *resolver;
    VfJob *job;
    VferryJob *skeleton;
    GDBusMethodInvocation *invocation; /* NULL: an earlier daemon was asked */
    gboolean run;
    guint32 uid;
} Resolution;

static void
resolution_free(Resolution *self)
{
    g_object_unref(self->resolver);
    g_object_unref(self->job);
    g_object_unref(self->skeleton);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Resolution, resolution_free)

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

    g_hash_table_remove(done->resolver->under_way, done->job);
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
    vf_ledger_append_async(resolution->resolver->context->ledger,
                           vf_job_get_record(resolution->job), "resolved",
                           decision_details(resolution), on_recorded, resolution);
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
    vf_fd_store_settle_async(resolution->resolver->context->store, on_settled, resolution);
}

static void
on_systemd_answers(GObject *source, GAsyncResult *result, gpointer data)
{
    Resolution *resolution = data;
    VfJob *job = resolution->job;
    VfDriver *driver =
        vf_context_find_driver(resolution->resolver->context, vf_job_get_driver_name(job));
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
    vf_fd_store_settle_async(resolution->resolver->context->store, on_systemd_answers, resolution);
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
        resolution->resolver->context, vf_job_get_driver_name(resolution->job), NULL, &error);

    if (driver)
        vf_driver_call_async(driver, resolution->run ? VF_DRIVER_RUN : VF_DRIVER_DISCARD,
                             resolution->job, NULL, on_driver_resolved, resolution);
    else
        finish_resolution(resolution, error);
}

static Resolution *
resolution_new(VfResolver *resolver, VfJob *job, VferryJob *skeleton,
               GDBusMethodInvocation *invocation, gboolean run, guint32 uid)
{
    Resolution *self = g_new0(Resolution, 1);

    g_hash_table_add(resolver->under_way, job);
    self->resolver = g_object_ref(resolver);
    self->job = g_object_ref(job);
    self->skeleton = g_object_ref(skeleton);
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
check_resolve(VfResolver *self, VfJob *job, const char *decision, GVariant *dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    gboolean under_way = g_hash_table_contains(self->under_way, job);

    if (!vf_options_end(options, error))
        return FALSE;
    if (!g_str_equal(decision, "run") && !g_str_equal(decision, "discard")) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("decision “%.100s” is neither “run” nor “discard”"), decision);
        return FALSE;
    }
    if (vf_job_is_in_doubt(job) && !under_way)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                under_way ? _("job %s is being resolved") : _("job %s is not in doubt"),
                vf_job_get_uuid(job));
    return FALSE;
}

static gboolean
on_resolve(VferryJob *skeleton, GDBusMethodInvocation *invocation, const char *decision,
           GVariant *options, VfJob *job)
{
    VfResolver *self = g_object_get_data(G_OBJECT(skeleton), RESOLVER);
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    GError *error = NULL;
    Resolution *resolution;

    if (!check_resolve(self, job, decision, options, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    resolution = resolution_new(self, job, skeleton, invocation, g_str_equal(decision, "run"),
                                vf_gate_get_sender_uid(self->context->gate, sender));
    if (resolution->run)
        run_here(resolution);
    else
        call_driver(resolution);
    return TRUE;
}

void
vf_resolver_add(VfResolver *self, VfJob *job, VferryJob *skeleton)
{
    g_object_set_data_full(G_OBJECT(skeleton), RESOLVER, g_object_ref(self), g_object_unref);
    g_signal_connect_object(skeleton, "handle-resolve", G_CALLBACK(on_resolve), job, 0);
}

void
vf_resolver_resume(VfResolver *self, VfJob *job, VferryJob *skeleton)
{
    guint32 uid;

    if (vf_job_is_in_doubt(job) && vf_job_get_run_decided(job, &uid))
        run_here(resolution_new(self, job, skeleton, NULL, TRUE, uid));
}

VfResolver *
vf_resolver_new(const VfContext *context)
{
    VfResolver *self = g_object_new(VF_TYPE_RESOLVER, NULL);

    self->context = context;
    return self;
}
