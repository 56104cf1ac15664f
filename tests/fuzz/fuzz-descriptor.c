/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fuzz-xml.h"
#include "xml/model/model-make.h"

/* Descriptors: each is parsed, compared with itself, and put upon every other one of the input. */

/* The first value that a parameter can have for sure, as far as its author says. */
static const char *
some_value(const VfParameter *parameter)
{
    if (parameter->init != NULL)
        return parameter->init;
    return parameter->allowed != NULL && parameter->type != VF_PARAMETER_SET ? parameter->allowed[0]
                                                                             : parameter->off;
}

static GPtrArray *
some_values(const VfModel *model)
{
    GPtrArray *values = vf_value_list_new();

    for (guint i = 0; i < model->parameters->len; i++) {
        const VfParameter *parameter = model->parameters->pdata[i];
        vf_value_list_set(values, parameter->name, some_value(parameter), NULL);
    }
    return values;
}

static gboolean
breaks_constraints(const VfModel *model, GPtrArray *values)
{
    for (guint i = 0; i < model->constraints->len; i++)
        if (vf_model_check_constraint(model, model->constraints->pdata[i], values) == VF_TRUTH_NO)
            return TRUE;
    return FALSE;
}

/* A device that its descriptor allows fits itself, or nobody knows. */
static void
compare_with_itself(const VfModel *model)
{
    g_autoptr(GPtrArray) values = some_values(model);
    g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(model, values);
    g_auto(GStrv) settable = vf_model_settable_names(model);
    VfVerdict verdict = fuzz_compare(requirement, model, values, NULL);

    fuzz_check_requirement(requirement);
    FUZZ_RULE(verdict != VF_VERDICT_SUPERSET);
    if (model->not_migratable == NULL && !breaks_constraints(model, values))
        FUZZ_RULE(verdict != VF_VERDICT_INCOMPATIBLE);
    fuzz_compare(requirement, model, values, settable);
}

static void
compare_versions(const VfModel *model)
{
    g_autoptr(GPtrArray) none = vf_value_list_new();
    g_auto(GStrv) settable = vf_model_settable_names(model);

    for (guint i = 0; i < model->versions->len && i < 4; i++) {
        const VfVersion *version = model->versions->pdata[i];
        g_autoptr(VfRequirement) said = vf_requirement_new_for_version(model, version->name, NULL);
        g_autoptr(VfRequirement) named = vf_requirement_new(model->id, NULL);

        FUZZ_RULE(said != NULL);
        fuzz_check_requirement(said);
        named->version = g_strdup(version->name);
        fuzz_check_requirement(named);
        fuzz_compare(said, model, none, settable);
        fuzz_compare(named, model, none, settable);
        fuzz_compare(named, model, version->values, NULL);
    }
}

static void
check(const VfModel *model)
{
    fuzz_check_model(model);
    vf_model_matches_mdev(model, "card", "card-1");
    vf_model_matches_program(model, "/usr/libexec/my-nic-2");
    if (model->extends != NULL)
        return;
    compare_with_itself(model);
    compare_versions(model);
}

static void
extend(const VfModel *model, const VfModel *base)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) whole = NULL;

    if (base->extends != NULL)
        return;
    whole = vf_model_extend(model, base, &error);
    FUZZ_RULE((whole == NULL) == (error != NULL));
    if (whole == NULL)
        return;
    FUZZ_RULE(whole->extends == NULL);
    FUZZ_RULE(whole->constraints->len == model->constraints->len + base->constraints->len);
    check(whole);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GPtrArray) models = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
    FuzzDocument documents[FUZZ_DOCUMENTS_MAX];
    guint n = fuzz_split(data, size, documents);

    fuzz_be_quiet();
    for (guint i = 0; i < n; i++) {
        GError *error = NULL;
        VfModel *model =
            vf_model_parse(documents[i].text, (gssize)documents[i].size, FUZZ_WHERE, &error);
        if (model != NULL)
            g_ptr_array_add(models, model);
        else
            fuzz_take_error(error, VFERRY_ERROR_INVALID_XML);
    }
    for (guint i = 0; i < models->len; i++) {
        check(models->pdata[i]);
        for (guint j = 0; j < models->len; j++)
            if (i != j)
                extend(models->pdata[i], models->pdata[j]);
    }
    return 0;
}
