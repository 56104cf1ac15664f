/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline-axis.h"

#include "compare-parameter.h"

static void
facet_free(gpointer data)
{
    VfFacet *self = data;

    g_free(self->fixed);
    g_free(self);
}

static VfFacet *
facet_new(const VfSupplyClass *class, const char *name)
{
    VfFacet *self = g_new0(VfFacet, 1);

    self->model = class->model;
    self->parameter = vf_model_find_parameter(class->model, name);
    if (!self->parameter)
        return self;
    self->known = vf_value_list_find(class->known, name);
    self->settable = class->settable && g_strv_contains((const char *const *)class->settable, name);
    if (!self->settable && self->known && self->known->value)
        self->fixed = vf_parameter_canonicalize(self->parameter, self->known->value, NULL);
    return self;
}

static void
add_facets(VfAxis *self, const VfPool *pool)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    self->facet_of = g_new(guint, pool->classes->len + 1);
    for (guint i = 0; i < pool->classes->len; i++) {
        VfFacet *facet = facet_new(vf_pool_class(pool, i), self->name);
        const char *value = facet->known ? facet->known->value : NULL;
        char *key = g_strdup_printf("%p %d %d%s", (const void *)facet->parameter, facet->settable,
                                    value != NULL, value ?: "");
        gpointer found;
        if (g_hash_table_lookup_extended(seen, key, NULL, &found)) {
            facet_free(facet);
            g_free(key);
        } else {
            found = GUINT_TO_POINTER(self->facets->len);
            g_hash_table_insert(seen, key, found);
            g_ptr_array_add(self->facets, facet);
        }
        self->facet_of[i] = GPOINTER_TO_UINT(found);
    }
}

/* --- choices */

static void
add_choice(VfAxis *self, const char *text, gboolean unread)
{
    const VfAxisChoice choice = {.text = text, .unread = unread};
    g_array_append_val(self->choices, choice);
}

static gboolean
only(const VfAxis *self, VfCompareRule rule)
{
    for (guint i = 0; i < self->facets->len; i++) {
        const VfFacet *facet = self->facets->pdata[i];
        if (facet->parameter && facet->parameter->compare != rule)
            return FALSE;
    }
    return TRUE;
}

static void
add_choices(VfAxis *self, const VfPool *pool)
{
    const VfValuesQuery query = {pool, self->parameter, self->facets};
    const char *off = self->parameter->off;
    gboolean absent = FALSE;

    if (only(self, VF_COMPARE_IGNORE)) {
        add_choice(self, NULL, FALSE);
        return;
    }
    if (only(self, VF_COMPARE_FIRMWARE)) {
        add_choice(self, NULL, TRUE);
        add_choice(self, NULL, FALSE);
        return;
    }

    /* not to have a parameter is as good as to have it off */
    self->values = vf_values_collect(&query, &self->bounded);
    for (guint i = 0; i < self->values->len; i++) {
        const char *text = self->values->pdata[i];
        if (off && !absent && g_str_equal(text, off)) {
            add_choice(self, NULL, FALSE);
            absent = TRUE;
        }
        add_choice(self, text, FALSE);
    }
    if (off && !absent)
        add_choice(self, NULL, FALSE);
    add_choice(self, NULL, TRUE);
    if (!off)
        add_choice(self, NULL, FALSE);
}

/* --- who can supply them */

/* @given: what the class then has, as far as it is known. */
static VfVerdict
judge(VfAxis *self, const VfFacet *facet, const VfAxisChoice *choice, const char **given)
{
    const VfValue wanted = {(char *)self->name, (char *)choice->text, NULL};
    VfPair pair = {.name = self->name, .model = facet->model, .parameter = facet->parameter};
    gboolean has = choice->text || choice->unread;
    VfVerdict verdict;

    if (!facet->parameter)
        return has ? VF_VERDICT_INCOMPATIBLE : VF_VERDICT_IDENTICAL;
    pair.wanted = has ? &wanted : NULL;
    pair.known = facet->known;
    pair.settable = facet->settable;
    vf_pair_decide(&pair);
    verdict = vf_pair_verdict(&pair);
    if (pair.given && facet->model->constraints->len > 0)
        *given = g_string_chunk_insert_const(self->texts, pair.given);
    vf_pair_clear(&pair);
    return verdict;
}

static void
fill_sets(VfAxis *self, const VfPool *pool, const VfVerdict *verdicts)
{
    for (guint j = 0; j < self->choices->len; j++) {
        VfAxisChoice *choice = &g_array_index(self->choices, VfAxisChoice, j);
        choice->fits = g_new0(guint64, vf_class_words(pool));
        choice->may = g_new0(guint64, vf_class_words(pool));
        for (guint i = 0; i < pool->classes->len; i++) {
            VfVerdict verdict = verdicts[(gsize)self->facet_of[i] * self->choices->len + j];
            if (verdict == VF_VERDICT_INCOMPATIBLE)
                continue;
            vf_class_put_in(choice->may, i);
            if (verdict == VF_VERDICT_UNKNOWN)
                continue;
            vf_class_put_in(choice->fits, i);
            choice->proven = self->proven = TRUE;
        }
    }
}

static void
clear_choice(gpointer data)
{
    VfAxisChoice *choice = data;

    g_free(choice->fits);
    g_free(choice->may);
}

VfAxis *
vf_axis_new(const VfPool *pool, const char *name)
{
    VfAxis *self = g_new0(VfAxis, 1);
    g_autofree VfVerdict *verdicts = NULL;
    gsize n;

    self->name = name;
    self->parameter = vf_pool_parameter(pool, name);
    self->facets = g_ptr_array_new_with_free_func(facet_free);
    self->choices = g_array_new(FALSE, FALSE, sizeof(VfAxisChoice));
    g_array_set_clear_func(self->choices, clear_choice);
    self->texts = g_string_chunk_new(256);
    add_facets(self, pool);
    add_choices(self, pool);
    n = self->choices->len;
    verdicts = g_new(VfVerdict, self->facets->len * n + 1);
    self->given = g_new0(const char *, self->facets->len *n + 1);
    for (guint i = 0; i < self->facets->len; i++)
        for (guint j = 0; j < n; j++)
            verdicts[i * n + j] = judge(self, self->facets->pdata[i], vf_axis_choice(self, j),
                                        &self->given[i * n + j]);
    fill_sets(self, pool, verdicts);
    return self;
}

void
vf_axis_free(VfAxis *self)
{
    g_ptr_array_unref(self->facets);
    g_free(self->facet_of);
    g_array_unref(self->choices);
    g_clear_pointer(&self->values, g_ptr_array_unref);
    g_free(self->given);
    g_string_chunk_free(self->texts);
    g_free(self);
}

int
vf_axis_find(const VfAxis *self, const char *text)
{
    for (guint i = 0; i < self->choices->len; i++) {
        const VfAxisChoice *choice = vf_axis_choice(self, i);
        if (!choice->unread && g_strcmp0(choice->text, text) == 0)
            return (int)i;
    }
    return -1;
}
