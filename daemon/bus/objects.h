/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "gate.h"
#include "registry.h"
#include "vferry-dbus.h"

G_BEGIN_DECLS

/* How the bus sees the rest: the object manager at /org/vferry1, the Manager beside it, and one
 * object for each model, device, parent, lease, job and domain, under paths that are opaque and
 * never used again.
 *
 * Signals: "device-exported"(VfDevice, VferryDevice *skeleton) and "parent-exported"(VfParent,
 * VferryParent *skeleton), before the object appears on the bus, so that those who implement Lend,
 * CreateDevice … can connect to the skeleton's handle-* signals. */
#define VF_TYPE_OBJECTS (vf_objects_get_type())
G_DECLARE_FINAL_TYPE(VfObjects, vf_objects, VF, OBJECTS, GObject)

VfObjects *vf_objects_new(VfRegistry *registry, VfGate *gate, GError **error);

/* Exports @manager (manager-object.h), makes objects of what the registry has, and follows that
 * from then on. They are on the bus from vf_objects_show() on, with no signal for each: nobody
 * listens yet, and with thousands of devices it would be two fifths of what a start costs. */
gboolean vf_objects_export(VfObjects *self, GDBusConnection *connection, VferryManager *manager,
                           GError **error);
void vf_objects_show(VfObjects *self, GDBusConnection *connection);

/* Connect handle-begin, handle-prepare … here. */
VferryManager *vf_objects_get_manager(VfObjects *self);

/* "/" when it has none. */
const char *vf_objects_get_device_path(VfObjects *self, VfDevice *device);
VfDevice *vf_objects_find_device(VfObjects *self, const char *object_path); /* NULL */
VfParent *vf_objects_find_parent(VfObjects *self, const char *object_path); /* NULL */

/* The object that @id means: an Id, a UUID, a PCI address, a sysfs path, or a unique prefix of an
 * Id of at least 4 characters. NOT_FOUND; INVALID_ARGUMENT, listing what it could be, when several
 * match. Stays the object's. */
const char *vf_objects_lookup(VfObjects *self, const char *id, GError **error);

/* The next object that appears below @prefix under @id has this path again: clients of an earlier
 * daemon still mean it. Nothing happens when the path is of another kind, or used. */
void vf_objects_expect(VfObjects *self, const char *prefix, const char *id, const char *path);

/* Guards and exports @skeleton (of a lease, a job …) at a new path below @prefix (VF_PATH_LEASE,
 * VF_PATH_JOB), findable by Manager.Lookup under @id, and returns the path, which stays the
 * skeleton's (g_dbus_interface_skeleton_get_object_path). */
const char *vf_objects_add(VfObjects *self, const char *prefix, const char *id,
                           GDBusInterfaceSkeleton *skeleton, VfGateOwnerFunc owner, gpointer data);
/* That of vf_objects_add(); NULL when there is none. No reference is passed. */
GDBusInterfaceSkeleton *vf_objects_find(VfObjects *self, const char *prefix,
                                        const char *object_path);
void vf_objects_remove(VfObjects *self, GDBusInterfaceSkeleton *skeleton);

G_END_DECLS
