/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <polkit/polkit.h>
#include <string.h>
#include <umockdev.h>
#include <unistd.h>

#include "choose.h"
#include "cookie.h"
#include "driver.h"
#include "error.h"
#include "lease-keep.h"
#include "leases.h"
#include "manager-object.h"
#include "mdev.h"
#include "names.h"
#include "recovery.h"
#include "service.h"
#include "source-devices.h"
#include "test-loop.h"

/* The half of the daemon that acts, on a real bus, with a provider that makes no mdevs: a pool with
 * one virtual function in it. What is made, recorded, undone and found again is so through the
 * table of functions alone. */

#define BUS "/sys/devices/pci0000:00/0000:00:02.0"
#define PF_ID "0000:01:00.0"
#define VF_ID "0000:01:10.0"
#define VF BUS "/" VF_ID
#define JOB "11111111-2222-4333-8444-555555555555"
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define HOST "0123456789abcdef0123456789abcdef"

typedef struct {
    GTestDBus *bus;
    GDBusConnection *polkit, *daemon, *caller;
    UMockdevTestbed *testbed;
    char *root, *state;
    VfRegistry *registry;
    VfGate *gate;
    VfObjects *objects;
    VfDriver *driver;
    VfService *service;
    VfJob *listening; /* the job that the driver listens for */

    GPtrArray *types; /* of the pool */
    gboolean fail;    /* a function comes to be, and then the rest of its making fails */
    guint stuck;      /* so many removals fail */
    guint made, removed;
} Rig;

/* A provider's functions are told of no test. */
static Rig *rig;

/* --- a pool --- */

typedef struct {
    VfMaking parent_instance;
    gboolean reserved;
} Function;
typedef VfMakingClass FunctionClass;

GType function_get_type(void);
G_DEFINE_TYPE(Function, function, VF_TYPE_MAKING)

static void
unreserve(Function *self)
{
    if (self->reserved)
        ((VfParentType *)rig->types->pdata[0])->reserved--;
    self->reserved = FALSE;
}

static void
add(const char *description)
{
    g_autoptr(GError) error = NULL;

    umockdev_testbed_add_from_string(rig->testbed, description, &error);
    g_assert_no_error(error);
}

static void
handle(const char *action)
{
    VfUdevEvent event = {action, "pci", VF_ID, VF, NULL};

    vf_registry_handle(rig->registry, &event);
}

static void
create(VfMaking *making, GTask *task)
{
    g_autoptr(GTask) owned = task;
    g_auto(GVariantDict) created = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GError) error = NULL;
    VfDevice *device;

    add("P: /devices/pci0000:00/0000:00:02.0/" VF_ID "\nE: SUBSYSTEM=pci\n"
        "L: driver=../../../../bus/pci/drivers/pool\nL: physfn=../" PF_ID "\n");
    add("P: /devices/pci0000:00/0000:00:02.0/" VF_ID "/vfio-dev/vfio0\nE: SUBSYSTEM=vfio-dev\n");
    handle("add");
    device = vf_registry_find_device(rig->registry, VF_ID);
    g_assert_nonnull(device);
    rig->made++;
    unreserve((Function *)making);
    vf_making_set_inode(making, vf_device_get_inode(device));
    g_variant_dict_insert(&created, "uuid", "s", VF_ID);
    g_variant_dict_insert(&created, "inode", "t", vf_device_get_inode(device));
    g_assert_true(vf_record_append(vf_making_get_record(making), "created",
                                   g_variant_dict_end(&created), &error));
    if (rig->fail)
        g_task_return_new_error(owned, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "the pool is muddy");
    else
        g_task_return_pointer(owned, g_object_ref(device), g_object_unref);
}

static void
remove_it(VfMaking *making, GTask *task)
{
    g_autoptr(GTask) owned = task;

    g_assert_cmpstr(vf_making_get_id(making), ==, VF_ID);
    g_assert_true(!*vf_making_get_type_id(making) ||
                  g_str_equal(vf_making_get_type_id(making), "pool"));
    g_assert_nonnull(
        vf_registry_find_this_device(rig->registry, VF_ID, vf_making_get_inode(making)));
    if (rig->stuck > 0) {
        rig->stuck--;
        g_task_return_new_error(owned, VFERRY_ERROR, VFERRY_ERROR_BUSY, "somebody swims");
        return;
    }
    umockdev_testbed_remove_device(rig->testbed, VF "/vfio-dev/vfio0");
    umockdev_testbed_remove_device(rig->testbed, VF);
    handle("remove");
    rig->removed++;
    g_task_return_boolean(owned, TRUE);
}

static void
function_finalize(GObject *object)
{
    unreserve((Function *)object);
    G_OBJECT_CLASS(function_parent_class)->finalize(object);
}

static void
function_class_init(FunctionClass *class)
{
    class->kind = "pci";
    class->create = create;
    class->remove = remove_it;
    G_OBJECT_CLASS(class)->finalize = function_finalize;
}

static void
function_init(Function *self)
{
}

static GPtrArray *
get_types(VfParent *parent)
{
    g_assert_cmpstr(vf_parent_get_kind(parent), ==, "pci");
    return rig->types;
}

static VfMaking *
reserve(VfRegistry *registry, VfPlan *taken, GError **error)
{
    g_autoptr(VfPlan) plan = taken;
    VfParentType *type = rig->types->pdata[0];
    Function *self;

    if (vf_parent_type_left(type) == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM, "the pool is full");
        return NULL;
    }
    type->reserved++;
    plan->id = g_strdup(VF_ID);
    self = g_object_new(function_get_type(), NULL);
    self->reserved = TRUE;
    vf_making_set_plan(VF_MAKING(self), g_steal_pointer(&plan), VF);
    return VF_MAKING(self);
}

static VfMaking *
new_for_removal(const VfMade *made)
{
    VfMaking *self = g_object_new(function_get_type(), NULL);

    vf_making_set_made(self, made);
    return self;
}

static VfMaking *
find(GPtrArray *entries, GVariant *announced)
{
    const VfRecordEntry *created = vf_record_find(entries, "created");
    VfMade made = {.id = VF_ID, .sysfs_path = VF, .type = "pool"};

    if (created)
        g_variant_lookup(created->details, "inode", "t", &made.inode);
    return new_for_removal(&made);
}

static const VfProvider pool = {"pci", get_types, reserve, find, new_for_removal};

static VfParentType *
pool_type(VfModel *model, const char *ports)
{
    VfParentType *type = g_rc_box_new0(VfParentType);

    type->type = g_strdup("pool");
    type->name = g_strdup("Pool");
    type->device_api = g_strdup("vfio-pci");
    type->model = vf_model_ref(model);
    type->values = vf_value_list_new();
    vf_value_list_set(type->values, "ports", ports, "driver");
    type->available = 1;
    return type;
}

/* --- a driver that listens, and does no more --- */

typedef VfDriver Listener;
typedef VfDriverClass ListenerClass;

GType listener_get_type(void);
G_DEFINE_TYPE(Listener, listener, VF_TYPE_DRIVER)

static void
listen(VfDriver *driver, VfJob *job, GTask *task)
{
    g_ptr_array_add(vf_job_get_channel(job)->endpoints, vf_endpoint_new_tcp("10.77.0.2", 49300));
    rig->listening = job;
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static gboolean
claims(VfDriver *driver, const VfSubject *subject)
{
    return TRUE;
}

static void
cancel(VfDriver *driver, VfJob *job)
{
    vf_job_complete(job, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
}

static void
drop(VfDriver *driver, VfJob *job)
{
    rig->listening = NULL;
}

static void
listener_class_init(ListenerClass *class)
{
    class->name = "listener";
    class->claims = claims;
    class->listen = listen;
    class->cancel = cancel;
    class->drop = drop;
}

static void
listener_init(Listener *self)
{
}

/* --- the daemon --- */

static GDBusConnection *
connect_to_bus(void)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(rig->bus),
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    g_assert_no_error(error);
    return connection;
}

/* Everybody may do everything. */
static void
on_polkit_call(GDBusConnection *connection, const char *sender, const char *path,
               const char *interface, const char *method, GVariant *parameters,
               GDBusMethodInvocation *invocation, gpointer data)
{
    GVariantBuilder details;

    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    g_dbus_method_invocation_return_value(invocation,
                                          g_variant_new("((bba{ss}))", TRUE, FALSE, &details));
}

static void
start_polkit(void)
{
    static const char xml[] =
        "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
        "<method name='CheckAuthorization'>"
        "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/></method>"
        "</interface></node>";
    static const GDBusInterfaceVTable vtable = {.method_call = on_polkit_call};
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GError) error = NULL;

    g_dbus_connection_register_object(rig->polkit, "/org/freedesktop/PolicyKit1/Authority",
                                      node->interfaces[0], &vtable, NULL, NULL, &error);
    g_assert_no_error(error);
    reply = g_dbus_connection_call_sync(
        rig->polkit, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", g_variant_new("(su)", "org.freedesktop.PolicyKit1", 0), NULL,
        G_DBUS_CALL_FLAGS_NONE, DEADLINE_MS, NULL, &error);
    g_assert_no_error(error);
}

static void
start_daemon(void)
{
    g_autofree char *shipped =
        g_build_filename(g_test_get_dir(G_TEST_DIST), "..", "..", "xml", "models", NULL);
    const char *const directories[] = {shipped, NULL};
    g_autoptr(VfAuthority) authority = vf_authority_new(DEADLINE_MS, DEADLINE_MS);
    g_autoptr(GPtrArray) drivers = g_ptr_array_new();
    g_autoptr(GPtrArray) providers = g_ptr_array_new();
    g_autoptr(VferryManager) manager = NULL;
    g_autoptr(GError) error = NULL;
    VfUdevEvent event = {"add", "pci", PF_ID, BUS "/" PF_ID, NULL};

    g_ptr_array_add(drivers, rig->driver);
    g_ptr_array_add(providers, (gpointer)&pool);
    rig->daemon = connect_to_bus();
    rig->gate = vf_gate_new(rig->daemon, authority);
    rig->registry = vf_registry_new(NULL, vf_models_load(directories));
    rig->objects = vf_objects_new(rig->registry, rig->gate, &error);
    g_assert_no_error(error);
    manager = vf_manager_object_new(rig->objects, rig->registry, HOST);
    vf_objects_export(rig->objects, rig->daemon, manager, &error);
    g_assert_no_error(error);
    rig->service = vf_service_new(rig->daemon, rig->registry, rig->gate, rig->objects, drivers,
                                  providers, &error);
    g_assert_no_error(error);
    vf_registry_handle(rig->registry, &event);
    handle("add");
    vf_objects_show(rig->objects, rig->daemon);
    vf_service_start(rig->service, &error);
    g_assert_no_error(error);
}

static void
stop_daemon(void)
{
    settle();
    g_clear_object(&rig->service);
    g_clear_object(&rig->objects);
    g_clear_object(&rig->gate);
    g_clear_object(&rig->registry);
    g_dbus_connection_close_sync(rig->daemon, NULL, NULL);
    g_clear_object(&rig->daemon);
}

static VfModel *
find_model(void)
{
    return vf_models_find(vf_registry_get_models(rig->registry), "kernel.org/mtty");
}

static void
set_up(Rig *self, gconstpointer bus)
{
    rig = self;
    rig->bus = (GTestDBus *)bus;
    rig->testbed = umockdev_testbed_new();
    /* else the library that redirects /sys was not linked, and the machine's own would be read */
    g_assert_false(g_file_test("/sys/kernel", G_FILE_TEST_EXISTS));
    rig->root = umockdev_testbed_get_root_dir(rig->testbed);
    rig->state = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    g_setenv(VF_ENV_STATE_DIR, rig->state, TRUE);
    rig->polkit = connect_to_bus();
    rig->caller = connect_to_bus();
    rig->driver = g_object_new(listener_get_type(), NULL);
    rig->types = g_ptr_array_new_with_free_func((GDestroyNotify)vf_parent_type_unref);
    start_polkit();
    add("P: /devices/pci0000:00/0000:00:02.0/" PF_ID "\nE: SUBSYSTEM=pci\n"
        "A: sriov_totalvfs=7\\n\nL: driver=../../../../bus/pci/drivers/pool\n");
    start_daemon();
    g_ptr_array_add(rig->types, pool_type(find_model(), "2"));
}

static void
empty_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            empty_folder(child);
        g_assert_cmpint(g_remove(child), ==, 0);
    }
}

static void
tear_down(Rig *self, gconstpointer bus)
{
    stop_daemon();
    g_ptr_array_unref(rig->types);
    g_object_unref(rig->driver);
    g_dbus_connection_close_sync(rig->polkit, NULL, NULL);
    g_object_unref(rig->polkit);
    g_object_unref(rig->caller);
    empty_folder(rig->state);
    g_assert_cmpint(g_rmdir(rig->state), ==, 0);
    g_free(rig->state);
    g_free(rig->root);
    g_object_unref(rig->testbed);
    rig = NULL;
}

typedef struct {
    gboolean done;
    GVariant *reply;
    GError *error;
} Answer;

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;

    answer->reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &answer->error);
    answer->done = TRUE;
}

/* Returns the reply, or NULL with @error. */
static GVariant *
call(const char *path, const char *interface, const char *method, GVariant *arguments,
     GError **error)
{
    Answer answer = {0};

    g_dbus_connection_call(rig->caller, g_dbus_connection_get_unique_name(rig->daemon), path,
                           interface, method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, DEADLINE_MS,
                           NULL, on_answer, &answer);
    wait_until(answer.done);
    if (answer.error)
        g_propagate_error(error, answer.error);
    return answer.reply;
}

static VfRequirement *
require(const char *ports)
{
    const VfModel *model = find_model();
    VfRequirement *requirement = vf_requirement_new(model->id, model->digest);

    vf_value_list_set(requirement->values, "ports", ports, "driver");
    return requirement;
}

static GVariant *
prepare(GError **error)
{
    g_autoptr(VfMigration) cookie = vf_migration_new(JOB, UUID);
    g_autoptr(VfRequirement) requirement = require("2");
    g_autofree char *text = NULL;
    GVariantBuilder options;

    vf_migration_add_device(cookie, UUID, requirement);
    text = vf_migration_format(cookie);
    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "address", g_variant_new_string("10.77.0.2"));
    return call(VF_OBJECT_ROOT, "org.vferry1.Manager", "Prepare",
                g_variant_new("(sa{sv})", text, &options), error);
}

static char *
get_state(const char *lease)
{
    g_autoptr(GVariant) value = NULL;
    g_autoptr(GVariant) reply = call(lease, "org.freedesktop.DBus.Properties", "Get",
                                     g_variant_new("(ss)", "org.vferry1.Lease", "State"), NULL);

    if (!reply)
        return g_strdup("gone");
    g_variant_get(reply, "(v)", &value);
    return g_variant_dup_string(value, NULL);
}

static void
wait_for_state(const char *lease, const char *expected)
{
    gint64 end = g_get_monotonic_time() + DEADLINE_MS * G_TIME_SPAN_MILLISECOND;
    g_autofree char *state = get_state(lease);

    while (!g_str_equal(state, expected) && g_get_monotonic_time() < end) {
        g_free(state);
        state = get_state(lease);
    }
    g_assert_cmpstr(state, ==, expected);
}

static gboolean
has_lease(void)
{
    g_autoptr(GVariant) reply =
        call(VF_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, NULL);
    g_autofree char *text = g_variant_print(reply, FALSE);

    return strstr(text, VF_PATH_LEASE) != NULL;
}

/* What the job's record, or a creation's, says. NULL: there is none. */
static char *
read_record(const char *suffix)
{
    g_autofree char *path = g_build_filename(rig->state, "jobs", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    char *text = NULL;

    while (dir && !text && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (g_str_has_suffix(name, suffix))
            g_file_get_contents(file, &text, NULL, NULL);
    }
    return text;
}

static gboolean
is_here(void)
{
    return vf_registry_find_device(rig->registry, VF_ID) != NULL;
}

static void
test_prepare_and_release(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) prepared = prepare(&error);
    g_autoptr(GVariant) released = NULL;
    g_autofree char *record = read_record(".destination");
    g_autofree char *after = NULL;
    const char *lease, *answer;

    g_assert_no_error(error);
    g_variant_get(prepared, "(&o&s@ay)", &lease, &answer, NULL);
    g_assert_nonnull(strstr(answer, "as=\"" VF_ID "\""));
    g_assert_nonnull(strstr(record, "'provider': <'pci'>"));
    g_assert_true(is_here());
    wait_for_state(lease, "ready");
    released = call(lease, "org.vferry1.Lease", "Release", g_variant_new("(a{sv})", NULL), &error);
    g_assert_no_error(error);
    wait_until(rig->removed == 1);
    g_assert_false(is_here());
    wait_for_state(lease, "gone");
    after = read_record(".destination");
    g_assert_nonnull(strstr(after, "undone"));
    g_assert_cmpuint(((VfParentType *)rig->types->pdata[0])->reserved, ==, 0);
}

/* What has come to be before it failed is removed before the caller hears of it. */
static void
test_create_fails(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;

    rig->fail = TRUE;
    g_assert_null(prepare(&error));
    g_assert_nonnull(strstr(error->message, "the pool is muddy"));
    g_assert_cmpuint(rig->made, ==, 1);
    g_assert_cmpuint(rig->removed, ==, 1);
    g_assert_false(is_here());
}

static void
test_no_room(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;

    ((VfParentType *)rig->types->pdata[0])->reserved = 1;
    g_assert_null(prepare(&error));
    g_assert_nonnull(strstr(error->message, "the pool is full"));
    g_assert_cmpuint(rig->made, ==, 0);
}

/* Shown, and tried again until it is done. */
static void
test_stuck(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);
    g_autoptr(GVariant) released = NULL;
    const char *lease;

    g_variant_get(prepared, "(&o&s@ay)", &lease, NULL, NULL);
    rig->stuck = 1;
    released = call(lease, "org.vferry1.Lease", "Release", g_variant_new("(a{sv})", NULL), NULL);
    wait_until(rig->stuck == 0);
    wait_for_state(lease, "stuck");
    g_assert_true(is_here());
    wait_until(rig->removed == 1);
    wait_for_state(lease, "gone");
}

/* Nothing but the record knows of it. */
static void
test_recovery(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);

    g_assert_nonnull(prepared);
    g_assert_true(has_lease());
    stop_daemon();
    g_assert_cmpuint(rig->removed, ==, 0);
    start_daemon();
    while (has_lease())
        ;
    g_assert_cmpuint(rig->removed, ==, 1);
    g_assert_false(is_here());
}

/* It runs here: it stays, and is removed when it leaves again. */
static void
test_completed(Rig *self, gconstpointer bus)
{
    g_autoptr(GVariant) prepared = prepare(NULL);
    g_autofree char *note = g_build_filename(rig->state, "created", VF_ID, NULL);

    g_assert_nonnull(prepared);
    vf_job_complete(rig->listening, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    while (!g_file_test(note, G_FILE_TEST_EXISTS))
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(rig->removed, ==, 0);
}

static char *
create_device(GError **error)
{
    GVariantBuilder none;
    g_autoptr(GVariant) reply = NULL;
    const char *parent = vf_objects_lookup(rig->objects, PF_ID, error);
    char *path = NULL;

    g_assert_nonnull(parent);
    g_variant_builder_init(&none, G_VARIANT_TYPE_VARDICT);
    reply = call(parent, "org.vferry1.Parent", "CreateDevice",
                 g_variant_new("(sa{sv}a{sv})", "pool", &none, NULL), error);
    if (reply)
        g_variant_get(reply, "(o)", &path);
    return path;
}

static void
test_create_and_remove(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *device = create_device(&error);
    g_autoptr(GVariant) removed = NULL;

    g_assert_no_error(error);
    g_assert_true(is_here());
    removed = call(device, "org.vferry1.Device", "Remove", g_variant_new("(a{sv})", NULL), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(rig->removed, ==, 1);
}

static void
test_create_device_fails(Rig *self, gconstpointer bus)
{
    g_autoptr(GError) error = NULL;

    rig->fail = TRUE;
    g_assert_null(create_device(&error));
    g_assert_cmpuint(rig->made, ==, 1);
    g_assert_cmpuint(rig->removed, ==, 1);
}

/* Whose removal did not end: the record stays, and the next daemon goes on with it. */
static void
test_creation_left_behind(Rig *self, gconstpointer bus)
{
    g_autofree char *record = NULL;

    rig->fail = TRUE;
    rig->stuck = 1;
    g_assert_null(create_device(NULL));
    record = read_record(".creation");
    g_assert_nonnull(strstr(record, "'provider': <'pci'>"));
    stop_daemon();
    start_daemon();
    wait_until(rig->removed == 1);
}

/* The best of all parents, whoever makes it. */
static void
test_choose(Rig *self, gconstpointer bus)
{
    g_autoptr(GPtrArray) providers = g_ptr_array_new();
    g_autofree char *link = g_strconcat(rig->root, "/sys/class/mdev_bus/mtty", NULL);
    g_autofree char *folder = g_path_get_dirname(link);
    const struct {
        const char *ports;  /* that the pool has */
        guint64 available;  /* in the pool; there are 12 dual and 24 single port cards */
        const char *wanted; /* ports */
        const char *kind;   /* that is chosen */
    } cases[] = {
        {"2", 13, "2", "pci"},  {"2", 11, "2", "mdev"}, {"2", 0, "2", "mdev"},
        {"1", 13, "2", "mdev"}, {"1", 25, "1", "pci"},
    };
    VfUdevEvent event = {"add", "mdev_bus", "mtty", "/sys/devices/virtual/mtty/mtty", "registered"};

    g_ptr_array_add(providers, (gpointer)&vf_mdev_provider);
    g_ptr_array_add(providers, (gpointer)&pool);
    add("P: /devices/virtual/mtty/mtty\nE: SUBSYSTEM=mtty\n"
        "A: mdev_supported_types/mtty-1/available_instances=24\\n\n"
        "A: mdev_supported_types/mtty-1/device_api=vfio-pci\\n\n"
        "A: mdev_supported_types/mtty-2/available_instances=12\\n\n"
        "A: mdev_supported_types/mtty-2/device_api=vfio-pci\\n\n");
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_cmpint(symlink("../../devices/virtual/mtty/mtty", link), ==, 0);
    vf_registry_handle(rig->registry, &event);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfRequirement) requirement = require(cases[i].wanted);
        const VfWish wish = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(VfMaking) making = NULL;

        g_test_message("%zu", i);
        g_ptr_array_set_size(rig->types, 0);
        g_ptr_array_add(rig->types, pool_type(find_model(), cases[i].ports));
        ((VfParentType *)rig->types->pdata[0])->available = cases[i].available;
        making = vf_choose(providers, rig->registry, requirement, &wish, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(vf_making_get_kind(making), ==, cases[i].kind);
    }
}

/* --- descriptions of leases --- */

/* As a daemon described a lease that was being undone. */
static VfKept *
describe(VfJob *job, VfFdStore *store, const char *form, const char *list)
{
    VfKept *kept = vf_kept_new(store, VF_KEPT_LEASE, UUID);
    GVariantDict state;

    g_variant_dict_init(&state, NULL);
    g_variant_dict_insert(&state, "job", "s", JOB);
    g_variant_dict_insert(&state, "path", "s", VF_PATH_LEASE "7");
    g_variant_dict_insert(&state, "state", "s", "undoing");
    g_variant_dict_insert_value(&state, form, g_variant_new_parsed(list));
    vf_kept_write(kept, &state);
    return kept;
}

/* "<kind> <id> <inode>" of each. */
static char *
format_makings(VfLease *lease)
{
    GPtrArray *makings = vf_lease_get_makings(lease);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < makings->len; i++)
        g_string_append_printf(
            text, "%s %s %" G_GUINT64_FORMAT ";", vf_making_get_kind(makings->pdata[i]),
            vf_making_get_id(makings->pdata[i]), vf_making_get_inode(makings->pdata[i]));
    return g_string_free(text, FALSE);
}

static void
test_descriptions(Rig *self, gconstpointer bus)
{
    static const struct {
        const char *form;
        const char *list;
        const char *expected;
        const char *before; /* what a daemon that knows only mdevs finds afterwards */
    } cases[] = {
        {"mdevs", "[('/x/a', 'a', 'mtty-2', uint64 7), ('/x/b', 'b', 'mtty-1', 0)]", "mdev a 7;",
         "[('/x/a', 'a', 'mtty-2', 7)]"},
        {"mdevs", "[('/x/a', 'a', 'mtty-2')]", "", "[]"}, /* 0.1.0; nobody has it open */
        {"made",
         "[('pci', '" VF "', '" VF_ID "', 'pool', uint64 9), ('mdev', '/x/a', 'a', 'mtty-2', 7), "
         "('raft', '/x/c', 'c', 'log', 8)]",
         "pci " VF_ID " 9;mdev a 7;", "[('/x/a', 'a', 'mtty-2', 7)]"},
    };
    g_autoptr(GPtrArray) providers = g_ptr_array_new();
    g_autoptr(VfFdStore) store = vf_fd_store_new();
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, 7, ":1.7");

    g_ptr_array_add(providers, (gpointer)&vf_mdev_provider);
    g_ptr_array_add(providers, (gpointer)&pool);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfKept) kept = describe(job, store, cases[i].form, cases[i].list);
        g_autofree char *path = NULL;
        g_autoptr(VfLease) lease = vf_lease_keep_read(kept, job, providers, &path);
        g_autofree char *found = format_makings(lease);
        g_autoptr(VfKept) again = vf_kept_new(store, VF_KEPT_LEASE, JOB);
        g_autofree char *path_again = NULL;
        g_autoptr(VfLease) lease_again = NULL;
        g_autofree char *found_again = NULL;
        g_autoptr(GVariant) written = NULL;
        g_autoptr(GVariant) mdevs = NULL;
        g_autofree char *before = NULL;

        g_test_message("%zu", i);
        g_assert_cmpstr(path, ==, VF_PATH_LEASE "7");
        g_assert_cmpstr(found, ==, cases[i].expected);
        vf_lease_keep_write(again, lease, path);
        lease_again = vf_lease_keep_read(again, job, providers, &path_again);
        found_again = format_makings(lease_again);
        g_assert_cmpstr(found_again, ==, found);
        written = vf_kept_read(again, NULL);
        mdevs = g_variant_lookup_value(written, "mdevs", G_VARIANT_TYPE("a(ssst)"));
        before = g_variant_print(mdevs, FALSE);
        g_assert_cmpstr(before, ==, cases[i].before);
    }
}

/* What a daemon's parts see, with the pool for its only provider. */
typedef struct {
    VfContext context;
    GPtrArray *drivers, *providers;
    VfUses *uses;
    VfFdStore *store;
    VfLedger *ledger;
} Parts;

static void
parts_init(Parts *parts)
{
    g_autoptr(GError) error = NULL;

    parts->drivers = g_ptr_array_new();
    parts->providers = g_ptr_array_new();
    g_ptr_array_add(parts->providers, (gpointer)&pool);
    parts->uses = vf_uses_new();
    parts->store = vf_fd_store_new();
    parts->ledger = vf_ledger_new(rig->state, &error);
    g_assert_no_error(error);
    parts->context = (VfContext){.connection = rig->daemon,
                                 .registry = rig->registry,
                                 .gate = rig->gate,
                                 .objects = rig->objects,
                                 .uses = parts->uses,
                                 .ledger = parts->ledger,
                                 .store = parts->store,
                                 .drivers = parts->drivers,
                                 .providers = parts->providers};
}

static void
parts_clear(Parts *parts)
{
    g_object_unref(parts->ledger);
    g_object_unref(parts->store);
    g_object_unref(parts->uses);
    g_ptr_array_unref(parts->providers);
    g_ptr_array_unref(parts->drivers);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parts, parts_clear)

/* A lease that an earlier daemon was undoing is undone by this one. */
static void
test_resume(Rig *self, gconstpointer bus)
{
    g_auto(Parts) parts = {0};
    g_autofree char *device = create_device(NULL);
    g_autofree char *list =
        g_strdup_printf("[('pci', '" VF "', '" VF_ID "', 'pool', uint64 %" G_GUINT64_FORMAT ")]",
                        vf_device_get_inode(vf_registry_find_device(rig->registry, VF_ID)));
    g_autoptr(VfLeases) leases = NULL;
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), ":1.7");
    VfLease *lease;

    g_assert_nonnull(device);
    parts_init(&parts);
    leases = vf_leases_new(&parts.context, 10);
    vf_job_complete(job, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
    rig->stuck = 1;
    lease = vf_leases_resume(leases, job, describe(job, parts.store, "made", list));
    g_assert_cmpstr(vf_leases_get_path(leases, lease), ==, VF_PATH_LEASE "7");
    g_assert_false(vf_uses_check(parts.uses, &(VfTouch){.id = VF_ID}, NULL));
    wait_until(rig->removed == 1);
    wait_until(!vf_leases_find(leases, job));
    g_assert_true(vf_uses_check(parts.uses, &(VfTouch){.id = VF_ID}, NULL));
}

/* Wherever in its second a lease ends: not before it. */
static void
test_deadline(Rig *self, gconstpointer bus)
{
    const char *owner = g_dbus_connection_get_unique_name(rig->caller);
    g_auto(Parts) parts = {0};
    g_autoptr(VfLeases) leases = NULL;

    parts_init(&parts);
    leases = vf_leases_new(&parts.context, 10);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), owner);
        VfKept *kept = vf_kept_new(parts.store, VF_KEPT_LEASE, UUID);
        gint64 ends = g_get_monotonic_time() + G_USEC_PER_SEC;
        GVariantDict state;

        g_variant_dict_init(&state, NULL);
        g_variant_dict_insert(&state, "job", "s", JOB);
        g_variant_dict_insert(&state, "state", "s", "ready");
        g_variant_dict_insert(&state, "ends", "x", ends);
        vf_kept_write(kept, &state);
        vf_leases_resume(leases, job, kept);
        wait_until(vf_job_get_outcome(job));
        g_assert_cmpint(g_get_monotonic_time(), >=, ends);
        g_assert_error(vf_job_get_outcome(job)->error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
        wait_until(!vf_leases_find(leases, job));
        g_usleep(G_USEC_PER_SEC / 10); /* the next one elsewhere in its second */
    }
}

/* The guest has moved on: what vferry made for it is removed, and nothing else. */
static void
test_leaves(Rig *self, gconstpointer bus)
{
    g_auto(Parts) parts = {0};
    g_autofree char *path = create_device(NULL);
    VfDevice *device = vf_registry_find_device(rig->registry, VF_ID);
    guint64 inode = vf_device_get_inode(device);
    g_autoptr(VfJobs) jobs = NULL;
    g_autoptr(VfLoans) loans = NULL;
    g_autoptr(VfLeases) leases = NULL;
    g_autoptr(VfDomains) domains = NULL;
    g_autoptr(VfSourceDevices) devices = NULL;
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_SOURCE, JOB, getuid(), ":1.7");

    g_assert_nonnull(path);
    parts_init(&parts);
    jobs = vf_jobs_new(&parts.context, DEADLINE_MS);
    loans = vf_loans_new(&parts.context);
    leases = vf_leases_new(&parts.context, DEADLINE_MS);
    domains = vf_domains_new(&parts.context, jobs, leases);
    devices = vf_source_devices_new(&parts.context, jobs, loans, domains);
    vf_job_add_device(job, VF_ID, device);
    g_assert_cmpstr(vf_ledger_find_created(parts.ledger, VF_ID, inode), ==, "pool");
    vf_ledger_forget_created(parts.ledger, VF_ID, inode);
    vf_source_devices_clean_up(devices, job);
    settle();
    g_assert_cmpuint(rig->removed, ==, 0);
    vf_ledger_note_created(parts.ledger, VF_ID, "pool", inode);
    vf_source_devices_clean_up(devices, job);
    wait_until(rig->removed == 1);
    settle();
}

static void
add_test(GTestDBus *bus, const char *name, void (*test)(Rig *, gconstpointer))
{
    g_autofree char *path = g_strconcat("/provider/", name, NULL);

    g_test_add(path, Rig, bus, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_autoptr(GTestDBus) bus = NULL;
    g_autoptr(PolkitAuthority) polkit = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(bus), TRUE);
    /* libpolkit's only instance does not survive going away while it waits for an answer */
    polkit = polkit_authority_get_sync(NULL, NULL);
    g_assert_nonnull(polkit);
    add_test(bus, "choose", test_choose);
    add_test(bus, "prepare-and-release", test_prepare_and_release);
    add_test(bus, "create-fails", test_create_fails);
    add_test(bus, "no-room", test_no_room);
    add_test(bus, "stuck", test_stuck);
    add_test(bus, "recovery", test_recovery);
    add_test(bus, "completed", test_completed);
    add_test(bus, "create-and-remove", test_create_and_remove);
    add_test(bus, "create-device-fails", test_create_device_fails);
    add_test(bus, "creation-left-behind", test_creation_left_behind);
    add_test(bus, "descriptions", test_descriptions);
    add_test(bus, "resume", test_resume);
    add_test(bus, "deadline", test_deadline);
    add_test(bus, "leaves", test_leaves);
    status = g_test_run();
    g_test_dbus_stop(bus);
    return status;
}
