/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vfio-side.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "job-judge.h"

#define KEPT_CONTROL "control"
#define KEPT_PROCESS "process"
#define KEPT_DEVICE "device%u"
#define STATE_SAID "said"
#define STATE_UNTOUCHED "untouched"
#define STATE_MARKS "marks"

/* The end of this process is none of the job's: a mover that is at work goes on. */
static void
side_free(gpointer data)
{
    VfVfioSide *self = data;

    if (self->mover) {
        g_signal_handlers_disconnect_by_data(self->mover, self);
        g_object_unref(self->mover);
    }
    g_signal_handlers_disconnect_by_data(self->job, self);
    for (guint i = 0; i < self->fds->len; i++)
        vf_io_close_in_thread(&g_array_index(self->fds, int, i), NULL, NULL);
    g_array_unref(self->fds);
    if (self->waiting) {
        g_task_return_new_error(self->waiting, VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                _("the job was dropped"));
        g_object_unref(self->waiting);
    }
    g_free(self);
}

VfVfioSide *
vf_vfio_side_get(VfJob *job)
{
    VfVfioSide *self = vf_job_get_driver_data(job);

    if (self)
        return self;
    self = g_new0(VfVfioSide, 1);
    self->job = job;
    self->fds = g_array_new(FALSE, FALSE, sizeof(int));
    vf_job_set_driver_data(job, self, side_free);
    return self;
}

static void
drop_kept_mover(VfJob *job, VfVfioSide *self)
{
    VfKept *kept = vf_job_get_kept(job);

    if (!kept)
        return;
    vf_kept_drop(kept, KEPT_CONTROL);
    vf_kept_drop(kept, KEPT_PROCESS);
}

void
vf_vfio_side_drop(VfJob *job)
{
    VfVfioSide *self = vf_job_get_driver_data(job);
    VfKept *kept = vf_job_get_kept(job);

    if (!self)
        return;
    if (self->mover)
        vf_mover_kill(self->mover);
    drop_kept_mover(job, self);
    for (guint i = 0; kept && i < self->fds->len; i++) {
        g_autofree char *part = g_strdup_printf(KEPT_DEVICE, i);

        vf_kept_drop(kept, part);
    }
    for (guint i = 0; i < self->fds->len; i++)
        vf_job_close_fd(job, &g_array_index(self->fds, int, i));
    vf_job_set_driver_data(job, NULL, NULL);
}

void
vf_vfio_side_take_device(VfVfioSide *self, int fd)
{
    g_autofree char *part = g_strdup_printf(KEPT_DEVICE, self->fds->len);

    if (vf_job_get_kept(self->job))
        vf_kept_put(vf_job_get_kept(self->job), part, fd);
    g_array_append_val(self->fds, fd);
}

static void
answer_waiting(VfVfioSide *self, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&self->waiting);

    if (!task)
        g_clear_error(&error);
    else if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

/* It has its request by now: one without would wait for it for ever under the next daemon. */
static void
on_started(VfMover *mover, VfVfioSide *self)
{
    VfKept *kept = vf_job_get_kept(self->job);

    if (kept && vf_mover_get_process(mover) >= 0) {
        vf_kept_put(kept, KEPT_CONTROL, vf_mover_get_control(mover));
        vf_kept_put(kept, KEPT_PROCESS, vf_mover_get_process(mover));
    }
    if (vf_job_get_role(self->job) == VF_JOB_SOURCE)
        answer_waiting(self, NULL);
}

void
vf_vfio_side_expect_marks(VfJob *job)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, vf_job_get_driver_state(job));
    g_variant_dict_insert(&dict, STATE_MARKS, "b", TRUE);
    vf_job_set_driver_state(job, g_variant_dict_end(&dict));
}

gboolean
vf_vfio_side_expects_marks(VfJob *job)
{
    GVariant *state = vf_job_get_driver_state(job);
    gboolean marks = FALSE;

    return state && g_variant_lookup(state, STATE_MARKS, "b", &marks) && marks;
}

guint
vf_vfio_side_note_resets(VfJob *job, const VfMoverReply *reply)
{
    guint n = 0;

    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        gboolean reset = vf_outcome_get_device(reply->outcome, i) == VF_DEVICE_OUTCOME_NEEDS_RESET;
        vf_job_get_device(job, i)->reset = reset;
        n += reset;
    }
    return n;
}

/* Until it has exited it may still be at the devices, and a result is said only once. */
static void
on_said(VfMover *mover, VfMoverReply *reply, VfVfioSide *self)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, vf_job_get_driver_state(self->job));
    g_variant_dict_insert_value(&dict, STATE_SAID, vf_outcome_to_variant(reply->outcome));
    g_variant_dict_insert(&dict, STATE_UNTOUCHED, "b", reply->outcome->untouched);
    vf_job_set_driver_state(self->job, g_variant_dict_end(&dict));
}

static void
on_listening(VfMover *mover, const char *address, guint port, VfVfioSide *self)
{
    VfJobChannel *channel = vf_job_get_channel(self->job);

    /* Nobody waits for it after a restart, which has made an end of the call that wished for a
     * range: the job is on its way out. */
    if (!self->waiting && channel->port_max == 0)
        return;
    /* listen fails with this when it has ended */
    if (port < channel->port_min || port > channel->port_max) {
        vf_mover_blame(mover, g_error_new(VFERRY_ERROR, VFERRY_ERROR_PEER,
                                          _("the mover listens at port %u, outside %u to %u"), port,
                                          channel->port_min, channel->port_max));
        return;
    }
    g_ptr_array_add(channel->endpoints, vf_endpoint_new_tcp(channel->address, (guint16)port));
    answer_waiting(self, NULL);
}

static void
on_attached(VfMover *mover, const char *peer, VfVfioSide *self)
{
    g_debug("job %s: %s is attached", vf_job_get_uuid(self->job), peer);
    vf_job_report_attached(self->job);
}

/* A destination's has phases only with a source, and a daemon that was killed may have taken its
 * “attached” with it: a lease that knows nothing of that ends with its deadline. */
static void
on_phase(VfMover *mover, const char *phase, VfVfioSide *self)
{
    if (vf_job_get_role(self->job) == VF_JOB_DESTINATION)
        vf_job_report_attached(self->job);
    vf_job_report_phase(self->job, phase);
}

static void
on_progress(VfMover *mover, const VfProgress *progress, VfVfioSide *self)
{
    if (vf_job_get_role(self->job) == VF_JOB_DESTINATION && progress->done > 0)
        vf_job_report_attached(self->job);
    vf_job_report_progress(self->job, progress);
}

static GError *
mover_error(VfVfioSide *self)
{
    const GError *error = vf_mover_get_error(self->mover);

    if (error)
        return g_error_copy(error);
    return g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED, _("the mover gave no result"));
}

void
vf_vfio_side_judge_async(VfVfioSide *self, const VfMoverReply *reply, GAsyncReadyCallback callback,
                         gpointer data)
{
    VfOutcome *said =
        reply ? vf_outcome_copy(reply->outcome) : vf_outcome_new_for_error(mover_error(self));

    vf_job_judge_async(self->job, said, callback, data);
}

static void
on_ended(VfMover *mover, VfMoverReply *reply, VfVfioSide *self)
{
    g_autoptr(VfJob) alive = g_object_ref(self->job);

    if (vf_job_get_role(alive) == VF_JOB_SOURCE)
        answer_waiting(self,
                       NULL); /* it was never started, and that ends the job as any end does */
    if (self->waiting) {      /* it never listened, and that failure ends the job */
        GError *error = reply && reply->outcome->error ? g_error_copy(reply->outcome->error)
                                                       : mover_error(self);
        answer_waiting(self, error);
        return;
    }
    self->ended(self, reply);
}

void
vf_vfio_side_run(VfVfioSide *self, VfMover *mover, VfVfioEnded ended)
{
    g_return_if_fail(!self->mover);
    self->mover = mover;
    self->ended = ended;
    g_signal_connect(self->job, "completed", G_CALLBACK(drop_kept_mover), self);
    g_signal_connect(mover, "started", G_CALLBACK(on_started), self);
    g_signal_connect(mover, "said", G_CALLBACK(on_said), self);
    g_signal_connect(mover, "listening", G_CALLBACK(on_listening), self);
    g_signal_connect(mover, "attached", G_CALLBACK(on_attached), self);
    g_signal_connect(mover, "phase", G_CALLBACK(on_phase), self);
    g_signal_connect(mover, "progress", G_CALLBACK(on_progress), self);
    g_signal_connect(mover, "ended", G_CALLBACK(on_ended), self);
    vf_mover_start(mover);
}

/* All or none of the destination's. */
static void
restore_devices(VfVfioSide *self, VfKept *kept)
{
    for (guint i = 0; i < vf_job_get_n_devices(self->job); i++) {
        g_autofree char *part = g_strdup_printf(KEPT_DEVICE, i);
        int fd = vf_kept_take(kept, part);

        if (fd >= 0)
            g_array_append_val(self->fds, fd);
    }
    if (self->fds->len == vf_job_get_n_devices(self->job))
        return;
    for (guint i = 0; i < self->fds->len; i++)
        vf_job_close_fd(self->job, &g_array_index(self->fds, int, i));
    g_array_set_size(self->fds, 0);
}

static VfOutcome *
find_said(VfJob *job)
{
    GVariant *state = vf_job_get_driver_state(job);
    g_autoptr(GVariant) said = state ? g_variant_lookup_value(state, STATE_SAID, NULL) : NULL;

    VfOutcome *outcome = said ? vf_outcome_from_variant(said) : NULL;

    if (outcome)
        g_variant_lookup(state, STATE_UNTOUCHED, "b", &outcome->untouched);
    return outcome;
}

gboolean
vf_vfio_side_said_running(VfJob *job)
{
    VfOutcome *said = find_said(job);
    gboolean running = FALSE;

    for (guint i = 0; said && i < vf_job_get_n_devices(job); i++)
        running = running || vf_outcome_get_device(said, i) == VF_DEVICE_OUTCOME_RUNNING;
    g_clear_pointer(&said, vf_outcome_free);
    return running;
}

static gboolean
restore_mover(VfVfioSide *self, VfKept *kept, VfVfioEnded ended, GError **error)
{
    vf_autofd int control = vf_kept_take(kept, KEPT_CONTROL);
    vf_autofd int process = vf_kept_take(kept, KEPT_PROCESS);
    gboolean source = vf_job_get_role(self->job) == VF_JOB_SOURCE;
    VfMoverPast past;

    if (control < 0 || process < 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("its mover cannot be reached any more"));
        return FALSE;
    }
    past = (VfMoverPast){.job = vf_job_get_uuid(self->job),
                         .phase = vf_job_get_phase_name(self->job),
                         .said = find_said(self->job)};
    vf_vfio_side_run(self,
                     vf_mover_adopt(source ? "send" : "receive", vf_io_steal_fd(&control),
                                    vf_io_steal_fd(&process), &past),
                     ended);
    return TRUE;
}

gboolean
vf_vfio_side_restore(VfJob *job, VfVfioEnded ended, GError **error)
{
    VfVfioSide *self = vf_vfio_side_get(job);
    VfKept *kept = vf_job_get_kept(job);
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;

    if (!source)
        restore_devices(self, kept);
    /* a destination in doubt without its devices is let go: a mover of the last daemon may have
     * them, and only who comes by the record waits for its lock, and so for that mover's end */
    if (vf_job_get_outcome(job) && (source || vf_job_get_result(job) != VF_RESULT_IN_DOUBT))
        return TRUE;
    if (!source && self->fds->len == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("its devices are not open any more"));
        return FALSE;
    }
    return vf_job_get_outcome(job) || restore_mover(self, kept, ended, error);
}

int
vf_vfio_side_get_fd(VfJob *job, guint index)
{
    const VfVfioSide *self = vf_job_get_driver_data(job);
    VfLoan *loan = vf_job_get_device(job, index)->loan;

    if (vf_job_get_role(job) == VF_JOB_SOURCE)
        return loan ? vf_loan_get_fd(loan) : -1;
    return self && index < self->fds->len ? g_array_index(self->fds, int, index) : -1;
}

gboolean
vf_vfio_side_list_fds(VfJob *job, gboolean record_first, GArray *fds, GError **error)
{
    VfRecord *record = vf_job_get_record(job);
    int record_fd = record ? vf_record_get_fd(record) : -1;
    gboolean open = record_fd >= 0 && vf_job_get_n_devices(job) > 0;

    for (guint i = 0; open && i < vf_job_get_n_devices(job); i++) {
        int fd = vf_vfio_side_get_fd(job, i);

        open = fd >= 0;
        if (open)
            g_array_append_val(fds, fd);
    }
    if (!open) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the devices of job %s are not open here any more: their state is gone"),
                    vf_job_get_uuid(job));
        return FALSE;
    }
    if (record_first)
        g_array_prepend_val(fds, record_fd);
    else
        g_array_append_val(fds, record_fd);
    return TRUE;
}

GVariant *
vf_vfio_side_key(VfJob *job)
{
    const VfJobChannel *channel = vf_job_get_channel(job);

    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, channel->secret, sizeof channel->secret,
                                     1);
}
