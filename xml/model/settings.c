/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "settings.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "value.h"

void
vf_setting_free(VfSetting *self)
{
    g_free(self->parameter);
    g_free(self->attribute);
    g_free(self->text);
    g_free(self);
}

static gboolean
add_setting(const VfModel *self, const VfValue *value, GPtrArray *settings, GError **error)
{
    const VfParameter *parameter = vf_model_find_parameter(self, value->name);
    g_autofree char *canonical = NULL;
    VfSetting *setting;

    if (!parameter) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the model %s has no parameter “%s”"), self->id, value->name);
        return FALSE;
    }
    if (!value->value)
        return TRUE;
    canonical = vf_parameter_check_value(parameter, value->value, error);
    if (!canonical)
        return FALSE;
    if (parameter->applier == VF_APPLIER_NONE)
        return TRUE;
    setting = g_new0(VfSetting, 1);
    setting->parameter = g_strdup(parameter->name);
    setting->attribute = g_strdup(parameter->applier_attribute);
    setting->text = vf_parameter_encode_attribute(parameter, canonical);
    g_ptr_array_add(settings, setting);
    return TRUE;
}

GPtrArray *
vf_model_settings(const VfModel *self, GPtrArray *values, GError **error)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify)vf_setting_free);

    for (guint i = 0; i < values->len; i++)
        if (!add_setting(self, values->pdata[i], settings, error))
            return NULL;
    return g_steal_pointer(&settings);
}

/* The parameters that can be switched off, all off. */
static GPtrArray *
off_values(const VfModel *model)
{
    GPtrArray *values = vf_value_list_new();

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];

        if (parameter->off)
            vf_value_list_set(values, parameter->name, parameter->off, VF_EVIDENCE_OFF);
    }
    return values;
}

/* Those of @values that are not among @done, what is written before. */
static GPtrArray *
without(GPtrArray *values, GPtrArray *done)
{
    GPtrArray *rest = vf_value_list_new();

    for (guint i = 0; i < values->len; i++) {
        const VfValue *value = values->pdata[i];
        const VfValue *is = vf_value_list_find(done, value->name);

        if (!is || g_strcmp0(is->value, value->value) != 0)
            vf_value_list_set(rest, value->name, value->value, value->evidence);
    }
    return rest;
}

static gboolean
add_values(const VfModel *model, GPtrArray *values, GPtrArray *settings, GError **error)
{
    g_autoptr(GPtrArray) more = vf_model_settings(model, values, error);

    if (!more)
        return FALSE;
    while (more->len > 0)
        g_ptr_array_add(settings, g_ptr_array_steal_index(more, 0));
    return TRUE;
}

GPtrArray *
vf_settings_plan(const VfModel *model, GPtrArray *values, gboolean from_off, GError **error)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify)vf_setting_free);
    g_autoptr(GPtrArray) off = from_off ? off_values(model) : vf_value_list_new();
    g_autoptr(GPtrArray) rest = without(values, off);

    if (model->select_attribute) {
        VfSetting *selection = g_new0(VfSetting, 1);
        selection->parameter = g_strdup(model->select_attribute);
        selection->attribute = g_strdup(model->select_attribute);
        selection->text = g_strdup(model->id);
        g_ptr_array_add(settings, selection);
    }
    if (!add_values(model, off, settings, error) || !add_values(model, rest, settings, error))
        return NULL;
    return g_steal_pointer(&settings);
}
