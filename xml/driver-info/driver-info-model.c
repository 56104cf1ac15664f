/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "driver-info-model.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "model-id.h"
#include "model-make.h"
#include "text.h"

#define DIRECTORY "migration/"
#define VERSION "version"
#define VERSION_MAX_BYTES 128

GPtrArray *
vf_migration_info_list_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
}

VfModel *
vf_migration_info_model_new(const char *id, const char *source, GError **error)
{
    VfModel *model;

    if (!vf_model_id_check(id, error))
        return NULL;
    model = vf_model_new(source);
    model->id = g_strdup(id);
    return model;
}

static gboolean
is_kernel(const char *source)
{
    return g_str_equal(source, VF_MODEL_SOURCE_KERNEL);
}

VfParameter *
vf_migration_info_parameter_new(const char *name, const char *source, GError **error)
{
    g_autofree char *attribute = g_strconcat(DIRECTORY, name, NULL);
    VfParameter *self;

    if (!vf_model_id_check_segment(name, _("a parameter's name"), error) ||
        (is_kernel(source) &&
         !vf_text_check_attribute(attribute, _("a parameter's attribute"), error)))
        return NULL;
    self = g_new0(VfParameter, 1);
    self->name = g_strdup(name);
    self->compare = VF_COMPARE_EQUAL;
    self->enforced = TRUE;
    self->mask = G_MAXUINT64;
    if (!is_kernel(source))
        return self;
    self->reader.kind = VF_READER_ATTRIBUTE;
    self->reader.of = VF_READER_OF_DEVICE;
    self->reader.attribute = g_strdup(attribute);
    self->applier = VF_APPLIER_ATTRIBUTE;
    self->applier_attribute = g_steal_pointer(&attribute);
    return self;
}

static gboolean
add_version(VfModel *model, const char *name, GError **error)
{
    VfVersion *version;

    if (name[0] == '\0' || strlen(name) > VERSION_MAX_BYTES || !g_str_is_ascii(name) ||
        strchr(name, ' ') || !vf_text_check(name, VERSION, VERSION_MAX_BYTES, NULL)) {
        g_autofree char *shown = vf_text_excerpt(name, 60);
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
            _("a version is “%.60s”, but must be 1 to %d characters of ASCII without spaces "
              "and control characters"),
            shown, VERSION_MAX_BYTES);
        return FALSE;
    }
    if (vf_model_find_version(model, name)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the version “%s” is there twice"), name);
        return FALSE;
    }
    version = vf_version_new();
    version->name = g_strdup(name);
    g_ptr_array_add(model->versions, version);
    return TRUE;
}

gboolean
vf_migration_info_take_versions(VfModel *model, GPtrArray *names, GError **error)
{
    VfParameter *parameter;

    if (names->len == 0 || names->len > VF_MIGRATION_INFO_VERSIONS_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("it has %u versions, but must have 1 to %d"), names->len,
                    VF_MIGRATION_INFO_VERSIONS_MAX);
        return FALSE;
    }
    for (guint i = 0; i < names->len; i++)
        if (!add_version(model, names->pdata[i], error))
            return FALSE;
    parameter = vf_migration_info_parameter_new(VERSION, model->source, error);
    parameter->type = VF_PARAMETER_ENUM;
    parameter->allowed = g_new0(char *, names->len + 1);
    for (guint i = 0; i < names->len; i++)
        parameter->allowed[i] = g_strdup(names->pdata[i]);
    vf_model_add_parameter(model, parameter);
    model->version_parameter = g_strdup(VERSION);
    if (is_kernel(model->source))
        model->select_attribute = g_strdup(VF_MIGRATION_MODEL_ATTRIBUTE);
    return TRUE;
}

gboolean
vf_migration_info_list_take(GPtrArray *list, VfModel *model, GError **error)
{
    g_autoptr(VfModel) owned = model;
    guint i = 0;
    int order = -1;

    if (!vf_model_complete(model, error))
        return FALSE;
    while (i < list->len && (order = strcmp(((const VfModel *)list->pdata[i])->id, model->id)) < 0)
        i++;
    if (i < list->len && order == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("the model %s is there twice"), model->id);
        return FALSE;
    }
    if (list->len == VF_MIGRATION_INFO_MODELS_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED, _("more than %d models"),
                    VF_MIGRATION_INFO_MODELS_MAX);
        return FALSE;
    }
    g_ptr_array_insert(list, (int)i, g_steal_pointer(&owned));
    return TRUE;
}
