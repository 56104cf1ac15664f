/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <umockdev.h>
#include <unistd.h>

#include "error.h"
#include "model-merge.h"
#include "inventory.h"
#include "registry.h"
#include "settings.h"
#include "test-loop.h"

/* A driver that describes itself: what the registry makes of its files, what the host's
 * capabilities say of them, and what is written to a new device. */

#define PARENT "/sys/devices/virtual/card/card"
#define TYPES PARENT "/mdev_supported_types/"
#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define MDEV PARENT "/" UUID
#define CARD "vendor-a.com/card"
#define MEMORY(size)                                                                               \
    "{\"models\":{\"" CARD "\":{\"params\":{\"memory\":{\"type\":\"int\",\"init_value\":" size     \
    ",\"allowed_values\":[" size "]}"
#define QUEUES                                                                                     \
    ",\"queues\":{\"type\":\"int\",\"init_value\":2,\"off_value\":0,\"allowed_values\":[\"0-4\"]}"
#define END "}}}}"

typedef struct {
    UMockdevTestbed *testbed;
    char *root;
    VfModels *models;
    VfRegistry *registry;
} Rig;

static void
write_file(Rig *rig, const char *path, const char *text)
{
    g_autofree char *real = g_strconcat(rig->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(real);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(real, text, -1, NULL));
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
setup(Rig *rig, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const char *const directories[] = {NULL};

    rig->testbed = umockdev_testbed_new();
    g_assert_false(g_file_test("/sys/kernel", G_FILE_TEST_EXISTS));
    rig->root = umockdev_testbed_get_root_dir(rig->testbed);
    g_assert_true(umockdev_testbed_add_from_string(
        rig->testbed,
        "P: /devices/virtual/card/card\nE: SUBSYSTEM=card\n"
        "A: mdev_supported_types/card-4/available_instances=2\\n\n"
        "A: mdev_supported_types/card-8/available_instances=1\\n\n",
        &error));
    g_assert_no_error(error);
    make_link(rig, "/sys/class/mdev_bus/card", "../../devices/virtual/card/card");
    rig->models = vf_models_load(directories);
    rig->registry = vf_registry_new(NULL, rig->models);
}

static void
teardown(Rig *rig, gconstpointer data)
{
    g_clear_object(&rig->registry);
    g_clear_object(&rig->testbed);
    g_free(rig->root);
}

static void
look(Rig *rig, const char *subsystem, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    VfUdevEvent event = {"change", subsystem, name, path, NULL};

    vf_registry_handle(rig->registry, &event);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

static VfParent *
find_parent(Rig *rig)
{
    return vf_registry_find_parent(rig->registry, "card");
}

static void
describe_parameters(Rig *rig)
{
    write_file(rig, TYPES "card-4/migration_info.json", MEMORY("4096") QUEUES END);
    write_file(rig, TYPES "card-8/migration_info.json", MEMORY("8192") END);
}

static void
describe_versions(Rig *rig)
{
    write_file(rig, TYPES "card-4/migration_device_models",
               CARD ":\n 4GB-v1\n 4GB-v2\nvendor-a.com/lite:\n v1\n");
    write_file(rig, TYPES "card-8/migration_device_models", CARD ":\n 8GB-v1\n");
}

static void
add_mdev(Rig *rig, const char *type)
{
    g_autofree char *target = g_strconcat("../mdev_supported_types/", type, NULL);
    g_autoptr(GError) error = NULL;

    make_link(rig, MDEV "/mdev_type", target);
    make_link(rig, MDEV "/driver", "../../../../../bus/mdev/drivers/card");
    g_assert_true(umockdev_testbed_add_from_string(
        rig->testbed, "P: /devices/virtual/card/card/" UUID "\nE: SUBSYSTEM=mdev\n", &error));
    g_assert_no_error(error);
}

/* Structured messages pass g_test_expect_message() by. */
static int complaints;

static GLogWriterOutput
count_complaints(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    complaints += (level & G_LOG_LEVEL_WARNING) != 0;
    return g_log_writer_default(level, fields, n_fields, NULL);
}

/* The files may come after the types; a bad one is no model at all. */
static void
test_files_come_late(Rig *rig, gconstpointer data)
{
    look(rig, "card", PARENT);
    g_assert_null(vf_parent_find_type(find_parent(rig), "card-4")->model);
    g_assert_true(vf_parent_reserve(find_parent(rig), "card-4", NULL));
    describe_parameters(rig);
    look(rig, "card", PARENT);
    g_assert_cmpstr(vf_parent_find_type(find_parent(rig), "card-4")->model->id, ==, CARD);
    g_assert_cmpuint(vf_parent_type_left(vf_parent_find_type(find_parent(rig), "card-4")), ==, 1);
    vf_parent_unreserve(find_parent(rig), "card-4");
    write_file(rig, TYPES "card-8/migration_info.json", "{}");
    complaints = 0;
    look(rig, "card", PARENT);
    look(rig, "card", PARENT);
    g_assert_cmpint(complaints, ==, 1);
    g_assert_null(vf_parent_find_type(find_parent(rig), "card-8")->model);
}

static void
test_device_has_parameters(Rig *rig, gconstpointer data)
{
    VfDevice *device;

    describe_parameters(rig);
    write_file(rig, MDEV "/migration/memory", "4096\n");
    write_file(rig, MDEV "/migration/queues", "3\n");
    add_mdev(rig, "card-4");
    look(rig, "mdev", MDEV);
    device = vf_registry_find_device(rig->registry, UUID);
    g_assert_cmpstr(vf_device_get_model_id(device), ==, CARD);
    g_assert_cmpstr(vf_device_get_model_source(device), ==, "kernel");
    g_assert_cmpstr(vf_value_list_find(vf_device_get_values(device), "queues")->value, ==, "3");
    g_assert_cmpstr(vf_value_list_find(vf_device_get_values(device), "memory")->evidence, ==,
                    "sysfs-attribute");
}

static void
test_device_has_version(Rig *rig, gconstpointer data)
{
    VfDevice *device;

    describe_versions(rig);
    write_file(rig, MDEV "/migration/device_model", "vendor-a.com/lite\n");
    write_file(rig, MDEV "/migration/version", "v1\n");
    add_mdev(rig, "card-4");
    look(rig, "mdev", MDEV);
    device = vf_registry_find_device(rig->registry, UUID);
    g_assert_cmpstr(vf_device_get_model_id(device), ==, "vendor-a.com/lite");
    g_assert_cmpstr(vf_value_list_find(vf_device_get_values(device), "version")->value, ==, "v1");
    write_file(rig, MDEV "/migration/device_model", "vendor-a.com/other\n");
    look(rig, "mdev", MDEV);
    g_assert_cmpstr(vf_device_get_model_id(device), ==, "");
}

static const VfCapabilitiesOffer *
find_offer(const VfCapabilities *host, const char *id)
{
    const VfCapabilitiesParent *parent = host->parents->pdata[0];

    for (guint i = 0; i < parent->offers->len; i++) {
        const VfCapabilitiesOffer *offer = parent->offers->pdata[i];
        if (g_str_equal(offer->id, id))
            return offer;
    }
    g_error("there is no offer %s", id);
}

/* One schema of the model, and each type's offer says what it can be of it. */
static void
test_capabilities_of_parameters(Rig *rig, gconstpointer data)
{
    g_autoptr(VfCapabilities) host = NULL;
    const VfCapabilitiesOffer *offer;

    describe_parameters(rig);
    look(rig, "card", PARENT);
    host = vf_inventory_build(rig->registry, UUID);
    g_assert_cmpuint(host->models->len, ==, 1);
    g_assert_cmpuint(((VfModel *)host->models->pdata[0])->parameters->len, ==, 2);
    offer = find_offer(host, "card/card-4");
    g_assert_cmpstr(vf_value_list_find(offer->values, "memory")->value, ==, "4096");
    g_assert_cmpstr(offer->settable[0], ==, "queues");
    g_assert_null(offer->settable[1]);
    offer = find_offer(host, "card/card-8");
    g_assert_cmpstr(vf_value_list_find(offer->values, "memory")->value, ==, "8192");
    g_assert_cmpstr(vf_value_list_find(offer->values, "queues")->value, ==, "0");
    g_assert_cmpstr(vf_value_list_find(offer->values, "queues")->evidence, ==, "off");
    g_assert_null(offer->settable[0]);
}

static void
test_capabilities_of_versions(Rig *rig, gconstpointer data)
{
    g_autoptr(VfCapabilities) host = NULL;
    g_autoptr(GPtrArray) models = NULL;
    const VfCapabilitiesOffer *offer;

    describe_versions(rig);
    look(rig, "card", PARENT);
    host = vf_inventory_build(rig->registry, UUID);
    models = vf_host_models_of_kernel(rig->registry);
    g_assert_cmpuint(host->models->len, ==, 2);
    g_assert_cmpuint(models->len, ==, 2);
    g_assert_cmpuint(((VfCapabilitiesParent *)host->parents->pdata[0])->offers->len, ==, 4);
    offer = find_offer(host, "card/card-4/" CARD "/4GB-v2");
    g_assert_cmpstr(vf_value_list_find(offer->values, "version")->value, ==, "4GB-v2");
    g_assert_cmpuint(offer->left, ==, 2);
    g_assert_null(offer->settable[0]);
    offer = find_offer(host, "card/card-4/vendor-a.com/lite");
    g_assert_cmpstr(offer->model, ==, "vendor-a.com/lite");
    offer = find_offer(host, "card/card-8");
    g_assert_cmpstr(vf_value_list_find(offer->values, "version")->value, ==, "8GB-v1");
}

static char *
plan(const VfModel *model, const char *name, const char *value, gboolean from_off)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) values = vf_value_list_new();
    g_autoptr(GPtrArray) settings = NULL;
    GString *text = g_string_new(NULL);

    if (name)
        vf_value_list_set(values, name, value, NULL);
    settings = vf_settings_plan(model, values, from_off, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < settings->len; i++) {
        const VfSetting *setting = settings->pdata[i];
        g_string_append_printf(text, "%s=%s ", setting->attribute, setting->text);
    }
    return g_string_free(text, FALSE);
}

static void
assert_plan(const VfModel *model, const char *name, const char *value, gboolean from_off,
            const char *expected)
{
    g_autofree char *text = plan(model, name, value, from_off);

    g_assert_cmpstr(text, ==, expected);
}

/* The document's order: the model, all off, then what the source has. */
static void
test_plan(Rig *rig, gconstpointer data)
{
    const VfModel *model;

    describe_parameters(rig);
    look(rig, "card", PARENT);
    model = vf_parent_find_type(find_parent(rig), "card-4")->model;
    assert_plan(model, "queues", "3", TRUE, "migration/queues=0 migration/queues=3 ");
    assert_plan(model, "queues", "0", TRUE, "migration/queues=0 ");
    assert_plan(model, "memory", "4096", TRUE, "migration/queues=0 migration/memory=4096 ");
    assert_plan(model, "queues", "3", FALSE, "migration/queues=3 ");
    assert_plan(model, NULL, NULL, FALSE, "");
}

static void
test_plan_of_version(Rig *rig, gconstpointer data)
{
    const VfModel *model;

    describe_versions(rig);
    look(rig, "card", PARENT);
    model = vf_parent_find_offer(find_parent(rig), "card-4", "vendor-a.com/lite")->model;
    assert_plan(model, "version", "v1", TRUE,
                "migration/device_model=vendor-a.com/lite migration/version=v1 ");
}

static void
add_test(const char *name, void (*test)(Rig *, gconstpointer))
{
    g_autofree char *path = g_strconcat("/daemon/kernel-models/", name, NULL);

    g_test_add(path, Rig, NULL, setup, test, teardown);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_log_set_writer_func(count_complaints, NULL, NULL);
    add_test("files-come-late", test_files_come_late);
    add_test("device-has-parameters", test_device_has_parameters);
    add_test("device-has-version", test_device_has_version);
    add_test("capabilities-of-parameters", test_capabilities_of_parameters);
    add_test("capabilities-of-versions", test_capabilities_of_versions);
    add_test("plan", test_plan);
    add_test("plan-of-version", test_plan_of_version);
    return g_test_run();
}
