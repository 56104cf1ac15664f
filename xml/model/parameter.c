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
    [VF_PARAMETER_BOOL] = "bool",       [VF_PARAMETER_INT] = "int",
    [VF_PARAMETER_STRING] = "string",   [VF_PARAMETER_ENUM] = "enum",
    [VF_PARAMETER_SIZE] = "size",       [VF_PARAMETER_SET] = "set",
    [VF_PARAMETER_BITMASK] = "bitmask",
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
    g_free(self->init);
    g_free(self->off);
    g_strfreev(self->allowed);
    g_clear_pointer(&self->ranges, g_array_unref);
    vf_reader_clear(&self->reader);
    g_free(self->applier_attribute);
    g_free(self);
}

VfParameter *
vf_parameter_copy(const VfParameter *self)
{
    VfParameter *copy = g_memdup2(self, sizeof *self);

    copy->name = g_strdup(self->name);
    copy->unit = g_strdup(self->unit);
    copy->description = g_strdup(self->description);
    copy->init = g_strdup(self->init);
    copy->off = g_strdup(self->off);
    copy->allowed = g_strdupv(self->allowed);
    copy->ranges = self->ranges ? g_array_copy(self->ranges) : NULL;
    vf_reader_copy(&copy->reader, &self->reader);
    copy->applier_attribute = g_strdup(self->applier_attribute);
    return copy;
}

/* What is shown of a list of allowed values, which can have 256 KiB. */
#define RULE_MAX 600

static void
fail(const VfParameter *self, const char *text, const char *rule, GError **error)
{
    g_autofree char *shown = vf_text_excerpt(text, 60);

    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("the parameter %s is “%.60s”, but must be %s"), self->name, shown, rule);
}

gboolean
vf_parameter_is_number(const VfParameter *self)
{
    return self->type == VF_PARAMETER_INT || self->type == VF_PARAMETER_SIZE;
}

guint64
vf_parameter_bits(const char *canonical)
{
    return g_ascii_strtoull(canonical + 2, NULL, 16);
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

static char *
canonicalize_bitmask(const VfParameter *self, const char *text, GError **error)
{
    gsize digits = g_str_has_prefix(text, "0x") ? strspn(text + 2, "0123456789abcdefABCDEF") : 0;
    guint64 bits;

    if (digits >= 1 && digits <= 16 && text[2 + digits] == '\0')
        return g_strdup_printf("0x%" G_GINT64_MODIFIER "x", g_ascii_strtoull(text + 2, NULL, 16));
    if (vf_number_parse_u64(text, self->name, 0, G_MAXUINT64, &bits, NULL))
        return g_strdup_printf("0x%" G_GINT64_MODIFIER "x", bits);
    fail(self, text, _("a mask of 64 bits, decimal or hexadecimal with 0x"), error);
    return NULL;
}

/* The words of @text, which @separator parts (' ': any white space), in their one order. */
static char *
join_words(const char *text, char separator)
{
    const char delimiters[] = {separator, '\0'};
    g_auto(GStrv) words = g_strsplit_set(text, separator == ' ' ? " \t\n" : delimiters, -1);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    GString *joined = g_string_new(NULL);

    for (guint i = 0; words[i] != NULL; i++)
        if (g_strstrip(words[i])[0] != '\0')
            g_ptr_array_add(sorted, words[i]);
    g_ptr_array_sort(sorted, vf_text_compare);
    for (guint i = 0; i < sorted->len; i++)
        if (i == 0 || !g_str_equal(sorted->pdata[i], sorted->pdata[i - 1]))
            g_string_append_printf(joined, "%s%s", joined->len > 0 ? " " : "",
                                   (const char *)sorted->pdata[i]);
    return g_string_free(joined, FALSE);
}

char *
vf_parameter_canonicalize(const VfParameter *self, const char *text, GError **error)
{
    if (vf_parameter_is_number(self))
        return canonicalize_number(self, text, error);
    if (self->type == VF_PARAMETER_BITMASK)
        return canonicalize_bitmask(self, text, error);
    if (self->type == VF_PARAMETER_BOOL && !g_str_equal(text, "yes") && !g_str_equal(text, "no")) {
        fail(self, text, _("yes or no"), error);
        return NULL;
    }
    if (!vf_text_check(text, self->name, VF_VALUE_TEXT_MAX, error))
        return NULL;
    return self->type == VF_PARAMETER_SET ? join_words(text, ' ') : g_strdup(text);
}

gboolean
vf_parameter_allows(const VfParameter *self, const char *canonical)
{
    const char *const *allowed = (const char *const *)self->allowed;
    gint64 value;

    if (self->type == VF_PARAMETER_BITMASK)
        return (vf_parameter_bits(canonical) & ~self->mask) == 0;
    if (!self->allowed && !self->ranges)
        return TRUE;
    if (self->type == VF_PARAMETER_SET) {
        g_auto(GStrv) words = g_strsplit(canonical, " ", -1);

        for (guint i = 0; words[i] != NULL; i++)
            if (!g_strv_contains(allowed, words[i]))
                return FALSE;
        return TRUE;
    }
    if (allowed && g_strv_contains(allowed, canonical))
        return TRUE;
    value = g_ascii_strtoll(canonical, NULL, 10);
    for (guint i = 0; self->ranges != NULL && i < self->ranges->len; i++) {
        const VfRange *range = &g_array_index(self->ranges, VfRange, i);
        /* the distance of two int64 can need 64 bits without a sign */
        if (value >= range->min && value <= range->max &&
            ((guint64)value - (guint64)range->min) % range->step == 0)
            return TRUE;
    }
    return FALSE;
}

char *
vf_parameter_check_value(const VfParameter *self, const char *text, GError **error)
{
    g_autofree char *canonical = vf_parameter_canonicalize(self, text, error);
    g_autofree char *rule = NULL;

    if (!canonical || vf_parameter_allows(self, canonical))
        return g_steal_pointer(&canonical);
    rule = vf_parameter_describe_allowed(self);
    if (strlen(rule) > RULE_MAX) {
        g_autofree char *some = vf_text_excerpt(rule, RULE_MAX);
        g_free(rule);
        rule = g_strconcat(some, "…", NULL);
    }
    fail(self, canonical, rule, error);
    return NULL;
}

/* kstrtobool() and the kernel's bool parameters write these. */
static char *
decode_bool(const char *text)
{
    if (text[0] == '\0' || text[1] != '\0')
        return NULL;
    if (strchr("1Yy", text[0]))
        return g_strdup("yes");
    return strchr("0Nn", text[0]) ? g_strdup("no") : NULL;
}

/* "0x15b3" */
static char *
decode_hexadecimal(const char *text)
{
    gsize digits = g_str_has_prefix(text, "0x") ? strspn(text + 2, "0123456789abcdefABCDEF") : 0;
    guint64 number;

    if (digits < 1 || digits > 16 || text[2 + digits] != '\0')
        return NULL;
    number = g_ascii_strtoull(text + 2, NULL, 16);
    return number <= G_MAXINT64 ? g_strdup_printf("%" G_GINT64_MODIFIER "u", number) : NULL;
}

/* "2048M", "64MB", "1 GiB": i915's and NVIDIA's descriptions mean powers of 1024 by all of them. */
static char *
decode_size(const char *text)
{
    static const char letters[] = "KMGT";
    gsize digits = strspn(text, "0123456789");
    g_autofree char *head = g_strndup(text, digits);
    const char *p = text + digits + strspn(text + digits, " ");
    const char *letter = *p != '\0' ? strchr(letters, *p) : NULL;
    guint shift = letter ? 10 * (guint)(letter - letters + 1) : 0;
    guint64 number;

    if (!letter || (p[1] != '\0' && !g_str_equal(p + 1, "B") && !g_str_equal(p + 1, "iB")))
        return NULL;
    if (!vf_number_parse_u64(head, "", 0, (guint64)G_MAXINT64 >> shift, &number, NULL))
        return NULL;
    return g_strdup_printf("%" G_GINT64_MODIFIER "u", number << shift);
}

/* The spellings that are sysfs's own; NULL when @text is none of them. */
static char *
decode_foreign(const VfParameter *self, const char *text)
{
    char *value = NULL;

    if (self->type == VF_PARAMETER_BOOL)
        return decode_bool(text);
    if (self->type == VF_PARAMETER_SET)
        return join_words(text, self->reader.separator != '\0' ? self->reader.separator : ' ');
    if (vf_parameter_is_number(self))
        value = decode_hexadecimal(text);
    return !value && self->type == VF_PARAMETER_SIZE ? decode_size(text) : value;
}

char *
vf_parameter_decode_attribute(const VfParameter *self, const char *text, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *own = decode_foreign(self, text);
    char *canonical = vf_parameter_canonicalize(self, own ?: text, &cause);

    if (!canonical)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("the attribute %s: %s"),
                    self->reader.attribute ?: "?", cause->message);
    return canonical;
}

char *
vf_parameter_encode_attribute(const VfParameter *self, const char *value)
{
    const char separator[] = {self->reader.separator != '\0' ? self->reader.separator : ' ', '\0'};
    g_auto(GStrv) words = NULL;

    if (self->type == VF_PARAMETER_BOOL)
        return g_strdup(g_str_equal(value, "yes") ? "1" : "0");
    if (self->type != VF_PARAMETER_SET)
        return g_strdup(value);
    words = g_strsplit(value, " ", -1);
    return g_strjoinv(separator, words);
}

static char *
describe_any(const VfParameter *self)
{
    if (self->type == VF_PARAMETER_BOOL)
        return g_strdup(_("yes or no"));
    if (self->type == VF_PARAMETER_INT)
        return g_strdup(_("any whole number"));
    if (self->type == VF_PARAMETER_SIZE)
        return g_strdup(_("any number of bytes"));
    if (self->type == VF_PARAMETER_BITMASK && self->mask != G_MAXUINT64)
        return g_strdup_printf(_("bits of 0x%" PRIx64), self->mask);
    if (self->type == VF_PARAMETER_BITMASK)
        return g_strdup(_("any 64 bits"));
    return g_strdup(self->type == VF_PARAMETER_SET ? _("any words") : _("any text"));
}

char *
vf_parameter_describe_allowed(const VfParameter *self)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) parts = NULL;

    if (!self->allowed && !self->ranges)
        return describe_any(self);
    for (guint i = 0; self->ranges != NULL && i < self->ranges->len; i++) {
        const VfRange *range = &g_array_index(self->ranges, VfRange, i);
        g_autofree char *text = NULL;

        if (range->step == 1)
            text = g_strdup_printf(_("%" PRId64 " to %" PRId64), range->min, range->max);
        else
            text = g_strdup_printf(_("%" PRId64 " to %" PRId64 " in steps of %" PRIu64), range->min,
                                   range->max, range->step);
        g_strv_builder_add(builder, text);
    }
    for (guint i = 0; self->allowed != NULL && self->allowed[i] != NULL; i++)
        g_strv_builder_add(builder, self->allowed[i]);
    parts = g_strv_builder_end(builder);
    return g_strjoinv(", ", parts);
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
