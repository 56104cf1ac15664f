/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

/* cycler COUNT TYPE: creates and removes an mdev COUNT times by plain sysfs writes, and waits each
 * time until vferryd has put it on the bus and has taken it off again. TYPE is the directory of an
 * mdev type. */

#define SERVICE "org.vferry1"
#define STEP_MS 15000

typedef struct {
    char *uuid;
    char *path; /* of its object, once there is one */
    gboolean gone;
} Watch;

static void
on_added(Watch *watch, GVariant *parameters)
{
    g_autoptr(GVariant) interfaces = g_variant_get_child_value(parameters, 1);
    g_autoptr(GVariant) device =
        g_variant_lookup_value(interfaces, SERVICE ".Device", G_VARIANT_TYPE_VARDICT);
    const char *id;

    if (device && g_variant_lookup(device, "Id", "&s", &id) && g_strcmp0(id, watch->uuid) == 0)
        g_variant_get_child(parameters, 0, "o", &watch->path);
}

static void
on_signal(GDBusConnection *bus, const char *sender, const char *object, const char *interface,
          const char *name, GVariant *parameters, gpointer data)
{
    Watch *watch = data;
    const char *path;

    if (g_str_equal(name, "InterfacesAdded")) {
        on_added(watch, parameters);
        return;
    }
    g_variant_get_child(parameters, 0, "&o", &path);
    watch->gone = watch->gone || g_strcmp0(path, watch->path) == 0;
}

static void
put(const char *directory, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        perror(path);
        exit(1);
    }
    close(fd);
}

static gboolean
on_late(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

static void
wait_for(Watch *watch, gboolean there)
{
    gboolean late = FALSE;
    guint timer = g_timeout_add(STEP_MS, on_late, &late);

    while (!(there ? watch->path != NULL : watch->gone) && !late)
        g_main_context_iteration(NULL, TRUE);
    if (late) {
        fprintf(stderr, "cycler: %s is not %s\n", watch->uuid, there ? "there" : "gone");
        exit(1);
    }
    g_source_remove(timer);
}

static void
cycle(Watch *watch, const char *type)
{
    g_autofree char *device = NULL;

    watch->uuid = g_uuid_string_random();
    watch->gone = FALSE;
    device = g_build_filename("/sys/bus/mdev/devices", watch->uuid, NULL);
    put(type, "create", watch->uuid);
    wait_for(watch, TRUE);
    put(device, "remove", "1");
    wait_for(watch, FALSE);
    g_clear_pointer(&watch->path, g_free);
    g_clear_pointer(&watch->uuid, g_free);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    Watch watch = {0};
    guint64 count;

    if (!bus || argc != 3 || !g_ascii_string_to_unsigned(argv[1], 10, 1, 100000, &count, &error)) {
        fprintf(stderr, "cycler: %s\n", error ? error->message : "COUNT TYPE");
        return 1;
    }
    g_dbus_connection_signal_subscribe(bus, SERVICE, "org.freedesktop.DBus.ObjectManager", NULL,
                                       NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &watch,
                                       NULL);
    for (guint64 i = 0; i < count; i++)
        cycle(&watch, argv[2]);
    return 0;
}
