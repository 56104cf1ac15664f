/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <umockdev.h>
#include <unistd.h>

#include "choose.h"
#include "error.h"
#include "names.h"
#include "providers.h"
#include "registry.h"
#include "test-loop.h"
#include "udev.h"

#define PARENT "/sys/devices/virtual/mtty/mtty"
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MDEV PARENT "/" UUID

typedef struct {
    UMockdevTestbed *testbed;
    char *root;
    VfUdev *udev;
    VfRegistry *registry;
    GString *seen; /* signals, one word each */
} Rig;

static void
add(Rig *rig, const char *description)
{
    g_autoptr(GError) error = NULL;

    umockdev_testbed_add_from_string(rig->testbed, description, &error);
    g_assert_no_error(error);
}

static void
make_link(Rig *rig, const char *path, const char *target)
{
    g_autofree char *real = g_strconcat(rig->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(real);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_cmpint(symlink(target, real), ==, 0);
}

static void
drop_link(Rig *rig, const char *path)
{
    g_autofree char *real = g_strconcat(rig->root, path, NULL);

    g_assert_cmpint(g_unlink(real), ==, 0);
}

static void
add_parent(Rig *rig)
{
    add(rig, "P: /devices/virtual/mtty/mtty\n"
             "E: SUBSYSTEM=mtty\n"
             "A: mdev_supported_types/mtty-1/available_instances=24\\n\n"
             "A: mdev_supported_types/mtty-1/device_api=vfio-pci\\n\n"
             "A: mdev_supported_types/mtty-1/name=Single port serial\\n\n"
             "A: mdev_supported_types/mtty-2/available_instances=12\\n\n"
             "A: mdev_supported_types/mtty-2/device_api=vfio-pci\\n\n"
             "A: mdev_supported_types/mtty-2/name=Dual port serial\\n\n");
    make_link(rig, "/sys/class/mdev_bus/mtty", "../../devices/virtual/mtty/mtty");
}

static void
add_bare_mdev(Rig *rig)
{
    add(rig, "P: /devices/virtual/mtty/mtty/" UUID "\n"
             "E: SUBSYSTEM=mdev\n"
             "A: vendor/size=4096\\n\n"
             "L: iommu_group=../../../../../kernel/iommu_groups/7\n");
}

static void
complete_mdev(Rig *rig)
{
    add(rig, "P: /devices/virtual/mtty/mtty/" UUID "/vfio-dev/vfio3\nE: SUBSYSTEM=vfio-dev\n");
    make_link(rig, MDEV "/mdev_type", "../mdev_supported_types/mtty-2");
    make_link(rig, MDEV "/driver", "../../../../../bus/mdev/drivers/mtty");
    umockdev_testbed_uevent(rig->testbed, MDEV, "bind");
}

static void
on_device_added(VfRegistry *registry, VfDevice *device, Rig *rig)
{
    g_string_append(rig->seen, "+device ");
}

static void
on_device_removed(VfRegistry *registry, VfDevice *device, Rig *rig)
{
    g_assert_true(vf_device_is_gone(device));
    g_string_append(rig->seen, "-device ");
}

static void
on_parent_added(VfRegistry *registry, VfParent *parent, Rig *rig)
{
    g_string_append(rig->seen, "+parent ");
}

static void
on_parent_removed(VfRegistry *registry, VfParent *parent, Rig *rig)
{
    g_string_append(rig->seen, "-parent ");
}

static VfModels *
load_models(void)
{
    g_autofree char *shipped =
        g_build_filename(g_test_get_dir(G_TEST_DIST), "..", "..", "xml", "models", NULL);
    const char *const directories[] = {shipped, NULL};
    VfModels *models = vf_models_load(directories);

    g_assert_cmpuint(models->problems->len, ==, 0);
    return models;
}

static void
start(Rig *rig)
{
    g_autoptr(GError) error = NULL;

    rig->udev = vf_udev_new(&error);
    g_assert_no_error(error);
    rig->registry = vf_registry_new(rig->udev, load_models());
    g_signal_connect(rig->registry, "device-added", G_CALLBACK(on_device_added), rig);
    g_signal_connect(rig->registry, "device-removed", G_CALLBACK(on_device_removed), rig);
    g_signal_connect(rig->registry, "parent-added", G_CALLBACK(on_parent_added), rig);
    g_signal_connect(rig->registry, "parent-removed", G_CALLBACK(on_parent_removed), rig);
    vf_registry_start(rig->registry, &error);
    g_assert_no_error(error);
}

static void
setup(Rig *rig, gconstpointer data)
{
    rig->testbed = umockdev_testbed_new();
    /* else the library that redirects /sys was not linked, and the machine's own would be read */
    g_assert_false(g_file_test("/sys/kernel", G_FILE_TEST_EXISTS));
    rig->root = umockdev_testbed_get_root_dir(rig->testbed);
    rig->seen = g_string_new(NULL);
    add_parent(rig);
}

static void
teardown(Rig *rig, gconstpointer data)
{
    settle();
    g_clear_object(&rig->registry);
    g_clear_object(&rig->udev);
    g_clear_object(&rig->testbed);
    g_free(rig->root);
    g_string_free(rig->seen, TRUE);
}

static VfDevice *
find(Rig *rig)
{
    return vf_registry_find_device(rig->registry, UUID);
}

static const VfParentType *
find_type(Rig *rig, const char *id)
{
    return vf_parent_find_type(vf_registry_find_parent(rig->registry, "mtty"), id);
}

static void
handle(Rig *rig, const char *action, const char *subsystem, const char *path, const char *state)
{
    g_autofree char *name = g_path_get_basename(path);
    VfUdevEvent event = {action, subsystem, name, path, state};

    vf_registry_handle(rig->registry, &event);
}

static void
test_enumerates(Rig *rig, gconstpointer data)
{
    g_autoptr(GPtrArray) devices = NULL;

    add_bare_mdev(rig);
    complete_mdev(rig);
    start(rig);
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device ");
    devices = vf_registry_list_devices(rig->registry);
    g_assert_cmpuint(devices->len, ==, 1);
    g_assert_true(devices->pdata[0] == find(rig));
    g_assert_cmpstr(vf_device_get_id(find(rig)), ==, UUID);
    g_assert_cmpstr(vf_device_get_uuid(find(rig)), ==, UUID);
    g_assert_cmpstr(vf_device_get_address(find(rig)), ==, "");
    g_assert_cmpstr(vf_device_get_kind(find(rig)), ==, "mdev");
    g_assert_cmpstr(vf_device_get_sysfs_path(find(rig)), ==, MDEV);
    g_assert_cmpstr(vf_device_get_parent_id(find(rig)), ==, "mtty");
    g_assert_cmpstr(vf_device_get_driver(find(rig)), ==, "mtty");
    g_assert_cmpstr(vf_device_get_type_name(find(rig)), ==, "mtty-2");
    g_assert_cmpstr(vf_device_get_vfio_dev(find(rig)), ==, "vfio3");
    g_assert_cmpint(vf_device_get_iommu_group(find(rig)), ==, 7);
    g_assert_cmpint(vf_device_get_numa_node(find(rig)), ==, -1);
    g_assert_cmpstr(vf_device_get_model_id(find(rig)), ==, "kernel.org/mtty");
    g_assert_cmpint(vf_device_get_state(find(rig)), ==, VF_DEVICE_UNKNOWN);
    g_assert_true(vf_device_is_complete(find(rig)));
}

static void
test_hotplug(Rig *rig, gconstpointer data)
{
    g_autoptr(VfDevice) device = NULL;

    start(rig);
    add_bare_mdev(rig);
    wait_until(find(rig));
    device = g_object_ref(find(rig));
    g_assert_false(vf_device_is_complete(device));
    g_assert_cmpstr(vf_device_get_driver(device), ==, "");
    complete_mdev(rig);
    wait_until(vf_device_is_complete(device));
    umockdev_testbed_uevent(rig->testbed, MDEV, "remove");
    umockdev_testbed_remove_device(rig->testbed, MDEV);
    wait_until(!find(rig));
    g_assert_true(vf_device_is_gone(device));
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device -device ");
}

/* What comes twice, once from the monitor and once from the enumeration, is one device. */
static void
test_twice(Rig *rig, gconstpointer data)
{
    VfDevice *device;

    add_bare_mdev(rig);
    start(rig);
    device = find(rig);
    handle(rig, "add", "mdev", MDEV, NULL);
    handle(rig, "change", "mdev", MDEV, NULL);
    g_assert_true(find(rig) == device);
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device ");
}

static void
test_remove_unknown(Rig *rig, gconstpointer data)
{
    start(rig);
    handle(rig, "remove", "mdev", MDEV, NULL);
    handle(rig, "remove", "vfio-dev", MDEV "/vfio-dev/vfio3", NULL);
    g_assert_cmpstr(rig->seen->str, ==, "+parent ");
}

/* A creation that failed: an add for what has gone again. */
static void
test_add_of_what_has_gone(Rig *rig, gconstpointer data)
{
    start(rig);
    handle(rig, "add", "mdev", MDEV, NULL);
    handle(rig, "remove", "mdev", MDEV, NULL);
    g_assert_null(find(rig));
    g_assert_cmpstr(rig->seen->str, ==, "+parent ");
}

/* Another one takes its place, of which no event has been handled yet. The first is kept elsewhere:
 * else a file system may number the second the same, as sysfs does not. */
static void
replace_mdev(Rig *rig)
{
    g_autofree char *real = g_strconcat(rig->root, MDEV, NULL);
    g_autofree char *aside = g_strconcat(rig->root, "/aside", NULL);

    g_assert_cmpint(g_rename(real, aside), ==, 0);
    make_link(rig, MDEV "/subsystem", "../../../../../bus/mdev");
}

/* remove and add of one UUID in a burst: the second is another device, and sysfs shows it at the
 * remove. Nothing that was known of the first is known of it. */
static void
test_replaced(Rig *rig, gconstpointer data)
{
    static const char *const flags[] = {"stop-copy", NULL};
    g_autoptr(VfDevice) first = NULL;
    VfDevice *second;

    add_bare_mdev(rig);
    start(rig);
    settle();
    first = g_object_ref(find(rig));
    vf_device_set_migration(first, flags, "probe");
    vf_device_set_state(first, VF_DEVICE_LENT);
    replace_mdev(rig);
    handle(rig, "remove", "mdev", MDEV, NULL);
    second = find(rig);
    g_assert_true(vf_device_is_gone(first));
    g_assert_nonnull(second);
    g_assert_cmpuint(vf_device_get_inode(first), !=, vf_device_get_inode(second));
    g_assert_cmpstr(vf_device_get_migration_source(second), ==, "unknown");
    g_assert_cmpint(vf_device_get_state(second), ==, VF_DEVICE_UNKNOWN);
    handle(rig, "add", "mdev", MDEV, NULL);
    g_assert_true(find(rig) == second);
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device -device +device ");
}

/* A look comes before the events, which say nothing new then: not even that of the first one's end
 * takes the second away. */
static void
test_replaced_before_the_event(Rig *rig, gconstpointer data)
{
    static const char *const actions[] = {"remove", "add", "bind"};
    g_autoptr(VfDevice) first = NULL;
    VfDevice *second;

    add_bare_mdev(rig);
    start(rig);
    settle();
    first = g_object_ref(find(rig));
    replace_mdev(rig);
    vf_registry_refresh_device(rig->registry, first);
    second = find(rig);
    g_assert_true(vf_device_is_gone(first));
    g_assert_nonnull(second);
    g_assert_null(vf_registry_find_this_device(rig->registry, UUID, vf_device_get_inode(first)));
    g_assert_true(vf_registry_find_this_device(rig->registry, UUID, vf_device_get_inode(second)) ==
                  second);
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        handle(rig, actions[i], "mdev", MDEV, NULL);
    g_assert_true(find(rig) == second);
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device -device +device ");
}

/* The kernel waits for the last descriptor before it announces the removal: until then it is there,
 * and nobody takes it for a new one after. */
static void
test_on_its_way_out(Rig *rig, gconstpointer data)
{
    add_bare_mdev(rig);
    start(rig);
    settle();
    drop_link(rig, MDEV "/subsystem");
    handle(rig, "change", "mdev", MDEV, NULL);
    g_assert_nonnull(find(rig));
    handle(rig, "remove", "mdev", MDEV, NULL);
    g_assert_null(find(rig));
    handle(rig, "change", "mdev", MDEV, NULL);
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device -device ");
}

static void
test_moved(Rig *rig, gconstpointer data)
{
    add_bare_mdev(rig);
    start(rig);
    drop_link(rig, "/sys/bus/mdev/devices/" UUID);
    add(rig, "P: /devices/virtual/other/other\nE: SUBSYSTEM=other\n");
    add(rig, "P: /devices/virtual/other/other/" UUID "\nE: SUBSYSTEM=mdev\n");
    wait_until(g_str_equal(vf_device_get_parent_id(find(rig)), "other"));
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device -device +device ");
}

/* The parent's announcement comes through a monitor that umockdev cannot feed (it carries no tags).
 */
static void
test_parent_announced(Rig *rig, gconstpointer data)
{
    drop_link(rig, "/sys/class/mdev_bus/mtty");
    start(rig);
    g_assert_cmpstr(rig->seen->str, ==, "");
    handle(rig, "change", "mtty", PARENT, "registered"); /* late: it has gone again */
    g_assert_cmpstr(rig->seen->str, ==, "");
    make_link(rig, "/sys/class/mdev_bus/mtty", "../../devices/virtual/mtty/mtty");
    handle(rig, "change", "mtty", PARENT, "registered");
    handle(rig, "change", "mtty", PARENT, NULL);
    drop_link(rig, "/sys/class/mdev_bus/mtty");
    handle(rig, "change", "mtty", PARENT, "unregistered");
    g_assert_cmpstr(rig->seen->str, ==, "+parent -parent ");
}

static void
test_types_appear_late(Rig *rig, gconstpointer data)
{
    start(rig);
    umockdev_testbed_set_attribute(rig->testbed, PARENT,
                                   "mdev_supported_types/mtty-3/available_instances", "8\n");
    g_assert_null(find_type(rig, "mtty-3"));
    handle(rig, "change", "mtty", PARENT, NULL);
    wait_until(find_type(rig, "mtty-3"));
    g_assert_cmpuint(find_type(rig, "mtty-3")->available, ==, 8);
    g_assert_cmpstr(find_type(rig, "mtty-3")->name, ==, "mtty-3");
    g_assert_cmpstr(find_type(rig, "mtty-3")->device_api, ==, "");
}

static void
count(GObject *object, GParamSpec *pspec, guint *n)
{
    (*n)++;
}

static void
test_reservations(Rig *rig, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VfParent *parent;
    guint notified = 0;

    start(rig);
    parent = vf_registry_find_parent(rig->registry, "mtty");
    g_signal_connect(parent, "notify::offers", G_CALLBACK(count), &notified);
    for (guint i = 0; i < 12; i++)
        g_assert_true(vf_parent_reserve(parent, "mtty-2", NULL));
    g_assert_cmpuint(vf_parent_type_left(find_type(rig, "mtty-2")), ==, 0);
    g_assert_cmpuint(notified, ==, 12);
    g_assert_false(vf_parent_reserve(parent, "mtty-2", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM);
    g_assert_nonnull(strstr(error->message, "mtty-2"));
    vf_parent_unreserve(parent, "mtty-2");
    g_assert_true(vf_parent_reserve(parent, "mtty-2", NULL));
    g_clear_error(&error);
    g_assert_false(vf_parent_reserve(parent, "mtty-9", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
}

/* What others took meanwhile counts, though no event has come yet. */
static void
test_reserve_reads_afresh(Rig *rig, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VfParent *parent;

    start(rig);
    parent = vf_registry_find_parent(rig->registry, "mtty");
    umockdev_testbed_set_attribute(rig->testbed, PARENT,
                                   "mdev_supported_types/mtty-1/available_instances", "0\n");
    g_assert_false(vf_parent_reserve(parent, "mtty-1", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM);
}

/* The driver takes it away; no event has come yet. */
static void
drop_type(Rig *rig, const char *id)
{
    g_autofree char *path = g_build_filename(rig->root, PARENT, "mdev_supported_types", id, NULL);
    g_autofree char *elsewhere = g_build_filename(rig->root, id, NULL);

    g_assert_cmpint(g_rename(path, elsewhere), ==, 0);
}

static void
drop_all_types(Rig *rig)
{
    drop_type(rig, "mtty-1");
    drop_type(rig, "mtty-2");
}

static void
test_reserve_of_what_has_gone(Rig *rig, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    start(rig);
    drop_all_types(rig);
    g_assert_false(vf_parent_reserve(vf_registry_find_parent(rig->registry, "mtty"),
                                     find_type(rig, "mtty-1")->type, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "mtty-1"));
}

/* The first refusal makes the parent forget all of them; the second candidate is still one. */
static void
test_choose_what_has_gone(Rig *rig, gconstpointer data)
{
    g_autoptr(VfRequirement) requirement = NULL;
    g_autoptr(GPtrArray) providers = vf_providers_new();
    VfWish wish = {.override = "both fit"};
    g_autoptr(GError) error = NULL;
    const VfModel *model;

    start(rig);
    model = find_type(rig, "mtty-1")->model;
    requirement = vf_requirement_new(model->id, model->digest);
    drop_all_types(rig);
    g_assert_null(vf_choose(providers, rig->registry, requirement, &wish, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "mtty-"));
}

static void
test_choose_where_it_has_gone(Rig *rig, gconstpointer data)
{
    g_autoptr(GPtrArray) values = vf_value_list_new();
    g_autoptr(GPtrArray) providers = vf_providers_new();
    g_autoptr(VfMaking) making = NULL;
    g_autoptr(GError) error = NULL;
    VfParent *parent;

    start(rig);
    parent = vf_registry_find_parent(rig->registry, "mtty");
    drop_type(rig, "mtty-1");
    making =
        vf_choose_at(providers, rig->registry, parent, "kernel.org/mtty", values, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(vf_making_get_type_id(making), ==, "mtty-2");
    drop_type(rig, "mtty-2");
    g_assert_null(
        vf_choose_at(providers, rig->registry, parent, "kernel.org/mtty", values, NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "mtty-2"));
}

typedef struct {
    gboolean done;
    VfDevice *device;
    GError *error;
} Waited;

static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    Waited *waited = data;

    waited->device = vf_registry_wait_finish(VF_REGISTRY(source), result, &waited->error);
    waited->done = TRUE;
}

static void
waited_clear(Waited *waited)
{
    g_clear_object(&waited->device);
    g_clear_error(&waited->error);
}

static void
test_wait(Rig *rig, gconstpointer data)
{
    Waited early = {0}, late = {0};

    start(rig);
    vf_registry_wait_async(rig->registry, UUID, DEADLINE_MS, NULL, on_waited, &early);
    add_bare_mdev(rig);
    wait_until(find(rig));
    settle();
    g_assert_false(early.done);
    complete_mdev(rig);
    wait_until(early.done);
    g_assert_no_error(early.error);
    g_assert_true(early.device == find(rig));
    vf_registry_wait_async(rig->registry, UUID, DEADLINE_MS, NULL, on_waited, &late);
    wait_until(late.done);
    g_assert_true(late.device == find(rig));
    waited_clear(&early);
    waited_clear(&late);
}

static void
test_wait_in_vain(Rig *rig, gconstpointer data)
{
    Waited nothing = {0}, unbound = {0};

    start(rig);
    vf_registry_wait_async(rig->registry, UUID, 20, NULL, on_waited, &nothing);
    wait_until(nothing.done);
    g_assert_error(nothing.error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(nothing.error->message, "did not appear"));
    add_bare_mdev(rig);
    wait_until(find(rig));
    vf_registry_wait_async(rig->registry, UUID, 20, NULL, on_waited, &unbound);
    wait_until(unbound.done);
    g_assert_error(unbound.error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(unbound.error->message, "no driver"));
    waited_clear(&nothing);
    waited_clear(&unbound);
}

static void
test_wait_cancelled(Rig *rig, gconstpointer data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Waited waited = {0};

    start(rig);
    vf_registry_wait_async(rig->registry, UUID, DEADLINE_MS, cancellable, on_waited, &waited);
    g_cancellable_cancel(cancellable);
    wait_until(waited.done);
    g_assert_error(waited.error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED);
    waited_clear(&waited);
}

static void
test_notifies_what_changed(Rig *rig, gconstpointer data)
{
    guint drivers = 0, models = 0, all = 0;

    add_bare_mdev(rig);
    start(rig);
    g_signal_connect(find(rig), "notify::driver", G_CALLBACK(count), &drivers);
    g_signal_connect(find(rig), "notify::model-id", G_CALLBACK(count), &models);
    complete_mdev(rig);
    wait_until(vf_device_is_complete(find(rig)));
    g_assert_cmpuint(drivers, ==, 1);
    g_assert_cmpuint(models, ==, 1);
    g_signal_connect(find(rig), "notify", G_CALLBACK(count), &all);
    handle(rig, "change", "mdev", MDEV, NULL);
    vf_registry_refresh_device(rig->registry, find(rig));
    g_assert_cmpuint(all, ==, 0);
    vf_device_set_state(find(rig), VF_DEVICE_LENT);
    vf_device_set_state(find(rig), VF_DEVICE_LENT);
    g_assert_cmpuint(all, ==, 1);
}

static void
test_lost_events(Rig *rig, gconstpointer data)
{
    add_bare_mdev(rig);
    start(rig);
    umockdev_testbed_remove_device(rig->testbed, MDEV);
    drop_link(rig, "/sys/class/mdev_bus/mtty");
    g_signal_emit_by_name(rig->udev, "overrun");
    g_assert_null(find(rig));
    g_assert_cmpstr(rig->seen->str, ==, "+parent +device -device -parent ");
}

/* An attribute of the device itself; the model is made up here. */
static void
test_attribute_reader(Rig *rig, gconstpointer data)
{
    static const char descriptor[] =
        "<model xmlns='https://vferry.org/ns/model/1' id='example.org/sized'>"
        "<match><mdev driver='mtty' type='mtty-*'/></match>"
        "<parameter name='size' type='size' compare='equal'>"
        "<read><attribute path='vendor/size'/></read></parameter>"
        "<parameter name='mode' type='string' compare='equal'>"
        "<read><attribute path='vendor/mode'/></read></parameter></model>";
    g_autofree char *folder = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "sized.xml", NULL);
    const char *const directories[] = {folder, NULL};
    g_autoptr(GError) error = NULL;

    g_file_set_contents(file, descriptor, -1, &error);
    g_assert_no_error(error);
    rig->registry = vf_registry_new(NULL, vf_models_load(directories));
    add_bare_mdev(rig);
    complete_mdev(rig);
    handle(rig, "add", "mdev", MDEV, NULL);
    g_assert_cmpstr(vf_device_get_model_id(find(rig)), ==, "example.org/sized");
    g_assert_cmpuint(vf_device_get_values(find(rig))->len, ==, 2);
    g_assert_cmpstr(vf_value_list_find(vf_device_get_values(find(rig)), "size")->value, ==, "4096");
    g_assert_null(vf_value_list_find(vf_device_get_values(find(rig)), "mode")->value);
    umockdev_testbed_set_attribute(rig->testbed, MDEV, "vendor/size", "8192\n");
    vf_registry_refresh_device(rig->registry, find(rig));
    g_assert_cmpstr(vf_value_list_find(vf_device_get_values(find(rig)), "size")->value, ==, "8192");
    umockdev_testbed_set_attribute(rig->testbed, MDEV, "vendor/size", "large\n");
    vf_registry_refresh_device(rig->registry, find(rig));
    g_assert_null(vf_value_list_find(vf_device_get_values(find(rig)), "size")->value);
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void
add_test(const char *name, void (*test)(Rig *, gconstpointer))
{
    g_autofree char *path = g_strconcat("/registry/", name, NULL);

    g_test_add(path, Rig, NULL, setup, test, teardown);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_test("enumerates", test_enumerates);
    add_test("hotplug", test_hotplug);
    add_test("twice", test_twice);
    add_test("remove-unknown", test_remove_unknown);
    add_test("add-of-what-has-gone", test_add_of_what_has_gone);
    add_test("replaced", test_replaced);
    add_test("replaced-before-the-event", test_replaced_before_the_event);
    add_test("on-its-way-out", test_on_its_way_out);
    add_test("moved", test_moved);
    add_test("parent-announced", test_parent_announced);
    add_test("types-appear-late", test_types_appear_late);
    add_test("reservations", test_reservations);
    add_test("reserve-reads-afresh", test_reserve_reads_afresh);
    add_test("reserve-of-what-has-gone", test_reserve_of_what_has_gone);
    add_test("choose-what-has-gone", test_choose_what_has_gone);
    add_test("choose-where-it-has-gone", test_choose_where_it_has_gone);
    add_test("wait", test_wait);
    add_test("wait-in-vain", test_wait_in_vain);
    add_test("wait-cancelled", test_wait_cancelled);
    add_test("notifies-what-changed", test_notifies_what_changed);
    add_test("lost-events", test_lost_events);
    add_test("attribute-reader", test_attribute_reader);
    return g_test_run();
}
