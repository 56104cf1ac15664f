/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "device.h"
#include "model-folders.h"
#include "parent.h"
#include "udev.h"

G_BEGIN_DECLS

/* What exists. Fed by VfUdev (monitor first, then enumeration, both through one handler); opens no
 * device.
 *
 * Signals: "device-added"(VfDevice), "device-removed"(VfDevice), "parent-added"(VfParent),
 * "parent-removed"(VfParent). */
#define VF_TYPE_REGISTRY (vf_registry_get_type())
G_DECLARE_FINAL_TYPE(VfRegistry, vf_registry, VF, REGISTRY, GObject)

/* Takes ownership of @models. @udev NULL (unit tests): whoever calls vf_registry_handle() is the
 * source of events. */
VfRegistry *vf_registry_new(VfUdev *udev, VfModels *models);

/* Listens, then enumerates; what exists has been announced when it returns. */
gboolean vf_registry_start(VfRegistry *self, GError **error);

/* One event, from the monitor or the enumeration. */
void vf_registry_handle(VfRegistry *self, const VfUdevEvent *event);

/* The loaded descriptors. */
const VfModels *vf_registry_get_models(VfRegistry *self);

/* Reads @device again now: drivers need not send an event when one of their attributes is written,
 * and the event that says that it has gone, or that another one is in its place, may be on its way:
 * then it is vf_device_is_gone() afterwards, and the registry's reference is given up. */
void vf_registry_refresh_device(VfRegistry *self, VfDevice *device);

/* By stable id (UUID or PCI address). No reference is passed. NULL when there is none. */
VfDevice *vf_registry_find_device(VfRegistry *self, const char *id);
VfParent *vf_registry_find_parent(VfRegistry *self, const char *id);
/* That of vf_device_get_inode() @inode, NULL when another one has its place. */
VfDevice *vf_registry_find_this_device(VfRegistry *self, const char *id, guint64 inode);

/* Free the list with g_ptr_array_unref(); it holds references, ordered by id. */
GPtrArray *vf_registry_list_devices(VfRegistry *self);
GPtrArray *vf_registry_list_parents(VfRegistry *self);

/* Completes when the device @id has been added and is complete (vf_device_is_complete(): uevents of
 * a creation come one after another), or fails with NOT_FOUND after @timeout_ms.
 * vf_registry_wait_finish() returns a new reference. */
void vf_registry_wait_async(VfRegistry *self, const char *id, guint timeout_ms,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
VfDevice *vf_registry_wait_finish(VfRegistry *self, GAsyncResult *result, GError **error);

G_END_DECLS
