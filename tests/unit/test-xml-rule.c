/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/model/rule.h"

#include "test-xml.h"

static VfParameter
parameter_of(VfParameterType type, VfCompareRule rule)
{
    static char *levels[] = {(char *)"low", (char *)"high", (char *)"highest", NULL};
    VfParameter parameter = {.name = (char *)"p", .type = type, .compare = rule};

    parameter.mask = G_MAXUINT64;
    if (type == VF_PARAMETER_ENUM)
        parameter.allowed = levels;
    return parameter;
}

#define BOOL VF_PARAMETER_BOOL
#define INT VF_PARAMETER_INT
#define STRING VF_PARAMETER_STRING
#define ENUM VF_PARAMETER_ENUM
#define SIZE VF_PARAMETER_SIZE
#define SET VF_PARAMETER_SET
#define BITMASK VF_PARAMETER_BITMASK
#define SAME VF_RELATION_SAME
#define FITS VF_RELATION_FITS
#define DIFFERS VF_RELATION_DIFFERS
#define UNDECIDED VF_RELATION_UNDECIDED

static void
test_relate(void)
{
    static const struct {
        VfParameterType type;
        VfCompareRule rule;
        const char *source, *destination;
        VfRelation relation;
    } cases[] = {
        {INT, VF_COMPARE_EQUAL, "2", "2", SAME},
        {INT, VF_COMPARE_EQUAL, "2", "3", DIFFERS},
        {SET, VF_COMPARE_EQUAL, "a b", "a b c", DIFFERS},
        {SET, VF_COMPARE_SUPERSET, "a b", "a b", SAME},
        {SET, VF_COMPARE_SUPERSET, "a b", "a aa b c", FITS},
        {SET, VF_COMPARE_SUPERSET, "b", "a b", FITS},
        {SET, VF_COMPARE_SUPERSET, "", "a", FITS},
        {SET, VF_COMPARE_SUPERSET, "", "", SAME},
        {SET, VF_COMPARE_SUPERSET, "a", "", DIFFERS},
        {SET, VF_COMPARE_SUPERSET, "a b c", "a c", DIFFERS},
        {SET, VF_COMPARE_SUPERSET, "a", "aa", DIFFERS},
        {SET, VF_COMPARE_SUPERSET, "aa", "a", DIFFERS},
        {SET, VF_COMPARE_SUPERSET, "z", "a b", DIFFERS},
        {BITMASK, VF_COMPARE_SUPERSET, "0x5", "0x7", FITS},
        {BITMASK, VF_COMPARE_SUPERSET, "0x5", "0x5", SAME},
        {BITMASK, VF_COMPARE_SUPERSET, "0x5", "0x4", DIFFERS},
        {BITMASK, VF_COMPARE_SUPERSET, "0x8000000000000000", "0xffffffffffffffff", FITS},
        {BITMASK, VF_COMPARE_SUPERSET, "0x8000000000000000", "0x7fffffffffffffff", DIFFERS},
        {INT, VF_COMPARE_AT_LEAST, "9", "10", FITS},
        {INT, VF_COMPARE_AT_LEAST, "10", "9", DIFFERS},
        {INT, VF_COMPARE_AT_LEAST, "-10", "-9", FITS},
        {INT, VF_COMPARE_AT_LEAST, "-9223372036854775808", "9223372036854775807", FITS},
        {SIZE, VF_COMPARE_AT_LEAST, "4096", "8192", FITS},
        {SIZE, VF_COMPARE_AT_LEAST, "8192", "4096", DIFFERS},
        {ENUM, VF_COMPARE_AT_LEAST, "low", "high", FITS},
        {ENUM, VF_COMPARE_AT_LEAST, "highest", "high", DIFFERS},
        {ENUM, VF_COMPARE_AT_LEAST, "low", "none-of-them", DIFFERS},
        {ENUM, VF_COMPARE_AT_LEAST, "none-of-them", "none-of-them", SAME},
        {BOOL, VF_COMPARE_AT_LEAST, "no", "yes", FITS},
        {BOOL, VF_COMPARE_AT_LEAST, "yes", "no", DIFFERS},
        {INT, VF_COMPARE_AT_MOST, "10", "9", FITS},
        {INT, VF_COMPARE_AT_MOST, "9", "10", DIFFERS},
        {SIZE, VF_COMPARE_AT_MOST, "1", "1", SAME},
        {ENUM, VF_COMPARE_AT_MOST, "high", "low", FITS},
        {ENUM, VF_COMPARE_AT_MOST, "none-of-them", "low", DIFFERS},
        {BOOL, VF_COMPARE_AT_MOST, "yes", "no", FITS},
        {BOOL, VF_COMPARE_AT_MOST, "no", "yes", DIFFERS},
        {STRING, VF_COMPARE_SAME_MAJOR, "550.54.14", "550.90.7", FITS},
        {STRING, VF_COMPARE_SAME_MAJOR, "550", "550.1", FITS},
        {STRING, VF_COMPARE_SAME_MAJOR, "550.1", "55.1", DIFFERS},
        {STRING, VF_COMPARE_SAME_MAJOR, "55.1", "550.1", DIFFERS},
        {STRING, VF_COMPARE_SAME_MAJOR, "", ".1", FITS},
        {STRING, VF_COMPARE_FIRMWARE, "1.2", "1.2", UNDECIDED},
        {STRING, VF_COMPARE_FIRMWARE, "1.2", "1.3", UNDECIDED},
        {INT, VF_COMPARE_IGNORE, "1", "1", SAME},
        {INT, VF_COMPARE_IGNORE, "1", "2", FITS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const VfParameter parameter = parameter_of(cases[i].type, cases[i].rule);
        VfRelation relation = vf_rule_relate(&parameter, cases[i].source, cases[i].destination);
        if (relation != cases[i].relation)
            g_error("row %" G_GSIZE_FORMAT ": %s, %s: %d", i, cases[i].source, cases[i].destination,
                    (int)relation);
    }
}

static void
test_order(void)
{
    static const struct {
        VfParameterType type;
        const char *a, *b;
        int order; /* 9: none */
    } cases[] = {
        {INT, "-1", "1", -1},
        {INT, "10", "9", 1},
        {INT, "3", "3", 0},
        {SIZE, "100", "20", 1},
        {BOOL, "no", "yes", -1},
        {BOOL, "yes", "yes", 0},
        {ENUM, "low", "high", -1},
        {ENUM, "highest", "low", 1},
        {ENUM, "low", "low", 0},
        {ENUM, "low", "other", 9},
        {ENUM, "other", "other", 9},
        {STRING, "a", "b", 9},
        {SET, "a", "a b", -1},
        {SET, "a b", "a", 1},
        {SET, "a b", "a b", 0},
        {SET, "a", "b", 9},
        {SET, "", "", 0},
        {BITMASK, "0x1", "0x3", -1},
        {BITMASK, "0x1", "0x2", 9},
        {BITMASK, "0x3", "0x1", 1},
        {BITMASK, "0x3", "0x3", 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const VfParameter parameter = parameter_of(cases[i].type, VF_COMPARE_EQUAL);
        int order = 9;
        gboolean any = vf_rule_order(&parameter, cases[i].a, cases[i].b, &order);
        if (any ? order != cases[i].order : cases[i].order != 9)
            g_error("row %" G_GSIZE_FORMAT ": %s, %s: %d", i, cases[i].a, cases[i].b, order);
    }
}

/* The ends of ranges and single values are looked at together; 0 to 20 by 10, 40 to 41, and 30, 60.
 */
static void
test_nearest_number(void)
{
    static const struct {
        gint64 value, below, above; /* -1: none */
    } cases[] = {
        {-5, -1, 0},  {0, 0, 0},    {1, 0, 10},          {19, 10, 20},         {20, 20, 20},
        {21, 20, 30}, {30, 30, 30}, {31, 30, 40},        {41, 41, 41},         {42, 41, 60},
        {60, 60, 60}, {61, 60, -1}, {G_MININT64, -1, 0}, {G_MAXINT64, 60, -1},
    };
    static const VfRange some[] = {{0, 25, 10}, {40, 41, 1}};
    static char *values[] = {(char *)"30", (char *)"60", NULL};
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(VfRange));
    VfParameter parameter = parameter_of(INT, VF_COMPARE_AT_LEAST);

    g_array_append_vals(ranges, some, G_N_ELEMENTS(some));
    parameter.ranges = ranges;
    parameter.allowed = values;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 below = -1;
        gint64 above = -1;
        if (!vf_rule_nearest_number(&parameter, cases[i].value, FALSE, &below))
            below = -1;
        if (!vf_rule_nearest_number(&parameter, cases[i].value, TRUE, &above))
            above = -1;
        g_assert_cmpint(below, ==, cases[i].below);
        g_assert_cmpint(above, ==, cases[i].above);
    }
}

/* A line for each rule: y where it goes with the type; bool, int, string, enum, size, set, bitmask.
 */
static void
test_suits(void)
{
    static const char *const rules[] = {
        [VF_COMPARE_EQUAL] = "yyyyyyy",      [VF_COMPARE_SUPERSET] = "-----yy",
        [VF_COMPARE_AT_LEAST] = "yy-yy--",   [VF_COMPARE_AT_MOST] = "yy-yy--",
        [VF_COMPARE_SAME_MAJOR] = "--y----", [VF_COMPARE_FIRMWARE] = "yyyyyyy",
        [VF_COMPARE_IGNORE] = "yyyyyyy",
    };

    for (guint rule = 0; rule < G_N_ELEMENTS(rules); rule++)
        for (guint type = 0; type <= VF_PARAMETER_BITMASK; type++)
            g_assert_cmpint(vf_rule_suits((VfCompareRule)rule, (VfParameterType)type), ==,
                            rules[rule][type] == 'y');
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/rule/relate", test_relate);
    g_test_add_func("/xml/rule/order", test_order);
    g_test_add_func("/xml/rule/nearest-number", test_nearest_number);
    g_test_add_func("/xml/rule/suits", test_suits);
    return g_test_run();
}
