/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-discard.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "mover-open.h"
#include "qemu-look.h"
#include "qemu-side.h"

typedef struct {
    VfJob *job;
    guint next; /* device to be looked at */
} Discard;

static void
discard_free(gpointer data)
{
    Discard *self = data;

    g_object_unref(self->job);
    g_free(self);
}

static void
on_discarded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;

    if (vf_qemu_side_quit_finish(result, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                                _("the QEMU here cannot be told to end, and nothing may run it "
                                  "elsewhere: %s"),
                                error->message);
}

static void
on_discard_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfQemuSide *side = vf_qemu_side_get(((Discard *)g_task_get_task_data(task))->job);
    gboolean running = FALSE;
    g_autoptr(GError) error = NULL;

    if (vf_qemu_look_finish(result, &running, NULL, &error) && running)
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                                _("the guest runs here: nothing may run it elsewhere"));
    else if (error && !vf_qemu_monitor_has_ended(side->monitor))
        g_task_return_new_error(
            task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
            _("whether the guest runs here cannot be told, and nothing may run it elsewhere: %s"),
            error->message);
    else
        vf_qemu_side_quit_async(side, FALSE, on_discarded, g_steal_pointer(&task));
}

/* --- without its monitor --- */

static void look_at_next(GTask *task);

static void
on_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Discard *self = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (reply)
        look_at_next(g_steal_pointer(&task));
    else
        g_task_return_new_error(
            task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
            _("the connection to the guest's QEMU was lost with an earlier daemon, and it may run "
              "here: end that QEMU first. Device %s cannot be opened, as one that nobody has: %s"),
            vf_job_get_device(self->job, self->next - 1)->id, error->message);
}

/* A QEMU has its devices open for as long as it lives; one that has gone nobody has. Takes @task.
 */
static void
look_at_next(GTask *task)
{
    Discard *self = g_task_get_task_data(task);

    while (self->next < vf_job_get_n_devices(self->job)) {
        VfDevice *device = vf_job_get_device(self->job, self->next++)->device;

        if (!device || vf_device_is_gone(device))
            continue;
        vf_mover_open_async(device, on_opened, task);
        return;
    }
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

void
vf_qemu_discard(VfJob *job, GTask *task)
{
    VfQemuSide *side = vf_qemu_side_get(job);
    Discard *self = g_new0(Discard, 1);

    self->job = g_object_ref(job);
    g_task_set_task_data(task, self, discard_free);
    if (!side->monitor) {
        look_at_next(task);
    } else if (vf_qemu_monitor_has_ended(side->monitor)) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    } else {
        vf_qemu_look_async(side->monitor, NULL, on_discard_looked, task);
    }
}
