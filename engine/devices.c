/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "devices.h"

#include <glib/gi18n-lib.h>

#include "error.h"

typedef struct {
    VfBackend *backend;
    VfBackendInfo info;
    gboolean in_precopy;
    gboolean quiet;
    gboolean refused; /* a change of state that had to succeed did not */
} Device;

struct VfDevices {
    GArray *items; /* of Device */
    gboolean use_p2p;
};

static Device *
device_at(VfDevices *self, guint index)
{
    g_assert(index < self->items->len);
    return &g_array_index(self->items, Device, index);
}

VfDevices *
vf_devices_new(GPtrArray *backends)
{
    VfDevices *self = g_new0(VfDevices, 1);

    self->items = g_array_sized_new(FALSE, TRUE, sizeof(Device), backends->len);
    for (guint i = 0; i < backends->len; i++) {
        Device device = {.backend = backends->pdata[i]};
        g_array_append_val(self->items, device);
    }
    return self;
}

void
vf_devices_free(VfDevices *self)
{
    for (guint i = 0; i < self->items->len; i++)
        vf_backend_free(device_at(self, i)->backend);
    g_array_unref(self->items);
    g_free(self);
}

guint
vf_devices_get_count(VfDevices *self)
{
    return self->items->len;
}

VfBackend *
vf_devices_get(VfDevices *self, guint index)
{
    return device_at(self, index)->backend;
}

const VfBackendInfo *
vf_devices_get_info(VfDevices *self, guint index)
{
    return &device_at(self, index)->info;
}

gboolean
vf_devices_in_precopy(VfDevices *self, guint index)
{
    return device_at(self, index)->in_precopy;
}

gboolean
vf_devices_blame(VfDevices *self, guint index, GError **error)
{
    if (self->items->len > 1)
        g_prefix_error(error, _("device %u: "), index);
    return FALSE;
}

gboolean
vf_devices_load_info(VfDevices *self, GError **error)
{
    self->use_p2p = self->items->len > 1;
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        if (!vf_backend_get_info(device->backend, &device->info, error))
            return vf_devices_blame(self, i, error);
        self->use_p2p = self->use_p2p && (device->info.flags & VF_BACKEND_P2P);
    }
    return TRUE;
}

static gboolean
expect(VfDevices *self, VfDeviceState state, gboolean or_running, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        VfDeviceState now;
        if (!vf_backend_get_state(device_at(self, i)->backend, &now, error))
            return vf_devices_blame(self, i, error);
        if (now == state ||
            (or_running && (now == VF_STATE_RUNNING || now == VF_STATE_RUNNING_P2P)))
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device is in state %s, but must be in %s"), vf_backend_state_name(now),
                    vf_backend_state_name(state));
        return vf_devices_blame(self, i, error);
    }
    return TRUE;
}

gboolean
vf_devices_expect(VfDevices *self, VfDeviceState state, GError **error)
{
    return expect(self, state, FALSE, error);
}

gboolean
vf_devices_expect_loaded(VfDevices *self, GError **error)
{
    return expect(self, VF_STATE_STOP, TRUE, error);
}

gboolean
vf_devices_set_state(VfDevices *self, guint index, VfDeviceState state, GError **error)
{
    if (vf_backend_set_state(device_at(self, index)->backend, state, error))
        return TRUE;
    return vf_devices_blame(self, index, error);
}

static gboolean
set_all(VfDevices *self, VfDeviceState state, GError **error)
{
    for (guint i = 0; i < self->items->len; i++)
        if (!vf_devices_set_state(self, i, state, error))
            return FALSE;
    return TRUE;
}

gboolean
vf_devices_start_precopy(VfDevices *self, gboolean allowed, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        if (!allowed || !(device->info.flags & VF_BACKEND_PRE_COPY))
            continue;
        vf_backend_want_reinit(device->backend);
        if (!vf_devices_set_state(self, i, VF_STATE_PRE_COPY, error))
            return FALSE;
        device->in_precopy = TRUE;
    }
    return TRUE;
}

/* One device by itself has no peers to wait for, and is quieted for what it can still say. */
static gboolean
may_quiesce(VfDevices *self, const Device *device)
{
    return self->use_p2p ||
           (self->items->len == 1 && device->in_precopy && (device->info.flags & VF_BACKEND_P2P));
}

gboolean
vf_devices_quiesce(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        VfDeviceState quiet = device->in_precopy ? VF_STATE_PRE_COPY_P2P : VF_STATE_RUNNING_P2P;
        if (device->quiet || !may_quiesce(self, device))
            continue;
        if (!vf_devices_set_state(self, i, quiet, error))
            return FALSE;
        device->quiet = TRUE;
    }
    return TRUE;
}

gboolean
vf_devices_unquiesce(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        VfDeviceState loud = device->in_precopy ? VF_STATE_PRE_COPY : VF_STATE_RUNNING;
        if (device->quiet && !vf_devices_set_state(self, i, loud, error))
            return FALSE;
        device->quiet = FALSE;
    }
    return TRUE;
}

gboolean
vf_devices_stop_copy(VfDevices *self, GError **error)
{
    if (!vf_devices_quiesce(self, error) || !set_all(self, VF_STATE_STOP_COPY, error))
        return FALSE;
    for (guint i = 0; i < self->items->len; i++)
        device_at(self, i)->in_precopy = device_at(self, i)->quiet = FALSE;
    return TRUE;
}

gboolean
vf_devices_stop(VfDevices *self, GError **error)
{
    return set_all(self, VF_STATE_STOP, error);
}

static gboolean
runs(VfDeviceState state)
{
    return state == VF_STATE_RUNNING || state == VF_STATE_RUNNING_P2P ||
           state == VF_STATE_PRE_COPY || state == VF_STATE_PRE_COPY_P2P;
}

/* The kernel composes the path, but when it fails half-way on an arc, the rest may still be
 * possible: once more from STOP. */
static gboolean
bring(Device *device, VfDeviceState target, GError **error)
{
    VfDeviceState now;

    if (!vf_backend_get_state(device->backend, &now, error))
        return FALSE;
    if (now == target)
        return TRUE;
    if (now == VF_STATE_ERROR || now == VF_STATE_RESUMING) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device is in state %s and needs a reset"), vf_backend_state_name(now));
        return FALSE;
    }
    if (vf_backend_set_state(device->backend, target, NULL))
        return TRUE;
    if (!vf_backend_set_state(device->backend, VF_STATE_STOP, error))
        return FALSE;
    return vf_backend_set_state(device->backend, target, error);
}

/* A device that refuses RUNNING is left in RUNNING_P2P, where it runs all but for its peers. Nobody
 * counts it as running then, and the other side may be told to run: this one must stand. */
static void
stand(Device *device)
{
    VfDeviceState now;

    if (vf_backend_get_state(device->backend, &now, NULL) && runs(now))
        (void)vf_backend_set_state(device->backend, VF_STATE_STOP, NULL);
}

static gboolean
run_one(VfDevices *self, guint index, VfDeviceState target, GError **error)
{
    Device *device = device_at(self, index);
    g_autoptr(GError) local = NULL;

    if (device->refused)
        return FALSE;
    device->in_precopy = FALSE;
    if (bring(device, target, &local))
        return TRUE;
    stand(device);
    device->refused = TRUE;
    vf_devices_blame(self, index, &local);
    if (error && !*error)
        g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
vf_devices_run(VfDevices *self, GError **error)
{
    g_autoptr(GError) first = NULL;

    for (guint i = 0; self->use_p2p && i < self->items->len; i++) {
        VfDeviceState now;
        /* one that runs already has nothing to wait for */
        if (vf_backend_get_state(device_at(self, i)->backend, &now, NULL) &&
            now == VF_STATE_RUNNING)
            continue;
        run_one(self, i, VF_STATE_RUNNING_P2P, &first);
    }
    for (guint i = 0; i < self->items->len; i++)
        run_one(self, i, VF_STATE_RUNNING, &first);
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

static const char *
describe(Device *device)
{
    VfDeviceState now;

    if (!vf_backend_get_state(device->backend, &now, NULL))
        return "failed-needs-reset";
    if (runs(now))
        return "running"; /* whatever it refused before */
    if (!device->refused && (now == VF_STATE_STOP || now == VF_STATE_STOP_COPY))
        return "stopped";
    return "failed-needs-reset";
}

char **
vf_devices_describe(VfDevices *self)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (guint i = 0; i < self->items->len; i++)
        g_strv_builder_add(names, describe(device_at(self, i)));
    return g_strv_builder_end(names);
}
