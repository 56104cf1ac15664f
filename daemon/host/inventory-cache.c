/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "inventory-cache.h"

#include "inventory.h"

#define OLD_SECONDS 1

struct _VfInventoryCache {
    GObject parent_instance;
    VfRegistry *registry;
    char *host_id;
    GVariant *document; /* NULL: what it says is not so any more */
    gint64 made;        /* monotonic */
    guint count;
};

G_DEFINE_FINAL_TYPE(VfInventoryCache, vf_inventory_cache, G_TYPE_OBJECT)

static void
vf_inventory_cache_finalize(GObject *object)
{
    VfInventoryCache *self = VF_INVENTORY_CACHE(object);

    g_clear_pointer(&self->document, g_variant_unref);
    g_clear_object(&self->registry);
    g_free(self->host_id);
    G_OBJECT_CLASS(vf_inventory_cache_parent_class)->finalize(object);
}

static void
vf_inventory_cache_class_init(VfInventoryCacheClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_inventory_cache_finalize;
}

static void
vf_inventory_cache_init(VfInventoryCache *self)
{
}

static void
on_change(VfInventoryCache *self)
{
    g_clear_pointer(&self->document, g_variant_unref);
}

static void
on_added(VfRegistry *registry, GObject *thing, VfInventoryCache *self)
{
    g_signal_connect_object(thing, "notify", G_CALLBACK(on_change), self, G_CONNECT_SWAPPED);
    on_change(self);
}

VfInventoryCache *
vf_inventory_cache_new(VfRegistry *registry, const char *host_id)
{
    VfInventoryCache *self = g_object_new(VF_TYPE_INVENTORY_CACHE, NULL);

    self->registry = g_object_ref(registry);
    self->host_id = g_strdup(host_id);
    g_signal_connect_object(registry, "device-added", G_CALLBACK(on_added), self, 0);
    g_signal_connect_object(registry, "parent-added", G_CALLBACK(on_added), self, 0);
    g_signal_connect_object(registry, "device-removed", G_CALLBACK(on_change), self,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(registry, "parent-removed", G_CALLBACK(on_change), self,
                            G_CONNECT_SWAPPED);
    return self;
}

GVariant *
vf_inventory_cache_get(VfInventoryCache *self)
{
    gint64 now = g_get_monotonic_time();
    g_autoptr(VfCapabilities) capabilities = NULL;
    g_autofree char *xml = NULL;

    if (self->document && now - self->made < OLD_SECONDS * G_USEC_PER_SEC)
        return self->document;
    on_change(self);
    capabilities = vf_inventory_build(self->registry, self->host_id);
    xml = vf_capabilities_format(capabilities);
    self->document = g_variant_ref_sink(g_variant_new("(s)", xml));
    self->made = now;
    self->count++;
    return self->document;
}

guint
vf_inventory_cache_count(VfInventoryCache *self)
{
    return self->count;
}
