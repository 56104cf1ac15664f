/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"

G_BEGIN_DECLS

/* What an administrator does to one device, without a migration: Parent.CreateDevice,
 * Device.Remove, Device.Probe. */
#define VF_TYPE_DEVICE_CALLS (vf_device_calls_get_type())
G_DECLARE_FINAL_TYPE(VfDeviceCalls, vf_device_calls, VF, DEVICE_CALLS, GObject)

VfDeviceCalls *vf_device_calls_new(const VfContext *context);

G_END_DECLS
