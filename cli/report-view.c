/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "report-view.h"

#include <glib/gi18n-lib.h>

#include "json.h"
#include "model-view.h"
#include "table.h"
#include "text-view.h"

VfStyle
vf_report_view_style(VfVerdict verdict)
{
    switch (verdict) {
    case VF_VERDICT_IDENTICAL:
    case VF_VERDICT_SUPERSET:
        return VF_STYLE_GOOD;
    case VF_VERDICT_UNKNOWN:
        return VF_STYLE_WARN;
    case VF_VERDICT_INCOMPATIBLE:
    default:
        return VF_STYLE_BAD;
    }
}

VfExit
vf_report_view_exit(VfVerdict verdict)
{
    switch (verdict) {
    case VF_VERDICT_IDENTICAL:
    case VF_VERDICT_SUPERSET:
        return VF_EXIT_DONE;
    case VF_VERDICT_UNKNOWN:
        return VF_EXIT_UNKNOWN;
    case VF_VERDICT_INCOMPATIBLE:
    default:
        return VF_EXIT_FAILED;
    }
}

/* As in the report's document. */
static const char *
subject_name(VfReportSubject subject)
{
    static const char *const names[] = {
        [VF_REPORT_MODEL] = "model",           [VF_REPORT_SCHEMA] = "schema",
        [VF_REPORT_VERSION] = "version",       [VF_REPORT_PARAMETER] = "parameter",
        [VF_REPORT_CONSTRAINT] = "constraint", [VF_REPORT_CONSUMER] = "consumer",
    };

    return names[subject];
}

JsonObject *
vf_report_view_json(const VfReport *report)
{
    JsonObject *object = json_object_new();
    JsonArray *lines = json_array_new();

    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        JsonObject *one = json_object_new();

        json_object_set_string_member(one, "subject", subject_name(line->subject));
        vf_json_set_text(one, "name", line->name);
        vf_json_set_text(one, "source", line->source);
        vf_json_set_text(one, "destination", line->destination);
        vf_json_set_text(one, "compare", line->compare);
        json_object_set_string_member(one, "code", line->code);
        json_object_set_string_member(one, "verdict", vf_report_verdict_to_string(line->verdict));
        json_object_set_boolean_member(one, "overridable", line->overridable);
        json_object_set_string_member(one, "sentence", line->sentence);
        json_array_add_object_element(lines, one);
    }
    json_object_set_string_member(object, "verdict", vf_report_verdict_to_string(report->verdict));
    json_object_set_boolean_member(object, "overridable", vf_report_can_override(report));
    json_object_set_array_member(object, "lines", lines);
    if (report->override)
        json_object_set_string_member(object, "override", report->override);
    return object;
}

void
vf_report_view_print(const VfReport *report, gboolean colour)
{
    const char *titles[] = {_("NAME"), _("SOURCE"), _("DESTINATION"), _("RULE"), _("CODE"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];

        vf_table_add(table, line->name ? line->name : subject_name(line->subject));
        vf_table_add(table, line->source);
        vf_table_add(table, line->destination);
        vf_table_add(table, line->compare);
        vf_table_add_styled(table, line->code, vf_report_view_style(line->verdict));
    }
    text = vf_table_format(table, colour);
    g_print("%s", text);
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        g_autofree char *sentence = vf_text_printable(line->sentence);

        if (line->verdict != VF_VERDICT_IDENTICAL ||
            g_strcmp0(line->code, VF_REPORT_CODE_DIGEST_DIFFERS) == 0)
            g_print("%s\n", sentence);
    }
}

JsonObject *
vf_report_view_requirement_json(const VfRequirement *requirement)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "model", requirement->model);
    vf_json_set_text(object, "digest", requirement->digest);
    vf_json_set_text(object, "version", requirement->version);
    json_object_set_member(object, "parameters", vf_model_view_values_json(requirement->values));
    return object;
}

char *
vf_report_view_requirement(const VfRequirement *requirement)
{
    g_autoptr(GString) text = g_string_new(requirement->model);

    if (requirement->version)
        g_string_append_printf(text, " %s", requirement->version);
    for (guint i = 0; i < requirement->values->len; i++) {
        const VfValue *value = requirement->values->pdata[i];

        g_string_append_printf(text, "%s%s=%s", i == 0 ? " (" : ",", value->name,
                               value->value ? value->value : "?");
    }
    if (requirement->values->len > 0)
        g_string_append_c(text, ')');
    return vf_text_printable(text->str);
}
