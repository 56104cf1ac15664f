/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-xml.h"
#include "xml/compare/compare.h"
#include "xml/model/model-make.h"

/* Comparisons as rows of tables: descriptors inline, values as "a=1; b=2; c", where c is unread,
 * and the answer as "verdict: name code, name code", the lines in the order of the report. */

/* A descriptor of model @id with this content. */
static inline VfModel *
model_of(const char *id, const char *content)
{
    g_autofree char *text = g_strdup_printf(
        "<model xmlns='https://vferry.org/ns/model/1' id='%s'>%s</model>", id, content);
    g_autoptr(GError) error = NULL;
    VfModel *model = vf_model_parse(text, -1, id, &error);

    g_assert_no_error(error);
    return model;
}

static inline VfModel *
shipped(const char *name)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "models", name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    VfModel *model;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    model = vf_model_parse(text, -1, path, &error);
    g_assert_no_error(error);
    return model;
}

static inline void
set_values(GPtrArray *list, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "; ", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        char *equals = strchr(parts[i], '=');
        if (equals != NULL)
            *equals = '\0';
        if (parts[i][0] != '\0')
            vf_value_list_set(list, parts[i], equals != NULL ? equals + 1 : NULL, NULL);
    }
}

static inline GPtrArray *
values_of(const char *text)
{
    GPtrArray *list = vf_value_list_new();

    set_values(list, text);
    return list;
}

/* The reverse of values_of(), with a separator behind each. */
static inline char *
text_of(GPtrArray *list)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < list->len; i++) {
        const VfValue *value = list->pdata[i];
        g_string_append_printf(text, "%s%s%s; ", value->name, value->value != NULL ? "=" : "",
                               value->value ?: "");
    }
    return g_string_free(text, FALSE);
}

/* As a document would say it: nothing is left out. @model_id may be "id@version". */
static inline VfRequirement *
requirement_from(const char *model_id, const char *values)
{
    g_auto(GStrv) parts = g_strsplit(model_id, "@", 2);
    VfRequirement *requirement = vf_requirement_new(parts[0], NULL);

    requirement->version = g_strdup(parts[1]);
    set_values(requirement->values, values);
    return requirement;
}

static inline const VfReportLine *
find_line(const VfReport *report, const char *name)
{
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        if (g_strcmp0(line->name, name) == 0)
            return line;
    }
    return NULL;
}

/* The report survives its own format. */
static inline void
assert_report_round_trip(const VfReport *report)
{
    g_autofree char *text = vf_report_format(report);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfReport) again = vf_report_parse(text, -1, NULL, &error);
    g_autofree char *twice = NULL;

    g_assert_no_error(error);
    assert_valid(text, "report");
    twice = vf_report_format(again);
    g_assert_cmpstr(text, ==, twice);
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *left = report->lines->pdata[i];
        const VfReportLine *right = again->lines->pdata[i];
        g_assert_cmpint(left->verdict, ==, right->verdict);
        g_assert_cmpint(left->subject, ==, right->subject);
        g_assert_cmpint(left->overridable, ==, right->overridable);
    }
}

/* "incompatible: ports value-differs"; that the models are the same is left out. */
static inline char *
summarize(const VfReport *report)
{
    static const char *const subjects[] = {"model", "schema", "version", "parameter", "constraint"};
    GString *text = g_string_new(vf_report_verdict_to_string(report->verdict));
    const char *separator = ": ";

    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        if (line->subject == VF_REPORT_MODEL && g_str_equal(line->code, "matches"))
            continue;
        g_string_append_printf(text, "%s%s %s", separator,
                               line->name != NULL ? line->name : subjects[line->subject],
                               line->code);
        separator = ", ";
    }
    return g_string_free(text, FALSE);
}

/* The report; checked against the verdict alone and its own lines, and written and read. */
static inline VfReport *
compare(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
        char *const *settable)
{
    VfReport *report = vf_compare_requirement(requirement, model, known, settable);
    VfVerdict worst = VF_VERDICT_IDENTICAL;

    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        g_assert_cmpint(line->verdict, ==, vf_report_code_verdict(line->code));
        g_assert_cmpstr(line->sentence, !=, "");
        worst = vf_report_worse_verdict(worst, line->verdict);
    }
    g_assert_cmpint(report->verdict, ==, worst);
    g_assert_cmpint(vf_compare_verdict(requirement, model, known, settable), ==, worst);
    assert_report_round_trip(report);
    return report;
}

/* @settable: names with spaces between them, nullable. */
static inline char *
answer(const VfRequirement *requirement, const VfModel *model, const char *known,
       const char *settable)
{
    g_autoptr(GPtrArray) values = values_of(known);
    g_auto(GStrv) names = g_strsplit(settable != NULL ? settable : "", " ", -1);
    g_autoptr(VfReport) report =
        compare(requirement, model, values, settable != NULL ? names : NULL);

    return summarize(report);
}

static inline void
assert_answer(const char *row, const VfRequirement *requirement, const VfModel *model,
              const char *known, const char *settable, const char *expected)
{
    g_autofree char *got = answer(requirement, model, known, settable);

    if (!g_str_equal(got, expected))
        g_error("%s: “%s”, but expected “%s”", row, got, expected);
}
