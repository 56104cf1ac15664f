/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vfio-side.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

#define KEPT_DEVICE "device%u"
#define STATE_MARKS "marks"

static void
side_free(gpointer data)
{
    VfVfioSide *self = data;

    vf_mover_side_clear(&self->worker);
    for (guint i = 0; i < self->fds->len; i++)
        vf_io_close_in_thread(&g_array_index(self->fds, int, i), NULL, NULL);
    g_array_unref(self->fds);
    g_free(self);
}

VfVfioSide *
vf_vfio_side_get(VfJob *job)
{
    VfVfioSide *self = vf_job_get_driver_data(job);

    if (self)
        return self;
    self = g_new0(VfVfioSide, 1);
    vf_mover_side_init(&self->worker, job);
    self->fds = g_array_new(FALSE, FALSE, sizeof(int));
    vf_job_set_driver_data(job, self, side_free);
    return self;
}

void
vf_vfio_side_drop(VfJob *job)
{
    VfVfioSide *self = vf_job_get_driver_data(job);
    VfKept *kept = vf_job_get_kept(job);

    if (!self)
        return;
    vf_mover_side_drop(&self->worker);
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

    if (vf_job_get_kept(self->worker.job))
        vf_kept_put(vf_job_get_kept(self->worker.job), part, fd);
    g_array_append_val(self->fds, fd);
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

/* All or none of the destination's. */
static void
restore_devices(VfVfioSide *self, VfKept *kept)
{
    for (guint i = 0; i < vf_job_get_n_devices(self->worker.job); i++) {
        g_autofree char *part = g_strdup_printf(KEPT_DEVICE, i);
        int fd = vf_kept_take(kept, part);

        if (fd >= 0)
            g_array_append_val(self->fds, fd);
    }
    if (self->fds->len == vf_job_get_n_devices(self->worker.job))
        return;
    for (guint i = 0; i < self->fds->len; i++)
        vf_job_close_fd(self->worker.job, &g_array_index(self->fds, int, i));
    g_array_set_size(self->fds, 0);
}

gboolean
vf_vfio_side_said_running(VfJob *job)
{
    VfOutcome *said = vf_mover_side_find_said(job);
    gboolean running = FALSE;

    for (guint i = 0; said && i < vf_job_get_n_devices(job); i++)
        running = running || vf_outcome_get_device(said, i) == VF_DEVICE_OUTCOME_RUNNING;
    g_clear_pointer(&said, vf_outcome_free);
    return running;
}

gboolean
vf_vfio_side_restore(VfJob *job, VfMoverSideUncommitted uncommitted, GError **error)
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
    return vf_job_get_outcome(job) ||
           vf_mover_side_restore(&self->worker, VF_MOVER_PROGRAM, uncommitted, error);
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
