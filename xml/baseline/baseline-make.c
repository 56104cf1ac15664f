/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "baseline-lines.h"
#include "baseline-search.h"
#include "error.h"

/* --- the choice among what hosts can supply */

static VfRequirement *
search_for(VfSpace *space, guint hosts)
{
    const VfModel *schema = vf_pool_schema(space->pool, 0);
    /* a version that is a parameter is decided like one, before the others */
    guint n_versions = schema->version_parameter ? 0 : schema->versions->len;
    VfRequirement *found = NULL;

    for (gboolean lenient = FALSE; lenient <= TRUE && !found; lenient++) {
        VfSpaceQuery query = {lenient, NULL, hosts};

        /* the newest version, as the schema that most hosts have orders them */
        for (guint i = n_versions; i > 0 && !found; i--) {
            query.version = schema->versions->pdata[i - 1];
            found = vf_space_search(space, &query);
        }
        query.version = NULL;
        if (!found)
            found = vf_space_search(space, &query);
    }
    return found;
}

typedef struct {
    VfPool *pool;
    VfRequirement *requirement; /* nullable: no host can supply anything */
    guint hosts;                /* how many can supply it */
    gboolean exact;
} Solution;

static void
solution_clear(Solution *self)
{
    g_clear_pointer(&self->pool, vf_pool_free);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Solution, solution_clear)

static void
solve(Solution *self, const VfSupply *supply, const char *model_id)
{
    g_autoptr(VfSpace) space = NULL;

    *self = (Solution){.pool = vf_pool_new(supply, model_id)};
    space = vf_space_new(self->pool, model_id);
    self->hosts = space->reachable;
    if (self->hosts > 0)
        self->requirement = search_for(space, self->hosts);
    if (self->hosts > 0 && !self->requirement) {
        g_autoptr(VfRequirement) any = NULL;
        self->hosts = vf_space_most(space, &any);
        self->requirement = self->hosts > 0 ? search_for(space, self->hosts) : NULL;
        if (!self->requirement)
            self->requirement = g_steal_pointer(&any);
    }
    self->exact = !space->bounded;
}

static VfBaseline *
explain(const Solution *solution, const VfSupply *supply, const char *model_id)
{
    VfBaseline *self = vf_baseline_new();
    g_autoptr(VfRequirement) compared = solution->requirement
                                            ? vf_requirement_ref(solution->requirement)
                                            : vf_requirement_new(model_id, NULL);

    self->exact = solution->exact;
    if (solution->requirement)
        self->requirement = vf_requirement_ref(compared);
    vf_baseline_explain(self, supply, solution->pool, compared);
    return self;
}

static VfBaseline *
solve_one(const VfSupply *supply, const char *model_id)
{
    g_auto(Solution) solution = {NULL};

    solve(&solution, supply, model_id);
    return explain(&solution, supply, model_id);
}

/* --- the model */

typedef struct {
    const char *id;
    guint hosts;
} Candidate;

typedef struct {
    GArray *candidates; /* of Candidate, by id */
    guint64 *of_class;  /* by class of the supply: bits of the candidates that it is */
    gsize words;        /* for each class */
} Census;

static int
compare_ids(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Candidate *)a)->id, ((const Candidate *)b)->id);
}

/* The ids of the models themselves: an alias is a name only for those who ask. */
static void
census_init(Census *self, const VfSupply *supply)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autofree guint64 *has = NULL;

    self->candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    for (guint i = 0; i < supply->classes->len; i++) {
        const VfModel *model = vf_supply_class(supply, i)->model;
        if (model && g_hash_table_add(seen, model->id)) {
            const Candidate candidate = {model->id, 0};
            g_array_append_val(self->candidates, candidate);
        }
    }
    g_array_sort(self->candidates, compare_ids);
    /* which of them each class is */
    self->words = self->candidates->len / 64 + 1;
    self->of_class = g_new0(guint64, (supply->classes->len + 1) * self->words);
    for (guint i = 0; i < supply->classes->len; i++) {
        const VfModel *model = vf_supply_class(supply, i)->model;
        for (guint j = 0; model != NULL && j < self->candidates->len; j++)
            if (vf_model_is(model, g_array_index(self->candidates, Candidate, j).id))
                self->of_class[i * self->words + j / 64] |= G_GUINT64_CONSTANT(1) << (j % 64);
    }

    /* how many hosts have each */
    has = g_new(guint64, self->words);
    for (guint i = 0; i < supply->hosts->len; i++) {
        const VfSupplyHost *host = vf_supply_host(supply, i);
        const guint32 *offers = &g_array_index(supply->offers, guint32, host->first);
        memset(has, 0, self->words * sizeof *has);
        for (guint j = 0; j < host->n_offers; j++)
            for (gsize k = 0; k < self->words; k++)
                has[k] |= self->of_class[offers[j] * self->words + k];
        for (guint j = 0; j < self->candidates->len; j++)
            g_array_index(self->candidates, Candidate, j).hosts += (has[j / 64] >> (j % 64)) & 1;
    }
}

/* Whether @id is the old name of a model that all hosts have under its new one. */
static gboolean
is_old_name(const VfSupply *supply, const char *id, GPtrArray *common)
{
    for (guint i = 0; i < supply->classes->len; i++) {
        const VfModel *model = vf_supply_class(supply, i)->model;
        if (model && !g_str_equal(model->id, id) && vf_model_is(model, id) &&
            g_ptr_array_find_with_equal_func(common, model->id, g_str_equal, NULL))
            return TRUE;
    }
    return FALSE;
}

/* The models that all hosts have; of const char *. */
static GPtrArray *
common_models(const Census *census, const VfSupply *supply)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GPtrArray *common = g_ptr_array_new();

    for (guint i = 0; i < census->candidates->len; i++) {
        const Candidate *candidate = &g_array_index(census->candidates, Candidate, i);
        if (candidate->hosts == supply->hosts->len)
            g_ptr_array_add(all, (gpointer)candidate->id);
    }
    for (guint i = 0; i < all->len; i++)
        if (!is_old_name(supply, all->pdata[i], all))
            g_ptr_array_add(common, all->pdata[i]);
    return common;
}

static int
compare_hosts(gconstpointer a, gconstpointer b)
{
    const Candidate *left = a;
    const Candidate *right = b;

    if (left->hosts != right->hosts)
        return left->hosts > right->hosts ? -1 : 1;
    return strcmp(left->id, right->id);
}

/* No model is common: the one with which the fewest hosts are left out. */
static VfBaseline *
solve_best(Census *census, const VfSupply *supply)
{
    g_auto(Solution) best = {NULL};
    const char *model_id = NULL;

    g_array_sort(census->candidates, compare_hosts);
    for (guint i = 0; i < census->candidates->len; i++) {
        const Candidate *candidate = &g_array_index(census->candidates, Candidate, i);
        g_auto(Solution) one = {NULL};
        if (model_id && candidate->hosts <= best.hosts)
            break;
        solve(&one, supply, candidate->id);
        if (!model_id || one.hosts > best.hosts) {
            Solution other = best;
            best = one;
            one = other; /* and is cleared */
            model_id = candidate->id;
        }
    }
    return explain(&best, supply, model_id);
}

static VfBaseline *
solve_any(Census *census, const VfSupply *supply, GError **error)
{
    g_autoptr(GPtrArray) common = NULL;
    g_autofree char *names = NULL;

    if (census->candidates->len == 0) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                            _("no host has anything of a model that is known"));
        return NULL;
    }
    common = common_models(census, supply);
    if (common->len == 0)
        return solve_best(census, supply);
    if (common->len == 1)
        return solve_one(supply, common->pdata[0]);
    g_ptr_array_add(common, NULL);
    names = g_strjoinv(", ", (char **)common->pdata);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("all hosts have several models, of which one must be named: %s"), names);
    return NULL;
}

static gboolean
has_model(const VfSupply *supply, const char *model_id, GError **error)
{
    for (guint i = 0; i < supply->classes->len; i++) {
        const VfModel *model = vf_supply_class(supply, i)->model;
        if (model && vf_model_is(model, model_id))
            return TRUE;
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("no host has the model %s"),
                model_id);
    return FALSE;
}

VfBaseline *
vf_baseline_of_supply(const VfSupply *supply, const char *model_id, GError **error)
{
    VfBaseline *self;
    Census census;

    if (supply->hosts->len == 0) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                            _("a baseline needs at least one host"));
        return NULL;
    }
    if (model_id)
        return has_model(supply, model_id, error) ? solve_one(supply, model_id) : NULL;
    census_init(&census, supply);
    self = solve_any(&census, supply, error);
    g_array_unref(census.candidates);
    g_free(census.of_class);
    return self;
}
