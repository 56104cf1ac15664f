/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fuzz-xml.h"

#include <string.h>

#include "xml/host/capabilities.h"
#include "xml/model/model-make.h"
#include "xml/model/model-xml.h"
#include "xml/model/settings.h"
#include "xml/text/document.h"

#define MESSAGE_MAX 2048
#define HOST "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

guint
fuzz_split(const guint8 *data, gsize size, FuzzDocument documents[FUZZ_DOCUMENTS_MAX])
{
    guint n = 0;

    while (n < FUZZ_DOCUMENTS_MAX) {
        const guint8 *end = size > 0 ? memchr(data, 0, size) : NULL;
        gsize length = end != NULL ? (gsize)(end - data) : size;

        documents[n++] = (FuzzDocument){(const char *)data, length};
        if (end == NULL)
            break;
        data += length + 1;
        size -= length + 1;
    }
    return n;
}

gboolean
fuzz_is_about(const FuzzDocument *document, const char *name)
{
    g_autofree char *ns = g_strconcat("/ns/", name, "/", NULL);

    return document->size > 0 && g_strstr_len(document->text, (gssize)document->size, ns) != NULL;
}

void
fuzz_take_error(GError *error, VferryError code)
{
    FUZZ_RULE(error != NULL && error->domain == VFERRY_ERROR);
    FUZZ_RULE(error->code == (int)code || error->code == VFERRY_ERROR_LIMIT_EXCEEDED);
    FUZZ_RULE(g_str_has_prefix(error->message, FUZZ_WHERE ":"));
    FUZZ_RULE(strlen(error->message) < MESSAGE_MAX);
    FUZZ_RULE(g_utf8_validate(error->message, -1, NULL));
    for (const char *at = error->message; *at; at = g_utf8_next_char(at))
        FUZZ_RULE(!g_unichar_iscntrl(g_utf8_get_char(at)));
    g_error_free(error);
}

/* What another host learns of it means the same there. */
static void
check_schema(const VfModel *model)
{
    g_autoptr(VfCapabilities) capabilities = vf_capabilities_new(HOST);
    g_autoptr(VfCapabilities) there = NULL;
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;
    const VfModel *found;

    vf_capabilities_add_model(capabilities, (VfModel *)model);
    once = vf_capabilities_format(capabilities);
    there = vf_capabilities_parse(once, -1, NULL, NULL);
    FUZZ_RULE(there != NULL);
    found = vf_capabilities_find_model(there, model->id);
    FUZZ_RULE(found != NULL && g_str_equal(found->digest, model->digest));
    twice = vf_capabilities_format(there);
    FUZZ_RULE(g_str_equal(once, twice));
}

void
fuzz_check_model(const VfModel *model)
{
    g_autofree char *once = vf_model_format(model);
    g_autofree char *twice = NULL;
    g_autoptr(VfModel) again = NULL;

    if (strlen(once) > VF_DOCUMENT_SIZE_MAX)
        return;
    again = vf_model_parse(once, -1, NULL, NULL);
    FUZZ_RULE(again != NULL);
    twice = vf_model_format(again);
    FUZZ_RULE(g_str_equal(once, twice));
    FUZZ_RULE(g_str_equal(model->digest, again->digest));
    if (model->extends == NULL)
        check_schema(model);
}

void
fuzz_check_requirement(const VfRequirement *requirement)
{
    g_autofree char *once = vf_requirement_format(requirement);
    g_autofree char *twice = NULL;
    g_autoptr(VfRequirement) again = NULL;

    if (strlen(once) > VF_DOCUMENT_SIZE_MAX)
        return;
    again = vf_requirement_parse(once, -1, NULL, NULL);
    FUZZ_RULE(again != NULL);
    twice = vf_requirement_format(again);
    FUZZ_RULE(g_str_equal(once, twice));
}

/* The report can be sent, and what comes out there says the same. */
static void
check_report(const VfReport *report)
{
    g_autofree char *once = vf_report_format(report);
    g_autofree char *twice = NULL;
    g_autoptr(VfReport) again = NULL;
    g_autoptr(GError) error = NULL;
    gboolean fits =
        report->verdict == VF_VERDICT_IDENTICAL || report->verdict == VF_VERDICT_SUPERSET;

    FUZZ_RULE(vf_report_check(report, &error) == fits);
    FUZZ_RULE(fits ||
              error->code == (report->verdict == VF_VERDICT_UNKNOWN ? VFERRY_ERROR_UNKNOWN
                                                                    : VFERRY_ERROR_INCOMPATIBLE));
    FUZZ_RULE(!fits || !vf_report_can_override(report));
    if (strlen(once) > VF_DOCUMENT_SIZE_MAX)
        return;
    again = vf_report_parse(once, -1, NULL, NULL);
    FUZZ_RULE(again != NULL);
    FUZZ_RULE(again->verdict == report->verdict);
    FUZZ_RULE(vf_report_can_override(again) == vf_report_can_override(report));
    twice = vf_report_format(again);
    FUZZ_RULE(g_str_equal(once, twice));
}

/* What a destination has once it was given all that it is to be given. */
static GPtrArray *
give(GPtrArray *known, GPtrArray *given)
{
    GPtrArray *values = vf_value_list_copy(known);

    for (guint i = 0; i < given->len; i++) {
        const VfValue *value = given->pdata[i];
        vf_value_list_set(values, value->name, value->value, NULL);
    }
    return values;
}

/* A yes holds when the new device is compared again with what was read back from it. */
static void
check_promise(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
              char *const *settable, VfVerdict verdict)
{
    g_autoptr(GPtrArray) given = vf_compare_values_to_give(requirement, model, known, settable);
    g_autoptr(GPtrArray) settings = vf_model_settings(model, given, NULL);
    g_autoptr(GPtrArray) values = give(known, given);

    FUZZ_RULE(settings != NULL);
    if (verdict == VF_VERDICT_IDENTICAL || verdict == VF_VERDICT_SUPERSET)
        FUZZ_RULE(vf_compare_verdict(requirement, model, values, NULL) == verdict);
}

VfVerdict
fuzz_compare(const VfRequirement *requirement, const VfModel *model, GPtrArray *known,
             char *const *settable)
{
    VfVerdict verdict = vf_compare_verdict(requirement, model, known, settable);
    g_autoptr(VfReport) report = vf_compare_requirement(requirement, model, known, settable);
    VfVerdict worst = VF_VERDICT_IDENTICAL;

    FUZZ_RULE(report->verdict == verdict);
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        FUZZ_RULE(line->verdict == vf_report_code_verdict(line->code));
        worst = vf_report_worse_verdict(worst, line->verdict);
    }
    FUZZ_RULE(worst == verdict);
    check_report(report);
    if (settable != NULL && vf_model_is(model, requirement->model))
        check_promise(requirement, model, known, settable, verdict);
    return verdict;
}
