/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job-object.h"

#include "error.h"
#include "vferry-dbus.h"

static GVariant *
device_list(VfJob *job, VfObjects *objects)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);
        gboolean here = device->device && !vf_device_is_gone(device->device);
        const char *path = here ? vf_objects_get_device_path(objects, device->device) : "/";
        const char *id = device->id ? device->id : device->ref;

        g_variant_builder_open(&list, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&list, "{sv}", "id", g_variant_new_string(id));
        g_variant_builder_add(&list, "{sv}", "state",
                              g_variant_new_string(vf_device_outcome_to_string(device->state)));
        g_variant_builder_add(&list, "{sv}", "bytes", g_variant_new_uint64(device->bytes));
        if (!g_str_equal(path, "/"))
            g_variant_builder_add(&list, "{sv}", "device", g_variant_new_object_path(path));
        g_variant_builder_close(&list);
    }
    return g_variant_builder_end(&list);
}

static void
update_devices(VfJob *job, VferryJob *skeleton)
{
    vferry_job_set_devices(skeleton,
                           device_list(job, g_object_get_data(G_OBJECT(skeleton), "objects")));
}

static void
update_counters(VfJob *job, VferryJob *skeleton)
{
    const VfProgress *progress = vf_job_get_progress(job);

    vferry_job_set_bytes_done(skeleton, progress->done);
    vferry_job_set_bytes_total(skeleton, progress->total);
    vferry_job_set_rate(skeleton, progress->rate);
    vferry_job_set_expected_downtime(
        skeleton, progress->has_expected_downtime ? progress->expected_downtime : 0);
}

static void
on_progress(VfJob *job, VferryJob *skeleton)
{
    const VfProgress *progress = vf_job_get_progress(job);
    GVariantDict detail;

    update_counters(job, skeleton);
    g_variant_dict_init(&detail, NULL);
    g_variant_dict_insert(&detail, "phase", "s", vf_job_get_phase_name(job));
    vf_progress_fill(progress, VF_PROGRESS_DETAIL, &detail);
    vferry_job_emit_progress(skeleton, progress->done, progress->total,
                             g_variant_dict_end(&detail));
}

static void
on_phase(VfJob *job, VferryJob *skeleton)
{
    vferry_job_set_phase(skeleton, vf_job_get_phase_name(job));
    vferry_job_emit_phase_changed(skeleton, vf_job_get_phase_name(job));
}

static void
show_outcome(VfJob *job, VferryJob *skeleton)
{
    const VfOutcome *outcome = vf_job_get_outcome(job);
    const char *name = outcome->error ? vf_error_to_name((VferryError)outcome->error->code) : "";
    const char *message = outcome->error ? outcome->error->message : "";

    update_counters(job, skeleton);
    vferry_job_set_phase(skeleton, vf_job_get_phase_name(job));
    vferry_job_set_downtime(skeleton, vf_job_get_downtime(job));
    vferry_job_set_error(skeleton, g_variant_new("(ss)", name, message));
    vferry_job_set_result(skeleton, vf_result_to_string(outcome->result));
}

static void
on_completed(VfJob *job, VferryJob *skeleton)
{
    const VfOutcome *outcome = vf_job_get_outcome(job);

    show_outcome(job, skeleton);
    /* who sees Completed and then reads finds what it said */
    g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(skeleton));
    vferry_job_emit_completed(skeleton, vf_result_to_string(outcome->result),
                              outcome->error ? vf_error_to_name((VferryError)outcome->error->code)
                                             : "",
                              outcome->error ? outcome->error->message : "", outcome->statistics);
}

VferryJob *
vf_job_object_new(VfJob *job, VfObjects *objects)
{
    VferryJob *skeleton = vferry_job_skeleton_new();

    g_object_set_data(G_OBJECT(skeleton), "objects", objects);
    vferry_job_set_uuid(skeleton, vf_job_get_uuid(job));
    vferry_job_set_operation(skeleton, vf_job_operation_to_string(vf_job_get_operation(job)));
    vferry_job_set_role(skeleton, vf_job_get_role(job) == VF_JOB_SOURCE ? "source" : "destination");
    vferry_job_set_phase(skeleton, vf_job_get_phase_name(job));
    vferry_job_set_start_time(skeleton, (guint64)vf_job_get_times(job)->start);
    vferry_job_set_started_by_uid(skeleton, vf_job_get_uid(job));
    vferry_job_set_peer(skeleton, vf_job_get_peer(job));
    vferry_job_set_override(skeleton, vf_job_get_override(job));
    vferry_job_set_error(skeleton, g_variant_new("(ss)", "", ""));
    update_devices(job, skeleton);
    update_counters(job, skeleton);
    if (vf_job_get_outcome(job))
        show_outcome(job, skeleton);
    g_signal_connect_object(job, "changed", G_CALLBACK(update_devices), skeleton, 0);
    g_signal_connect_object(job, "progress", G_CALLBACK(on_progress), skeleton, 0);
    g_signal_connect_object(job, "phase-changed", G_CALLBACK(on_phase), skeleton, 0);
    g_signal_connect_object(job, "completed", G_CALLBACK(on_completed), skeleton, 0);
    return skeleton;
}
