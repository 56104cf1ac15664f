/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-object.h"

#include "capabilities.h"
#include "options.h"

static void
insert_text(GVariantDict *dict, const char *key, const char *text)
{
    if (text)
        g_variant_dict_insert(dict, key, "s", text);
}

static GVariant *
format_ranges(GArray *ranges)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(xxt)"));
    for (guint i = 0; i < ranges->len; i++) {
        const VfRange *range = &g_array_index(ranges, VfRange, i);
        g_variant_builder_add(&builder, "(xxt)", range->min, range->max, range->step);
    }
    return g_variant_builder_end(&builder);
}

static void
insert_ranges(GVariantDict *dict, const VfParameter *parameter)
{
    const VfRange *range = &g_array_index(parameter->ranges, VfRange, 0);

    if (parameter->ranges->len > 1 || parameter->allowed) {
        g_variant_dict_insert_value(dict, "ranges", format_ranges(parameter->ranges));
        return;
    }
    g_variant_dict_insert(dict, "min", "x", range->min);
    g_variant_dict_insert(dict, "max", "x", range->max);
    g_variant_dict_insert(dict, "step", "t", range->step);
}

static void
insert_allowed(GVariantDict *dict, const VfParameter *parameter)
{
    if (parameter->allowed)
        g_variant_dict_insert(dict, "allowed", "^as", parameter->allowed);
    if (parameter->ranges)
        insert_ranges(dict, parameter);
    if (parameter->mask != G_MAXUINT64)
        g_variant_dict_insert(dict, "mask", "t", parameter->mask);
}

static GVariant *
format_parameter(const VfParameter *parameter)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    insert_text(&dict, "name", parameter->name);
    insert_text(&dict, "type", vf_parameter_type_to_string(parameter->type));
    insert_text(&dict, "compare", vf_parameter_compare_to_string(parameter->compare));
    insert_text(&dict, "unit", parameter->unit);
    insert_text(&dict, "description", parameter->description);
    insert_text(&dict, "init", parameter->init);
    insert_text(&dict, "off", parameter->off);
    g_variant_dict_insert(&dict, "enforced", "b", parameter->enforced);
    insert_allowed(&dict, parameter);
    g_variant_dict_insert(&dict, "readable", "b", parameter->reader.kind != VF_READER_NONE);
    g_variant_dict_insert(&dict, "settable", "b", parameter->applier != VF_APPLIER_NONE);
    return g_variant_dict_end(&dict);
}

static GVariant *
format_parameters(const VfModel *model)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < model->parameters->len; i++)
        g_variant_builder_add_value(&builder, format_parameter(model->parameters->pdata[i]));
    return g_variant_builder_end(&builder);
}

static gboolean
handle_get_xml(VferryModel *skeleton, GDBusMethodInvocation *invocation, GVariant *dict,
               const VfModel *model)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    if (!vf_options_end(options, &error)) {
        g_dbus_method_invocation_return_gerror(invocation, error);
        return TRUE;
    }
    xml = vf_capabilities_model_format(model);
    vferry_model_complete_get_xml(skeleton, invocation, xml);
    return TRUE;
}

static void
set_versions(VferryModel *skeleton, const VfModel *model)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < model->versions->len; i++) {
        const VfVersion *version = model->versions->pdata[i];
        g_ptr_array_add(names, version->name);
    }
    g_ptr_array_add(names, NULL);
    vferry_model_set_versions(skeleton, (const char *const *)names->pdata);
}

VferryModel *
vf_model_object_new(VfModel *model)
{
    static const char *const none[] = {NULL};
    const char *const *aliases = model->aliases ? (const char *const *)model->aliases : none;
    VferryModel *skeleton = vferry_model_skeleton_new();

    vferry_model_set_id(skeleton, model->id);
    vferry_model_set_digest(skeleton, model->digest);
    vferry_model_set_source(skeleton, model->source);
    vferry_model_set_description(skeleton, model->description ? model->description : "");
    vferry_model_set_parameters(skeleton, format_parameters(model));
    vferry_model_set_aliases(skeleton, aliases);
    vferry_model_set_not_migratable(skeleton, model->not_migratable ? model->not_migratable : "");
    set_versions(skeleton, model);
    g_signal_connect_data(skeleton, "handle-get-xml", G_CALLBACK(handle_get_xml),
                          vf_model_ref(model), (GClosureNotify)(void (*)(void))vf_model_unref, 0);
    return skeleton;
}
