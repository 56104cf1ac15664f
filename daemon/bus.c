/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bus.h"

#include "error.h"

void
vf_bus_return_error(GDBusMethodInvocation *invocation, GError *error)
{
    if (error->domain != VFERRY_ERROR) {
        VferryError code = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                               ? VFERRY_ERROR_CANCELLED
                               : VFERRY_ERROR_FAILED;

        g_dbus_method_invocation_return_error_literal(invocation, VFERRY_ERROR, (gint)code,
                                                      error->message);
        g_error_free(error);
        return;
    }
    g_dbus_method_invocation_take_error(invocation, error);
}

typedef struct {
    VfBusVanished vanished;
    gpointer data;
} Watch;

static void
on_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    Watch *watch = data;
    VfBusVanished vanished = watch->vanished;

    watch->vanished = NULL;
    if (vanished)
        vanished(watch->data);
}

guint
vf_bus_watch(GDBusConnection *connection, const char *unique_name, VfBusVanished vanished,
             gpointer data)
{
    Watch *watch = g_new0(Watch, 1);

    watch->vanished = vanished;
    watch->data = data;
    return g_bus_watch_name_on_connection(connection, unique_name, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                          NULL, on_vanished, watch, g_free);
}

void
vf_bus_unwatch(guint id)
{
    g_bus_unwatch_name(id);
}

static void
on_has_owner(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    gboolean there = FALSE;

    if (reply)
        g_variant_get(reply, "(b)", &there);
    g_task_return_boolean(task, there);
}

static void
on_flushed(GObject *source, GAsyncResult *result, gpointer data)
{
    GDBusConnection *connection = G_DBUS_CONNECTION(source);
    g_autoptr(GTask) task = data;

    if (!g_dbus_connection_flush_finish(connection, result, NULL)) {
        g_task_return_boolean(task, FALSE);
        return;
    }
    /* the bus handles our messages in order: its answer comes after the delivery */
    g_dbus_connection_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "NameHasOwner",
                           g_variant_new("(s)", g_task_get_task_data(task)), G_VARIANT_TYPE("(b)"),
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_has_owner, g_object_ref(task));
}

void
vf_bus_delivered_async(GDBusConnection *connection, const char *unique_name,
                       GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(connection, NULL, callback, data);

    g_task_set_source_tag(task, vf_bus_delivered_async);
    g_task_set_task_data(task, g_strdup(unique_name), g_free);
    g_dbus_connection_flush(connection, NULL, on_flushed, task);
}

gboolean
vf_bus_delivered_finish(GAsyncResult *result)
{
    return g_task_propagate_boolean(G_TASK(result), NULL);
}
