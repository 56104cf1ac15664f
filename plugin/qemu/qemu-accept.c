/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-accept.h"

#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

#include "error.h"
#include "mover.h"
#include "names.h"

/* A kernel driver answers within a millisecond, mostly; the guest stands still meanwhile. */
#define ACCEPT_DEADLINE_SECONDS 10
#define SOCKET "/run/vferry/accept" /* dbus/vferry-accept.socket */

typedef struct {
    VfQemuAccept *all;
    VfMover *worker; /* NULL: it has ended */
    char *device;    /* what to call it */
} Question;

struct VfQemuAccept {
    GPtrArray *questions;
    guint n_open;
    guint timer; /* while the kernel is asked */
    gboolean asking;
    GError *refusal; /* the first */
    VfQemuAccepted answered;
    gpointer data;
};

static void
question_free(gpointer data)
{
    Question *self = data;

    if (self->worker) {
        g_signal_handlers_disconnect_by_data(self->worker, self);
        vf_mover_kill(self->worker);
        g_object_unref(self->worker);
    }
    g_free(self->device);
    g_free(self);
}

void
vf_qemu_accept_free(VfQemuAccept *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    g_ptr_array_unref(self->questions);
    g_clear_error(&self->refusal);
    g_free(self);
}

/* One that refuses decides it: nobody waits for the others. */
static void
conclude(VfQemuAccept *self)
{
    if (!self->asking || (self->n_open > 0 && !self->refusal))
        return;
    self->asking = FALSE;
    g_clear_handle_id(&self->timer, g_source_remove);
    self->answered(self->data, self->refusal);
}

static void
on_ended(VfMover *worker, VfMoverReply *reply, Question *question)
{
    VfQemuAccept *self = question->all;
    const GError *error = reply ? reply->outcome->error : vf_mover_get_error(worker);
    const char *words = error           ? error->message
                        : !self->asking ? _("the kernel was not asked, but an answer came")
                                        : NULL;

    if (words && !self->refusal)
        self->refusal = g_error_new(VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("device %s: %s"),
                                    question->device, words);
    g_clear_object(&question->worker);
    self->n_open--;
    conclude(self);
}

static void
tell(VfMover *worker)
{
    g_autoptr(GError) error = NULL;

    if (!vf_mover_tell(worker, "go", g_variant_new("a{sv}", NULL), NULL, 0, &error))
        g_debug("%s", error->message); /* it has just ended, or starts, and is told then */
}

static void
on_started(VfMover *worker, Question *question)
{
    if (question->all->asking)
        tell(worker);
}

/* vferryd's unit has no capability to give, so that systemd starts the one that needs it; without
 * systemd it is started here, with what this process has. */
static VfMover *
make_worker(VfJob *job, const VfJobDevice *device, const VfQemuMonitor *monitor, gboolean allowed)
{
    const char *run_dir = g_getenv(VF_ENV_RUN_DIR);
    g_autofree char *socket =
        run_dir ? g_build_filename(run_dir, "accept", NULL) : g_strdup(SOCKET);
    g_auto(GVariantDict) args = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&args, "path", "s", vf_device_get_sysfs_path(device->device));
    g_variant_dict_insert(&args, "inode", "t", vf_device_get_inode(device->device));
    g_variant_dict_insert(&args, "uid", "u", vf_job_get_uid(job));
    g_variant_dict_insert(&args, "allowed", "b", allowed);
    g_variant_dict_insert(&args, "wait", "b", TRUE);
    if (g_access(socket, F_OK) == 0)
        return vf_mover_new_served(socket, VF_MOVER_PROGRAM_ACCEPT, "accept-from-process",
                                   g_variant_dict_end(&args), &monitor->process, 1);
    return vf_mover_new(VF_MOVER_PROGRAM_ACCEPT, "accept-from-process", g_variant_dict_end(&args),
                        &monitor->process, 1);
}

static void
add_question(VfQemuAccept *self, VfJob *job, const VfJobDevice *device,
             const VfQemuMonitor *monitor, gboolean allowed)
{
    Question *question;

    if (!device->device) {
        if (!self->refusal)
            self->refusal = g_error_new(VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                                        _("device %s has gone"), device->id);
        return;
    }
    question = g_new0(Question, 1);
    question->all = self;
    question->device = g_strdup(device->id);
    question->worker = make_worker(job, device, monitor, allowed);
    g_signal_connect(question->worker, "started", G_CALLBACK(on_started), question);
    g_signal_connect(question->worker, "ended", G_CALLBACK(on_ended), question);
    g_ptr_array_add(self->questions, question);
    self->n_open++;
    vf_mover_start(question->worker);
}

VfQemuAccept *
vf_qemu_accept_new(VfJob *job, const VfQemuMonitor *monitor, gboolean allowed,
                   VfQemuAccepted answered, gpointer data)
{
    VfQemuAccept *self = g_new0(VfQemuAccept, 1);

    self->questions = g_ptr_array_new_with_free_func(question_free);
    self->answered = answered;
    self->data = data;
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        add_question(self, job, vf_job_get_device(job, i), monitor, allowed);
    return self;
}

/* A driver may block for as long as it likes: whoever asks it for us is left to it. */
static gboolean
on_deadline(gpointer data)
{
    VfQemuAccept *self = data;

    self->timer = 0;
    if (!self->refusal)
        self->refusal = g_error_new(VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                                    _("the kernel has not said for %d s whether it takes the "
                                      "state of a device"),
                                    ACCEPT_DEADLINE_SECONDS);
    conclude(self);
    return G_SOURCE_REMOVE;
}

void
vf_qemu_accept_ask(VfQemuAccept *self)
{
    self->asking = TRUE;
    self->timer = g_timeout_add_seconds(ACCEPT_DEADLINE_SECONDS, on_deadline, self);
    for (guint i = 0; i < self->questions->len; i++) {
        Question *question = self->questions->pdata[i];

        if (question->worker)
            tell(question->worker);
    }
    conclude(self);
}
