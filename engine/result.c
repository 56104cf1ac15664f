/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "error.h"
#include "io.h"
#include "request.h"

VfRequestResult *
vf_request_result_new(void)
{
    VfRequestResult *self = g_new0(VfRequestResult, 1);

    self->fd = -1;
    return self;
}

void
vf_request_result_free(VfRequestResult *self)
{
    vf_session_end_clear(&self->end);
    g_clear_pointer(&self->more, g_variant_unref);
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

void
vf_request_result_fail(VfRequestResult *self, GError *error)
{
    vf_session_end_fail(&self->end, error);
}

void
vf_request_result_obtain(VfRequestResult *self, VfRequest *request)
{
    GError *error = NULL;

    request->verb->perform(request, self, &error);
    if (request->session && !self->end.device_states)
        self->end.device_states = vf_session_describe(request->session);
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
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(self->more);
    const VfSessionEnd *end = &self->end;

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
    return g_variant_dict_end(&dict);
}
