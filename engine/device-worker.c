/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device-worker.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "vfio.h"

/* The arguments of `open`. */
typedef struct {
    char *device;
    char *node; /* its name in /dev/vfio/devices; "" when there is none */
    int group;
} Open;

static void
open_free(gpointer data)
{
    Open *self = data;

    g_free(self->device);
    g_free(self->node);
    g_free(self);
}

/* It names one thing in a folder, and must not lead out of it. */
static gboolean
check_name(const char *key, const char *name, GError **error)
{
    if (!strchr(name, '/'))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("argument “%s” is “%.80s”; a “/” must not be in it"), key, name);
    return FALSE;
}

static gboolean
take_open(VfRequest *request, VfOptions *options, GError **error)
{
    g_autoptr(GVariant) group = NULL;
    Open *self = g_new0(Open, 1);

    request->own = self;
    request->free_own = open_free;
    self->node = vf_options_take_string(options, "vfio-dev", "");
    if (!vf_request_take_string(options, "device", &self->device, error) ||
        !vf_request_take(options, "group", G_VARIANT_TYPE_INT32, &group, error) ||
        !check_name("device", self->device, error) || !check_name("vfio-dev", self->node, error))
        return FALSE;
    self->group = g_variant_get_int32(group);
    if (self->group >= 0 && self->device[0] != '\0')
        return TRUE;
    if (self->device[0] == '\0')
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                            _("argument “device” is empty; it must be a device's name"));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("argument “group” is %d; it must be a group's number"), self->group);
    return FALSE;
}

/* What the device can do and which state it is in; changes nothing. */
static gboolean
tell_of(VfRequestResult *result, VfBackend *backend, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    g_auto(GStrv) flags = NULL;
    VfBackendInfo info;
    VfMigrationState state;

    if (!vf_backend_get_info(backend, &info, error) ||
        !vf_backend_get_state(backend, &state, error))
        return FALSE;
    flags = vf_backend_flag_names(info.flags);
    g_variant_dict_insert(&dict, "flags", "^as", flags);
    if (info.has_data_size)
        g_variant_dict_insert(&dict, "data-size", "t", info.data_size);
    g_variant_dict_insert(&dict, "state", "s", vf_backend_state_name(state));
    result->more = g_variant_ref_sink(g_variant_dict_end(&dict));
    return TRUE;
}

static void
open_device(VfRequest *request, VfRequestResult *result, GError **error)
{
    const Open *self = request->own;
    g_autoptr(VfBackend) backend = NULL;
    vf_autofd int fd = vf_vfio_open(self->device, self->node, self->group, error);
    int copy = fd >= 0 ? vf_io_dup(fd, error) : -1;

    if (copy < 0)
        return;
    backend = vf_vfio_new(copy);
    if (tell_of(result, backend, error))
        result->fd = vf_io_steal_fd(&fd);
}

static void
inspect(VfRequest *request, VfRequestResult *result, GError **error)
{
    tell_of(result, vf_devices_get(request->session->devices, 0), error);
}

static void
stop(VfRequest *request, VfRequestResult *result, GError **error)
{
    vf_devices_stop_reset(request->session->devices, error);
}

static const VfVerb verbs[] = {
    {"open", VF_REQUEST_NO_FDS, VF_CONFINE_OPEN, FALSE, take_open, open_device},
    {"inspect", VF_REQUEST_ONE_FD, VF_CONFINE_DEVICE, FALSE, NULL, inspect},
    {"return", VF_REQUEST_RECORD_LAST, VF_CONFINE_SETTLE, FALSE, vf_request_take_return,
     vf_request_return},
    {"start", VF_REQUEST_RECORD_LAST, VF_CONFINE_SETTLE, FALSE, vf_request_take_past,
     vf_request_start},
    {"stop", VF_REQUEST_RECORD_LAST, VF_CONFINE_SETTLE, FALSE, vf_request_take_past, stop},
    {"send", VF_REQUEST_RECORD_FIRST, VF_CONFINE_SEND, TRUE, vf_request_take_send, vf_request_send},
    {"receive", VF_REQUEST_RECORD_FIRST, VF_CONFINE_RECEIVE, TRUE, vf_request_take_receive,
     vf_request_receive},
};

static VfSession *
adopt(VfRequest *request, int *fds, guint n_fds, VfRecord *record, gpointer data, GError **error)
{
    const VfDeviceMaker *maker = data;
    g_autoptr(GPtrArray) backends = g_ptr_array_new();

    for (guint i = 0; i < n_fds; i++)
        g_ptr_array_add(backends, maker->adopt(vf_io_steal_fd(&fds[i]), maker->data));
    return vf_session_new(vf_devices_new(backends), record);
}

void
vf_device_worker_init(VfWorker *worker, const VfDeviceMaker *maker)
{
    *worker = (VfWorker){.program = "vferry-mover",
                         .verbs = verbs,
                         .n_verbs = G_N_ELEMENTS(verbs),
                         .adopt = adopt,
                         .data = (gpointer)maker,
                         .confine = vf_confine_to};
}
