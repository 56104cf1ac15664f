/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/model/model-folders.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/names.h"
#include "test-xml.h"

/* Three directories, as the administrator's, the run time's and the vendor's. */
typedef struct {
    char *root;
    char *directories[4];
} Fixture;

static char *
descriptor(const char *id, const char *driver)
{
    return g_strdup_printf("<model xmlns='https://vferry.org/ns/model/1' id='%s'>\n"
                           "<match><mdev driver='%s' type='*'/></match></model>",
                           id, driver);
}

static void
put(Fixture *fixture, guint directory, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(fixture->directories[directory], name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void
put_model(Fixture *fixture, guint directory, const char *name, const char *id, const char *driver)
{
    g_autofree char *text = descriptor(id, driver);
    put(fixture, directory, name, text);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->root = g_dir_make_tmp("vferry-models-XXXXXX", NULL);
    for (guint i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        fixture->directories[i] = g_build_filename(fixture->root, name, NULL);
        g_assert_cmpint(g_mkdir(fixture->directories[i], 0700), ==, 0);
    }
}

static void
remove_directory(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *entry = g_build_filename(path, name, NULL);
        g_assert_cmpint(g_remove(entry), ==, 0);
    }
    g_rmdir(path);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    for (guint i = 0; i < 3; i++) {
        remove_directory(fixture->directories[i]);
        g_free(fixture->directories[i]);
    }
    g_assert_cmpint(g_rmdir(fixture->root), ==, 0);
    g_free(fixture->root);
}

static VfModels *
load(Fixture *fixture)
{
    return vf_models_load((const char *const *)fixture->directories);
}

static const char *
driver_of(VfModel *model)
{
    return ((const VfMatch *)model->matches->pdata[0])->driver;
}

static void
test_override(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;

    put_model(fixture, 0, "a.xml", "a.org/a", "admin");
    put_model(fixture, 2, "a.xml", "a.org/a", "vendor");
    put_model(fixture, 1, "b.xml", "a.org/b", "run");
    put_model(fixture, 2, "b.xml", "a.org/b", "vendor");
    put_model(fixture, 2, "0.xml", "a.org/z", "vendor");
    put_model(fixture, 2, "c.txt", "a.org/c", "vendor");
    put_model(fixture, 2, ".d.xml", "a.org/d", "vendor");
    models = load(fixture);
    g_assert_cmpuint(models->problems->len, ==, 0);
    g_assert_cmpuint(models->models->len, ==, 3);
    g_assert_cmpstr(((VfModel *)models->models->pdata[0])->id, ==, "a.org/a");
    g_assert_cmpstr(((VfModel *)models->models->pdata[2])->id, ==, "a.org/z");
    g_assert_cmpstr(driver_of(vf_models_find(models, "a.org/a")), ==, "admin");
    g_assert_cmpstr(driver_of(vf_models_find(models, "a.org/b")), ==, "run");
    g_assert_null(vf_models_find(models, "a.org/c"));
    g_assert_cmpstr(vf_models_find_for_mdev(models, "vendor", "x")->id, ==, "a.org/z");
    g_assert_null(vf_models_find_for_mdev(models, "nobody", "x"));
}

static void
test_hide(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;
    g_autofree char *link = g_build_filename(fixture->directories[0], "b.xml", NULL);

    put(fixture, 0, "a.xml", "");
    put_model(fixture, 1, "a.xml", "a.org/a", "run");
    g_assert_cmpint(symlink("/dev/null", link), ==, 0);
    put_model(fixture, 2, "b.xml", "a.org/b", "vendor");
    put_model(fixture, 2, "c.xml", "a.org/c", "vendor");
    models = load(fixture);
    g_assert_cmpuint(models->problems->len, ==, 0);
    g_assert_cmpuint(models->models->len, ==, 1);
    g_assert_nonnull(vf_models_find(models, "a.org/c"));
}

static void
assert_problem(VfModels *models, guint i, const char *file, guint line, const char *part)
{
    const VfModelsProblem *problem = models->problems->pdata[i];
    g_autofree char *name = g_path_get_basename(problem->file);

    g_assert_cmpstr(name, ==, file);
    g_assert_cmpuint(problem->line, ==, line);
    g_assert_nonnull(strstr(problem->message, problem->file));
    g_assert_nonnull(strstr(problem->message, part));
}

static void
test_bad_files(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;
    g_autofree char *pipe = g_build_filename(fixture->directories[2], "5.xml", NULL);
    g_autofree char *dangling = g_build_filename(fixture->directories[2], "6.xml", NULL);
    g_autofree char *large = g_strnfill(1024 * 1024 + 1, ' ');

    put(fixture, 0, "1.xml",
        "<model xmlns='https://vferry.org/ns/model/1' id='a.org/a'>\n\n<oops></model>");
    put_model(fixture, 2, "1.xml", "a.org/a", "vendor");
    put(fixture, 1, "2.xml",
        "<model xmlns='https://vferry.org/ns/model/1'\n id='Bad'>\n<match/></model>");
    put_model(fixture, 2, "3.xml", "a.org/c", "vendor");
    put_model(fixture, 2, "4.xml", "a.org/c", "second");
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    g_assert_cmpint(symlink("nowhere", dangling), ==, 0);
    put(fixture, 2, "7.xml", large);
    models = load(fixture);
    g_assert_cmpuint(models->models->len, ==, 1);
    g_assert_cmpstr(driver_of(vf_models_find(models, "a.org/c")), ==, "vendor");
    g_assert_cmpuint(models->problems->len, ==, 6);
    assert_problem(models, 0, "1.xml", 3, "oops");
    assert_problem(models, 1, "2.xml", 2, "the model id is “Bad”");
    assert_problem(models, 2, "4.xml", 0, "the model a.org/c is described in");
    assert_problem(models, 3, "5.xml", 0, "must be a regular file");
    assert_problem(models, 4, "6.xml", 0, "No such file");
    assert_problem(models, 5, "7.xml", 0, "at most 1048576 bytes");
}

static void
test_directories(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = g_build_filename(fixture->root, "file", NULL);
    g_autofree char *missing = g_build_filename(fixture->root, "missing", NULL);
    const char *const directories[] = {missing, "", file, NULL};
    g_autoptr(VfModels) models = NULL;

    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    models = vf_models_load(directories);
    g_assert_cmpint(g_remove(file), ==, 0);
    g_assert_cmpuint(models->models->len, ==, 0);
    g_assert_cmpuint(models->problems->len, ==, 1);
    assert_problem(models, 0, "file", 0, "");
}

static void
test_default_directories(void)
{
    g_auto(GStrv) built_in = NULL;
    g_auto(GStrv) set = NULL;

    g_unsetenv(VF_ENV_MODEL_PATH);
    built_in = vf_models_default_directories();
    g_assert_cmpuint(g_strv_length(built_in), ==, 3);
    g_assert_true(g_str_has_suffix(built_in[0], "/vferry/models"));
    g_assert_cmpstr(built_in[1], ==, "/run/vferry/models");
    g_setenv(VF_ENV_MODEL_PATH, "/a:/b", TRUE);
    set = vf_models_default_directories();
    g_assert_cmpuint(g_strv_length(set), ==, 2);
    g_assert_cmpstr(set[1], ==, "/b");
}

#define MODEL(id, attributes, content)                                                             \
    "<model xmlns='https://vferry.org/ns/model/1' id='" id "' " attributes ">" content "</model>"
#define A_IS(values)                                                                               \
    "<parameter name='a' type='int' compare='equal'><allowed>" values "</allowed></parameter>"

static void
test_extends(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;
    VfModel *top;

    /* by file name the one that extends comes first */
    put(fixture, 2, "1.xml",
        MODEL("a.b/top", "extends='a.b/middle'",
              "<match><mdev driver='d' type='d-*'/></match>" A_IS(
                  "<value>3</value>") "<versions><version name='2'><value "
                                      "parameter='b'>2</value></version></versions>"));
    put(fixture, 2, "2.xml",
        MODEL("a.b/middle", "extends='a.b/base'",
              "<match/><parameter name='b' type='int' compare='equal'/>"
              "<versions><version name='2'><value parameter='b'>1</value></version>"
              "<version name='3'/></versions>"));
    put(fixture, 2, "3.xml",
        MODEL("a.b/base", "",
              "<description>all of them</description><alias id='a.b/old'/>"
              "<match><mdev driver='base' type='*'/></match>" A_IS(
                  "<value>1</value>") "<versions><version name='1'/></versions>"));
    models = load(fixture);
    g_assert_cmpuint(models->problems->len, ==, 0);
    g_assert_cmpuint(models->models->len, ==, 3);
    top = vf_models_find(models, "a.b/top");
    g_assert_null(top->extends);
    g_assert_cmpstr(top->description, ==, "all of them");
    g_assert_null(top->aliases);
    g_assert_cmpuint(top->parameters->len, ==, 2);
    g_assert_cmpstr(vf_model_find_parameter(top, "a")->allowed[0], ==, "3");
    g_assert_cmpuint(top->versions->len, ==, 3);
    g_assert_cmpstr(((const VfVersion *)top->versions->pdata[1])->name, ==, "2");
    g_assert_cmpstr(vf_value_list_find(vf_model_find_version(top, "2")->values, "b")->value, ==,
                    "2");
    g_assert_true(vf_models_find_for_mdev(models, "d", "d-1") == top);
    g_assert_true(vf_models_find(models, "a.b/old") == vf_models_find(models, "a.b/base"));
}

static void
assert_message(VfModels *models, guint i, const char *part)
{
    const VfModelsProblem *problem = models->problems->pdata[i];

    if (strstr(problem->message, part) == NULL)
        g_error("“%s” does not say “%s”", problem->message, part);
}

static void
test_extends_badly(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;

    put(fixture, 2, "1.xml", MODEL("a.b/cycle-a", "extends='a.b/cycle-b'", "<match/>"));
    put(fixture, 2, "2.xml", MODEL("a.b/cycle-b", "extends='a.b/cycle-a'", "<match/>"));
    put(fixture, 2, "3.xml", MODEL("a.b/into-cycle", "extends='a.b/cycle-a'", "<match/>"));
    put(fixture, 2, "4.xml", MODEL("a.b/lost", "extends='a.b/nowhere'", "<match/>"));
    put(fixture, 2, "5.xml", MODEL("a.b/base", "", "<match/>" A_IS("<value>1</value>")));
    put(fixture, 2, "6.xml",
        MODEL("a.b/wrong", "extends='a.b/base'",
              "<match/><constraint><then parameter='a' at-least='2'/></constraint>"));
    put(fixture, 2, "7.xml", MODEL("a.b/self", "extends='a.b/self'", "<match/>"));
    models = load(fixture);
    g_assert_cmpuint(models->models->len, ==, 1);
    g_assert_cmpuint(models->problems->len, ==, 6);
    assert_message(models, 0, "a.b/cycle-a extends itself by way of a.b/cycle-b");
    assert_message(models, 1, "a.b/cycle-b extends itself by way of a.b/cycle-a");
    assert_message(models, 2, "a.b/cycle-a extends itself");
    assert_message(models, 3, "a.b/lost extends a.b/nowhere, which no good descriptor describes");
    assert_message(models, 4, "a.b/self extends itself");
    assert_message(models, 5, "a.b/wrong: the constraints contradict each other");
}

/* As many as docs/descriptors.md says, and one more. */
static void
test_extends_deeply(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;

    put(fixture, 2, "0.xml", MODEL("a.b/m0", "", "<match/>" A_IS("<value>1</value>")));
    for (guint i = 1; i <= 9; i++) {
        g_autofree char *name = g_strdup_printf("%u.xml", i);
        g_autofree char *text =
            g_strdup_printf(MODEL("a.b/m%u", "extends='a.b/m%u'", "<match/>"), i, i - 1);

        put(fixture, 2, name, text);
    }
    models = load(fixture);
    g_assert_nonnull(vf_model_find_parameter(vf_models_find(models, "a.b/m8"), "a"));
    g_assert_null(vf_models_find(models, "a.b/m9"));
    g_assert_cmpuint(models->problems->len, ==, 1);
    assert_message(models, 0, "more than 8 models extend one another before a.b/m0");
}

/* Whoever sends an id must not be taken for one model here and for another there. */
static void
test_clashing_aliases(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;

    put(fixture, 2, "1.xml", MODEL("a.b/new", "", "<alias id='a.b/old'/><match/>"));
    put(fixture, 2, "2.xml", MODEL("a.b/old", "", "<match/>"));
    put(fixture, 2, "3.xml", MODEL("a.b/newer", "", "<alias id='a.b/new'/><match/>"));
    put(fixture, 2, "4.xml", MODEL("a.b/newest", "", "<alias id='a.b/old'/><match/>"));
    put(fixture, 2, "5.xml", MODEL("a.b/other", "", "<alias id='a.b/another'/><match/>"));
    models = load(fixture);
    g_assert_cmpuint(models->models->len, ==, 2);
    g_assert_cmpuint(models->problems->len, ==, 3);
    assert_problem(models, 0, "2.xml", 0, "the model a.b/old is described in");
    assert_problem(models, 1, "3.xml", 0, "the model a.b/new is described in");
    assert_problem(models, 2, "4.xml", 0, "the model a.b/old is described in");
    g_assert_cmpstr(vf_models_find(models, "a.b/old")->id, ==, "a.b/new");
    g_assert_cmpstr(vf_models_find(models, "a.b/another")->id, ==, "a.b/other");
}

static void
test_precision(Fixture *fixture, gconstpointer data)
{
    g_autoptr(VfModels) models = NULL;
    const VfPciId id = {0x15b3, 0x101e, 0x1af4, 0x1100};
    const VfPciId other = {0x15b3, 0x101e, 0, 0};

    put(fixture, 2, "1.xml",
        MODEL("a.b/any", "",
              "<match><mdev driver='d' type='*'/><pci vendor='15b3' device='101e'/></match>"));
    put(fixture, 2, "2.xml",
        MODEL("a.b/that", "",
              "<match><mdev driver='d' type='d-1*'/><pci vendor='15b3' device='101e' "
              "subsystem-vendor='1af4'/></match>"));
    models = load(fixture);
    g_assert_cmpstr(vf_models_find_for_mdev(models, "d", "d-12")->id, ==, "a.b/that");
    g_assert_cmpstr(vf_models_find_for_mdev(models, "d", "d-2")->id, ==, "a.b/any");
    g_assert_cmpstr(vf_models_find_for_pci(models, &id, NULL)->id, ==, "a.b/that");
    g_assert_cmpstr(vf_models_find_for_pci(models, &other, NULL)->id, ==, "a.b/any");
    g_assert_null(vf_models_find_for_program(models, "/bin/d"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/xml/models/override", Fixture, NULL, set_up, test_override, tear_down);
    g_test_add("/xml/models/hide", Fixture, NULL, set_up, test_hide, tear_down);
    g_test_add("/xml/models/bad-files", Fixture, NULL, set_up, test_bad_files, tear_down);
    g_test_add("/xml/models/directories", Fixture, NULL, set_up, test_directories, tear_down);
    g_test_add("/xml/models/extends", Fixture, NULL, set_up, test_extends, tear_down);
    g_test_add("/xml/models/extends-badly", Fixture, NULL, set_up, test_extends_badly, tear_down);
    g_test_add("/xml/models/extends-deeply", Fixture, NULL, set_up, test_extends_deeply, tear_down);
    g_test_add("/xml/models/clashing-aliases", Fixture, NULL, set_up, test_clashing_aliases,
               tear_down);
    g_test_add("/xml/models/precision", Fixture, NULL, set_up, test_precision, tear_down);
    g_test_add_func("/xml/models/default-directories", test_default_directories);
    return g_test_run();
}
