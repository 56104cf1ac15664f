/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* What udev says has happened, after its rules have run. Strings live as long as the call. */
typedef struct {
    const char *action; /* "add", "change", "bind", ...; the enumeration says "add" */
    const char *subsystem;
    const char *name;       /* the last component of the path */
    const char *sysfs_path; /* /sys/devices/... */
    const char *mdev_state; /* "registered", "unregistered", or NULL */
} VfUdevEvent;

/* Signals: "event"(VfUdevEvent *), on the main loop. "overrun": events were lost, enumerate again.
 */
#define VF_TYPE_UDEV (vf_udev_get_type())
G_DECLARE_FINAL_TYPE(VfUdev, vf_udev, VF, UDEV, GObject)

/* FAILED when there is no udev to listen to. */
VfUdev *vf_udev_new(GError **error);

/* One "event" with action "add" for each mdev, each mdev parent and each PCI function there is. */
gboolean vf_udev_enumerate(VfUdev *self, GError **error);

G_END_DECLS
