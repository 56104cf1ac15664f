/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "outcome.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

#define OUTCOME_TYPE "(sssasa{sv})"

static const char *const result_names[] = {
    [VF_RESULT_NONE] = "",
    [VF_RESULT_COMPLETED] = "completed",
    [VF_RESULT_FAILED] = "failed",
    [VF_RESULT_CANCELLED] = "cancelled",
    [VF_RESULT_IN_DOUBT] = "in-doubt",
};

static const char *const device_names[] = {
    [VF_DEVICE_OUTCOME_UNKNOWN] = "unknown",
    [VF_DEVICE_OUTCOME_RUNNING] = "running",
    [VF_DEVICE_OUTCOME_STOPPED] = "stopped",
    [VF_DEVICE_OUTCOME_NEEDS_RESET] = "failed-needs-reset",
};

/* One domain on the bus and in records. */
static GError *
as_ours(GError *error)
{
    GError *ours;

    if (!error || error->domain == VFERRY_ERROR)
        return error;
    ours = g_error_new_literal(VFERRY_ERROR,
                               g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                                   ? VFERRY_ERROR_CANCELLED
                                   : VFERRY_ERROR_FAILED,
                               error->message);
    g_error_free(error);
    return ours;
}

VfOutcome *
vf_outcome_new(VfResult result, GError *error)
{
    VfOutcome *self = g_new0(VfOutcome, 1);

    self->result = result;
    self->error = as_ours(error);
    if (!self->error && result != VF_RESULT_COMPLETED)
        self->error = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                          _("it ended without saying why; this is a bug"));
    self->devices = g_array_new(FALSE, TRUE, sizeof(VfDeviceOutcome));
    self->statistics = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    return self;
}

VfOutcome *
vf_outcome_new_for_error(GError *error)
{
    gboolean cancelled = g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED) ||
                         g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

    return vf_outcome_new(cancelled ? VF_RESULT_CANCELLED : VF_RESULT_FAILED, error);
}

VfOutcome *
vf_outcome_copy(const VfOutcome *self)
{
    VfOutcome *copy = vf_outcome_new(self->result, self->error ? g_error_copy(self->error) : NULL);

    g_array_append_vals(copy->devices, self->devices->data, self->devices->len);
    g_variant_unref(copy->statistics);
    copy->statistics = g_variant_ref(self->statistics);
    copy->untouched = self->untouched;
    return copy;
}

void
vf_outcome_free(VfOutcome *self)
{
    g_clear_error(&self->error);
    g_array_unref(self->devices);
    g_variant_unref(self->statistics);
    g_free(self);
}

VfDeviceOutcome
vf_outcome_get_device(const VfOutcome *self, guint index)
{
    return index < self->devices->len ? g_array_index(self->devices, VfDeviceOutcome, index)
                                      : VF_DEVICE_OUTCOME_UNKNOWN;
}

const char *
vf_result_to_string(VfResult result)
{
    g_return_val_if_fail((gsize)result < G_N_ELEMENTS(result_names), "");
    return result_names[result];
}

gboolean
vf_result_from_string(const char *text, VfResult *result)
{
    for (gsize i = 0; i < G_N_ELEMENTS(result_names); i++)
        if (g_str_equal(text, result_names[i])) {
            *result = (VfResult)i;
            return TRUE;
        }
    return FALSE;
}

const char *
vf_device_outcome_to_string(VfDeviceOutcome outcome)
{
    g_return_val_if_fail((gsize)outcome < G_N_ELEMENTS(device_names), "unknown");
    return device_names[outcome];
}

gboolean
vf_device_outcome_from_string(const char *text, VfDeviceOutcome *outcome)
{
    for (gsize i = 0; i < G_N_ELEMENTS(device_names); i++)
        if (g_str_equal(text, device_names[i])) {
            *outcome = (VfDeviceOutcome)i;
            return TRUE;
        }
    return FALSE;
}

GVariant *
vf_outcome_to_variant(const VfOutcome *outcome)
{
    const GError *error = outcome->error;
    GVariantBuilder devices;

    g_variant_builder_init(&devices, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < outcome->devices->len; i++)
        g_variant_builder_add(&devices, "s",
                              vf_device_outcome_to_string(vf_outcome_get_device(outcome, i)));
    return g_variant_new("(sssas@a{sv})", vf_result_to_string(outcome->result),
                         error ? vf_error_to_name((VferryError)error->code) : "",
                         error ? error->message : "", &devices, outcome->statistics);
}

VfOutcome *
vf_outcome_from_variant(GVariant *variant)
{
    const char *result_name, *error_name, *message;
    g_autoptr(GVariant) statistics = NULL;
    g_autofree const char **devices = NULL;
    VferryError code = VFERRY_ERROR_FAILED;
    VfResult result;
    VfOutcome *outcome;

    if (!g_variant_is_of_type(variant, G_VARIANT_TYPE(OUTCOME_TYPE)))
        return NULL;
    g_variant_get(variant, "(&s&s&s^a&s@a{sv})", &result_name, &error_name, &message, &devices,
                  &statistics);
    if (!vf_result_from_string(result_name, &result) || result == VF_RESULT_NONE)
        return NULL;
    vf_error_from_name(error_name, &code);
    outcome = vf_outcome_new(
        result, *error_name ? g_error_new_literal(VFERRY_ERROR, (gint)code, message) : NULL);
    for (const char **name = devices; *name; name++) {
        VfDeviceOutcome state = VF_DEVICE_OUTCOME_UNKNOWN;

        vf_device_outcome_from_string(*name, &state);
        g_array_append_val(outcome->devices, state);
    }
    g_variant_unref(outcome->statistics);
    outcome->statistics = g_steal_pointer(&statistics);
    return outcome;
}
