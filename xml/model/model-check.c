/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-check.h"

#include <glib/gi18n-lib.h>

#include "error.h"

/* Values that are tried for one combination that satisfies all constraints: the models that there
 * are need a few. */
#define SATISFIABLE_STEPS 4096

static gboolean fail(const VfModel *self, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
fail(const VfModel *self, GError **error, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_XML, _("the model %s: %s"), self->id,
                message);
    return FALSE;
}

static const VfParameter *
need_parameter(const VfModel *self, const char *name, GError **error)
{
    const VfParameter *parameter = vf_model_find_parameter(self, name);

    if (!parameter)
        fail(self, error, _("there is no parameter “%s”"), name);
    return parameter;
}

static gboolean
test_suits(VfConditionTest test, VfParameterType type)
{
    switch (test) {
    case VF_CONDITION_AT_LEAST:
    case VF_CONDITION_AT_MOST:
        return type == VF_PARAMETER_INT || type == VF_PARAMETER_SIZE || type == VF_PARAMETER_ENUM ||
               type == VF_PARAMETER_BOOL;
    case VF_CONDITION_HAS:
        return type == VF_PARAMETER_SET || type == VF_PARAMETER_BITMASK;
    case VF_CONDITION_IS:
    case VF_CONDITION_IS_NOT:
    default:
        return TRUE;
    }
}

static gboolean
finish_conditions(const VfModel *self, GPtrArray *conditions, GError **error)
{
    for (guint i = 0; i < conditions->len; i++) {
        VfCondition *condition = conditions->pdata[i];
        const VfParameter *parameter = need_parameter(self, condition->parameter, error);
        g_autoptr(GError) cause = NULL;
        char *canonical;

        if (!parameter)
            return FALSE;
        if (!test_suits(condition->test, parameter->type))
            return fail(self, error, _("the test %s cannot be made with %s, a %s"),
                        vf_condition_test_to_string(condition->test), parameter->name,
                        vf_parameter_type_to_string(parameter->type));
        /* an order is defined between the values of an enum alone; a number may be any bound */
        canonical = parameter->type == VF_PARAMETER_ENUM
                        ? vf_parameter_check_value(parameter, condition->value, &cause)
                        : vf_parameter_canonicalize(parameter, condition->value, &cause);
        if (!canonical)
            return fail(self, error, "%s", cause->message);
        g_free(condition->value);
        condition->value = canonical;
    }
    return TRUE;
}

static gboolean
finish_version(const VfModel *self, VfVersion *version, GError **error)
{
    /* a document says one or the other; a model and its base may not agree */
    if (self->version_parameter && version->values->len > 0)
        return fail(self, error, _("version %s has values, but %s has the version"), version->name,
                    self->version_parameter);
    if (!self->version_parameter && version->loads)
        return fail(self, error,
                    _("version %s says what it loads, but no parameter has the version"),
                    version->name);

    for (guint i = 0; i < version->values->len; i++) {
        VfValue *value = version->values->pdata[i];
        const VfParameter *parameter = need_parameter(self, value->name, error);
        g_autoptr(GError) cause = NULL;
        char *canonical;

        if (!parameter)
            return FALSE;
        canonical = vf_parameter_check_value(parameter, value->value, &cause);
        if (!canonical)
            return fail(self, error, _("version %s: %s"), version->name, cause->message);
        g_free(value->value);
        value->value = canonical;
    }

    for (guint i = 0; version->loads != NULL && version->loads[i] != NULL; i++)
        if (!vf_model_find_version(self, version->loads[i]))
            return fail(self, error, _("version %s loads “%s”, which is no version"), version->name,
                        version->loads[i]);
    return TRUE;
}

/* Every version is a value of the parameter, and every value a version. */
static gboolean
check_version_parameter(const VfModel *self, GError **error)
{
    const VfParameter *parameter = need_parameter(self, self->version_parameter, error);

    if (!parameter)
        return FALSE;
    if (parameter->type != VF_PARAMETER_ENUM)
        return fail(self, error, _("%s has the version, so it must be an enum"), parameter->name);
    for (guint i = 0; i < self->versions->len; i++) {
        const VfVersion *version = self->versions->pdata[i];
        if (!vf_parameter_allows(parameter, version->name))
            return fail(self, error, _("version %s is no allowed value of %s"), version->name,
                        parameter->name);
    }
    for (guint i = 0; parameter->allowed[i] != NULL; i++)
        if (!vf_model_find_version(self, parameter->allowed[i]))
            return fail(self, error, _("the value %s of %s is not among the versions"),
                        parameter->allowed[i], parameter->name);
    return TRUE;
}

/* What a document keeps to and a model together with its base may not. */
static gboolean
check_counts(const VfModel *self, GError **error)
{
    guint conditions = 0;

    for (guint i = 0; i < self->constraints->len; i++) {
        const VfConstraint *constraint = self->constraints->pdata[i];
        conditions += constraint->when->len + constraint->then->len;
    }

    if (self->parameters->len > VF_MODEL_PARAMETERS_MAX)
        return fail(self, error, _("there are %u parameters, but at most %d are accepted"),
                    self->parameters->len, VF_MODEL_PARAMETERS_MAX);
    if (self->constraints->len > VF_MODEL_CONSTRAINTS_MAX)
        return fail(self, error, _("there are %u constraints, but at most %d are accepted"),
                    self->constraints->len, VF_MODEL_CONSTRAINTS_MAX);
    if (conditions > VF_MODEL_CONDITIONS_MAX)
        return fail(self, error, _("there are %u conditions, but at most %d are accepted"),
                    conditions, VF_MODEL_CONDITIONS_MAX);
    if (self->versions->len > VF_MODEL_VERSIONS_MAX)
        return fail(self, error, _("there are %u versions, but at most %d are accepted"),
                    self->versions->len, VF_MODEL_VERSIONS_MAX);
    return TRUE;
}

gboolean
vf_model_finish(VfModel *self, GError **error)
{
    if (!check_counts(self, error))
        return FALSE;
    for (guint i = 0; i < self->constraints->len; i++) {
        const VfConstraint *constraint = self->constraints->pdata[i];

        if (!finish_conditions(self, constraint->when, error) ||
            !finish_conditions(self, constraint->then, error))
            return FALSE;
    }
    for (guint i = 0; i < self->versions->len; i++)
        if (!finish_version(self, self->versions->pdata[i], error))
            return FALSE;
    return !self->version_parameter || check_version_parameter(self, error);
}

static const char *
lookup_init(const VfParameter *parameter, gpointer data)
{
    return parameter->init;
}

static const char *
lookup_off(const VfParameter *parameter, gpointer data)
{
    return parameter->off;
}

/* A version's own value, else what the parameter has when switched off. */
static const char *
lookup_version(const VfParameter *parameter, gpointer data)
{
    const VfVersion *version = data;
    const VfValue *value = vf_value_list_find(version->values, parameter->name);

    return value ? value->value : parameter->off;
}

/* @whose: "the initial values". */
static gboolean
check_values(const VfModel *self, VfConstraintLookup lookup, gpointer data, const char *whose,
             GError **error)
{
    for (guint i = 0; i < self->constraints->len; i++) {
        const VfConstraint *constraint = self->constraints->pdata[i];
        g_autofree char *name = NULL;

        if (vf_constraint_check(constraint, self->parameters, lookup, data) != VF_TRUTH_NO)
            continue;
        name = constraint->description ? g_strdup(constraint->description)
                                       : vf_condition_describe(constraint->then->pdata[0]);
        return fail(self, error, _("%s break the constraint “%s”"), whose, name);
    }
    return TRUE;
}

gboolean
vf_model_check_constraints(const VfModel *self, GError **error)
{
    if (!check_values(self, lookup_init, NULL, _("the initial values"), error) ||
        !check_values(self, lookup_off, NULL, _("the values that are off"), error))
        return FALSE;
    for (guint i = 0; !self->version_parameter && i < self->versions->len; i++) {
        VfVersion *version = self->versions->pdata[i];
        g_autofree char *whose = g_strdup_printf(_("the values of version %s"), version->name);

        if (!check_values(self, lookup_version, version, whose, error))
            return FALSE;
    }
    if (vf_constraint_satisfiable(self->constraints, self->parameters, SATISFIABLE_STEPS) !=
        VF_TRUTH_NO)
        return TRUE;
    return fail(self, error, _("the constraints contradict each other: no values satisfy all"));
}
