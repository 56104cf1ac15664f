/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "inventory.h"

#include <string.h>
#include <sys/utsname.h>

#include "consumer.h"
#include "facts.h"
#include "model-merge.h"

static VfCapabilitiesMigration
parse_flags(const char *const *names)
{
    VfCapabilitiesMigration flags = 0;

    if (g_strv_contains(names, "stop-copy"))
        flags |= VF_CAPABILITIES_STOP_COPY;
    if (g_strv_contains(names, "p2p"))
        flags |= VF_CAPABILITIES_P2P;
    if (g_strv_contains(names, "pre-copy"))
        flags |= VF_CAPABILITIES_PRE_COPY;
    return flags;
}

static void
replace(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

static char *
dup_unless_empty(const char *text)
{
    return text[0] ? g_strdup(text) : NULL;
}

/* Without a lease or a loan others may have it open, and of PCI functions the kernel shows it. It
 * sends no event, so that this is as old as the document, and no property of the device. */
static VfDeviceState
look_at_state(VfDevice *device)
{
    VfDeviceState state = vf_device_get_state(device);

    if (state != VF_DEVICE_UNKNOWN || !g_str_equal(vf_device_get_kind(device), "pci"))
        return state;
    switch (vf_facts_read_use(vf_device_get_sysfs_path(device))) {
    case VF_USE_NONE:
        return VF_DEVICE_IDLE;
    case VF_USE_OPEN:
        return VF_DEVICE_OPEN;
    case VF_USE_UNKNOWN:
    default:
        return state;
    }
}

/* @host, nullable: whose schema it is described by. */
static VfCapabilitiesDevice *
describe_device(VfDevice *device, const VfCapabilities *host)
{
    VfModel *model = vf_device_get_model(device);
    VfModel *whole = host && model ? vf_capabilities_find_model(host, model->id) : NULL;
    VfCapabilitiesDevice *out =
        vf_capabilities_device_new(vf_device_get_id(device), vf_device_get_sysfs_path(device));

    replace(&out->kind, vf_device_get_kind(device));
    replace(&out->state, vf_device_state_to_string(look_at_state(device)));
    out->being_removed = !vf_device_check_stays(device, NULL);
    replace(&out->migration_source, vf_device_get_migration_source(device));
    out->parent = dup_unless_empty(vf_device_get_parent_id(device));
    out->model = dup_unless_empty(vf_device_get_model_id(device));
    out->migration = parse_flags(vf_device_get_migration(device));
    g_ptr_array_unref(out->values);
    out->values = vf_value_list_copy(vf_device_get_values(device));
    if (whole)
        vf_host_models_fit_values(out->values, model, whole);
    return out;
}

static VfCapabilitiesOffer *
describe_offer(VfParent *parent, const VfParentType *type)
{
    g_autofree char *id = vf_parent_offer_id(parent, type);
    VfCapabilitiesOffer *out = vf_capabilities_offer_new(id);

    out->type = g_strdup(type->type);
    out->left = vf_parent_type_left(type);
    if (!type->model)
        return out;
    out->model = g_strdup(type->model->id);
    out->usable_by = vf_consumer_list(vf_parent_get_kind(parent), type->type,
                                      type->device_api[0] ? type->device_api : NULL);
    out->settable = vf_model_settable_names(type->model);
    g_ptr_array_unref(out->values);
    out->values = vf_value_list_copy(type->values);
    return out;
}

static void
add_offer(VfCapabilities *host, VfCapabilitiesParent *out, VfParent *parent,
          const VfParentType *type)
{
    VfCapabilitiesOffer *offer = describe_offer(parent, type);
    VfModel *whole = type->model ? vf_capabilities_find_model(host, type->model->id) : NULL;

    if (whole)
        vf_host_models_take_offer(out->offers, offer, type->model, whole);
    else
        g_ptr_array_add(out->offers, offer);
}

static VfCapabilitiesParent *
describe_parent(VfCapabilities *host, VfParent *parent)
{
    VfCapabilitiesParent *out =
        vf_capabilities_parent_new(vf_parent_get_id(parent), vf_parent_get_sysfs_path(parent));
    GPtrArray *types = vf_parent_get_types(parent);

    replace(&out->kind, vf_parent_get_kind(parent));
    out->driver = dup_unless_empty(vf_parent_get_driver(parent));
    for (guint i = 0; i < types->len; i++)
        add_offer(host, out, parent, types->pdata[i]);
    return out;
}

static void
add_models(VfCapabilities *capabilities, VfParent *parent)
{
    GPtrArray *types = vf_parent_get_types(parent);

    for (guint i = 0; i < types->len; i++) {
        const VfParentType *type = types->pdata[i];

        if (type->model)
            vf_host_models_add(capabilities, type->model);
    }
}

static void
describe_host(VfCapabilities *capabilities)
{
    struct utsname names;

    if (uname(&names) < 0)
        return;
    capabilities->host_name = g_strdup(names.nodename);
    capabilities->arch = g_strdup(names.machine);
    capabilities->kernel = g_strdup(names.release);
}

VfCapabilities *
vf_inventory_build(VfRegistry *registry, const char *host_id)
{
    VfCapabilities *capabilities = vf_capabilities_new(host_id);
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(registry);
    g_autoptr(GPtrArray) devices = vf_registry_list_devices(registry);

    describe_host(capabilities);
    for (guint i = 0; i < parents->len; i++)
        add_models(capabilities, parents->pdata[i]);
    for (guint i = 0; i < devices->len; i++) {
        VfModel *model = vf_device_get_model(devices->pdata[i]);

        if (model)
            vf_host_models_add(capabilities, model);
    }
    for (guint i = 0; i < parents->len; i++)
        g_ptr_array_add(capabilities->parents, describe_parent(capabilities, parents->pdata[i]));
    for (guint i = 0; i < devices->len; i++)
        g_ptr_array_add(capabilities->devices, describe_device(devices->pdata[i], capabilities));
    return capabilities;
}

char *
vf_inventory_format_device(VfDevice *device)
{
    g_autoptr(VfCapabilitiesDevice) described = describe_device(device, NULL);

    return vf_capabilities_device_format(described);
}
