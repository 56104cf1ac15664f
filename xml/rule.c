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
order_enum(const VfParameter *parameter, const char *a, const char *b, int *order)
{
    int left = place_of(parameter, a);
    int right = place_of(parameter, b);

    *order = order_of(left, right);
    return left >= 0 && right >= 0;
}

static gboolean
order_inclusion(gboolean a_has_b, gboolean b_has_a, int *order)
{
    *order = a_has_b - b_has_a;
    return a_has_b || b_has_a;
}

static guint64
bits_of(const char *canonical)
{
    return g_ascii_strtoull(canonical + 2, NULL, 16);
}

/* Both sides' words are sorted, so that one walk finds out; @wanted stands still where the other
 * lacks a word. */
static gboolean
has_words(const char *have, const char *wanted)
{
    while (*wanted != '\0') {
        gsize left = strcspn(have, " ");
        gsize right = strcspn(wanted, " ");
        gboolean same = left == right && memcmp(have, wanted, left) == 0;
        if (*have == '\0')
            return FALSE;
        have += left + strspn(have + left, " ");
        wanted += same ? right + strspn(wanted + right, " ") : 0;
    }
    return TRUE;
}

static gboolean
has_all(const VfParameter *parameter, const char *have, const char *wanted)
{
    if (parameter->type == VF_PARAMETER_BITMASK)
        return (bits_of(wanted) & ~bits_of(have)) == 0;
    return has_words(have, wanted);
}

gboolean
vf_rule_order(const VfParameter *parameter, const char *a, const char *b, int *order)
{
    switch (parameter->type) {
    case VF_PARAMETER_BOOL:
        *order = order_of(g_str_equal(a, "yes"), g_str_equal(b, "yes"));
        return TRUE;
    case VF_PARAMETER_INT:
    case VF_PARAMETER_SIZE:
        *order = order_of(g_ascii_strtoll(a, NULL, 10), g_ascii_strtoll(b, NULL, 10));
        return TRUE;
    case VF_PARAMETER_ENUM:
        return order_enum(parameter, a, b, order);
    case VF_PARAMETER_SET:
    case VF_PARAMETER_BITMASK:
        return order_inclusion(has_all(parameter, a, b), has_all(parameter, b, a), order);
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
