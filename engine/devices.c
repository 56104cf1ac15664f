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
    VfDevicePast past;
} Device;

struct VfDevices {
    GArray *items; /* of Device */
    gboolean use_p2p;
    VfDevicesWitness witness;
    gpointer witness_data;
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
    g_autoptr(GError) first = NULL;

    self->use_p2p = self->items->len > 1;
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        g_autoptr(GError) local = NULL;
        if (vf_backend_get_info(device->backend, &device->info, &local)) {
            self->use_p2p = self->use_p2p && (device->info.flags & VF_BACKEND_P2P);
            continue;
        }
        vf_devices_blame(self, i, &local);
        if (!first)
            first = g_steal_pointer(&local);
    }
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

void
vf_devices_set_witness(VfDevices *self, VfDevicesWitness witness, gpointer data)
{
    self->witness = witness;
    self->witness_data = data;
}

void
vf_devices_set_past(VfDevices *self, guint index, VfDevicePast past)
{
    device_at(self, index)->past = past;
}

gboolean
vf_devices_have_past(VfDevices *self, VfDevicePast past)
{
    for (guint i = 0; i < self->items->len; i++)
        if (device_at(self, i)->past & past)
            return TRUE;
    return FALSE;
}

/* What is new of a device. */
static gboolean
learn(VfDevices *self, guint index, VfDevicePast what, GError **error)
{
    Device *device = device_at(self, index);

    if ((device->past & what) != 0)
        return TRUE;
    if (self->witness && !self->witness(what, index, self->witness_data, error))
        return FALSE; /* it is not touched, then */
    device->past |= what;
    return TRUE;
}

static gboolean
get_state(VfDevices *self, guint index, VfMigrationState *state, GError **error)
{
    Device *device = device_at(self, index);

    if (!vf_backend_get_state(device->backend, state, error))
        return FALSE;
    if (*state == VF_STATE_RUNNING && (device->past & VF_DEVICE_AWAY))
        learn(self, index, VF_DEVICE_RESET, NULL);
    return TRUE;
}

static gboolean
refuse(VfDevices *self, guint index, VfMigrationState now, VfMigrationState expected,
       GError **error)
{
    if (device_at(self, index)->past & VF_DEVICE_RESET)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device was reset meanwhile, its state is lost: expected %s, is %s"),
                    vf_backend_state_name(expected), vf_backend_state_name(now));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device is in state %s, but must be in %s"), vf_backend_state_name(now),
                    vf_backend_state_name(expected));
    return FALSE;
}

static gboolean
expect_one(VfDevices *self, guint index, VfMigrationState state, GError **error)
{
    VfMigrationState now;

    return get_state(self, index, &now, error) &&
           (now == state || refuse(self, index, now, state, error));
}

gboolean
vf_devices_expect(VfDevices *self, VfMigrationState state, GError **error)
{
    for (guint i = 0; i < self->items->len; i++)
        if (!expect_one(self, i, state, error))
            return vf_devices_blame(self, i, error);
    return TRUE;
}

gboolean
vf_devices_expect_loaded(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        gboolean reset;
        VfMigrationState now;
        if (!get_state(self, i, &now, error))
            return vf_devices_blame(self, i, error);
        reset = (device_at(self, i)->past & VF_DEVICE_RESET) != 0;
        if (reset ||
            (now != VF_STATE_STOP && now != VF_STATE_RUNNING && now != VF_STATE_RUNNING_P2P))
            return refuse(self, i, now, VF_STATE_STOP, error) || vf_devices_blame(self, i, error);
    }
    return TRUE;
}

gboolean
vf_devices_look_for_resets(VfDevices *self)
{
    gboolean found = FALSE;
    VfMigrationState now;

    for (guint i = 0; i < self->items->len; i++) {
        VfDevicePast before = device_at(self, i)->past;
        (void)get_state(self, i, &now, NULL);
        found = found || device_at(self, i)->past != before;
    }
    return found;
}

static gboolean
step(VfDevices *self, guint index, VfMigrationState from, VfMigrationState to, GError **error)
{
    Device *device = device_at(self, index);

    if (!expect_one(self, index, from, error))
        return FALSE;
    if (!vf_backend_set_state(device->backend, from, to, error)) {
        if (device->backend->began_anew)
            learn(self, index, VF_DEVICE_RESET, NULL);
        return FALSE;
    }
    if (to == VF_STATE_RUNNING)
        device->past &= ~(VfDevicePast)VF_DEVICE_AWAY;
    else
        learn(self, index, VF_DEVICE_AWAY, NULL);
    return expect_one(self, index, to, error);
}

/* Who has it open meanwhile may have stopped it before its turn came: it is asked before it is
 * touched, too. */
gboolean
vf_devices_set_state(VfDevices *self, guint index, VfMigrationState from, VfMigrationState to,
                     GError **error)
{
    gboolean touched = (device_at(self, index)->past & VF_DEVICE_TOUCHED) != 0;

    if ((touched ||
         (expect_one(self, index, from, error) && learn(self, index, VF_DEVICE_TOUCHED, error))) &&
        step(self, index, from, to, error))
        return TRUE;
    return vf_devices_blame(self, index, error);
}

gboolean
vf_devices_start_precopy(VfDevices *self, gboolean allowed, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        if (!allowed || !(device->info.flags & VF_BACKEND_PRE_COPY))
            continue;
        vf_backend_want_reinit(device->backend);
        if (!vf_devices_set_state(self, i, VF_STATE_RUNNING, VF_STATE_PRE_COPY, error))
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

static VfMigrationState
loud_state(const Device *device)
{
    return device->in_precopy ? VF_STATE_PRE_COPY : VF_STATE_RUNNING;
}

static VfMigrationState
quiet_state(const Device *device)
{
    return device->in_precopy ? VF_STATE_PRE_COPY_P2P : VF_STATE_RUNNING_P2P;
}

gboolean
vf_devices_quiesce(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        if (device->quiet || !may_quiesce(self, device))
            continue;
        if (!vf_devices_set_state(self, i, loud_state(device), quiet_state(device), error))
            return FALSE;
        device->quiet = TRUE;
    }
    return TRUE;
}

/* Found in RUNNING from here on, it is where it was left. */
static gboolean
go_home(VfDevices *self, guint index, GError **error)
{
    return !self->witness || self->witness(VF_DEVICE_TOUCHED, index, self->witness_data, error);
}

gboolean
vf_devices_unquiesce(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        VfMigrationState loud = loud_state(device);
        if (device->quiet && loud == VF_STATE_RUNNING && !go_home(self, i, error))
            return vf_devices_blame(self, i, error);
        if (device->quiet && !vf_devices_set_state(self, i, quiet_state(device), loud, error))
            return FALSE;
        device->quiet = FALSE;
    }
    return TRUE;
}

gboolean
vf_devices_stop_copy(VfDevices *self, GError **error)
{
    if (!vf_devices_quiesce(self, error))
        return FALSE;
    for (guint i = 0; i < self->items->len; i++) {
        Device *device = device_at(self, i);
        VfMigrationState from = device->quiet ? quiet_state(device) : loud_state(device);
        if (!vf_devices_set_state(self, i, from, VF_STATE_STOP_COPY, error))
            return FALSE;
        device->in_precopy = device->quiet = FALSE;
    }
    return TRUE;
}

gboolean
vf_devices_stop(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++)
        if (!vf_devices_set_state(self, i, VF_STATE_STOP_COPY, VF_STATE_STOP, error))
            return FALSE;
    return TRUE;
}

static gboolean
runs(VfMigrationState state)
{
    return state == VF_STATE_RUNNING || state == VF_STATE_RUNNING_P2P ||
           state == VF_STATE_PRE_COPY || state == VF_STATE_PRE_COPY_P2P;
}

/* Of one that was not reset. */
static gboolean
get_stateful(VfDevices *self, guint index, VfMigrationState *state, GError **error)
{
    if (!get_state(self, index, state, error))
        return FALSE;
    return !(device_at(self, index)->past & VF_DEVICE_RESET) ||
           refuse(self, index, *state, VF_STATE_STOP, error);
}

/* The kernel composes the path, but when it fails half-way on an arc, the rest may still be
 * possible: once more from STOP. */
static gboolean
bring(VfDevices *self, guint index, VfMigrationState target, GError **error)
{
    VfMigrationState now;

    if (!get_stateful(self, index, &now, error))
        return FALSE;
    if (now == target)
        return TRUE;
    if (now == VF_STATE_ERROR || now == VF_STATE_RESUMING) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device is in state %s and needs a reset"), vf_backend_state_name(now));
        return FALSE;
    }
    if (step(self, index, now, target, NULL))
        return TRUE;
    return get_stateful(self, index, &now, error) && step(self, index, now, VF_STATE_STOP, error) &&
           step(self, index, VF_STATE_STOP, target, error);
}

/* A device that refuses RUNNING is left in RUNNING_P2P, where it runs all but for its peers. Nobody
 * counts it as running then, and the other side may be told to run: this one must stand. One that
 * was reset has nothing to run with, and is left as it is: that it runs tells of the reset. */
static void
stand(Device *device)
{
    VfMigrationState now;

    if (!(device->past & VF_DEVICE_RESET) && vf_backend_get_state(device->backend, &now, NULL) &&
        runs(now))
        (void)vf_backend_set_state(device->backend, now, VF_STATE_STOP, NULL);
}

/* One that was reset may have been moved since: the kernel goes on to where it was asked to go, and
 * a discard stops it (vf_devices_stop_reset()). */
static gboolean
bring_reset(Device *device, GError **error)
{
    VfMigrationState now;

    return vf_backend_get_state(device->backend, &now, error) &&
           (now == VF_STATE_RUNNING ||
            vf_backend_set_state(device->backend, now, VF_STATE_RUNNING, error));
}

static gboolean
run_one(VfDevices *self, guint index, VfMigrationState target, GError **error)
{
    Device *device = device_at(self, index);
    g_autoptr(GError) local = NULL;

    if (device->refused)
        return FALSE;
    device->in_precopy = FALSE;
    if (device->past & VF_DEVICE_RESET ? bring_reset(device, &local)
                                       : bring(self, index, target, &local))
        return TRUE;
    stand(device);
    device->refused = TRUE;
    vf_devices_blame(self, index, &local);
    if (error && !*error)
        g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* Those that are known to be reset were an error before, or are none, and have no state that they
 * could pass to another. One that could not say what it can is not asked for what it may not have.
 */
static gboolean
is_quiet_first(Device *device)
{
    return (device->past & (VF_DEVICE_TOUCHED | VF_DEVICE_RESET)) == VF_DEVICE_TOUCHED &&
           (device->info.flags & VF_BACKEND_P2P);
}

gboolean
vf_devices_run(VfDevices *self, GError **error)
{
    g_autoptr(GError) first = NULL;

    for (guint i = 0; self->use_p2p && i < self->items->len; i++) {
        VfMigrationState now;
        /* one that runs already has nothing to wait for */
        if (!is_quiet_first(device_at(self, i)) ||
            (vf_backend_get_state(device_at(self, i)->backend, &now, NULL) &&
             now == VF_STATE_RUNNING))
            continue;
        run_one(self, i, VF_STATE_RUNNING_P2P, &first);
    }
    for (guint i = 0; i < self->items->len; i++)
        if (device_at(self, i)->past & VF_DEVICE_TOUCHED)
            run_one(self, i, VF_STATE_RUNNING, &first);
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

gboolean
vf_devices_stop_reset(VfDevices *self, GError **error)
{
    for (guint i = 0; i < self->items->len; i++) {
        VfMigrationState now;
        if (!get_state(self, i, &now, error))
            return vf_devices_blame(self, i, error);
        if (!runs(now))
            continue;
        if (!(device_at(self, i)->past & VF_DEVICE_RESET)) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                        _("the device is in state %s, and it is not known that it was reset"),
                        vf_backend_state_name(now));
            return vf_devices_blame(self, i, error);
        }
        if (!step(self, i, now, VF_STATE_STOP, error))
            return vf_devices_blame(self, i, error);
    }
    return TRUE;
}

static const char *
describe(VfDevices *self, guint index)
{
    Device *device = device_at(self, index);
    VfMigrationState now;

    if (!get_state(self, index, &now, NULL) || (device->past & VF_DEVICE_RESET))
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
        g_strv_builder_add(names, describe(self, i));
    return g_strv_builder_end(names);
}
