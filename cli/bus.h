/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "address.h"
#include "cli.h"
#include "vferry.h"

/* A connection to one daemon, wherever it is. */
typedef struct VfBus VfBus;

/* @address NULL: this host's system bus. Does not fail when the daemon is not there; the first call
 * does. */
VfBus *vf_bus_new(const VfCli *cli, const char *address, GError **error);
void vf_bus_free(VfBus *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfBus, vf_bus_free)

/* All of these stay the bus's. */
const char *vf_bus_get_label(VfBus *self);
const VfAddress *vf_bus_get_address(VfBus *self);
GDBusConnection *vf_bus_get_connection(VfBus *self);
VferryManager *vf_bus_get_manager(VfBus *self);

/* Whether the daemon is at another host, behind ssh. */
gboolean vf_bus_is_remote(VfBus *self);

/* Whether @error says that the object of a call is not there (any more). */
gboolean vf_bus_is_gone(const GError *error);

/* Whether the daemon announces @feature (Manager.Features); starts it when it does not run. */
gboolean vf_bus_has_feature(VfBus *self, const char *feature);

/* For every call that may need authorisation: polkit may ask when somebody can answer. */
GDBusCallFlags vf_bus_get_call_flags(VfBus *self);
/* Milliseconds: long enough to type a password where polkit may ask. */
int vf_bus_get_timeout(VfBus *self);

/* The object path of an id, unique prefix, sysfs path or PCI address. */
char *vf_bus_lookup(VfBus *self, const char *id, GError **error);

typedef enum {
    VF_KIND_ANY,
    VF_KIND_DEVICE,
    VF_KIND_PARENT,
} VfKind;

/* The typed proxy of what @id means, as above. NOT_FOUND; INVALID_ARGUMENT when it is of another
 * @kind, or when a prefix is not unique. */
GDBusProxy *vf_bus_find(VfBus *self, const char *id, VfKind kind, GError **error);

/* As it is now. */
VferryDevice *vf_bus_get_device(VfBus *self, const char *path, GError **error);

/* Every object; typed proxies. */
GDBusObjectManager *vf_bus_get_objects(VfBus *self, GError **error);

/* The proxies of one interface (e.g. "org.vferry1.Device"), ordered by the property @order, newest
 * last when it is a number. Free with g_ptr_array_unref(). */
GPtrArray *vf_bus_list(VfBus *self, const char *interface, const char *order, GError **error);

/* The job with this uuid or unique prefix of one. One daemon may have both roles of a migration:
 * @role ("source", "destination", or NULL for the source before the destination) says which.
 * NOT_FOUND; INVALID_ARGUMENT when the prefix is not unique. */
VferryJob *vf_bus_find_job(VfBus *self, const char *id, const char *role, GError **error);

/* Prints @error with the place it comes from and, where ssh broke, what ssh said. */
VfExit vf_bus_report(VfBus *self, const GError *error, const char *action);
