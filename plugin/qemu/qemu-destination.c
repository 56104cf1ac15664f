/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-destination.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "log.h"
#include "qemu-accept.h"

/* Behind all others, who take note of the end: the guest runs, and has what was made for it. */
static void
on_completed(VfJob *job, gpointer data)
{
    g_autoptr(VfJob) alive G_GNUC_UNUSED = g_object_ref(job);

    if (vf_job_get_result(job) == VF_RESULT_COMPLETED)
        vf_job_report_adopted(job);
}

/* --- the kernel's word --- */

static void
on_accepted(gpointer data, const GError *refusal)
{
    VfQemuSide *self = data;
    VfJob *job = self->worker.job;
    g_autoptr(GError) error = NULL;
    g_auto(GVariantDict) args = G_VARIANT_DICT_INIT(NULL);

    if (refusal)
        g_variant_dict_insert(&args, "message", "s", refusal->message);
    if (!vf_mover_tell(self->worker.mover, refusal ? "refused" : "accepted",
                       g_variant_dict_end(&args), NULL, 0, &error))
        vf_log_job(G_LOG_LEVEL_WARNING, vf_job_get_uuid(job),
                   "job %s: the worker cannot be told whether the kernel accepts: %s",
                   vf_job_get_uuid(job), error->message);
}

/* Whoever says “accepting” waits for a word, and the guest stands still meanwhile. Without leave
 * nobody says it, unless an earlier daemon had that. */
static void
on_phase(VfMover *mover, const char *phase, VfQemuSide *self)
{
    gboolean now = g_str_equal(phase, "accepting");

    if (!now && !(self->asks && g_str_equal(phase, "loading")))
        return;
    if (!self->accept && self->monitor)
        self->accept =
            vf_qemu_accept_new(self->worker.job, self->monitor, self->asks, on_accepted, self);
    if (now && self->accept) {
        vf_qemu_accept_ask(self->accept);
    } else if (now) {
        g_autoptr(GError) error =
            g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                                _("the QEMU whose devices were to be asked about has gone"));

        on_accepted(self, error);
    }
}

/* A QEMU that has got another guest meanwhile is none of the job's any more. */
static void
on_said(VfMover *mover, VfMoverReply *reply, VfQemuSide *self)
{
    gboolean another_guest = FALSE;

    g_variant_lookup(reply->args, "another-guest", "b", &another_guest);
    if (another_guest)
        vf_qemu_side_set_monitor(self, NULL);
}

/* What waited for the kernel's word when the last daemon ended is asked about again. A device that
 * has given it is not in RESUMING any more, and what that one heard nobody knows: then it is a
 * refusal, and the source goes on. */
void
vf_qemu_destination_follow(VfJob *job, gboolean ask)
{
    VfQemuSide *self = vf_qemu_side_get(job);

    self->asks = ask;
    vf_qemu_side_follow(job);
    g_signal_connect_after(job, "completed", G_CALLBACK(on_completed), NULL);
    if (!self->worker.mover)
        return;
    g_signal_connect(self->worker.mover, "phase", G_CALLBACK(on_phase), self);
    g_signal_connect(self->worker.mover, "said", G_CALLBACK(on_said), self);
    if (vf_job_get_phase(job) == VF_JOB_ACCEPTING)
        on_phase(self->worker.mover, "accepting", self);
}

void
vf_qemu_destination_listen(VfJob *job, gboolean ask, GTask *task)
{
    VfQemuSide *self = vf_qemu_side_get(job);
    int record = vf_record_get_fd(vf_job_get_record(job));
    GVariantDict args;

    self->worker.waiting = task;
    g_variant_dict_init(&args, NULL);
    vf_mover_side_fill_receive(job, &args);
    g_variant_dict_insert(&args, "accept", "b", ask);
    vf_mover_side_run(
        &self->worker,
        vf_mover_new(VF_MOVER_PROGRAM_GUEST, "receive", g_variant_dict_end(&args), &record, 1),
        vf_qemu_destination_uncommitted);
    vf_qemu_destination_follow(job, ask);
}

/* Those that were made for it, each: a QEMU with another device would have the state of this one
 * loaded into that. */
static gboolean
check_devices(VfJob *job, VfDomain *domain, GError **error)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const char *id = vf_job_get_device(job, i)->id;
        gboolean found = FALSE;

        for (guint j = 0; j < vf_domain_get_n_devices(domain); j++)
            found = found || g_strcmp0(vf_domain_get_device(domain, j)->host_address, id) == 0;
        if (found)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the QEMU does not have device %s, which was prepared for job %s"), id,
                    vf_job_get_uuid(job));
        return FALSE;
    }
    return TRUE;
}

gboolean
vf_qemu_destination_take(VfJob *job, VfDomain *domain, VfQemuMonitor *monitor, GError **error)
{
    VfQemuSide *self = vf_qemu_side_get(job);

    if (vf_domain_get_state(domain) != VF_DOMAIN_INCOMING) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the QEMU does not wait for a guest (it is %s): start it with -S "
                      "-incoming defer"),
                    vf_domain_state_to_string(vf_domain_get_state(domain)));
        return FALSE;
    }
    if (!check_devices(job, domain, error))
        return FALSE;
    if (!self->worker.mover || (self->monitor && !vf_qemu_monitor_has_ended(self->monitor))) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("job %s does not wait for a QEMU any more"), vf_job_get_uuid(job));
        return FALSE;
    }
    if (!vf_mover_tell(self->worker.mover, "guest", vf_qemu_monitor_make_args(monitor),
                       &monitor->fd, 1, error))
        return FALSE;
    vf_qemu_side_set_monitor(self, monitor);
    return TRUE;
}

void
vf_qemu_destination_give_up(VfJob *job, const VfQemuMonitor *monitor)
{
    VfQemuSide *self = vf_job_get_driver_data(job);
    g_autoptr(GError) error = NULL;

    if (!self || self->monitor != monitor || vf_job_get_outcome(job))
        return;
    vf_qemu_side_set_monitor(self, NULL);
    if (!vf_mover_tell(self->worker.mover, "guest", g_variant_new("a{sv}", NULL), NULL, 0, &error))
        vf_mover_cancel(self->worker.mover);
}

/* --- the worker has ended --- */

typedef struct {
    VfJob *job;
    VfOutcome *outcome;
} End;

static void
on_quit(GObject *source, GAsyncResult *result, gpointer data)
{
    End *end = data;
    g_autoptr(GError) error = NULL;

    if (!vf_qemu_side_quit_finish(result, &error))
        vf_log_job(G_LOG_LEVEL_WARNING, vf_job_get_uuid(end->job),
                   "job %s: the QEMU that was to receive the guest goes on: %s",
                   vf_job_get_uuid(end->job), error->message);
    vf_job_complete(end->job, end->outcome);
    g_object_unref(end->job);
    g_free(end);
}

/* A worker that could speak to it has told its QEMU to end, and one that died, or to whom no source
 * came, has not. */
void
vf_qemu_destination_uncommitted(VfJob *job, VfOutcome *said)
{
    End *end = g_new0(End, 1);

    end->job = g_object_ref(job);
    end->outcome = said;
    vf_qemu_side_quit_async(vf_qemu_side_get(job), vf_job_get_phase(job) < VF_JOB_LOADING, on_quit,
                            end);
}
