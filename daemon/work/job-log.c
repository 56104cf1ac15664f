/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job-log.h"

/* Owns no string: the job does. */
typedef struct {
    GPtrArray *devices; /* terminated by NULL */
    VfLogAbout about;
} Fields;

static void
fields_clear(Fields *self)
{
    g_ptr_array_unref(self->devices);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fields, fields_clear)

/* The id here, and the one at the source as long as there is no device here. */
static const char *
device_id(const VfJobDevice *device)
{
    return device->device ? vf_device_get_id(device->device) : device->ref;
}

static void
fields_init(Fields *self, VfJob *job)
{
    self->devices = g_ptr_array_new();
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        g_ptr_array_add(self->devices, (gpointer)device_id(vf_job_get_device(job, i)));
    g_ptr_array_add(self->devices, NULL);
    self->about = (VfLogAbout){
        .devices = (const char *const *)self->devices->pdata,
        .job = vf_job_get_uuid(job),
        .peer = vf_job_get_peer(job),
        .phase = vf_job_get_phase_name(job),
    };
}

void
vf_job_log_write(VfJob *job, GLogLevelFlags level, const VfLogPlace *place, const char *format, ...)
{
    g_auto(Fields) fields = {0};
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    fields_init(&fields, job);
    vf_log_write(level, &fields.about, place, "%s", text);
}

void
vf_job_log_write_event(VfJob *job, VfEvent event, const VfLogPlace *place, const char *format, ...)
{
    g_auto(Fields) fields = {0};
    g_autofree char *text = NULL;
    va_list values;

    va_start(values, format);
    text = g_strdup_vprintf(format, values);
    va_end(values);
    fields_init(&fields, job);
    vf_log_write_event(event, &fields.about, place, "%s", text);
}

static const char *
role_of(VfJob *job)
{
    return vf_job_get_role(job) == VF_JOB_SOURCE ? "source" : "destination";
}

static const char *
reason_of(const VfOutcome *outcome)
{
    return outcome->error ? outcome->error->message : "no reason was given";
}

static void
log_reset(VfJob *job, const VfOutcome *outcome)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const char *id = device_id(vf_job_get_device(job, i));

        if (vf_outcome_get_device(outcome, i) == VF_DEVICE_OUTCOME_NEEDS_RESET)
            vf_log_event(VF_EVENT_DEVICE_NEEDS_RESET,
                         VF_ABOUT(.device = id, .job = vf_job_get_uuid(job),
                                  .peer = vf_job_get_peer(job),
                                  .phase = vf_job_get_phase_name(job)),
                         "device %s failed in job %s and does nothing until it is reset", id,
                         vf_job_get_uuid(job));
    }
}

static void
log_end(VfJob *job)
{
    const VfOutcome *outcome = vf_job_get_outcome(job);
    const char *uuid = vf_job_get_uuid(job);

    switch (outcome->result) {
    case VF_RESULT_COMPLETED:
        vf_job_log_event(job, VF_EVENT_JOB_COMPLETED, "job %s (%s): completed", uuid, role_of(job));
        break;
    case VF_RESULT_CANCELLED:
        vf_job_log_event(job, VF_EVENT_JOB_CANCELLED, "job %s (%s): cancelled: %s", uuid,
                         role_of(job), reason_of(outcome));
        break;
    case VF_RESULT_IN_DOUBT:
        vf_job_log_event(job, VF_EVENT_JOB_IN_DOUBT, "job %s (%s): in-doubt: %s", uuid,
                         role_of(job), reason_of(outcome));
        break;
    case VF_RESULT_FAILED:
    case VF_RESULT_NONE:
    default:
        vf_job_log_event(job, VF_EVENT_JOB_FAILED, "job %s (%s): failed: %s", uuid, role_of(job),
                         reason_of(outcome));
        break;
    }
    log_reset(job, outcome);
}

static void
on_completed(VfJob *job, gpointer unused)
{
    log_end(job);
}

static void
on_attached(VfJob *job, gpointer unused)
{
    vf_job_log(job, G_LOG_LEVEL_INFO, "job %s (%s): the other side is there", vf_job_get_uuid(job),
               role_of(job));
}

static void
on_phase(VfJob *job, gpointer unused)
{
    vf_job_log(job, G_LOG_LEVEL_INFO, "job %s (%s): %s", vf_job_get_uuid(job), role_of(job),
               vf_job_get_phase_name(job));
}

/* Who was on the bus before keeps its path (daemon/start/restart.h); the rest is known from
 * records. */
static void
log_recovered(VfJob *job)
{
    VfResult result = vf_job_get_result(job);
    gboolean restored = *vf_job_get_path(job) != '\0';

    vf_job_log_event(job, VF_EVENT_JOB_RECOVERED, "job %s (%s) is older than this vferryd: %s",
                     vf_job_get_uuid(job), role_of(job),
                     result == VF_RESULT_NONE ? "it goes on" : vf_result_to_string(result));
    /* what the last daemon could not say, and what somebody still has to do */
    if (result != VF_RESULT_NONE && (!restored || result == VF_RESULT_IN_DOUBT))
        log_end(job);
}

void
vf_job_log_follow(VfJob *job)
{
    g_signal_connect(job, "attached", G_CALLBACK(on_attached), NULL);
    g_signal_connect(job, "phase-changed", G_CALLBACK(on_phase), NULL);
    g_signal_connect(job, "completed", G_CALLBACK(on_completed), NULL);
    if (vf_job_get_result(job) != VF_RESULT_NONE || *vf_job_get_path(job))
        log_recovered(job);
    else
        vf_job_log_event(job, VF_EVENT_JOB_STARTED, "job %s (%s) of uid %u has started",
                         vf_job_get_uuid(job), role_of(job), vf_job_get_uid(job));
}
