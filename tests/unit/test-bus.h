/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus of the test's own, and a polkit on it that the test plays. */
#pragma once

#include <gio/gio.h>

#include "test-loop.h"

/* One more client. Free with g_object_unref(). */
static inline GDBusConnection *
connect_to_bus(GTestDBus *bus)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(bus),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    g_assert_no_error(error);
    return connection;
}

/* @connection answers as polkit; returns what g_dbus_connection_unregister_object() takes. */
static inline guint
be_polkit(GDBusConnection *connection, GDBusInterfaceMethodCallFunc call, gpointer data)
{
    static const char xml[] =
        "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
        "<method name='CheckAuthorization'>"
        "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/></method>"
        "<method name='CancelCheckAuthorization'><arg type='s' direction='in'/></method>"
        "</interface></node>";
    const GDBusInterfaceVTable vtable = {.method_call = call};
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;
    guint object =
        g_dbus_connection_register_object(connection, "/org/freedesktop/PolicyKit1/Authority",
                                          node->interfaces[0], &vtable, data, NULL, &error);

    g_assert_no_error(error);
    reply = g_dbus_connection_call_sync(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "RequestName",
                                        g_variant_new("(su)", "org.freedesktop.PolicyKit1", 0),
                                        NULL, G_DBUS_CALL_FLAGS_NONE, DEADLINE_MS, NULL, &error);
    g_assert_no_error(error);
    return object;
}
