/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/model/constraint.h"

#include "test-xml.h"
#include "xml/model/value.h"

/* A model's parameters and constraints as lines of text, since no XML is needed to say them:
 * "multiqueue bool; queues int 1-8; …" and "queues at-least 3 => multiqueue is yes; …". */

static VfParameter *
parameter_from(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 4);
    VfParameter *parameter = g_new0(VfParameter, 1);
    VfRange range = {0, 0, 1};
    char *end;

    parameter->name = g_strdup(words[0]);
    parameter->mask = G_MAXUINT64;
    g_assert_true(vf_parameter_type_from_string(words[1], &parameter->type));
    if (words[2] == NULL)
        return parameter;
    if (parameter->type == VF_PARAMETER_BITMASK) {
        parameter->mask = g_ascii_strtoull(words[2], NULL, 16);
        return parameter;
    }
    if (parameter->type != VF_PARAMETER_INT && parameter->type != VF_PARAMETER_SIZE) {
        parameter->allowed = g_strsplit(words[2], ",", -1);
        parameter->off = g_strdup(words[3]);
        return parameter;
    }
    range.min = g_ascii_strtoll(words[2], &end, 10);
    range.max = g_ascii_strtoll(end + 1, &end, 10);
    if (*end == '/')
        range.step = g_ascii_strtoull(end + 1, NULL, 10);
    parameter->ranges = g_array_new(FALSE, FALSE, sizeof range);
    g_array_append_val(parameter->ranges, range);
    return parameter;
}

static GPtrArray *
parameters_from(const char *text)
{
    GPtrArray *parameters = g_ptr_array_new_with_free_func((GDestroyNotify)vf_parameter_free);
    g_auto(GStrv) lines = g_strsplit(text, "; ", -1);

    for (guint i = 0; lines[i] != NULL; i++)
        g_ptr_array_add(parameters, parameter_from(lines[i]));
    return parameters;
}

static void
add_conditions(GPtrArray *conditions, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, " and ", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        g_auto(GStrv) words = g_strsplit(parts[i], " ", 3);
        VfCondition *condition;
        if (words[0] == NULL)
            continue;
        condition = g_new0(VfCondition, 1);
        condition->parameter = g_strdup(words[0]);
        g_assert_true(vf_condition_test_from_string(words[1], &condition->test));
        condition->value = g_strdup(words[2]);
        g_ptr_array_add(conditions, condition);
    }
}

static GPtrArray *
constraints_from(const char *text)
{
    GPtrArray *constraints = g_ptr_array_new_with_free_func((GDestroyNotify)vf_constraint_free);
    g_auto(GStrv) lines = g_strsplit(text, "; ", -1);

    for (guint i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) sides = g_strsplit(lines[i], "=> ", 2);
        VfConstraint *constraint = vf_constraint_new();
        add_conditions(constraint->when, g_strchomp(sides[0]));
        add_conditions(constraint->then, sides[1]);
        g_ptr_array_add(constraints, constraint);
    }
    return constraints;
}

/* "queues=4, multiqueue=no" */
static const char *
lookup(const VfParameter *parameter, gpointer data)
{
    const VfValue *value = vf_value_list_find(data, parameter->name);
    return value != NULL ? value->value : NULL;
}

#define CARD "flags bitmask; level enum low,mid,high; multiqueue bool; queues int 1-64; words set"

static void
test_check(void)
{
    static const struct {
        const char *constraint, *values;
        VfTruth truth;
    } cases[] = {
        {"queues at-least 3 => multiqueue is yes", "queues=4,multiqueue=yes", VF_TRUTH_YES},
        {"queues at-least 3 => multiqueue is yes", "queues=4,multiqueue=no", VF_TRUTH_NO},
        {"queues at-least 3 => multiqueue is yes", "queues=2,multiqueue=no", VF_TRUTH_YES},
        {"queues at-least 3 => multiqueue is yes", "queues=3,multiqueue=no", VF_TRUTH_NO},
        /* what is not known decides only when it must */
        {"queues at-least 3 => multiqueue is yes", "queues=2", VF_TRUTH_YES},
        {"queues at-least 3 => multiqueue is yes", "queues=3", VF_TRUTH_UNKNOWN},
        {"queues at-least 3 => multiqueue is yes", "multiqueue=yes", VF_TRUTH_YES},
        {"queues at-least 3 => multiqueue is yes", "multiqueue=no", VF_TRUTH_UNKNOWN},
        {"queues at-least 3 => multiqueue is yes", "", VF_TRUTH_UNKNOWN},
        {"queues at-least 3 and level is low => multiqueue is yes", "level=high", VF_TRUTH_YES},
        {"queues at-least 3 and level is low => multiqueue is yes", "level=low,multiqueue=no",
         VF_TRUTH_UNKNOWN},
        {"=> queues at-most 8", "queues=8", VF_TRUTH_YES},
        {"=> queues at-most 8", "queues=9", VF_TRUTH_NO},
        {"=> queues at-most 8 and multiqueue is yes", "multiqueue=no", VF_TRUTH_NO},
        {"=> queues at-most 8 and multiqueue is yes", "multiqueue=yes", VF_TRUTH_UNKNOWN},
        {"=> level is-not low", "level=low", VF_TRUTH_NO},
        {"=> level is-not low", "level=mid", VF_TRUTH_YES},
        {"=> level at-least mid", "level=high", VF_TRUTH_YES},
        {"=> level at-least mid", "level=low", VF_TRUTH_NO},
        {"=> level at-least mid", "level=newer", VF_TRUTH_UNKNOWN},
        {"=> words has a c", "words=a b c", VF_TRUTH_YES},
        {"=> words has a c", "words=a b", VF_TRUTH_NO},
        {"=> words has a c", "words=d", VF_TRUTH_NO},
        {"=> flags has 0x3", "flags=0x7", VF_TRUTH_YES},
        {"=> flags has 0x3", "flags=0x2", VF_TRUTH_NO},
        {"=> flags has 0x3", "flags=0x4", VF_TRUTH_NO},
        {"=> flags at-most 0x3", "flags=0x4", VF_TRUTH_NO},
        {"=> flags at-most 0x3", "flags=0x2", VF_TRUTH_YES},
        {"=> other is 1", "queues=1", VF_TRUTH_UNKNOWN},
    };
    g_autoptr(GPtrArray) parameters = parameters_from(CARD);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) constraints = constraints_from(cases[i].constraint);
        g_autoptr(VfConstraint) copy = vf_constraint_copy(constraints->pdata[0]);
        g_autoptr(GPtrArray) values = vf_value_list_new();
        g_auto(GStrv) parts = g_strsplit(cases[i].values, ",", -1);
        for (guint j = 0; parts[j] != NULL; j++) {
            g_auto(GStrv) sides = g_strsplit(parts[j], "=", 2);
            vf_value_list_set(values, sides[0], sides[1], NULL);
        }
        if (vf_constraint_check(copy, parameters, lookup, values) != cases[i].truth)
            g_error("row %" G_GSIZE_FORMAT ": %s with %s", i, cases[i].constraint, cases[i].values);
    }
}

static void
test_satisfiable(void)
{
    static const struct {
        const char *parameters, *constraints;
        VfTruth truth;
    } cases[] = {
        {CARD, "queues at-least 3 => multiqueue is yes", VF_TRUTH_YES},
        {CARD, "=> multiqueue is yes; => multiqueue is no", VF_TRUTH_NO},
        {CARD, "=> queues at-least 9; => queues at-most 8", VF_TRUTH_NO},
        {CARD, "=> queues at-least 65", VF_TRUTH_NO},
        {CARD, "=> queues at-most 0", VF_TRUTH_NO},
        {CARD, "=> queues at-least 9; => queues at-most 9; => queues is-not 9", VF_TRUTH_NO},
        {CARD,
         "=> queues at-least 9; => queues at-most 11; => queues is-not 9; => queues is-not 11",
         VF_TRUTH_YES},
        {CARD, "queues at-least 1 => multiqueue is yes; queues at-most 64 => multiqueue is no",
         VF_TRUTH_NO},
        {CARD,
         "multiqueue is yes => level is low; level is low => queues is 7; => queues is-not 7; "
         "=> multiqueue is yes",
         VF_TRUTH_NO},
        {CARD, "=> level at-least high; => level is-not high", VF_TRUTH_NO},
        {CARD, "=> words has a; => words has b; => words is-not a b", VF_TRUTH_YES},
        {CARD, "=> words has a; => words is b", VF_TRUTH_NO},
        {CARD, "=> flags has 0x8000000000000000; => flags at-most 0x1", VF_TRUTH_NO},
        {CARD, "=> flags has 0x2; => flags is-not 0x2", VF_TRUTH_YES},
        /* the bits and the words of a hand with more than can be tried */
        {CARD, "=> flags has 0xffffff; => flags at-most 0x1", VF_TRUTH_UNKNOWN},
        {CARD, "=> words has a b c d e f g h i j k l; => words is a", VF_TRUTH_UNKNOWN},
        /* only allowed values count */
        {"f bitmask 0x3", "=> f has 0x2; => f is-not 0x2; => f is-not 0x3", VF_TRUTH_NO},
        {"n int 0-100/25", "=> n at-least 26; => n at-most 49", VF_TRUTH_NO},
        {"n int 0-100/25", "=> n at-least 26; => n at-most 50", VF_TRUTH_YES},
        {"n int 0-99/25", "=> n at-least 76", VF_TRUTH_NO},
        {"n int -9223372036854775808-9223372036854775807/9223372036854775807",
         "=> n at-least 0; => n is-not 9223372036854775806", VF_TRUTH_NO},
        {"n int", "=> n at-least 9223372036854775807", VF_TRUTH_YES},
        {"n int", "=> n at-most -9223372036854775808; => n is-not -9223372036854775808",
         VF_TRUTH_NO},
        {"n size", "=> n at-most 0; => n is-not 0", VF_TRUTH_NO},
        {"s string", "=> s is-not a; => s is-not b", VF_TRUTH_YES},
        {"s string a,b", "=> s is-not a; => s is-not b", VF_TRUTH_NO},
        {"s string a,b c", "=> s is-not a; => s is-not b", VF_TRUTH_YES}, /* its off value */
        {"w set a,b", "=> w is-not a; => w is-not a b; => w has a", VF_TRUTH_NO},
        {"w set a,b,c", "=> w is-not a; => w is-not a b; => w has a", VF_TRUTH_YES},
        {"a bool; b bool; c bool; d bool; e bool; f bool; g bool; h bool",
         "a is yes => b is no; b is no => c is yes; c is yes => d is no; d is no => e is yes; "
         "e is yes => f is no; f is no => g is yes; g is yes => h is yes; h is yes => a is no; "
         "=> a is yes",
         VF_TRUTH_NO},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) parameters = parameters_from(cases[i].parameters);
        g_autoptr(GPtrArray) constraints = constraints_from(cases[i].constraints);
        if (vf_constraint_satisfiable(constraints, parameters, 10000) != cases[i].truth)
            g_error("row %" G_GSIZE_FORMAT ": %s", i, cases[i].constraints);
    }
}

/* Whatever is found must be what trying every value finds. */
static void
test_satisfiable_by_force(void)
{
    static const char *const tests[] = {"is", "is-not", "at-least", "at-most"};
    g_autoptr(GPtrArray) parameters = parameters_from("m int 0-6/2; n int 0-5");

    for (guint round = 0; round < 2000; round++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GPtrArray) constraints = NULL;
        gboolean any = FALSE;
        for (int i = 0; i < 4; i++)
            g_string_append_printf(text, "%s%s %s %d => %s %s %d", i > 0 ? "; " : "",
                                   g_random_boolean() ? "m" : "n", tests[g_random_int_range(0, 4)],
                                   g_random_int_range(0, 7), g_random_boolean() ? "m" : "n",
                                   tests[g_random_int_range(0, 4)], g_random_int_range(0, 7));
        constraints = constraints_from(text->str);
        for (int i = 0; i < 4 * 6 && !any; i++) {
            g_autoptr(GPtrArray) values = vf_value_list_new();
            g_autofree char *m = g_strdup_printf("%d", i / 6 * 2);
            g_autofree char *n = g_strdup_printf("%d", i % 6);
            vf_value_list_set(values, "m", m, NULL);
            vf_value_list_set(values, "n", n, NULL);
            any = TRUE;
            for (guint j = 0; j < constraints->len; j++)
                any = any && vf_constraint_check(constraints->pdata[j], parameters, lookup,
                                                 values) == VF_TRUTH_YES;
        }
        if (vf_constraint_satisfiable(constraints, parameters, 10000) !=
            (any ? VF_TRUTH_YES : VF_TRUTH_NO))
            g_error("%s: %d", text->str, any);
    }
}

static void
test_steps(void)
{
    g_autoptr(GPtrArray) parameters = parameters_from("a bool; b bool");
    g_autoptr(GPtrArray) constraints =
        constraints_from("a is yes => b is yes; a is yes => b is no; => a is yes");

    g_assert_cmpint(vf_constraint_satisfiable(constraints, parameters, 2), ==, VF_TRUTH_UNKNOWN);
    g_assert_cmpint(vf_constraint_satisfiable(constraints, parameters, 100), ==, VF_TRUTH_NO);
}

static void
test_text(void)
{
    g_autoptr(GPtrArray) constraints = constraints_from("a is-not 1 => words has a c");
    const VfConstraint *constraint = constraints->pdata[0];
    g_autofree char *when = vf_condition_describe(constraint->when->pdata[0]);
    g_autofree char *then = vf_condition_describe(constraint->then->pdata[0]);
    VfConditionTest test = VF_CONDITION_HAS;

    g_assert_cmpstr(when, ==, "a is-not 1");
    g_assert_cmpstr(then, ==, "words has a c");
    g_assert_false(vf_condition_test_from_string("less", &test));
    for (guint i = 0; i <= VF_CONDITION_HAS; i++) {
        g_assert_true(
            vf_condition_test_from_string(vf_condition_test_to_string((VfConditionTest)i), &test));
        g_assert_cmpint(test, ==, i);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/constraint/check", test_check);
    g_test_add_func("/xml/constraint/satisfiable", test_satisfiable);
    g_test_add_func("/xml/constraint/satisfiable-by-force", test_satisfiable_by_force);
    g_test_add_func("/xml/constraint/steps", test_steps);
    g_test_add_func("/xml/constraint/text", test_text);
    return g_test_run();
}
