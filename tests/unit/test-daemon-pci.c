/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <umockdev.h>
#include <unistd.h>

#include "error.h"
#include "inventory-cache.h"
#include "names.h"
#include "registry.h"
#include "test-loop.h"
#include "udev.h"

#define BUS "/sys/devices/pci0000:00/0000:00:02.0"
#define PF_ID "0000:01:00.0"
#define PF BUS "/" PF_ID
#define VF_ID "0000:01:10.0"
#define VF BUS "/" VF_ID
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

typedef struct {
    UMockdevTestbed *testbed;
    char *root;
    VfUdev *udev;
    VfRegistry *registry;
    GString *seen; /* signals, one word each */
} Rig;

static char *
real_path(Rig *rig, const char *path)
{
    return g_strconcat(rig->root, path, NULL);
}

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
    g_autofree char *real = real_path(rig, path);
    g_autofree char *folder = g_path_get_dirname(real);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_cmpint(symlink(target, real), ==, 0);
}

static void
drop(Rig *rig, const char *path)
{
    g_autofree char *real = real_path(rig, path);

    g_assert_cmpint(g_unlink(real), ==, 0);
}

/* As bind does, up to its uevent: @name is the child that VFIO makes, NULL for a driver of another
 * kind. */
static void
bind_quietly(Rig *rig, const char *function, const char *driver, const char *name)
{
    g_autofree char *link = g_strconcat(function, "/driver", NULL);
    g_autofree char *target = g_strconcat("../../../../bus/pci/drivers/", driver, NULL);
    g_autofree char *vfio = name ? g_strdup_printf("P: %s/vfio-dev/%s\nE: SUBSYSTEM=vfio-dev\n",
                                                   function + strlen("/sys"), name)
                                 : NULL;

    make_link(rig, link, target);
    if (vfio)
        add(rig, vfio);
}

static void
bind_driver(Rig *rig, const char *function, const char *driver, const char *name)
{
    bind_quietly(rig, function, driver, name);
    umockdev_testbed_uevent(rig->testbed, function, "bind");
}

static void
unbind_quietly(Rig *rig, const char *function, const char *name)
{
    g_autofree char *child = g_strconcat(function, "/vfio-dev/", name, NULL);
    g_autofree char *link = g_strconcat(function, "/driver", NULL);

    umockdev_testbed_remove_device(rig->testbed, child);
    drop(rig, link);
}

/* The order of the kernel: the child's removal is announced first. */
static void
unbind(Rig *rig, const char *function, const char *name)
{
    g_autofree char *child = g_strconcat(function, "/vfio-dev/", name, NULL);

    umockdev_testbed_uevent(rig->testbed, child, "remove");
    unbind_quietly(rig, function, name);
    umockdev_testbed_uevent(rig->testbed, function, "unbind");
}

static void
add_pf(Rig *rig)
{
    add(rig, "P: /devices/pci0000:00/0000:00:02.0/" PF_ID "\n"
             "E: SUBSYSTEM=pci\n"
             "E: PCI_ID=8086:10C9\n"
             "A: numa_node=1\\n\n"
             "A: sriov_totalvfs=7\\n\n"
             "A: sriov_numvfs=0\\n\n"
             "L: driver=../../../../bus/pci/drivers/igb\n"
             "L: iommu_group=../../../../kernel/iommu_groups/4\n");
}

static void
add_vf(Rig *rig)
{
    add(rig, "P: /devices/pci0000:00/0000:00:02.0/" VF_ID "\n"
             "E: SUBSYSTEM=pci\n"
             "E: PCI_ID=8086:10CA\n"
             "A: numa_node=1\\n\n"
             "L: physfn=../" PF_ID "\n"
             "L: iommu_group=../../../../kernel/iommu_groups/9\n");
}

/* One file of what the kernel says in debugfs. */
static void
say(Rig *rig, const char *device, const char *file, const char *text)
{
    g_autofree char *path =
        g_build_filename(rig->root, VF_DEBUGFS_VFIO, device, "migration", file, NULL);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void
on_device_added(VfRegistry *registry, VfDevice *device, Rig *rig)
{
    g_string_append_printf(rig->seen, "+%s ", vf_device_get_id(device));
}

static void
on_device_removed(VfRegistry *registry, VfDevice *device, Rig *rig)
{
    g_assert_true(vf_device_is_gone(device));
    g_string_append_printf(rig->seen, "-%s ", vf_device_get_id(device));
}

static void
on_parent_added(VfRegistry *registry, VfParent *parent, Rig *rig)
{
    g_string_append_printf(rig->seen, "+parent:%s ", vf_parent_get_kind(parent));
}

static void
on_parent_removed(VfRegistry *registry, VfParent *parent, Rig *rig)
{
    g_string_append_printf(rig->seen, "-parent:%s ", vf_parent_get_kind(parent));
}

static void
start(Rig *rig)
{
    static const char *const nowhere[] = {NULL};
    g_autoptr(GError) error = NULL;

    rig->udev = vf_udev_new(&error);
    g_assert_no_error(error);
    rig->registry = vf_registry_new(rig->udev, vf_models_load(nowhere));
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
find(Rig *rig, const char *id)
{
    return vf_registry_find_device(rig->registry, id);
}

static VfParent *
find_pf(Rig *rig)
{
    return vf_registry_find_parent(rig->registry, PF_ID);
}

static void
handle(Rig *rig, const char *action, const char *subsystem, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    VfUdevEvent event = {action, subsystem, name, path, NULL};

    vf_registry_handle(rig->registry, &event);
}

static void
test_enumerates(Rig *rig, gconstpointer data)
{
    VfDevice *device;

    add_pf(rig);
    add_vf(rig);
    bind_driver(rig, VF, "igb_vfio_pci", "vfio3");
    start(rig);
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " ");
    device = find(rig, VF_ID);
    g_assert_cmpstr(vf_device_get_kind(device), ==, "pci");
    g_assert_cmpstr(vf_device_get_address(device), ==, VF_ID);
    g_assert_cmpstr(vf_device_get_uuid(device), ==, "");
    g_assert_cmpstr(vf_device_get_sysfs_path(device), ==, VF);
    g_assert_cmpstr(vf_device_get_parent_id(device), ==, PF_ID);
    g_assert_cmpstr(vf_device_get_driver(device), ==, "igb_vfio_pci");
    g_assert_cmpstr(vf_device_get_vfio_dev(device), ==, "vfio3");
    g_assert_cmpint(vf_device_get_iommu_group(device), ==, 9);
    g_assert_cmpint(vf_device_get_numa_node(device), ==, 1);
    g_assert_cmpstr(vf_device_get_model_id(device), ==, "");
    g_assert_cmpstr(vf_device_get_migration_source(device), ==, "unknown");
    g_assert_true(vf_device_is_complete(device));
}

static void
test_parent(Rig *rig, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    add_pf(rig);
    start(rig);
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci ");
    g_assert_cmpstr(vf_parent_get_sysfs_path(find_pf(rig)), ==, PF);
    g_assert_cmpstr(vf_parent_get_driver(find_pf(rig)), ==, "igb");
    g_assert_cmpint(vf_parent_get_numa_node(find_pf(rig)), ==, 1);
    g_assert_cmpuint(vf_parent_get_types(find_pf(rig))->len, ==, 0);
    g_assert_false(vf_parent_reserve(find_pf(rig), "mtty-2", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
}

static void
count(GObject *object, GParamSpec *pspec, guint *n)
{
    (*n)++;
}

static void
test_parent_driver_changes(Rig *rig, gconstpointer data)
{
    guint notified = 0;

    add_pf(rig);
    start(rig);
    g_signal_connect(find_pf(rig), "notify::driver", G_CALLBACK(count), &notified);
    drop(rig, PF "/driver");
    umockdev_testbed_uevent(rig->testbed, PF, "unbind");
    wait_until(g_str_equal(vf_parent_get_driver(find_pf(rig)), ""));
    /* a PF can be handed out itself: then it is both */
    bind_driver(rig, PF, "vfio-pci", "vfio0");
    wait_until(g_str_equal(vf_parent_get_driver(find_pf(rig)), "vfio-pci"));
    g_assert_cmpuint(notified, ==, 2);
    g_assert_cmpstr(vf_device_get_parent_id(find(rig, PF_ID)), ==, "");
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" PF_ID " ");
}

/* Only what can have virtual functions is a parent, and what is unbound or bound otherwise is no
 * device. */
static void
test_not_ours(Rig *rig, gconstpointer data)
{
    add_pf(rig);
    add_vf(rig);
    umockdev_testbed_set_attribute(rig->testbed, PF, "sriov_totalvfs", "0\n");
    bind_driver(rig, VF, "igbvf", NULL);
    start(rig);
    umockdev_testbed_set_attribute(rig->testbed, PF, "sriov_totalvfs", "many\n");
    umockdev_testbed_uevent(rig->testbed, PF, "change");
    umockdev_testbed_uevent(rig->testbed, VF, "change");
    umockdev_testbed_set_attribute(rig->testbed, PF, "sriov_totalvfs", "7\n");
    umockdev_testbed_uevent(rig->testbed, PF, "change");
    wait_until(find_pf(rig));
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci ");
}

static void
test_bind_and_unbind(Rig *rig, gconstpointer data)
{
    g_autoptr(VfDevice) device = NULL;

    add_pf(rig);
    start(rig);
    add_vf(rig);
    bind_driver(rig, VF, "vfio-pci", "vfio3");
    wait_until(find(rig, VF_ID));
    device = g_object_ref(find(rig, VF_ID));
    wait_until(vf_device_is_complete(device));
    g_assert_cmpstr(vf_device_get_driver(device), ==, "vfio-pci");
    unbind(rig, VF, "vfio3");
    wait_until(!find(rig, VF_ID));
    g_assert_true(vf_device_is_gone(device));
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " -" VF_ID " ");
}

/* sriov_numvfs back to 0: the function goes as a whole. */
static void
test_vanishes(Rig *rig, gconstpointer data)
{
    add_pf(rig);
    add_vf(rig);
    bind_driver(rig, VF, "vfio-pci", "vfio3");
    start(rig);
    umockdev_testbed_uevent(rig->testbed, VF "/vfio-dev/vfio3", "remove");
    umockdev_testbed_remove_device(rig->testbed, VF "/vfio-dev/vfio3");
    umockdev_testbed_uevent(rig->testbed, VF, "remove");
    umockdev_testbed_remove_device(rig->testbed, VF);
    wait_until(!find(rig, VF_ID));
    umockdev_testbed_uevent(rig->testbed, PF, "remove");
    umockdev_testbed_remove_device(rig->testbed, PF);
    wait_until(!find_pf(rig));
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " -" VF_ID " -parent:pci ");
}

/* What comes twice, or late, changes nothing while the function is bound as it was. */
static void
test_late_events(Rig *rig, gconstpointer data)
{
    static const char *const actions[] = {"add", "change", "bind", "unbind", "remove"};
    VfDevice *device;

    add_pf(rig);
    add_vf(rig);
    bind_driver(rig, VF, "vfio-pci", "vfio3");
    start(rig);
    settle();
    device = find(rig, VF_ID);
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
        handle(rig, actions[i], "pci", VF);
        handle(rig, actions[i], "vfio-dev", VF "/vfio-dev/vfio3");
        handle(rig, actions[i], "pci", PF);
    }
    g_assert_true(find(rig, VF_ID) == device);
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " ");
}

/* Unbound and bound again between two looks, under the same name: another device, and what was
 * known of the first is not known of it. */
static void
test_rebound(Rig *rig, gconstpointer data)
{
    static const char *const flags[] = {"stop-copy", NULL};
    g_autofree char *child = real_path(rig, VF "/vfio-dev/vfio3");
    g_autofree char *aside = real_path(rig, "/aside");
    g_autoptr(VfDevice) first = NULL;

    add_pf(rig);
    add_vf(rig);
    bind_driver(rig, VF, "vfio-pci", "vfio3");
    start(rig);
    settle();
    first = g_object_ref(find(rig, VF_ID));
    vf_device_set_migration(first, flags, "probe");
    g_assert_cmpint(g_rename(child, aside), ==, 0); /* else a file system may number it the same */
    make_link(rig, VF "/vfio-dev/vfio3/subsystem", "../../../../../../class/vfio-dev");
    vf_registry_refresh_device(rig->registry, first);
    g_assert_true(vf_device_is_gone(first));
    g_assert_true(find(rig, VF_ID) != first);
    handle(rig, "bind", "pci", VF);
    g_assert_cmpstr(vf_device_get_migration_source(find(rig, VF_ID)), ==, "unknown");
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " -" VF_ID " +" VF_ID " ");
}

/* The kernel has announced the removal and waits for the last descriptor. */
static void
test_on_its_way_out(Rig *rig, gconstpointer data)
{
    add_pf(rig);
    add_vf(rig);
    bind_driver(rig, VF, "vfio-pci", "vfio3");
    start(rig);
    settle();
    drop(rig, VF "/vfio-dev/vfio3/subsystem");
    handle(rig, "remove", "vfio-dev", VF "/vfio-dev/vfio3");
    g_assert_null(find(rig, VF_ID));
    handle(rig, "change", "pci", VF);
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " -" VF_ID " ");
}

static void
test_lost_events(Rig *rig, gconstpointer data)
{
    add_pf(rig);
    add_vf(rig);
    bind_driver(rig, VF, "vfio-pci", "vfio3");
    start(rig);
    settle();
    unbind_quietly(rig, VF, "vfio3");
    g_signal_emit_by_name(rig->udev, "overrun");
    g_assert_null(find(rig, VF_ID));
    umockdev_testbed_remove_device(rig->testbed, VF);
    umockdev_testbed_remove_device(rig->testbed, PF);
    g_signal_emit_by_name(rig->udev, "overrun");
    g_assert_cmpstr(rig->seen->str, ==, "+parent:pci +" VF_ID " -" VF_ID " -parent:pci ");
}

static void
test_half_bound(Rig *rig, gconstpointer data)
{
    add_pf(rig);
    start(rig);
    add_vf(rig);
    add(rig,
        "P: /devices/pci0000:00/0000:00:02.0/" VF_ID "/vfio-dev/vfio3\nE: SUBSYSTEM=vfio-dev\n");
    wait_until(find(rig, VF_ID));
    g_assert_false(vf_device_is_complete(find(rig, VF_ID)));
    make_link(rig, VF "/driver", "../../../../bus/pci/drivers/mlx5_vfio_pci");
    umockdev_testbed_uevent(rig->testbed, VF, "bind");
    wait_until(vf_device_is_complete(find(rig, VF_ID)));
    g_assert_cmpstr(vf_device_get_driver(find(rig, VF_ID)), ==, "mlx5_vfio_pci");
}

/* A function that also registers with the mdev core is a parent of mdevs from then on. */
static void
test_mdev_parent_wins(Rig *rig, gconstpointer data)
{
    add_pf(rig);
    start(rig);
    make_link(rig, VF_SYSFS_MDEV_PARENTS "/" PF_ID, "../../devices/pci0000:00/0000:00:02.0/" PF_ID);
    handle(rig, "change", "pci", PF);
    g_assert_cmpstr(vf_parent_get_kind(find_pf(rig)), ==, "mdev");
    drop(rig, VF_SYSFS_MDEV_PARENTS "/" PF_ID);
    handle(rig, "change", "pci", PF);
    g_assert_cmpstr(rig->seen->str, ==,
                    "+parent:pci -parent:pci +parent:mdev -parent:mdev +parent:pci ");
}

static char *
flags_of(Rig *rig, const char *id)
{
    VfDevice *device = find(rig, id);
    g_autofree char *flags = g_strjoinv(",", (char **)vf_device_get_migration(device));

    return g_strconcat(vf_device_get_migration_source(device), ":", flags, NULL);
}

#define assert_flags(expected)                                                                     \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_autofree char *flags_ = flags_of(rig, VF_ID);                                            \
        g_assert_cmpstr(flags_, ==, expected);                                                     \
    }                                                                                              \
    G_STMT_END

static void
test_debugfs(Rig *rig, gconstpointer data)
{
    static const char *const probed[] = {"stop-copy", "p2p", NULL};
    g_autofree char *folder = NULL;

    add_vf(rig);
    bind_driver(rig, VF, "mlx5_vfio_pci", "vfio3");
    start(rig);
    settle();
    assert_flags("unknown:");
    folder = g_build_filename(rig->root, VF_DEBUGFS_VFIO, VF_ID, NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    handle(rig, "bind", "pci", VF);
    assert_flags("debugfs:"); /* a driver without migration has no `migration` there */
    say(rig, VF_ID, "state", "RUNNING\n");
    handle(rig, "bind", "pci", VF);
    assert_flags("debugfs:stop-copy");
    say(rig, VF_ID, "features", "stop-copy\np2p\npre-copy\ndirty-tracking\n");
    handle(rig, "bind", "pci", VF);
    assert_flags("debugfs:stop-copy,p2p,pre-copy");
    say(rig, VF_ID, "features", "pre-copy-2\n stop-copy\nstop-copy\n");
    handle(rig, "bind", "pci", VF);
    assert_flags("debugfs:stop-copy");
    vf_device_set_migration(find(rig, VF_ID), probed, "probe");
    handle(rig, "bind", "pci", VF);
    assert_flags("probe:stop-copy,p2p");
}

static void
test_debugfs_of_an_mdev(Rig *rig, gconstpointer data)
{
    add(rig, "P: /devices/virtual/mtty/mtty\nE: SUBSYSTEM=mtty\n");
    make_link(rig, "/sys/class/mdev_bus/mtty", "../../devices/virtual/mtty/mtty");
    say(rig, UUID, "state", "RUNNING\n");
    add(rig, "P: /devices/virtual/mtty/mtty/" UUID "\nE: SUBSYSTEM=mdev\n");
    add(rig, "P: /devices/virtual/mtty/mtty/" UUID "/vfio-dev/vfio0\nE: SUBSYSTEM=vfio-dev\n");
    start(rig);
    g_assert_cmpstr(vf_device_get_migration_source(find(rig, UUID)), ==, "debugfs");
    g_assert_cmpstr(vf_device_get_migration(find(rig, UUID))[0], ==, "stop-copy");
}

static const char *
get_document(VfInventoryCache *cache)
{
    const char *text;

    g_variant_get(vf_inventory_cache_get(cache), "(&s)", &text);
    return text;
}

/* Whoever asks without end makes nobody work, and what he hears is no older than the last change.
 */
static void
test_document(Rig *rig, gconstpointer data)
{
    static const char *const nowhere[] = {NULL};
    g_autoptr(VfInventoryCache) cache = NULL;
    g_autoptr(GError) error = NULL;
    GVariant *document;

    add_pf(rig);
    add_vf(rig);
    bind_quietly(rig, VF, "vfio-pci", "vfio3");
    rig->udev = vf_udev_new(&error);
    g_assert_no_error(error);
    rig->registry = vf_registry_new(rig->udev, vf_models_load(nowhere));
    cache = vf_inventory_cache_new(rig->registry, UUID);
    g_assert_true(vf_registry_start(rig->registry, NULL));
    settle();
    g_assert_nonnull(strstr(get_document(cache), "state=\"unknown\""));
    vf_device_set_state(vf_registry_find_device(rig->registry, VF_ID), VF_DEVICE_LENT);
    g_assert_nonnull(strstr(get_document(cache), "state=\"lent\""));
    unbind(rig, VF, "vfio3");
    wait_until(!vf_registry_find_device(rig->registry, VF_ID));
    document = vf_inventory_cache_get(cache);
    g_assert_null(strstr(get_document(cache), "state=\"lent\""));
    while (vf_inventory_cache_get(cache) == document)
        g_usleep(1000);
    document = vf_inventory_cache_get(cache);
    for (guint i = 0; i < 1000; i++)
        (void)vf_inventory_cache_get(cache);
    /* by what was asked after each change, by the second, and hardly by one more */
    g_assert_cmpuint(vf_inventory_cache_count(cache), >=, 4);
    g_assert_cmpuint(vf_inventory_cache_count(cache), <=, 6);
}

static void
add_test(const char *name, void (*test)(Rig *, gconstpointer))
{
    g_autofree char *path = g_strconcat("/pci/", name, NULL);

    g_test_add(path, Rig, NULL, setup, test, teardown);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_test("enumerates", test_enumerates);
    add_test("parent", test_parent);
    add_test("parent-driver-changes", test_parent_driver_changes);
    add_test("not-ours", test_not_ours);
    add_test("bind-and-unbind", test_bind_and_unbind);
    add_test("vanishes", test_vanishes);
    add_test("late-events", test_late_events);
    add_test("rebound", test_rebound);
    add_test("on-its-way-out", test_on_its_way_out);
    add_test("lost-events", test_lost_events);
    add_test("half-bound", test_half_bound);
    add_test("mdev-parent-wins", test_mdev_parent_wins);
    add_test("debugfs", test_debugfs);
    add_test("debugfs-of-an-mdev", test_debugfs_of_an_mdev);
    add_test("document", test_document);
    return g_test_run();
}
