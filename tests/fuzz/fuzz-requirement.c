/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "fuzz-xml.h"
#include "xml/host/capabilities.h"
#include "xml/model/model-make.h"
#include "xml/text/document.h"

/* Requirements and reports: and every requirement of the input is compared with every model in it,
 * on a destination that has what another requirement says, or what an offer does. */

typedef struct {
    GPtrArray *models;
    GPtrArray *requirements;
    GPtrArray *capabilities;
} Input;

static void
parse_report(const FuzzDocument *document)
{
    GError *error = NULL;
    g_autoptr(VfReport) report =
        vf_report_parse(document->text, (gssize)document->size, FUZZ_WHERE, &error);
    g_autoptr(VfReport) again = NULL;
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;

    if (report == NULL) {
        fuzz_take_error(error, VFERRY_ERROR_INVALID_XML);
        return;
    }
    once = vf_report_format(report);
    if (strlen(once) > VF_DOCUMENT_SIZE_MAX)
        return;
    again = vf_report_parse(once, -1, NULL, NULL);
    FUZZ_RULE(again != NULL);
    twice = vf_report_format(again);
    FUZZ_RULE(g_str_equal(once, twice));
    vf_report_check(report, NULL);
}

static void
take(GPtrArray *array, gpointer object, GError *error)
{
    if (object != NULL)
        g_ptr_array_add(array, object);
    else
        fuzz_take_error(error, VFERRY_ERROR_INVALID_XML);
}

static void
parse(Input *input, const FuzzDocument *document)
{
    const char *text = document->text;
    gssize size = (gssize)document->size;
    GError *error = NULL;
    gpointer object;

    if (fuzz_is_about(document, "model")) {
        object = vf_model_parse(text, size, FUZZ_WHERE, &error);
        take(input->models, object, error);
    } else if (fuzz_is_about(document, "capabilities")) {
        object = vf_capabilities_parse(text, size, FUZZ_WHERE, &error);
        take(input->capabilities, object, error);
    } else if (fuzz_is_about(document, "report")) {
        parse_report(document);
    } else {
        object = vf_requirement_parse(text, size, FUZZ_WHERE, &error);
        take(input->requirements, object, error);
    }
}

static void
compare_with_model(const Input *input, const VfRequirement *requirement, const VfModel *model)
{
    g_auto(GStrv) settable = vf_model_settable_names(model);

    if (model->extends != NULL)
        return;
    for (guint i = 0; i < input->requirements->len; i++) {
        const VfRequirement *other = input->requirements->pdata[i];
        fuzz_compare(requirement, model, other->values, NULL);
        fuzz_compare(requirement, model, other->values, settable);
    }
}

static void
compare_with_offers(const VfRequirement *requirement, const VfCapabilities *capabilities)
{
    for (guint i = 0; i < capabilities->parents->len; i++) {
        const VfCapabilitiesParent *parent = capabilities->parents->pdata[i];

        for (guint j = 0; j < parent->offers->len; j++) {
            const VfCapabilitiesOffer *offer = parent->offers->pdata[j];
            VfModel *model = offer->model != NULL
                                 ? vf_capabilities_find_model(capabilities, offer->model)
                                 : NULL;
            if (model != NULL)
                fuzz_compare(requirement, model, offer->values, offer->settable);
            else
                FUZZ_RULE(vf_compare_verdict(requirement, NULL, offer->values, NULL) ==
                          VF_VERDICT_INCOMPATIBLE);
        }
    }
}

static void
compare(const Input *input)
{
    for (guint i = 0; i < input->requirements->len; i++) {
        const VfRequirement *requirement = input->requirements->pdata[i];

        fuzz_check_requirement(requirement);
        for (guint j = 0; j < input->models->len; j++)
            compare_with_model(input, requirement, input->models->pdata[j]);
        for (guint j = 0; j < input->capabilities->len; j++)
            compare_with_offers(requirement, input->capabilities->pdata[j]);
    }
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GPtrArray) models = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
    g_autoptr(GPtrArray) requirements =
        g_ptr_array_new_with_free_func((GDestroyNotify)vf_requirement_unref);
    g_autoptr(GPtrArray) capabilities =
        g_ptr_array_new_with_free_func((GDestroyNotify)vf_capabilities_free);
    Input input = {models, requirements, capabilities};
    FuzzDocument documents[FUZZ_DOCUMENTS_MAX];
    guint n = fuzz_split(data, size, documents);

    fuzz_be_quiet();
    for (guint i = 0; i < n; i++)
        parse(&input, &documents[i]);
    compare(&input);
    return 0;
}
