/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "end.h"

#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "error.h"
#include "options.h"
#include "uuid.h"

struct _VfEnd {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfLeases *leases;
    VfSourceDevices *devices;
};

G_DEFINE_FINAL_TYPE(VfEnd, vf_end, G_TYPE_OBJECT)

static void
vf_end_finalize(GObject *object)
{
    VfEnd *self = VF_END(object);

    g_object_unref(self->jobs);
    g_object_unref(self->leases);
    g_object_unref(self->devices);
    G_OBJECT_CLASS(vf_end_parent_class)->finalize(object);
}

static void
vf_end_class_init(VfEndClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_end_finalize;
}

static void
vf_end_init(VfEnd *self)
{
}

typedef struct {
    VfEnd *self;
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
is_source(const Call *call)
{
    return vf_job_get_role(call->job) == VF_JOB_SOURCE;
}

/* Takes @taken. */
static void
report(Call *taken)
{
    g_autoptr(Call) call = taken;
    const char *end = vf_result_to_string(vf_job_get_result(call->job));

    if (!is_source(call)) {
        vferry_manager_complete_finish(call->manager, call->invocation, end);
        return;
    }
    if (vf_job_get_result(call->job) == VF_RESULT_COMPLETED)
        vf_source_devices_clean_up(call->self->devices, call->job);
    vferry_manager_complete_confirm(call->manager, call->invocation, end);
}

static void
on_driver_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    GError *error = NULL;

    if (vf_driver_call_finish(VF_DRIVER(source), result, &error))
        report(g_steal_pointer(&call));
    else
        vf_bus_return_error(call->invocation, error);
}

/* One that is not here, or did not start, has nothing of the job: its record has said how it ended.
 * Takes @call. */
static void
call_driver(Call *call)
{
    VfJob *job = call->job;
    VfDriverVerb operation = is_source(call) ? VF_DRIVER_CONFIRM : VF_DRIVER_FINISH;
    VfDriver *driver =
        vf_context_choose_driver(call->self->context, vf_job_get_driver_name(job), NULL, NULL);

    if (driver)
        vf_driver_call_async(driver, operation, job, NULL, on_driver_done, call);
    else
        report(call);
}

static void
on_undone(GObject *source, GAsyncResult *result, gpointer data)
{
    vf_leases_wait_undone_finish(VF_LEASES(source), result);
    call_driver(data);
}

static void
on_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    VfLeases *leases = call->self->leases;

    if (is_source(call))
        call_driver(call);
    else
        vf_leases_wait_undone_async(leases, vf_leases_find(leases, call->job), on_undone, call);
}

static gboolean
end(VfEnd *self, VferryManager *manager, GDBusMethodInvocation *invocation, const char *uuid_text,
    GVariant *dict, VfJobRole role)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    GError *error = NULL;
    g_autofree char *uuid = vf_uuid_normalize(uuid_text, "job_uuid", &error);
    VfJob *job = NULL;
    Call *call;

    if (uuid && vf_options_end(options, &error)) {
        job = vf_jobs_find(self->jobs, uuid, role);
        if (!job)
            g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                        role == VF_JOB_SOURCE ? _("this host is not the source of a job %s")
                                              : _("this host is not the destination of a job %s"),
                        uuid);
    }
    if (!job) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    call = g_new0(Call, 1);
    call->self = g_object_ref(self);
    call->manager = g_object_ref(manager);
    call->invocation = invocation;
    call->job = g_object_ref(job);
    vf_job_wait_async(job, NULL, on_ended, call);
    return TRUE;
}

static gboolean
on_finish(VferryManager *manager, GDBusMethodInvocation *invocation, const char *uuid,
          GVariant *options, VfEnd *self)
{
    return end(self, manager, invocation, uuid, options, VF_JOB_DESTINATION);
}

static gboolean
on_confirm(VferryManager *manager, GDBusMethodInvocation *invocation, const char *uuid,
           GVariant *options, VfEnd *self)
{
    return end(self, manager, invocation, uuid, options, VF_JOB_SOURCE);
}

VfEnd *
vf_end_new(const VfContext *context, VfJobs *jobs, VfLeases *leases, VfSourceDevices *devices)
{
    VfEnd *self = g_object_new(VF_TYPE_END, NULL);
    VferryManager *manager = vf_objects_get_manager(context->objects);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->leases = g_object_ref(leases);
    self->devices = g_object_ref(devices);
    g_signal_connect_object(manager, "handle-finish", G_CALLBACK(on_finish), self, 0);
    g_signal_connect_object(manager, "handle-confirm", G_CALLBACK(on_confirm), self, 0);
    return self;
}
