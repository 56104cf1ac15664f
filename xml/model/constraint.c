/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "constraint.h"

#include <string.h>

#include "rule.h"

static const char *const test_names[] = {
    [VF_CONDITION_IS] = "is",
    [VF_CONDITION_IS_NOT] = "is-not",
    [VF_CONDITION_AT_LEAST] = "at-least",
    [VF_CONDITION_AT_MOST] = "at-most",
    [VF_CONDITION_HAS] = "has",
};

static gpointer
copy_condition(gconstpointer element, gpointer data)
{
    const VfCondition *condition = element;
    VfCondition *copy = g_new0(VfCondition, 1);

    copy->parameter = g_strdup(condition->parameter);
    copy->test = condition->test;
    copy->value = g_strdup(condition->value);
    return copy;
}

void
vf_condition_free(VfCondition *self)
{
    g_free(self->parameter);
    g_free(self->value);
    g_free(self);
}

VfConstraint *
vf_constraint_new(void)
{
    VfConstraint *self = g_new0(VfConstraint, 1);

    self->when = g_ptr_array_new_with_free_func((GDestroyNotify)vf_condition_free);
    self->then = g_ptr_array_new_with_free_func((GDestroyNotify)vf_condition_free);
    return self;
}

VfConstraint *
vf_constraint_copy(const VfConstraint *self)
{
    VfConstraint *copy = g_new0(VfConstraint, 1);

    copy->description = g_strdup(self->description);
    copy->when = g_ptr_array_copy(self->when, copy_condition, NULL);
    copy->then = g_ptr_array_copy(self->then, copy_condition, NULL);
    return copy;
}

void
vf_constraint_free(VfConstraint *self)
{
    g_free(self->description);
    g_ptr_array_unref(self->when);
    g_ptr_array_unref(self->then);
    g_free(self);
}

static const VfParameter *
find_parameter(GPtrArray *parameters, const char *name)
{
    guint low = 0;
    guint high = parameters->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const VfParameter *parameter = parameters->pdata[middle];
        int order = strcmp(name, parameter->name);
        if (order == 0)
            return parameter;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static VfTruth
truth(gboolean holds)
{
    return holds ? VF_TRUTH_YES : VF_TRUTH_NO;
}

static VfTruth
check_condition(const VfCondition *condition, GPtrArray *parameters, VfConstraintLookup lookup,
                gpointer data)
{
    const VfParameter *parameter = find_parameter(parameters, condition->parameter);
    const char *value = parameter ? lookup(parameter, data) : NULL;
    gboolean partial;
    int order;

    if (!value)
        return VF_TRUTH_UNKNOWN;
    if (condition->test == VF_CONDITION_IS)
        return truth(g_str_equal(value, condition->value));
    if (condition->test == VF_CONDITION_IS_NOT)
        return truth(!g_str_equal(value, condition->value));

    /* a set beside another is surely not more than it; a value that is none of an enum's may be */
    partial = parameter->type == VF_PARAMETER_SET || parameter->type == VF_PARAMETER_BITMASK;
    if (!vf_rule_order(parameter, value, condition->value, &order))
        return partial ? VF_TRUTH_NO : VF_TRUTH_UNKNOWN;
    /* a set has words when it is not less than the set of them */
    return truth(condition->test == VF_CONDITION_AT_MOST ? order <= 0 : order >= 0);
}

/* Whether all hold. One that does not is decisive even when another's value is not known. */
static VfTruth
check_all(GPtrArray *conditions, GPtrArray *parameters, VfConstraintLookup lookup, gpointer data)
{
    VfTruth all = VF_TRUTH_YES;

    for (guint i = 0; i < conditions->len && all != VF_TRUTH_NO; i++) {
        VfTruth one = check_condition(conditions->pdata[i], parameters, lookup, data);
        if (one != VF_TRUTH_YES)
            all = one;
    }
    return all;
}

VfTruth
vf_constraint_check(const VfConstraint *self, GPtrArray *parameters, VfConstraintLookup lookup,
                    gpointer data)
{
    VfTruth when = check_all(self->when, parameters, lookup, data);
    VfTruth then;

    if (when == VF_TRUTH_NO)
        return VF_TRUTH_YES;
    then = check_all(self->then, parameters, lookup, data);
    return when == VF_TRUTH_YES || then == VF_TRUTH_YES ? then : VF_TRUTH_UNKNOWN;
}

/* --- whether constraints contradict each other
 *
 * Only finitely many values of a parameter have to be tried: those on both sides of each value that
 * a condition names, since between them no condition changes. */

/* A set with so many words in conditions, or a bitmask with so many bits, is not tried out. */
#define SUBSET_BITS_MAX 10

typedef struct {
    const VfParameter *parameter;
    GPtrArray *named;      /* of const char *: values in conditions */
    GPtrArray *candidates; /* of char *, each once */
    GHashTable *seen;      /* the same */
    const char *value;     /* the one being tried; NULL: none yet */
    guint n_allowed;       /* of an enum: a value's place has to be looked for among these */
} Variable;

typedef struct {
    GPtrArray *constraints;
    GPtrArray *parameters;
    GPtrArray *variables; /* of Variable */
    GHashTable *of;       /* VfParameter -> Variable */
    guint steps;          /* left */
    guint work;           /* left, of whatever takes long in a step or before the first */
    gboolean partial;     /* not all candidates are there, or not all were tried */
} Search;

/* Looking at a short value is 1. */
#define WORK_OF_STEP 256

static void
variable_free(gpointer data)
{
    Variable *self = data;

    g_ptr_array_unref(self->named);
    g_hash_table_unref(self->seen);
    g_ptr_array_unref(self->candidates);
    g_free(self);
}

static Variable *
variable_new(const VfParameter *parameter)
{
    Variable *self = g_new0(Variable, 1);

    self->parameter = parameter;
    if (parameter->type == VF_PARAMETER_ENUM && parameter->allowed)
        self->n_allowed = g_strv_length(parameter->allowed);
    self->named = g_ptr_array_new();
    self->candidates = g_ptr_array_new_with_free_func(g_free);
    self->seen = g_hash_table_new(g_str_hash, g_str_equal);
    return self;
}

static void
add_variables(Search *search, GPtrArray *conditions)
{
    for (guint i = 0; i < conditions->len; i++) {
        const VfCondition *condition = conditions->pdata[i];
        const VfParameter *parameter = find_parameter(search->parameters, condition->parameter);
        Variable *variable;
        if (!parameter)
            continue;
        variable = g_hash_table_lookup(search->of, parameter);
        if (!variable) {
            variable = variable_new(parameter);
            g_hash_table_insert(search->of, (gpointer)parameter, variable);
            g_ptr_array_add(search->variables, variable);
        }
        g_ptr_array_add(variable->named, condition->value);
    }
}

/* FALSE: there is no more. */
static gboolean
spend(Search *search, gsize work)
{
    if (work > search->work) {
        search->work = 0;
        search->partial = TRUE;
        return FALSE;
    }
    search->work -= (guint)work;
    return TRUE;
}

/* Takes ownership. */
static void
add_candidate(Variable *variable, char *value)
{
    if (g_hash_table_contains(variable->seen, value)) {
        g_free(value);
        return;
    }
    g_hash_table_add(variable->seen, value);
    g_ptr_array_add(variable->candidates, value);
}

static void
add_strings(Variable *variable, char *const *values)
{
    for (guint i = 0; values != NULL && values[i] != NULL; i++)
        add_candidate(variable, g_strdup(values[i]));
}

static void
add_nearest(Variable *variable, gint64 value, gboolean above)
{
    gint64 found;

    if (vf_rule_nearest_number(variable->parameter, value, above, &found))
        add_candidate(variable, g_strdup_printf("%" G_GINT64_FORMAT, found));
}

static void
add_numbers(Variable *variable)
{
    for (guint i = 0; i < variable->named->len; i++) {
        gint64 value = g_ascii_strtoll(variable->named->pdata[i], NULL, 10);
        add_nearest(variable, value, TRUE);
        if (value > G_MININT64)
            add_nearest(variable, value - 1, FALSE);
        if (value < G_MAXINT64)
            add_nearest(variable, value + 1, TRUE);
    }
}

static void
add_texts(Variable *variable)
{
    g_autoptr(GString) other = g_string_new("x");

    add_strings(variable, variable->parameter->allowed);
    if (variable->parameter->allowed)
        return;
    for (guint i = 0; i < variable->named->len; i++) {
        add_candidate(variable, g_strdup(variable->named->pdata[i]));
        g_string_append(other, variable->named->pdata[i]);
    }
    /* longer than all of them, so none of them */
    add_candidate(variable, g_strdup(other->str));
}

static void
add_masks(Search *search, Variable *variable)
{
    guint64 bits = 0;
    guint64 other;
    guint64 subset = 0;

    for (guint i = 0; i < variable->named->len; i++)
        bits |= vf_parameter_bits(variable->named->pdata[i]) & variable->parameter->mask;
    if (__builtin_popcountll(bits) > SUBSET_BITS_MAX) {
        search->partial = TRUE;
        return;
    }
    if (!spend(search, 8UL << __builtin_popcountll(bits)))
        return;
    other = variable->parameter->mask & ~bits;
    other &= -other;
    do {
        add_candidate(variable, g_strdup_printf("0x%" G_GINT64_MODIFIER "x", subset));
        add_candidate(variable, g_strdup_printf("0x%" G_GINT64_MODIFIER "x", subset | other));
        subset = (subset - bits) & bits;
    } while (subset != 0);
}

/* A word that a set may have and no condition names; NULL when there is none. */
static char *
other_word(const Variable *variable, GPtrArray *words)
{
    char *const *allowed = variable->parameter->allowed;

    for (guint i = 0; allowed != NULL && allowed[i] != NULL; i++)
        if (!g_ptr_array_find_with_equal_func(words, allowed[i], g_str_equal, NULL))
            return g_strdup(allowed[i]);
    for (guint i = 0; !allowed && i <= words->len; i++) {
        g_autofree char *word = g_strdup_printf("x%u", i);
        if (!g_ptr_array_find_with_equal_func(words, word, g_str_equal, NULL))
            return g_steal_pointer(&word);
    }
    return NULL;
}

/* Nothing when it is longer than a value can be. */
static void
add_subset(Variable *variable, GPtrArray *words, guint subset, const char *other)
{
    g_autoptr(GString) text = g_string_new(other);
    char *value;

    for (guint i = 0; i < words->len; i++)
        if ((subset & (1U << i)) != 0)
            g_string_append_printf(text, " %s", (const char *)words->pdata[i]);
    value = vf_parameter_canonicalize(variable->parameter, text->str, NULL);
    if (value)
        add_candidate(variable, value);
}

/* Of the words in conditions those that a set may have; one more than can be tried out are enough
 * to know that there are too many. */
static GPtrArray *
named_words(const Variable *variable, gsize *bytes)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    *bytes = 0;
    for (guint i = 0; i < variable->named->len; i++) {
        g_auto(GStrv) some = g_strsplit(variable->named->pdata[i], " ", -1);
        for (guint j = 0; some[j] != NULL && words->len <= SUBSET_BITS_MAX; j++)
            if (some[j][0] != '\0' &&
                !g_ptr_array_find_with_equal_func(words, some[j], g_str_equal, NULL) &&
                vf_parameter_allows(variable->parameter, some[j])) {
                *bytes += strlen(some[j]);
                g_ptr_array_add(words, g_strdup(some[j]));
            }
    }
    return words;
}

static void
add_sets(Search *search, Variable *variable)
{
    gsize bytes;
    g_autoptr(GPtrArray) words = named_words(variable, &bytes);
    g_autofree char *other = other_word(variable, words);

    if (words->len > SUBSET_BITS_MAX) {
        search->partial = TRUE;
        return;
    }
    if (!spend(search, (8 + bytes / 8) << words->len))
        return;
    for (guint subset = 0; subset < 1U << words->len; subset++) {
        add_subset(variable, words, subset, "");
        if (other)
            add_subset(variable, words, subset, other);
    }
}

static void
add_candidates(Search *search, Variable *variable)
{
    static const char *const bools[] = {"no", "yes", NULL};

    switch (variable->parameter->type) {
    case VF_PARAMETER_BOOL:
        add_strings(variable, variable->parameter->allowed ?: (char *const *)bools);
        break;
    case VF_PARAMETER_INT:
    case VF_PARAMETER_SIZE:
        add_numbers(variable);
        break;
    case VF_PARAMETER_BITMASK:
        add_masks(search, variable);
        break;
    case VF_PARAMETER_SET:
        add_sets(search, variable);
        break;
    case VF_PARAMETER_ENUM:
    case VF_PARAMETER_STRING:
    default:
        add_texts(variable);
        break;
    }
    if (variable->parameter->off)
        add_candidate(variable, g_strdup(variable->parameter->off));
}

static const char *
tried_value(const VfParameter *parameter, gpointer data)
{
    Search *search = data;
    const Variable *variable = g_hash_table_lookup(search->of, parameter);

    if (!variable || !variable->value)
        return NULL;
    if (!spend(search, 1 + (strlen(variable->value) + variable->n_allowed) / 4))
        search->steps = 0;
    return variable->value;
}

static VfTruth
check_constraints(Search *search)
{
    VfTruth all = VF_TRUTH_YES;

    for (guint i = 0; i < search->constraints->len && all != VF_TRUTH_NO; i++) {
        VfTruth one = vf_constraint_check(search->constraints->pdata[i], search->parameters,
                                          tried_value, search);
        if (one != VF_TRUTH_YES)
            all = one;
    }
    return all;
}

/* The variables before @depth have a value. One that breaks a constraint already is not carried
 * further, and what satisfies all whatever the others are needs no more. */
static VfTruth
try_values(Search *search, guint depth)
{
    VfTruth now = check_constraints(search);
    VfTruth best = VF_TRUTH_NO;
    Variable *variable;

    if (now != VF_TRUTH_UNKNOWN || depth == search->variables->len)
        return now;
    variable = search->variables->pdata[depth];
    for (guint i = 0; i < variable->candidates->len && best != VF_TRUTH_YES; i++) {
        VfTruth one;
        if (search->steps == 0) {
            search->partial = TRUE;
            break;
        }
        search->steps--;
        variable->value = variable->candidates->pdata[i];
        one = try_values(search, depth + 1);
        if (one != VF_TRUTH_NO)
            best = one;
    }
    variable->value = NULL;
    return best;
}

VfTruth
vf_constraint_satisfiable(GPtrArray *constraints, GPtrArray *parameters, guint steps)
{
    g_autoptr(GPtrArray) variables = g_ptr_array_new_with_free_func(variable_free);
    g_autoptr(GHashTable) of = g_hash_table_new(NULL, NULL);
    Search search = {constraints, parameters, variables, of, steps, steps * WORK_OF_STEP, FALSE};
    VfTruth result;

    for (guint i = 0; i < constraints->len; i++) {
        const VfConstraint *constraint = constraints->pdata[i];
        add_variables(&search, constraint->when);
        add_variables(&search, constraint->then);
    }
    for (guint i = 0; i < variables->len; i++)
        add_candidates(&search, variables->pdata[i]);
    result = try_values(&search, 0);
    return result == VF_TRUTH_NO && search.partial ? VF_TRUTH_UNKNOWN : result;
}

char *
vf_condition_describe(const VfCondition *self)
{
    return g_strdup_printf("%s %s %s", self->parameter, test_names[self->test], self->value);
}

const char *
vf_condition_test_to_string(VfConditionTest test)
{
    return test_names[test];
}

gboolean
vf_condition_test_from_string(const char *text, VfConditionTest *test)
{
    for (gsize i = 0; i < G_N_ELEMENTS(test_names); i++)
        if (g_str_equal(test_names[i], text)) {
            *test = (VfConditionTest)i;
            return TRUE;
        }
    return FALSE;
}
