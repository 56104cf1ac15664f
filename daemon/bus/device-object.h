/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device.h"
#include "vferry-dbus.h"

/* org.vferry1.Device of @device: its properties follow the device's, and it answers GetXml. */
VferryDevice *vf_device_object_new(VfDevice *device);

/* The object path, "/" for none. */
void vf_device_object_set_parent(VferryDevice *skeleton, const char *path);
