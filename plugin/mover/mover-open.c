/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover-open.h"

#define DEADLINE_MS 10000

void
vf_mover_open_async(VfDevice *device, GAsyncReadyCallback callback, gpointer data)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "device", "s", vf_device_get_id(device));
    g_variant_dict_insert(&args, "group", "i", vf_device_get_iommu_group(device));
    g_variant_dict_insert(&args, "vfio-dev", "s", vf_device_get_vfio_dev(device));
    vf_mover_call_async(VF_MOVER_PROGRAM, "open", g_variant_dict_end(&args), NULL, 0, DEADLINE_MS,
                        NULL, callback, data);
}
