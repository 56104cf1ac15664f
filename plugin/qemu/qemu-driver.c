/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-driver.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "options.h"
#include "qemu-destination.h"
#include "qemu-discard.h"
#include "qemu-look.h"
#include "qemu-source.h"

#define NAME "qemu"

struct _VfQemuDriver {
    VfDriver parent_instance;
    VfDriverHost *host; /* between start and stop */
};

G_DEFINE_FINAL_TYPE(VfQemuDriver, vf_qemu_driver, VF_TYPE_DRIVER)

static gboolean
start(VfDriver *driver, VfDriverHost *host, GError **error)
{
    VF_QEMU_DRIVER(driver)->host = g_object_ref(host);
    return TRUE;
}

static void
stop(VfDriver *driver)
{
    g_clear_object(&VF_QEMU_DRIVER(driver)->host);
}

static gboolean
claims(VfDriver *driver, const VfSubject *subject)
{
    return subject->domain != NULL;
}

static VfHolder
get_holder(VfDriver *driver, VfJob *job)
{
    return VF_HOLDER_HYPERVISOR;
}

/* Of Perform; the other calls have none, and take it without a use for it. */
static gboolean
check_options(VfDriver *driver, GVariant *dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    guint64 bandwidth = vf_options_take_u64(options, "bandwidth", 0);

    if (!vf_options_end(options, error))
        return FALSE;
    if (bandwidth <= G_MAXINT64)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “%s” is more than %" PRId64 " bytes a second"), "bandwidth", G_MAXINT64);
    return FALSE;
}

/* --- domains --- */

/* What the driver keeps for a domain. */
typedef struct {
    VfQemuDriver *driver; /* not a reference: it outlives the domains */
    VfDomain *domain;     /* nor this: the domain owns it */
    VfQemuMonitor *monitor;
    guint watch;     /* of its process */
    VfJob *incoming; /* that waits with it for a guest, or did; weak, nullable */
} Guest;

static void
guest_free(gpointer data)
{
    Guest *self = data;

    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_weak_pointer(&self->incoming);
    vf_qemu_monitor_unref(self->monitor);
    g_free(self);
}

static gboolean
on_process_ended(int fd, GIOCondition condition, gpointer data)
{
    Guest *self = data;
    g_autoptr(VfDomain) domain = g_object_ref(self->domain);

    self->watch = 0;
    if (self->driver->host)
        vf_driver_host_remove_domain(self->driver->host, domain);
    if (vf_domain_get_driver_data(domain) == self) /* a job may still have the domain */
        vf_domain_set_driver_data(domain, NULL, NULL);
    return G_SOURCE_REMOVE;
}

static VfQemuMonitor *
take_monitor(VfDomain *domain, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(vf_domain_get_options(domain));
    g_autoptr(GVariant) handle = vf_options_take_value(options, "qmp", G_VARIANT_TYPE_HANDLE);
    VfQemuMonitor *monitor;
    int fd;

    if (!vf_options_end(options, error))
        return NULL;
    if (!handle) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("option “%s” is needed"),
                    "qmp");
        return NULL;
    }
    fd = vf_domain_take_fd(domain, g_variant_get_handle(handle), error);
    monitor = fd >= 0 ? vf_qemu_monitor_new(&fd, error) : NULL;
    vf_domain_close_fd(domain, &fd); /* whatever it is, if it is no monitor */
    return monitor;
}

typedef struct {
    VfDomain *domain;
    VfJob *incoming; /* nullable */
} Attach;

static void
attach_free(gpointer data)
{
    Attach *attach = data;

    g_object_unref(attach->domain);
    g_clear_object(&attach->incoming);
    g_free(attach);
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Attach *attach = g_task_get_task_data(task);
    Guest *guest = vf_domain_get_driver_data(attach->domain);
    gboolean running;
    GError *error = NULL;

    if (vf_qemu_look_finish(result, &running, NULL, &error) && !guest)
        g_set_error_literal(&error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("the guest has ended"));
    if (!error && attach->incoming &&
        vf_qemu_destination_take(attach->incoming, attach->domain, guest->monitor, &error))
        g_set_weak_pointer(&guest->incoming, attach->incoming);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

static void
attach(VfDriver *driver, VfDomain *domain, VfJob *incoming, GTask *task)
{
    GError *error = NULL;
    VfQemuMonitor *monitor = take_monitor(domain, &error);
    Attach *attach;
    Guest *guest;

    if (!monitor) {
        g_task_return_error(task, error);
        g_object_unref(task);
        return;
    }
    guest = g_new0(Guest, 1);
    guest->driver = VF_QEMU_DRIVER(driver);
    guest->domain = domain;
    guest->monitor = monitor;
    guest->watch = g_unix_fd_add(monitor->process, G_IO_IN, on_process_ended, guest);
    vf_domain_set_driver_data(domain, guest, guest_free);
    attach = g_new0(Attach, 1);
    attach->domain = g_object_ref(domain);
    attach->incoming = incoming ? g_object_ref(incoming) : NULL;
    g_task_set_task_data(task, attach, attach_free);
    vf_qemu_look_async(monitor, domain, on_looked, task);
}

/* While its job waits that is an AttachDomain which came to nothing. */
static void
detach(VfDriver *driver, VfDomain *domain)
{
    Guest *guest = vf_domain_get_driver_data(domain);

    if (guest && guest->incoming)
        vf_qemu_destination_give_up(guest->incoming, guest->monitor);
    vf_domain_set_driver_data(domain, NULL, NULL);
}

/* --- jobs --- */

static void
begin(VfDriver *driver, VfJob *job, GTask *task)
{
    const Guest *guest = vf_domain_get_driver_data(vf_job_get_domain(job));

    if (guest) {
        vf_qemu_source_begin(job, guest->monitor, task);
        return;
    }
    g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("the guest has ended"));
    g_object_unref(task);
}

static gboolean
may_ask(VfDriver *driver)
{
    return vf_driver_host_get_config(VF_QEMU_DRIVER(driver)->host)->accept_from_process;
}

static void
listen(VfDriver *driver, VfJob *job, GTask *task)
{
    vf_qemu_destination_listen(job, may_ask(driver), task);
}

static void
perform(VfDriver *driver, VfJob *job, GTask *task)
{
    vf_qemu_source_perform(job, task);
}

static void
discard(VfDriver *driver, VfJob *job, GTask *task)
{
    vf_qemu_discard(job, task);
}

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
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);

    if (reply)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

static void
run(VfDriver *driver, VfJob *job, GTask *task)
{
    const char *verb = vf_job_get_role(job) == VF_JOB_SOURCE ? "return" : "start";
    GError *error = NULL;

    if (vf_qemu_side_call_async(vf_qemu_side_get(job), verb, FALSE, on_run, task, &error))
        return;
    g_task_return_error(task, error);
    g_object_unref(task);
}

static void
cancel(VfDriver *driver, VfJob *job)
{
    vf_mover_side_cancel(&vf_qemu_side_get(job)->worker);
}

static void
drop(VfDriver *driver, VfJob *job)
{
    vf_qemu_side_drop(job);
}

static gboolean
restore(VfDriver *driver, VfJob *job, GError **error)
{
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;

    if (!vf_qemu_side_restore(
            job, source ? vf_qemu_source_uncommitted : vf_qemu_destination_uncommitted, error))
        return FALSE;
    if (source)
        vf_qemu_side_follow(job);
    else
        vf_qemu_destination_follow(job, may_ask(driver));
    return TRUE;
}

static void
vf_qemu_driver_class_init(VfQemuDriverClass *class)
{
    VfDriverClass *driver_class = VF_DRIVER_CLASS(class);

    driver_class->name = NAME;
    driver_class->start = start;
    driver_class->stop = stop;
    driver_class->claims = claims;
    driver_class->get_holder = get_holder;
    driver_class->check_options = check_options;
    driver_class->attach = attach;
    driver_class->detach = detach;
    driver_class->begin = begin;
    driver_class->listen = listen;
    driver_class->perform = perform;
    driver_class->finish = nothing_to_do;
    driver_class->confirm = nothing_to_do;
    driver_class->run = run;
    driver_class->discard = discard;
    driver_class->cancel = cancel;
    driver_class->drop = drop;
    driver_class->restore = restore;
}

static void
vf_qemu_driver_init(VfQemuDriver *self)
{
}

VfDriver *
vf_qemu_driver_new(void)
{
    return g_object_new(VF_TYPE_QEMU_DRIVER, NULL);
}
