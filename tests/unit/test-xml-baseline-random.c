/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-baseline.h"
#include "xml/compare/compare.h"
#include "xml/model/model-make.h"

/* Small fleets at random, and all requirements that there can be: what a baseline says is what
 * comes of comparing each of them with every host. */

#define FLEETS 1500
#define HOSTS_MAX 5
#define OFFERS_MAX 3
#define PARAMETERS_MAX 3
#define ABSENT (-1)

/* A kind of parameter: all its values, the best first. */
typedef struct {
    const char *head; /* type and rule */
    const char *allowed;
    const char *off; /* nullable */
    const char *values[12];
} Kind;

#define RANGE "<allowed min='0' max='6'/>"
#define STEPS "<allowed min='0' max='6' step='2'/>"
#define LEVELS "<allowed><value>low</value><value>mid</value><value>high</value></allowed>"
#define WORDS "<allowed><value>a</value><value>b</value><value>c</value></allowed>"
#define BITS "<allowed mask='0x7'/>"
#define RELEASES "<allowed><value>1.0</value><value>1.1</value><value>2.0</value></allowed>"
#define DOWN                                                                                       \
    {                                                                                              \
        "6", "5", "4", "3", "2", "1", "0"                                                          \
    }
#define SUBSETS                                                                                    \
    {                                                                                              \
        "a b c", "a b", "a c", "b c", "a", "b", "c", ""                                            \
    }

static const Kind kinds[] = {
    {"type='int' compare='equal'", RANGE, "0", DOWN},
    {"type='int' compare='equal'", STEPS, NULL, DOWN},
    {"type='int' compare='at-least'", STEPS, "0", DOWN},
    {"type='size' compare='at-least'", RANGE, NULL, DOWN},
    {"type='int' compare='at-most'", RANGE, "0", {"0", "1", "2", "3", "4", "5", "6"}},
    {"type='bool' compare='equal'", "", "no", {"yes", "no"}},
    {"type='bool' compare='at-most'", "", NULL, {"no", "yes"}},
    {"type='enum' compare='equal'", LEVELS, "low", {"high", "mid", "low"}},
    {"type='enum' compare='at-least'", LEVELS, NULL, {"high", "mid", "low"}},
    {"type='set' compare='superset'", WORDS, "", SUBSETS},
    {"type='set' compare='equal'", WORDS, NULL, SUBSETS},
    {"type='bitmask' compare='superset'",
     BITS,
     "0x0",
     {"0x7", "0x6", "0x5", "0x3", "0x4", "0x2", "0x1", "0x0"}},
    {"type='string' compare='same-major'", RELEASES, NULL, {"2.0", "1.0", "1.1"}},
    {"type='string' compare='equal'", RELEASES, "1.0", {"2.0", "1.1", "1.0"}},
};

/* --- a fleet */

typedef struct {
    GRand *random;
    const Kind *kinds[PARAMETERS_MAX];
    guint n; /* parameters */
    char *model;
    char *older;      /* without the last parameter */
    GPtrArray *lines; /* of char *: what hosts_add() understands */
} Fleet;

static guint
pick(Fleet *self, guint n)
{
    return (guint)g_rand_int_range(self->random, 0, (gint32)n);
}

static guint
count_values(const Kind *kind)
{
    guint n = 0;

    while (n < G_N_ELEMENTS(kind->values) && kind->values[n] != NULL)
        n++;
    return n;
}

static const char *
pick_value(Fleet *self, guint parameter)
{
    const Kind *kind = self->kinds[parameter];
    return kind->values[pick(self, count_values(kind))];
}

static char *
make_model(Fleet *self, guint n, const char *rest)
{
    g_autoptr(GString) parameters = g_string_new(NULL);

    for (guint i = 0; i < n; i++) {
        const Kind *kind = self->kinds[i];
        g_string_append_printf(parameters, "<parameter name='p%u' %s", i, kind->head);
        if (kind->off != NULL)
            g_string_append_printf(parameters, " off='%s'", kind->off);
        g_string_append_printf(parameters, ">%s</parameter>", kind->allowed);
    }
    return g_strdup_printf(MODEL("%s%s"), parameters->str, rest);
}

/* "p0 is VALUE needs p1 is not VALUE"; nothing when the values that are off break it. */
static void
make_models(Fleet *self)
{
    g_autofree char *rest = g_strdup("");

    if (self->n > 1 && pick(self, 3) == 0) {
        g_autofree char *with = NULL;
        g_autofree char *rule = g_strdup_printf(
            "<constraint><when parameter='p0' is='%s'/><then parameter='p1' is-not='%s'/>"
            "</constraint>",
            pick_value(self, 0), pick_value(self, 1));
        g_autoptr(VfModel) model = NULL;
        with = make_model(self, self->n, rule);
        model = vf_model_parse(with, -1, NULL, NULL);
        if (model != NULL) {
            g_free(rest);
            rest = g_steal_pointer(&rule);
        }
    }
    self->model = make_model(self, self->n, rest);
    self->older = make_model(self, self->n - 1, self->n > 2 ? rest : "");
}

/* "older|p0=1;p1=2|p0": schema, values, settable. */
static char *
make_offer(Fleet *self)
{
    gboolean older = pick(self, 5) == 0;
    g_autoptr(GString) values = g_string_new(NULL);
    g_autoptr(GString) settable = g_string_new(NULL);

    for (guint i = 0; i < self->n - (older ? 1 : 0); i++)
        if (pick(self, 3) == 0)
            g_string_append_printf(settable, "%sp%u", settable->len > 0 ? " " : "", i);
        else
            g_string_append_printf(values, "p%u=%s;", i, pick_value(self, i));
    return g_strdup_printf("%s|%s|%s", older ? "older" : "model", values->str, settable->str);
}

static void
fleet_init(Fleet *self, guint32 seed)
{
    guint hosts;

    *self = (Fleet){.random = g_rand_new_with_seed(seed)};
    self->lines = g_ptr_array_new_with_free_func(g_free);
    self->n = 1 + pick(self, PARAMETERS_MAX);
    for (guint i = 0; i < self->n; i++)
        self->kinds[i] = &kinds[pick(self, G_N_ELEMENTS(kinds))];
    make_models(self);
    hosts = 1 + pick(self, HOSTS_MAX);
    for (guint i = 0; i < hosts; i++) {
        guint offers = 1 + pick(self, OFFERS_MAX);
        g_autoptr(GString) host_line = g_string_new(NULL);
        for (guint j = 0; j < offers; j++) {
            g_autofree char *one = make_offer(self);
            g_string_append_printf(host_line, "%s%s", j > 0 ? "\n" : "", one);
        }
        g_ptr_array_add(self->lines, g_strdup(host_line->str));
    }
}

static void
fleet_clear(Fleet *self)
{
    g_rand_free(self->random);
    g_ptr_array_unref(self->lines);
    g_free(self->model);
    g_free(self->older);
}

static const char *const names[HOSTS_MAX] = {"a", "b", "c", "d", "e"};

static void
add_host(Hosts *hosts, const Fleet *fleet, guint i, gboolean backwards)
{
    g_auto(GStrv) offers = g_strsplit(fleet->lines->pdata[i], "\n", -1);
    guint n = g_strv_length(offers);

    host(hosts, names[i]);
    for (guint j = 0; j < n; j++) {
        g_auto(GStrv) parts = g_strsplit(offers[backwards ? n - 1 - j : j], "|", -1);
        offer(hosts, g_str_equal(parts[0], "older") ? fleet->older : fleet->model, parts[1],
              parts[2]);
    }
}

static Hosts *
make_hosts(const Fleet *fleet, gboolean backwards)
{
    Hosts *hosts = hosts_new();
    guint n = fleet->lines->len;

    for (guint i = 0; i < n; i++)
        add_host(hosts, fleet, backwards ? n - 1 - i : i, backwards);
    return hosts;
}

/* --- all requirements */

typedef struct {
    const Fleet *fleet;
    const Hosts *hosts;
    int at[PARAMETERS_MAX]; /* index into a kind's values, or ABSENT */
    guint most;             /* hosts that one can have, not known not to fit */
    guint most_surely;      /* the same, known to fit */
    char *best;             /* the first of those that as many as `most` surely can have */
} Brute;

static VfRequirement *
requirement_of(const Brute *self)
{
    VfRequirement *requirement = vf_requirement_new(MODEL_ID, NULL);

    for (guint i = 0; i < self->fleet->n; i++) {
        g_autofree char *name = g_strdup_printf("p%u", i);
        if (self->at[i] != ABSENT)
            vf_value_list_set(requirement->values, name, self->fleet->kinds[i]->values[self->at[i]],
                              NULL);
    }
    return requirement;
}

static VfVerdict
verdict_of(const VfSupply *supply, const VfSupplyHost *one, const VfRequirement *requirement)
{
    VfVerdict best = VF_VERDICT_INCOMPATIBLE;

    for (guint i = 0; i < one->n_offers; i++) {
        const VfSupplyClass *class =
            vf_supply_class(supply, g_array_index(supply->offers, guint32, one->first + i));
        VfVerdict verdict =
            vf_compare_verdict(requirement, class->model, class->known, class->settable);
        if (vf_report_worse_verdict(verdict, best) == best)
            best = verdict;
    }
    return best;
}

static void
count(const Brute *self, const VfRequirement *requirement, guint *surely, guint *perhaps)
{
    const VfSupply *supply = self->hosts->supply;

    *surely = *perhaps = 0;
    for (guint i = 0; i < supply->hosts->len; i++) {
        VfVerdict verdict = verdict_of(supply, vf_supply_host(supply, i), requirement);
        *perhaps += verdict != VF_VERDICT_INCOMPATIBLE;
        *surely += verdict == VF_VERDICT_IDENTICAL || verdict == VF_VERDICT_SUPERSET;
    }
}

/* To have nothing of a parameter is no choice when all hosts have something that cannot be off. */
static gboolean
may_be_absent(const Brute *self, guint parameter)
{
    gboolean last = parameter == self->fleet->n - 1;
    const char *off = self->fleet->kinds[parameter]->off;
    g_autofree char *name = g_strdup_printf("p%u", parameter);

    for (guint i = 0; i < self->hosts->supply->classes->len; i++) {
        const VfSupplyClass *class = vf_supply_class(self->hosts->supply, i);
        g_autoptr(VfRequirement) nothing = vf_requirement_new(MODEL_ID, NULL);
        g_autoptr(VfReport) report =
            vf_compare_requirement(nothing, class->model, class->known, class->settable);
        if (last && vf_model_find_parameter(class->model, name) == NULL)
            return TRUE;
        for (guint j = 0; off != NULL && j < report->lines->len; j++) {
            const VfReportLine *line = report->lines->pdata[j];
            if (g_strcmp0(line->name, name) == 0 && line->verdict != VF_VERDICT_INCOMPATIBLE)
                return TRUE;
        }
    }
    return FALSE;
}

/* A minor version that no host has, or can be given, is no choice, though others would take it. */
static gboolean
may_be(const Brute *self, guint parameter, const char *text)
{
    g_autofree char *name = g_strdup_printf("p%u", parameter);
    const char *head = self->fleet->kinds[parameter]->head;

    for (guint i = 0; i < self->hosts->supply->classes->len; i++) {
        const VfSupplyClass *class = vf_supply_class(self->hosts->supply, i);
        const VfValue *value = vf_value_list_find(class->known, name);
        if (g_strv_contains((const char *const *)class->settable, name) ||
            (value != NULL && g_str_equal(value->value, text)))
            return TRUE;
    }
    return strstr(head, "same-major") == NULL;
}

static void try_from(Brute *self, guint parameter);

static void
try_one(Brute *self)
{
    g_autoptr(VfRequirement) requirement = requirement_of(self);
    guint surely;
    guint perhaps;

    count(self, requirement, &surely, &perhaps);
    self->most = MAX(self->most, perhaps);
    if (surely > self->most_surely || self->best == NULL) {
        self->most_surely = surely;
        g_free(self->best);
        self->best = describe(requirement);
    }
}

/* Off before its own spelling, and what cannot be off last. */
static void
try_from(Brute *self, guint parameter)
{
    const Kind *kind = parameter < self->fleet->n ? self->fleet->kinds[parameter] : NULL;
    guint n = kind != NULL ? count_values(kind) : 0;
    gboolean absent;

    if (kind == NULL) {
        try_one(self);
        return;
    }
    absent = may_be_absent(self, parameter);
    for (guint i = 0; i < n; i++) {
        if (absent && kind->off != NULL && g_str_equal(kind->off, kind->values[i])) {
            self->at[parameter] = ABSENT;
            try_from(self, parameter + 1);
        }
        if (!may_be(self, parameter, kind->values[i]))
            continue;
        self->at[parameter] = (int)i;
        try_from(self, parameter + 1);
    }
    if (absent && kind->off == NULL) {
        self->at[parameter] = ABSENT;
        try_from(self, parameter + 1);
    }
}

/* --- properties */

static void
assert_same_bytes(const VfBaseline *result, const Fleet *fleet)
{
    g_autoptr(Hosts) backwards = make_hosts(fleet, TRUE);
    g_autoptr(VfBaseline) other = baseline(backwards);
    g_autofree char *one = vf_baseline_format(result);
    g_autofree char *two = vf_baseline_format(other);

    g_assert_cmpstr(one, ==, two);
}

/* The requirement compares as the result says with every host. */
static void
assert_holds(const VfBaseline *result, const Brute *brute)
{
    guint surely = 0;
    guint perhaps = 0;
    g_autoptr(GHashTable) out = g_hash_table_new(g_str_hash, g_str_equal);

    /* devices whose own values break a constraint can be nothing at all */
    g_assert_cmpint(result->requirement == NULL, ==, brute->most == 0);
    if (result->requirement != NULL)
        count(brute, result->requirement, &surely, &perhaps);
    g_assert_cmpuint(result->fitting, ==, perhaps);
    g_assert_cmpint(result->verdict == VF_BASELINE_FOUND, ==, surely == result->hosts);
    g_assert_cmpint(result->verdict == VF_BASELINE_CONFLICT, ==, perhaps < result->hosts);
    for (guint i = 0; i < result->conflicts->len; i++)
        g_hash_table_add(out, ((const VfBaselineLine *)result->conflicts->pdata[i])->host);
    g_assert_cmpuint(g_hash_table_size(out), ==, result->hosts - result->fitting);
}

static void
check_fleet(guint32 seed, guint *verdicts)
{
    Fleet fleet;
    Brute brute = {.fleet = &fleet};
    g_autoptr(Hosts) hosts = NULL;
    g_autoptr(VfBaseline) result = NULL;
    g_autofree char *described = NULL;

    fleet_init(&fleet, seed);
    hosts = make_hosts(&fleet, FALSE);
    brute.hosts = hosts;
    try_from(&brute, 0);
    result = baseline(hosts);
    described = describe(result->requirement);
    if (result->fitting != brute.most || (brute.most > 0 && brute.most_surely == brute.most &&
                                          !g_str_equal(described, brute.best))) {
        for (guint i = 0; i < fleet.lines->len; i++)
            g_test_message("host %s: %s", names[i], (const char *)fleet.lines->pdata[i]);
        g_test_message("%s", fleet.model);
        g_error("seed %u: %s with %u hosts, not %s with %u (%u)", seed, described,
                (guint)result->fitting, brute.best, brute.most, brute.most_surely);
    }
    verdicts[result->verdict]++;
    g_assert_true(result->exact);
    assert_holds(result, &brute);
    assert_same_bytes(result, &fleet);
    g_free(brute.best);
    fleet_clear(&fleet);
}

static void
test_brute_force(void)
{
    const char *slow = g_getenv("VFERRY_TEST_SLOW");
    guint fleets = FLEETS / (slow != NULL ? MAX(1, (guint)g_ascii_strtoull(slow, NULL, 10)) : 1);
    guint verdicts[3] = {0};

    for (guint i = 0; i < fleets; i++)
        check_fleet(i, verdicts);
    g_test_message("%u found, %u unknown, %u conflicts", verdicts[0], verdicts[1], verdicts[2]);
    g_assert_cmpuint(verdicts[VF_BASELINE_FOUND], >, fleets / 10);
    g_assert_cmpuint(verdicts[VF_BASELINE_CONFLICT], >, fleets / 10);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/baseline/brute-force", test_brute_force);
    return g_test_run();
}
