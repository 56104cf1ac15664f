/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "presence.h"

#include "names.h"

struct VfPresence {
    VfBus *bus;
    char *path;
    guint subscription;
    guint watch;
    VfLoss loss;
};

static void
on_removed(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer presence)
{
    VfPresence *self = presence;
    const char *removed;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oas)")))
        return;
    g_variant_get(parameters, "(&oas)", &removed, NULL);
    if (g_str_equal(removed, self->path) && self->loss == VF_LOSS_NONE)
        self->loss = VF_LOSS_OBJECT;
}

static void
on_vanished(GDBusConnection *connection, const char *name, gpointer presence)
{
    VfPresence *self = presence;

    if (self->loss == VF_LOSS_NONE)
        self->loss = connection ? VF_LOSS_DAEMON : VF_LOSS_CONNECTION;
}

VfPresence *
vf_presence_new(VfBus *bus, const char *path)
{
    GDBusConnection *connection = vf_bus_get_connection(bus);
    VfPresence *self = g_new0(VfPresence, 1);

    self->bus = bus;
    self->path = g_strdup(path);
    self->subscription = g_dbus_connection_signal_subscribe(
        connection, VF_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
        VF_OBJECT_ROOT, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_removed, self, NULL);
    self->watch = g_bus_watch_name_on_connection(
        connection, VF_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_vanished, self, NULL);
    return self;
}

void
vf_presence_free(VfPresence *self)
{
    g_dbus_connection_signal_unsubscribe(vf_bus_get_connection(self->bus), self->subscription);
    g_bus_unwatch_name(self->watch);
    g_free(self->path);
    g_free(self);
}

VfLoss
vf_presence_get_loss(VfPresence *self)
{
    return self->loss;
}
