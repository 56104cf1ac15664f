/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vfio-source.h"

#include <glib/gi18n-lib.h>

#include "error.h"

/* A source that failed runs again within ten seconds, whatever happened to its mover. */
#define RETURN_DEADLINE_MS 8000

void
vf_vfio_source_perform(VfJob *job, GTask *task)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    VfVfioSide *self = vf_vfio_side_get(job);
    const VfEndpoint *endpoint =
        vf_endpoint_find(vf_job_get_channel(job)->endpoints, VF_ENDPOINT_TCP);
    GVariantDict args;
    GError *error = NULL;

    if (!endpoint)
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the destination has no TCP endpoint, and this driver knows no other"));
    if (!endpoint || !vf_vfio_side_list_fds(job, TRUE, fds, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    vf_vfio_side_expect_marks(job);
    self->worker.waiting = task; /* until then a restart of the daemon would find nobody at work */
    g_variant_dict_init(&args, NULL);
    vf_mover_side_fill_send(job, endpoint, &args);
    vf_mover_side_run(&self->worker,
                      vf_mover_new(VF_MOVER_PROGRAM, "send", g_variant_dict_end(&args),
                                   (const int *)fds->data, fds->len),
                      vf_vfio_source_uncommitted);
}

/* --- a mover that ended without bringing the devices back --- */

typedef struct {
    VfJob *job;
    VfOutcome *outcome; /* what the job will have come to */
} Return;

static void
return_free(Return *self)
{
    g_object_unref(self->job);
    g_clear_pointer(&self->outcome, vf_outcome_free);
    g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Return, return_free)

static void
on_returned(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Return) self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish_reply(result, &error);
    const char *before = self->outcome->error->message;
    char *new = NULL;

    if (reply && reply->outcome->error)
        error = g_error_copy(reply->outcome->error);
    /* some may run, and nobody may take those for dead */
    g_array_set_size(self->outcome->devices, 0);
    if (reply)
        g_array_append_vals(self->outcome->devices, reply->outcome->devices->data,
                            reply->outcome->devices->len);
    if (error)
        new = g_strdup_printf(_("%s; and it could not be brought back to running: %s"), before,
                              error->message);
    else if (vf_vfio_side_note_resets(self->job, reply) > 0)
        new = g_strdup_printf(
            _("%s; and a device was reset meanwhile: it runs, and its state is lost"), before);
    if (new) {
        g_free(self->outcome->error->message);
        self->outcome->error->message = new;
    }
    vf_job_complete(self->job, g_steal_pointer(&self->outcome));
}

/* Takes @outcome. */
static void
bring_back(VfJob *job, VfOutcome *outcome)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GError) error = NULL;
    GVariantDict args;
    Return *self;

    if (!vf_vfio_side_list_fds(job, FALSE, fds, &error)) {
        vf_job_complete(job, outcome);
        return;
    }
    self = g_new0(Return, 1);
    self->job = g_object_ref(job);
    self->outcome = outcome;
    g_variant_dict_init(&args, NULL);
    if (vf_vfio_side_expects_marks(job))
        g_variant_dict_insert(&args, "touched-only", "b", TRUE);
    vf_mover_call_async(VF_MOVER_PROGRAM, "return", g_variant_dict_end(&args),
                        (const int *)fds->data, fds->len, RETURN_DEADLINE_MS, NULL, on_returned,
                        self);
}

static gboolean
all_running(VfJob *job, const VfOutcome *outcome)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_outcome_get_device(outcome, i) != VF_DEVICE_OUTCOME_RUNNING)
            return FALSE;
    return TRUE;
}

/* What a mover has stopped is brought back; a device that it has not touched was stopped by its
 * holder, if it does not run, and is not ours to start. The mover's result says whether it touched
 * any, or, without a result, the record says which. */
void
vf_vfio_source_uncommitted(VfJob *job, VfOutcome *said)
{
    if (said->untouched || all_running(job, said))
        vf_job_complete(job, said);
    else
        bring_back(job, said);
}
