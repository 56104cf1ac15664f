/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "settings.h"

#include "value.h"

static void
add_selection(const VfModel *model, GPtrArray *settings)
{
    VfSetting *setting;

    if (!model->select_attribute)
        return;
    setting = g_new0(VfSetting, 1);
    setting->parameter = g_strdup(model->select_attribute);
    setting->attribute = g_strdup(model->select_attribute);
    setting->text = g_strdup(model->id);
    g_ptr_array_add(settings, setting);
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

    add_selection(model, settings);
    if (!add_values(model, off, settings, error) || !add_values(model, rest, settings, error))
        return NULL;
    return g_steal_pointer(&settings);
}
