/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "perform.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "answer.h"
#include "bus-peer.h"
#include "error.h"
#include "options.h"
#include "uuid.h"

#define DOWNTIME_LIMIT_MS 300
#define DOWNTIME_LIMIT_MS_MAX (24 * 3600 * 1000)
#define PRECOPY_MAX_SECONDS 300
#define PRECOPY_MAX_SECONDS_MAX (7 * 24 * 3600)

struct _VfPerform {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfBegin *begin;
    VfSourceDevices *devices;
};

G_DEFINE_FINAL_TYPE(VfPerform, vf_perform, G_TYPE_OBJECT)

static void
vf_perform_finalize(GObject *object)
{
    VfPerform *self = VF_PERFORM(object);

    g_object_unref(self->jobs);
    g_object_unref(self->begin);
    g_object_unref(self->devices);
    G_OBJECT_CLASS(vf_perform_parent_class)->finalize(object);
}

static void
vf_perform_class_init(VfPerformClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_perform_finalize;
}

static void
vf_perform_init(VfPerform *self)
{
}

typedef struct {
    VfPerform *self;
    VferryManager *manager;
    GDBusMethodInvocation *invocation;
    VfJob *job;
} Call;

static void
call_free(Call *call)
{
    g_object_unref(call->self);
    g_object_unref(call->manager);
    g_object_unref(call->job);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

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

/* Nobody has answered. */
static gboolean
check_silence(VfJob *job, const char *answer, GVariant *secret, GError **error)
{
    if (!*answer && g_variant_n_children(secret) == 0)
        return TRUE;
    g_set_error(
        error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
        _("job %s has the operation “%s”, which has no peer: its answer and its secret must "
          "be empty"),
        vf_job_get_uuid(job), vf_job_operation_to_string(vf_job_get_operation(job)));
    return FALSE;
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
take_perform_options(VfPerform *self, VfJob *job, GVariant *dict, GError **error)
{
    static const char *const common[] = {"precopy-max-seconds", "downtime-limit-ms",
                                         "switchover-ack", NULL};
    g_autoptr(VfOptions) options = vf_options_new(dict);
    VfJobChannel *channel = vf_job_get_channel(job);

    channel->precopy_max_seconds =
        vf_options_take_u32(options, "precopy-max-seconds", PRECOPY_MAX_SECONDS);
    channel->downtime_limit_ms =
        vf_options_take_u32(options, "downtime-limit-ms", DOWNTIME_LIMIT_MS);
    channel->switchover_ack = vf_options_take_boolean(options, common[2], TRUE);
    return vf_options_check(options, error) &&
           check_limit(common[0], channel->precopy_max_seconds, PRECOPY_MAX_SECONDS_MAX, error) &&
           check_limit(common[1], channel->downtime_limit_ms, DOWNTIME_LIMIT_MS_MAX, error) &&
           vf_context_take_driver_options(
               job, vf_context_find_driver(self->context, vf_job_get_driver_name(job)), dict,
               common, error);
}

static gboolean
take_answer(VfPerform *self, VfJob *job, const char *text, GVariant *secret, GVariant *options,
            GError **error)
{
    g_autoptr(VfAnswer) answer = NULL;
    VfJobChannel *channel = vf_job_get_channel(job);

    if (!vf_job_operation_has_peer(vf_job_get_operation(job)))
        return check_silence(job, text, secret, error) &&
               take_perform_options(self, job, options, error);
    answer = vf_answer_parse(text, -1, NULL, error);
    if (!answer || !check_answer(job, answer, error) || !take_secret(job, secret, error) ||
        !take_perform_options(self, job, options, error))
        return FALSE;
    g_ptr_array_unref(channel->endpoints);
    channel->endpoints = g_ptr_array_ref(answer->endpoints);
    vf_job_set_peer(job, answer->destination);
    vf_job_set_features(job, (const char *const *)answer->features);
    return TRUE;
}

static void
on_performed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    GError *error = NULL;

    if (vf_driver_call_finish(VF_DRIVER(source), result, &error)) {
        vferry_manager_complete_perform(call->manager, call->invocation,
                                        vf_jobs_get_path(call->self->jobs, call->job));
        return;
    }
    vf_driver_drop(VF_DRIVER(source), call->job);
    vf_job_complete(call->job, vf_outcome_new_for_error(g_error_copy(error)));
    vf_bus_return_error(call->invocation, error);
}

/* What a driver has left behind is not performed, whenever it went. */
static gboolean
check_domain(VfJob *job, GError **error)
{
    VfDomain *domain = vf_job_get_domain(job);

    return !domain || vf_domain_check_stays(domain, error);
}

static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    VfJob *job = call->job;
    VfPerform *self = call->self;
    GError *error = NULL;
    VfRecord *record = vf_ledger_create_finish(VF_LEDGER(source), result, &error);

    if (!record) {
        vf_job_forget(job);
        vf_source_devices_release(self->devices, job);
        vf_bus_return_error(call->invocation, error);
        return;
    }
    vf_job_take_record(job, record);
    vf_source_devices_follow(self->devices, job);
    vf_jobs_add(self->jobs, job);
    if (!check_domain(job, &error)) {
        vf_job_complete(job, vf_outcome_new_for_error(g_error_copy(error)));
        vf_bus_return_error(call->invocation, error);
        return;
    }
    vf_driver_call_async(vf_context_find_driver(self->context, vf_job_get_driver_name(job)),
                         VF_DRIVER_PERFORM, job, NULL, on_performed, g_steal_pointer(&call));
}

/* The job of this caller that has begun, with what it is to be performed with. */
static VfJob *
find_job(VfPerform *self, GDBusMethodInvocation *invocation, const char *uuid_text,
         const char *answer, GVariant *secret, GVariant *options, GError **error)
{
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    g_autofree char *uuid = vf_uuid_normalize(uuid_text, "job_uuid", error);
    VfJob *job = uuid ? vf_begin_find(self->begin, uuid) : NULL;
    gboolean known;

    if (!uuid)
        return NULL;
    if (job && vf_gate_get_sender_uid(self->context->gate, sender) == vf_job_get_uid(job))
        return check_domain(job, error) && take_answer(self, job, answer, secret, options, error)
                   ? job
                   : NULL;
    known = vf_jobs_find(self->jobs, uuid, VF_JOB_SOURCE) != NULL;
    g_set_error(error, VFERRY_ERROR, known ? VFERRY_ERROR_BUSY : VFERRY_ERROR_NOT_FOUND,
                known ? _("job %s is performed already")
                      : _("there is no job %s that waits to be performed: its Begin has "
                          "expired, its caller has left, or it never was"),
                uuid);
    return NULL;
}

static gboolean
on_perform(VferryManager *manager, GDBusMethodInvocation *invocation, const char *uuid,
           const char *answer, GVariant *secret, GVariant *options, VfPerform *self)
{
    GError *error = NULL;
    VfJob *job = find_job(self, invocation, uuid, answer, secret, options, &error);
    Call *call;

    if (!job) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    call = g_new0(Call, 1);
    call->self = g_object_ref(self);
    call->manager = g_object_ref(manager);
    call->invocation = invocation;
    call->job = g_object_ref(job);
    vf_begin_take(self->begin, job); /* it either runs now or is over */
    vf_ledger_create_async(self->context->ledger, vf_job_get_uuid(job), VF_JOB_SOURCE,
                           vf_jobs_begin_details(job), on_recorded, call);
    return TRUE;
}

VfPerform *
vf_perform_new(const VfContext *context, VfJobs *jobs, VfBegin *begin, VfSourceDevices *devices)
{
    VfPerform *self = g_object_new(VF_TYPE_PERFORM, NULL);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->begin = g_object_ref(begin);
    self->devices = g_object_ref(devices);
    g_signal_connect_object(vf_objects_get_manager(context->objects), "handle-perform",
                            G_CALLBACK(on_perform), self, 0);
    return self;
}
