/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "describe.h"
#include "json.h"
#include "names.h"
#include "text-view.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

typedef struct {
    GMainLoop *loop;
    VfBus *bus;
    gboolean json;
    GHashTable *names; /* object path -> stable id */
    VfExit status;
} Monitor;

/* {"time": …, "event": …} and then the arguments of a signal, or `properties`. */
static gboolean
print_json(Monitor *self, const char *kind, const char *path, const char *id, const char *event,
           GVariant *details, GError **error)
{
    gboolean properties = g_str_equal(event, "added") || g_str_equal(event, "changed");
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    JsonNode *node = vf_json_from_variant(details && !properties ? details : nothing, TRUE);
    JsonObject *object = json_node_get_object(node);

    json_object_set_double_member(object, "time", (double)g_get_real_time() / G_USEC_PER_SEC);
    json_object_set_string_member(object, "event", event);
    json_object_set_string_member(object, "kind", kind);
    if (path)
        json_object_set_string_member(object, "path", path);
    if (id)
        json_object_set_string_member(object, "id", id);
    if (details && properties)
        json_object_set_member(object, "properties", vf_json_from_variant(details, TRUE));
    return vf_json_print_line(node, error);
}

/* One thing that happened: an object, a word for it, and what comes with it. */
static void
emit(Monitor *self, const char *kind, const char *path, const char *event, GVariant *details)
{
    g_autoptr(GError) error = NULL;
    const char *id = path ? g_hash_table_lookup(self->names, path) : NULL;

    if (!self->json) {
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *time = g_date_time_format(now, "%T.%f");
        g_autofree char *text = details ? vf_describe_details(details) : g_strdup("");
        g_autofree char *clean = vf_text_printable(id ? id : path ? path : "-");

        time[strlen("12:34:56.789")] = '\0';
        g_print("%s  %-7s  %s  %s%s%s\n", time, kind, clean, event, text[0] ? "  " : "", text);
    } else if (!print_json(self, kind, path, id, event, details, &error)) {
        self->status = vf_exit_report(error, NULL, NULL);
        g_main_loop_quit(self->loop);
    }
}

/* "device" of "org.vferry1.Device"; NULL for interfaces that are not ours. Free with g_free(). */
static char *
kind_of(const char *interface)
{
    if (!g_str_has_prefix(interface, VF_BUS_NAME "."))
        return NULL;
    return g_ascii_strdown(interface + strlen(VF_BUS_NAME "."), -1);
}

static void
remember_name(Monitor *self, const char *path, GVariant *properties)
{
    const char *id;

    /* a domain may have a name only, or none */
    if (g_variant_lookup(properties, "Id", "&s", &id) ||
        (g_variant_lookup(properties, "Uuid", "&s", &id) && *id) ||
        (g_variant_lookup(properties, "Name", "&s", &id) && *id))
        g_hash_table_replace(self->names, g_strdup(path), g_strdup(id));
}

/* What tells a person which object it is. A program gets everything. */
static GVariant *
summarise(GVariant *properties)
{
    static const char *const keys[] = {"Model", "State", "SysfsPath", "Driver", "Operation",
                                       "Role",  "Phase", "JobUuid",   NULL};
    g_auto(GVariantDict) summary = G_VARIANT_DICT_INIT(NULL);
    const char *text;

    for (guint i = 0; keys[i]; i++)
        if (g_variant_lookup(properties, keys[i], "&s", &text) && text[0])
            g_variant_dict_insert(&summary, keys[i], "s", text);
    return g_variant_ref_sink(g_variant_dict_end(&summary));
}

static void
on_added(Monitor *self, GVariant *parameters)
{
    g_autoptr(GVariantIter) interfaces = NULL;
    const char *path, *interface;
    GVariant *properties;

    g_variant_get(parameters, "(&oa{sa{sv}})", &path, &interfaces);
    while (g_variant_iter_loop(interfaces, "{&s@a{sv}}", &interface, &properties)) {
        g_autofree char *kind = kind_of(interface);
        g_autoptr(GVariant) summary = summarise(properties);

        if (!kind)
            continue;
        remember_name(self, path, properties);
        emit(self, kind, path, "added", self->json ? properties : summary);
    }
}

static void
on_removed(Monitor *self, GVariant *parameters)
{
    g_autofree const char **interfaces = NULL;
    const char *path;

    g_variant_get(parameters, "(&o^a&s)", &path, &interfaces);
    for (guint i = 0; interfaces[i]; i++) {
        g_autofree char *kind = kind_of(interfaces[i]);

        if (kind)
            emit(self, kind, path, "removed", NULL);
    }
    g_hash_table_remove(self->names, path);
}

static void
on_changed(Monitor *self, const char *path, GVariant *parameters)
{
    g_autoptr(GVariant) changed = NULL;
    g_autofree char *kind = NULL;
    const char *interface;

    g_variant_get(parameters, "(&s@a{sv}as)", &interface, &changed, NULL);
    kind = kind_of(interface);
    if (kind)
        emit(self, kind, path, "changed", changed);
}

/* The arguments of a Job's signals by name, with the a{sv} at the end opened up. */
static GVariant *
name_arguments(GVariant *parameters, const char *const *names)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    for (gsize i = 0; names[i] && i < g_variant_n_children(parameters); i++) {
        g_autoptr(GVariant) value = g_variant_get_child_value(parameters, i);

        g_variant_dict_insert_value(&dict, names[i], value);
    }
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static void
on_job_signal(Monitor *self, const char *path, const char *signal, GVariant *parameters)
{
    static const struct {
        const char *signal, *type, *event;
        const char *arguments[5];
    } signals[] = {
        {"Progress", "(tta{sv})", "progress", {"done", "total", "detail"}},
        {"PhaseChanged", "(s)", "phase", {"phase"}},
        {"Completed", "(sssa{sv})", "completed", {"result", "error", "message", "statistics"}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_autoptr(GVariant) details = NULL;

        if (!g_str_equal(signals[i].signal, signal) ||
            !g_variant_is_of_type(parameters, G_VARIANT_TYPE(signals[i].type)))
            continue;
        details = name_arguments(parameters, signals[i].arguments);
        emit(self, "job", path, signals[i].event, details);
    }
}

static void
on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
          const char *signal, GVariant *parameters, gpointer monitor)
{
    Monitor *self = monitor;

    if (g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oa{sa{sv}})")))
        on_added(self, parameters);
    else if (g_str_equal(signal, "InterfacesRemoved") &&
             g_variant_is_of_type(parameters, G_VARIANT_TYPE("(oas)")))
        on_removed(self, parameters);
    else if (g_str_equal(interface, PROPERTIES) &&
             g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sa{sv}as)")))
        on_changed(self, path, parameters);
    else if (g_str_equal(interface, VF_BUS_NAME ".Job"))
        on_job_signal(self, path, signal, parameters);
}

/* What is there already gets its name, silently: the answer is from after the subscription. */
static gboolean
learn_names(Monitor *self, GError **error)
{
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        vf_bus_get_connection(self->bus), VF_BUS_NAME, VF_OBJECT_ROOT, OBJECT_MANAGER,
        "GetManagedObjects", NULL, G_VARIANT_TYPE("(a{oa{sa{sv}}})"),
        G_DBUS_CALL_FLAGS_NO_AUTO_START, vf_bus_get_timeout(self->bus), NULL, error);
    g_autoptr(GVariantIter) objects = NULL;
    GVariantIter *interfaces;
    GVariant *properties;
    const char *path;

    if (!reply)
        return FALSE;
    g_variant_get(reply, "(a{oa{sa{sv}}})", &objects);
    while (g_variant_iter_loop(objects, "{&oa{sa{sv}}}", &path, &interfaces))
        while (g_variant_iter_loop(interfaces, "{&s@a{sv}}", NULL, &properties))
            remember_name(self, path, properties);
    return TRUE;
}

/* A daemon that comes back has its objects before it has its name: none of them is announced. */
static void
on_daemon_appeared(GDBusConnection *connection, const char *name, const char *owner,
                   gpointer monitor)
{
    Monitor *self = monitor;
    g_autoptr(GError) error = NULL;

    emit(self, "daemon", NULL, "appeared", NULL);
    /* it may be gone again; that is what the watch is for */
    if (learn_names(self, &error) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
        return;
    self->status = vf_bus_report(self->bus, error, NULL);
    g_main_loop_quit(self->loop);
}

static void
on_daemon_vanished(GDBusConnection *connection, const char *name, gpointer monitor)
{
    Monitor *self = monitor;

    g_hash_table_remove_all(self->names);
    emit(self, "daemon", NULL, "vanished", NULL);
}

static void
on_closed(GDBusConnection *connection, gboolean remote, GError *error, gpointer monitor)
{
    Monitor *self = monitor;

    g_printerr("vferryctl: %s\n", error ? error->message : _("the connection has ended"));
    self->status = VF_EXIT_INPUT;
    g_main_loop_quit(self->loop);
}

static gboolean
on_interrupt(gpointer monitor)
{
    g_main_loop_quit(((Monitor *)monitor)->loop);
    return G_SOURCE_CONTINUE;
}

/* A pipe whose reader has gone. */
static gboolean
on_output_gone(gint fd, GIOCondition condition, gpointer monitor)
{
    g_main_loop_quit(((Monitor *)monitor)->loop);
    return G_SOURCE_CONTINUE;
}

VfExit
vf_cmd_monitor_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(VfBus) bus = NULL;
    GDBusConnection *connection;
    Monitor self = {0};
    guint name;

    if (!vf_cli_parse(cli, "monitor", NULL, &argc, &argv, 0, 0))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    self = (Monitor){.loop = loop, .bus = bus, .json = cli->json, .names = names};
    connection = vf_bus_get_connection(bus);

    /* the bus compares the sender with the name's owner, so nobody else can tell us stories */
    (void)g_dbus_connection_signal_subscribe(connection, VF_BUS_NAME, NULL, NULL, NULL, NULL,
                                             G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &self, NULL);
    g_signal_connect(connection, "closed", G_CALLBACK(on_closed), &self);
    name = g_bus_watch_name_on_connection(connection, VF_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                          on_daemon_appeared, on_daemon_vanished, &self, NULL);
    (void)g_unix_signal_add(SIGINT, on_interrupt, &self);
    (void)g_unix_signal_add(SIGTERM, on_interrupt, &self);
    (void)g_unix_fd_add(STDOUT_FILENO, G_IO_ERR, on_output_gone, &self);
    g_main_loop_run(loop);

    g_bus_unwatch_name(name);
    g_signal_handlers_disconnect_by_data(connection, &self);
    return self.status;
}
