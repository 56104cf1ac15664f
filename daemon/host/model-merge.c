/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-merge.h"

#include "model-id.h"
#include "model-union.h"

/* More offers than these would help nobody to choose. */
#define SPLIT_MAX 64
#define ID_MAX 255

static gboolean
is_kernels(const VfModel *model)
{
    return g_str_equal(model->source, VF_MODEL_SOURCE_KERNEL);
}

static gboolean
has_id(gconstpointer model, gconstpointer id)
{
    return g_str_equal(((const VfModel *)model)->id, id);
}

void
vf_host_models_add(VfCapabilities *host, VfModel *model)
{
    g_autoptr(GError) error = NULL;
    VfModel *there, *both;
    guint at;

    if (!g_ptr_array_find_with_equal_func(host->models, model->id, has_id, &at)) {
        vf_capabilities_add_model(host, model);
        return;
    }
    there = host->models->pdata[at];
    if (g_str_equal(there->digest, model->digest) || !is_kernels(there) || !is_kernels(model))
        return;
    both = vf_model_union(there, model, &error);
    if (!both) {
        g_debug("%s", error->message);
        return;
    }
    vf_model_unref(there);
    host->models->pdata[at] = both;
}

void
vf_host_models_fit_values(GPtrArray *values, const VfModel *own, const VfModel *whole)
{
    for (guint i = 0; whole != own && i < whole->parameters->len; i++) {
        const VfParameter *parameter = whole->parameters->pdata[i];

        if (parameter->off && !vf_model_find_parameter(own, parameter->name) &&
            !vf_value_list_find(values, parameter->name))
            vf_value_list_set(values, parameter->name, parameter->off, VF_EVIDENCE_OFF);
    }
}

/* --- offers --- */

static void
forget_settable(VfCapabilitiesOffer *offer, const char *name)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    for (guint i = 0; offer->settable && offer->settable[i]; i++)
        if (!g_str_equal(offer->settable[i], name))
            g_strv_builder_add(names, offer->settable[i]);
    g_strfreev(offer->settable);
    offer->settable = g_strv_builder_end(names);
}

static void
fix(VfCapabilitiesOffer *offer, const char *name, const char *value)
{
    forget_settable(offer, name);
    vf_value_list_set(offer->values, name, value, VF_EVIDENCE_MDEV_TYPE);
}

static VfCapabilitiesOffer *
copy_offer(const VfCapabilitiesOffer *offer, const char *value)
{
    g_autofree char *segment = vf_model_id_escape_segment(value, NULL);
    g_autofree char *id = segment ? g_strconcat(offer->id, "/", segment, NULL) : NULL;
    VfCapabilitiesOffer *copy = id && strlen(id) <= ID_MAX ? vf_capabilities_offer_new(id) : NULL;

    if (!copy)
        return NULL;
    copy->model = g_strdup(offer->model);
    copy->type = g_strdup(offer->type);
    copy->left = offer->left;
    copy->usable_by = g_strdupv(offer->usable_by);
    copy->settable = g_strdupv(offer->settable);
    g_ptr_array_unref(copy->values);
    copy->values = vf_value_list_copy(offer->values);
    return copy;
}

/* A list of values can be offered one by one; of a narrower range we say nothing, and a comparison
 * does not know. */
static gboolean
can_split(const VfParameter *parameter)
{
    return !parameter->ranges && parameter->allowed &&
           g_strv_length(parameter->allowed) <= SPLIT_MAX;
}

static void
split(GPtrArray *offers, const VfCapabilitiesOffer *offer, const VfParameter *parameter)
{
    for (guint i = 0; parameter->allowed[i]; i++) {
        VfCapabilitiesOffer *copy = copy_offer(offer, parameter->allowed[i]);

        if (!copy)
            continue;
        fix(copy, parameter->name, parameter->allowed[i]);
        g_ptr_array_add(offers, copy);
    }
}

/* Fixes what the type fixes; returns the one parameter to split by, if any. */
static const VfParameter *
narrow(VfCapabilitiesOffer *offer, const VfModel *own, const VfModel *whole)
{
    const VfParameter *choice = NULL;

    for (guint i = 0; i < own->parameters->len; i++) {
        const VfParameter *part = own->parameters->pdata[i];
        gboolean narrower;
        const char *only =
            vf_model_union_only_value(part, vf_model_find_parameter(whole, part->name), &narrower);

        if (only)
            fix(offer, part->name, only);
        if (!narrower)
            continue;
        forget_settable(offer, part->name);
        if (!choice && can_split(part))
            choice = part;
    }
    return choice;
}

void
vf_host_models_take_offer(GPtrArray *offers, VfCapabilitiesOffer *offer, const VfModel *own,
                          const VfModel *whole)
{
    const VfParameter *choice = NULL;

    if (is_kernels(own) && is_kernels(whole)) {
        choice = narrow(offer, own, whole);
        vf_host_models_fit_values(offer->values, own, whole);
    }
    if (!choice) {
        g_ptr_array_add(offers, offer);
        return;
    }
    split(offers, offer, choice);
    vf_capabilities_offer_free(offer);
}

GPtrArray *
vf_host_models_of_kernel(VfRegistry *registry)
{
    g_autoptr(VfCapabilities) host = vf_capabilities_new("");
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(registry);

    for (guint i = 0; i < parents->len; i++) {
        GPtrArray *types = vf_parent_get_types(parents->pdata[i]);

        for (guint j = 0; j < types->len; j++) {
            const VfParentType *type = types->pdata[j];

            if (type->model && is_kernels(type->model))
                vf_host_models_add(host, type->model);
        }
    }
    return g_ptr_array_ref(host->models);
}
