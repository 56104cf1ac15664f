/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include <gio/gio.h>

/* await-phase PHASE BYTES: ends when a job of this host that goes on is in a phase and has moved at
 * least so many bytes, or passes that moment. It hears of both from vferryd, and asks it only once:
 * asking again and again would be most of what an emulated guest does. Whoever waits has a
 * deadline, this has none. */

#define SERVICE "org.vferry1"
#define ROOT "/org/vferry1"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

typedef struct {
    char *phase;
    guint64 done;
} Job;

typedef struct {
    const char *phase;
    guint64 least;
    GHashTable *jobs; /* Job by object path */
    gboolean come;
} Watch;

static void
job_free(gpointer data)
{
    Job *job = data;

    g_free(job->phase);
    g_free(job);
}

static void
look(Watch *watch, const char *path, const char *phase, guint64 done)
{
    Job *job = g_hash_table_lookup(watch->jobs, path);

    if (!job) {
        job = g_new0(Job, 1);
        g_hash_table_insert(watch->jobs, g_strdup(path), job);
    }
    if (phase) {
        g_free(job->phase);
        job->phase = g_strdup(phase);
    }
    job->done = MAX(job->done, done);
    watch->come |= g_strcmp0(job->phase, watch->phase) == 0 && job->done >= watch->least;
}

static void
look_at_object(Watch *watch, const char *path, GVariant *interfaces)
{
    g_autoptr(GVariant) job =
        g_variant_lookup_value(interfaces, SERVICE ".Job", G_VARIANT_TYPE_VARDICT);
    const char *phase, *result;
    guint64 done;

    if (job && g_variant_lookup(job, "Phase", "&s", &phase) &&
        g_variant_lookup(job, "BytesDone", "t", &done) &&
        g_variant_lookup(job, "Result", "&s", &result) && *result == '\0')
        look(watch, path, phase, done);
}

static void
on_signal(GDBusConnection *bus, const char *sender, const char *object, const char *interface,
          const char *name, GVariant *parameters, gpointer data)
{
    Watch *watch = data;
    g_autoptr(GVariant) rest = NULL;
    const char *text = NULL;
    guint64 done;

    if (g_str_equal(name, "InterfacesAdded")) {
        g_variant_get(parameters, "(&o@a{sa{sv}})", &text, &rest);
        look_at_object(watch, text, rest);
    } else if (g_str_equal(name, "PhaseChanged")) {
        g_variant_get(parameters, "(&s)", &text);
        look(watch, object, text, 0);
    } else if (g_str_equal(name, "Progress")) {
        g_variant_get(parameters, "(tt@a{sv})", &done, NULL, &rest);
        g_variant_lookup(rest, "phase", "&s", &text);
        look(watch, object, text, done);
    }
}

static gboolean
look_at_all(Watch *watch, GDBusConnection *bus, GError **error)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        bus, SERVICE, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL,
        G_VARIANT_TYPE("(a{oa{sa{sv}}})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    g_autoptr(GVariantIter) objects = NULL;
    g_autoptr(GVariant) interfaces = NULL;
    const char *path;

    if (!answer)
        return FALSE;
    g_variant_get(answer, "(a{oa{sa{sv}}})", &objects);
    while (g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", &path, &interfaces))
        look_at_object(watch, path, interfaces);
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    g_autoptr(GHashTable) jobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, job_free);
    Watch watch = {.phase = argv[1], .jobs = jobs};

    if (!bus || argc != 3 ||
        !g_ascii_string_to_unsigned(argv[2], 10, 0, G_MAXUINT64, &watch.least, &error)) {
        fprintf(stderr, "await-phase: %s\n", error ? error->message : "PHASE BYTES");
        return 1;
    }
    g_dbus_connection_signal_subscribe(bus, SERVICE, NULL, NULL, NULL, NULL,
                                       G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &watch, NULL);
    if (!look_at_all(&watch, bus, &error)) {
        fprintf(stderr, "await-phase: %s\n", error->message);
        return 1;
    }
    while (!watch.come)
        g_main_context_iteration(NULL, TRUE);
    return 0;
}
