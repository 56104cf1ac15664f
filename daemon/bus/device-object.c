/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device-object.h"

#include "inventory.h"
#include "options.h"

static GVariant *
format_parameters(VfDevice *device)
{
    GPtrArray *values = vf_device_get_values(device);
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; i < values->len; i++) {
        const VfValue *value = values->pdata[i];

        if (value->value)
            g_variant_builder_add(&builder, "{sv}", value->name,
                                  g_variant_new_string(value->value));
    }
    return g_variant_builder_end(&builder);
}

/* The skeleton compares, and says on the bus what differs, once for each turn of the main loop. */
static void
sync_properties(VferryDevice *skeleton, VfDevice *device)
{
    vferry_device_set_driver(skeleton, vf_device_get_driver(device));
    vferry_device_set_iommu_group(skeleton, vf_device_get_iommu_group(device));
    vferry_device_set_numa_node(skeleton, vf_device_get_numa_node(device));
    vferry_device_set_vfio_dev(skeleton, vf_device_get_vfio_dev(device));
    vferry_device_set_model(skeleton, vf_device_get_model_id(device));
    vferry_device_set_model_source(skeleton, vf_device_get_model_source(device));
    vferry_device_set_parameters(skeleton, format_parameters(device));
    vferry_device_set_migration(skeleton, vf_device_get_migration(device));
    vferry_device_set_migration_source(skeleton, vf_device_get_migration_source(device));
    vferry_device_set_state(skeleton, vf_device_state_to_string(vf_device_get_state(device)));
}

static void
on_notify(VfDevice *device, GParamSpec *pspec, VferryDevice *skeleton)
{
    sync_properties(skeleton, device);
}

static gboolean
handle_get_xml(VferryDevice *skeleton, GDBusMethodInvocation *invocation, GVariant *dict,
               VfDevice *device)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    if (!vf_options_end(options, &error)) {
        g_dbus_method_invocation_return_gerror(invocation, error);
        return TRUE;
    }
    xml = vf_inventory_format_device(device);
    vferry_device_complete_get_xml(skeleton, invocation, xml);
    return TRUE;
}

void
vf_device_object_set_parent(VferryDevice *skeleton, const char *path)
{
    vferry_device_set_parent(skeleton, path);
}

VferryDevice *
vf_device_object_new(VfDevice *device)
{
    VferryDevice *skeleton = vferry_device_skeleton_new();

    vferry_device_set_id(skeleton, vf_device_get_id(device));
    vferry_device_set_kind(skeleton, vf_device_get_kind(device));
    vferry_device_set_sysfs_path(skeleton, vf_device_get_sysfs_path(device));
    vferry_device_set_uuid(skeleton, vf_device_get_uuid(device));
    vferry_device_set_address(skeleton, vf_device_get_address(device));
    vferry_device_set_parent(skeleton, "/");
    sync_properties(skeleton, device);
    g_signal_connect_object(device, "notify", G_CALLBACK(on_notify), skeleton, 0);
    g_signal_connect_data(skeleton, "handle-get-xml", G_CALLBACK(handle_get_xml),
                          g_object_ref(device), (GClosureNotify)(void (*)(void))g_object_unref, 0);
    return skeleton;
}
