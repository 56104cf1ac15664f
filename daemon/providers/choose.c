/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "choose.h"

#include <glib/gi18n-lib.h>

#include "compare.h"
#include "error.h"
#include "uuid.h"

typedef struct {
    const VfProvider *provider;
    VfParent *parent;
    VfParentType *type;
    VfReport *report;
} Candidate;

static void
candidate_free(gpointer data)
{
    Candidate *self = data;

    g_object_unref(self->parent);
    vf_parent_type_unref(self->type);
    g_clear_pointer(&self->report, vf_report_free);
    g_free(self);
}

/* Fitting ones first, identical before superset, then the emptiest. */
static int
candidate_compare(gconstpointer a, gconstpointer b)
{
    const Candidate *left = *(Candidate *const *)a;
    const Candidate *right = *(Candidate *const *)b;
    int rank = (int)vf_report_rank(left->report) - (int)vf_report_rank(right->report);
    guint64 room_left = vf_parent_type_left(left->type);
    guint64 room_right = vf_parent_type_left(right->type);

    return rank ? rank : room_left == room_right ? 0 : room_left > room_right ? -1 : 1;
}

/* Every type of the requirement's model that the wish allows, the best first; @named: a parent or
 * type of that name exists. */
static GPtrArray *
collect(GPtrArray *providers, VfRegistry *registry, VfRequirement *requirement, const VfWish *wish,
        gboolean *named)
{
    GPtrArray *candidates = g_ptr_array_new_with_free_func(candidate_free);
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(registry);

    for (guint i = 0; i < parents->len; i++) {
        VfParent *parent = parents->pdata[i];
        const VfProvider *provider = vf_provider_find(providers, vf_parent_get_kind(parent));
        GPtrArray *types = provider ? provider->get_types(parent) : NULL;

        if (wish->parent && !g_str_equal(wish->parent, vf_parent_get_id(parent)))
            continue;
        for (guint j = 0; types && j < types->len; j++) {
            VfParentType *type = types->pdata[j];
            g_auto(GStrv) settable = NULL;
            Candidate *candidate;

            if (wish->type && !g_str_equal(wish->type, type->type))
                continue;
            *named = TRUE;
            if (!type->model || !vf_model_is(type->model, requirement->model))
                continue;
            settable = vf_model_settable_names(type->model);
            candidate = g_new0(Candidate, 1);
            candidate->provider = provider;
            candidate->parent = g_object_ref(parent);
            candidate->type = vf_parent_type_ref(type);
            candidate->report =
                vf_compare_requirement(requirement, type->model, type->values, settable);
            g_ptr_array_add(candidates, candidate);
        }
    }
    g_ptr_array_sort(candidates, candidate_compare);
    return candidates;
}

/* Who makes devices on @parent. Today only a physical function has nobody: virtual functions are
 * made all at once, for everybody, by writing sriov_numvfs. */
static const VfProvider *
need_provider(GPtrArray *providers, VfParent *parent, GError **error)
{
    const VfProvider *provider = vf_provider_find(providers, vf_parent_get_kind(parent));

    if (!provider)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("parent %s is an SR-IOV physical function, and vferry neither makes virtual "
                      "functions nor prepares those that exist"),
                    vf_parent_get_id(parent));
    return provider;
}

/* A wish that no type of the model meets. */
static void
explain_wish(GPtrArray *providers, VfRegistry *registry, const VfRequirement *requirement,
             const VfWish *wish, gboolean named, GError **error)
{
    const char *where = wish->parent ? wish->parent : _("this host");
    VfParent *parent = wish->parent ? vf_registry_find_parent(registry, wish->parent) : NULL;

    if (parent && !need_provider(providers, parent, error))
        return;
    if (wish->parent && !parent)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no parent “%s” here"),
                    wish->parent);
    else if (!named)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("%s has no type “%s”"), where,
                    wish->type ? wish->type : "*");
    else if (wish->type)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                    _("type “%s” is not of the source's model, %s"), wish->type,
                    requirement->model);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                    _("%s has no type of the source's model, %s"), where, requirement->model);
}

/* Why nothing was chosen: the best candidate's own reasons. */
static void
explain(GPtrArray *providers, VfRegistry *registry, GPtrArray *candidates,
        VfRequirement *requirement, const VfWish *wish, gboolean named, GError **error)
{
    g_autoptr(VfReport) report = NULL;
    g_autoptr(GPtrArray) nothing = NULL;
    const Candidate *best = candidates->len ? candidates->pdata[0] : NULL;

    if (best) {
        vf_report_check(best->report, error);
        g_prefix_error(error, "%s, %s: ", vf_parent_get_id(best->parent), best->type->type);
        return;
    }
    if (wish->parent || wish->type) {
        explain_wish(providers, registry, requirement, wish, named, error);
        return;
    }
    nothing = vf_value_list_new();
    report = vf_compare_requirement(requirement, NULL, nothing, NULL);
    vf_report_check(report, error);
}

/* *@id: the one spelling of the wish, or NULL for none. */
static gboolean
check_uuid(VfRegistry *registry, const char *wish, char **id, GError **error)
{
    *id = wish ? vf_uuid_normalize(wish, "uuid", error) : NULL;
    if (!wish || (*id && !vf_registry_find_device(registry, *id)))
        return TRUE;
    if (*id)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("there is a device %s already"), *id);
    return FALSE;
}

static VfPlan *
plan_new(VfParent *parent, const VfParentType *type, const char *id)
{
    VfPlan *self = g_new0(VfPlan, 1);

    self->parent = g_object_ref(parent);
    self->type = g_strdup(type->type);
    self->id = g_strdup(id);
    self->wished = id != NULL;
    return self;
}

/* What makes it what the requirement asks for, with all that the source does not have switched off.
 * What is chosen although it does not fit remembers why it does not. */
static VfPlan *
plan_for(Candidate *candidate, VfRequirement *requirement, const VfWish *wish, const char *id,
         GError **error)
{
    const VfParentType *type = candidate->type;
    g_autoptr(VfPlan) self = plan_new(candidate->parent, type, id);
    g_auto(GStrv) settable = vf_model_settable_names(type->model);
    g_autoptr(GPtrArray) values =
        vf_compare_values_to_give(requirement, type->model, type->values, settable);

    self->requirement = vf_requirement_ref(requirement);
    self->settings = vf_settings_plan(type->model, values, TRUE, error);
    if (!self->settings)
        return NULL;
    if (!vf_report_check(candidate->report, NULL)) {
        self->overridden = g_steal_pointer(&candidate->report);
        self->overridden->override = g_strdup(wish->override);
    }
    return g_steal_pointer(&self);
}

VfMaking *
vf_choose(GPtrArray *providers, VfRegistry *registry, VfRequirement *requirement,
          const VfWish *wish, GError **error)
{
    gboolean named = FALSE;
    g_autoptr(GPtrArray) candidates = collect(providers, registry, requirement, wish, &named);
    g_autofree char *id = NULL;
    g_autoptr(GError) no_room = NULL;

    if (!check_uuid(registry, wish->uuid, &id, error))
        return NULL;
    for (guint i = 0; i < candidates->len; i++) {
        Candidate *candidate = candidates->pdata[i];
        g_autoptr(VfPlan) plan = NULL;
        VfMaking *making;

        if (!vf_report_check(candidate->report, NULL) &&
            !(wish->override && vf_report_can_override(candidate->report)))
            continue;
        plan = plan_for(candidate, requirement, wish, id, error);
        if (!plan)
            return NULL;
        g_clear_error(&no_room);
        making = candidate->provider->reserve(registry, g_steal_pointer(&plan), &no_room);
        if (making)
            return making;
    }
    if (no_room)
        g_propagate_error(error, g_steal_pointer(&no_room));
    else
        explain(providers, registry, candidates, requirement, wish, named, error);
    return NULL;
}

/* Whether a device of @type is, or can be made, what @value asks for. */
static gboolean
check_wanted(const VfParentType *type, const VfValue *value, GError **error)
{
    const VfParameter *parameter =
        type->model ? vf_model_find_parameter(type->model, value->name) : NULL;
    g_autofree char *canonical = NULL;
    const char *given;

    if (!parameter) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("type “%s” has no parameter “%s” that is known here"), type->type,
                    value->name);
        return FALSE;
    }
    canonical = vf_parameter_check_value(parameter, value->value, error);
    if (!canonical)
        return FALSE;
    given = vf_reader_value_from_type(&parameter->reader, type->type);
    if (given ? g_str_equal(given, canonical) : parameter->applier != VF_APPLIER_NONE)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                _("type “%s” has %s=%s and cannot have %s=%s"), type->type, value->name,
                given ? given : "?", value->name, canonical);
    return FALSE;
}

static gboolean
check_all_wanted(const VfParentType *type, GPtrArray *values, GError **error)
{
    for (guint i = 0; i < values->len; i++)
        if (!check_wanted(type, values->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* What somebody asked for, the values in their one spelling, and nothing else. */
static VfPlan *
plan_wanted(VfParent *parent, const VfParentType *type, GPtrArray *values, const char *id,
            GError **error)
{
    g_autoptr(VfPlan) self = plan_new(parent, type, id);

    self->partial = TRUE;
    if (!type->model) {
        self->settings = g_ptr_array_new();
        return g_steal_pointer(&self);
    }
    self->requirement = vf_requirement_new(type->model->id, type->model->digest);
    for (guint i = 0; i < values->len; i++) {
        const VfValue *value = values->pdata[i];
        g_autofree char *canonical = vf_parameter_check_value(
            vf_model_find_parameter(type->model, value->name), value->value, NULL);

        vf_value_list_set(self->requirement->values, value->name, canonical, NULL);
    }
    self->settings = vf_settings_plan(type->model, self->requirement->values, FALSE, error);
    return self->settings ? g_steal_pointer(&self) : NULL;
}

static gpointer
copy_type(gconstpointer type, gpointer data)
{
    return vf_parent_type_ref((VfParentType *)type);
}

VfMaking *
vf_choose_at(GPtrArray *providers, VfRegistry *registry, VfParent *parent, const char *what,
             GPtrArray *values, const char *uuid, GError **error)
{
    const VfProvider *provider = need_provider(providers, parent, error);
    g_autoptr(GPtrArray) types = NULL;
    g_autofree char *id = NULL;
    g_autoptr(GError) why = NULL;

    if (!provider || !check_uuid(registry, uuid, &id, error))
        return NULL;
    types = g_ptr_array_copy(provider->get_types(parent), copy_type, NULL);
    for (guint i = 0; i < types->len; i++) {
        const VfParentType *type = types->pdata[i];
        g_autoptr(VfPlan) plan = NULL;
        VfMaking *making;

        if (!g_str_equal(type->type, what) && (!type->model || !g_str_equal(type->model->id, what)))
            continue;
        /* that one which fits is used up says more than why others do not fit */
        if (!check_all_wanted(type, values, why ? NULL : &why))
            continue;
        plan = plan_wanted(parent, type, values, id, error);
        if (!plan)
            return NULL;
        g_clear_error(&why);
        making = provider->reserve(registry, g_steal_pointer(&plan), &why);
        if (making)
            return making;
    }
    if (why)
        g_propagate_error(error, g_steal_pointer(&why));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("parent %s has no type “%.200s”, nor one of a model of that id"),
                    vf_parent_get_id(parent), what);
    return NULL;
}
