/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job-keep.h"

#include <glib/gi18n-lib.h>

#define DEVICE_TYPE "(ssstsbt)"
#define SOURCE "source"
#define DESTINATION "destination"

static GVariant *
pack_devices(VfJob *job)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a" DEVICE_TYPE));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);

        g_variant_builder_add(&list, DEVICE_TYPE, device->ref, device->id ? device->id : "",
                              device->loan ? vf_loan_get_id(device->loan) : "", device->bytes,
                              vf_device_outcome_to_string(device->state), device->has_estimate,
                              device->estimate);
    }
    return g_variant_builder_end(&list);
}

static GVariant *
pack_inodes(VfJob *job)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("at"));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        g_variant_builder_add(&list, "t", vf_job_get_device(job, i)->inode);
    return g_variant_builder_end(&list);
}

static GVariant *
pack_moved_on(VfJob *job)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("ab"));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        g_variant_builder_add(&list, "b", vf_job_get_device(job, i)->moved_on);
    return g_variant_builder_end(&list);
}

/* Of a destination's, which Prepare opened; what a source's can is with its loan. */
static GVariant *
pack_migration(VfJob *job)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aas"));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfDevice *device = vf_job_get_device(job, i)->device;

        g_variant_builder_add_value(
            &list,
            g_variant_new_strv(device ? vf_device_get_migration(device) : NULL, device ? -1 : 0));
    }
    return g_variant_builder_end(&list);
}

void
vf_job_keep_fill(VfJob *job, GVariantDict *state)
{
    const VfJobTimes *times = vf_job_get_times(job);
    const GError *reason = vf_job_get_cancel_reason(job);
    guint32 uid;

    g_variant_dict_insert(state, "role", "s",
                          vf_job_get_role(job) == VF_JOB_SOURCE ? SOURCE : DESTINATION);
    g_variant_dict_insert(state, "operation", "s",
                          vf_job_operation_to_string(vf_job_get_operation(job)));
    g_variant_dict_insert(state, "uuid", "s", vf_job_get_uuid(job));
    g_variant_dict_insert(state, "uid", "u", vf_job_get_uid(job));
    g_variant_dict_insert(state, "owner", "s", vf_job_get_owner(job));
    g_variant_dict_insert(state, "path", "s", vf_job_get_path(job));
    g_variant_dict_insert(state, "peer", "s", vf_job_get_peer(job));
    g_variant_dict_insert(state, "driver", "s", vf_job_get_driver_name(job));
    g_variant_dict_insert(state, "override", "s", vf_job_get_override(job));
    g_variant_dict_insert(state, "features", "^as", vf_job_get_features(job));
    g_variant_dict_insert(state, "times", "(xxx)", times->start, times->start_monotonic,
                          times->end_monotonic);
    g_variant_dict_insert_value(state, "devices", pack_devices(job));
    g_variant_dict_insert_value(state, "inodes", pack_inodes(job));
    g_variant_dict_insert_value(state, "moved-on", pack_moved_on(job));
    if (vf_job_get_role(job) == VF_JOB_DESTINATION)
        g_variant_dict_insert_value(state, "migration", pack_migration(job));
    g_variant_dict_insert(state, "phase", "s", vf_job_get_phase_name(job));
    g_variant_dict_insert(state, "attached", "b", vf_job_is_attached(job));
    vf_progress_fill(vf_job_get_progress(job), VF_PROGRESS_KEPT, state);
    if (reason)
        g_variant_dict_insert(state, "cancel-reason", "(ss)",
                              vf_error_to_name((VferryError)reason->code), reason->message);
    if (vf_job_get_outcome(job))
        g_variant_dict_insert_value(state, "outcome",
                                    vf_outcome_to_variant(vf_job_get_outcome(job)));
    if (vf_job_get_run_decided(job, &uid))
        g_variant_dict_insert(state, "run-decided", "u", uid);
    if (vf_job_get_driver_state(job))
        g_variant_dict_insert_value(state, "driver-state", vf_job_get_driver_state(job));
}

/* What was only begun has nothing but its domain, which ends with this process. */
static gboolean
ends_with_daemon(VfJob *job)
{
    return vf_job_get_role(job) == VF_JOB_SOURCE && vf_job_get_domain(job) &&
           !vf_job_get_record(job);
}

static void
on_changed(VfJob *job, gpointer data)
{
    g_auto(GVariantDict) state = G_VARIANT_DICT_INIT(NULL);

    if (!vf_job_get_kept(job) /* forgotten */ || ends_with_daemon(job))
        return;
    vf_job_keep_fill(job, &state);
    vf_kept_write(vf_job_get_kept(job), &state);
}

void
vf_job_keep_follow(VfJob *job, VfKept *kept)
{
    vf_job_set_kept(job, kept);
    g_signal_connect(job, "changed", G_CALLBACK(on_changed), NULL);
}

static gboolean
is_over(GVariant *state)
{
    g_autoptr(GVariant) variant = g_variant_lookup_value(state, "outcome", NULL);
    g_autoptr(VfOutcome) outcome = variant ? vf_outcome_from_variant(variant) : NULL;

    return outcome && outcome->result != VF_RESULT_IN_DOUBT;
}

/* Whatever has its name may be another one. That of 0.1.0 has no inodes: while the job is not over
 * its device is open, and cannot have been replaced. */
static void
find_device(VfJob *job, guint index, GVariant *state, VfRegistry *registry, const char *id)
{
    g_autoptr(GVariant) inodes = g_variant_lookup_value(state, "inodes", G_VARIANT_TYPE("at"));
    guint64 inode = 0;
    VfDevice *device = NULL;

    if (!*id)
        return;
    if (inodes && index < g_variant_n_children(inodes))
        g_variant_get_child(inodes, index, "t", &inode);
    if (inodes)
        device = vf_registry_find_this_device(registry, id, inode);
    else if (!is_over(state))
        device = vf_registry_find_device(registry, id);
    if (device)
        vf_job_set_device(job, index, device);
    else /* whoever has the name of what may be all there is waits until it is resolved */
        vf_job_name_device(job, index, id, inode);
}

static gboolean
parse_devices(VfJob *job, GVariant *state, VfRegistry *registry)
{
    g_autoptr(GVariant) list =
        g_variant_lookup_value(state, "devices", G_VARIANT_TYPE("a" DEVICE_TYPE));
    GVariantIter iter;
    const char *ref, *id, *loan, *outcome;
    guint64 bytes, estimate;
    gboolean has_estimate;
    guint n = 0;

    if (!list || g_variant_n_children(list) > VF_JOB_DEVICES_MAX)
        return FALSE;
    g_variant_iter_init(&iter, list);
    while (g_variant_iter_next(&iter, "(&s&s&st&sbt)", &ref, &id, &loan, &bytes, &outcome,
                               &has_estimate, &estimate)) {
        VfJobDevice *device = vf_job_add_device(job, ref, NULL);

        find_device(job, n++, state, registry, id);
        device->kept_loan = *loan ? g_strdup(loan) : NULL;
        device->bytes = bytes;
        device->has_estimate = has_estimate;
        device->estimate = estimate;
        vf_device_outcome_from_string(outcome, &device->state);
    }
    return TRUE;
}

static void
parse_migration(VfJob *job, GVariant *state)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(state, "migration", G_VARIANT_TYPE("aas"));
    gsize n = list ? g_variant_n_children(list) : 0; /* that of 0.1.0 has none */

    for (guint i = 0; i < n && i < vf_job_get_n_devices(job); i++) {
        VfDevice *device = vf_job_get_device(job, i)->device;
        g_autofree const char **flags = NULL;

        g_variant_get_child(list, i, "^a&s", &flags);
        if (device && flags[0])
            vf_device_set_migration(device, (const char *const *)flags, "probe");
    }
}

static void
parse_moved_on(VfJob *job, GVariant *state)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(state, "moved-on", G_VARIANT_TYPE("ab"));
    gsize n = list ? g_variant_n_children(list) : 0; /* that of 0.1.0 has none */

    for (guint i = 0; i < n && i < vf_job_get_n_devices(job); i++)
        g_variant_get_child(list, i, "b", &vf_job_get_device(job, i)->moved_on);
}

static gboolean
parse_past(VfJob *job, GVariant *state)
{
    g_autoptr(GVariant) outcome = g_variant_lookup_value(state, "outcome", NULL);
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(state);
    VfJobPast past = {0};
    const char *phase, *error, *message;
    VferryError code = VFERRY_ERROR_FAILED;

    if (!g_variant_lookup(state, "phase", "&s", &phase) ||
        !vf_job_phase_from_string(phase, &past.phase) ||
        !g_variant_lookup(state, "times", "(xxx)", &past.times.start, &past.times.start_monotonic,
                          &past.times.end_monotonic))
        return FALSE;
    if (outcome && !(past.outcome = vf_outcome_from_variant(outcome)))
        return FALSE;
    g_variant_lookup(state, "attached", "b", &past.attached);
    (void)vf_progress_parse(&past.progress, VF_PROGRESS_KEPT, &dict, NULL);
    vf_job_set_past(job, &past);
    if (g_variant_lookup(state, "cancel-reason", "(&s&s)", &error, &message)) {
        vf_error_from_name(error, &code);
        vf_job_set_cancel_reason(job, g_error_new_literal(VFERRY_ERROR, (gint)code, message));
    }
    return TRUE;
}

static VfJob *
parse(GVariant *state, VfRegistry *registry)
{
    const char *role, *uuid, *owner, *path, *peer, *driver;
    const char *override = "", *name = "migrate"; /* as that of 0.1.0, which has neither */
    VfJobOperation operation;
    g_autofree const char **features = NULL;
    g_autoptr(GVariant) driver_state =
        g_variant_lookup_value(state, "driver-state", G_VARIANT_TYPE_VARDICT);
    g_autoptr(VfJob) job = NULL;
    guint32 uid;

    if (!g_variant_lookup(state, "role", "&s", &role) ||
        !g_variant_lookup(state, "uuid", "&s", &uuid) ||
        !g_variant_lookup(state, "uid", "u", &uid) ||
        !g_variant_lookup(state, "owner", "&s", &owner) ||
        !g_variant_lookup(state, "path", "&s", &path) ||
        !g_variant_lookup(state, "peer", "&s", &peer) ||
        !g_variant_lookup(state, "driver", "&s", &driver) ||
        !g_variant_lookup(state, "features", "^a&s", &features))
        return NULL;
    g_variant_lookup(state, "operation", "&s", &name);
    if (!vf_job_operation_from_string(name, &operation))
        return NULL;
    job = vf_job_new(g_str_equal(role, SOURCE) ? VF_JOB_SOURCE : VF_JOB_DESTINATION, uuid, uid,
                     owner);
    vf_job_set_operation(job, operation);
    vf_job_set_path(job, path);
    vf_job_set_peer(job, peer);
    vf_job_set_driver_name(job, driver);
    vf_job_set_features(job, (const char *const *)features);
    g_variant_lookup(state, "override", "&s", &override);
    vf_job_set_override(job, override);
    if (g_variant_lookup(state, "run-decided", "u", &uid))
        vf_job_set_run_decided(job, TRUE, uid);
    if (driver_state)
        vf_job_set_driver_state(job, driver_state);
    if (!parse_devices(job, state, registry) || !parse_past(job, state))
        return NULL;
    parse_moved_on(job, state);
    parse_migration(job, state);
    return g_steal_pointer(&job);
}

VfJob *
vf_job_keep_parse(GVariant *state, VfRegistry *registry, GError **error)
{
    VfJob *job = parse(state, registry);

    if (!job)
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                            _("its description is not that of a job"));
    return job;
}
