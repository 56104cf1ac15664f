/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "capabilities.h"

VfCapabilitiesOffer *
vf_capabilities_offer_new(const char *id)
{
    VfCapabilitiesOffer *self = g_new0(VfCapabilitiesOffer, 1);

    self->id = g_strdup(id);
    self->how = g_strdup("create");
    self->values = vf_value_list_new();
    return self;
}

void
vf_capabilities_offer_free(VfCapabilitiesOffer *self)
{
    g_free(self->id);
    g_free(self->model);
    g_free(self->how);
    g_free(self->type);
    g_strfreev(self->usable_by);
    g_ptr_array_unref(self->values);
    g_strfreev(self->settable);
    g_free(self);
}

VfCapabilitiesParent *
vf_capabilities_parent_new(const char *id, const char *path)
{
    VfCapabilitiesParent *self = g_new0(VfCapabilitiesParent, 1);

    self->id = g_strdup(id);
    self->kind = g_strdup("mdev");
    self->path = g_strdup(path);
    self->offers = g_ptr_array_new_with_free_func((GDestroyNotify)vf_capabilities_offer_free);
    return self;
}

void
vf_capabilities_parent_free(VfCapabilitiesParent *self)
{
    g_free(self->id);
    g_free(self->kind);
    g_free(self->path);
    g_free(self->driver);
    g_ptr_array_unref(self->offers);
    g_free(self);
}

VfCapabilitiesDevice *
vf_capabilities_device_new(const char *id, const char *path)
{
    VfCapabilitiesDevice *self = g_new0(VfCapabilitiesDevice, 1);

    self->id = g_strdup(id);
    self->kind = g_strdup("mdev");
    self->path = g_strdup(path);
    self->state = g_strdup("unknown");
    self->values = vf_value_list_new();
    self->migration_source = g_strdup("unknown");
    return self;
}

void
vf_capabilities_device_free(VfCapabilitiesDevice *self)
{
    g_free(self->id);
    g_free(self->kind);
    g_free(self->path);
    g_free(self->parent);
    g_free(self->model);
    g_free(self->state);
    g_ptr_array_unref(self->values);
    g_free(self->migration_source);
    g_free(self);
}

VfCapabilities *
vf_capabilities_new(const char *host_id)
{
    VfCapabilities *self = g_new0(VfCapabilities, 1);

    self->host_id = g_strdup(host_id);
    self->models = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
    self->parents = g_ptr_array_new_with_free_func((GDestroyNotify)vf_capabilities_parent_free);
    self->devices = g_ptr_array_new_with_free_func((GDestroyNotify)vf_capabilities_device_free);
    return self;
}

void
vf_capabilities_free(VfCapabilities *self)
{
    g_free(self->host_id);
    g_free(self->host_name);
    g_free(self->arch);
    g_free(self->kernel);
    g_ptr_array_unref(self->models);
    g_ptr_array_unref(self->parents);
    g_ptr_array_unref(self->devices);
    g_free(self);
}

VfModel *
vf_capabilities_find_model(const VfCapabilities *self, const char *id)
{
    for (guint i = 0; i < self->models->len; i++) {
        VfModel *model = self->models->pdata[i];
        if (g_str_equal(model->id, id))
            return model;
    }
    return NULL;
}

void
vf_capabilities_add_model(VfCapabilities *self, VfModel *model)
{
    if (!vf_capabilities_find_model(self, model->id))
        g_ptr_array_add(self->models, vf_model_ref(model));
}
