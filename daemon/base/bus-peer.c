/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bus-peer.h"

#include "error.h"

void
vf_bus_return_error(GDBusMethodInvocation *invocation, GError *error)
{
    /* what is cut off after so many bytes (“%.40s”) may end in the middle of a character, and a bus
     * takes no such text */
    if (!g_utf8_validate(error->message, -1, NULL)) {
        char *valid = g_utf8_make_valid(error->message, -1);

        g_free(error->message);
        error->message = valid;
    }
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

/* A reply on its way: the bus answers it with an error when it does not pass it on, as for a caller
 * whose connection takes no descriptors. */
struct VfBusDelivery {
    GDBusConnection *connection;
    guint filter;
    GMutex lock;     /* filters run in GDBus' own thread */
    GArray *refused; /* of guint32: serials of what the bus has refused since */
    guint32 before;  /* serial of what this thread sent last before the reply */
    guint32 serial;
    char *unique_name;
};

static void
delivery_clear(gpointer data)
{
    VfBusDelivery *self = data;

    g_mutex_clear(&self->lock);
    g_array_unref(self->refused);
    g_object_unref(self->connection);
    g_free(self->unique_name);
}

static void
delivery_unref(gpointer data)
{
    g_atomic_rc_box_release_full(data, delivery_clear);
}

static GDBusMessage *
watch_for_refusal(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
                  gpointer data)
{
    VfBusDelivery *self = data;
    guint32 serial = g_dbus_message_get_reply_serial(message);

    if (incoming && g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_ERROR &&
        g_strcmp0(g_dbus_message_get_sender(message), "org.freedesktop.DBus") == 0) {
        g_mutex_lock(&self->lock);
        g_array_append_val(self->refused, serial);
        g_mutex_unlock(&self->lock);
    }
    return message;
}

static gboolean
was_refused(VfBusDelivery *self)
{
    gboolean found = FALSE;

    g_mutex_lock(&self->lock);
    for (guint i = 0; i < self->refused->len; i++)
        found = found || g_array_index(self->refused, guint32, i) == self->serial;
    g_mutex_unlock(&self->lock);
    return found;
}

static void
finish_delivery(GTask *task, gboolean delivered)
{
    VfBusDelivery *self = g_task_get_task_data(task);

    g_dbus_connection_remove_filter(self->connection, self->filter);
    g_task_return_boolean(task, delivered);
}

static void
on_has_owner(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    VfBusDelivery *self = g_task_get_task_data(task);
    gboolean there = FALSE;

    if (reply)
        g_variant_get(reply, "(b)", &there);
    finish_delivery(task, there && self->serial != self->before && !was_refused(self));
}

static void
on_flushed(GObject *source, GAsyncResult *result, gpointer data)
{
    GDBusConnection *connection = G_DBUS_CONNECTION(source);
    g_autoptr(GTask) task = data;
    const VfBusDelivery *self = g_task_get_task_data(task);

    if (!g_dbus_connection_flush_finish(connection, result, NULL)) {
        finish_delivery(task, FALSE);
        return;
    }
    /* the bus handles our messages in order: its answer comes after the delivery */
    g_dbus_connection_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "NameHasOwner",
                           g_variant_new("(s)", self->unique_name), G_VARIANT_TYPE("(b)"),
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_has_owner, g_object_ref(task));
}

VfBusDelivery *
vf_bus_delivery_new(GDBusConnection *connection)
{
    VfBusDelivery *self = g_atomic_rc_box_new0(VfBusDelivery);

    g_mutex_init(&self->lock);
    self->refused = g_array_new(FALSE, FALSE, sizeof(guint32));
    self->connection = g_object_ref(connection);
    self->before = g_dbus_connection_get_last_serial(connection);
    self->filter = g_dbus_connection_add_filter(connection, watch_for_refusal,
                                                g_atomic_rc_box_acquire(self), delivery_unref);
    return self;
}

void
vf_bus_delivered_async(VfBusDelivery *self, const char *unique_name, GAsyncReadyCallback callback,
                       gpointer data)
{
    GTask *task = g_task_new(self->connection, NULL, callback, data);

    self->serial = g_dbus_connection_get_last_serial(self->connection);
    self->unique_name = g_strdup(unique_name);
    g_task_set_source_tag(task, vf_bus_delivered_async);
    g_task_set_task_data(task, self, delivery_unref);
    g_dbus_connection_flush(self->connection, NULL, on_flushed, task);
}

gboolean
vf_bus_delivered_finish(GAsyncResult *result)
{
    return g_task_propagate_boolean(G_TASK(result), NULL);
}
