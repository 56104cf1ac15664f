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
#include "resolve.h"

/* Its description, its record, and its mover's socket and process. */
#define KEPT_PARTS 4
/* A monitor and a process of a guest that it is about. */
#define GUEST_PARTS 2

struct _VfJobs {
    GObject parent_instance;
    const VfContext *context;
    guint memory_ms;
    GPtrArray *entries; /* of Entry */
    guint pruning;
    VfResolver *resolver;
};

G_DEFINE_FINAL_TYPE(VfJobs, vf_jobs, G_TYPE_OBJECT)

typedef struct {
    VfJobs *jobs;
    VfJob *job;
    VferryJob *skeleton;
    guint expiry;
    gint64 since; /* when the time to its expiry began */
    guint holds;
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
    g_clear_object(&self->resolver);
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
    self->resolver = vf_resolver_new(context);
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
    if (vf_driver_can_attach(driver))
        n_more += GUEST_PARTS;
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
    vf_resolver_add(self->resolver, job, entry->skeleton);
    g_signal_connect(job, "completed", G_CALLBACK(on_completed), entry);
    g_ptr_array_add(self->entries, entry);
    /* one that an earlier daemon knew may have ended already */
    arm_expiry(entry, (g_get_monotonic_time() - vf_job_get_times(job)->end_monotonic) / 1000);
    path = vf_objects_add(self->context->objects, VF_PATH_JOB, vf_job_get_uuid(job),
                          G_DBUS_INTERFACE_SKELETON(entry->skeleton), is_owner, entry);
    vf_job_set_path(job, path);
    vf_job_save(job);
    vf_resolver_resume(self->resolver, job, entry->skeleton);
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
    if (vf_job_get_operation(job) != VF_JOB_MIGRATE) /* that of 0.1.0 has none */
        g_variant_dict_insert(&dict, "operation", "s",
                              vf_job_operation_to_string(vf_job_get_operation(job)));
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
