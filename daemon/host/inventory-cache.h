/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "registry.h"

G_BEGIN_DECLS

/* The registry as a capabilities document, for whoever asks, as often as he likes: it is made anew
 * only when a device or a parent has changed since, and once a second, since the kernel tells of no
 * function that is opened (vf_facts_read_use()). */
#define VF_TYPE_INVENTORY_CACHE (vf_inventory_cache_get_type())
G_DECLARE_FINAL_TYPE(VfInventoryCache, vf_inventory_cache, VF, INVENTORY_CACHE, GObject)

/* Before the first device and parent are there. */
VfInventoryCache *vf_inventory_cache_new(VfRegistry *registry, const char *host_id);

/* (s); the cache's. */
GVariant *vf_inventory_cache_get(VfInventoryCache *self);

/* How often it was made. */
guint vf_inventory_cache_count(VfInventoryCache *self);

G_END_DECLS
