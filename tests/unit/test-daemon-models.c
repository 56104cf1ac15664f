/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <umockdev.h>
#include <unistd.h>

#include "inventory.h"
#include "names.h"
#include "registry.h"
#include "test-loop.h"
#include "udev.h"

/* Hosts with devices of the shipped models, as their sysfs shows them, and what is read of it. */

#define BRIDGE "/devices/pci0000:00/0000:00:02.0"
#define PF_ID "0000:01:00.0"
#define VF_ID "0000:01:10.0"
#define GPU BRIDGE "/" PF_ID
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

typedef struct {
    UMockdevTestbed *testbed;
    char *root;
    VfRegistry *registry;
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
put(Rig *rig, const char *path, const char *data, gsize size)
{
    g_autofree char *real = g_strconcat(rig->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(real);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_file_set_contents(real, data, (gssize)size, &error);
    g_assert_no_error(error);
}

static void
set_up(Rig *rig, gconstpointer data)
{
    rig->testbed = umockdev_testbed_new();
    /* else the library that redirects /sys was not linked, and the machine's own would be read */
    g_assert_false(g_file_test("/sys/kernel", G_FILE_TEST_EXISTS));
    rig->root = umockdev_testbed_get_root_dir(rig->testbed);
}

static void
tear_down(Rig *rig, gconstpointer data)
{
    g_clear_object(&rig->registry);
    g_clear_object(&rig->testbed);
    g_free(rig->root);
}

/* A physical and a virtual function; @pf and @vf: attributes, as umockdev writes them. */
static void
add_functions(Rig *rig, const char *pf_driver, const char *pf, const char *vf_driver,
              const char *vf)
{
    g_autofree char *physical =
        g_strdup_printf("P: " BRIDGE "/" PF_ID "\nE: SUBSYSTEM=pci\nA: sriov_totalvfs=4\\n\n%s"
                        "L: driver=../../../../bus/pci/drivers/%s\n",
                        pf, pf_driver);
    g_autofree char *virtual = g_strdup_printf(
        "P: " BRIDGE "/" VF_ID "\nE: SUBSYSTEM=pci\n%s"
        "L: driver=../../../../bus/pci/drivers/%s\nL: physfn=../" PF_ID "\n",
        vf, vf_driver);

    add(rig, physical);
    add(rig, virtual);
    add(rig, "P: " BRIDGE "/" VF_ID "/vfio-dev/vfio0\nE: SUBSYSTEM=vfio-dev\n");
}

static void
load(Rig *rig, const char *directory)
{
    g_autofree char *shipped =
        g_build_filename(g_test_get_dir(G_TEST_DIST), "..", "..", "xml", "models", NULL);
    const char *const directories[] = {directory ? directory : shipped, NULL};
    VfModels *models;

    models = vf_models_load(directories);
    if (models->problems->len > 0)
        g_error("%s", ((const VfModelsProblem *)models->problems->pdata[0])->message);
    rig->registry = vf_registry_new(NULL, models);
}

static void
look(Rig *rig, const char *subsystem, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *sysfs = g_strconcat("/sys", path, NULL);
    VfUdevEvent event = {"add", subsystem, name, sysfs, NULL};

    vf_registry_handle(rig->registry, &event);
}

/* "name=value evidence", one a line; "name unread" where nothing could read it. */
static char *
format_values(GPtrArray *values)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < values->len; i++) {
        const VfValue *value = values->pdata[i];

        if (value->value)
            g_string_append_printf(text, "%s=%s %s\n", value->name, value->value, value->evidence);
        else
            g_string_append_printf(text, "%s unread\n", value->name);
    }
    return g_string_free(text, FALSE);
}

static void
assert_device(Rig *rig, const char *id, const char *model, const char *values)
{
    VfDevice *device = vf_registry_find_device(rig->registry, id);
    g_autofree char *found = device ? format_values(vf_device_get_values(device)) : NULL;

    g_assert_nonnull(device);
    g_assert_cmpstr(vf_device_get_model_id(device), ==, model);
    g_assert_cmpstr(found, ==, values);
}

static void
look_at_functions(Rig *rig)
{
    load(rig, NULL);
    look(rig, VF_SUBSYSTEM_PCI, BRIDGE "/" PF_ID);
    look(rig, VF_SUBSYSTEM_PCI, BRIDGE "/" VF_ID);
}

static void
test_mlx5(Rig *rig, gconstpointer data)
{
    add_functions(rig, "mlx5_core", "A: vendor=0x15b3\\n\nA: device=0x1021\\n\n", "mlx5_vfio_pci",
                  "A: vendor=0x15b3\\n\nA: device=0x101e\\n\nA: revision=0x00\\n\n"
                  "A: subsystem_vendor=0x15b3\\n\nA: subsystem_device=0x0023\\n\n");
    look_at_functions(rig);
    assert_device(rig, VF_ID, "kernel.org/vfio/mlx5",
                  "adapter=0x1021 sysfs-attribute\n"
                  "firmware-version unread\n"
                  "ipsec-crypto unread\n"
                  "ipsec-packet unread\n"
                  "max-io-eqs unread\n"
                  "msix-vectors unread\n"
                  "revision=0x00 sysfs-attribute\n"
                  "roce unread\n");
}

/* The same function with a driver that cannot migrate it: nothing is claimed. */
static void
test_plain_driver(Rig *rig, gconstpointer data)
{
    add_functions(rig, "mlx5_core", "", "vfio-pci", "A: vendor=0x15b3\\n\nA: device=0x101e\\n\n");
    look_at_functions(rig);
    assert_device(rig, VF_ID, "", "");
}

static void
test_ids_that_are_none(Rig *rig, gconstpointer data)
{
    add_functions(rig, "mlx5_core", "", "mlx5_vfio_pci",
                  "A: vendor=15b3\\n\nA: device=0x101E\\n\n");
    look_at_functions(rig);
    assert_device(rig, VF_ID, "", "");
}

static void
test_qat(Rig *rig, gconstpointer data)
{
    add_functions(rig, "4xxx", "A: qat/cfg_services=sym;asym\\n\nA: qat/state=up\\n\n",
                  "qat_vfio_pci",
                  "A: vendor=0x8086\\n\nA: device=0x4941\\n\nA: revision=0x40\\n\n");
    look_at_functions(rig);
    assert_device(rig, VF_ID, "kernel.org/vfio/qat-4xxx",
                  "capabilities unread\n"
                  "compression-capabilities unread\n"
                  "device=0x4941 sysfs-attribute\n"
                  "rate-committed unread\n"
                  "rate-peak unread\n"
                  "revision=0x40 sysfs-attribute\n"
                  "services=asym sym sysfs-attribute\n"
                  "state-version unread\n");
    /* while the accelerator is down it may be given other services */
    umockdev_testbed_set_attribute(rig->testbed, "/sys" BRIDGE "/" PF_ID, "qat/cfg_services",
                                   "dc\n");
    vf_registry_refresh_device(rig->registry, vf_registry_find_device(rig->registry, VF_ID));
    g_assert_cmpstr(
        vf_value_list_find(vf_device_get_values(vf_registry_find_device(rig->registry, VF_ID)),
                           "services")
            ->value,
        ==, "dc");
}

static void
test_xe(Rig *rig, gconstpointer data)
{
    add_functions(rig, "xe", "A: vendor=0x8086\\n\nA: device=0xe20b\\n\nA: revision=0x05\\n\n",
                  "xe-vfio-pci", "A: vendor=0x8086\\n\nA: device=0xe20b\\n\nA: revision=0x00\\n\n");
    look_at_functions(rig);
    assert_device(rig, VF_ID, "kernel.org/vfio/xe-bmg",
                  "device=0xe20b sysfs-attribute\n"
                  "firmware-version unread\n"
                  "ggtt-size unread\n"
                  "revision=0x05 sysfs-attribute\n"
                  "vram-size unread\n");
}

static void
test_hisi(Rig *rig, gconstpointer data)
{
    add_functions(rig, "hisi_zip", "A: revision=0x30\\n\n", "hisi_acc_vfio_pci",
                  "A: vendor=0x19e5\\n\nA: device=0xa251\\n\nA: revision=0x30\\n\n");
    look_at_functions(rig);
    assert_device(rig, VF_ID, "kernel.org/vfio/hisi-acc-zip",
                  "queue-isolation unread\n"
                  "queue-pairs unread\n"
                  "revision=0x30 sysfs-attribute\n"
                  "state-version unread\n");
}

/* --- mediated devices --- */

#define NVIDIA_TYPE "mdev_supported_types/nvidia-156"

static void
add_nvidia_gpu(Rig *rig)
{
    add(rig, "P: " GPU "\nE: SUBSYSTEM=pci\n"
             "A: vendor=0x10de\\n\nA: device=0x1b38\\n\nA: subsystem_device=0x11d9\\n\n"
             "A: " NVIDIA_TYPE "/name=GRID P40-2B\\n\n"
             "A: " NVIDIA_TYPE "/available_instances=12\\n\n"
             "A: " NVIDIA_TYPE "/device_api=vfio-pci\\n\n"
             "A: " NVIDIA_TYPE "/description=num_heads=4, frl_config=45, framebuffer=2048M, "
             "max_resolution=5120x2880, max_instance=12\\n\n"
             "L: driver=../../../../bus/pci/drivers/nvidia\n");
    make_link(rig, "/sys/bus/pci/drivers/nvidia/module", "../../../../module/nvidia");
    put(rig, "/sys/module/nvidia/version", "535.129.03\n", 11);
    make_link(rig, "/sys/class/mdev_bus/" PF_ID, "../.." GPU);
}

#define NVIDIA_KNOWN_BEFORE                                                                        \
    "driver-version=535.129.03 sysfs-attribute\n%s"                                                \
    "frame-rate-limit=45 sysfs-attribute\n"                                                        \
    "framebuffer=2147483648 sysfs-attribute\n"                                                     \
    "gpu=0x1b38 sysfs-attribute\n"                                                                 \
    "gpu-board=0x11d9 sysfs-attribute\n"                                                           \
    "heads=4 sysfs-attribute\n"                                                                    \
    "max-instances=12 sysfs-attribute\n"                                                           \
    "max-resolution=5120x2880 sysfs-attribute\n%s"                                                 \
    "name=GRID P40-2B sysfs-attribute\n%s"

static void
add_mdev(Rig *rig, const char *parent, const char *type, const char *attributes)
{
    g_autofree char *text = g_strdup_printf("P: %s/" UUID "\nE: SUBSYSTEM=mdev\n%sL: "
                                            "mdev_type=../mdev_supported_types/%s\nL: "
                                            "driver=../../../../../bus/mdev/drivers/vendor\n",
                                            parent, attributes, type);
    g_autofree char *child =
        g_strdup_printf("P: %s/" UUID "/vfio-dev/vfio0\nE: SUBSYSTEM=vfio-dev\n", parent);

    add(rig, text);
    add(rig, child);
}

static void
test_nvidia_mdev(Rig *rig, gconstpointer data)
{
    g_autofree char *device =
        g_strdup_printf(NVIDIA_KNOWN_BEFORE, "ecc unread\n", "mig unread\n",
                        "params=frame_rate_limiter=0 sysfs-attribute\nvf-type unread\n");
    g_autofree char *before = g_strdup_printf(NVIDIA_KNOWN_BEFORE, "", "", "");
    g_autofree char *offer = NULL;
    const VfParentType *type;

    add_nvidia_gpu(rig);
    add_mdev(rig, GPU, "nvidia-156", "A: nvidia/vgpu_params=frame_rate_limiter=0\\n\n");
    load(rig, NULL);
    look(rig, VF_SUBSYSTEM_MDEV, GPU "/" UUID);
    assert_device(rig, UUID, "nvidia.com/vgpu", device);
    type = vf_parent_find_type(vf_registry_find_parent(rig->registry, PF_ID), "nvidia-156");
    g_assert_cmpstr(type->model->id, ==, "nvidia.com/vgpu");
    offer = format_values(type->values);
    g_assert_cmpstr(offer, ==, before);
}

/* The newer shape: the virtual function itself, with NVIDIA's own driver. */
static void
test_nvidia_function(Rig *rig, gconstpointer data)
{
    add_functions(
        rig, "nvidia", "A: vendor=0x10de\\n\nA: device=0x2335\\n\nA: subsystem_device=0x18be\\n\n",
        "nvidia",
        "A: vendor=0x10de\\n\nA: device=0x2335\\n\nA: nvidia/current_vgpu_type=1132\\n\n");
    make_link(rig, "/sys/bus/pci/drivers/nvidia/module", "../../../../module/nvidia");
    put(rig, "/sys/module/nvidia/version", "570.124.03\n", 11);
    look_at_functions(rig);
    assert_device(rig, VF_ID, "nvidia.com/vgpu",
                  "driver-version=570.124.03 sysfs-attribute\n"
                  "ecc unread\n"
                  "frame-rate-limit unread\n"
                  "framebuffer unread\n"
                  "gpu=0x2335 sysfs-attribute\n"
                  "gpu-board=0x18be sysfs-attribute\n"
                  "heads unread\n"
                  "max-instances unread\n"
                  "max-resolution unread\n"
                  "mig unread\n"
                  "name unread\n"
                  "params unread\n"
                  "vf-type=1132 sysfs-attribute\n");
}

#define GVTG_TYPE(name) "mdev_supported_types/i915-GVTg_" name

static void
test_i915(Rig *rig, gconstpointer data)
{
    static const char *const expected[][2] = {{"i915-GVTg_V5_4", "134217728"},
                                              {"i915-GVTg_V5_8", "67108864"}};
    VfParent *parent;

    add(rig,
        "P: " GPU "\nE: SUBSYSTEM=pci\nA: device=0x193b\\n\n"
        "A: " GVTG_TYPE(
            "V5_4") "/available_instances=1\\n\n"
                    "A: " GVTG_TYPE(
                        "V5_4") "/device_api=vfio-pci\\n\n"
                                "A: " GVTG_TYPE(
                                    "V5_4") "/description=low_gm_size: 128MB\\nhigh_gm_size: "
                                            "512MB\\n"
                                            "fence: 4\\nresolution: 1920x1200\\nweight: 4\\n\n"
                                            "A: " GVTG_TYPE(
                                                "V5_8") "/available_instances=2\\n\n"
                                                        "A: " GVTG_TYPE(
                                                            "V5_8") "/device_api=vfio-pci\\n\n"
                                                                    "A: " GVTG_TYPE(
                                                                        "V5_8") "/description=low_"
                                                                                "gm_size: "
                                                                                "64MB\\nhigh_gm_"
                                                                                "size: 384MB\\n"
                                                                                "fence: "
                                                                                "4\\nresolution: "
                                                                                "1024x768\\nweight:"
                                                                                " 2\\n\n"
                                                                                "L: "
                                                                                "driver=../../../"
                                                                                "../bus/pci/"
                                                                                "drivers/i915\n");
    make_link(rig, "/sys/class/mdev_bus/" PF_ID, "../.." GPU);
    add_mdev(rig, GPU, "i915-GVTg_V5_4", "");
    load(rig, NULL);
    look(rig, VF_SUBSYSTEM_MDEV, GPU "/" UUID);
    assert_device(rig, UUID, "kernel.org/i915-gvtg/v5",
                  "device=0x193b sysfs-attribute\n"
                  "fences=4 sysfs-attribute\n"
                  "high-memory=536870912 sysfs-attribute\n"
                  "low-memory=134217728 sysfs-attribute\n"
                  "resolution=1920x1200 sysfs-attribute\n"
                  "weight=4 sysfs-attribute\n");
    parent = vf_registry_find_parent(rig->registry, PF_ID);
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        const VfParentType *type = vf_parent_find_type(parent, expected[i][0]);

        g_assert_nonnull(type->model->not_migratable);
        g_assert_cmpstr(vf_value_list_find(type->values, "low-memory")->value, ==, expected[i][1]);
    }
}

static void
test_ap(Rig *rig, gconstpointer data)
{
    g_autoptr(VfCapabilities) capabilities = NULL;
    const VfCapabilitiesParent *parent;

    add(rig, "P: /devices/vfio_ap/matrix\nE: SUBSYSTEM=vfio_ap\n"
             "A: mdev_supported_types/vfio_ap-passthrough/available_instances=65536\\n\n"
             "A: mdev_supported_types/vfio_ap-passthrough/device_api=vfio-ap\\n\n"
             "L: driver=../../../bus/matrix/drivers/vfio_ap\n");
    make_link(rig, "/sys/class/mdev_bus/matrix", "../../devices/vfio_ap/matrix");
    add_mdev(rig, "/devices/vfio_ap/matrix", "vfio_ap-passthrough",
             "A: matrix=05.0004\\n05.00ab\\n\nA: control_domains=\n");
    load(rig, NULL);
    look(rig, VF_SUBSYSTEM_MDEV, "/devices/vfio_ap/matrix/" UUID);
    assert_device(rig, UUID, "kernel.org/vfio-ap",
                  "control-domains= sysfs-attribute\n"
                  "matrix=05.0004 05.00ab sysfs-attribute\n");
    capabilities = vf_inventory_build(rig->registry, "c0ffee00-0000-4000-8000-000000000000");
    parent = capabilities->parents->pdata[0];
    g_assert_null(((const VfCapabilitiesOffer *)parent->offers->pdata[0])->usable_by[0]);
}

/* --- the readers that no shipped descriptor needs --- */

#define READER(name, type, reader)                                                                 \
    "<parameter name='" name "' type='" type "' compare='equal'><read>" reader "</read></"         \
    "parameter>"

static void
load_own(Rig *rig, const char *parameters)
{
    g_autofree char *directory = g_strconcat(rig->root, "/models", NULL);
    g_autofree char *text = g_strdup_printf(
        "<model xmlns='https://vferry.org/ns/model/1' id='a.example/card'>"
        "<match><pci vendor='1234' device='5678' driver='card-vfio'/></match>%s</model>",
        parameters);

    put(rig, "/models/card.xml", text, strlen(text));
    load(rig, directory);
    look(rig, VF_SUBSYSTEM_PCI, BRIDGE "/" VF_ID);
}

static void
add_card(Rig *rig, const char *properties)
{
    g_autofree char *attributes =
        g_strconcat("A: vendor=0x1234\\n\nA: device=0x5678\\n\n", properties, NULL);

    add_functions(rig, "card", "", "card-vfio", attributes);
}

static const VfValue *
find_value(Rig *rig, const char *name)
{
    return vf_value_list_find(vf_device_get_values(vf_registry_find_device(rig->registry, VF_ID)),
                              name);
}

static gboolean
is_read(Rig *rig, const char *name)
{
    return find_value(rig, name)->value != NULL;
}

static void
test_config_space(Rig *rig, gconstpointer data)
{
    static const char space[62] = {0x34, 0x12, 0x78, 0x56, [8] = 0x11, 0x22, 0x33, (char)0xff};

    add_card(rig, "");
    put(rig, "/sys" BRIDGE "/" VF_ID "/config", space, sizeof space);
    load_own(rig, READER("beyond", "int", "<pci-config offset='64' width='1'/>")
                      READER("half", "bitmask", "<pci-config offset='60' width='4'/>")
                          READER("id", "bitmask", "<pci-config offset='0' width='2'/>")
                              READER("number", "int", "<pci-config offset='9' width='1'/>")
                                  READER("wide", "int", "<pci-config offset='8' width='4'/>"));
    /* not on the main loop, which may have to wait for the function */
    assert_device(rig, VF_ID, "a.example/card",
                  "beyond unread\n"
                  "half unread\n"
                  "id unread\n"
                  "number unread\n"
                  "wide unread\n");
    wait_until(is_read(rig, "id"));
    assert_device(rig, VF_ID, "a.example/card",
                  "beyond unread\n"
                  "half unread\n"
                  "id=0x1234 pci-config\n"
                  "number=34 pci-config\n"
                  "wide=4281541137 pci-config\n");
    /* what happens to it leaves them as they are, until they are read again */
    put(rig, "/sys" BRIDGE "/" VF_ID "/config", "\x21\x43", 2);
    look(rig, VF_SUBSYSTEM_PCI, BRIDGE "/" VF_ID);
    g_assert_cmpstr(find_value(rig, "id")->value, ==, "0x1234");
    wait_until(g_strcmp0(find_value(rig, "id")->value, "0x4321") == 0);
    g_assert_null(find_value(rig, "number")->value);
}

static void
test_no_config_space(Rig *rig, gconstpointer data)
{
    add_card(rig, "");
    load_own(rig, READER("id", "bitmask", "<pci-config offset='0' width='2'/>"));
    assert_device(rig, VF_ID, "a.example/card", "id unread\n");
}

static void
test_udev_property(Rig *rig, gconstpointer data)
{
    add_card(rig, "E: ID_CARD_FEATURES=b,a\nE: ID_CARD_SIZE=many\nE: ID_CARD_FAST=1\n");
    load_own(rig,
             READER("fast", "bool", "<udev-property name='ID_CARD_FAST'/>")
                 READER("features", "set", "<udev-property name='ID_CARD_FEATURES' separator=','/>")
                     READER("other", "string", "<udev-property name='ID_CARD_OTHER'/>")
                         READER("size", "size", "<udev-property name='ID_CARD_SIZE'/>"));
    assert_device(rig, VF_ID, "a.example/card",
                  "fast=yes udev-property\n"
                  "features=a b udev-property\n"
                  "other unread\n"
                  "size unread\n");
}

/* A directory, a link that leads elsewhere and a text that is too long are no values. */
static void
test_attributes_that_are_none(Rig *rig, gconstpointer data)
{
    g_autofree char *text = g_strnfill(VF_VALUE_TEXT_MAX + 1, 'x');

    add_card(rig, "A: folder/file=1\\n\n");
    put(rig, "/sys" BRIDGE "/" VF_ID "/long", text, strlen(text));
    make_link(rig, "/sys" BRIDGE "/" VF_ID "/link", "vendor");
    load_own(rig, READER("folder", "string", "<attribute path='folder'/>")
                      READER("inside", "string", "<attribute path='folder/file'/>")
                          READER("link", "string", "<attribute path='link'/>")
                              READER("long", "string", "<attribute path='long'/>")
                                  READER("type", "string", "<attribute path='name' of='type'/>"));
    assert_device(rig, VF_ID, "a.example/card",
                  "folder unread\n"
                  "inside=1 sysfs-attribute\n"
                  "link unread\n"
                  "long unread\n"
                  "type unread\n");
}

/* The document that other hosts compare with has all of it. */
static void
test_capabilities(Rig *rig, gconstpointer data)
{
    g_autoptr(VfCapabilities) capabilities = NULL;
    const VfCapabilitiesOffer *offer;
    const VfCapabilitiesDevice *device;

    add_nvidia_gpu(rig);
    add_mdev(rig, GPU, "nvidia-156", "");
    load(rig, NULL);
    look(rig, VF_SUBSYSTEM_MDEV, GPU "/" UUID);
    capabilities = vf_inventory_build(rig->registry, "c0ffee00-0000-4000-8000-000000000000");
    g_assert_nonnull(vf_capabilities_find_model(capabilities, "nvidia.com/vgpu"));
    device = capabilities->devices->pdata[0];
    g_assert_cmpstr(device->model, ==, "nvidia.com/vgpu");
    g_assert_cmpstr(vf_value_list_find(device->values, "name")->value, ==, "GRID P40-2B");
    g_assert_null(vf_value_list_find(device->values, "ecc")->value);
    offer = ((const VfCapabilitiesParent *)capabilities->parents->pdata[0])->offers->pdata[0];
    g_assert_cmpstr(vf_value_list_find(offer->values, "framebuffer")->value, ==, "2147483648");
    g_assert_null(vf_value_list_find(offer->values, "ecc"));
    g_assert_cmpstr(offer->usable_by[0], ==, "libvirt");
    g_assert_cmpstr(offer->usable_by[1], ==, "qemu");
    g_assert_cmpstr(offer->usable_by[2], ==, "vfio");
}

static void
add_test(const char *name, void (*test)(Rig *, gconstpointer))
{
    g_autofree char *path = g_strconcat("/models/", name, NULL);

    g_test_add(path, Rig, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_test("mlx5", test_mlx5);
    add_test("plain-driver", test_plain_driver);
    add_test("ids-that-are-none", test_ids_that_are_none);
    add_test("qat", test_qat);
    add_test("xe", test_xe);
    add_test("hisi", test_hisi);
    add_test("nvidia-mdev", test_nvidia_mdev);
    add_test("nvidia-function", test_nvidia_function);
    add_test("i915", test_i915);
    add_test("ap", test_ap);
    add_test("config-space", test_config_space);
    add_test("no-config-space", test_no_config_space);
    add_test("udev-property", test_udev_property);
    add_test("attributes-that-are-none", test_attributes_that_are_none);
    add_test("capabilities", test_capabilities);
    return g_test_run();
}
