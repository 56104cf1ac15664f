/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vfio-driver.h"

#include <string.h>

#include <gio/gunixfdlist.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "mover-open.h"
#include "vfio-destination.h"
#include "vfio-source.h"

#define INSPECT_DEADLINE_MS 10000
#define RESOLVE_DEADLINE_MS 30000
/* fdinfo of a VFIO device; kernels since 6.18 show it (drivers/vfio/vfio_main.c,
 * vfio_device_show_fdinfo). */
#define FDINFO_SYSPATH "vfio-device-syspath:"
#define CDEV_PREFIX "/dev/vfio/devices/"
#define ANON_LINK "anon_inode:[vfio-device]"

struct _VfVfioDriver {
    VfDriver parent_instance;
};

G_DEFINE_FINAL_TYPE(VfVfioDriver, vf_vfio_driver, VF_TYPE_DRIVER)

static gboolean
claims(VfDriver *driver, const VfSubject *subject)
{
    return !subject->domain && vf_device_get_vfio_dev(subject->devices[0])[0] != '\0';
}

/* The state is in the open device, and opening it here would reset it. */
static VfHolder
get_holder(VfDriver *driver, VfJob *job)
{
    return vf_job_get_role(job) == VF_JOB_SOURCE ? VF_HOLDER_LENDER : VF_HOLDER_DAEMON;
}

/* --- Probe --- */

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (error) {
        g_task_return_error(task, error);
        return;
    }
    vf_device_set_migration(g_task_get_task_data(task), (const char *const *)reply->flags, "probe");
    g_task_return_boolean(task, TRUE);
}

static void
probe(VfDriver *driver, VfDevice *device, GTask *task)
{
    g_task_set_task_data(task, g_object_ref(device), g_object_unref);
    vf_mover_open_async(device, on_probed, task);
}

/* --- Lend --- */

static char *
fd_target(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    return g_file_read_link(path, NULL);
}

static char *
fdinfo_syspath(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
    g_autofree char *text = NULL;
    char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    line = strstr(text, FDINFO_SYSPATH);
    if (!line || (line > text && line[-1] != '\n'))
        return NULL;
    line += strlen(FDINFO_SYSPATH);
    line[strcspn(line, "\n")] = '\0';
    return g_strdup(g_strstrip(line));
}

/* Whether the fd is of this device, as far as the kernel can say: a cdev by its name, a newer
 * kernel by fdinfo. A group API fd on an older one (6.12 is one) says only that it is some VFIO
 * device: the lender is believed then, as it is with the state inside. */
static gboolean
check_identity(VfLoan *loan, GError **error)
{
    VfDevice *device = vf_loan_get_device(loan);
    g_autofree char *target = fd_target(vf_loan_get_fd(loan));
    g_autofree char *syspath = fdinfo_syspath(vf_loan_get_fd(loan));
    const char *name =
        target && g_str_has_prefix(target, CDEV_PREFIX) ? target + strlen(CDEV_PREFIX) : NULL;

    if ((!name || g_str_equal(name, vf_device_get_vfio_dev(device))) &&
        (!syspath || g_str_equal(syspath, vf_device_get_sysfs_path(device))))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("the descriptor is device %s, not %s (%s)"), syspath ? syspath : name,
                vf_device_get_id(device), vf_device_get_sysfs_path(device));
    return FALSE;
}

/* The mover's message is about an ioctl; the lender wants to know that it sent a file. */
static void
explain_descriptor(VfLoan *loan, GError **error)
{
    g_autofree char *target = fd_target(vf_loan_get_fd(loan));
    g_autoptr(GError) before = NULL;

    if (!g_error_matches(*error, VFERRY_ERROR, VFERRY_ERROR_DEVICE) &&
        !g_error_matches(*error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED))
        return;
    if (!target || g_str_equal(target, ANON_LINK) || g_str_has_prefix(target, CDEV_PREFIX))
        return;
    before = g_steal_pointer(error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("the descriptor is “%s”, not an open VFIO device: %s"), target, before->message);
}

static void
on_lend_inspected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfLoan *loan = g_task_get_task_data(task);
    VfDevice *device = vf_loan_get_device(loan);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (error) {
        explain_descriptor(loan, &error);
        g_task_return_error(task, error);
        return;
    }
    vf_device_set_migration(device, (const char *const *)reply->flags, "probe");
    if (g_strv_contains((const char *const *)reply->flags, "stop-copy"))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                                _("device %s has no migration support in its kernel driver"),
                                vf_device_get_id(device));
}

static void
lend(VfDriver *driver, VfLoan *loan, GTask *task)
{
    int fd = vf_loan_get_fd(loan);
    GError *error = NULL;

    if (!check_identity(loan, &error)) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    g_task_set_task_data(task, g_object_ref(loan), g_object_unref);
    vf_mover_call_async(VF_MOVER_PROGRAM, "inspect", NULL, &fd, 1, INSPECT_DEADLINE_MS, NULL,
                        on_lend_inspected, task);
}

/* --- begin --- */

static void inspect_next(VfJob *job, GTask *task);

static gboolean
take_inspection(VfJob *job, VfVfioSide *side, const VfMoverReply *reply, GError **error)
{
    VfJobDevice *device = vf_job_get_device(job, side->next);
    static const char *const pre_copy[] = {"pre-copy", "pre-copy-reinit", NULL};

    if (g_ascii_strcasecmp(reply->state, "running") != 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("device %s is in state “%s”, not running"), vf_device_get_id(device->device),
                    reply->state);
        return FALSE;
    }
    device->has_estimate = reply->has_data_size;
    device->estimate = reply->data_size;
    if (g_strv_contains((const char *const *)reply->flags, pre_copy[0]))
        vf_job_set_features(job, pre_copy);
    side->next++;
    return TRUE;
}

static void
on_begin_inspected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfJob *job = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (error || !take_inspection(job, vf_vfio_side_get(job), reply, &error))
        g_task_return_error(task, error);
    else
        inspect_next(job, g_steal_pointer(&task));
}

static void
inspect_next(VfJob *job, GTask *task)
{
    VfVfioSide *side = vf_vfio_side_get(job);
    int fd;

    if (side->next == vf_job_get_n_devices(job)) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
        return;
    }
    fd = vf_loan_get_fd(vf_job_get_device(job, side->next)->loan);
    vf_mover_call_async(VF_MOVER_PROGRAM, "inspect", NULL, &fd, 1, INSPECT_DEADLINE_MS, NULL,
                        on_begin_inspected, task);
}

static void
begin(VfDriver *driver, VfJob *job, GTask *task)
{
    g_task_set_task_data(task, g_object_ref(job), g_object_unref);
    inspect_next(job, task);
}

/* --- the other calls --- */

static void
place(VfDriver *driver, VfJob *job, GTask *task)
{
    vf_vfio_destination_place(job, task);
}

static void
listen(VfDriver *driver, VfJob *job, GTask *task)
{
    vf_vfio_destination_listen(job, task);
}

static void
perform(VfDriver *driver, VfJob *job, GTask *task)
{
    vf_vfio_source_perform(job, task);
}

/* Nothing of this driver's outlives a mover but the fds, which go when the job is dropped. */
static void
nothing_to_do(VfDriver *driver, VfJob *job, GTask *task)
{
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void
on_run(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfJob *job = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (!reply) {
        g_task_return_error(task, error);
        return;
    }
    /* a source whose device was reset runs already, and nobody can give it its state back: whoever
     * decides that this side goes on hears it */
    vf_vfio_side_note_resets(job, reply);
    g_task_return_boolean(task, TRUE);
}

static void
run(VfDriver *driver, VfJob *job, GTask *task)
{
    const char *verb = vf_job_get_role(job) == VF_JOB_SOURCE ? "return" : "start";
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    GError *error = NULL;

    if (vf_vfio_side_list_fds(job, FALSE, fds, &error)) {
        g_task_set_task_data(task, g_object_ref(job), g_object_unref);
        vf_mover_call_async(VF_MOVER_PROGRAM, verb, NULL, (const int *)fds->data, fds->len,
                            RESOLVE_DEADLINE_MS, NULL, on_run, task);
        return;
    }
    g_task_return_error(task, error);
    g_object_unref(task);
}

/* --- discard --- */

typedef struct {
    VfJob *job;
    guint next;     /* device that is asked */
    GError *refuse; /* why not, unless what runs was reset */
} Discard;

static void
discard_free(gpointer data)
{
    Discard *self = data;

    g_object_unref(self->job);
    g_clear_error(&self->refuse);
    g_free(self);
}

static void discard_next(GTask *task);

/* What a destination has started has no guest yet, and ends with the last descriptor, which is
 * closed before anybody hears of the discard (daemon/work/jobs.c). A source's holder has its own.
 */
static gboolean
check_stopped(Discard *self, const VfMoverReply *reply, GError **error)
{
    static const char *const stopped[] = {"STOP", "STOP_COPY", "ERROR", NULL};
    static const char *const runs[] = {"RUNNING", "RUNNING_P2P", NULL};
    const VfJobDevice *device = vf_job_get_device(self->job, self->next++);

    if (g_strv_contains(stopped, reply->state) ||
        (vf_job_get_role(self->job) == VF_JOB_DESTINATION && g_strv_contains(runs, reply->state)))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                _("device %s is in state “%s” here, not stopped: nothing may run it elsewhere"),
                device->ref, reply->state);
    return FALSE;
}

static void
on_reset_stopped(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Discard *self = g_task_get_task_data(task);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (!reply) {
        g_task_return_error(task, g_steal_pointer(&self->refuse));
        return;
    }
    vf_vfio_side_note_resets(self->job, reply);
    g_task_return_boolean(task, TRUE);
}

/* A source's device that was reset runs, but not with the guest's state. The mover reads in the
 * record whether that is so, and stops it: this side runs nothing then. Unless the first mover has
 * let it run: a disk that died took the commit, and neither gave it back nor took `returning`.
 * Takes @refuse. */
static void
stop_what_was_reset(GTask *task, GError *refuse)
{
    Discard *self = g_task_get_task_data(task);
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));

    self->refuse = refuse;
    if (vf_job_get_role(self->job) == VF_JOB_SOURCE && !vf_vfio_side_said_running(self->job) &&
        vf_vfio_side_list_fds(self->job, FALSE, fds, NULL)) {
        vf_mover_call_async(VF_MOVER_PROGRAM, "stop", NULL, (const int *)fds->data, fds->len,
                            RESOLVE_DEADLINE_MS, NULL, on_reset_stopped, task);
        return;
    }
    g_task_return_error(task, g_steal_pointer(&self->refuse));
    g_object_unref(task);
}

static void
on_discard_inspected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Discard *self = g_task_get_task_data(task);
    g_autoptr(GError) silence = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &silence);
    GError *error = NULL;

    if (silence)
        g_task_return_new_error(
            task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
            _("whether device %s runs here cannot be told, and nothing may run it elsewhere: %s"),
            vf_job_get_device(self->job, self->next)->ref, silence->message);
    else if (!check_stopped(self, reply, &error))
        stop_what_was_reset(g_steal_pointer(&task), error);
    else
        discard_next(g_steal_pointer(&task));
}

/* Those that nobody has open here any more cannot be asked, and have no state that could run. */
static void
discard_next(GTask *task)
{
    Discard *self = g_task_get_task_data(task);
    int fd = -1;

    while (self->next < vf_job_get_n_devices(self->job) &&
           (fd = vf_vfio_side_get_fd(self->job, self->next)) < 0)
        self->next++;
    if (fd < 0) {
        g_task_return_boolean(task, TRUE);
        g_object_unref(task);
        return;
    }
    vf_mover_call_async(VF_MOVER_PROGRAM, "inspect", NULL, &fd, 1, INSPECT_DEADLINE_MS, NULL,
                        on_discard_inspected, task);
}

/* A `run` that failed may have set some of the devices running, or all, when only the record could
 * not be written; its mover may even hang in the kernel still, which no signal ends, with a copy of
 * the descriptor that closing ours leaves open. So the kernel is asked, at either side: it answers
 * when a change of state is over. Where one runs, the other side must not. */
static void
discard(VfDriver *driver, VfJob *job, GTask *task)
{
    Discard *self = g_new0(Discard, 1);

    self->job = g_object_ref(job);
    g_task_set_task_data(task, self, discard_free);
    discard_next(task);
}

static void
cancel(VfDriver *driver, VfJob *job)
{
    vf_mover_side_cancel(&vf_vfio_side_get(job)->worker);
}

static gboolean
adopt(VfDriver *driver, VfJob *job, GUnixFDList *list, GError **error)
{
    VfVfioSide *side = vf_vfio_side_get(job);

    if (side->fds->len == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the devices of job %s are not open here any more"), vf_job_get_uuid(job));
        return FALSE;
    }
    for (guint i = 0; i < side->fds->len; i++)
        if (g_unix_fd_list_append(list, g_array_index(side->fds, int, i), error) < 0)
            return FALSE;
    return TRUE;
}

static void
drop(VfDriver *driver, VfJob *job)
{
    vf_vfio_side_drop(job);
}

static gboolean
restore(VfDriver *driver, VfJob *job, GError **error)
{
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;

    return vf_vfio_side_restore(job, source ? vf_vfio_source_uncommitted : vf_job_complete, error);
}

static void
vf_vfio_driver_class_init(VfVfioDriverClass *class)
{
    VfDriverClass *driver_class = VF_DRIVER_CLASS(class);

    driver_class->name = "vfio";
    driver_class->get_holder = get_holder;
    driver_class->claims = claims;
    driver_class->probe = probe;
    driver_class->lend = lend;
    driver_class->begin = begin;
    driver_class->place = place;
    driver_class->listen = listen;
    driver_class->perform = perform;
    driver_class->finish = nothing_to_do;
    driver_class->confirm = nothing_to_do;
    driver_class->run = run;
    driver_class->discard = discard;
    driver_class->cancel = cancel;
    driver_class->adopt = adopt;
    driver_class->drop = drop;
    driver_class->restore = restore;
}

static void
vf_vfio_driver_init(VfVfioDriver *self)
{
}

VfDriver *
vf_vfio_driver_new(void)
{
    return g_object_new(VF_TYPE_VFIO_DRIVER, NULL);
}
