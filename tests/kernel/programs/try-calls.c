/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* Makes many calls to vferryd over one connection. Each line of its input is a call, its parts
 * separated by tabs:
 *
 *   call PATH INTERFACE METHOD ARGUMENTS     as the text of a GVariant
 *   set PATH INTERFACE PROPERTY              reads a property and writes back what it was
 *
 * For each it prints "ok", or the name of the error; "unread" before it when reading failed. */

#define SERVICE "org.vferry1"
#define DEADLINE_MS 20000

static char *
describe(GError *error)
{
    char *name = error ? g_dbus_error_get_remote_error(error) : g_strdup("ok");

    /* it never got to the daemon */
    return name ? name : g_strdup(error->message);
}

/* Handle 0 in the arguments is a descriptor that is no device. */
static GUnixFDList *
make_fds(GVariant *arguments)
{
    GUnixFDList *list;
    int fd;

    if (!strchr(g_variant_get_type_string(arguments), 'h'))
        return NULL;
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list = g_unix_fd_list_new_from_array(&fd, 1);
    return list;
}

static GVariant *
send_call(GDBusConnection *bus, const char *path, const char *interface, const char *method,
          GVariant *arguments, GError **error)
{
    g_autoptr(GUnixFDList) fds = make_fds(arguments);

    return g_dbus_connection_call_with_unix_fd_list_sync(bus, SERVICE, path, interface, method,
                                                         arguments, NULL, G_DBUS_CALL_FLAGS_NONE,
                                                         DEADLINE_MS, fds, NULL, NULL, error);
}

static char *
do_call(GDBusConnection *bus, char **parts)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) arguments = g_variant_parse(NULL, parts[4], NULL, NULL, &error);
    G_GNUC_UNUSED g_autoptr(GVariant) reply =
        arguments ? send_call(bus, parts[1], parts[2], parts[3], arguments, &error) : NULL;

    return describe(error);
}

static char *
do_set(GDBusConnection *bus, char **parts)
{
    static const char properties[] = "org.freedesktop.DBus.Properties";
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = send_call(bus, parts[1], properties, "Get",
                                          g_variant_new("(ss)", parts[2], parts[3]), &error);
    g_autoptr(GVariant) inner = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *why = NULL;

    if (!value) {
        why = describe(error);
        return g_strconcat("unread ", why, NULL);
    }
    g_variant_get(value, "(v)", &inner);
    reply = send_call(bus, parts[1], properties, "Set",
                      g_variant_new("(ssv)", parts[2], parts[3], inner), &error);
    return describe(error);
}

int
main(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    char line[4096];

    if (!bus) {
        fprintf(stderr, "try-calls: %s\n", error->message);
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        g_auto(GStrv) parts = g_strsplit(g_strchomp(line), "\t", -1);
        gboolean call = g_strcmp0(parts[0], "call") == 0;
        g_autofree char *answer = NULL;

        if (g_strv_length(parts) != (call ? 5 : 4)) {
            fprintf(stderr, "try-calls: “%s” is no call\n", line);
            return 1;
        }
        answer = call ? do_call(bus, parts) : do_set(bus, parts);
        printf("%s\n", answer);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
