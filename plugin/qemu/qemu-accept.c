/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-accept.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

#include "error.h"
#include "io.h"
#include "mover.h"

/* A kernel driver answers within a millisecond, mostly; the guest stands still meanwhile. */
#define ACCEPT_DEADLINE_MS 10000
#define SOCKET "/run/vferry/accept" /* dbus/vferry-accept.socket */

typedef struct {
    VfJob *job;
    int process; /* pidfd of QEMU */
    guint next;  /* device that is asked about */
} Accept;

static void
accept_free(gpointer data)
{
    Accept *self = data;

    g_object_unref(self->job);
    vf_io_clear_fd(&self->process);
    g_free(self);
}

/* vferryd's unit has no capability to give, so that systemd starts the one that needs it; without
 * systemd it is started here, with what this process has. */
static VfMover *
make_worker(Accept *self)
{
    VfDevice *device = vf_job_get_device(self->job, self->next)->device;
    const char *run_dir = g_getenv("VFERRY_RUN_DIR");
    g_autofree char *socket =
        run_dir ? g_build_filename(run_dir, "accept", NULL) : g_strdup(SOCKET);
    g_auto(GVariantDict) args = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&args, "path", "s", vf_device_get_sysfs_path(device));
    g_variant_dict_insert(&args, "inode", "t", vf_device_get_inode(device));
    g_variant_dict_insert(&args, "uid", "u", vf_job_get_uid(self->job));
    g_variant_dict_insert(&args, "allowed", "b", TRUE);
    if (g_access(socket, F_OK) == 0)
        return vf_mover_new_served(socket, VF_MOVER_PROGRAM_ACCEPT, "accept-from-process",
                                   g_variant_dict_end(&args), &self->process, 1);
    return vf_mover_new(VF_MOVER_PROGRAM_ACCEPT, "accept-from-process", g_variant_dict_end(&args),
                        &self->process, 1);
}

static void ask_next(GTask *task);

static void
on_answered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Accept *self = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (reply) {
        self->next++;
        ask_next(g_steal_pointer(&task));
        return;
    }
    g_prefix_error(&error, _("device %s: "), vf_job_get_device(self->job, self->next)->id);
    g_task_return_error(task, error);
}

static void
ask_next(GTask *task)
{
    Accept *self = g_task_get_task_data(task);

    if (self->next == vf_job_get_n_devices(self->job)) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
    } else if (!vf_job_get_device(self->job, self->next)->device) {
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("device %s has gone"),
                                vf_job_get_device(self->job, self->next)->id);
        g_object_unref(task);
    } else {
        vf_mover_call_this_async(make_worker(self), ACCEPT_DEADLINE_MS, NULL, on_answered, task);
    }
}

void
vf_qemu_accept_async(VfJob *job, const VfQemuMonitor *monitor, GAsyncReadyCallback callback,
                     gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Accept *self = g_new0(Accept, 1);
    GError *error = NULL;

    g_task_set_source_tag(task, vf_qemu_accept_async);
    self->job = g_object_ref(job);
    self->process = vf_io_dup(monitor->process, &error);
    g_task_set_task_data(task, self, accept_free);
    if (self->process >= 0) {
        ask_next(task);
        return;
    }
    g_task_return_error(task, error);
    g_object_unref(task);
}

gboolean
vf_qemu_accept_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
