/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "driver-info-model.h"
#include "text.h"

/* A line that ends in ':' is a model, one that begins with a space a version of the model before
 * it. */

#define SIZE_MAX_BYTES (64 * 1024)

typedef struct {
    GPtrArray *models;
    VfModel *model; /* whose versions come; NULL before the first */
    GPtrArray *versions;
} Parse;

static void
parse_clear(Parse *self)
{
    g_clear_pointer(&self->models, g_ptr_array_unref);
    g_clear_pointer(&self->model, vf_model_unref);
    g_clear_pointer(&self->versions, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parse, parse_clear)

static gboolean
end_model(Parse *self, GError **error)
{
    if (!self->model)
        return TRUE;
    if (!vf_migration_info_take_versions(self->model, self->versions, error)) {
        g_prefix_error(error, _("model “%s”: "), self->model->id);
        return FALSE;
    }
    g_ptr_array_set_size(self->versions, 0);
    return vf_migration_info_list_take(self->models, g_steal_pointer(&self->model), error);
}

static gboolean
fail(const char *line, const char *rule, GError **error)
{
    g_autofree char *shown = vf_text_excerpt(line, 60);

    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("the line is “%.60s”: %s"),
                shown, rule);
    return FALSE;
}

static gboolean
parse_line(Parse *self, const char *line, GError **error)
{
    if (line[0] != ' ' && g_str_has_suffix(line, ":")) {
        g_autofree char *id = g_strndup(line, strlen(line) - 1);

        if (!end_model(self, error))
            return FALSE;
        self->model = vf_migration_info_model_new(id, VF_MODEL_SOURCE_KERNEL, error);
        return self->model != NULL;
    }
    if (line[0] != ' ')
        return fail(line, _("a model ends with “:”, and a version begins with a space"), error);
    if (!self->model)
        return fail(line, _("a version follows its model"), error);
    g_ptr_array_add(self->versions, g_strdup(line + 1));
    return TRUE;
}

static gboolean
check_text(const char *text, gsize size, GError **error)
{
    if (size > SIZE_MAX_BYTES) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED, _("more than %d bytes"),
                    SIZE_MAX_BYTES);
        return FALSE;
    }
    if (g_utf8_validate(text, (gssize)size, NULL))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("it is not UTF-8"));
    return FALSE;
}

static gboolean
parse_lines(Parse *self, const char *text, gsize size, const char *where, GError **error)
{
    g_autofree char *copy = g_strndup(text, size);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);

    for (guint i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] == '\0' && !lines[i + 1])
            break; /* behind the last newline */
        if (!parse_line(self, lines[i], error)) {
            g_prefix_error(error, "%s:%u: ", where, i + 1);
            return FALSE;
        }
    }
    if (!end_model(self, error)) {
        g_prefix_error(error, "%s: ", where);
        return FALSE;
    }
    if (self->models->len > 0)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("%s: it has no model"),
                where);
    return FALSE;
}

GPtrArray *
vf_migration_info_parse_versions(const char *text, gssize size, const char *where, GError **error)
{
    gsize length = size < 0 ? strlen(text) : (gsize)size;
    g_auto(Parse)
        self = {vf_migration_info_list_new(), NULL, g_ptr_array_new_with_free_func(g_free)};

    if (!check_text(text, length, error)) {
        g_prefix_error(error, "%s: ", where);
        return NULL;
    }
    return parse_lines(&self, text, length, where, error) ? g_steal_pointer(&self.models) : NULL;
}
