/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vfio-destination.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "mover-open.h"

/* Answers by itself when it cannot; otherwise the mover's `listening` does. */
void
vf_vfio_destination_listen(VfJob *job, GTask *task)
{
    VfVfioSide *self = vf_vfio_side_get(job);
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    GVariantDict args;
    GError *error = NULL;

    if (!vf_vfio_side_list_fds(job, TRUE, fds, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    self->worker.waiting = task;
    g_variant_dict_init(&args, NULL);
    vf_mover_side_fill_receive(job, &args);
    vf_mover_side_run(&self->worker,
                      vf_mover_new(VF_MOVER_PROGRAM, "receive", g_variant_dict_end(&args),
                                   (const int *)fds->data, fds->len),
                      vf_job_complete);
}

static void open_next(VfJob *job, GTask *task);

static gboolean
take_opened(VfJob *job, VfMoverReply *reply, GError **error)
{
    VfVfioSide *self = vf_vfio_side_get(job);
    VfJobDevice *device = vf_job_get_device(job, self->next);

    if (reply->fd < 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover opened the device, but returned no descriptor"));
        return FALSE;
    }
    if (!g_strv_contains((const char *const *)reply->flags, "stop-copy")) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("device %s has no migration support in its kernel driver"),
                    vf_device_get_id(device->device));
        return FALSE;
    }
    vf_device_set_migration(device->device, (const char *const *)reply->flags, "probe");
    vf_vfio_side_take_device(self, vf_io_steal_fd(&reply->fd));
    self->next++;
    return TRUE;
}

static void
on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfJob *job = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (!error && g_cancellable_is_cancelled(g_task_get_cancellable(task)))
        error = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("cancelled"));
    if (!error && take_opened(job, reply, &error)) {
        open_next(job, g_steal_pointer(&task));
        return;
    }
    if (reply)
        vf_job_close_fd(job, &reply->fd);
    g_task_return_error(task, error);
}

static void
open_next(VfJob *job, GTask *task)
{
    VfVfioSide *self = vf_vfio_side_get(job);

    if (self->next == vf_job_get_n_devices(job)) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
        return;
    }
    vf_mover_open_async(vf_job_get_device(job, self->next)->device, on_opened, task);
}

void
vf_vfio_destination_place(VfJob *job, GTask *task)
{
    g_task_set_task_data(task, g_object_ref(job), g_object_unref);
    open_next(job, task);
}
