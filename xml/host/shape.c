/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "shape.h"

VfShape *
vf_shape_new_for_offer(const VfCapabilitiesOffer *offer)
{
    VfShape *self = g_atomic_rc_box_new0(VfShape);

    self->model = g_strdup(offer->model);
    self->values = g_ptr_array_ref(offer->values);
    self->how = g_strdup(offer->how);
    self->type = g_strdup(offer->type);
    self->usable_by = g_strdupv(offer->usable_by);
    self->settable = g_strdupv(offer->settable);
    return self;
}

VfShape *
vf_shape_new_for_device(const VfCapabilitiesDevice *device)
{
    VfShape *self = g_atomic_rc_box_new0(VfShape);

    self->is_device = TRUE;
    self->model = g_strdup(device->model);
    self->values = g_ptr_array_ref(device->values);
    self->kind = g_strdup(device->kind);
    self->state = g_strdup(device->state);
    self->migration_source = g_strdup(device->migration_source);
    self->migration = device->migration;
    return self;
}

VfShape *
vf_shape_ref(VfShape *self)
{
    return g_atomic_rc_box_acquire(self);
}

static void
clear(gpointer data)
{
    VfShape *self = data;

    g_free(self->model);
    g_ptr_array_unref(self->values);
    g_free(self->how);
    g_free(self->type);
    g_strfreev(self->usable_by);
    g_strfreev(self->settable);
    g_free(self->kind);
    g_free(self->state);
    g_free(self->migration_source);
}

void
vf_shape_unref(VfShape *self)
{
    g_atomic_rc_box_release_full(self, clear);
}
