/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dlfcn.h>

#include "vferry.h"

/* A private bus with a small service in a thread of its own, so that the blocking calls of a client
 * can be tested. */
typedef struct {
    GTestDBus *dbus;
    GMainLoop *loop;
    GThread *thread;
    GMutex lock;
    GCond ready;
    gboolean serving;
    GDBusObjectManagerServer *server;
} Bus;

static gboolean
refuse_lookup(VferryManager *manager, GDBusMethodInvocation *invocation, const char *id,
              gpointer data)
{
    g_dbus_method_invocation_return_error(invocation, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                                          "nothing here is called “%s”", id);
    return TRUE;
}

static void
on_acquired(GDBusConnection *connection, const char *name, gpointer data)
{
    Bus *bus = data;

    g_mutex_lock(&bus->lock);
    bus->serving = TRUE;
    g_cond_signal(&bus->ready);
    g_mutex_unlock(&bus->lock);
}

static GDBusObjectManagerServer *
export_objects(GDBusConnection *connection)
{
    GDBusObjectManagerServer *server = g_dbus_object_manager_server_new(VFERRY_OBJECT_ROOT);
    g_autoptr(VferryObjectSkeleton) object = vferry_object_skeleton_new("/org/vferry1/device/1");
    g_autoptr(VferryDevice) device = vferry_device_skeleton_new();

    vferry_device_set_id(device, "0000:06:0d.1");
    vferry_device_set_parameters(device, g_variant_new("a{sv}", NULL));
    vferry_object_skeleton_set_device(object, device);
    g_dbus_object_manager_server_export(server, G_DBUS_OBJECT_SKELETON(object));
    g_dbus_object_manager_server_set_connection(server, connection);
    return server;
}

static gpointer
serve(gpointer data)
{
    Bus *bus = data;
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(VferryManager) manager = vferry_manager_skeleton_new();
    guint name;

    g_main_context_push_thread_default(context);
    bus->loop = g_main_loop_new(context, FALSE);
    connection = vferry_connect_sync(g_test_dbus_get_bus_address(bus->dbus), NULL, NULL);
    g_assert_nonnull(connection);
    g_signal_connect(manager, "handle-lookup", G_CALLBACK(refuse_lookup), NULL);
    g_assert_true(g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(manager), connection,
                                                   VFERRY_OBJECT_ROOT, NULL));
    bus->server = export_objects(connection);
    name = g_bus_own_name_on_connection(connection, VFERRY_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                        on_acquired, NULL, bus, NULL);
    g_main_loop_run(bus->loop);
    g_bus_unown_name(name);
    g_clear_object(&bus->server);
    g_dbus_connection_close_sync(connection, NULL, NULL);
    g_main_context_pop_thread_default(context);
    return NULL;
}

static void
set_up(Bus *bus, gconstpointer with_service)
{
    bus->dbus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus->dbus);
    g_mutex_init(&bus->lock);
    g_cond_init(&bus->ready);
    if (!with_service)
        return;
    bus->thread = g_thread_new("service", serve, bus);
    g_mutex_lock(&bus->lock);
    while (!bus->serving)
        g_cond_wait(&bus->ready, &bus->lock);
    g_mutex_unlock(&bus->lock);
}

static void
tear_down(Bus *bus, gconstpointer with_service)
{
    if (bus->thread) {
        g_main_loop_quit(bus->loop);
        g_thread_join(bus->thread);
        g_main_loop_unref(bus->loop);
    }
    g_test_dbus_stop(bus->dbus);
    g_object_unref(bus->dbus);
    g_mutex_clear(&bus->lock);
    g_cond_clear(&bus->ready);
}

static void
test_error_has_its_code(Bus *bus, gconstpointer with_service)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    g_autoptr(GDBusConnection) connection =
        vferry_connect_sync(g_test_dbus_get_bus_address(bus->dbus), NULL, &error);
    g_autoptr(VferryManager) manager = NULL;

    g_assert_no_error(error);
    manager = vferry_manager_proxy_new_sync(connection, G_DBUS_PROXY_FLAGS_NONE, VFERRY_BUS_NAME,
                                            VFERRY_OBJECT_ROOT, NULL, &error);
    g_assert_no_error(error);
    g_assert_false(vferry_manager_call_lookup_sync(manager, "mlx5", G_DBUS_CALL_FLAGS_NONE, -1,
                                                   &path, NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "“mlx5”"));
}

static void
test_objects_are_typed(Bus *bus, gconstpointer with_service)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection =
        vferry_connect_sync(g_test_dbus_get_bus_address(bus->dbus), NULL, &error);
    g_autoptr(GDBusObjectManager) objects = vferry_objects_sync(connection, NULL, &error);
    g_autoptr(VferryObject) object = NULL;
    VferryDevice *device;

    g_assert_no_error(error);
    object = VFERRY_OBJECT(g_dbus_object_manager_get_object(objects, "/org/vferry1/device/1"));
    g_assert_nonnull(object);
    device = vferry_object_peek_device(object);
    g_assert_nonnull(device);
    g_assert_cmpstr(vferry_device_get_id(device), ==, "0000:06:0d.1");
    g_assert_null(vferry_object_peek_job(object));
}

static void
test_no_daemon(Bus *bus, gconstpointer with_service)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection =
        vferry_connect_sync(g_test_dbus_get_bus_address(bus->dbus), NULL, &error);
    g_autoptr(GDBusObjectManager) objects = NULL;

    g_assert_no_error(error);
    objects = vferry_objects_sync(connection, NULL, &error);
    g_assert_null(objects);
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
}

static void
test_exports_nothing_else(void)
{
    g_assert_nonnull(dlsym(RTLD_DEFAULT, "vferry_error_quark"));
    g_assert_nonnull(dlsym(RTLD_DEFAULT, "vferry_job_proxy_new_sync"));
    g_assert_null(dlsym(RTLD_DEFAULT, "vf_error_errno"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/lib/error-has-its-code", Bus, GINT_TO_POINTER(TRUE), set_up,
               test_error_has_its_code, tear_down);
    g_test_add("/lib/objects-are-typed", Bus, GINT_TO_POINTER(TRUE), set_up, test_objects_are_typed,
               tear_down);
    g_test_add("/lib/no-daemon", Bus, NULL, set_up, test_no_daemon, tear_down);
    g_test_add_func("/lib/exports-nothing-else", test_exports_nothing_else);
    return g_test_run();
}
