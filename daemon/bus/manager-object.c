/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "manager-object.h"

#include <string.h>

#include "inventory-cache.h"
#include "options.h"

static gboolean
handle_get_capabilities(VferryManager *manager, GDBusMethodInvocation *invocation, GVariant *dict,
                        VfInventoryCache *cache)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autoptr(GError) error = NULL;

    if (!vf_options_end(options, &error)) {
        g_dbus_method_invocation_return_gerror(invocation, error);
        return TRUE;
    }
    g_dbus_method_invocation_return_value(invocation, vf_inventory_cache_get(cache));
    return TRUE;
}

static gboolean
handle_lookup(VferryManager *manager, GDBusMethodInvocation *invocation, const char *id,
              VfObjects *objects)
{
    g_autoptr(GError) error = NULL;
    const char *path = vf_objects_lookup(objects, id, &error);

    if (path)
        vferry_manager_complete_lookup(manager, invocation, path);
    else
        g_dbus_method_invocation_return_gerror(invocation, error);
    return TRUE;
}

static void
unref_cache(gpointer data, GClosure *closure)
{
    g_object_unref(data);
}

VferryManager *
vf_manager_object_new(VfObjects *objects, VfRegistry *registry, const char *host_id)
{
    static const char *const features[] = {"adopt-again", "baseline",       "compare", "find",
                                           "override",    "switchover-ack", NULL};
    VferryManager *manager = vferry_manager_skeleton_new();

    vferry_manager_set_version(manager, PACKAGE_VERSION);
    vferry_manager_set_host_id(manager, host_id);
    vferry_manager_set_features(manager, features);
    g_signal_connect_data(manager, "handle-get-capabilities", G_CALLBACK(handle_get_capabilities),
                          vf_inventory_cache_new(registry, host_id), unref_cache, 0);
    g_signal_connect_object(manager, "handle-lookup", G_CALLBACK(handle_lookup), objects, 0);
    return manager;
}

static gint
compare_features(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
vf_manager_object_announce(VferryManager *manager, const char *feature)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);

    for (const char *const *each = vferry_manager_get_features(manager); *each; each++)
        g_ptr_array_add(all, g_strdup(*each));
    g_ptr_array_add(all, g_strdup(feature));
    g_ptr_array_sort(all, compare_features);
    g_ptr_array_add(all, NULL);
    vferry_manager_set_features(manager, (const char *const *)all->pdata);
}
