/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline-search.h"

#include <string.h>

#include "compare.h"
#include "text.h"

/* Sets of more classes are not remembered: all that a search remembers stays below 16 MiB. */
#define REMEMBERED_WORDS_MAX (16 * 1024 * 1024 / VF_SEARCH_STEPS / sizeof(guint64))

/* --- the space */

static void
add_axes(VfSpace *self)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *first =
        self->pool->schemas->len > 0 ? vf_pool_schema(self->pool, 0)->version_parameter : NULL;

    /* of all schemas; they belong to the schemas */
    for (guint i = 0; i < self->pool->schemas->len; i++) {
        const VfModel *model = vf_pool_schema(self->pool, i);
        for (guint j = 0; j < model->parameters->len; j++) {
            const VfParameter *parameter = model->parameters->pdata[j];
            if (g_hash_table_add(seen, parameter->name))
                g_ptr_array_add(names, parameter->name);
        }
    }
    g_ptr_array_sort(names, vf_text_compare);

    for (guint i = 0; i < names->len; i++) {
        VfAxis *axis = vf_axis_new(self->pool, names->pdata[i]);
        gboolean version = g_strcmp0(first, axis->name) == 0;
        g_ptr_array_insert(self->axes, version ? 0 : -1, axis);
        self->bounded = self->bounded || axis->bounded;
    }
}

VfSpace *
vf_space_new(const VfPool *pool, const char *model_id)
{
    VfSpace *self = g_new0(VfSpace, 1);

    self->pool = pool;
    self->model_id = model_id;
    self->axes = g_ptr_array_new_with_free_func((GDestroyNotify)vf_axis_free);
    self->live = g_new0(guint64, vf_class_words(pool));
    for (guint i = 0; i < pool->classes->len; i++)
        if (!vf_pool_class(pool, i)->model->not_migratable)
            vf_class_put_in(self->live, i);
    for (guint i = 0; i < pool->schemas->len; i++)
        self->constraints = self->constraints || vf_pool_schema(pool, i)->constraints->len > 0;
    self->reachable = vf_space_hosts(pool, self->live, 0);
    add_axes(self);
    return self;
}

void
vf_space_free(VfSpace *self)
{
    g_ptr_array_unref(self->axes);
    g_free(self->live);
    g_free(self);
}

static gboolean
has_member(const VfPool *pool, VfPoolGroup *group, const guint64 *classes)
{
    const guint32 *members = vf_pool_members(pool, group);

    /* who did last time mostly does again */
    if (vf_class_is_in(classes, members[group->witness]))
        return TRUE;
    for (guint i = 0; i < group->n_members; i++)
        if (vf_class_is_in(classes, members[i])) {
            group->witness = i;
            return TRUE;
        }
    return FALSE;
}

guint
vf_space_hosts(const VfPool *pool, const guint64 *classes, guint needed)
{
    guint left = 0;

    for (guint i = 0; i < pool->groups->len; i++)
        left += vf_pool_group(pool, i)->hosts;
    for (guint i = 0; i < pool->groups->len && left >= needed; i++) {
        VfPoolGroup *group = vf_pool_group(pool, i);
        left -= has_member(pool, group, classes) ? 0 : group->hosts;
    }
    return left >= needed ? left : 0;
}

/* --- a search */

typedef struct {
    VfSpace *space;
    VfSpaceQuery query;
    gboolean most;  /* look for the most hosts, not for the best values */
    guint **orders; /* with most: by axis, its choices, those that most hosts have first */
    int *pinned;    /* by axis: the version's choice, -1: free */
    guint *chosen;  /* by axis */
    guint *best;    /* with most: the same of what was found */
    guint64 *left;  /* by axis, and at the end: the classes that can supply what is chosen before */
    gsize words;
    GHashTable *failed; /* of GBytes: what has been left somewhere, and led nowhere */
    guint steps;
    VfRequirement *found;
} Search;

static const VfAxis *
axis_of(const Search *self, guint i)
{
    return self->space->axes->pdata[i];
}

static guint64 *
left_at(const Search *self, guint depth)
{
    return self->left + depth * self->words;
}

static VfRequirement *
make_requirement(const Search *self)
{
    const VfModel *schema = vf_pool_schema(self->space->pool, 0);
    VfRequirement *requirement = vf_requirement_new(self->space->model_id, schema->digest);

    if (self->query.version)
        requirement->version = g_strdup(self->query.version->name);
    for (guint i = 0; i < self->space->axes->len; i++) {
        const VfAxis *axis = axis_of(self, i);
        const VfAxisChoice *choice = vf_axis_choice(axis, self->chosen[i]);
        const char *evidence = self->pinned[i] >= 0 ? VF_EVIDENCE_VERSION : NULL;

        if (choice->text || choice->unread)
            vf_value_list_set(requirement->values, axis->name, choice->text, evidence);
    }
    return requirement;
}

/* All is chosen: the comparison has the last word. TRUE: the search is over. */
static gboolean
judge(Search *self)
{
    const VfPool *pool = self->space->pool;
    const guint64 *left = left_at(self, self->space->axes->len);
    g_autofree guint64 *fit = g_new0(guint64, self->words);
    g_autoptr(VfRequirement) requirement = make_requirement(self);
    guint hosts;

    for (guint i = 0; i < pool->classes->len; i++) {
        const VfSupplyClass *class = vf_pool_class(pool, i);
        VfVerdict verdict;

        if (!vf_class_is_in(left, i))
            continue;
        verdict = vf_compare_verdict(requirement, class->model, class->known, class->settable);
        if (verdict != VF_VERDICT_INCOMPATIBLE &&
            (self->query.lenient || verdict != VF_VERDICT_UNKNOWN))
            vf_class_put_in(fit, i);
    }
    hosts = vf_space_hosts(pool, fit, self->query.hosts);
    if (hosts < self->query.hosts)
        return FALSE;
    g_clear_pointer(&self->found, vf_requirement_unref);
    self->found = g_steal_pointer(&requirement);
    if (!self->most)
        return TRUE;
    memcpy(self->best, self->chosen, self->space->axes->len * sizeof *self->best);
    self->query.hosts = hosts + 1;
    return hosts == self->space->reachable;
}

/* --- constraints, as soon as enough is chosen */

typedef struct {
    const Search *search;
    guint class_index;
    guint depth; /* so many are chosen */
} Chosen;

static const char *
chosen_value(const VfParameter *parameter, gpointer data)
{
    const Chosen *self = data;

    for (guint i = 0; i < self->depth; i++) {
        const VfAxis *axis = axis_of(self->search, i);
        if (vf_axis_facet(axis, self->class_index)->parameter == parameter)
            return vf_axis_given(axis, self->class_index, self->search->chosen[i]);
    }
    return NULL;
}

/* Takes those classes away that break a constraint of theirs whatever else is chosen. */
static void
drop_broken(const Search *self, guint depth)
{
    guint64 *left = left_at(self, depth);

    for (guint i = 0; i < self->space->pool->classes->len; i++) {
        const VfModel *model = vf_pool_class(self->space->pool, i)->model;
        Chosen chosen = {self, i, depth};
        for (guint j = 0; j < model->constraints->len && vf_class_is_in(left, i); j++)
            if (vf_constraint_check(model->constraints->pdata[j], model->parameters, chosen_value,
                                    &chosen) == VF_TRUTH_NO)
                left[i / 64] &= ~(G_GUINT64_CONSTANT(1) << (i % 64));
    }
}

/* --- choosing */

static GBytes *
key_of(const Search *self, guint depth)
{
    g_autofree guint64 *key = g_new(guint64, self->words + 1);

    key[0] = depth;
    memcpy(key + 1, left_at(self, depth), self->words * sizeof *key);
    return g_bytes_new(key, (self->words + 1) * sizeof *key);
}

/* FALSE: too few hosts can supply it. */
static gboolean
choose(Search *self, guint depth, guint choice_index)
{
    const VfAxisChoice *choice = vf_axis_choice(axis_of(self, depth), choice_index);
    const guint64 *supply = self->query.lenient ? choice->may : choice->fits;
    const guint64 *before = left_at(self, depth);
    guint64 *after = left_at(self, depth + 1);
    /* what a version says of a parameter that it leaves out, each host has to say itself */
    gboolean implied = self->pinned[depth] >= 0 && !choice->text;

    self->chosen[depth] = choice_index;
    for (gsize i = 0; i < self->words; i++)
        after[i] = before[i] & (implied ? G_MAXUINT64 : supply[i]);
    if (self->space->constraints && !self->query.version)
        drop_broken(self, depth + 1);
    return vf_space_hosts(self->space->pool, after, MAX(self->query.hosts, 1)) > 0;
}

static gboolean search_from(Search *self, guint depth);

static gboolean
try_choices(Search *self, guint depth)
{
    const VfAxis *axis = axis_of(self, depth);

    if (self->pinned[depth] >= 0)
        return choose(self, depth, (guint)self->pinned[depth]) && search_from(self, depth + 1);
    for (guint i = 0; i < axis->choices->len; i++) {
        guint at = self->most ? self->orders[depth][i] : i;
        if (!vf_axis_offers(axis, at))
            continue;
        if (self->steps == 0) {
            self->space->bounded = TRUE;
            return FALSE;
        }
        self->steps--;
        if (choose(self, depth, at) && search_from(self, depth + 1))
            return TRUE;
    }
    return FALSE;
}

/* TRUE: the search is over. */
static gboolean
search_from(Search *self, guint depth)
{
    g_autoptr(GBytes) key = NULL;

    if (depth == self->space->axes->len)
        return judge(self);
    /* without constraints what can follow depends on nothing but who is left */
    if (!self->space->constraints && self->words <= REMEMBERED_WORDS_MAX) {
        key = key_of(self, depth);
        if (g_hash_table_contains(self->failed, key))
            return FALSE;
    }
    if (try_choices(self, depth))
        return TRUE;
    if (key)
        g_hash_table_add(self->failed, g_steal_pointer(&key));
    return FALSE;
}

/* FALSE when the version says what no host can supply. */
static gboolean
pin_version(Search *self)
{
    const VfPool *pool = self->space->pool;
    g_autoptr(VfRequirement) expanded =
        vf_requirement_new_for_version(vf_pool_schema(pool, 0), self->query.version->name, NULL);

    if (!expanded)
        return FALSE;
    for (guint i = 0; i < self->space->axes->len; i++) {
        const VfAxis *axis = axis_of(self, i);
        const VfValue *value = vf_value_list_find(expanded->values, axis->name);
        if (!value && !axis->parameter->off)
            continue;
        self->pinned[i] = vf_axis_find(axis, value ? value->value : NULL);
        if (self->pinned[i] < 0)
            return FALSE;
    }
    for (guint i = 0; i < pool->classes->len; i++)
        if (!vf_model_find_version(vf_pool_class(pool, i)->model, self->query.version->name))
            self->left[i / 64] &= ~(G_GUINT64_CONSTANT(1) << (i % 64));
    return TRUE;
}

static void
search_init(Search *self, VfSpace *space, const VfSpaceQuery *query)
{
    guint n = space->axes->len;

    *self = (Search){.space = space, .query = *query, .steps = VF_SEARCH_STEPS};
    self->words = vf_class_words(space->pool);
    self->pinned = g_new(int, n + 1);
    self->chosen = g_new0(guint, n + 1);
    self->best = g_new0(guint, n + 1);
    self->left = g_new0(guint64, (n + 1) * self->words);
    self->failed =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    memcpy(self->left, space->live, self->words * sizeof *self->left);
    for (guint i = 0; i < n; i++)
        self->pinned[i] = -1;
}

static void
search_clear(Search *self)
{
    for (guint i = 0; self->orders != NULL && i < self->space->axes->len; i++)
        g_free(self->orders[i]);
    g_free(self->orders);
    g_free(self->pinned);
    g_free(self->chosen);
    g_free(self->best);
    g_free(self->left);
    g_hash_table_unref(self->failed);
}

VfRequirement *
vf_space_search(VfSpace *self, const VfSpaceQuery *query)
{
    Search search;

    search_init(&search, self, query);
    if (!query->version || pin_version(&search))
        search_from(&search, 0);
    search_clear(&search);
    return search.found;
}

/* --- the most hosts */

typedef struct {
    guint choice;
    guint hosts;
    guint classes; /* the more there are, the less is decided for what is chosen next */
} Support;

static guint
count_classes(const VfPool *pool, const guint64 *classes)
{
    guint n = 0;

    for (gsize i = 0; i < vf_class_words(pool); i++)
        n += (guint)__builtin_popcountll(classes[i]);
    return n;
}

static int
compare_support(gconstpointer a, gconstpointer b)
{
    const Support *left = a;
    const Support *right = b;

    if (left->hosts != right->hosts)
        return left->hosts > right->hosts ? -1 : 1;
    if (left->classes != right->classes)
        return left->classes > right->classes ? -1 : 1;
    return left->choice < right->choice ? -1 : 1;
}

static guint *
order_by_support(const VfPool *pool, const VfAxis *axis)
{
    guint n = axis->choices->len;
    guint *order = g_new(guint, n + 1);
    g_autofree Support *supports = g_new(Support, n + 1);

    for (guint i = 0; i < n; i++) {
        const guint64 *may = vf_axis_choice(axis, i)->may;
        supports[i] = (Support){i, vf_space_hosts(pool, may, 0), count_classes(pool, may)};
    }
    qsort(supports, n, sizeof *supports, compare_support);
    for (guint i = 0; i < n; i++)
        order[i] = supports[i].choice;
    return order;
}

/* Whether what is chosen does. */
static gboolean
try_chosen(Search *self)
{
    for (guint i = 0; i < self->space->axes->len; i++)
        if (!choose(self, i, self->chosen[i]))
            return FALSE;
    return judge(self);
}

/* Makes one choice after the other better, as long as no host is lost. */
static void
improve(Search *self)
{
    gsize size = self->space->axes->len * sizeof *self->best;

    for (guint i = 0; i < self->space->axes->len; i++)
        for (guint j = 0; j < self->best[i]; j++) {
            if (!vf_axis_offers(axis_of(self, i), j))
                continue;
            memcpy(self->chosen, self->best, size);
            self->chosen[i] = j;
            if (try_chosen(self))
                self->best[i] = j;
        }
}

guint
vf_space_most(VfSpace *self, VfRequirement **requirement)
{
    const VfSpaceQuery query = {.lenient = TRUE, .hosts = 1};
    Search search;
    guint most;

    search_init(&search, self, &query);
    search.most = TRUE;
    search.orders = g_new0(guint *, self->axes->len + 1);
    for (guint i = 0; i < self->axes->len; i++)
        search.orders[i] = order_by_support(self->pool, self->axes->pdata[i]);
    search_from(&search, 0);
    most = search.query.hosts - 1;
    search.query.hosts = most;
    search.most = FALSE;
    if (search.found && self->bounded)
        improve(&search);
    search_clear(&search);
    *requirement = search.found;
    return most;
}
