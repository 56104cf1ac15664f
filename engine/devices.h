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

/* What vf_devices_load_info() found. */
const VfBackendInfo *vf_devices_get_info(VfDevices *self, guint index);
gboolean vf_devices_load_info(VfDevices *self, GError **error);

/* DEVICE unless every device is in @state. */
gboolean vf_devices_expect(VfDevices *self, VfDeviceState state, GError **error);
/* The same for STOP, or what a mover that died on the way from there to RUNNING left. */
gboolean vf_devices_expect_loaded(VfDevices *self, GError **error);

gboolean vf_devices_set_state(VfDevices *self, guint index, VfDeviceState state, GError **error);

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
/* Every device to RUNNING, from whatever saving or stopped state it is in. Goes on after a failure
 * with the next device, and says which was the first to fail. A device in ERROR, or one in
 * RESUMING, which the kernel might start with half a state, is left alone. */
gboolean vf_devices_run(VfDevices *self, GError **error);

/* For each device what the world may know: running, stopped or failed-needs-reset. Free with
 * g_strfreev(). */
char **vf_devices_describe(VfDevices *self);

/* Prefixes @error with the device it is about when there are several. Returns FALSE. */
gboolean vf_devices_blame(VfDevices *self, guint index, GError **error);
