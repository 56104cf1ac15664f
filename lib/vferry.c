/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vferry.h"

#include <glib/gi18n-lib.h>

#include "names.h"

G_STATIC_ASSERT(sizeof(VFERRY_BUS_NAME) == sizeof(VF_BUS_NAME));
G_STATIC_ASSERT(sizeof(VFERRY_OBJECT_ROOT) == sizeof(VF_OBJECT_ROOT));

/**
 * vferry_connect_sync:
 * @address: (nullable): a D-Bus address of a message bus, or %NULL for this host's system bus
 * @cancellable: (nullable): to give up early
 * @error: (nullable): where to put what went wrong
 *
 * Connects to the bus that vferryd is on. It does not look whether vferryd is there: the first call
 * starts it where bus activation is set up.
 *
 * Unlike g_bus_get_sync() the connection does not end the process when the bus goes away.
 *
 * Returns: (transfer full): the connection, or %NULL with @error
 */
GDBusConnection *
vferry_connect_sync(const char *address, GCancellable *cancellable, GError **error)
{
    GDBusConnection *connection;

    g_return_val_if_fail(!cancellable || G_IS_CANCELLABLE(cancellable), NULL);
    (void)vferry_error_quark();
    if (!address) {
        connection = g_bus_get_sync(G_BUS_TYPE_SYSTEM, cancellable, error);
        if (connection)
            g_dbus_connection_set_exit_on_close(connection, FALSE);
        return connection;
    }
    return g_dbus_connection_new_for_address_sync(
        address,
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
            G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, cancellable, error);
}

/* The client is made without an error when nobody has the name and nothing could start it. */
static gboolean
has_owner(GDBusObjectManager *objects, GError **error)
{
    g_autofree char *owner =
        g_dbus_object_manager_client_get_name_owner(G_DBUS_OBJECT_MANAGER_CLIENT(objects));

    if (owner)
        return TRUE;
    g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN,
                _("vferryd is not running: nobody has the name %s on the bus, and it could not be "
                  "started"),
                VFERRY_BUS_NAME);
    return FALSE;
}

/**
 * vferry_objects_sync:
 * @connection: to a message bus
 * @cancellable: (nullable): to give up early
 * @error: (nullable): where to put what went wrong
 *
 * Every object of vferryd with typed proxies, which follow it as long as a main loop runs.
 * %G_DBUS_ERROR_SERVICE_UNKNOWN when it does not run and cannot be started.
 *
 * Returns: (transfer full): a #VferryObjectManagerClient, or %NULL with @error
 */
GDBusObjectManager *
vferry_objects_sync(GDBusConnection *connection, GCancellable *cancellable, GError **error)
{
    g_autoptr(GDBusObjectManager) objects = NULL;

    g_return_val_if_fail(G_IS_DBUS_CONNECTION(connection), NULL);
    (void)vferry_error_quark();
    objects = vferry_object_manager_client_new_sync(
        connection, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_NONE, VFERRY_BUS_NAME, VFERRY_OBJECT_ROOT,
        cancellable, error);
    if (!objects || !has_owner(objects, error))
        return NULL;
    return g_steal_pointer(&objects);
}
