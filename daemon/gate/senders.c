/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "senders.h"

#include <glib/gi18n-lib.h>

#include "error.h"

#define BUS_TIMEOUT_MS 10000
#define UID_UNKNOWN ((guint32)-1)

struct _VfSenders {
    GObject parent;

    GDBusConnection *connection;
    GHashTable *entries; /* unique name -> Entry */
    guint subscription;
};

typedef struct {
    guint32 uid;
} Entry;

G_DEFINE_TYPE(VfSenders, vf_senders, G_TYPE_OBJECT)

static void
on_owner_changed(GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
    const char *name, *owner;

    g_variant_get(parameters, "(&ss&s)", &name, NULL, &owner);
    if (!*owner)
        g_hash_table_remove(VF_SENDERS(data)->entries, name);
}

static void
remember(VfSenders *self, const char *sender, guint32 uid)
{
    Entry *entry;

    if (g_hash_table_contains(self->entries, sender))
        return; /* two calls of one sender were under way at once */
    entry = g_new0(Entry, 1);
    entry->uid = uid;
    g_hash_table_insert(self->entries, g_strdup(sender), entry);
}

static void
on_uid(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    const char *sender = g_task_get_task_data(task);
    guint32 uid;

    if (!reply) {
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                                _("the bus does not say who %s is: %s"), sender, error->message);
        return;
    }
    g_variant_get(reply, "(u)", &uid);
    remember(g_task_get_source_object(task), sender, uid);
    g_task_return_int(task, uid);
}

void
vf_senders_resolve_async(VfSenders *self, const char *sender, GAsyncReadyCallback callback,
                         gpointer data)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, callback, data);
    const Entry *entry = g_hash_table_lookup(self->entries, sender);

    g_task_set_source_tag(task, vf_senders_resolve_async);
    g_task_set_task_data(task, g_strdup(sender), g_free);
    if (entry) {
        g_task_return_int(task, entry->uid);
        return;
    }
    g_dbus_connection_call(
        self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "GetConnectionUnixUser", g_variant_new("(s)", sender), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, BUS_TIMEOUT_MS, NULL, on_uid, g_steal_pointer(&task));
}

gboolean
vf_senders_resolve_finish(VfSenders *self, GAsyncResult *result, guint32 *uid, GError **error)
{
    g_autoptr(GError) local = NULL;
    gssize value;

    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    value = g_task_propagate_int(G_TASK(result), &local);
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *uid = (guint32)value;
    return TRUE;
}

guint32
vf_senders_get_uid(VfSenders *self, const char *sender)
{
    const Entry *entry = g_hash_table_lookup(self->entries, sender);

    return entry ? entry->uid : UID_UNKNOWN;
}

VfSenders *
vf_senders_new(GDBusConnection *connection)
{
    VfSenders *self = g_object_new(VF_TYPE_SENDERS, NULL);

    self->connection = g_object_ref(connection);
    /* One for all: the bus lets a connection have 512 match rules (max_match_rules_per_connection
     * in dbus-daemon(1)) and GDBus does not say that it refuses more. Strangers with as many
     * connections would have it refuse those of bus.h, and nobody noticed that a lender leaves. */
    self->subscription = g_dbus_connection_signal_subscribe(
        connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
        "/org/freedesktop/DBus", NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, self, NULL);
    return self;
}

static void
vf_senders_finalize(GObject *object)
{
    VfSenders *self = VF_SENDERS(object);

    g_dbus_connection_signal_unsubscribe(self->connection, self->subscription);
    g_hash_table_unref(self->entries);
    g_clear_object(&self->connection);
    G_OBJECT_CLASS(vf_senders_parent_class)->finalize(object);
}

static void
vf_senders_class_init(VfSendersClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_senders_finalize;
}

static void
vf_senders_init(VfSenders *self)
{
    self->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}
