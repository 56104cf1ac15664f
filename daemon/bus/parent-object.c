/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "parent-object.h"

#include "value.h"

static GVariant *
format_values(const VfParentType *type)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    for (guint i = 0; i < type->values->len; i++) {
        const VfValue *value = type->values->pdata[i];

        g_variant_builder_add(&builder, "{ss}", value->name, value->value);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
format_offer(VfParent *parent, const VfParentType *type)
{
    g_autofree char *id = vf_parent_offer_id(parent, type);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "id", "s", id);
    g_variant_dict_insert(&dict, "type", "s", type->type);
    g_variant_dict_insert(&dict, "name", "s", type->name);
    g_variant_dict_insert(&dict, "device-api", "s", type->device_api);
    g_variant_dict_insert(&dict, "left", "t", vf_parent_type_left(type));
    if (type->model) {
        g_variant_dict_insert(&dict, "model", "s", type->model->id);
        g_variant_dict_insert_value(&dict, "parameters", format_values(type));
    }
    return g_variant_dict_end(&dict);
}

static GVariant *
format_offers(VfParent *parent)
{
    GPtrArray *types = vf_parent_get_types(parent);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < types->len; i++)
        g_variant_builder_add_value(&builder, format_offer(parent, types->pdata[i]));
    return g_variant_builder_end(&builder);
}

static void
on_offers(VfParent *parent, GParamSpec *pspec, VferryParent *skeleton)
{
    vferry_parent_set_offers(skeleton, format_offers(parent));
}

static void
on_driver(VfParent *parent, GParamSpec *pspec, VferryParent *skeleton)
{
    vferry_parent_set_driver(skeleton, vf_parent_get_driver(parent));
}

VferryParent *
vf_parent_object_new(VfParent *parent)
{
    VferryParent *skeleton = vferry_parent_skeleton_new();

    vferry_parent_set_id(skeleton, vf_parent_get_id(parent));
    vferry_parent_set_kind(skeleton, vf_parent_get_kind(parent));
    vferry_parent_set_sysfs_path(skeleton, vf_parent_get_sysfs_path(parent));
    vferry_parent_set_driver(skeleton, vf_parent_get_driver(parent));
    vferry_parent_set_numa_node(skeleton, vf_parent_get_numa_node(parent));
    vferry_parent_set_offers(skeleton, format_offers(parent));
    g_signal_connect_object(parent, "notify::driver", G_CALLBACK(on_driver), skeleton, 0);
    g_signal_connect_object(parent, "notify::offers", G_CALLBACK(on_offers), skeleton, 0);
    return skeleton;
}
