/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover-side.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "job-judge.h"

/* The lease's deadline decides, and may be moved; this only has to be later. */
#define ACCEPT_SECONDS (24 * 3600)
#define KEPT_CONTROL "control"
#define KEPT_PROCESS "process"
#define STATE_SAID "said"
#define STATE_UNTOUCHED "untouched"

void
vf_mover_side_init(VfMoverSide *self, VfJob *job)
{
    *self = (VfMoverSide){.job = job};
}

void
vf_mover_side_clear(VfMoverSide *self)
{
    if (self->mover) {
        g_signal_handlers_disconnect_by_data(self->mover, self);
        g_object_unref(self->mover);
    }
    g_signal_handlers_disconnect_by_data(self->job, self);
    if (self->waiting) {
        g_task_return_new_error(self->waiting, VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                _("the job was dropped"));
        g_object_unref(self->waiting);
    }
}

static void
drop_kept_mover(VfJob *job, VfMoverSide *self)
{
    VfKept *kept = vf_job_get_kept(job);

    if (!kept)
        return;
    vf_kept_drop(kept, KEPT_CONTROL);
    vf_kept_drop(kept, KEPT_PROCESS);
}

void
vf_mover_side_drop(VfMoverSide *self)
{
    if (self->mover)
        vf_mover_kill(self->mover);
    drop_kept_mover(self->job, self);
}

static void
answer_waiting(VfMoverSide *self, GError *error)
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
on_started(VfMover *mover, VfMoverSide *self)
{
    VfKept *kept = vf_job_get_kept(self->job);

    if (kept && vf_mover_get_process(mover) >= 0) {
        vf_kept_put(kept, KEPT_CONTROL, vf_mover_get_control(mover));
        vf_kept_put(kept, KEPT_PROCESS, vf_mover_get_process(mover));
    }
    if (vf_job_get_role(self->job) == VF_JOB_SOURCE)
        answer_waiting(self, NULL);
}

/* Until it has exited it may still be at the devices, and a result is said only once. */
static void
on_said(VfMover *mover, VfMoverReply *reply, VfMoverSide *self)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, vf_job_get_driver_state(self->job));
    g_variant_dict_insert_value(&dict, STATE_SAID, vf_outcome_to_variant(reply->outcome));
    g_variant_dict_insert(&dict, STATE_UNTOUCHED, "b", reply->outcome->untouched);
    vf_job_set_driver_state(self->job, g_variant_dict_end(&dict));
}

static void
on_listening(VfMover *mover, const char *address, guint port, VfMoverSide *self)
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
on_attached(VfMover *mover, const char *peer, VfMoverSide *self)
{
    g_debug("job %s: %s is attached", vf_job_get_uuid(self->job), peer);
    vf_job_report_attached(self->job);
}

/* A destination's has phases only with a source, and a daemon that was killed may have taken its
 * “attached” with it: a lease that knows nothing of that ends with its deadline. */
static void
on_phase(VfMover *mover, const char *phase, VfMoverSide *self)
{
    if (vf_job_get_role(self->job) == VF_JOB_DESTINATION)
        vf_job_report_attached(self->job);
    vf_job_report_phase(self->job, phase);
}

static void
on_progress(VfMover *mover, const VfProgress *progress, VfMoverSide *self)
{
    if (vf_job_get_role(self->job) == VF_JOB_DESTINATION && progress->done > 0)
        vf_job_report_attached(self->job);
    vf_job_report_progress(self->job, progress);
}

static GError *
mover_error(VfMoverSide *self)
{
    const GError *error = vf_mover_get_error(self->mover);

    if (error)
        return g_error_copy(error);
    return g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED, _("the mover gave no result"));
}

VfOutcome *
vf_mover_side_copy_outcome(const VfMoverSide *self, const VfOutcome *said)
{
    VfOutcome *outcome = vf_outcome_copy(said);
    VfDeviceOutcome state = vf_outcome_get_device(said, 0);

    if (!self->one_for_all || said->devices->len == 0)
        return outcome;
    g_array_set_size(outcome->devices, 0);
    for (guint i = 0; i < vf_job_get_n_devices(self->job); i++)
        g_array_append_val(outcome->devices, state);
    return outcome;
}

static void
on_judged(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree VfMoverSideUncommitted *uncommitted = data;
    VfOutcome *said = vf_job_judge_finish(VF_JOB(source), result);

    if (said)
        (*uncommitted)(VF_JOB(source), said);
}

/* @reply: NULL when it gave no result. */
static void
conclude(VfMoverSide *self, const VfMoverReply *reply)
{
    VfOutcome *said = reply ? vf_mover_side_copy_outcome(self, reply->outcome)
                            : vf_outcome_new_for_error(mover_error(self));
    VfMoverSideUncommitted *uncommitted;

    if (said->result == VF_RESULT_COMPLETED || said->result == VF_RESULT_IN_DOUBT) {
        vf_job_complete(self->job, said);
        return;
    }
    uncommitted = g_new(VfMoverSideUncommitted, 1);
    *uncommitted = self->uncommitted;
    vf_job_judge_async(self->job, said, on_judged, uncommitted);
}

static void
on_ended(VfMover *mover, VfMoverReply *reply, VfMoverSide *self)
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
    conclude(self, reply);
}

void
vf_mover_side_run(VfMoverSide *self, VfMover *mover, VfMoverSideUncommitted uncommitted)
{
    g_return_if_fail(!self->mover);
    self->mover = mover;
    self->uncommitted = uncommitted;
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

VfOutcome *
vf_mover_side_find_said(VfJob *job)
{
    GVariant *state = vf_job_get_driver_state(job);
    g_autoptr(GVariant) said = state ? g_variant_lookup_value(state, STATE_SAID, NULL) : NULL;

    VfOutcome *outcome = said ? vf_outcome_from_variant(said) : NULL;

    if (outcome)
        g_variant_lookup(state, STATE_UNTOUCHED, "b", &outcome->untouched);
    return outcome;
}

gboolean
vf_mover_side_restore(VfMoverSide *self, const char *program, VfMoverSideUncommitted uncommitted,
                      GError **error)
{
    VfKept *kept = vf_job_get_kept(self->job);
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
                         .said = vf_mover_side_find_said(self->job)};
    vf_mover_side_run(self,
                      vf_mover_adopt(program, source ? "send" : "receive", vf_io_steal_fd(&control),
                                     vf_io_steal_fd(&process), &past),
                      uncommitted);
    return TRUE;
}

void
vf_mover_side_cancel(VfMoverSide *self)
{
    if (self->mover)
        vf_mover_cancel(self->mover);
    else /* nothing has begun to listen, or to send */
        vf_job_complete(self->job,
                        vf_outcome_new(VF_RESULT_CANCELLED,
                                       g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                                           _("cancelled on request"))));
}

/* As `send` and `receive` want it. Floating. */
static GVariant *
make_key(VfJob *job)
{
    const VfJobChannel *channel = vf_job_get_channel(job);

    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, channel->secret, sizeof channel->secret,
                                     1);
}

void
vf_mover_side_fill_send(VfJob *job, const VfEndpoint *endpoint, GVariantDict *args)
{
    const VfJobChannel *channel = vf_job_get_channel(job);

    g_variant_dict_insert(args, "job", "s", vf_job_get_uuid(job));
    g_variant_dict_insert(args, "address", "s", endpoint->address);
    g_variant_dict_insert(args, "port", "q", endpoint->port);
    g_variant_dict_insert_value(args, "key", make_key(job));
    g_variant_dict_insert(args, "downtime-limit-ms", "u", channel->downtime_limit_ms);
    g_variant_dict_insert(args, "precopy-max-seconds", "u", channel->precopy_max_seconds);
    g_variant_dict_insert(args, "switchover-ack", "b", channel->switchover_ack);
    g_variant_dict_insert(args, "features", "^as", vf_job_get_features(job));
}

void
vf_mover_side_fill_receive(VfJob *job, GVariantDict *args)
{
    const VfJobChannel *channel = vf_job_get_channel(job);

    g_variant_dict_insert(args, "job", "s", vf_job_get_uuid(job));
    g_variant_dict_insert(args, "address", "s", channel->address);
    g_variant_dict_insert(args, "port-min", "q", channel->port_min);
    g_variant_dict_insert(args, "port-max", "q", channel->port_max);
    g_variant_dict_insert_value(args, "key", make_key(job));
    g_variant_dict_insert(args, "features", "^as", vf_job_get_features(job));
    g_variant_dict_insert(args, "accept-seconds", "u", (guint32)ACCEPT_SECONDS);
    g_variant_dict_insert(args, "size-max", "t", channel->size_max);
}
