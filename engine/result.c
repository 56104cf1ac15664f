/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "result.h"

#include "control.h"
#include "destination.h"
#include "error.h"
#include "io.h"
#include "past.h"
#include "source.h"
#include "vfio.h"

VfRequestResult *
vf_request_result_new(void)
{
    VfRequestResult *self = g_new0(VfRequestResult, 1);

    self->device_fd = -1;
    return self;
}

void
vf_request_result_free(VfRequestResult *self)
{
    vf_session_end_clear(&self->end);
    vf_io_clear_fd(&self->device_fd);
    g_free(self);
}

void
vf_request_result_fail(VfRequestResult *self, GError *error)
{
    vf_session_end_fail(&self->end, error);
}

static gboolean
inspect(VfRequestResult *self, VfBackend *backend, GError **error)
{
    self->has_info = vf_backend_get_info(backend, &self->info, error) &&
                     vf_backend_get_state(backend, &self->state, error);
    return self->has_info;
}

static gboolean
open_device(VfRequestResult *self, const VfRequest *request, GError **error)
{
    g_autoptr(VfBackend) backend = NULL;
    int copy;

    self->device_fd = vf_vfio_open(request->device, request->node, request->group, error);
    if (self->device_fd < 0)
        return FALSE;
    copy = vf_io_dup(self->device_fd, error);
    if (copy < 0)
        return FALSE;
    backend = vf_vfio_new(copy);
    if (inspect(self, backend, error))
        return TRUE;
    vf_io_clear_fd(&self->device_fd);
    return FALSE;
}

static void
return_devices(VfSession *session, GError **error)
{
    g_autoptr(GError) silent = NULL;

    /* the others' guests are no worse off for it, and it may run all the same */
    (void)vf_devices_load_info(session->devices, &silent);
    if (!vf_devices_have_past(session->devices, VF_DEVICE_TOUCHED))
        return;
    vf_devices_look_for_resets(session->devices);
    if (!session->committed)
        vf_past_mark_returning(session);
    else if (!vf_past_mark(session, "returning", error))
        return;
    if (vf_devices_run(session->devices, error))
        vf_session_note(session, "returned");
    else if (silent)
        g_prefix_error(error, "%s; ", silent->message);
}

static void
start_devices(VfSession *session, GError **error)
{
    if (vf_devices_load_info(session->devices, error) &&
        vf_devices_expect_loaded(session->devices, error) &&
        vf_past_mark(session, "starting", error) && vf_devices_run(session->devices, error))
        vf_session_note(session, "started");
}

void
vf_request_result_obtain(VfRequestResult *self, VfRequest *request)
{
    GError *error = NULL;

    switch (request->verb) {
    case VF_REQUEST_OPEN:
        open_device(self, request, &error);
        break;
    case VF_REQUEST_INSPECT:
        inspect(self, vf_devices_get(request->session->devices, 0), &error);
        break;
    case VF_REQUEST_RETURN:
        return_devices(request->session, &error);
        break;
    case VF_REQUEST_START:
        start_devices(request->session, &error);
        break;
    case VF_REQUEST_STOP:
        vf_devices_stop_reset(request->session->devices, &error);
        break;
    case VF_REQUEST_SEND:
        vf_source_run(request->session, &self->end);
        return;
    case VF_REQUEST_RECEIVE:
        vf_destination_run(request->session, &self->end);
        return;
    }
    if (request->session)
        self->end.device_states = vf_devices_describe(request->session->devices);
    if (error)
        vf_request_result_fail(self, error);
}

/* As much of it as the daemon takes. */
static char *
cut_message(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    if (g_utf8_strlen(valid, -1) <= VF_CONTROL_TEXT_MAX)
        return g_steal_pointer(&valid);
    return g_utf8_substring(valid, 0, VF_CONTROL_TEXT_MAX);
}

GVariant *
vf_request_result_to_variant(const VfRequestResult *self)
{
    static const char *const none[] = {NULL};
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    const VfSessionEnd *end = &self->end;
    g_auto(GStrv) flags = NULL;

    g_variant_dict_insert(&dict, "outcome", "s", vf_session_end_name(end->kind));
    if (end->error) {
        VferryError code = end->error->domain == VFERRY_ERROR ? (VferryError)end->error->code
                                                              : VFERRY_ERROR_FAILED;
        g_autofree char *message = cut_message(end->error->message);
        g_variant_dict_insert(&dict, "error", "s", vf_error_to_name(code));
        g_variant_dict_insert(&dict, "message", "s", message);
    }
    g_variant_dict_insert(&dict, "device-states", "^as",
                          end->device_states ? (const char *const *)end->device_states : none);
    if (end->untouched)
        g_variant_dict_insert(&dict, "untouched", "b", TRUE);
    if (end->statistics)
        g_variant_dict_insert_value(&dict, "statistics", end->statistics);
    if (!self->has_info)
        return g_variant_dict_end(&dict);
    flags = vf_backend_flag_names(self->info.flags);
    g_variant_dict_insert(&dict, "flags", "^as", flags);
    if (self->info.has_data_size)
        g_variant_dict_insert(&dict, "data-size", "t", self->info.data_size);
    g_variant_dict_insert(&dict, "state", "s", vf_backend_state_name(self->state));
    return g_variant_dict_end(&dict);
}
