/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/compare/compare.h"
#include "xml/model/model-folders.h"

#include "test-xml.h"
#include "xml/model/model-make.h"
#include "xml/model/model-xml.h"

/* The descriptors that are shipped, xml/models, each by itself and all together. */

static char *
shipped_directory(void)
{
    return g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "models", NULL);
}

static VfModels *
load(void)
{
    g_autofree char *directory = shipped_directory();
    const char *const directories[] = {directory, NULL};
    VfModels *models = vf_models_load(directories);

    for (guint i = 0; i < models->problems->len; i++) {
        const VfModelsProblem *problem = models->problems->pdata[i];
        g_error("%s:%u: %s", problem->file, problem->line, problem->message);
    }
    if (models->ignored->len > 0)
        g_error("%s", ((const VfModelsProblem *)models->ignored->pdata[0])->message);
    return models;
}

/* "<id with dashes>.xml" is what somebody looks for who wants to override it. */
static char *
file_name_of(const char *id)
{
    g_autofree char *name = g_strdelimit(g_strdup(id), "/", '-');

    return g_strconcat(name, ".xml", NULL);
}

/* Valid, named after its model, and the same whenever it is written again. */
static void
test_file(gconstpointer data)
{
    g_autofree char *directory = shipped_directory();
    g_autofree char *path = g_build_filename(directory, data, NULL);
    g_autofree char *text = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    g_autofree char *name = NULL;
    g_autoptr(VfModel) model = NULL;
    g_autoptr(VfModel) again = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, &error));
    assert_valid(text, "model");
    model = vf_model_parse(text, -1, path, &error);
    g_assert_no_error(error);
    name = file_name_of(model->id);
    g_assert_cmpstr(name, ==, data);
    g_assert_nonnull(model->description);
    first = vf_model_format(model);
    assert_valid(first, "model");
    again = vf_model_parse(first, -1, path, &error);
    g_assert_no_error(error);
    second = vf_model_format(again);
    g_assert_cmpstr(first, ==, second);
    g_assert_cmpstr(model->digest, ==, again->digest);
}

static guint
count_files(void)
{
    g_autofree char *directory = shipped_directory();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static void
test_together(void)
{
    g_autoptr(VfModels) models = load();

    g_assert_cmpuint(models->models->len, ==, count_files());
}

/* Whoever reads a file in meson.build's list gets all of them. */
static void
test_installed(void)
{
    g_autofree char *directory = shipped_directory();
    g_autofree char *build =
        g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "meson.build", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    g_assert_true(g_file_get_contents(build, &text, NULL, NULL));
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *quoted = g_strdup_printf("'models/%s'", name);
        if (strstr(text, quoted) == NULL)
            g_error("xml/meson.build does not install %s", name);
    }
}

typedef struct {
    const char *driver;
    int vendor, device;
    const char *model; /* NULL: none */
} Function;

static void
test_functions(void)
{
    static const Function functions[] = {
        {"mlx5_vfio_pci", 0x15b3, 0x101e, "kernel.org/vfio/mlx5"},
        {"vfio-pci", 0x15b3, 0x101e, NULL}, /* which cannot migrate it */
        {"mlx5_vfio_pci", 0x15b3, 0x1018, NULL},
        {"hisi_acc_vfio_pci", 0x19e5, 0xa251, "kernel.org/vfio/hisi-acc-zip"},
        {"hisi_acc_vfio_pci", 0x19e5, 0xa256, "kernel.org/vfio/hisi-acc-sec"},
        {"hisi_acc_vfio_pci", 0x19e5, 0xa259, "kernel.org/vfio/hisi-acc-hpre"},
        {"pds_vfio_pci", 0x1dd8, 0x1003, "kernel.org/vfio/pds"},
        {"qat_vfio_pci", 0x8086, 0x4941, "kernel.org/vfio/qat-4xxx"},
        {"qat_vfio_pci", 0x8086, 0x4943, "kernel.org/vfio/qat-4xxx"},
        {"qat_vfio_pci", 0x8086, 0x4945, "kernel.org/vfio/qat-4xxx"},
        {"qat_vfio_pci", 0x8086, 0x4947, "kernel.org/vfio/qat-420xx"},
        {"qat_vfio_pci", 0x8086, 0x4949, "kernel.org/vfio/qat-6xxx"},
        {"virtio_vfio_pci", 0x1af4, 0x1041, "kernel.org/vfio/virtio-net"},
        {"virtio_vfio_pci", 0x1af4, 0x1042, "kernel.org/vfio/virtio-blk"},
        {"vfio-pci", 0x1af4, 0x1041, NULL},
        {"xe-vfio-pci", 0x8086, 0xb08f, "kernel.org/vfio/xe-ptl"},
        {"xe-vfio-pci", 0x8086, 0xfd81, "kernel.org/vfio/xe-wcl"},
        {"xe-vfio-pci", 0x8086, 0xe20b, "kernel.org/vfio/xe-bmg"},
        {"nvgrace_gpu_vfio_pci", 0x10de, 0x2342, "kernel.org/vfio/nvgrace-gpu"},
        {"ism_vfio_pci", 0x1014, 0x04ed, "kernel.org/vfio/ism"},
        {"nvidia", 0x10de, 0x2235, "nvidia.com/vgpu"},
        {"vfio-pci", 0x10de, 0x2235, NULL},
        {"vfio-pci", 0x8086, 0x10ca, NULL},
    };
    g_autoptr(VfModels) models = load();

    for (guint i = 0; i < G_N_ELEMENTS(functions); i++) {
        const VfPciId id = {functions[i].vendor, functions[i].device, 0x1234, 0x5678};
        const VfModel *model = vf_models_find_for_pci(models, &id, functions[i].driver);

        g_assert_cmpstr(model != NULL ? model->id : NULL, ==, functions[i].model);
    }
}

static void
test_types(void)
{
    static const char *const types[][3] = {
        {"mtty", "mtty-2", "kernel.org/mtty"},
        {"vferry_testdev", "vferry_testdev-stopcopy", "vferry.org/testdev"},
        {"i915", "i915-GVTg_V4_8", "kernel.org/i915-gvtg/v4"},
        {"i915", "i915-GVTg_V5_1", "kernel.org/i915-gvtg/v5"},
        {"nvidia", "nvidia-156", "nvidia.com/vgpu"},
        {"vfio_ap", "vfio_ap-passthrough", "kernel.org/vfio-ap"},
        {"vfio_ccw", "vfio_ccw-io", "kernel.org/vfio-ccw"},
        {"mbochs", "mbochs-small", "kernel.org/mbochs"},
        {"mdpy", "mdpy-hd", "kernel.org/mdpy"},
    };
    g_autoptr(VfModels) models = load();

    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        const VfModel *model = vf_models_find_for_mdev(models, types[i][0], types[i][1]);

        g_assert_nonnull(model);
        g_assert_cmpstr(model->id, ==, types[i][2]);
    }
}

/* A row of the table of the model that has the parameter, or of the one it is taken from. */
static gboolean
is_documented(const VfModels *models, const char *docs, const VfModel *model, const char *row)
{
    g_autofree char *title = g_strdup_printf("\n## %s\n", model->id);
    const char *begin = strstr(docs, title);
    const char *end = begin != NULL ? strstr(begin + 1, "\n## ") : NULL;
    g_autofree char *section = begin == NULL ? g_strdup("")
                               : end != NULL ? g_strndup(begin, (gsize)(end - begin))
                                             : g_strdup(begin);
    const char *slash = strrchr(model->id, '-');
    g_autofree char *base = slash != NULL ? g_strndup(model->id, (gsize)(slash - model->id)) : NULL;
    const VfModel *parent = base != NULL ? vf_models_find(models, base) : NULL;

    return strstr(section, row) != NULL ||
           (parent != NULL && is_documented(models, docs, parent, row));
}

/* What nothing can read is said to be so, with the reason. */
static void
test_unknown_is_documented(void)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "docs", "models.md", NULL);
    g_autofree char *docs = NULL;
    g_autoptr(VfModels) models = load();
    guint unknown = 0;

    g_assert_true(g_file_get_contents(path, &docs, NULL, NULL));
    for (guint i = 0; i < models->models->len; i++) {
        const VfModel *model = models->models->pdata[i];

        for (guint j = 0; j < model->parameters->len; j++) {
            const VfParameter *parameter = model->parameters->pdata[j];
            g_autofree char *row = g_strdup_printf(
                "\n| `%s` | %s | %s, %s | **unknown**: ", parameter->name, parameter->description,
                vf_parameter_type_to_string(parameter->type),
                vf_parameter_compare_to_string(parameter->compare));

            if (parameter->reader.kind != VF_READER_NONE)
                continue;
            unknown++;
            if (!is_documented(models, docs, model, row))
                g_error("docs/models.md does not say that %s of %s is unknown", parameter->name,
                        model->id);
        }
    }
    g_assert_cmpuint(unknown, >, 0);
}

/* Any value that a device could have; NULL when nothing reads it. */
static const char *
sample(const VfParameter *parameter)
{
    static const char *const samples[] = {
        [VF_PARAMETER_BOOL] = "yes",      [VF_PARAMETER_INT] = "4",
        [VF_PARAMETER_STRING] = "0x4941", [VF_PARAMETER_ENUM] = NULL,
        [VF_PARAMETER_SIZE] = "4096",     [VF_PARAMETER_SET] = "sym",
        [VF_PARAMETER_BITMASK] = "0x1",
    };

    if (parameter->reader.kind == VF_READER_NONE)
        return NULL;
    return parameter->allowed != NULL ? parameter->allowed[0] : samples[parameter->type];
}

/* What two devices are to each other that show the same: never more than the kernel shows. */
static VfVerdict
expect_verdict(const VfModel *model)
{
    if (model->not_migratable != NULL)
        return VF_VERDICT_INCOMPATIBLE;
    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];

        if (parameter->compare == VF_COMPARE_FIRMWARE ||
            (parameter->compare != VF_COMPARE_IGNORE && parameter->reader.kind == VF_READER_NONE))
            return VF_VERDICT_UNKNOWN;
    }
    return VF_VERDICT_IDENTICAL;
}

static void
test_never_assumed(void)
{
    g_autoptr(VfModels) models = load();

    for (guint i = 0; i < models->models->len; i++) {
        VfModel *model = models->models->pdata[i];
        g_autoptr(GPtrArray) values = vf_value_list_new();
        g_autoptr(VfRequirement) requirement = NULL;
        g_autoptr(VfReport) report = NULL;

        for (guint j = 0; j < model->parameters->len; j++) {
            const VfParameter *parameter = model->parameters->pdata[j];
            vf_value_list_set(values, parameter->name, sample(parameter), NULL);
        }
        requirement = vf_requirement_new_for_device(model, values);
        report = vf_compare_requirement(requirement, model, values, NULL);
        if (report->verdict != expect_verdict(model))
            g_error("two devices %s are %s", model->id,
                    vf_report_verdict_to_string(report->verdict));
    }
}

static void
add_files(void)
{
    g_autofree char *directory = shipped_directory();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_strconcat("/shipped/file/", name, NULL);
        g_test_add_data_func_full(path, g_strdup(name), test_file, g_free);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_files();
    g_test_add_func("/shipped/together", test_together);
    g_test_add_func("/shipped/installed", test_installed);
    g_test_add_func("/shipped/functions", test_functions);
    g_test_add_func("/shipped/types", test_types);
    g_test_add_func("/shipped/unknown-is-documented", test_unknown_is_documented);
    g_test_add_func("/shipped/never-assumed", test_never_assumed);
    return g_test_run();
}
