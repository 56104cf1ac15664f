/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "source-calls.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "answer.h"
#include "bus-peer.h"
#include "error.h"
#include "job-log.h"
#include "mdev.h"
#include "cookie.h"
#include "options.h"
#include "uuid.h"

#define DOWNTIME_LIMIT_MS 300
#define DOWNTIME_LIMIT_MS_MAX (24 * 3600 * 1000)
#define PRECOPY_MAX_SECONDS 300
#define PRECOPY_MAX_SECONDS_MAX (7 * 24 * 3600)

struct _VfSourceCalls {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfLoans *loans;
    guint pending_ms;
    GHashTable *pending; /* uuid -> Pending: begun, not yet performed */
    GHashTable *leaving; /* Ids of devices that are being removed after their guests */
};

G_DEFINE_FINAL_TYPE(VfSourceCalls, vf_source_calls, G_TYPE_OBJECT)

typedef struct {
    VfSourceCalls *source;
    VfJob *job;
    gboolean begun; /* the cookie is out */
    guint timer;
    guint watch;
} Pending;

/* The loans that the job used are free again. */
static void
release_loans(VfSourceCalls *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);

        if (device->loan)
            vf_loans_release(self->loans, device->loan, vf_job_get_uuid(job));
    }
}

static void
pending_free(gpointer data)
{
    Pending *pending = data;

    g_clear_handle_id(&pending->timer, g_source_remove);
    g_clear_handle_id(&pending->watch, vf_bus_unwatch);
    g_object_unref(pending->job);
    g_free(pending);
}

static void
drop_pending(Pending *pending)
{
    VfSourceCalls *self = pending->source;
    g_autoptr(VfJob) job = g_object_ref(pending->job);
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));

    g_hash_table_remove(self->pending, vf_job_get_uuid(job));
    if (driver)
        vf_driver_drop(driver, job);
    vf_job_forget(job);
    release_loans(self, job);
}

static void
vf_source_calls_finalize(GObject *object)
{
    VfSourceCalls *self = VF_SOURCE_CALLS(object);

    g_hash_table_unref(self->pending);
    g_hash_table_unref(self->leaving);
    g_object_unref(self->jobs);
    g_object_unref(self->loans);
    G_OBJECT_CLASS(vf_source_calls_parent_class)->finalize(object);
}

static void
vf_source_calls_class_init(VfSourceCallsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_source_calls_finalize;
}

static void
vf_source_calls_init(VfSourceCalls *self)
{
    self->pending = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pending_free);
    self->leaving = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* --- Begin --- */

typedef struct {
    VfSourceCalls *source;
    VferryManager *manager;
    GDBusMethodInvocation *invocation;
    VfJob *job;
} Call;

static Call *
call_new(VfSourceCalls *self, VferryManager *manager, GDBusMethodInvocation *invocation, VfJob *job)
{
    Call *call = g_new0(Call, 1);

    call->source = g_object_ref(self);
    call->manager = g_object_ref(manager);
    call->invocation = invocation;
    call->job = g_object_ref(job);
    return call;
}

static void
call_free(Call *call)
{
    g_object_unref(call->source);
    g_object_unref(call->manager);
    g_object_unref(call->job);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

static gboolean
check_device(VfSourceCalls *self, VfDevice *device, GError **error)
{
    const VfTouch touch = {
        .id = vf_device_get_id(device), .inode = vf_device_get_inode(device), .lent = TRUE};

    if (!vf_device_get_model(device)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN,
                    _("no model is known for device %s: no descriptor matches it"),
                    vf_device_get_id(device));
        return FALSE;
    }
    return vf_uses_check(self->context->uses, &touch, error);
}

static gboolean
add_device(VfSourceCalls *self, VfJob *job, VfDriver *driver, VfDevice *found, GError **error)
{
    g_autoptr(VfDevice) device = g_object_ref(found);
    VfJobDevice *entry;
    VfLoan *loan;

    if (!check_device(self, device, error))
        return FALSE;
    /* what it is now, not when it appeared: once it is in use, drivers keep it so. That its model
     * has gone with its type is for check_models() to say. */
    vf_registry_refresh_device(self->context->registry, device);
    if (vf_device_is_gone(device)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("device %s has gone"),
                    vf_device_get_id(device));
        return FALSE;
    }
    loan = vf_loans_find(self->loans, device);
    if (vf_job_get_n_devices(job) == VF_JOB_DEVICES_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("a job has at most %d devices"), VF_JOB_DEVICES_MAX);
        return FALSE;
    }
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device == device) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                        _("device %s is named twice"), vf_device_get_id(device));
            return FALSE;
        }
    if (vf_driver_needs_loan(driver) && !loan) {
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
            _("device %s is not lent: lend it first (Device.Lend). Its state is in the open "
              "device, and opening it here would reset it"),
            vf_device_get_id(device));
        return FALSE;
    }
    if (loan && !vf_loan_use(loan, vf_job_get_uuid(job), error))
        return FALSE;
    entry = vf_job_add_device(job, vf_device_get_id(device), device);
    entry->loan = loan ? g_object_ref(loan) : NULL;
    return TRUE;
}

static VfDevice *
find_device(VfSourceCalls *self, const char *path, GError **error)
{
    VfDevice *device = vf_objects_find_device(self->context->objects, path);

    if (!device)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no device %s"), path);
    return device;
}

static gboolean
add_devices(VfSourceCalls *self, VfJob *job, const char *const *paths, const char *driver_name,
            GError **error)
{
    VfDevice *first = paths[0] ? find_device(self, paths[0], error) : NULL;
    VfDriver *driver;

    if (!paths[0])
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("no device is named"));
    if (!first)
        return FALSE;
    driver = vf_context_choose_driver(self->context, driver_name, first, error);
    if (!driver)
        return FALSE;
    vf_job_set_driver_name(job, vf_driver_get_name(driver));
    for (const char *const *path = paths; *path; path++) {
        VfDevice *device = find_device(self, *path, error);

        if (!device || !add_device(self, job, driver, device, error))
            return FALSE;
    }
    return TRUE;
}

/* Who removes an mdev that is open takes its mdev_type away at once, and waits for whoever has it
 * open only then: mdev_device_remove_common(), drivers/vfio/mdev/mdev_core.c. */
static gboolean
check_models(VfJob *job, GError **error)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);

        if (vf_device_get_model(device->device) && !vf_device_is_gone(device->device))
            continue;
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
            _("device %s is being removed, or has changed: its model is not known any more"),
            device->ref);
        return FALSE;
    }
    return TRUE;
}

static char *
make_cookie(VfSourceCalls *self, VfJob *job)
{
    g_autoptr(VfMigration) cookie =
        vf_migration_new(vf_job_get_uuid(job), vf_context_get_host_id(self->context));

    g_strfreev(cookie->features);
    cookie->features = g_strdupv((char **)vf_job_get_features(job));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);
        g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(
            vf_device_get_model(device->device), vf_device_get_values(device->device));
        VfMigrationDevice *entry = vf_migration_add_device(cookie, device->ref, requirement);

        entry->has_estimate = device->has_estimate;
        entry->stop_copy_bytes = device->estimate;
    }
    return vf_migration_format(cookie);
}

static void
on_begun(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    VfSourceCalls *self = call->source;
    Pending *pending = g_hash_table_lookup(self->pending, vf_job_get_uuid(call->job));
    g_autofree char *cookie = NULL;
    GError *error = NULL;

    vf_driver_call_finish(VF_DRIVER(source), result, &error);
    if (!error && !pending)
        error = g_error_new(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("the caller left the bus"));
    if (!error)
        check_models(call->job, &error);
    if (error) {
        if (pending)
            drop_pending(pending);
        vf_bus_return_error(call->invocation, error);
        return;
    }
    pending->begun = TRUE;
    vf_job_save(call->job); /* from here on its caller counts on it */
    cookie = make_cookie(self, call->job);
    vferry_manager_complete_begin(call->manager, call->invocation, vf_job_get_uuid(call->job),
                                  cookie);
}

static void
on_caller_vanished(gpointer data)
{
    drop_pending(data);
}

static gboolean
on_pending_expired(gpointer data)
{
    Pending *pending = data;

    pending->timer = 0;
    vf_job_log(pending->job, G_LOG_LEVEL_MESSAGE, "job %s was begun and never performed",
               vf_job_get_uuid(pending->job));
    drop_pending(pending);
    return G_SOURCE_REMOVE;
}

static Pending *
add_pending(VfSourceCalls *self, VfJob *job)
{
    Pending *pending = g_new0(Pending, 1);
    gint64 age = g_get_monotonic_time() - vf_job_get_times(job)->start_monotonic;
    gint64 left = (gint64)self->pending_ms - age / 1000;

    pending->source = self;
    pending->job = g_object_ref(job);
    pending->timer = g_timeout_add((guint)MAX(left, 0), on_pending_expired, pending);
    g_hash_table_insert(self->pending, (gpointer)vf_job_get_uuid(job), pending);
    pending->watch =
        vf_bus_watch(self->context->connection, vf_job_get_owner(job), on_caller_vanished, pending);
    return pending;
}

static VfJob *
new_job(VfSourceCalls *self, GDBusMethodInvocation *invocation, const char *const *paths,
        GVariant *options_dict, GError **error)
{
    static const char *const common[] = {"driver", NULL};
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *driver_name = NULL;
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_SOURCE, uuid,
                                      vf_gate_get_sender_uid(self->context->gate, sender), sender);
    g_autoptr(VfOptions) options = vf_options_new(options_dict);

    driver_name = vf_options_take_string(options, "driver", NULL);
    if (!add_devices(self, job, paths, driver_name, error) ||
        !vf_context_take_driver_options(
            job, vf_context_find_driver(self->context, vf_job_get_driver_name(job)), options_dict,
            common, error) ||
        !vf_jobs_reserve(self->jobs, job, 0, error)) {
        release_loans(self, job);
        return NULL;
    }
    return g_steal_pointer(&job);
}

static gboolean
on_begin(VferryManager *manager, GDBusMethodInvocation *invocation, const char *const *devices,
         GVariant *options, gpointer data)
{
    VfSourceCalls *self = data;
    GError *error = NULL;
    g_autoptr(VfJob) job = new_job(self, invocation, devices, options, &error);

    if (!job) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    add_pending(self, job);
    vf_driver_call_async(vf_context_find_driver(self->context, vf_job_get_driver_name(job)),
                         VF_DRIVER_BEGIN, job, NULL, on_begun,
                         call_new(self, manager, invocation, job));
    return TRUE;
}

/* --- Perform --- */

static gboolean
check_answer(VfJob *job, const VfAnswer *answer, GError **error)
{
    if (!g_str_equal(answer->job, vf_job_get_uuid(job))) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the answer is for job %s, not for %s"), answer->job, vf_job_get_uuid(job));
        return FALSE;
    }
    if (answer->stream_version != 1) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the answer asks for stream version %u; this daemon speaks 1"),
                    answer->stream_version);
        return FALSE;
    }
    for (guint i = 0; i < answer->devices->len; i++) {
        const VfAnswerDevice *device = answer->devices->pdata[i];

        if (answer->devices->len == vf_job_get_n_devices(job) &&
            g_str_equal(device->ref, vf_job_get_device(job, i)->ref))
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the answer's devices are not those of job %s"), vf_job_get_uuid(job));
        return FALSE;
    }
    return TRUE;
}

static gboolean
take_secret(VfJob *job, GVariant *secret, GError **error)
{
    gsize size;
    const void *bytes = g_variant_get_fixed_array(secret, &size, 1);

    if (size != VF_JOB_SECRET_SIZE) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the secret has %zu bytes, not %d"), size, VF_JOB_SECRET_SIZE);
        return FALSE;
    }
    memcpy(vf_job_get_channel(job)->secret, bytes, size);
    return TRUE;
}

static gboolean
check_limit(const char *name, guint32 value, guint32 max, GError **error)
{
    if (value >= 1 && value <= max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “%s” is %u, not between 1 and %u"), name, value, max);
    return FALSE;
}

static gboolean
take_perform_options(VfSourceCalls *self, VfJob *job, GVariant *dict, GError **error)
{
    static const char *const common[] = {"precopy-max-seconds", "downtime-limit-ms",
                                         "switchover-ack", NULL};
    g_autoptr(VfOptions) options = vf_options_new(dict);
    VfJobChannel *channel = vf_job_get_channel(job);
    g_autoptr(GError) mistake = NULL;

    channel->precopy_max_seconds =
        vf_options_take_u32(options, "precopy-max-seconds", PRECOPY_MAX_SECONDS);
    channel->downtime_limit_ms =
        vf_options_take_u32(options, "downtime-limit-ms", DOWNTIME_LIMIT_MS);
    channel->switchover_ack = vf_options_take_boolean(options, common[2], TRUE);
    /* unknown keys are the driver's to judge; a wrong type is a mistake here */
    if (!vf_options_end(options, &mistake) &&
        !g_error_matches(mistake, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN_OPTION)) {
        g_propagate_error(error, g_steal_pointer(&mistake));
        return FALSE;
    }
    return check_limit(common[0], channel->precopy_max_seconds, PRECOPY_MAX_SECONDS_MAX, error) &&
           check_limit(common[1], channel->downtime_limit_ms, DOWNTIME_LIMIT_MS_MAX, error) &&
           vf_context_take_driver_options(
               job, vf_context_find_driver(self->context, vf_job_get_driver_name(job)), dict,
               common, error);
}

static gboolean
take_answer(VfSourceCalls *self, VfJob *job, const char *text, GVariant *secret, GVariant *options,
            GError **error)
{
    g_autoptr(VfAnswer) answer = vf_answer_parse(text, -1, NULL, error);
    VfJobChannel *channel = vf_job_get_channel(job);

    if (!answer || !check_answer(job, answer, error) || !take_secret(job, secret, error) ||
        !take_perform_options(self, job, options, error))
        return FALSE;
    g_free(channel->address);
    channel->address = g_strdup(answer->channel_address);
    channel->port = answer->channel_port;
    vf_job_set_peer(job, answer->destination);
    vf_job_set_features(job, (const char *const *)answer->features);
    return TRUE;
}

/* What the driver does not say is as it was before the job: with whoever lent it. */
static void
set_device_state(const VfJobDevice *device)
{
    switch (device->state) {
    case VF_DEVICE_OUTCOME_STOPPED:
        vf_device_set_state(device->device, VF_DEVICE_STOPPED);
        break;
    case VF_DEVICE_OUTCOME_NEEDS_RESET:
        vf_device_set_state(device->device, VF_DEVICE_FAILED_NEEDS_RESET);
        break;
    case VF_DEVICE_OUTCOME_RUNNING:
    case VF_DEVICE_OUTCOME_UNKNOWN:
    default:
        vf_device_set_state(device->device, device->loan ? VF_DEVICE_LENT : VF_DEVICE_UNKNOWN);
        break;
    }
}

static void
set_device_states(VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device)
            set_device_state(vf_job_get_device(job, i));
}

static void
on_moved_on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!vf_ledger_append_finish(VF_LEDGER(source), result, &error))
        g_warning("%s", error->message);
}

static void
set_moved_on(VfJob *job, guint index)
{
    VfLedger *ledger = g_object_get_data(G_OBJECT(job), "ledger");
    GVariantDict details;

    vf_job_get_device(job, index)->moved_on = TRUE;
    g_variant_dict_init(&details, NULL);
    g_variant_dict_insert(&details, "device", "u", index);
    vf_ledger_append_async(ledger, vf_job_get_record(job), "moved-on", g_variant_dict_end(&details),
                           on_moved_on_recorded, NULL);
}

/* Its holder has it again, or has lent it anew, or another job has it: nothing of it is this job's
 * any more. A daemon that has nothing but the record knows it, too. */
static void
on_moved_on(VfDevice *device, GParamSpec *spec, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device == device)
            set_moved_on(job, i);
    g_signal_handlers_disconnect_by_func(device, on_moved_on, job);
    vf_job_save(job);
}

/* What becomes of the devices that a job left behind stopped. */
static void
follow_devices(VfJob *job, VfLedger *ledger)
{
    g_object_set_data(G_OBJECT(job), "ledger", ledger);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);

        if (device->device && !device->moved_on)
            g_signal_connect_object(device->device, "notify::state", G_CALLBACK(on_moved_on), job,
                                    0);
    }
}

static void
on_job_completed(VfJob *job, VfSourceCalls *self)
{
    VfResult result = vf_job_get_result(job);

    set_device_states(job);
    if (result == VF_RESULT_COMPLETED)
        follow_devices(job, self->context->ledger);
    /* In doubt, the fd with the state is kept for Resolve. Otherwise a lender that has left, or
     * leaves, takes the loan along: nobody need confirm for that. */
    if (result != VF_RESULT_IN_DOUBT)
        release_loans(self, job);
}

static void
on_performed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    GError *error = NULL;

    if (vf_driver_call_finish(VF_DRIVER(source), result, &error)) {
        vferry_manager_complete_perform(call->manager, call->invocation,
                                        vf_jobs_get_path(call->source->jobs, call->job));
        return;
    }
    vf_driver_drop(VF_DRIVER(source), call->job);
    vf_job_complete(call->job, vf_outcome_new_for_error(g_error_copy(error)));
    vf_bus_return_error(call->invocation, error);
}

static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    VfJob *job = call->job;
    VfSourceCalls *self = call->source;
    GError *error = NULL;
    VfRecord *record = vf_ledger_create_finish(VF_LEDGER(source), result, &error);

    if (!record) {
        vf_job_forget(job);
        release_loans(self, job);
        vf_bus_return_error(call->invocation, error);
        return;
    }
    vf_job_take_record(job, record);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        vf_device_set_state(vf_job_get_device(job, i)->device, VF_DEVICE_MIGRATING);
    g_signal_connect_object(job, "completed", G_CALLBACK(on_job_completed), self, 0);
    vf_jobs_add(self->jobs, job);
    vf_driver_call_async(vf_context_find_driver(self->context, vf_job_get_driver_name(job)),
                         VF_DRIVER_PERFORM, job, NULL, on_performed, g_steal_pointer(&call));
}

/* The pending job of this caller, taken out; it either runs now or is over. */
static VfJob *
take_pending(VfSourceCalls *self, GDBusMethodInvocation *invocation, const char *uuid_text,
             const char *answer, GVariant *secret, GVariant *options, GError **error)
{
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    g_autofree char *uuid = vf_uuid_normalize(uuid_text, "job_uuid", error);
    Pending *pending = uuid ? g_hash_table_lookup(self->pending, uuid) : NULL;
    VfJob *job;

    if (!uuid)
        return NULL;
    if (!pending || !pending->begun ||
        vf_gate_get_sender_uid(self->context->gate, sender) != vf_job_get_uid(pending->job)) {
        gboolean known = vf_jobs_find(self->jobs, uuid, VF_JOB_SOURCE) != NULL;

        g_set_error(error, VFERRY_ERROR, known ? VFERRY_ERROR_BUSY : VFERRY_ERROR_NOT_FOUND,
                    known ? _("job %s is performed already")
                          : _("there is no job %s that waits to be performed: its Begin has "
                              "expired, its caller has left, or it never was"),
                    uuid);
        return NULL;
    }
    if (!take_answer(self, pending->job, answer, secret, options, error))
        return NULL;
    job = g_object_ref(pending->job);
    g_hash_table_remove(self->pending, uuid);
    return job;
}

static gboolean
on_perform(VferryManager *manager, GDBusMethodInvocation *invocation, const char *uuid,
           const char *answer, GVariant *secret, GVariant *options, gpointer data)
{
    VfSourceCalls *self = data;
    GError *error = NULL;
    g_autoptr(VfJob) job = take_pending(self, invocation, uuid, answer, secret, options, &error);

    if (!job) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    vf_ledger_create_async(self->context->ledger, vf_job_get_uuid(job), VF_JOB_SOURCE,
                           vf_jobs_begin_details(job), on_recorded,
                           call_new(self, manager, invocation, job));
    return TRUE;
}

/* --- Confirm --- */

static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfSourceCalls *self = user;

    if (!g_hash_table_contains(self->leaving, touch->id))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                _("device %s has left this host, and is being removed"), touch->id);
    return FALSE;
}

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    VfMdev *mdev = VF_MDEV(source);
    g_autoptr(VfSourceCalls) self = data;
    g_autoptr(GError) error = NULL;

    g_hash_table_remove(self->leaving, vf_mdev_get_uuid(mdev));
    if (vf_mdev_remove_finish(mdev, result, &error))
        vf_log_device(G_LOG_LEVEL_MESSAGE, vf_mdev_get_uuid(mdev),
                      "%s has left this host and is removed", vf_mdev_get_uuid(mdev));
    else /* the kernel goes on with it by itself as soon as the holder closes the device */
        vf_log_device(G_LOG_LEVEL_MESSAGE, vf_mdev_get_uuid(mdev),
                      "%s has left this host and goes when its holder closes it: %s",
                      vf_mdev_get_uuid(mdev), error->message);
}

static void
remove_device(VfSourceCalls *self, VfDevice *device)
{
    const char *id = vf_device_get_id(device);
    guint64 inode = vf_device_get_inode(device);
    const char *type = vf_ledger_find_created(self->context->ledger, id, inode);
    g_autoptr(VfMdev) mdev = NULL;

    if (!type)
        return;
    mdev = vf_mdev_new_for_removal(vf_device_get_sysfs_path(device), id, type, inode);
    g_hash_table_add(self->leaving, g_strdup(id));
    vf_mdev_remove_async(mdev, on_removed, g_object_ref(self));
}

/* The guest has moved on: the loan is over, and what vferry made for it is not needed here any
 * more. Whoever says so may be late: what its holder uses again stays. */
static void
clean_up(VfSourceCalls *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *entry = vf_job_get_device(job, i);
        VfDevice *device = entry->device;

        if (entry->moved_on || (entry->loan && vf_loan_get_user(entry->loan)))
            continue;
        if (entry->loan)
            vf_loans_end(self->loans, entry->loan);
        g_clear_object(&entry->loan);
        vf_job_save(job);
        if (device && !vf_device_is_gone(device) &&
            vf_uses_check_device(self->context->uses, device, NULL))
            remove_device(self, device);
    }
}

static void
on_confirmed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    GError *error = NULL;

    if (!vf_driver_call_finish(VF_DRIVER(source), result, &error)) {
        vf_bus_return_error(call->invocation, error);
        return;
    }
    if (vf_job_get_result(call->job) == VF_RESULT_COMPLETED)
        clean_up(call->source, call->job);
    vferry_manager_complete_confirm(call->manager, call->invocation,
                                    vf_result_to_string(vf_job_get_result(call->job)));
}

static void
on_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    VfJob *job = call->job;
    GError *error = NULL;
    VfDriver *driver = vf_context_choose_driver(call->source->context,
                                                vf_job_get_driver_name(call->job), NULL, &error);

    if (driver)
        vf_driver_call_async(driver, VF_DRIVER_CONFIRM, job, NULL, on_confirmed,
                             g_steal_pointer(&call));
    else
        vf_bus_return_error(call->invocation, error);
}

static gboolean
on_confirm(VferryManager *manager, GDBusMethodInvocation *invocation, const char *uuid_text,
           GVariant *options_dict, gpointer data)
{
    VfSourceCalls *self = data;
    GError *error = NULL;
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    g_autofree char *uuid = vf_uuid_normalize(uuid_text, "job_uuid", &error);
    VfJob *job = NULL;

    if (uuid && vf_options_end(options, &error)) {
        job = vf_jobs_find(self->jobs, uuid, VF_JOB_SOURCE);
        if (!job)
            g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                        _("this host is not the source of a job %s"), uuid);
    }
    if (job)
        vf_job_wait_async(job, NULL, on_ended, call_new(self, manager, invocation, job));
    else
        vf_bus_return_error(invocation, error);
    return TRUE;
}

static void
on_job_expired(VfJobs *jobs, VfJob *job, VfSourceCalls *self)
{
    if (vf_job_get_role(job) == VF_JOB_SOURCE && vf_job_get_result(job) == VF_RESULT_COMPLETED)
        clean_up(self, job); /* nobody confirmed */
}

/* Of a job that is over only as long as nobody has begun anything with the device since. */
static void
resume_device_state(VfJob *job, const VfJobDevice *device)
{
    VfResult result = vf_job_get_result(job);
    gboolean last = device->loan ? !vf_loan_get_user(device->loan)
                                 : vf_device_get_state(device->device) == VF_DEVICE_UNKNOWN;

    if (result == VF_RESULT_NONE)
        vf_device_set_state(device->device, VF_DEVICE_MIGRATING);
    else if (result == VF_RESULT_IN_DOUBT ||
             (result == VF_RESULT_COMPLETED && last && !device->moved_on))
        set_device_state(device);
}

void
vf_source_calls_resume(VfSourceCalls *self, VfJob *job)
{
    if (!vf_job_get_record(job)) {
        vf_jobs_reserve(self->jobs, job, 0, NULL); /* promised by the last daemon */
        add_pending(self, job)->begun = TRUE;
        return;
    }
    g_signal_connect_object(job, "completed", G_CALLBACK(on_job_completed), self, 0);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device)
            resume_device_state(job, vf_job_get_device(job, i));
    if (vf_job_get_result(job) == VF_RESULT_COMPLETED)
        follow_devices(job, self->context->ledger);
    vf_jobs_add(self->jobs, job);
}

/* A mover that went on without the daemon that had begun it left the loan to nobody. */
static void
take_loans(VfSourceCalls *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);
        VfLoan *loan = device->device ? vf_loans_find(self->loans, device->device) : NULL;

        if (loan && vf_loan_use(loan, vf_job_get_uuid(job), NULL))
            device->loan = g_object_ref(loan);
    }
}

static void
on_recovered(VfJob *job, VfSourceCalls *self)
{
    VfResult result = vf_job_get_result(job);

    if (result == VF_RESULT_IN_DOUBT)
        take_loans(self, job);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->loan && result != VF_RESULT_IN_DOUBT)
            set_device_state(vf_job_get_device(job, i));
    if (result != VF_RESULT_IN_DOUBT)
        release_loans(self, job);
    if (result == VF_RESULT_COMPLETED)
        follow_devices(job, self->context->ledger);
}

void
vf_source_calls_recover(VfSourceCalls *self, VfJob *job)
{
    g_signal_connect_object(job, "completed", G_CALLBACK(on_recovered), self, 0);
}

VfSourceCalls *
vf_source_calls_new(const VfContext *context, VfJobs *jobs, VfLoans *loans, guint pending_ms)
{
    VfSourceCalls *self = g_object_new(VF_TYPE_SOURCE_CALLS, NULL);
    VferryManager *manager = vf_objects_get_manager(context->objects);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->loans = g_object_ref(loans);
    self->pending_ms = pending_ms;
    vf_uses_add(context->uses, check_use, self);
    g_signal_connect_object(manager, "handle-begin", G_CALLBACK(on_begin), self, 0);
    g_signal_connect_object(manager, "handle-perform", G_CALLBACK(on_perform), self, 0);
    g_signal_connect_object(manager, "handle-confirm", G_CALLBACK(on_confirm), self, 0);
    g_signal_connect_object(jobs, "expired", G_CALLBACK(on_job_expired), self, 0);
    return self;
}
