/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "progress.h"

/* How far a session is: written by its thread, read by any. done never falls; total is done and
 * what is still expected, never falls before the end, and is done at the end. */
typedef struct VfMeter VfMeter;

VfMeter *vf_meter_new(guint n_devices);
void vf_meter_free(VfMeter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfMeter, vf_meter_free)

void vf_meter_add(VfMeter *self, guint device, guint64 bytes);
/* What is still expected beyond what was added so far. */
void vf_meter_set_rest(VfMeter *self, guint64 bytes);
/* Of a subject, whose data others move: so many bytes in all, so many to come. No device's. */
void vf_meter_reach(VfMeter *self, guint64 done, guint64 rest);
void vf_meter_set_precopy(VfMeter *self, guint round, guint64 dirty, guint64 initial_left);
void vf_meter_set_expected_downtime(VfMeter *self, guint64 microseconds);
/* Nothing more comes. */
void vf_meter_complete(VfMeter *self);

/* @devices (nullable): room for the bytes of each device, which @progress then points to. */
void vf_meter_get(VfMeter *self, VfProgress *progress, guint64 *devices);
guint64 vf_meter_get_device(VfMeter *self, guint device);
