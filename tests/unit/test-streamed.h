/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xml/host/capabilities-stream.h"

/* A visitor that puts the document together again: data is a VfCapabilities. */

static inline void
test_take_host(const char *id, const char *name, const char *arch, const char *kernel,
               gpointer data)
{
    VfCapabilities *self = data;

    self->host_id = g_strdup(id);
    self->host_name = g_strdup(name);
    self->arch = g_strdup(arch);
    self->kernel = g_strdup(kernel);
}

static inline void
test_take_model(VfModel *model, gpointer data)
{
    g_ptr_array_add(((VfCapabilities *)data)->models, vf_model_ref(model));
}

static inline void
test_take_parent(const VfCapabilitiesParent *parent, gpointer data)
{
    VfCapabilitiesParent *copy = vf_capabilities_parent_new(parent->id, parent->path);

    g_free(copy->kind);
    copy->kind = g_strdup(parent->kind);
    copy->driver = g_strdup(parent->driver);
    g_ptr_array_add(((VfCapabilities *)data)->parents, copy);
}

static inline void
test_take_offer(const char *id, guint64 left, VfShape *shape, gpointer data)
{
    VfCapabilities *self = data;
    VfCapabilitiesParent *parent = self->parents->pdata[self->parents->len - 1];
    VfCapabilitiesOffer *offer = vf_capabilities_offer_new(id);

    g_assert_false(shape->is_device);
    offer->left = left;
    offer->model = g_strdup(shape->model);
    g_free(offer->how);
    offer->how = g_strdup(shape->how);
    offer->type = g_strdup(shape->type);
    offer->usable_by = g_strdupv(shape->usable_by);
    offer->settable = g_strdupv(shape->settable);
    g_ptr_array_unref(offer->values);
    offer->values = g_ptr_array_ref(shape->values);
    g_ptr_array_add(parent->offers, offer);
}

static inline void
test_take_device(const char *id, const char *path, const char *parent, VfShape *shape,
                 gpointer data)
{
    VfCapabilitiesDevice *device = vf_capabilities_device_new(id, path);

    g_assert_true(shape->is_device);
    device->parent = g_strdup(parent);
    g_free(device->kind);
    device->kind = g_strdup(shape->kind);
    device->model = g_strdup(shape->model);
    g_free(device->state);
    device->state = g_strdup(shape->state);
    g_free(device->migration_source);
    device->migration_source = g_strdup(shape->migration_source);
    device->migration = shape->migration;
    g_ptr_array_unref(device->values);
    device->values = g_ptr_array_ref(shape->values);
    g_ptr_array_add(((VfCapabilities *)data)->devices, device);
}

static const VfCapabilitiesVisitor test_streamed = {
    test_take_host, test_take_model, test_take_parent, test_take_offer, test_take_device};
