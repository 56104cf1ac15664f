/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* The devices of one job, walked through their states together. Errors say which device and which
 * state. With several devices that all know the P2P states, none runs while another may still send
 * to it what it could not take (linux/vfio.h, "RUNNING_P2P"). */
typedef struct VfDevices VfDevices;

/* Takes ownership of the backends in @backends (GPtrArray of VfBackend *, without free function).
 */
VfDevices *vf_devices_new(GPtrArray *backends);
void vf_devices_free(VfDevices *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfDevices, vf_devices_free)

guint vf_devices_get_count(VfDevices *self);
VfBackend *vf_devices_get(VfDevices *self, guint index);

/* What vf_devices_load_info() found, which asks every device and says which was the first to fail.
 */
const VfBackendInfo *vf_devices_get_info(VfDevices *self, guint index);
gboolean vf_devices_load_info(VfDevices *self, GError **error);

/* What a session, or a mover that has gone, did to a device, and what it found. A reset, by the
 * device's holder, by the driver or by the kernel, takes a device to RUNNING from wherever it is:
 * without its state, and without a word to whoever has it open. */
typedef enum {
    VF_DEVICE_TOUCHED = 1 << 0, /* asked to change its state */
    VF_DEVICE_AWAY = 1 << 1,    /* has left RUNNING: found there, it was reset */
    VF_DEVICE_RESET = 1 << 2,   /* was found so: its state is lost */
} VfDevicePast;
/* Said before a device is touched, once it is away, and when it is found to be reset. FALSE with
 * @error only refuses the first. */
typedef gboolean (*VfDevicesWitness)(VfDevicePast what, guint index, gpointer data, GError **error);
void vf_devices_set_witness(VfDevices *self, VfDevicesWitness witness, gpointer data);
void vf_devices_set_past(VfDevices *self, guint index, VfDevicePast past);
/* Whether any device has it. */
gboolean vf_devices_have_past(VfDevices *self, VfDevicePast past);

/* DEVICE unless every device is in @state. */
gboolean vf_devices_expect(VfDevices *self, VfMigrationState state, GError **error);
/* The same for STOP, or what a mover that died on the way from there to RUNNING left. */
gboolean vf_devices_expect_loaded(VfDevices *self, GError **error);
/* Notes the devices that were reset; whether there is one that was not known. */
gboolean vf_devices_look_for_resets(VfDevices *self);

/* One arc. The device is asked before and after it: drivers carry out a reset late, when the change
 * of state lets go of its lock (drivers/vfio/pci/mlx5/main.c, mlx5vf_state_mutex_unlock). A reset
 * between a question and the change itself cannot be told. */
gboolean vf_devices_set_state(VfDevices *self, guint index, VfMigrationState from,
                              VfMigrationState to, GError **error);

/* Every device that can and may (@allowed) to PRE_COPY. */
gboolean vf_devices_start_precopy(VfDevices *self, gboolean allowed, GError **error);
gboolean vf_devices_in_precopy(VfDevices *self, guint index);
/* The step before STOP_COPY, where the devices have it: they still run, but for their peers, and
 * can still say what pre-copy has left. And the way back, to PRE_COPY and RUNNING. */
gboolean vf_devices_quiesce(VfDevices *self, GError **error);
gboolean vf_devices_unquiesce(VfDevices *self, GError **error);

/* Every device, from RUNNING or PRE_COPY, to STOP_COPY. */
gboolean vf_devices_stop_copy(VfDevices *self, GError **error);
gboolean vf_devices_stop(VfDevices *self, GError **error);
/* Every device that was touched to RUNNING, from whatever saving or stopped state it is in; who has
 * stopped another starts it. Goes on after a failure with the next device, and says which was the
 * first to fail. A device in ERROR, or one in RESUMING, which the kernel might start with half a
 * state, is left alone. One that was reset is no failure, and vf_devices_describe() says so. */
gboolean vf_devices_run(VfDevices *self, GError **error);

/* Every device that was reset to STOP. BUSY when another one runs. */
gboolean vf_devices_stop_reset(VfDevices *self, GError **error);

/* For each device what the world may know: running, stopped or failed-needs-reset, also of one
 * that was reset and runs without its state. Free with g_strfreev(). */
char **vf_devices_describe(VfDevices *self);

/* Prefixes @error with the device it is about when there are several. Returns FALSE. */
gboolean vf_devices_blame(VfDevices *self, guint index, GError **error);
