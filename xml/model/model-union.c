/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-union.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "model-make.h"

/* Any value of its type. */
static gboolean
is_open(const VfParameter *self)
{
    return !self->allowed && !self->ranges && self->mask == G_MAXUINT64;
}

static gint64
number(const char *text)
{
    return g_ascii_strtoll(text, NULL, 10);
}

/* Numbers ascend, the others keep their order and new ones follow. */
static void
add_values(GPtrArray *values, const VfParameter *parameter)
{
    for (guint i = 0; parameter->allowed != NULL && parameter->allowed[i] != NULL; i++) {
        const char *value = parameter->allowed[i];
        guint at = values->len;

        if (g_ptr_array_find_with_equal_func(values, value, g_str_equal, NULL))
            continue;
        while (vf_parameter_is_number(parameter) && at > 0 &&
               number(values->pdata[at - 1]) > number(value))
            at--;
        g_ptr_array_insert(values, (int)at, g_strdup(value));
    }
}

static gboolean
has_range(GArray *ranges, const VfRange *range)
{
    for (guint i = 0; ranges != NULL && i < ranges->len; i++) {
        const VfRange *other = &g_array_index(ranges, VfRange, i);
        if (other->min == range->min && other->max == range->max && other->step == range->step)
            return TRUE;
    }
    return FALSE;
}

static void
add_ranges(GArray *ranges, const VfParameter *parameter)
{
    for (guint i = 0; parameter->ranges != NULL && i < parameter->ranges->len; i++) {
        const VfRange *range = &g_array_index(parameter->ranges, VfRange, i);
        guint at = ranges->len;

        if (has_range(ranges, range))
            continue;
        while (at > 0 && g_array_index(ranges, VfRange, at - 1).min > range->min)
            at--;
        g_array_insert_val(ranges, at, *range);
    }
}

/* Widens @self to what @other allows, too. */
static void
widen(VfParameter *self, const VfParameter *other)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VfRange));
    gboolean open = is_open(self) || is_open(other);

    add_values(values, self);
    add_values(values, other);
    add_ranges(ranges, self);
    add_ranges(ranges, other);
    g_clear_pointer(&self->allowed, g_strfreev);
    g_clear_pointer(&self->ranges, g_array_unref);
    self->mask |= other->mask;
    if (open)
        return;
    if (values->len > 0) {
        g_ptr_array_add(values, NULL);
        self->allowed = (char **)g_ptr_array_steal(values, NULL);
    }
    if (ranges->len > 0)
        self->ranges = g_array_ref(ranges);
}

static VfParameter *
unite_parameter(const VfModel *model, const VfParameter *a, const VfParameter *b, GError **error)
{
    VfParameter *self;

    if (a->type != b->type || a->compare != b->compare || g_strcmp0(a->off, b->off) != 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("two descriptions of the model %s differ in the type, the rule or the off "
                      "value of %s"),
                    model->id, a->name);
        return NULL;
    }
    self = vf_parameter_copy(a);
    widen(self, b);
    /* a new device of one may have what one of the other has not: then there is no common one */
    if (g_strcmp0(self->init, b->init) != 0)
        g_clear_pointer(&self->init, g_free);
    return self;
}

static gboolean
version_equals(const VfVersion *a, const VfVersion *b)
{
    static const char *const none[] = {NULL};

    for (guint i = 0; i < a->values->len && i < b->values->len; i++) {
        const VfValue *left = a->values->pdata[i];
        const VfValue *right = b->values->pdata[i];
        if (!g_str_equal(left->name, right->name) || g_strcmp0(left->value, right->value) != 0)
            return FALSE;
    }
    return a->values->len == b->values->len &&
           g_strv_equal(a->loads ? (const char *const *)a->loads : none,
                        b->loads ? (const char *const *)b->loads : none);
}

static gboolean
fail_versions(const VfModel *model, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("two descriptions of the model %s mean different things by its versions"),
                model->id);
    return FALSE;
}

/* Versions of one name must be alike, and be the same kind of versions. */
static gboolean
add_versions(VfModel *self, const VfModel *a, const VfModel *b, GError **error)
{
    if (g_strcmp0(a->version_parameter, b->version_parameter) != 0)
        return fail_versions(self, error);
    for (guint i = 0; i < a->versions->len; i++)
        g_ptr_array_add(self->versions, vf_version_copy(a->versions->pdata[i]));
    for (guint i = 0; i < b->versions->len; i++) {
        const VfVersion *version = b->versions->pdata[i];
        const VfVersion *other = vf_model_find_version(a, version->name);
        if (other && !version_equals(version, other))
            return fail_versions(self, error);
        if (!other)
            g_ptr_array_add(self->versions, vf_version_copy(version));
    }
    return TRUE;
}

static gboolean
add_parameters(VfModel *self, const VfModel *a, const VfModel *b, GError **error)
{
    for (guint i = 0; i < a->parameters->len; i++) {
        const VfParameter *mine = a->parameters->pdata[i];
        const VfParameter *other = vf_model_find_parameter(b, mine->name);
        VfParameter *parameter =
            other ? unite_parameter(self, mine, other, error) : vf_parameter_copy(mine);
        if (!parameter)
            return FALSE;
        vf_model_add_parameter(self, parameter);
    }
    for (guint i = 0; i < b->parameters->len; i++) {
        const VfParameter *parameter = b->parameters->pdata[i];
        if (!vf_model_find_parameter(a, parameter->name))
            vf_model_add_parameter(self, vf_parameter_copy(parameter));
    }
    return TRUE;
}

VfModel *
vf_model_union(const VfModel *a, const VfModel *b, GError **error)
{
    g_autoptr(VfModel) self = vf_model_new(a->source);

    self->id = g_strdup(a->id);
    self->description = g_strdup(a->description);
    self->version_parameter = g_strdup(a->version_parameter);
    self->select_attribute = g_strdup(a->select_attribute);
    if (!add_versions(self, a, b, error) || !add_parameters(self, a, b, error) ||
        !vf_model_complete(self, error))
        return NULL;
    return g_steal_pointer(&self);
}

/* Whether @part allows each value that @whole lists. */
static gboolean
allows_all_of(const VfParameter *part, const VfParameter *whole)
{
    if (is_open(part) || is_open(whole))
        return is_open(part);
    for (guint i = 0; whole->allowed != NULL && whole->allowed[i] != NULL; i++)
        if (!vf_parameter_allows(part, whole->allowed[i]))
            return FALSE;
    for (guint i = 0; whole->ranges != NULL && i < whole->ranges->len; i++)
        if (!has_range(part->ranges, &g_array_index(whole->ranges, VfRange, i)))
            return FALSE;
    return (whole->mask & ~part->mask) == 0;
}

const char *
vf_model_union_only_value(const VfParameter *part, const VfParameter *whole, gboolean *narrower)
{
    gboolean one = !part->ranges && part->allowed && part->allowed[0] && !part->allowed[1] &&
                   part->type != VF_PARAMETER_SET;

    *narrower = !one && !allows_all_of(part, whole);
    return one ? part->allowed[0] : NULL;
}
