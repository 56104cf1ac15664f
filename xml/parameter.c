/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "parameter.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>
#include <string.h>

#include "error.h"
#include "number.h"
#include "text.h"
#include "value.h"

static const char *const type_names[] = {
    [VF_PARAMETER_BOOL] = "bool", [VF_PARAMETER_INT] = "int",   [VF_PARAMETER_STRING] = "string",
    [VF_PARAMETER_ENUM] = "enum", [VF_PARAMETER_SIZE] = "size",
};

static const char *const compare_names[] = {
    [VF_COMPARE_EQUAL] = "equal",           [VF_COMPARE_SUPERSET] = "superset",
    [VF_COMPARE_AT_LEAST] = "at-least",     [VF_COMPARE_AT_MOST] = "at-most",
    [VF_COMPARE_SAME_MAJOR] = "same-major", [VF_COMPARE_FIRMWARE] = "firmware",
    [VF_COMPARE_IGNORE] = "ignore",
};

void
vf_parameter_free(VfParameter *self)
{
    g_free(self->name);
    g_free(self->unit);
    g_free(self->description);
    g_strfreev(self->allowed);
    g_clear_pointer(&self->type_values, g_ptr_array_unref);
    g_free(self->reader_attribute);
    g_free(self->applier_attribute);
    g_free(self);
}

static gboolean
fail(const VfParameter *self, const char *text, const char *rule, GError **error)
{
    g_autofree char *shown = vf_text_clean(text);

    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("the parameter %s is “%.60s”, but must be %s"), self->name, shown, rule);
    return FALSE;
}

static char *
canonicalize_number(const VfParameter *self, const char *text, GError **error)
{
    gint64 min = self->type == VF_PARAMETER_SIZE ? 0 : G_MININT64;
    gint64 number;

    if (vf_number_parse_i64(text, self->name, min, G_MAXINT64, &number, NULL))
        return g_strdup_printf("%" G_GINT64_FORMAT, number);
    fail(self, text,
         self->type == VF_PARAMETER_SIZE ? _("a number of bytes") : _("a whole decimal number"),
         error);
    return NULL;
}

char *
vf_parameter_canonicalize(const VfParameter *self, const char *text, GError **error)
{
    if (self->type == VF_PARAMETER_INT || self->type == VF_PARAMETER_SIZE)
        return canonicalize_number(self, text, error);
    if (self->type == VF_PARAMETER_BOOL && !g_str_equal(text, "yes") && !g_str_equal(text, "no")) {
        fail(self, text, _("yes or no"), error);
        return NULL;
    }
    if (!vf_text_check(text, self->name, VF_VALUE_TEXT_MAX, error))
        return NULL;
    return g_strdup(text);
}

static gboolean
in_range(const VfParameter *self, const char *canonical)
{
    gint64 value = g_ascii_strtoll(canonical, NULL, 10);

    /* the distance of two int64 can need 64 bits without a sign */
    return value >= self->min && value <= self->max &&
           ((guint64)value - (guint64)self->min) % self->step == 0;
}

static gboolean
is_allowed(const VfParameter *self, const char *canonical)
{
    if (self->allowed != NULL)
        return g_strv_contains((const char *const *)self->allowed, canonical);
    if (self->type == VF_PARAMETER_INT || self->type == VF_PARAMETER_SIZE)
        return in_range(self, canonical);
    return TRUE;
}

char *
vf_parameter_check_value(const VfParameter *self, const char *text, GError **error)
{
    g_autofree char *canonical = vf_parameter_canonicalize(self, text, error);
    g_autofree char *rule = NULL;

    if (canonical == NULL || is_allowed(self, canonical))
        return g_steal_pointer(&canonical);
    rule = vf_parameter_describe_allowed(self);
    fail(self, canonical, rule, error);
    return NULL;
}

char *
vf_parameter_decode_attribute(const VfParameter *self, const char *text, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char *canonical;

    /* kstrtobool() and the kernel's bool parameters write these */
    if (self->type == VF_PARAMETER_BOOL && text[0] != '\0' && text[1] == '\0') {
        if (strchr("1Yy", text[0]) != NULL)
            return g_strdup("yes");
        if (strchr("0Nn", text[0]) != NULL)
            return g_strdup("no");
    }
    canonical = vf_parameter_canonicalize(self, text, &cause);
    if (canonical == NULL)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("the attribute %s: %s"),
                    self->reader_attribute ?: "?", cause->message);
    return canonical;
}

char *
vf_parameter_encode_attribute(const VfParameter *self, const char *value)
{
    if (self->type == VF_PARAMETER_BOOL)
        return g_strdup(g_str_equal(value, "yes") ? "1" : "0");
    return g_strdup(value);
}

const char *
vf_parameter_value_from_type(const VfParameter *self, const char *type)
{
    if (self->reader != VF_READER_TYPE_NAME)
        return NULL;
    for (guint i = 0; i < self->type_values->len; i++) {
        const VfTypeValue *entry = self->type_values->pdata[i];
        if (g_pattern_match_simple(entry->glob, type))
            return entry->value;
    }
    return NULL;
}

char *
vf_parameter_describe_allowed(const VfParameter *self)
{
    if (self->allowed != NULL)
        return g_strjoinv(", ", self->allowed);
    if (self->type == VF_PARAMETER_BOOL)
        return g_strdup(_("yes or no"));
    if (self->type != VF_PARAMETER_INT && self->type != VF_PARAMETER_SIZE)
        return g_strdup(_("any text"));
    if (self->step == 1)
        return g_strdup_printf(_("%" PRId64 " to %" PRId64), self->min, self->max);
    return g_strdup_printf(_("%" PRId64 " to %" PRId64 " in steps of %" PRIu64), self->min,
                           self->max, self->step);
}

static gboolean
find_name(const char *const *names, guint n, const char *text, guint *index)
{
    for (guint i = 0; i < n; i++)
        if (g_str_equal(names[i], text)) {
            *index = i;
            return TRUE;
        }
    return FALSE;
}

const char *
vf_parameter_type_to_string(VfParameterType type)
{
    return type_names[type];
}

gboolean
vf_parameter_type_from_string(const char *text, VfParameterType *type)
{
    guint i;

    if (!find_name(type_names, G_N_ELEMENTS(type_names), text, &i))
        return FALSE;
    *type = (VfParameterType)i;
    return TRUE;
}

const char *
vf_parameter_compare_to_string(VfCompareRule rule)
{
    return compare_names[rule];
}

gboolean
vf_parameter_compare_from_string(const char *text, VfCompareRule *rule)
{
    guint i;

    if (!find_name(compare_names, G_N_ELEMENTS(compare_names), text, &i))
        return FALSE;
    *rule = (VfCompareRule)i;
    return TRUE;
}
