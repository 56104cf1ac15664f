/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "model-xml.h"

static void
clear(gpointer data)
{
    VfModel *self = data;

    g_free(self->id);
    g_free(self->digest);
    g_free(self->source);
    g_free(self->file);
    g_free(self->description);
    g_ptr_array_unref(self->matches);
    g_ptr_array_unref(self->parameters);
}

VfModel *
vf_model_ref(VfModel *self)
{
    return g_atomic_rc_box_acquire(self);
}

void
vf_model_unref(VfModel *self)
{
    g_atomic_rc_box_release_full(self, clear);
}

VfModel *
vf_model_parse(const char *text, gssize size, const char *file, GError **error)
{
    return vf_model_xml_parse_file(text, size, file, NULL, error);
}

const VfParameter *
vf_model_find_parameter(const VfModel *self, const char *name)
{
    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        if (g_str_equal(parameter->name, name))
            return parameter;
    }
    return NULL;
}

gboolean
vf_model_matches_mdev(const VfModel *self, const char *driver, const char *type)
{
    for (guint i = 0; i < self->matches->len; i++) {
        const VfMatch *match = self->matches->pdata[i];
        if (match->kind == VF_MATCH_MDEV && g_str_equal(match->driver, driver) &&
            g_pattern_match_simple(match->type, type))
            return TRUE;
    }
    return FALSE;
}

GPtrArray *
vf_model_values_from_type(const VfModel *self, const char *type)
{
    GPtrArray *values = vf_value_list_new();

    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        const char *value = vf_parameter_value_from_type(parameter, type);
        if (value != NULL)
            vf_value_list_set(values, parameter->name, value, VF_EVIDENCE_MDEV_TYPE);
    }
    return values;
}

char **
vf_model_settable_names(const VfModel *self)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (guint i = 0; i < self->parameters->len; i++) {
        const VfParameter *parameter = self->parameters->pdata[i];
        if (parameter->applier != VF_APPLIER_NONE)
            g_strv_builder_add(names, parameter->name);
    }
    return g_strv_builder_end(names);
}

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

    if (parameter == NULL) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the model %s has no parameter “%s”"), self->id, value->name);
        return FALSE;
    }
    if (value->value == NULL)
        return TRUE;
    canonical = vf_parameter_check_value(parameter, value->value, error);
    if (canonical == NULL)
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
