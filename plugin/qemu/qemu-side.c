/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-side.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

#define KEPT_MONITOR "monitor"
#define KEPT_GUEST "guest"
#define STATE_OOB "oob"
/* A source that failed runs again within ten seconds where its QEMU answers; one that does not is
 * waited for. */
#define CALL_DEADLINE_MS 60000
#define QUIT_DEADLINE_MS 10000

static void
side_free(gpointer data)
{
    VfQemuSide *self = data;

    g_signal_handlers_disconnect_by_data(self->worker.job, self);
    g_clear_handle_id(&self->watch, g_source_remove);
    vf_mover_side_clear(&self->worker);
    g_clear_pointer(&self->accept, vf_qemu_accept_free);
    g_clear_pointer(&self->monitor, vf_qemu_monitor_unref);
    g_free(self);
}

/* Whoever decides for one of two sides in doubt discards the other one first: it must not be for
 * one that has no guest to run any more, whenever its QEMU has ended. */
static void
show_loss(VfQemuSide *self)
{
    VfJob *job = self->worker.job;

    if (!vf_job_is_in_doubt(job) || !self->monitor || !vf_qemu_monitor_has_ended(self->monitor))
        return;
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        vf_job_get_device(job, i)->state = VF_DEVICE_OUTCOME_NEEDS_RESET;
    vf_job_save(job);
}

static gboolean
on_process_ended(int fd, GIOCondition condition, gpointer data)
{
    VfQemuSide *self = data;

    self->watch = 0;
    show_loss(self);
    return G_SOURCE_REMOVE;
}

static void
watch_process(VfQemuSide *self)
{
    self->watch = g_unix_fd_add(self->monitor->process, G_IO_IN, on_process_ended, self);
}

VfQemuSide *
vf_qemu_side_get(VfJob *job)
{
    VfQemuSide *self = vf_job_get_driver_data(job);

    if (self)
        return self;
    self = g_new0(VfQemuSide, 1);
    vf_mover_side_init(&self->worker, job);
    self->worker.one_for_all = TRUE;
    vf_job_set_driver_data(job, self, side_free);
    return self;
}

static void
drop_kept(VfKept *kept)
{
    vf_kept_drop(kept, KEPT_MONITOR);
    vf_kept_drop(kept, KEPT_GUEST);
}

void
vf_qemu_side_drop(VfJob *job)
{
    VfQemuSide *self = vf_job_get_driver_data(job);
    VfKept *kept = vf_job_get_kept(job);

    if (!self)
        return;
    vf_mover_side_drop(&self->worker);
    if (kept)
        drop_kept(kept);
    vf_job_set_driver_data(job, NULL, NULL);
}

void
vf_qemu_side_set_monitor(VfQemuSide *self, VfQemuMonitor *monitor)
{
    VfJob *job = self->worker.job;
    VfKept *kept = vf_job_get_kept(job);
    GVariantDict dict;

    if (monitor) /* it may be the same */
        vf_qemu_monitor_ref(monitor);
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_pointer(&self->monitor, vf_qemu_monitor_unref);
    self->monitor = monitor;
    if (monitor)
        watch_process(self);
    if (kept && !monitor)
        drop_kept(kept);
    if (!kept || !monitor)
        return;
    vf_kept_put(kept, KEPT_MONITOR, monitor->fd);
    vf_kept_put(kept, KEPT_GUEST, monitor->process);
    g_variant_dict_init(&dict, vf_job_get_driver_state(job));
    g_variant_dict_insert(&dict, STATE_OOB, "b", monitor->oob);
    vf_job_set_driver_state(job, g_variant_dict_end(&dict));
}

static void
restore_monitor(VfQemuSide *self, VfKept *kept)
{
    GVariant *state = vf_job_get_driver_state(self->worker.job);
    vf_autofd int fd = vf_kept_take(kept, KEPT_MONITOR);
    vf_autofd int process = vf_kept_take(kept, KEPT_GUEST);
    gboolean oob = FALSE;

    if (fd < 0 || process < 0)
        return;
    if (state)
        g_variant_lookup(state, STATE_OOB, "b", &oob);
    self->monitor = vf_qemu_monitor_new_kept(vf_io_steal_fd(&fd), vf_io_steal_fd(&process), oob);
    watch_process(self);
}

gboolean
vf_qemu_side_restore(VfJob *job, VfMoverSideUncommitted uncommitted, GError **error)
{
    VfQemuSide *self = vf_qemu_side_get(job);

    restore_monitor(self, vf_job_get_kept(job));
    return vf_job_get_outcome(job) ||
           vf_mover_side_restore(&self->worker, VF_MOVER_PROGRAM_GUEST, uncommitted, error);
}

gboolean
vf_qemu_side_call_async(VfQemuSide *self, const char *verb, gboolean touched_only,
                        GAsyncReadyCallback callback, gpointer data, GError **error)
{
    VfRecord *record = vf_job_get_record(self->worker.job);
    GVariantDict args;
    int fds[2];

    if (!self->monitor || !record || vf_record_get_fd(record) < 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("no QEMU is attached to job %s any more"), vf_job_get_uuid(self->worker.job));
        return FALSE;
    }
    fds[0] = self->monitor->fd;
    fds[1] = vf_record_get_fd(record);
    g_variant_dict_init(&args, NULL);
    vf_qemu_monitor_fill_args(self->monitor, &args);
    if (touched_only)
        g_variant_dict_insert(&args, "touched-only", "b", TRUE);
    vf_mover_call_async(VF_MOVER_PROGRAM_GUEST, verb, g_variant_dict_end(&args), fds, 2,
                        CALL_DEADLINE_MS, NULL, callback, data);
    return TRUE;
}

static void
on_quit(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfQemuMonitor *monitor = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply G_GNUC_UNUSED = vf_mover_call_finish(result, &error);

    if (error && vf_qemu_monitor_has_ended(monitor))
        g_clear_error(&error);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

void
vf_qemu_side_quit_async(VfQemuSide *self, gboolean waiting, GAsyncReadyCallback callback,
                        gpointer data)
{
    g_auto(GVariantDict) args = G_VARIANT_DICT_INIT(NULL);
    GTask *task = g_task_new(NULL, NULL, callback, data);
    VfQemuMonitor *monitor = self->monitor;

    g_task_set_source_tag(task, vf_qemu_side_quit_async);
    if (!monitor || vf_qemu_monitor_has_ended(monitor)) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
        return;
    }
    g_task_set_task_data(task, vf_qemu_monitor_ref(monitor), (GDestroyNotify)vf_qemu_monitor_unref);
    vf_qemu_monitor_fill_args(monitor, &args);
    g_variant_dict_insert(&args, "waiting", "b", waiting);
    vf_mover_call_async(VF_MOVER_PROGRAM_GUEST, "quit", g_variant_dict_end(&args), &monitor->fd, 1,
                        QUIT_DEADLINE_MS, NULL, on_quit, task);
}

gboolean
vf_qemu_side_quit_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* What was never asked to move is as it was. */
static void
on_completed(VfJob *job, gpointer data)
{
    VfDomain *domain = vf_job_get_domain(job);
    const VfOutcome *outcome = vf_job_get_outcome(job);
    VfQemuSide *self = vf_job_get_driver_data(job);
    VfDeviceOutcome state;

    if (self && vf_job_is_in_doubt(job))
        show_loss(self);
    else if (self)
        vf_qemu_side_set_monitor(self, NULL);
    if (!domain || outcome->untouched)
        return;
    state = vf_outcome_get_device(outcome, 0);
    vf_domain_set_state(domain, state == VF_DEVICE_OUTCOME_RUNNING   ? VF_DOMAIN_RUNNING
                                : state == VF_DEVICE_OUTCOME_STOPPED ? VF_DOMAIN_PAUSED
                                                                     : VF_DOMAIN_UNKNOWN);
}

void
vf_qemu_side_follow(VfJob *job)
{
    g_signal_connect(job, "completed", G_CALLBACK(on_completed), NULL);
}
