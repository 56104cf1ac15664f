/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "rule.h"

#include <string.h>

static int
order_of(gint64 a, gint64 b)
{
    return a < b ? -1 : a > b;
}

/* The place of a value in the order of an enum, -1 when it is none of its values. */
static int
place_of(const VfParameter *parameter, const char *value)
{
    for (int i = 0; parameter->allowed != NULL && parameter->allowed[i] != NULL; i++)
        if (g_str_equal(parameter->allowed[i], value))
            return i;
    return -1;
}

static gboolean
ends_word(char c)
{
    return c == ' ' || c == '\0';
}

static const char *
next_word(const char *p)
{
    while (!ends_word(*p))
        p++;
    return *p == ' ' ? p + 1 : p;
}

/* Both sides' words are sorted, so that one walk finds out; @wanted stands still where the other
 * lacks a word. Byte by byte: words are short, and a set may have hundreds. */
static gboolean
has_words(const char *have, const char *wanted)
{
    while (*wanted != '\0') {
        gsize same = 0;

        if (*have == '\0')
            return FALSE;
        while (!ends_word(wanted[same]) && have[same] == wanted[same])
            same++;
        if (ends_word(wanted[same]) && ends_word(have[same]))
            wanted = next_word(wanted + same);
        have = next_word(have + same);
    }
    return TRUE;
}

static gboolean
has_all(const VfParameter *parameter, const char *have, const char *wanted)
{
    if (parameter->type == VF_PARAMETER_BITMASK)
        return (vf_parameter_bits(wanted) & ~vf_parameter_bits(have)) == 0;
    return has_words(have, wanted);
}

gboolean
vf_rule_order(const VfParameter *parameter, const char *a, const char *b, int *order)
{
    int left;
    int right;

    switch (parameter->type) {
    case VF_PARAMETER_BOOL:
        *order = order_of(g_str_equal(a, "yes"), g_str_equal(b, "yes"));
        return TRUE;
    case VF_PARAMETER_INT:
    case VF_PARAMETER_SIZE:
        *order = order_of(g_ascii_strtoll(a, NULL, 10), g_ascii_strtoll(b, NULL, 10));
        return TRUE;
    case VF_PARAMETER_ENUM:
        left = place_of(parameter, a);
        right = place_of(parameter, b);
        *order = order_of(left, right);
        return left >= 0 && right >= 0;
    case VF_PARAMETER_SET:
    case VF_PARAMETER_BITMASK:
        left = has_all(parameter, a, b);
        right = has_all(parameter, b, a);
        *order = left - right;
        return left || right;
    case VF_PARAMETER_STRING:
    default:
        return FALSE;
    }
}

static gboolean
same_major(const char *a, const char *b)
{
    gsize length = strcspn(a, ".");
    return length == strcspn(b, ".") && memcmp(a, b, length) == 0;
}

/* Of two values that differ. */
static gboolean
fits(const VfParameter *parameter, const char *source, const char *destination)
{
    int order;

    switch (parameter->compare) {
    case VF_COMPARE_SUPERSET:
        return has_all(parameter, destination, source);
    case VF_COMPARE_AT_LEAST:
        return vf_rule_order(parameter, destination, source, &order) && order >= 0;
    case VF_COMPARE_AT_MOST:
        return vf_rule_order(parameter, destination, source, &order) && order <= 0;
    case VF_COMPARE_SAME_MAJOR:
        return same_major(source, destination);
    case VF_COMPARE_IGNORE:
        return TRUE;
    case VF_COMPARE_EQUAL:
    case VF_COMPARE_FIRMWARE:
    default:
        return FALSE;
    }
}

VfRelation
vf_rule_relate(const VfParameter *parameter, const char *source, const char *destination)
{
    /* equal versions of a firmware do not prove that the one loads what the other saved */
    if (parameter->compare == VF_COMPARE_FIRMWARE)
        return VF_RELATION_UNDECIDED;
    if (g_str_equal(source, destination))
        return VF_RELATION_SAME;
    return fits(parameter, source, destination) ? VF_RELATION_FITS : VF_RELATION_DIFFERS;
}

/* The range's member nearest to @value. */
static gboolean
nearest_in_range(const VfRange *range, gint64 value, gboolean above, gint64 *found)
{
    /* distances of two int64 can need 64 bits without a sign */
    guint64 base = (guint64)range->min;
    guint64 past = ((guint64)CLAMP(value, range->min, range->max) - base) / range->step;

    if (above ? value > range->max : value < range->min)
        return FALSE;
    *found = (gint64)(base + past * range->step);
    if (!above || *found >= value)
        return TRUE;
    if ((guint64)range->max - (guint64)*found < range->step)
        return FALSE;
    *found = (gint64)((guint64)*found + range->step);
    return TRUE;
}

gboolean
vf_rule_nearest_number(const VfParameter *parameter, gint64 value, gboolean above, gint64 *found)
{
    const VfRange any = {parameter->type == VF_PARAMETER_SIZE ? 0 : G_MININT64, G_MAXINT64, 1};
    guint n_ranges = parameter->ranges ? parameter->ranges->len : 0;
    gboolean has = FALSE;
    gint64 one;

    if (!parameter->ranges && !parameter->allowed)
        return nearest_in_range(&any, value, above, found);
    for (guint i = 0; i < n_ranges; i++)
        if (nearest_in_range(&g_array_index(parameter->ranges, VfRange, i), value, above, &one)) {
            *found = !has || (above ? one < *found : one > *found) ? one : *found;
            has = TRUE;
        }
    for (guint i = 0; parameter->allowed != NULL && parameter->allowed[i] != NULL; i++) {
        one = g_ascii_strtoll(parameter->allowed[i], NULL, 10);
        if (above ? one < value : one > value)
            continue;
        *found = !has || (above ? one < *found : one > *found) ? one : *found;
        has = TRUE;
    }
    return has;
}

/* Words have no distance, so the first that fits. */
static char *
nearest_word(const VfParameter *parameter, const char *source)
{
    for (guint i = 0; parameter->allowed != NULL && parameter->allowed[i] != NULL; i++)
        if (fits(parameter, source, parameter->allowed[i]))
            return g_strdup(parameter->allowed[i]);
    return NULL;
}

char *
vf_rule_nearest(const VfParameter *parameter, const char *source)
{
    gboolean above = parameter->compare == VF_COMPARE_AT_LEAST;
    gint64 found;

    if (vf_parameter_allows(parameter, source))
        return g_strdup(source);
    if (!vf_parameter_is_number(parameter))
        return nearest_word(parameter, source);
    if ((above || parameter->compare == VF_COMPARE_AT_MOST) &&
        vf_rule_nearest_number(parameter, g_ascii_strtoll(source, NULL, 10), above, &found))
        return g_strdup_printf("%" G_GINT64_FORMAT, found);
    return NULL;
}

gboolean
vf_rule_suits(VfCompareRule rule, VfParameterType type)
{
    switch (rule) {
    case VF_COMPARE_SUPERSET:
        return type == VF_PARAMETER_SET || type == VF_PARAMETER_BITMASK;
    case VF_COMPARE_AT_LEAST:
    case VF_COMPARE_AT_MOST:
        return type == VF_PARAMETER_INT || type == VF_PARAMETER_SIZE || type == VF_PARAMETER_ENUM ||
               type == VF_PARAMETER_BOOL;
    case VF_COMPARE_SAME_MAJOR:
        return type == VF_PARAMETER_STRING;
    case VF_COMPARE_EQUAL:
    case VF_COMPARE_FIRMWARE:
    case VF_COMPARE_IGNORE:
    default:
        return TRUE;
    }
}
