/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job.h"

#include <string.h>

#include "error.h"
#include "io.h"

struct _VfJob {
    GObject parent_instance;
    VfJobRole role;
    VfJobOperation operation;
    char *uuid;
    guint32 uid;
    char *owner;
    VfJobTimes times;
    char *path;
    VfJobChannel channel;
    char *peer;
    char *driver_name;
    GVariant *options;
    char *override;
    VfHolder holder;
    VfDomain *domain;
    char **features;
    GPtrArray *devices;
    VfRecord *record;
    VfKept *kept;
    GVariant *driver_state;
    gboolean run_decided;
    guint32 run_decided_by;
    gpointer driver_data;
    GDestroyNotify driver_data_destroy;

    gboolean attached;
    VfJobPhase phase;
    VfProgress progress;
    gint64 progress_sent; /* monotonic; 0: never */
    guint progress_timer;
    VfOutcome *outcome;
    GError *cancel_reason;
    GQueue waiting; /* of GTask */

    guint closing;             /* descriptors */
    GQueue waiting_for_closed; /* of GTask */
};

G_DEFINE_FINAL_TYPE(VfJob, vf_job, G_TYPE_OBJECT)

static void
job_device_free(gpointer data)
{
    VfJobDevice *device = data;

    g_free(device->ref);
    g_free(device->id);
    g_free(device->kept_loan);
    g_clear_object(&device->device);
    g_clear_object(&device->loan);
    g_free(device);
}

static void
vf_job_finalize(GObject *object)
{
    VfJob *self = VF_JOB(object);

    vf_job_set_driver_data(self, NULL, NULL);
    g_clear_handle_id(&self->progress_timer, g_source_remove);
    g_ptr_array_unref(self->devices);
    g_clear_object(&self->domain);
    g_clear_pointer(&self->record, vf_record_free);
    g_clear_pointer(&self->kept, vf_kept_free);
    g_clear_pointer(&self->driver_state, g_variant_unref);
    g_clear_pointer(&self->options, g_variant_unref);
    g_clear_pointer(&self->outcome, vf_outcome_free);
    g_clear_error(&self->cancel_reason);
    explicit_bzero(self->channel.secret, sizeof self->channel.secret);
    g_free(self->channel.address);
    g_ptr_array_unref(self->channel.endpoints);
    g_strfreev(self->features);
    g_free(self->uuid);
    g_free(self->owner);
    g_free(self->path);
    g_free(self->peer);
    g_free(self->driver_name);
    g_free(self->override);
    G_OBJECT_CLASS(vf_job_parent_class)->finalize(object);
}

static void
vf_job_class_init(VfJobClass *class)
{
    static const char *const names[] = {"attached", "adopted",   "phase-changed",
                                        "progress", "completed", "changed"};

    G_OBJECT_CLASS(class)->finalize = vf_job_finalize;
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_signal_new(names[i], G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 0);
}

static void
vf_job_init(VfJob *self)
{
    self->devices = g_ptr_array_new_with_free_func(job_device_free);
    self->features = g_new0(char *, 1);
    self->channel.endpoints = vf_endpoint_list_new();
    self->options = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    self->path = g_strdup("");
    self->peer = g_strdup("");
    self->driver_name = g_strdup("");
    self->override = g_strdup("");
    g_queue_init(&self->waiting);
    g_queue_init(&self->waiting_for_closed);
}

VfJob *
vf_job_new(VfJobRole role, const char *uuid, guint32 uid, const char *owner)
{
    VfJob *self = g_object_new(VF_TYPE_JOB, NULL);

    self->role = role;
    self->uuid = g_strdup(uuid);
    self->uid = uid;
    self->owner = g_strdup(owner);
    self->times.start = g_get_real_time();
    self->times.start_monotonic = g_get_monotonic_time();
    return self;
}

VfJobRole
vf_job_get_role(VfJob *self)
{
    return self->role;
}

VfJobOperation
vf_job_get_operation(VfJob *self)
{
    return self->operation;
}

void
vf_job_set_operation(VfJob *self, VfJobOperation operation)
{
    self->operation = operation;
}

const char *
vf_job_get_uuid(VfJob *self)
{
    return self->uuid;
}

guint32
vf_job_get_uid(VfJob *self)
{
    return self->uid;
}

const char *
vf_job_get_owner(VfJob *self)
{
    return self->owner;
}

const VfJobTimes *
vf_job_get_times(VfJob *self)
{
    return &self->times;
}

void
vf_job_set_start_time(VfJob *self, gint64 start)
{
    self->times.start_monotonic -= MAX(self->times.start - start, 0);
    self->times.start = start;
}

const char *
vf_job_get_path(VfJob *self)
{
    return self->path;
}

void
vf_job_set_path(VfJob *self, const char *path)
{
    g_free(self->path);
    self->path = g_strdup(path);
    if (self->domain)
        vf_domain_set_job_path(self->domain, path);
}

VfJobChannel *
vf_job_get_channel(VfJob *self)
{
    return &self->channel;
}

const char *
vf_job_get_peer(VfJob *self)
{
    return self->peer;
}

void
vf_job_set_peer(VfJob *self, const char *host_id)
{
    g_free(self->peer);
    self->peer = g_strdup(host_id);
}

const char *
vf_job_get_driver_name(VfJob *self)
{
    return self->driver_name;
}

void
vf_job_set_driver_name(VfJob *self, const char *name)
{
    g_free(self->driver_name);
    self->driver_name = g_strdup(name);
}

GVariant *
vf_job_get_options(VfJob *self)
{
    return self->options;
}

void
vf_job_set_options(VfJob *self, GVariant *options)
{
    g_variant_ref_sink(options);
    g_variant_unref(self->options);
    self->options = options;
}

const char *
vf_job_get_override(VfJob *self)
{
    return self->override;
}

void
vf_job_set_override(VfJob *self, const char *reason)
{
    g_free(self->override);
    self->override = g_strdup(reason);
}

VfHolder
vf_job_get_holder(VfJob *self)
{
    return self->holder;
}

void
vf_job_set_holder(VfJob *self, VfHolder holder)
{
    self->holder = holder;
}

VfDomain *
vf_job_get_domain(VfJob *self)
{
    return self->domain;
}

void
vf_job_set_domain(VfJob *self, VfDomain *domain)
{
    g_set_object(&self->domain, domain);
    if (domain && *self->path)
        vf_domain_set_job_path(domain, self->path);
}

const char *const *
vf_job_get_features(VfJob *self)
{
    return (const char *const *)self->features;
}

void
vf_job_set_features(VfJob *self, const char *const *features)
{
    char **copy = g_strdupv((char **)features);

    g_strfreev(self->features);
    self->features = copy;
}

VfJobDevice *
vf_job_add_device(VfJob *self, const char *ref, VfDevice *device)
{
    VfJobDevice *entry = g_new0(VfJobDevice, 1);

    entry->ref = g_strdup(ref);
    g_ptr_array_add(self->devices, entry);
    if (device)
        vf_job_set_device(self, self->devices->len - 1, device);
    return entry;
}

guint
vf_job_get_n_devices(VfJob *self)
{
    return self->devices->len;
}

VfJobDevice *
vf_job_get_device(VfJob *self, guint index)
{
    g_return_val_if_fail(index < self->devices->len, NULL);
    return self->devices->pdata[index];
}

void
vf_job_name_device(VfJob *self, guint index, const char *id, guint64 inode)
{
    VfJobDevice *entry = vf_job_get_device(self, index);

    g_free(entry->id);
    entry->id = g_strdup(id);
    entry->inode = inode;
}

void
vf_job_set_device(VfJob *self, guint index, VfDevice *device)
{
    g_set_object(&vf_job_get_device(self, index)->device, device);
    vf_job_name_device(self, index, vf_device_get_id(device), vf_device_get_inode(device));
    g_signal_connect_object(device, "notify::gone", G_CALLBACK(vf_job_save), self,
                            G_CONNECT_SWAPPED);
    vf_job_save(self);
}

gboolean
vf_job_has_device(VfJob *self, const VfTouch *touch)
{
    for (guint i = 0; i < self->devices->len; i++) {
        const VfJobDevice *entry = self->devices->pdata[i];

        if (vf_touch_is_of(touch, entry->id, entry->inode))
            return TRUE;
    }
    return FALSE;
}

VfRecord *
vf_job_get_record(VfJob *self)
{
    return self->record;
}

void
vf_job_take_record(VfJob *self, VfRecord *record)
{
    g_clear_pointer(&self->record, vf_record_free);
    self->record = record;
    if (self->kept)
        vf_kept_put(self->kept, VF_JOB_KEPT_RECORD, vf_record_get_fd(record));
}

void
vf_job_set_kept(VfJob *self, VfKept *kept)
{
    g_clear_pointer(&self->kept, vf_kept_free);
    self->kept = kept;
}

VfKept *
vf_job_get_kept(VfJob *self)
{
    return self->kept;
}

void
vf_job_save(VfJob *self)
{
    g_signal_emit_by_name(self, "changed");
}

void
vf_job_forget(VfJob *self)
{
    if (self->kept)
        vf_kept_forget(self->kept);
    g_clear_pointer(&self->kept, vf_kept_free);
}

gboolean
vf_job_get_run_decided(VfJob *self, guint32 *uid)
{
    *uid = self->run_decided_by;
    return self->run_decided;
}

void
vf_job_set_run_decided(VfJob *self, gboolean decided, guint32 uid)
{
    self->run_decided = decided;
    self->run_decided_by = uid;
    vf_job_save(self);
}

GVariant *
vf_job_get_driver_state(VfJob *self)
{
    return self->driver_state;
}

void
vf_job_set_driver_state(VfJob *self, GVariant *state)
{
    g_variant_ref_sink(state);
    g_clear_pointer(&self->driver_state, g_variant_unref);
    self->driver_state = state;
    vf_job_save(self);
}

void
vf_job_set_driver_data(VfJob *self, gpointer data, GDestroyNotify destroy)
{
    gpointer old = g_steal_pointer(&self->driver_data);

    if (old && self->driver_data_destroy)
        self->driver_data_destroy(old);
    self->driver_data = data;
    self->driver_data_destroy = destroy;
}

gpointer
vf_job_get_driver_data(VfJob *self)
{
    return self->driver_data;
}

static void
on_fd_closed(gpointer data)
{
    g_autoptr(VfJob) self = data;
    GTask *task;

    self->closing--;
    while (self->closing == 0 && (task = g_queue_pop_head(&self->waiting_for_closed))) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    }
}

void
vf_job_close_fd(VfJob *self, int *fd)
{
    self->closing++;
    vf_io_close_in_thread(fd, on_fd_closed, g_object_ref(self));
}

void
vf_job_wait_closed_async(VfJob *self, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, NULL, callback, data);

    g_task_set_source_tag(task, vf_job_wait_closed_async);
    if (self->closing > 0) {
        g_queue_push_tail(&self->waiting_for_closed, task);
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

void
vf_job_wait_closed_finish(VfJob *self, GAsyncResult *result)
{
    g_task_propagate_boolean(G_TASK(result), NULL);
}

void
vf_job_report_attached(VfJob *self)
{
    if (self->attached || self->outcome)
        return;
    self->attached = TRUE;
    vf_job_save(self);
    g_signal_emit_by_name(self, "attached");
}

gboolean
vf_job_is_attached(VfJob *self)
{
    return self->attached;
}

void
vf_job_report_adopted(VfJob *self)
{
    g_return_if_fail(self->role == VF_JOB_DESTINATION);
    if (vf_job_get_result(self) == VF_RESULT_COMPLETED && self->operation != VF_JOB_REHEARSE)
        g_signal_emit_by_name(self, "adopted");
    else
        g_warning(
            "job %s is not completed, or a rehearsal, and nobody can have adopted its devices",
            self->uuid);
}

static void
set_phase(VfJob *self, VfJobPhase phase)
{
    if (phase <= self->phase)
        return;
    self->phase = phase;
    vf_job_save(self);
    g_signal_emit_by_name(self, "phase-changed");
}

void
vf_job_report_phase(VfJob *self, const char *phase)
{
    VfJobPhase value;

    if (self->outcome)
        return;
    if (vf_job_phase_from_string(phase, &value) && value != VF_JOB_FINISHED)
        set_phase(self, value);
    else
        g_warning("job %s: “%s” is no phase", self->uuid, phase);
}

static void
send_progress(VfJob *self)
{
    g_clear_handle_id(&self->progress_timer, g_source_remove);
    self->progress_sent = g_get_monotonic_time();
    vf_job_save(self);
    g_signal_emit_by_name(self, "progress");
}

static gboolean
on_progress_timer(gpointer data)
{
    VfJob *self = data;

    self->progress_timer = 0;
    send_progress(self);
    return G_SOURCE_REMOVE;
}

/* Now, or when the last one is long enough ago. */
static void
schedule_progress(VfJob *self)
{
    gint64 wait = self->progress_sent + VF_JOB_PROGRESS_INTERVAL_US - g_get_monotonic_time();

    if (self->progress_timer)
        return;
    if (self->progress_sent == 0 || wait <= 0)
        send_progress(self);
    else
        self->progress_timer = g_timeout_add((guint)(wait / 1000) + 1, on_progress_timer, self);
}

void
vf_job_report_progress(VfJob *self, const VfProgress *progress)
{
    guint64 done = MAX(self->progress.done, progress->done);

    if (self->outcome)
        return;
    for (guint i = 0; i < self->devices->len && i < progress->n_devices; i++) {
        VfJobDevice *device = self->devices->pdata[i];
        device->bytes = MAX(device->bytes, progress->device_bytes[i]);
    }
    self->progress = *progress;
    self->progress.done = done;
    self->progress.total = MAX(progress->total, done);
    self->progress.device_bytes = NULL;
    self->progress.n_devices = 0;
    schedule_progress(self);
}

/* Bytes and total agree at the end of what was completed, and the last signal before Completed says
 * so. A progress signal that would come too soon after the one before is worth the wait of nobody:
 * the limit holds, Completed has the bytes. */
static void
settle_counters(VfJob *self, const VfOutcome *outcome)
{
    guint64 bytes = 0;

    if (outcome->result == VF_RESULT_COMPLETED) {
        if (g_variant_lookup(outcome->statistics, "bytes", "t", &bytes))
            self->progress.done = MAX(self->progress.done, bytes);
        self->progress.total = self->progress.done;
        self->progress.dirty = 0;
        self->progress.initial_left = 0;
    }
    if (self->progress_sent == 0 ||
        g_get_monotonic_time() - self->progress_sent >= VF_JOB_PROGRESS_INTERVAL_US)
        send_progress(self);
    g_clear_handle_id(&self->progress_timer, g_source_remove);
}

static void
complete_statistics(VfJob *self, VfOutcome *outcome)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(outcome->statistics);
    double seconds =
        (double)(g_get_monotonic_time() - self->times.start_monotonic) / G_USEC_PER_SEC;

    if (!g_variant_dict_contains(&dict, "bytes"))
        g_variant_dict_insert(&dict, "bytes", "t", self->progress.done);
    if (!g_variant_dict_contains(&dict, "rounds"))
        g_variant_dict_insert(&dict, "rounds", "u", self->progress.round);
    if (!g_variant_dict_contains(&dict, "seconds"))
        g_variant_dict_insert(&dict, "seconds", "d", seconds);
    g_variant_unref(outcome->statistics);
    outcome->statistics = g_variant_ref_sink(g_variant_dict_end(&dict));
}

static void
take_outcome(VfJob *self, VfOutcome *outcome)
{
    for (guint i = 0; i < self->devices->len; i++) {
        VfJobDevice *device = self->devices->pdata[i];
        VfDeviceOutcome state = vf_outcome_get_device(outcome, i);

        if (state != VF_DEVICE_OUTCOME_UNKNOWN)
            device->state = state;
    }
    g_clear_pointer(&self->outcome, vf_outcome_free);
    self->outcome = outcome;
    self->times.end_monotonic = g_get_monotonic_time();
}

void
vf_job_set_cancel_reason(VfJob *self, GError *error)
{
    if (self->cancel_reason)
        g_error_free(error);
    else
        self->cancel_reason = error;
    vf_job_save(self);
}

const GError *
vf_job_get_cancel_reason(VfJob *self)
{
    return self->cancel_reason;
}

/* A cancel of our own is called what it was for. */
static void
apply_reason(VfJob *self, VfOutcome *outcome)
{
    g_autoptr(VfOutcome) ours = NULL;

    if (!self->cancel_reason || outcome->result != VF_RESULT_CANCELLED)
        return;
    ours = vf_outcome_new_for_error(g_steal_pointer(&self->cancel_reason));
    outcome->result = ours->result;
    g_clear_error(&outcome->error);
    outcome->error = g_steal_pointer(&ours->error);
}

/* Nothing of it is committed, and so nothing is to decide: `run` would let the destination run
 * beside the guest, `discard` would end the guest. */
static void
doubt_no_rehearsal(VfJob *self, VfOutcome *outcome)
{
    GError *error;

    if (self->operation != VF_JOB_REHEARSE || outcome->result != VF_RESULT_IN_DOUBT)
        return;
    g_warning("job %s is a rehearsal, and cannot be in doubt: it has failed", self->uuid);
    error = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                outcome->error ? outcome->error->message : "");
    outcome->result = VF_RESULT_FAILED;
    g_clear_error(&outcome->error);
    outcome->error = error;
}

static void
end(VfJob *self, VfOutcome *outcome)
{
    g_autoptr(VfJob) alive = g_object_ref(self);
    GTask *task;

    take_outcome(self, outcome);
    vf_job_save(self);
    set_phase(self, VF_JOB_FINISHED);
    g_signal_emit_by_name(self, "completed");
    while ((task = g_queue_pop_head(&alive->waiting))) {
        g_task_return_int(task, (gssize)self->outcome->result);
        g_object_unref(task);
    }
}

void
vf_job_complete(VfJob *self, VfOutcome *outcome)
{
    g_return_if_fail(outcome->result != VF_RESULT_NONE);
    if (self->outcome) {
        vf_outcome_free(outcome);
        return;
    }
    doubt_no_rehearsal(self, outcome);
    apply_reason(self, outcome);
    settle_counters(self, outcome);
    complete_statistics(self, outcome);
    end(self, outcome);
}

gboolean
vf_job_is_in_doubt(VfJob *self)
{
    return vf_job_get_result(self) == VF_RESULT_IN_DOUBT;
}

void
vf_job_resolve_doubt(VfJob *self, VfOutcome *outcome)
{
    if (vf_job_is_in_doubt(self) && outcome->result != VF_RESULT_IN_DOUBT &&
        outcome->result != VF_RESULT_NONE)
        end(self, outcome);
    else
        vf_outcome_free(outcome);
}

void
vf_job_set_past(VfJob *self, VfJobPast *past)
{
    g_clear_pointer(&self->outcome, vf_outcome_free);
    self->times = past->times;
    self->attached = past->attached;
    self->phase = past->outcome ? VF_JOB_FINISHED : past->phase;
    self->progress = past->progress;
    self->outcome = g_steal_pointer(&past->outcome);
}

VfJobPhase
vf_job_get_phase(VfJob *self)
{
    return self->phase;
}

const char *
vf_job_get_phase_name(VfJob *self)
{
    return vf_job_phase_to_string(self->phase);
}

VfResult
vf_job_get_result(VfJob *self)
{
    return self->outcome ? self->outcome->result : VF_RESULT_NONE;
}

const VfOutcome *
vf_job_get_outcome(VfJob *self)
{
    return self->outcome;
}

const VfProgress *
vf_job_get_progress(VfJob *self)
{
    return &self->progress;
}

guint64
vf_job_get_downtime(VfJob *self)
{
    guint64 downtime = 0;

    if (self->outcome)
        g_variant_lookup(self->outcome->statistics, "downtime", "t", &downtime);
    return downtime;
}

void
vf_job_wait_async(VfJob *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer data)
{
    GTask *task = g_task_new(self, cancellable, callback, data);

    g_task_set_source_tag(task, vf_job_wait_async);
    g_task_set_check_cancellable(task, FALSE);
    if (!self->outcome) {
        g_queue_push_tail(&self->waiting, task);
        return;
    }
    g_task_return_int(task, (gssize)self->outcome->result);
    g_object_unref(task);
}

VfResult
vf_job_wait_finish(VfJob *self, GAsyncResult *result)
{
    return (VfResult)g_task_propagate_int(G_TASK(result), NULL);
}
