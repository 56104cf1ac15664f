/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "baseline-lines.h"

#include <string.h>

#include "compare.h"

/* What comes of comparing one class; the report only when it has been asked for. */
typedef struct {
    VfVerdict verdict;
    VfReport *report;
    guint bad; /* lines that speak against it */
    char *key; /* the report without its sentences */
} Judged;

typedef struct {
    VfBaseline *baseline;
    const VfSupply *supply;
    const VfPool *pool;
    const VfRequirement *requirement;
    GArray *judged;        /* of Judged, by class */
    Judged missing;        /* of a host without the model */
    GArray *closest;       /* of guint, by group: the class that comes closest */
    GHashTable *undecided; /* key of a line -> VfBaselineLine */
} Explanation;

static void
clear_judged(gpointer data)
{
    Judged *self = data;

    g_clear_pointer(&self->report, vf_report_free);
    g_free(self->key);
}

static void
append(GString *key, const char *text)
{
    /* what is not there differs from what is empty */
    g_string_append_printf(key, "%c%s\n", text ? '=' : '-', text ?: "");
}

static char *
key_of_line(const VfReportLine *line)
{
    GString *key = g_string_new(NULL);

    append(key, line->name);
    append(key, line->code);
    append(key, line->source);
    append(key, line->destination);
    return g_string_free(key, FALSE);
}

static const Judged *
judged(Explanation *self, guint class_index)
{
    Judged *one = &g_array_index(self->judged, Judged, class_index);
    const VfSupplyClass *class = vf_pool_class(self->pool, class_index);
    g_autoptr(GString) key = NULL;

    if (one->report)
        return one;
    one->report =
        vf_compare_requirement(self->requirement, class->model, class->known, class->settable);
    key = g_string_new(NULL);
    for (guint i = 0; i < one->report->lines->len; i++) {
        const VfReportLine *line = one->report->lines->pdata[i];
        g_autofree char *of_line = key_of_line(line);
        g_string_append(key, of_line);
        one->bad += line->verdict == one->verdict;
    }
    one->key = g_strdup(key->str);
    return one;
}

static guint
badness(VfVerdict verdict)
{
    return verdict == VF_VERDICT_INCOMPATIBLE ? 2 : verdict == VF_VERDICT_UNKNOWN ? 1 : 0;
}

static VfVerdict
verdict_of(const Explanation *self, guint class_index)
{
    return g_array_index(self->judged, Judged, class_index).verdict;
}

/* Whether @a comes closer to the requirement than @b. */
static gboolean
is_closer(Explanation *self, guint a, guint b)
{
    guint left = badness(verdict_of(self, a));
    guint right = badness(verdict_of(self, b));
    const Judged *one;
    const Judged *other;

    if (left != right || left == 0)
        return left < right;
    one = judged(self, a);
    other = judged(self, b);
    return one->bad != other->bad ? one->bad < other->bad : strcmp(one->key, other->key) < 0;
}

static void
judge_all(Explanation *self)
{
    for (guint i = 0; i < self->pool->classes->len; i++) {
        const VfSupplyClass *class = vf_pool_class(self->pool, i);
        const Judged one = {
            vf_compare_verdict(self->requirement, class->model, class->known, class->settable),
            NULL, 0, NULL};
        g_array_append_val(self->judged, one);
    }
    for (guint i = 0; i < self->pool->groups->len; i++) {
        const VfPoolGroup *group = vf_pool_group(self->pool, i);
        const guint32 *members = vf_pool_members(self->pool, group);
        guint best = members[0];
        for (guint j = 1; j < group->n_members && badness(verdict_of(self, best)) > 0; j++)
            if (is_closer(self, members[j], best))
                best = members[j];
        g_array_append_val(self->closest, best);
    }
}

static VfBaselineLine *
line_new(const VfSupplyHost *host, const VfReportLine *line)
{
    VfBaselineLine *self = g_new0(VfBaselineLine, 1);

    self->host = g_strdup(host->id);
    self->name = g_strdup(host->name);
    self->hosts = 1;
    self->parameter = g_strdup(line->name);
    self->source = g_strdup(line->source);
    self->destination = g_strdup(line->destination);
    self->code = g_strdup(line->code);
    self->sentence = g_strdup(line->sentence);
    return self;
}

/* What is undecided of many hosts in the same way is said once. */
static void
add_undecided(Explanation *self, const VfSupplyHost *host, const VfReportLine *line)
{
    char *key = key_of_line(line);
    VfBaselineLine *there = g_hash_table_lookup(self->undecided, key);

    if (there) {
        there->hosts++;
        g_free(key);
        return;
    }
    there = line_new(host, line);
    g_hash_table_insert(self->undecided, key, there);
    g_ptr_array_add(self->baseline->undecided, there);
}

static void
explain_host(Explanation *self, const VfSupplyHost *host, const Judged *judged_host)
{
    for (guint i = 0; i < judged_host->report->lines->len; i++) {
        const VfReportLine *line = judged_host->report->lines->pdata[i];
        if (line->verdict != judged_host->verdict)
            continue;
        if (judged_host->verdict == VF_VERDICT_UNKNOWN)
            add_undecided(self, host, line);
        else
            g_ptr_array_add(self->baseline->conflicts, line_new(host, line));
    }
}

static int
compare_hosts(gconstpointer a, gconstpointer b, gpointer data)
{
    const VfSupplyHost *left = vf_supply_host(data, *(const guint *)a);
    const VfSupplyHost *right = vf_supply_host(data, *(const guint *)b);
    int order = g_strcmp0(left->name, right->name);

    return order != 0 ? order : strcmp(left->id, right->id);
}

static void
explain_hosts(Explanation *self)
{
    guint n = self->supply->hosts->len;
    g_autoptr(GArray) hosts = g_array_sized_new(FALSE, FALSE, sizeof(guint), n);

    for (guint i = 0; i < n; i++)
        g_array_append_val(hosts, i);
    g_array_sort_with_data(hosts, compare_hosts, (gpointer)self->supply);

    for (guint i = 0; i < hosts->len; i++) {
        guint at = g_array_index(hosts, guint, i);
        gint32 group = g_array_index(self->pool->group_of, gint32, at);
        const Judged *host = &self->missing;
        if (group >= 0) {
            guint closest = g_array_index(self->closest, guint, group);
            if (badness(verdict_of(self, closest)) == 0) {
                self->baseline->fitting++;
                continue;
            }
            host = judged(self, closest);
        }
        self->baseline->fitting += host->verdict == VF_VERDICT_UNKNOWN;
        explain_host(self, vf_supply_host(self->supply, at), host);
    }
}

void
vf_baseline_explain(VfBaseline *self, const VfSupply *supply, const VfPool *pool,
                    const VfRequirement *requirement)
{
    g_autoptr(GArray) judged_classes = g_array_new(FALSE, FALSE, sizeof(Judged));
    g_autoptr(GArray) closest = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GHashTable) undecided = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Explanation explanation = {.baseline = self, .supply = supply, .pool = pool};

    g_array_set_clear_func(judged_classes, clear_judged);
    explanation.requirement = requirement;
    explanation.judged = judged_classes;
    explanation.closest = closest;
    explanation.undecided = undecided;
    explanation.missing.report = vf_compare_requirement(requirement, NULL, NULL, NULL);
    explanation.missing.verdict = VF_VERDICT_INCOMPATIBLE;
    judge_all(&explanation);
    self->hosts = supply->hosts->len;
    explain_hosts(&explanation);
    clear_judged(&explanation.missing);
    if (self->fitting < self->hosts)
        self->verdict = VF_BASELINE_CONFLICT;
    else
        self->verdict = self->undecided->len > 0 ? VF_BASELINE_UNKNOWN : VF_BASELINE_FOUND;
}
