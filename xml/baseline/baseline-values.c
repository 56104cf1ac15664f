/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline-values.h"

#include <string.h>

#include "rule.h"
#include "text.h"

/* A closure of sets under intersection is tried up to so many. */
#define CLOSURE_MAX 512
/* Between two steps of different ranges there is a common value within so many, or none is taken.
 */
#define STEPS_MAX 256
/* Of so many different settable ranges all pairs are looked at. */
#define PAIRS_MAX 32

/* --- the order */

static gint64
number_of(const char *text)
{
    return g_ascii_strtoll(text, NULL, 10);
}

/* How many words or bits. */
static guint
size_of_set(const VfParameter *parameter, const char *value)
{
    guint words = value[0] != '\0';

    if (parameter->type == VF_PARAMETER_BITMASK)
        return (guint)__builtin_popcountll(vf_parameter_bits(value));
    for (const char *p = value; *p != '\0'; p++)
        words += *p == ' ';
    return words;
}

/* > 0: @a is the larger set. */
static int
compare_sets(const VfParameter *parameter, const char *a, const char *b)
{
    guint left = size_of_set(parameter, a);
    guint right = size_of_set(parameter, b);

    if (left != right)
        return left < right ? -1 : 1;
    if (parameter->type == VF_PARAMETER_BITMASK)
        return vf_parameter_bits(a) < vf_parameter_bits(b)
                   ? -1
                   : vf_parameter_bits(a) > vf_parameter_bits(b);
    return strcmp(b, a);
}

static int
compare_major(const char *a, const char *b)
{
    g_autofree char *left = g_strndup(a, strcspn(a, "."));
    g_autofree char *right = g_strndup(b, strcspn(b, "."));
    int order = strverscmp(left, right);

    return order != 0 ? order : -strverscmp(a, b);
}

/* > 0: @a is more. */
static int
compare_texts(const VfParameter *parameter, const char *a, const char *b)
{
    int order;

    if (parameter->type == VF_PARAMETER_SET || parameter->type == VF_PARAMETER_BITMASK)
        return compare_sets(parameter, a, b);
    if (parameter->compare == VF_COMPARE_SAME_MAJOR)
        return compare_major(a, b);
    if (vf_rule_order(parameter, a, b, &order) && order != 0)
        return order;
    /* an enum's own values before those of other schemas */
    if (parameter->type == VF_PARAMETER_ENUM &&
        vf_parameter_allows(parameter, a) != vf_parameter_allows(parameter, b))
        return vf_parameter_allows(parameter, a) ? 1 : -1;
    return strverscmp(a, b);
}

static int
place_of_version(const VfModel *model, const char *name)
{
    for (guint i = 0; i < model->versions->len; i++)
        if (g_str_equal(((const VfVersion *)model->versions->pdata[i])->name, name))
            return (int)i;
    return -1;
}

int
vf_values_compare(const VfModel *model, const VfParameter *parameter, const char *a, const char *b)
{
    int order = 0;

    if (g_strcmp0(model->version_parameter, parameter->name) == 0)
        order = place_of_version(model, a) - place_of_version(model, b);
    if (order == 0)
        order = compare_texts(parameter, a, b);
    return parameter->compare == VF_COMPARE_AT_MOST ? order : -order;
}

/* --- collecting */

typedef struct {
    const VfValuesQuery *query;
    GHashTable *values; /* set of char * */
} Collection;

static void
add(Collection *self, const char *text)
{
    g_autofree char *canonical =
        text ? vf_parameter_canonicalize(self->query->parameter, text, NULL) : NULL;

    /* the one that is there stays: somebody may be walking over it */
    if (canonical && !g_hash_table_contains(self->values, canonical))
        g_hash_table_add(self->values, g_steal_pointer(&canonical));
}

static void
add_number(Collection *self, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    add(self, text);
}

/* A range without an end has no best value, and so proposes none. */
static void
add_ranges(Collection *self, const GArray *ranges)
{
    for (guint i = 0; ranges != NULL && i < ranges->len; i++) {
        const VfRange *range = &g_array_index(ranges, VfRange, i);
        gint64 last = range->max;
        if (range->min > G_MININT64)
            add_number(self, range->min);
        if (range->max == G_MAXINT64 || range->max < range->min)
            continue;
        last -= (gint64)(((guint64)range->max - (guint64)range->min) % range->step);
        add_number(self, last);
    }
}

static void
add_settable(Collection *self, const VfParameter *parameter)
{
    if (parameter->type == VF_PARAMETER_SET && parameter->allowed) {
        g_autofree char *words = g_strjoinv(" ", parameter->allowed);
        add(self, words);
        return;
    }
    if (parameter->type == VF_PARAMETER_BITMASK && parameter->mask != G_MAXUINT64) {
        g_autofree char *mask = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", parameter->mask);
        add(self, mask);
    }
    for (guint i = 0; parameter->allowed != NULL && parameter->allowed[i] != NULL; i++)
        add(self, parameter->allowed[i]);
    add_ranges(self, parameter->ranges);
}

static void
add_facets(Collection *self)
{
    for (guint i = 0; i < self->query->facets->len; i++) {
        const VfFacet *facet = self->query->facets->pdata[i];
        if (!facet->parameter)
            continue;
        add(self, facet->fixed);
        add(self, facet->parameter->off);
        if (facet->settable) {
            add(self, facet->parameter->init);
            add_settable(self, facet->parameter);
        }
    }
    if (self->query->parameter->type == VF_PARAMETER_BOOL) {
        add(self, "no");
        add(self, "yes");
    }
}

static void
add_versions(Collection *self)
{
    for (guint i = 0; i < self->query->pool->schemas->len; i++) {
        const VfModel *model = vf_pool_schema(self->query->pool, i);
        gboolean names = g_strcmp0(model->version_parameter, self->query->parameter->name) == 0;
        for (guint j = 0; j < model->versions->len; j++) {
            const VfVersion *version = model->versions->pdata[j];
            const VfValue *value =
                vf_value_list_find(version->values, self->query->parameter->name);
            if (value || names)
                add(self, names ? version->name : value->value);
        }
    }
}

/* The values next to one at which a condition changes. */
static void
add_around(Collection *self, gint64 value)
{
    gint64 found;

    add_number(self, value);
    for (guint i = 0; i < self->query->facets->len; i++) {
        const VfFacet *facet = self->query->facets->pdata[i];
        if (!facet->settable || !vf_parameter_is_number(facet->parameter))
            continue;
        if (vf_rule_nearest_number(facet->parameter, value, TRUE, &found))
            add_number(self, found);
        if (value > G_MININT64 &&
            vf_rule_nearest_number(facet->parameter, value - 1, FALSE, &found))
            add_number(self, found);
        if (value < G_MAXINT64 && vf_rule_nearest_number(facet->parameter, value + 1, TRUE, &found))
            add_number(self, found);
    }
}

static void
add_conditions(Collection *self, GPtrArray *conditions)
{
    for (guint i = 0; i < conditions->len; i++) {
        const VfCondition *condition = conditions->pdata[i];
        if (!g_str_equal(condition->parameter, self->query->parameter->name))
            continue;
        if (vf_parameter_is_number(self->query->parameter))
            add_around(self, number_of(condition->value));
        else
            add(self, condition->value);
    }
}

static void
add_constraints(Collection *self)
{
    for (guint i = 0; i < self->query->pool->schemas->len; i++) {
        const VfModel *model = vf_pool_schema(self->query->pool, i);
        for (guint j = 0; j < model->constraints->len; j++) {
            const VfConstraint *constraint = model->constraints->pdata[j];
            add_conditions(self, constraint->when);
            add_conditions(self, constraint->then);
        }
    }
}

/* The values that there are now, sorted; they belong to the collection. */
static GPtrArray *
snapshot(Collection *self)
{
    GPtrArray *texts = g_ptr_array_new();
    GHashTableIter iter;
    gpointer text;

    g_hash_table_iter_init(&iter, self->values);
    while (g_hash_table_iter_next(&iter, &text, NULL))
        g_ptr_array_add(texts, text);
    g_ptr_array_sort(texts, vf_text_compare);
    return texts;
}

/* --- what numbers have in common */

/* The greatest value not above @from that all of @facets can be given; FALSE when none was found.
 */
static gboolean
greatest_common(GPtrArray *facets, gint64 from, gint64 *found)
{
    gint64 value = from;

    for (guint round = 0; round < STEPS_MAX; round++) {
        gint64 before = value;
        for (guint i = 0; i < facets->len; i++) {
            const VfFacet *facet = facets->pdata[i];
            if (!vf_rule_nearest_number(facet->parameter, value, FALSE, &value))
                return FALSE;
        }
        *found = value;
        if (value == before)
            return TRUE;
    }
    return FALSE;
}

static void
add_common_of(Collection *self, GPtrArray *facets, GPtrArray *points)
{
    gint64 found;

    for (guint i = 0; i < points->len; i++)
        if (greatest_common(facets, number_of(points->pdata[i]), &found))
            add_number(self, found);
}

/* Ranges with different steps have values in common that are the end of none. */
static void
add_common_numbers(Collection *self)
{
    g_autoptr(GPtrArray) settable = g_ptr_array_new();
    g_autoptr(GPtrArray) points = NULL;
    guint n;

    for (guint i = 0; i < self->query->facets->len; i++) {
        const VfFacet *facet = self->query->facets->pdata[i];
        if (facet->settable && vf_parameter_is_number(facet->parameter) && facet->parameter->ranges)
            g_ptr_array_add(settable, (gpointer)facet);
    }
    if (settable->len == 0)
        return;
    points = snapshot(self);
    if (points->len * settable->len > VF_VALUES_MAX * PAIRS_MAX)
        return;
    add_common_of(self, settable, points);
    n = MIN(settable->len, PAIRS_MAX);
    for (guint i = 0; i < n; i++)
        for (guint j = i; j < n; j++) {
            g_autoptr(GPtrArray) pair = g_ptr_array_new();
            g_ptr_array_add(pair, settable->pdata[i]);
            g_ptr_array_add(pair, settable->pdata[j]);
            add_common_of(self, pair, points);
        }
}

/* --- what sets have in common */

/* Those words of @a that are (@in), or are not, among those of @b. */
static char *
select_words(const char *a, const char *b, gboolean in)
{
    g_auto(GStrv) left = g_strsplit(a, " ", -1);
    g_auto(GStrv) right = g_strsplit(b, " ", -1);
    GString *words = g_string_new(NULL);

    for (guint i = 0; left[i] != NULL; i++)
        if (left[i][0] != '\0' && g_strv_contains((const char *const *)right, left[i]) == in)
            g_string_append_printf(words, "%s%s", words->len > 0 ? " " : "", left[i]);
    return g_string_free(words, FALSE);
}

static char *
select_from(const VfParameter *parameter, const char *a, const char *b, gboolean in)
{
    if (parameter->type != VF_PARAMETER_BITMASK)
        return select_words(a, b, in);
    return g_strdup_printf("0x%" G_GINT64_MODIFIER "x",
                           vf_parameter_bits(a) &
                               (in ? vf_parameter_bits(b) : ~vf_parameter_bits(b)));
}

/* Each value without each word, or bit, that a condition asks for. */
static void
add_without(Collection *self, const char *words)
{
    g_autoptr(GPtrArray) texts = snapshot(self);
    guint64 bits =
        self->query->parameter->type == VF_PARAMETER_BITMASK ? vf_parameter_bits(words) : 0;
    g_auto(GStrv) parts = g_strsplit(words, " ", -1);

    for (guint i = 0; i < texts->len && g_hash_table_size(self->values) < CLOSURE_MAX; i++) {
        for (guint64 left = bits; left != 0; left &= left - 1) {
            g_autofree char *one = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", left & -left);
            g_autofree char *rest =
                select_from(self->query->parameter, texts->pdata[i], one, FALSE);
            add(self, rest);
        }
        for (guint j = 0; bits == 0 && parts[j] != NULL; j++) {
            g_autofree char *rest =
                select_from(self->query->parameter, texts->pdata[i], parts[j], FALSE);
            add(self, rest);
        }
    }
}

static void
add_without_conditions(Collection *self)
{
    for (guint i = 0; i < self->query->pool->schemas->len; i++) {
        const VfModel *model = vf_pool_schema(self->query->pool, i);
        for (guint j = 0; j < model->constraints->len; j++) {
            const VfConstraint *constraint = model->constraints->pdata[j];
            for (guint k = 0; k < constraint->when->len + constraint->then->len; k++) {
                const VfCondition *condition =
                    k < constraint->when->len ? constraint->when->pdata[k]
                                              : constraint->then->pdata[k - constraint->when->len];
                if (g_str_equal(condition->parameter, self->query->parameter->name))
                    add_without(self, condition->value);
            }
        }
    }
}

/* @bounded: there were too many. What all have in common is always there. */
static void
add_intersections(Collection *self, gboolean *bounded)
{
    const VfParameter *parameter = self->query->parameter;
    g_autoptr(GPtrArray) base = snapshot(self);
    g_autofree char *all = base->len > 0 ? g_strdup(base->pdata[0]) : NULL;

    for (guint i = 1; i < base->len; i++) {
        char *fewer = select_from(parameter, all, base->pdata[i], TRUE);
        g_free(all);
        all = fewer;
    }
    add(self, all);
    add(self, parameter->type == VF_PARAMETER_BITMASK ? "0x0" : "");
    for (guint i = 0; i < base->len; i++) {
        g_autoptr(GPtrArray) now = snapshot(self);
        for (guint j = 0; j < now->len; j++) {
            g_autofree char *both = NULL;
            if (g_hash_table_size(self->values) >= CLOSURE_MAX) {
                *bounded = TRUE;
                return;
            }
            both = select_from(parameter, base->pdata[i], now->pdata[j], TRUE);
            add(self, both);
        }
    }
}

static int
compare_better(gconstpointer a, gconstpointer b, gpointer data)
{
    const VfValuesQuery *query = data;

    return vf_values_compare(vf_pool_schema(query->pool, 0), query->parameter,
                             *(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
vf_values_collect(const VfValuesQuery *query, gboolean *bounded)
{
    g_autoptr(GHashTable) values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GPtrArray *sorted = g_ptr_array_new_with_free_func(g_free);
    Collection self = {query, values};
    GHashTableIter iter;
    gpointer text;

    add_facets(&self);
    add_versions(&self);
    /* of a release no other is made up that hosts would take, too */
    if (query->parameter->compare != VF_COMPARE_SAME_MAJOR)
        add_constraints(&self);
    if (vf_parameter_is_number(query->parameter)) {
        add_common_numbers(&self);
    } else if (query->parameter->type == VF_PARAMETER_SET ||
               query->parameter->type == VF_PARAMETER_BITMASK) {
        add_intersections(&self, bounded);
        add_without_conditions(&self);
    }
    g_hash_table_iter_init(&iter, values);
    while (g_hash_table_iter_next(&iter, &text, NULL)) {
        g_ptr_array_add(sorted, text);
        g_hash_table_iter_steal(&iter);
    }
    g_ptr_array_sort_with_data(sorted, compare_better, (gpointer)query);
    /* the values that demand least come last, and are what the most can supply */
    if (sorted->len > VF_VALUES_MAX) {
        g_ptr_array_remove_range(sorted, 0, sorted->len - VF_VALUES_MAX);
        *bounded = TRUE;
    }
    return sorted;
}
