/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The half of the daemon that acts, on a real bus, with a provider that makes no mdevs: a pool with
 * one virtual function in it. */
#pragma once

#include <fcntl.h>
#include <glib/gstdio.h>
#include <polkit/polkit.h>
#include <string.h>
#include <umockdev.h>
#include <unistd.h>

#include "choose.h"
#include "cookie.h"
#include "driver.h"
#include "error.h"
#include "io.h"
#include "lease-keep.h"
#include "leases.h"
#include "manager-object.h"
#include "mdev.h"
#include "names.h"
#include "recovery.h"
#include "service.h"
#include "source-devices.h"
#include "test-bus.h"

#define BUS "/sys/devices/pci0000:00/0000:00:02.0"
#define PF_ID "0000:01:00.0"
#define VF_ID "0000:01:10.0"
#define VF BUS "/" VF_ID
#define OTHER_ID "0000:01:10.1"
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
    gboolean at_once; /* its source comes while it begins to listen */
    gboolean ends;    /* and all is over then */

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

static inline void
unreserve(Function *self)
{
    if (self->reserved)
        ((VfParentType *)rig->types->pdata[0])->reserved--;
    self->reserved = FALSE;
}

static inline void
add(const char *description)
{
    g_autoptr(GError) error = NULL;

    umockdev_testbed_add_from_string(rig->testbed, description, &error);
    g_assert_no_error(error);
}

static inline void
handle(const char *action)
{
    VfUdevEvent event = {action, "pci", VF_ID, VF, NULL};

    vf_registry_handle(rig->registry, &event);
}

static inline void
create(VfMaking *making, GTask *task)
{
    g_autoptr(GTask) owned = task;
    g_autoptr(GPtrArray) entries = vf_record_read(vf_making_get_record(making), NULL);
    g_auto(GVariantDict) created = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GError) error = NULL;
    VfDevice *device;

    g_assert_nonnull(vf_record_find(entries, "create")); /* before anything exists */
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

static inline void
remove_it(VfMaking *making, GTask *task)
{
    g_autoptr(GTask) owned = task;

    if (g_str_equal(vf_making_get_id(making), OTHER_ID)) { /* made before the other one */
        g_assert_cmpuint(rig->removed++, ==, 1);
        g_task_return_boolean(owned, TRUE);
        return;
    }
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

static inline void
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

static inline GPtrArray *
get_types(VfParent *parent)
{
    g_assert_cmpstr(vf_parent_get_kind(parent), ==, "pci");
    return rig->types;
}

static inline VfMaking *
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

static inline VfMaking *
new_for_removal(const VfMade *made)
{
    VfMaking *self = g_object_new(function_get_type(), NULL);

    vf_making_set_made(self, made);
    return self;
}

static inline VfMaking *
find(GPtrArray *entries, GVariant *announced)
{
    const VfRecordEntry *created = vf_record_find(entries, "created");
    VfMade made = {.id = VF_ID, .sysfs_path = VF, .type = "pool"};

    if (created)
        g_variant_lookup(created->details, "inode", "t", &made.inode);
    return new_for_removal(&made);
}

static const VfProvider pool = {"pci", get_types, reserve, find, new_for_removal};

static inline VfParentType *
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

static inline void
listen(VfDriver *driver, VfJob *job, GTask *task)
{
    g_ptr_array_add(vf_job_get_channel(job)->endpoints, vf_endpoint_new_tcp("10.77.0.2", 49300));
    rig->listening = job;
    if (rig->at_once)
        vf_job_report_attached(job);
    if (rig->ends)
        vf_job_complete(job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static inline gboolean
claims(VfDriver *driver, const VfSubject *subject)
{
    return TRUE;
}

static inline void
cancel(VfDriver *driver, VfJob *job)
{
    vf_job_complete(job, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
}

static inline void
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

/* Everybody may do everything. */
static inline void
on_polkit_call(GDBusConnection *connection, const char *sender, const char *path,
               const char *interface, const char *method, GVariant *parameters,
               GDBusMethodInvocation *invocation, gpointer data)
{
    GVariantBuilder details;

    g_variant_builder_init(&details, G_VARIANT_TYPE("a{ss}"));
    g_dbus_method_invocation_return_value(invocation,
                                          g_variant_new("((bba{ss}))", TRUE, FALSE, &details));
}

static inline void
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
    rig->daemon = connect_to_bus(rig->bus);
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

static inline void
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

static inline VfModel *
find_model(void)
{
    return vf_models_find(vf_registry_get_models(rig->registry), "kernel.org/mtty");
}

static inline void
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
    rig->polkit = connect_to_bus(rig->bus);
    rig->caller = connect_to_bus(rig->bus);
    rig->driver = g_object_new(listener_get_type(), NULL);
    rig->types = g_ptr_array_new_with_free_func((GDestroyNotify)vf_parent_type_unref);
    be_polkit(rig->polkit, on_polkit_call, NULL);
    add("P: /devices/pci0000:00/0000:00:02.0/" PF_ID "\nE: SUBSYSTEM=pci\n"
        "A: sriov_totalvfs=7\\n\nL: driver=../../../../bus/pci/drivers/pool\n");
    start_daemon();
    g_ptr_array_add(rig->types, pool_type(find_model(), "2"));
}

static inline void
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

static inline void
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

static inline void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;

    answer->reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &answer->error);
    answer->done = TRUE;
}

/* Returns the reply, or NULL with @error. */
static inline GVariant *
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

static inline gboolean
is_here(void)
{
    return vf_registry_find_device(rig->registry, VF_ID) != NULL;
}

static inline char *
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

/* What a daemon's parts see, with the pool for its only provider. */
typedef struct {
    VfContext context;
    GPtrArray *drivers, *providers;
    VfUses *uses;
    VfFdStore *store;
    VfLedger *ledger;
} Parts;

static inline void
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

static inline void
parts_clear(Parts *parts)
{
    g_object_unref(parts->ledger);
    g_object_unref(parts->store);
    g_object_unref(parts->uses);
    g_ptr_array_unref(parts->providers);
    g_ptr_array_unref(parts->drivers);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parts, parts_clear)

typedef struct {
    const char *name;
    void (*test)(Rig *, gconstpointer);
} RigTest;

static inline int
run_rig_tests(int argc, char **argv, const RigTest *tests, gsize n_tests)
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
    for (gsize i = 0; i < n_tests; i++)
        g_test_add(tests[i].name, Rig, bus, set_up, tests[i].test, tear_down);
    status = g_test_run();
    g_test_dbus_stop(bus);
    return status;
}
