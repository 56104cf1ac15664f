/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "requirement.h"

#include <glib/gi18n-lib.h>

#include "error.h"

VfRequirement *
vf_requirement_new(const char *model_id, const char *digest)
{
    VfRequirement *self = g_atomic_rc_box_new0(VfRequirement);

    self->model = g_strdup(model_id);
    self->digest = g_strdup(digest);
    self->values = vf_value_list_new();
    return self;
}

/* Whether a device with @value is as if it did not have the parameter. */
static gboolean
is_off(const VfParameter *parameter, const char *value)
{
    g_autofree char *canonical = NULL;

    if (!value || !parameter->off)
        return FALSE;
    canonical = vf_parameter_canonicalize(parameter, value, NULL);
    return g_strcmp0(canonical, parameter->off) == 0;
}

static void
require(VfRequirement *self, const VfParameter *parameter, const char *value, const char *evidence)
{
    if (parameter->compare != VF_COMPARE_IGNORE && !is_off(parameter, value))
        vf_value_list_set(self->values, parameter->name, value, evidence);
}

VfRequirement *
vf_requirement_new_for_device(const VfModel *model, GPtrArray *known)
{
    VfRequirement *self = vf_requirement_new(model->id, model->digest);

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];
        const VfValue *value = vf_value_list_find(known, parameter->name);
        require(self, parameter, value ? value->value : NULL, value ? value->evidence : NULL);
    }
    return self;
}

VfRequirement *
vf_requirement_new_for_version(const VfModel *model, const char *name, GError **error)
{
    const VfVersion *version = vf_model_find_version(model, name);
    VfRequirement *self;

    if (!version) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("the model %s has no version “%s”"), model->id, name);
        return NULL;
    }
    self = vf_requirement_new(model->id, model->digest);
    if (model->version_parameter)
        require(self, vf_model_find_parameter(model, model->version_parameter), version->name,
                VF_EVIDENCE_VERSION);
    for (guint i = 0; i < version->values->len; i++) {
        const VfValue *value = version->values->pdata[i];
        require(self, vf_model_find_parameter(model, value->name), value->value,
                VF_EVIDENCE_VERSION);
    }
    return self;
}

static void
clear(gpointer data)
{
    VfRequirement *self = data;

    g_free(self->model);
    g_free(self->digest);
    g_free(self->version);
    g_ptr_array_unref(self->values);
}

VfRequirement *
vf_requirement_ref(VfRequirement *self)
{
    return g_atomic_rc_box_acquire(self);
}

void
vf_requirement_unref(VfRequirement *self)
{
    g_atomic_rc_box_release_full(self, clear);
}
