/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * SECTION:vferry
 * @title: libvferry
 * @short_description: a client's view of vferryd
 *
 * Proxies for each interface of the bus name %VFERRY_BUS_NAME (vferry-dbus.h, generated from the
 * same interface files as the daemon), values for what is a dictionary there (#VferryOffer,
 * #VferryParameter), and the error domain %VFERRY_ERROR (vferry-error.h). Errors of a remote call
 * arrive in that domain, with their code, once vferry_error_quark() has run; vferry_connect_sync()
 * runs it. docs/bus has what each member means and who may call it.
 *
 * |[<!-- language="C" -->
 * g_autoptr(GError) error = NULL;
 * g_autoptr(GDBusConnection) bus = vferry_connect_sync(NULL, NULL, &error);
 * g_autoptr(VferryManager) manager = bus ? vferry_manager_proxy_new_sync(bus,
 *     G_DBUS_PROXY_FLAGS_NONE, VFERRY_BUS_NAME, VFERRY_OBJECT_ROOT, NULL, &error) : NULL;
 * ]|
 */

#include <gio/gio.h>

#include "vferry-dbus.h"
#include "vferry-error.h"
#include "vferry-offer.h"
#include "vferry-parameter.h"

G_BEGIN_DECLS

/**
 * VFERRY_BUS_NAME:
 *
 * The well-known name of vferryd on the system bus.
 */
#define VFERRY_BUS_NAME "org.vferry1"

/**
 * VFERRY_OBJECT_ROOT:
 *
 * Where the #VferryManager and the object manager are.
 */
#define VFERRY_OBJECT_ROOT "/org/vferry1"

GDBusConnection *vferry_connect_sync(const char *address, GCancellable *cancellable,
                                     GError **error);
GDBusObjectManager *vferry_objects_sync(GDBusConnection *connection, GCancellable *cancellable,
                                        GError **error);

G_END_DECLS
