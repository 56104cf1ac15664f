/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "accept.h"

#include <linux/capability.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "vfio.h"

typedef struct {
    VfBackend *device; /* NULL: not found yet, or closed again */
    int process;       /* pidfd; -1: the device itself was given */
    VfAcceptWanted wanted;
    const VfAcceptPlaces *places;
    gboolean wait; /* it is asked later: what takes time is done by then */
    GMutex lock;
    GCond told;
    gboolean go;
} Question;

static void
question_free(gpointer data)
{
    Question *self = data;

    g_clear_pointer(&self->device, vf_backend_free);
    vf_io_clear_fd(&self->process);
    g_free(self->wanted.path);
    g_cond_clear(&self->told);
    g_mutex_clear(&self->lock);
    g_free(self);
}

static gboolean
take_given(VfRequest *request, VfOptions *options, GError **error)
{
    ((Question *)request->own)->wait = vf_options_take_boolean(options, "wait", FALSE);
    return TRUE;
}

static gboolean
take_wanted(VfAcceptWanted *wanted, VfOptions *options, GError **error)
{
    g_autoptr(GVariant) inode = NULL;
    g_autoptr(GVariant) uid = NULL;

    if (!vf_request_take_string(options, "path", &wanted->path, error) ||
        !vf_request_take(options, "inode", G_VARIANT_TYPE_UINT64, &inode, error) ||
        !vf_request_take(options, "uid", G_VARIANT_TYPE_UINT32, &uid, error))
        return FALSE;
    wanted->inode = g_variant_get_uint64(inode);
    wanted->uid = g_variant_get_uint32(uid);
    if (g_path_is_absolute(wanted->path))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("argument “path” is “%.80s”; it must be a device's directory in sysfs, from the "
                  "root"),
                wanted->path);
    return FALSE;
}

/* The search is here and not with the question: the capability that it takes, and the files that it
 * reads, are out of reach in the sandbox. */
static gboolean
take_process(VfRequest *request, VfOptions *options, GError **error)
{
    Question *self = request->own;
    g_autoptr(GVariant) allowed = NULL;

    take_given(request, options, error);
    if (!take_wanted(&self->wanted, options, error) ||
        !vf_request_take(options, "allowed", G_VARIANT_TYPE_BOOLEAN, &allowed, error) ||
        !vf_options_end(options, error))
        return FALSE;
    if (!g_variant_get_boolean(allowed)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                            _("the device is open in another process only, and the administrator "
                              "does not allow to take it from there: “accept-from-process” in "
                              "vferry.conf is “no”"));
        return FALSE;
    }
    self->device = vf_accept_process_find(self->process, &self->wanted, self->places, error);
    vf_io_clear_fd(&self->process);
    return self->device != NULL;
}

/* *@asked: the kernel was. A device that is set to STOP too early has lost what was loaded so far
 * with some drivers, so it must say itself that it is loading. */
static gboolean
set_stop(VfBackend *device, gboolean *asked, GError **error)
{
    VfMigrationState state;

    if (!vf_backend_get_state(device, &state, error))
        return FALSE;
    if (state != VF_STATE_RESUMING) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device is in %s and was left alone: only in %s can the kernel be asked "
                      "whether it takes the state"),
                    vf_backend_state_name(state), vf_backend_state_name(VF_STATE_RESUMING));
        return FALSE;
    }
    *asked = TRUE;
    if (!vf_backend_set_state(device, VF_STATE_RESUMING, VF_STATE_STOP, error)) {
        g_prefix_error(error, "%s: ", _("the kernel does not take the state"));
        return FALSE;
    }
    if (!vf_backend_get_state(device, &state, error))
        return FALSE;
    if (state == VF_STATE_STOP)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                _("the kernel took the state, but then the device was in %s, not in %s: it was "
                  "reset meanwhile"),
                vf_backend_state_name(state), vf_backend_state_name(VF_STATE_STOP));
    return FALSE;
}

/* The device is closed before the answer: who has that may end the process that loaded it, remove
 * it or hand it on. */
static void
ask_kernel(VfRequest *request, VfRequestResult *result, GError **error)
{
    Question *self = request->own;
    gboolean asked = FALSE, taken;
    VfMigrationState state;

    g_mutex_lock(&self->lock);
    while (self->wait && !self->go)
        g_cond_wait(&self->told, &self->lock);
    g_mutex_unlock(&self->lock);
    taken = set_stop(self->device, &asked, error);

    result->end.untouched = !taken && !asked;
    if (vf_backend_get_state(self->device, &state, NULL)) {
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "state", "s", vf_backend_state_name(state));
        result->more = g_variant_ref_sink(g_variant_dict_end(&dict));
    }
    g_clear_pointer(&self->device, vf_backend_free);
}

static gboolean
hear(VfRequest *request, VfControlMessage *message)
{
    Question *self = request->own;

    if (!g_str_equal(message->verb, "go"))
        return FALSE;
    g_mutex_lock(&self->lock);
    self->go = TRUE;
    g_cond_signal(&self->told);
    g_mutex_unlock(&self->lock);
    return TRUE;
}

static const VfVerb verbs[] = {
    {"accept", VF_REQUEST_ONE_FD, VF_CONFINE_DEVICE, FALSE, take_given, ask_kernel, hear},
    {"accept-from-process", VF_REQUEST_ONE_FD, VF_CONFINE_DEVICE, FALSE, take_process, ask_kernel,
     hear},
};

static VfSession *
adopt(VfRequest *request, int *fds, guint n_fds, VfRecord *record, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    Question *self = g_new0(Question, 1);

    request->own = self;
    request->free_own = question_free;
    self->places = data;
    self->process = -1;
    g_mutex_init(&self->lock);
    g_cond_init(&self->told);
    if (request->verb->take == take_process)
        self->process = vf_io_steal_fd(&fds[0]);
    else
        self->device = vf_vfio_new(vf_io_steal_fd(&fds[0]));
    return vf_session_new(vf_devices_new(none), record);
}

void
vf_accept_worker_init(VfWorker *worker, const VfAcceptPlaces *places)
{
    *worker = (VfWorker){.program = "vferry-accept",
                         .verbs = verbs,
                         .n_verbs = G_N_ELEMENTS(verbs),
                         .adopt = adopt,
                         .data = (gpointer)places,
                         .keeps = G_GUINT64_CONSTANT(1) << CAP_SYS_PTRACE,
                         .leaves = TRUE,
                         .confine = vf_confine_to};
}
