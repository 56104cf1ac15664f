/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "prepare.h"

#include <glib/gi18n-lib.h>

#include "answer.h"
#include "bus-peer.h"
#include "error.h"
#include "io.h"
#include "job-log.h"
#include "choose.h"
#include "cookie.h"
#include "options.h"
#include "override.h"
#include "steps.h"

#define STREAM_VERSION 1

struct _VfPrepare {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfLeases *leases;
};

G_DEFINE_FINAL_TYPE(VfPrepare, vf_prepare, G_TYPE_OBJECT)

static void
vf_prepare_finalize(GObject *object)
{
    VfPrepare *self = VF_PREPARE(object);

    g_object_unref(self->jobs);
    g_object_unref(self->leases);
    G_OBJECT_CLASS(vf_prepare_parent_class)->finalize(object);
}

static void
vf_prepare_class_init(VfPrepareClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_prepare_finalize;
}

static void
vf_prepare_init(VfPrepare *self)
{
}

typedef struct {
    VfPrepare *self;
    VferryManager *manager;
    GDBusMethodInvocation *invocation;
    VfMigration *cookie;
    VfJob *job;
    VfLease *lease; /* NULL until there is one */
    VfDriver *driver;
    guint seconds;
    char *parent;
    char *type;
    char *uuid;
    VfOverride *override; /* NULL: nobody asked for it */
    guint next_device;
    VfSteps *steps; /* of the running step */
} Prepare;

static void
prepare_free(Prepare *prepare)
{
    g_object_unref(prepare->self);
    g_object_unref(prepare->manager);
    g_clear_pointer(&prepare->cookie, vf_migration_free);
    g_clear_object(&prepare->job);
    g_clear_object(&prepare->lease);
    g_free(prepare->parent);
    g_free(prepare->type);
    g_free(prepare->uuid);
    g_clear_pointer(&prepare->override, vf_override_free);
    g_free(prepare);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prepare, prepare_free)

static gboolean
check_cookie(Prepare *prepare, GError **error)
{
    const VfMigration *cookie = prepare->cookie;

    if (cookie->stream_min > STREAM_VERSION || cookie->stream_max < STREAM_VERSION) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the source speaks stream versions %u to %u, this daemon %d"),
                    cookie->stream_min, cookie->stream_max, STREAM_VERSION);
        return FALSE;
    }
    if (cookie->devices->len > VF_JOB_DEVICES_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("the cookie has %u devices; a job has at most %d"), cookie->devices->len,
                    VF_JOB_DEVICES_MAX);
        return FALSE;
    }
    if (g_strcmp0(cookie->operation, "save") == 0 ||
        !vf_jobs_find(prepare->self->jobs, cookie->job, VF_JOB_DESTINATION))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("job %s is prepared here already"),
                cookie->job);
    return FALSE;
}

static gboolean
take_address(Prepare *prepare, const char *address, GError **error)
{
    VfJobChannel *channel = vf_job_get_channel(prepare->job);
    const VfConfigFile *config = prepare->self->context->config;

    channel->size_max = config->size_max;
    if (!vf_job_operation_has_peer(vf_job_get_operation(prepare->job))) {
        if (!address)
            return TRUE;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("option “address” is for a job with a peer, and a restore has none"));
        return FALSE;
    }
    if (!address)
        address = config->address;
    if (!address) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("option “address” is needed: an address of this host that the source can "
                      "reach (or a default in vferry.conf, [migration] address=)"));
        return FALSE;
    }
    if (!vf_config_file_check_address(address, error))
        return FALSE;
    channel->address = g_strdup(address);
    channel->port_min = config->port_min;
    channel->port_max = config->port_max;
    return vf_io_random(channel->secret, sizeof channel->secret, error);
}

static gboolean
take_seconds(Prepare *prepare, guint32 seconds, GError **error)
{
    prepare->seconds = seconds;
    if (seconds >= VF_LEASE_SECONDS_MIN && seconds <= VF_LEASE_SECONDS_MAX)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “deadline” is %u s, not between %d and %d"), seconds,
                VF_LEASE_SECONDS_MIN, VF_LEASE_SECONDS_MAX);
    return FALSE;
}

static gboolean
take_options(Prepare *prepare, GVariant *dict, GError **error)
{
    static const char *const common[] = {"address", "driver", "deadline", "parent",
                                         "type",    "uuid",   "override", NULL};
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autofree char *address = vf_options_take_string(options, "address", NULL);
    g_autofree char *driver = vf_options_take_string(options, "driver", NULL);
    guint32 seconds = vf_options_take_u32(options, "deadline", VF_LEASE_SECONDS_DEFAULT);

    g_free(vf_options_take_string(options, "override", NULL)); /* has been asked */
    prepare->parent = vf_options_take_string(options, "parent", NULL);
    prepare->type = vf_options_take_string(options, "type", NULL);
    prepare->uuid = vf_options_take_string(options, "uuid", NULL);
    if (!vf_options_check(options, error))
        return FALSE;
    prepare->driver = vf_context_choose_driver(prepare->self->context, driver, NULL, error);
    if (!prepare->driver ||
        !vf_driver_check_operation(prepare->driver, vf_job_get_operation(prepare->job), error) ||
        !vf_context_take_driver_options(prepare->job, prepare->driver, dict, common, error))
        return FALSE;
    vf_job_set_driver_name(prepare->job, vf_driver_get_name(prepare->driver));
    if (prepare->uuid && prepare->cookie->devices->len > 1) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("option “uuid” names one device, the cookie has %u"),
                    prepare->cookie->devices->len);
        return FALSE;
    }
    return take_seconds(prepare, seconds, error) && take_address(prepare, address, error);
}

static gboolean
choose_devices(Prepare *prepare, GError **error)
{
    const VfContext *context = prepare->self->context;
    const VfWish wish = {prepare->parent, prepare->type, prepare->uuid,
                         prepare->override ? prepare->override->reason : NULL};
    GPtrArray *devices = prepare->cookie->devices;
    g_autoptr(GPtrArray) makings = g_ptr_array_new_with_free_func(g_object_unref);

    for (guint i = 0; i < devices->len; i++) {
        const VfMigrationDevice *device = devices->pdata[i];
        VfMaking *making =
            vf_choose(context->providers, context->registry, device->requirement, &wish, error);

        if (making)
            g_ptr_array_add(makings, making);
        if (!making ||
            !vf_uses_check(context->uses, &(VfTouch){.id = vf_making_get_id(making)}, error))
            return FALSE; /* the room of all goes back with them */
        if (vf_making_get_overridden(making))
            vf_job_set_override(prepare->job, prepare->override->reason);
        vf_job_add_device(prepare->job, device->ref, NULL);
    }
    /* from here on the lease answers for them */
    prepare->lease = g_object_ref(vf_leases_add(prepare->self->leases, prepare->job,
                                                g_steal_pointer(&makings), prepare->seconds));
    return TRUE;
}

static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    Prepare *prepare = data;
    GError *error = NULL;
    VfRecord *record = vf_ledger_create_finish(VF_LEDGER(source), result, &error);

    if (record)
        vf_job_take_record(prepare->job, record);
    vf_steps_done(prepare->steps, error);
}

static void
open_record(VfSteps *steps, gpointer data)
{
    Prepare *prepare = data;

    prepare->steps = steps;
    vf_ledger_create_async(prepare->self->context->ledger, vf_job_get_uuid(prepare->job),
                           VF_JOB_DESTINATION, vf_jobs_begin_details(prepare->job), on_recorded,
                           prepare);
}

static void create_next(Prepare *prepare);

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    Prepare *prepare = data;
    GError *error = NULL;
    g_autoptr(VfDevice) device = vf_making_create_finish(VF_MAKING(source), result, &error);

    if (!device) {
        vf_steps_done(prepare->steps, error);
        return;
    }
    vf_job_set_device(prepare->job, prepare->next_device, device);
    vf_lease_add_device(prepare->lease, device);
    prepare->next_device++;
    create_next(prepare);
}

static void
create_next(Prepare *prepare)
{
    GPtrArray *makings = vf_lease_get_makings(prepare->lease);

    if (prepare->next_device < makings->len)
        vf_making_create_async(makings->pdata[prepare->next_device], prepare->self->context->ledger,
                               vf_job_get_record(prepare->job),
                               vf_steps_get_cancellable(prepare->steps), on_created, prepare);
    else
        vf_steps_done(prepare->steps, NULL);
}

static void
create_devices(VfSteps *steps, gpointer data)
{
    Prepare *prepare = data;

    prepare->steps = steps;
    create_next(prepare);
}

/* They were opened by their names. What is there still was there then, and it is open now: nothing
 * takes its place any more. */
static gboolean
check_opened(Prepare *prepare, GError **error)
{
    for (guint i = 0; i < vf_job_get_n_devices(prepare->job); i++) {
        VfDevice *device = vf_job_get_device(prepare->job, i)->device;

        vf_registry_refresh_device(prepare->self->context->registry, device);
        if (!vf_device_is_gone(device))
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("device %s has gone"),
                    vf_device_get_id(device));
        return FALSE;
    }
    return TRUE;
}

static void
on_placed(GObject *source, GAsyncResult *result, gpointer data)
{
    Prepare *prepare = data;
    GError *error = NULL;

    if (vf_driver_call_finish(VF_DRIVER(source), result, &error))
        check_opened(prepare, &error);
    vf_steps_done(prepare->steps, error);
}

static void
place(VfSteps *steps, gpointer data)
{
    Prepare *prepare = data;

    prepare->steps = steps;
    vf_driver_call_async(prepare->driver, VF_DRIVER_PLACE, prepare->job,
                         vf_steps_get_cancellable(steps), on_placed, prepare);
}

static void
on_listening(GObject *source, GAsyncResult *result, gpointer data)
{
    Prepare *prepare = data;
    GError *error = NULL;

    if (vf_driver_call_finish(VF_DRIVER(source), result, &error))
        vf_lease_move(prepare->lease, VF_LEASE_READY, &error);
    vf_steps_done(prepare->steps, error);
}

static void
listen(VfSteps *steps, gpointer data)
{
    Prepare *prepare = data;

    prepare->steps = steps;
    vf_driver_call_async(prepare->driver, VF_DRIVER_LISTEN, prepare->job,
                         vf_steps_get_cancellable(steps), on_listening, prepare);
}

static char *
make_answer(Prepare *prepare)
{
    const VfJobChannel *channel = vf_job_get_channel(prepare->job);
    g_autoptr(VfAnswer) answer = NULL;

    if (!vf_job_operation_has_peer(vf_job_get_operation(prepare->job)))
        return g_strdup(""); /* nobody is to hear it */
    answer = vf_answer_new(vf_job_get_uuid(prepare->job),
                           vf_context_get_host_id(prepare->self->context));
    answer->expires = vf_lease_get_deadline(prepare->lease);
    g_ptr_array_unref(answer->endpoints);
    answer->endpoints = g_ptr_array_ref(channel->endpoints);
    answer->stream_version = STREAM_VERSION;
    g_strfreev(answer->features);
    answer->features = g_strdupv((char **)vf_job_get_features(prepare->job));
    for (guint i = 0; i < vf_job_get_n_devices(prepare->job); i++) {
        const VfJobDevice *device = vf_job_get_device(prepare->job, i);
        vf_answer_add_device(answer, device->ref, vf_device_get_id(device->device));
    }
    return vf_answer_format(answer);
}

static void
on_undone(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Prepare) prepare = data;
    const VfOutcome *outcome = vf_job_get_outcome(prepare->job);

    vf_leases_wait_undone_finish(VF_LEASES(source), result);
    vf_bus_return_error(prepare->invocation, g_error_copy(outcome->error));
}

static void
on_prepared(GObject *source, GAsyncResult *result, gpointer data)
{
    Prepare *prepare = data;
    VfPrepare *self = prepare->self;
    VfJobChannel *channel = vf_job_get_channel(prepare->job);
    g_autofree char *answer = NULL;
    GError *error = NULL;
    VfResult end;

    /* unless the lease was revoked meanwhile, which failed the job and then cancelled the steps */
    if (!vf_steps_finish(result, &error))
        vf_job_complete(prepare->job, vf_outcome_new_for_error(error));
    vf_leases_settle(self->leases, prepare->lease);
    end = vf_job_get_result(prepare->job);
    if (end != VF_RESULT_NONE && end != VF_RESULT_COMPLETED) { /* perhaps revoked just now */
        vf_leases_wait_undone_async(self->leases, prepare->lease, on_undone, prepare);
        return;
    }
    answer = make_answer(prepare);
    vferry_manager_complete_prepare(prepare->manager, prepare->invocation,
                                    vf_leases_get_path(self->leases, prepare->lease), answer,
                                    g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, channel->secret,
                                                              *answer ? sizeof channel->secret : 0,
                                                              1));
    prepare_free(prepare);
}

static const VfStepFunc prepare_steps[] = {open_record, create_devices, place, listen};

/* The other half of what the source does. A restore has a UUID of its own, since nobody else has to
 * know it, and what was saved may be restored more than once. */
static VfJob *
new_job(Prepare *prepare)
{
    const VfMigration *cookie = prepare->cookie;
    const char *sender = g_dbus_method_invocation_get_sender(prepare->invocation);
    gboolean restore = g_strcmp0(cookie->operation, "save") == 0;
    g_autofree char *uuid = restore ? g_uuid_string_random() : g_strdup(cookie->job);
    VfJob *job = vf_job_new(VF_JOB_DESTINATION, uuid,
                            vf_gate_get_sender_uid(prepare->self->context->gate, sender), sender);

    if (restore) {
        vf_job_set_operation(job, VF_JOB_RESTORE);
        return job;
    }
    vf_job_set_operation(job, cookie->operation ? VF_JOB_REHEARSE : VF_JOB_MIGRATE);
    vf_job_set_peer(job, cookie->source);
    return job;
}

static gboolean
start_prepare(Prepare *prepare, const char *cookie, GVariant *options, GError **error)
{
    static const char *const known_features[] = {"pre-copy", "pre-copy-reinit", NULL};
    VfPrepare *self = prepare->self;
    g_autoptr(GStrvBuilder) features = g_strv_builder_new();
    g_auto(GStrv) common = NULL;

    prepare->cookie = vf_migration_parse(cookie, -1, NULL, error);
    if (!prepare->cookie || !check_cookie(prepare, error))
        return FALSE;
    prepare->job = new_job(prepare);
    for (const char *const *feature = known_features; *feature; feature++)
        if (g_strv_contains((const char *const *)prepare->cookie->features, *feature))
            g_strv_builder_add(features, *feature);
    common = g_strv_builder_end(features);
    vf_job_set_features(prepare->job, (const char *const *)common);
    /* the devices stay open here, and the lease has a description of its own */
    return take_options(prepare, options, error) &&
           vf_jobs_reserve(self->jobs, prepare->job, prepare->cookie->devices->len + 1, error) &&
           choose_devices(prepare, error);
}

/* What said no, or did not know. */
static char *
list_objections(const VfReport *report)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) sentences = NULL;

    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];

        if (line->verdict == VF_VERDICT_INCOMPATIBLE || line->verdict == VF_VERDICT_UNKNOWN)
            g_strv_builder_add(builder, line->sentence);
    }
    sentences = g_strv_builder_end(builder);
    return g_strjoinv(" ", sentences);
}

/* An event in the journal with who, why and against what, for each device that is overridden. */
static void
log_overridden(Prepare *prepare)
{
    const VfOverride *override = prepare->override;
    GPtrArray *makings = vf_lease_get_makings(prepare->lease);

    for (guint i = 0; i < makings->len; i++) {
        const VfReport *report = vf_making_get_overridden(makings->pdata[i]);
        g_autofree char *against = report ? list_objections(report) : NULL;

        if (report)
            vf_job_log_event(
                prepare->job, VF_EVENT_OVERRIDDEN,
                "job %s: uid %u (%s, %s) has it prepared against the comparison: “%s”; %s",
                vf_job_get_uuid(prepare->job), vf_job_get_uid(prepare->job),
                override->user ? override->user : "?", override->sender, override->reason, against);
    }
}

/* Whoever called may do what it asks for. Takes @prepare. */
static void
run_prepare(Prepare *taken)
{
    g_autoptr(Prepare) prepare = taken;
    VfPrepare *self = prepare->self;
    g_autoptr(GVariant) options = NULL;
    GError *error = NULL;
    const char *cookie;

    g_variant_get(g_dbus_method_invocation_get_parameters(prepare->invocation), "(&s@a{sv})",
                  &cookie, &options);
    if (!start_prepare(prepare, cookie, options, &error)) {
        vf_bus_return_error(prepare->invocation, error);
        return;
    }
    vf_jobs_add(self->jobs, prepare->job);
    vf_jobs_hold(self->jobs, prepare->job);
    log_overridden(prepare);
    prepare = NULL; /* the steps have it */
    vf_steps_run(prepare_steps, G_N_ELEMENTS(prepare_steps), taken,
                 vf_leases_get_cancellable(self->leases, taken->lease), on_prepared, taken);
}

static void
on_override(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Prepare) prepare = data;
    GError *error = NULL;

    prepare->override = vf_override_ask_finish(result, &error);
    if (prepare->override)
        run_prepare(g_steal_pointer(&prepare));
    else
        vf_bus_return_error(prepare->invocation, error);
}

static gboolean
on_prepare(VferryManager *manager, GDBusMethodInvocation *invocation, const char *cookie,
           GVariant *options, gpointer data)
{
    Prepare *prepare = g_new0(Prepare, 1);
    const char *reason;

    prepare->self = g_object_ref(data);
    prepare->manager = g_object_ref(manager);
    prepare->invocation = invocation;
    /* one of another type is refused with the other options */
    if (g_variant_lookup(options, "override", "&s", &reason))
        vf_override_ask_async(prepare->self->context->gate, invocation, reason, on_override,
                              prepare);
    else
        run_prepare(prepare);
    return TRUE;
}

/* The record is needed, and so the job kept, until nothing is left to undo or hand over. */
static void
on_lease_over(VfLeases *leases, VfLease *lease, VfPrepare *self)
{
    vf_jobs_release(self->jobs, vf_lease_get_job(lease));
}

static void
on_job_expired(VfJobs *jobs, VfJob *job, VfPrepare *self)
{
    if (vf_job_get_role(job) == VF_JOB_DESTINATION)
        vf_leases_forget(self->leases, job);
}

VfPrepare *
vf_prepare_new(const VfContext *context, VfJobs *jobs, VfLeases *leases)
{
    VfPrepare *self = g_object_new(VF_TYPE_PREPARE, NULL);
    VferryManager *manager = vf_objects_get_manager(context->objects);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->leases = g_object_ref(leases);
    g_signal_connect_object(manager, "handle-prepare", G_CALLBACK(on_prepare), self, 0);
    g_signal_connect_object(leases, "over", G_CALLBACK(on_lease_over), self, 0);
    g_signal_connect_object(jobs, "expired", G_CALLBACK(on_job_expired), self, 0);
    return self;
}
