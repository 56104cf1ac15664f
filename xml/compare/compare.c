/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "compare.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "compare-parameter.h"
#include "compare-sentence.h"

/* --- the two sides, parameter by parameter --- */

/* Four lists, each sorted by name, and how far each has been walked. */
typedef struct {
    const VfRequirement *requirement;
    const VfModel *model;
    GPtrArray *known;
    char *const *settable;
    const VfVersion *version; /* nullable: the one that the requirement names */
    VfValue as_value;         /* the version as a value of the version parameter */
    const VfValue *only;
    const VfValue *const *implied; /* what the version says */
    guint n_implied;
    guint at_wanted, at_implied, at_parameter, at_known;
} Walk;

static void
walk_init(Walk *self, const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
          char *const *settable)
{
    *self = (Walk){.requirement = requirement, .model = model, .known = known};
    self->settable = settable;
    if (!requirement->version)
        return;
    self->version = vf_model_find_version(model, requirement->version);
    if (!self->version)
        return;
    if (!model->version_parameter) {
        self->implied = (const VfValue *const *)self->version->values->pdata;
        self->n_implied = self->version->values->len;
        return;
    }
    self->as_value.name = model->version_parameter;
    self->as_value.value = self->version->name;
    self->only = &self->as_value;
    self->implied = &self->only;
    self->n_implied = 1;
}

static const char *
first_of(const char *a, const char *b)
{
    if (!a || !b)
        return a ? a : b;
    return strcmp(a, b) <= 0 ? a : b;
}

/* The name is often the very one that was chosen. */
static gboolean
is_named(const char *name, const char *chosen)
{
    return name == chosen || strcmp(name, chosen) == 0;
}

static const VfValue *
take_known(Walk *self, const char *name)
{
    while (self->at_known < self->known->len) {
        const VfValue *value = self->known->pdata[self->at_known];
        int order = strcmp(value->name, name);
        if (order > 0)
            return NULL;
        self->at_known++;
        if (order == 0)
            return value;
    }
    return NULL;
}

/* FALSE at the end. */
static gboolean
walk_next(Walk *self, VfPair *pair)
{
    GPtrArray *values = self->requirement->values;
    GPtrArray *parameters = self->model->parameters;
    const VfValue *wanted = self->at_wanted < values->len ? values->pdata[self->at_wanted] : NULL;
    const VfValue *implied =
        self->at_implied < self->n_implied ? self->implied[self->at_implied] : NULL;
    const VfParameter *parameter =
        self->at_parameter < parameters->len ? parameters->pdata[self->at_parameter] : NULL;
    const char *name =
        first_of(first_of(wanted ? wanted->name : NULL, implied ? implied->name : NULL),
                 parameter ? parameter->name : NULL);

    if (!name)
        return FALSE;
    *pair = (VfPair){.name = name, .model = self->model};
    if (implied && is_named(implied->name, name)) {
        pair->wanted = implied;
        self->at_implied++;
    }
    if (wanted && is_named(wanted->name, name)) {
        pair->wanted = wanted; /* what is said outright outweighs the version */
        self->at_wanted++;
    }
    if (parameter && is_named(parameter->name, name)) {
        pair->parameter = parameter;
        pair->settable =
            self->settable && g_strv_contains((const char *const *)self->settable, name);
        self->at_parameter++;
    }
    pair->known = take_known(self, name);
    return TRUE;
}

/* --- all pairs, decided --- */

#define PAIRS_AT_HAND 16

typedef struct {
    VfPair *pairs;
    guint n;
    VfPair at_hand[PAIRS_AT_HAND]; /* few are the rule, and need no allocation */
} Decided;

static void
decided_init(Decided *self)
{
    self->pairs = self->at_hand;
    self->n = 0;
}

static void
decided_clear(Decided *self)
{
    for (guint i = 0; i < self->n; i++)
        vf_pair_clear(&self->pairs[i]);
    if (self->pairs != self->at_hand)
        g_free(self->pairs);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Decided, decided_clear)

/* @stop: not further than to the first that is incompatible. */
static VfVerdict
decide_all(Decided *self, Walk *walk, gboolean stop)
{
    VfVerdict verdict = VF_VERDICT_IDENTICAL;
    guint most =
        walk->requirement->values->len + walk->n_implied + walk->model->parameters->len + 1;

    self->pairs = most > PAIRS_AT_HAND ? g_new(VfPair, most) : self->at_hand;
    while ((!stop || verdict != VF_VERDICT_INCOMPATIBLE) &&
           walk_next(walk, &self->pairs[self->n])) {
        VfPair *pair = &self->pairs[self->n++];
        vf_pair_decide(pair);
        verdict = vf_report_worse_verdict(verdict, vf_pair_verdict(pair));
    }
    return verdict;
}

/* What the destination would have. */
static const char *
given_value(const VfParameter *parameter, gpointer data)
{
    const Decided *decided = data;

    for (guint i = 0; i < decided->n; i++)
        if (decided->pairs[i].parameter == parameter)
            return decided->pairs[i].given;
    return NULL;
}

static VfTruth
check_constraint(const VfModel *model, guint i, Decided *decided)
{
    return vf_constraint_check(model->constraints->pdata[i], model->parameters, given_value,
                               decided);
}

static VfVerdict
truth_verdict(VfTruth truth)
{
    return truth == VF_TRUTH_NO        ? VF_VERDICT_INCOMPATIBLE
           : truth == VF_TRUTH_UNKNOWN ? VF_VERDICT_UNKNOWN
                                       : VF_VERDICT_IDENTICAL;
}

VfVerdict
vf_compare_verdict(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
                   char *const *settable)
{
    g_auto(Decided) decided;
    VfVerdict verdict;
    Walk walk;

    decided_init(&decided);
    if (!model || !vf_model_is(model, requirement->model) || model->not_migratable)
        return VF_VERDICT_INCOMPATIBLE;
    walk_init(&walk, requirement, model, known, settable);
    if (requirement->version && !walk.version)
        return VF_VERDICT_INCOMPATIBLE;
    verdict = decide_all(&decided, &walk, TRUE);
    for (guint i = 0; i < model->constraints->len && verdict != VF_VERDICT_INCOMPATIBLE; i++)
        verdict =
            vf_report_worse_verdict(verdict, truth_verdict(check_constraint(model, i, &decided)));
    return verdict;
}

GPtrArray *
vf_compare_values_to_give(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
                          char *const *settable)
{
    g_auto(Decided) decided;
    GPtrArray *values = vf_value_list_new();
    Walk walk;

    decided_init(&decided);
    walk_init(&walk, requirement, model, known, settable);
    decide_all(&decided, &walk, FALSE);
    for (guint i = 0; i < decided.n; i++) {
        const VfPair *pair = &decided.pairs[i];
        if (pair->settable && pair->given &&
            (pair->result == VF_PAIR_CAN_BE_SET || pair->result == VF_PAIR_FITS ||
             pair->result == VF_PAIR_OFF))
            vf_value_list_set(values, pair->name, pair->given, NULL);
    }
    return values;
}

/* --- the report --- */

/* Takes @sentence. */
static void
take_line(VfReport *report, VfReportSubject subject, const char *source, const char *destination,
          const char *code, char *sentence)
{
    const VfReportLine line = {.subject = subject,
                               .verdict = vf_report_code_verdict(code),
                               .source = (char *)source,
                               .destination = (char *)destination,
                               .code = (char *)code,
                               .sentence = sentence};

    vf_report_take_line(report, vf_report_line_pack(&line));
}

/* Whether there is more to compare. */
static gboolean
report_models(VfReport *report, const VfRequirement *requirement, const VfModel *model)
{
    const char *wanted = requirement->model;
    const char *id = model ? model->id : NULL;
    const char *code = VF_REPORT_CODE_MATCHES;
    char *sentence;

    if (!id) {
        code = VF_REPORT_CODE_MODEL_UNKNOWN;
        sentence = g_strdup_printf(
            _("The source is a %s; the destination does not know this model."), wanted);
    } else if (!vf_model_is(model, wanted)) {
        code = VF_REPORT_CODE_MODEL_DIFFERS;
        sentence = g_strdup_printf(_("The source is a %s, the destination a %s."), wanted, id);
    } else if (model->not_migratable) {
        code = VF_REPORT_CODE_NOT_MIGRATABLE;
        sentence = g_strdup_printf(_("No %s can migrate: %s"), id, model->not_migratable);
    } else if (g_str_equal(wanted, id)) {
        sentence = g_strdup_printf(_("Both are %s."), id);
    } else {
        sentence = g_strdup_printf(_("The source is a %s, another name of %s, which the "
                                     "destination is."),
                                   wanted, id);
    }
    take_line(report, VF_REPORT_MODEL, wanted, id, code, sentence);
    return report->verdict != VF_VERDICT_INCOMPATIBLE;
}

static void
report_pair(VfReport *report, const VfPair *pair, VfSentences *sentences)
{
    VfReportLine line = {.subject = VF_REPORT_PARAMETER,
                         .verdict = vf_pair_verdict(pair),
                         .name = (char *)pair->name,
                         .source = (char *)pair->source,
                         .destination = (char *)pair->destination,
                         .code = (char *)vf_pair_code(pair)};

    if (pair->result == VF_PAIR_NOTHING)
        return;
    if (pair->parameter)
        line.compare = (char *)vf_parameter_compare_to_string(pair->parameter->compare);
    line.sentence = vf_pair_sentence(pair, sentences);
    line.overridable = vf_pair_overridable(pair);
    vf_report_take_line(report, vf_report_line_pack(&line));
}

/* "queues at-least 3: multiqueue is yes", or what its author says of it. */
static char *
describe_constraint(const VfConstraint *constraint)
{
    GString *text = g_string_new(NULL);

    if (constraint->description)
        return g_string_free(g_string_append(text, constraint->description), FALSE);
    for (guint i = 0; i < constraint->when->len + constraint->then->len; i++) {
        const VfCondition *condition = i < constraint->when->len
                                           ? constraint->when->pdata[i]
                                           : constraint->then->pdata[i - constraint->when->len];
        g_autofree char *one = vf_condition_describe(condition);
        if (i > 0)
            g_string_append(text, i == constraint->when->len ? ": " : ", ");
        g_string_append(text, one);
    }
    return g_string_free(text, FALSE);
}

static void
report_constraint(VfReport *report, const VfConstraint *constraint, VfTruth truth)
{
    g_autofree char *described = NULL;
    VfReportLine *line;

    if (truth == VF_TRUTH_YES)
        return;
    described = describe_constraint(constraint);
    if (truth == VF_TRUTH_NO)
        line = vf_report_line_new(
            VF_REPORT_CONSTRAINT, VF_REPORT_CODE_CONSTRAINT_VIOLATED,
            g_strdup_printf(_("No device can have these values: %s"), described));
    else
        line = vf_report_line_new(
            VF_REPORT_CONSTRAINT, VF_REPORT_CODE_CONSTRAINT_UNDECIDED,
            g_strdup_printf(_("A value is not known, so that this may not hold: %s"), described));
    line->overridable = truth == VF_TRUTH_UNKNOWN;
    vf_report_take_line(report, line);
}

VfReport *
vf_compare_requirement(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
                       char *const *settable)
{
    VfReport *report = vf_report_new();
    VfSentences sentences = {{NULL}};
    const char *version = requirement->version;
    g_auto(Decided) decided;
    Walk walk;

    decided_init(&decided);
    if (!report_models(report, requirement, model))
        return report;
    walk_init(&walk, requirement, model, known, settable);
    if (requirement->digest && g_strcmp0(requirement->digest, model->digest) != 0)
        take_line(report, VF_REPORT_SCHEMA, requirement->digest, model->digest,
                  VF_REPORT_CODE_DIGEST_DIFFERS,
                  g_strdup(_("The two hosts describe this model differently; the destination's "
                             "description decides.")));
    if (version && walk.version)
        take_line(report, VF_REPORT_VERSION, version, version, VF_REPORT_CODE_MATCHES,
                  g_strdup_printf(_("The destination knows the version %s."), version));
    else if (version)
        take_line(report, VF_REPORT_VERSION, version, NULL, VF_REPORT_CODE_VERSION_UNKNOWN,
                  g_strdup_printf(_("The version %s is asked for, which the destination does not "
                                    "know."),
                                  version));

    decide_all(&decided, &walk, FALSE);
    for (guint i = 0; i < decided.n; i++)
        report_pair(report, &decided.pairs[i], &sentences);
    for (guint i = 0; i < model->constraints->len; i++)
        report_constraint(report, model->constraints->pdata[i],
                          check_constraint(model, i, &decided));
    return report;
}
