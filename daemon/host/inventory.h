/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "capabilities.h"
#include "registry.h"

/* The registry as the capabilities document. Free with vf_capabilities_free(). */
VfCapabilities *vf_inventory_build(VfRegistry *registry, const char *host_id);

/* The document's device element alone. Free with g_free(). */
char *vf_inventory_format_device(VfDevice *device);
