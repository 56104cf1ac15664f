/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-folders.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "document.h"
#include "error.h"
#include "io.h"
#include "model-make.h"
#include "model-xml.h"
#include "names.h"

/* Chains of models that extend each other. */
#define EXTENDS_DEPTH_MAX 8

static void
problem_free(VfModelsProblem *self)
{
    g_free(self->file);
    g_free(self->message);
    g_free(self->other);
    g_free(self);
}

static void
add_to(GPtrArray *list, const char *file, guint line, const char *message)
{
    VfModelsProblem *problem = g_new0(VfModelsProblem, 1);

    problem->file = g_strdup(file);
    problem->line = line;
    problem->message = g_strdup(message);
    g_ptr_array_add(list, problem);
}

static void
add_problem(VfModels *self, const char *file, guint line, const char *message)
{
    add_to(self->problems, file, line, message);
}

char **
vf_models_default_directories(void)
{
    const char *path = g_getenv(VF_ENV_MODEL_PATH);
    const char *const built_in[] = {VF_SYSCONFDIR "/models", VF_RUNDIR "/models",
                                    VF_DATADIR "/models", NULL};

    return path ? g_strsplit(path, ":", -1) : g_strdupv((char **)built_in);
}

static gboolean
is_same_file(const char *file, const char *other)
{
    struct stat one, two;

    return stat(file, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

static gboolean
is_named_before(const char *const *extra, guint index)
{
    for (guint i = 0; i < index; i++)
        if (is_same_file(extra[i], extra[index]))
            return TRUE;
    return FALSE;
}

/* Whether one of @extra hides a file of that name: it has the name, or is what the name is a link
 * to. */
static gboolean
is_replaced(const char *const *extra, const char *directory, const char *file, const char *name)
{
    for (; *extra; extra++) {
        g_autofree char *its = g_path_get_basename(*extra);
        g_autofree char *folder = g_path_get_dirname(*extra);

        if (g_str_equal(its, name) ||
            (is_same_file(*extra, file) && !is_same_file(folder, directory)))
            return TRUE;
    }
    return FALSE;
}

/* The first file of each name, by name. */
static void
list_directory(VfModels *self, GTree *files, const char *const *extra, const char *directory)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = NULL;
    VfModelsProblem *problem;
    const char *name;

    if (directory[0] == '\0')
        return;
    dir = g_dir_open(directory, 0, &error);
    if (!dir) {
        if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return;
        add_problem(self, directory, 0, error->message);
        problem = self->problems->pdata[self->problems->len - 1];
        problem->directory = TRUE;
        return;
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(directory, name, NULL);

        if (name[0] == '.' || !g_str_has_suffix(name, ".xml") || g_tree_lookup(files, name))
            continue;
        if (is_replaced(extra, directory, file, name))
            g_clear_pointer(&file, g_free); /* and so are those of the name behind it */
        g_tree_insert(files, g_strdup(name), file ? g_steal_pointer(&file) : g_strdup(""));
    }
}

/* The text of a file, empty for one that hides. */
static char *
read_file(const char *file, gsize *size, GError **error)
{
    vf_autofd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_autofree char *text = NULL;
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0) {
        vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "%s", file);
        return NULL;
    }
    *size = 0;
    if (S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3)) /* /dev/null */
        return g_strdup("");
    if (!S_ISREG(info.st_mode) || info.st_size > VF_DOCUMENT_SIZE_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_XML,
                    _("%s: a descriptor must be a regular file of at most %d bytes"), file,
                    VF_DOCUMENT_SIZE_MAX);
        return NULL;
    }
    *size = (gsize)info.st_size;
    text = g_malloc0(*size + 1);
    return vf_io_read_exact(fd, text, *size, error) ? g_steal_pointer(&text) : NULL;
}

/* An id or an alias of @model that @other has, too; NULL: none. */
static const char *
shared_name(const VfModel *model, const VfModel *other)
{
    if (vf_model_is(other, model->id))
        return model->id;
    for (guint i = 0; model->aliases != NULL && model->aliases[i] != NULL; i++)
        if (vf_model_is(other, model->aliases[i]))
            return model->aliases[i];
    return NULL;
}

/* One id must not mean two models: a source that sends it would be taken for either. */
static gboolean
report_clash(VfModels *self, const VfModel *model)
{
    const VfModel *other = NULL;
    const char *name = NULL;
    g_autofree char *message = NULL;
    VfModelsProblem *problem;

    for (guint i = 0; i < self->models->len && !name; i++) {
        other = self->models->pdata[i];
        name = shared_name(model, other);
    }
    if (!name)
        return FALSE;
    message = g_strdup_printf(_("%s: the model %s is described in %s already"), model->file, name,
                              other->file);
    add_problem(self, model->file, 0, message);
    problem = self->problems->pdata[self->problems->len - 1];
    problem->other = g_strdup(other->file);
    return TRUE;
}

/* It is the one of @extra that would be left out, or the other: both have a name of their own. */
static void
report_clashes_of(VfModels *self, const char *const *extra)
{
    guint n = self->problems->len;

    for (guint i = 0; i < self->models->len; i++) {
        const VfModel *model = self->models->pdata[i];

        if (!g_strv_contains(extra, model->file))
            continue;
        for (guint j = 0; j < n; j++) {
            const VfModelsProblem *problem = self->problems->pdata[j];
            g_autofree char *message = NULL;

            if (g_strcmp0(problem->other, model->file) != 0)
                continue;
            message =
                g_strdup_printf(_("%s: the model %s is described in %s, too: of both only one "
                                  "counts"),
                                model->file, model->id, problem->file);
            add_problem(self, model->file, 0, message);
        }
    }
}

typedef struct {
    VfModels *models;
    const char *file;
} Loading;

static void
on_ignored(guint line, const char *message, gpointer data)
{
    const Loading *loading = data;

    add_to(loading->models->ignored, loading->file, line, message);
}

static void
load_file(VfModels *self, const char *file)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) model = NULL;
    Loading loading = {self, file};
    guint line = 0;
    gsize size;
    g_autofree char *text = read_file(file, &size, &error);

    if (text && size == 0)
        return;
    if (text)
        model =
            vf_model_xml_parse_file(text, (gssize)size, file, &line, on_ignored, &loading, &error);
    if (!model) {
        add_problem(self, file, line, error->message);
        return;
    }
    if (!report_clash(self, model))
        g_ptr_array_add(self->models, g_steal_pointer(&model));
}

static gboolean
load_entry(gpointer name, gpointer file, gpointer data)
{
    if (*(const char *)file)
        load_file(data, file);
    return FALSE;
}

static int
compare_models(gconstpointer a, gconstpointer b)
{
    const VfModel *const *left = a;
    const VfModel *const *right = b;
    return strcmp((*left)->id, (*right)->id);
}

static int
compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
    return strcmp(a, b);
}

/* What @model is together with all that it extends. @way: the ids that led here. */
static VfModel *
resolve(const VfModels *self, VfModel *model, GPtrArray *way, GError **error)
{
    g_autoptr(VfModel) base = NULL;
    VfModel *found;

    if (!model->extends)
        return vf_model_ref(model);
    if (g_ptr_array_find_with_equal_func(way, model->id, g_str_equal, NULL)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_XML,
                    _("the model %s extends itself by way of %s"), model->id, model->extends);
        return NULL;
    }
    if (way->len >= EXTENDS_DEPTH_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_XML,
                    _("more than %d models extend one another before %s"), EXTENDS_DEPTH_MAX,
                    model->extends);
        return NULL;
    }
    found = vf_models_find(self, model->extends);
    if (!found) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_XML,
                    _("the model %s extends %s, which no good descriptor describes"), model->id,
                    model->extends);
        return NULL;
    }
    g_ptr_array_add(way, model->id);
    base = resolve(self, found, way, error);
    g_ptr_array_set_size(way, (int)way->len - 1);
    return base ? vf_model_extend(model, base, error) : NULL;
}

/* Each model that extends another by the whole of both. What cannot be resolved is left out only
 * after all were tried: whoever extends it has a problem, too. */
static void
resolve_all(VfModels *self)
{
    g_autoptr(GPtrArray) whole = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);

    for (guint i = 0; i < self->models->len; i++) {
        VfModel *part = self->models->pdata[i];
        g_autoptr(GPtrArray) way = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *message = NULL;
        VfModel *model = resolve(self, part, way, &error);

        if (model) {
            g_ptr_array_add(whole, model);
            continue;
        }
        message = g_strdup_printf("%s: %s", part->file, error->message);
        add_problem(self, part->file, 0, message);
    }
    g_ptr_array_unref(self->models);
    self->models = g_steal_pointer(&whole);
}

VfModels *
vf_models_load(const char *const *directories)
{
    static const char *const none[] = {NULL};

    return vf_models_load_with(none, directories);
}

VfModels *
vf_models_load_with(const char *const *extra, const char *const *directories)
{
    VfModels *self = g_new0(VfModels, 1);
    g_autoptr(GTree) files = g_tree_new_full(compare_names, NULL, g_free, g_free);

    self->models = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
    self->problems = g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
    self->ignored = g_ptr_array_new_with_free_func((GDestroyNotify)problem_free);
    for (guint i = 0; extra[i] != NULL; i++)
        if (!is_named_before(extra, i))
            load_file(self, extra[i]);
    for (guint i = 0; directories[i] != NULL; i++)
        list_directory(self, files, extra, directories[i]);
    g_tree_foreach(files, load_entry, self);
    report_clashes_of(self, extra);
    g_ptr_array_sort(self->models, compare_models);
    resolve_all(self);
    return self;
}

void
vf_models_free(VfModels *self)
{
    g_ptr_array_unref(self->models);
    g_ptr_array_unref(self->problems);
    g_ptr_array_unref(self->ignored);
    g_free(self);
}

VfModel *
vf_models_find(const VfModels *self, const char *id)
{
    /* an id counts before another model's alias */
    for (guint i = 0; i < self->models->len; i++) {
        VfModel *model = self->models->pdata[i];
        if (g_str_equal(model->id, id))
            return model;
    }
    for (guint i = 0; i < self->models->len; i++) {
        VfModel *model = self->models->pdata[i];
        if (vf_model_is(model, id))
            return model;
    }
    return NULL;
}

/* Keeps the better of two; of equals the first. */
static void
keep_best(VfModel *model, guint precision, VfModel **best, guint *best_precision)
{
    if (precision <= *best_precision)
        return;
    *best = model;
    *best_precision = precision;
}

VfModel *
vf_models_find_for_mdev(const VfModels *self, const char *driver, const char *type)
{
    VfModel *best = NULL;
    guint precision = 0;

    for (guint i = 0; i < self->models->len; i++) {
        VfModel *model = self->models->pdata[i];
        keep_best(model, vf_model_matches_mdev(model, driver, type), &best, &precision);
    }
    return best;
}

VfModel *
vf_models_find_for_pci(const VfModels *self, const VfPciId *id, const char *driver)
{
    VfModel *best = NULL;
    guint precision = 0;

    for (guint i = 0; i < self->models->len; i++) {
        VfModel *model = self->models->pdata[i];
        keep_best(model, vf_model_matches_pci(model, id, driver), &best, &precision);
    }
    return best;
}

VfModel *
vf_models_find_for_program(const VfModels *self, const char *program)
{
    VfModel *best = NULL;
    guint precision = 0;

    for (guint i = 0; i < self->models->len; i++) {
        VfModel *model = self->models->pdata[i];
        keep_best(model, vf_model_matches_program(model, program), &best, &precision);
    }
    return best;
}
