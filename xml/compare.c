/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "compare.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    const char *name;
    const VfValue *wanted;        /* NULL: the requirement does not have it */
    const VfParameter *parameter; /* NULL: the destination does not have it */
    const VfValue *known;         /* NULL: not known of this destination */
    VfCompareFlags flags;
} Pair;

static VfReportLine *
line_new(VfReportSubject subject, const char *source, const char *destination, const char *code)
{
    VfReportLine *line = g_new0(VfReportLine, 1);

    line->subject = subject;
    line->source = g_strdup(source);
    line->destination = g_strdup(destination);
    line->code = g_strdup(code);
    line->verdict = vf_report_code_verdict(code);
    return line;
}

/* "ports=2", "state-size=4096 bytes" */
static char *
show(const Pair *pair, const char *value)
{
    const char *unit = pair->parameter != NULL ? pair->parameter->unit : NULL;

    return g_strdup_printf("%s=%s%s%s", pair->name, value, unit != NULL ? " " : "", unit ?: "");
}

static char *
sentence_unread(const Pair *pair, const char *source, const char *destination)
{
    if (source == NULL && destination == NULL)
        return g_strdup_printf(_("The value of %s could be read neither at the source nor at the "
                                 "destination."),
                               pair->name);
    if (source == NULL)
        return g_strdup_printf(_("The value of %s could not be read at the source."), pair->name);
    return g_strdup_printf(
        _("The source has %s=%s; the value at the destination could not be read."), pair->name,
        source);
}

static char *
sentence_not_allowed(const Pair *pair, const char *source)
{
    g_autofree char *shown = show(pair, source);
    g_autofree char *allowed = vf_parameter_describe_allowed(pair->parameter);

    return g_strdup_printf(_("The source has %s; the destination allows %s."), shown, allowed);
}

static char *
sentence_differs(const Pair *pair, const char *source, const char *destination)
{
    g_autofree char *left = show(pair, source);
    g_autofree char *right = show(pair, destination);

    return g_strdup_printf(
        _("The source has %s, the destination has %s; they must be equal, since the "
          "state of one cannot be loaded by the other."),
        left, right);
}

static VfReportLine *
parameter_line(const Pair *pair, const char *destination, const char *code, char *sentence)
{
    const char *source = pair->wanted != NULL ? pair->wanted->value : NULL;
    VfReportLine *line = line_new(VF_REPORT_PARAMETER, source, destination, code);

    line->name = g_strdup(pair->name);
    if (pair->parameter != NULL)
        line->compare = g_strdup(vf_parameter_compare_to_string(pair->parameter->compare));
    line->sentence = sentence;
    return line;
}

static VfReportLine *
compare_unknown_parameter(const Pair *pair)
{
    return parameter_line(
        pair, NULL, VF_REPORT_CODE_PARAMETER_UNKNOWN,
        g_strdup_printf(_("The source has %s=%s; the destination does not know this parameter."),
                        pair->name, pair->wanted->value ?: "?"));
}

static VfReportLine *
compare_settable(const Pair *pair, const char *source)
{
    g_autofree char *allowed = vf_parameter_check_value(pair->parameter, source, NULL);
    g_autofree char *shown = show(pair, source);

    if (allowed == NULL)
        return parameter_line(pair, NULL, VF_REPORT_CODE_VALUE_NOT_ALLOWED,
                              sentence_not_allowed(pair, source));
    return parameter_line(pair, NULL, VF_REPORT_CODE_CAN_BE_SET,
                          g_strdup_printf(_("The destination can be given %s."), shown));
}

static VfReportLine *
compare_equal(const Pair *pair, const char *source)
{
    const char *raw = pair->known != NULL ? pair->known->value : NULL;
    g_autofree char *destination = NULL;
    g_autofree char *shown = show(pair, source);

    if ((pair->flags & VF_COMPARE_FLAGS_SETTABLE) != 0 &&
        pair->parameter->applier != VF_APPLIER_NONE)
        return compare_settable(pair, source);
    if (raw == NULL)
        return parameter_line(pair, NULL, VF_REPORT_CODE_VALUE_UNREAD,
                              sentence_unread(pair, source, NULL));
    /* what is no value of the type can still be compared as the text that it is */
    destination = vf_parameter_canonicalize(pair->parameter, raw, NULL) ?: g_strdup(raw);
    if (!g_str_equal(source, destination))
        return parameter_line(pair, destination, VF_REPORT_CODE_VALUE_DIFFERS,
                              sentence_differs(pair, source, destination));
    return parameter_line(pair, destination, VF_REPORT_CODE_MATCHES,
                          g_strdup_printf(_("Both have %s."), shown));
}

/* Both sides know the parameter, and the source's value is there. */
static VfReportLine *
compare_values(const Pair *pair)
{
    const char *destination = pair->known != NULL ? pair->known->value : NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *source =
        vf_parameter_canonicalize(pair->parameter, pair->wanted->value, &error);

    if (source == NULL)
        return parameter_line(
            pair, destination, VF_REPORT_CODE_VALUE_INVALID,
            g_strdup_printf(_("The destination cannot understand the source's value: %s."),
                            error->message));
    if (pair->parameter->compare != VF_COMPARE_EQUAL)
        return parameter_line(
            pair, destination, VF_REPORT_CODE_RULE_UNDECIDED,
            g_strdup_printf(
                _("Whether %s fits is decided by the rule “%s”, which this version cannot "
                  "apply (source %s, destination %s)."),
                pair->name, vf_parameter_compare_to_string(pair->parameter->compare), source,
                destination ?: "?"));
    return compare_equal(pair, source);
}

/* NULL when there is nothing to say. */
static VfReportLine *
compare_pair(const Pair *pair)
{
    const char *destination = pair->known != NULL ? pair->known->value : NULL;

    if (pair->parameter == NULL)
        return compare_unknown_parameter(pair);
    if (pair->parameter->compare == VF_COMPARE_IGNORE)
        return pair->wanted == NULL
                   ? NULL
                   : parameter_line(pair, destination, VF_REPORT_CODE_IGNORED,
                                    g_strdup_printf(_("%s does not matter."), pair->name));
    if (pair->wanted == NULL)
        return parameter_line(
            pair, destination, VF_REPORT_CODE_PARAMETER_MISSING,
            g_strdup_printf(
                _("The destination has the parameter %s, which the source does not know."),
                pair->name));
    if (pair->wanted->value == NULL)
        return parameter_line(pair, destination, VF_REPORT_CODE_VALUE_UNREAD,
                              sentence_unread(pair, NULL, destination));
    return compare_values(pair);
}

static void
compare_name(VfReport *report, const char *name, const VfRequirement *requirement,
             const VfModel *model, GPtrArray *known, VfCompareFlags flags)
{
    const Pair pair = {name, vf_value_list_find(requirement->values, name),
                       vf_model_find_parameter(model, name), vf_value_list_find(known, name),
                       flags};
    VfReportLine *line = compare_pair(&pair);

    if (line != NULL)
        vf_report_take_line(report, line);
}

/* The names of both sides, merged: each list is sorted. */
static void
compare_parameters(VfReport *report, const VfRequirement *requirement, const VfModel *model,
                   GPtrArray *known, VfCompareFlags flags)
{
    guint i = 0;
    guint j = 0;

    while (i < requirement->values->len || j < model->parameters->len) {
        const VfValue *wanted = i < requirement->values->len ? requirement->values->pdata[i] : NULL;
        const VfParameter *parameter =
            j < model->parameters->len ? model->parameters->pdata[j] : NULL;
        int order = wanted == NULL      ? 1
                    : parameter == NULL ? -1
                                        : strcmp(wanted->name, parameter->name);
        compare_name(report, order <= 0 ? wanted->name : parameter->name, requirement, model, known,
                     flags);
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
    }
}

static gboolean
compare_models(VfReport *report, const VfRequirement *requirement, const VfModel *model)
{
    const char *id = model != NULL ? model->id : NULL;
    gboolean same = id != NULL && g_str_equal(requirement->model, id);
    VfReportLine *line = line_new(VF_REPORT_MODEL, requirement->model, id,
                                  same         ? VF_REPORT_CODE_MATCHES
                                  : id == NULL ? VF_REPORT_CODE_MODEL_UNKNOWN
                                               : VF_REPORT_CODE_MODEL_DIFFERS);

    if (same)
        line->sentence = g_strdup_printf(_("Both are %s."), id);
    else if (id == NULL)
        line->sentence = g_strdup_printf(_("The source is a %s; the destination does not know this "
                                           "model."),
                                         requirement->model);
    else
        line->sentence =
            g_strdup_printf(_("The source is a %s, the destination a %s."), requirement->model, id);
    vf_report_take_line(report, line);
    return same;
}

static void
compare_digests(VfReport *report, const VfRequirement *requirement, const VfModel *model)
{
    VfReportLine *line;

    if (requirement->digest == NULL || g_strcmp0(requirement->digest, model->digest) == 0)
        return;
    line = line_new(VF_REPORT_SCHEMA, requirement->digest, model->digest,
                    VF_REPORT_CODE_DIGEST_DIFFERS);
    line->sentence = g_strdup(_("The two hosts describe this model differently; the destination's "
                                "description decides."));
    vf_report_take_line(report, line);
}

VfReport *
vf_compare_requirement(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
                       VfCompareFlags flags)
{
    VfReport *report = vf_report_new();

    if (!compare_models(report, requirement, model))
        return report;
    compare_digests(report, requirement, model);
    compare_parameters(report, requirement, model, known, flags);
    return report;
}
