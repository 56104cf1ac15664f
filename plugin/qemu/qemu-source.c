/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-source.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "options.h"
#include "qemu-look.h"

/* --- begin --- */

static gboolean
check_ready(VfJob *job, gboolean running, gboolean migrating, GError **error)
{
    VfDomain *domain = vf_job_get_domain(job);

    if (migrating)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                    _("somebody else has QEMU migrate domain %s already"),
                    vf_domain_get_label(domain));
    else if (!running)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("domain %s does not run (it is %s): only one that does is migrated"),
                    vf_domain_get_label(domain),
                    vf_domain_state_to_string(vf_domain_get_state(domain)));
    return !migrating && running;
}

static gboolean
check_known(VfDomain *domain, GError **error)
{
    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);

        if (device->device)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN,
                    _("vferry does not know device %s (%s here) of domain %s: nothing can be "
                      "prepared for it"),
                    device->guest_address, device->host_address, vf_domain_get_label(domain));
        return FALSE;
    }
    return TRUE;
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfJob *job = g_task_get_task_data(task);
    gboolean running, migrating;
    GError *error = NULL;

    if (vf_qemu_look_finish(result, &running, &migrating, &error) &&
        check_ready(job, running, migrating, &error) && check_known(vf_job_get_domain(job), &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

void
vf_qemu_source_begin(VfJob *job, VfQemuMonitor *monitor, GTask *task)
{
    vf_qemu_side_set_monitor(vf_qemu_side_get(job), monitor);
    g_task_set_task_data(task, g_object_ref(job), g_object_unref);
    vf_qemu_look_async(monitor, vf_job_get_domain(job), on_looked, task);
}

/* --- perform --- */

void
vf_qemu_source_perform(VfJob *job, GTask *task)
{
    VfQemuSide *self = vf_qemu_side_get(job);
    const VfEndpoint *endpoint =
        vf_endpoint_find(vf_job_get_channel(job)->endpoints, VF_ENDPOINT_TCP);
    g_autoptr(VfOptions) options = vf_options_new(vf_job_get_options(job));
    GVariantDict args;
    int fds[2];

    if (!endpoint || !self->monitor) {
        g_task_return_new_error(
            task, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED, "%s",
            endpoint ? _("no QEMU is attached any more")
                     : _("the destination has no TCP endpoint, and this driver knows no other"));
        g_object_unref(task);
        return;
    }
    vf_qemu_side_follow(job);
    vf_qemu_side_set_monitor(self, self->monitor); /* from here on the next daemon has to find it */
    fds[0] = vf_record_get_fd(vf_job_get_record(job));
    fds[1] = self->monitor->fd;
    g_variant_dict_init(&args, NULL);
    vf_mover_side_fill_send(job, endpoint, &args);
    vf_qemu_monitor_fill_args(self->monitor, &args);
    g_variant_dict_insert(&args, "bandwidth", "t", vf_options_take_u64(options, "bandwidth", 0));
    self->worker.waiting = task; /* until then a restart of the daemon would find nobody at work */
    vf_mover_side_run(
        &self->worker,
        vf_mover_new(VF_MOVER_PROGRAM_GUEST, "send", g_variant_dict_end(&args), fds, 2),
        vf_qemu_source_uncommitted);
}

/* --- a worker that ended without bringing the guest back --- */

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
add_words(VfOutcome *outcome, const char *words)
{
    char *both = g_strdup_printf(_("%s; and the guest could not be brought back to running: %s"),
                                 outcome->error->message, words);

    g_free(outcome->error->message);
    outcome->error->message = both;
}

static void
on_returned(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Return) self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish_reply(result, &error);
    const GError *cause = reply ? reply->outcome->error : error;

    g_array_set_size(self->outcome->devices, 0);
    if (reply) {
        g_autoptr(VfOutcome) now =
            vf_mover_side_copy_outcome(&vf_qemu_side_get(self->job)->worker, reply->outcome);

        g_array_append_vals(self->outcome->devices, now->devices->data, now->devices->len);
    }
    if (cause)
        add_words(self->outcome, cause->message);
    vf_job_complete(self->job, g_steal_pointer(&self->outcome));
}

void
vf_qemu_source_uncommitted(VfJob *job, VfOutcome *said)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Return) self = NULL;

    if (said->untouched || vf_outcome_get_device(said, 0) == VF_DEVICE_OUTCOME_RUNNING) {
        vf_job_complete(job, said);
        return;
    }
    self = g_new0(Return, 1);
    self->job = g_object_ref(job);
    self->outcome = said;
    if (vf_qemu_side_call_async(vf_qemu_side_get(job), "return", TRUE, on_returned, self, &error)) {
        self = NULL; /* on_returned() has it */
        return;
    }
    add_words(self->outcome, error->message);
    vf_job_complete(job, g_steal_pointer(&self->outcome));
}
