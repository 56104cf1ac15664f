/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domain-object.h"

static GVariant *
device_list(VfDomain *domain, VfObjects *objects)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);
        const char *path =
            device->device ? vf_objects_get_device_path(objects, device->device) : "/";
        GVariantDict dict;

        g_variant_dict_init(&dict, NULL);
        if (!g_str_equal(path, "/"))
            g_variant_dict_insert(&dict, "device", "o", path);
        g_variant_dict_insert(&dict, "guest-address", "s", device->guest_address);
        g_variant_dict_insert(&dict, "host-address", "s", device->host_address);
        g_variant_dict_insert(&dict, "migrates", "b", device->migrates);
        g_variant_dict_insert(&dict, "reasons", "^as", device->reasons);
        g_variant_builder_add_value(&list, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&list);
}

/* The skeleton compares, and says on the bus what differs, once for each turn of the main loop. */
static void
sync_properties(VfDomain *domain, VferryDomain *skeleton)
{
    vferry_domain_set_name(skeleton, vf_domain_get_name(domain));
    vferry_domain_set_uuid(skeleton, vf_domain_get_uuid(domain));
    vferry_domain_set_state(skeleton, vf_domain_state_to_string(vf_domain_get_state(domain)));
    vferry_domain_set_job(skeleton, vf_domain_get_job_path(domain));
    vferry_domain_set_devices(
        skeleton, device_list(domain, g_object_get_data(G_OBJECT(skeleton), "objects")));
}

VferryDomain *
vf_domain_object_new(VfDomain *domain, VfObjects *objects)
{
    VferryDomain *skeleton = vferry_domain_skeleton_new();

    g_object_set_data(G_OBJECT(skeleton), "objects", objects);
    vferry_domain_set_driver(skeleton, vf_domain_get_driver_name(domain));
    sync_properties(domain, skeleton);
    g_signal_connect_object(domain, "changed", G_CALLBACK(sync_properties), skeleton, 0);
    return skeleton;
}
