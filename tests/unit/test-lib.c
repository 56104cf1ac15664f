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

static VferryParent *
parent_with_offers(const char *offers)
{
    VferryParent *parent = vferry_parent_skeleton_new();

    vferry_parent_set_offers(parent, g_variant_new_parsed(offers));
    return parent;
}

static void
test_offers(void)
{
    g_autoptr(VferryParent) parent = parent_with_offers(
        "[{'id': <'mtty/mtty-2'>, 'type': <'mtty-2'>, 'name': <'Dual'>, 'model': "
        "<'kernel.org/mtty'>,"
        " 'left': <uint64 18446744073709551615>, 'parameters': <{'ports': '2'}>}]");
    g_autoptr(GPtrArray) offers = vferry_parent_list_offers(parent);
    g_autoptr(VferryOffer) offer = NULL;

    g_assert_cmpuint(offers->len, ==, 1);
    offer = vferry_offer_ref(offers->pdata[0]);
    g_clear_object(&parent);
    g_clear_pointer(&offers, g_ptr_array_unref);
    g_assert_cmpstr(vferry_offer_get_id(offer), ==, "mtty/mtty-2");
    g_assert_cmpstr(vferry_offer_get_type_id(offer), ==, "mtty-2");
    g_assert_cmpstr(vferry_offer_get_name(offer), ==, "Dual");
    g_assert_cmpstr(vferry_offer_get_model(offer), ==, "kernel.org/mtty");
    g_assert_cmpstr(vferry_offer_get_device_api(offer), ==, "");
    g_assert_cmpuint(vferry_offer_get_left(offer), ==, G_MAXUINT64);
    g_assert_cmpstr(g_hash_table_lookup(vferry_offer_get_parameters(offer), "ports"), ==, "2");
}

/* A daemon of another version may say less, or say it in another way. */
static void
test_offers_of_another_version(void)
{
    g_autoptr(VferryParent) parent = parent_with_offers(
        "[{'type': <7>, 'left': <'many'>, 'parameters': <{'ports': <'2'>}>, 'new': <true>}]");
    g_autoptr(GPtrArray) offers = vferry_parent_list_offers(parent);
    VferryOffer *offer = offers->pdata[0];

    g_assert_cmpstr(vferry_offer_get_type_id(offer), ==, "");
    g_assert_null(vferry_offer_get_model(offer));
    g_assert_cmpuint(vferry_offer_get_left(offer), ==, 0);
    g_assert_cmpuint(g_hash_table_size(vferry_offer_get_parameters(offer)), ==, 0);
}

static void
test_parameters(void)
{
    g_autoptr(VferryModel) model = vferry_model_skeleton_new();
    g_autoptr(GPtrArray) parameters = NULL;
    gint64 min, max;
    guint64 step;

    vferry_model_set_parameters(
        model,
        g_variant_new_parsed(
            "[{'name': <'ports'>, 'type': <'int'>, 'compare': <'equal'>, 'allowed': <['1', '2']>,"
            " 'readable': <true>, 'settable': <false>},"
            " {'name': <'size'>, 'type': <'size'>, 'compare': <'at-least'>, 'unit': <'bytes'>,"
            " 'min': <int64 4096>, 'max': <int64 65536>, 'step': <uint64 4096>},"
            " {'name': <'nothing else'>}]"));
    parameters = vferry_model_list_parameters(model);
    g_assert_cmpuint(parameters->len, ==, 2); /* without a type it cannot be used */
    g_assert_cmpstr(vferry_parameter_get_name(parameters->pdata[0]), ==, "ports");
    g_assert_cmpstr(vferry_parameter_get_value_type(parameters->pdata[0]), ==, "int");
    g_assert_cmpstr(vferry_parameter_get_allowed(parameters->pdata[0])[1], ==, "2");
    g_assert_true(vferry_parameter_is_readable(parameters->pdata[0]));
    g_assert_false(vferry_parameter_get_range(parameters->pdata[0], NULL, NULL, NULL));
    g_assert_null(vferry_parameter_get_allowed(parameters->pdata[1]));
    g_assert_cmpstr(vferry_parameter_get_compare(parameters->pdata[1]), ==, "at-least");
    g_assert_cmpstr(vferry_parameter_get_unit(parameters->pdata[1]), ==, "bytes");
    g_assert_true(vferry_parameter_get_range(parameters->pdata[1], &min, &max, &step));
    g_assert_cmpint(min, ==, 4096);
    g_assert_cmpint(max, ==, 65536);
    g_assert_cmpuint(step, ==, 4096);
    g_assert_false(vferry_parameter_is_settable(parameters->pdata[1]));
}

static void
test_language(void)
{
    g_autoptr(VferryModel) model = vferry_model_skeleton_new();
    g_autoptr(GPtrArray) parameters = NULL;
    g_autofree char *ranges = NULL;
    g_autofree char *one = NULL;

    vferry_model_set_parameters(
        model, g_variant_new_parsed(
                   "[{'name': <'a'>, 'type': <'int'>, 'compare': <'at-least'>, 'init': <'1'>, "
                   "'off': <'0'>, 'enforced': <false>, 'ranges': <[(int64 0, int64 4, uint64 2), "
                   "(9, 9, 1)]>}, {'name': <'b'>, 'type': <'bitmask'>, 'compare': <'superset'>, "
                   "'mask': <uint64 7>, 'min': <int64 1>, 'max': <int64 2>, 'step': <uint64 1>}]"));
    parameters = vferry_model_list_parameters(model);
    g_assert_cmpuint(parameters->len, ==, 2);
    ranges = g_variant_print(vferry_parameter_get_ranges(parameters->pdata[0]), FALSE);
    g_assert_cmpstr(ranges, ==, "[(0, 4, 2), (9, 9, 1)]");
    g_assert_false(vferry_parameter_get_range(parameters->pdata[0], NULL, NULL, NULL));
    g_assert_cmpstr(vferry_parameter_get_init(parameters->pdata[0]), ==, "1");
    g_assert_cmpstr(vferry_parameter_get_off(parameters->pdata[0]), ==, "0");
    g_assert_false(vferry_parameter_is_enforced(parameters->pdata[0]));
    g_assert_cmpuint(vferry_parameter_get_mask(parameters->pdata[0]), ==, G_MAXUINT64);
    one = g_variant_print(vferry_parameter_get_ranges(parameters->pdata[1]), FALSE);
    g_assert_cmpstr(one, ==, "[(1, 2, 1)]");
    g_assert_cmpuint(vferry_parameter_get_mask(parameters->pdata[1]), ==, 7);
    g_assert_true(vferry_parameter_is_enforced(parameters->pdata[1]));
    g_assert_null(vferry_parameter_get_off(parameters->pdata[1]));
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
    g_test_add_func("/lib/offers", test_offers);
    g_test_add_func("/lib/offers-of-another-version", test_offers_of_another_version);
    g_test_add_func("/lib/parameters", test_parameters);
    g_test_add_func("/lib/language", test_language);
    g_test_add_func("/lib/exports-nothing-else", test_exports_nothing_else);
    return g_test_run();
}
