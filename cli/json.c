/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "json.h"

#include "output.h"
#include "text-view.h"

static JsonNode *
from_array(GVariant *value, gboolean rename)
{
    g_autoptr(JsonArray) array = json_array_new();
    gsize n = g_variant_n_children(value);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

        json_array_add_element(array, vf_json_from_variant(child, rename));
    }
    return json_node_init_array(json_node_alloc(), array);
}

static JsonNode *
from_dictionary(GVariant *value, gboolean rename)
{
    g_autoptr(JsonObject) object = json_object_new();
    gsize n = g_variant_n_children(value);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(value, i);
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) item = g_variant_get_child_value(entry, 1);
        const char *name = g_variant_get_string(key, NULL);
        g_autofree char *renamed = rename ? vf_text_to_snake(name) : g_strdup(name);

        json_object_set_member(object, renamed,
                               rename ? vf_json_from_property(name, item)
                                      : vf_json_from_variant(item, FALSE));
    }
    return json_node_init_object(json_node_alloc(), object);
}

JsonNode *
vf_json_from_variant(GVariant *value, gboolean rename)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);

        return vf_json_from_variant(inner, rename);
    }
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ||
        g_variant_is_of_type(value, G_VARIANT_TYPE_OBJECT_PATH) ||
        g_variant_is_of_type(value, G_VARIANT_TYPE_SIGNATURE))
        return json_node_init_string(json_node_alloc(), g_variant_get_string(value, NULL));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        return json_node_init_boolean(json_node_alloc(), g_variant_get_boolean(value));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE("a{s*}")))
        return from_dictionary(value, rename);
    if (g_variant_is_container(value))
        return from_array(value, rename);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64)) /* JSON-GLib has no unsigned ones */
        return json_node_init_int(json_node_alloc(),
                                  (gint64)MIN(g_variant_get_uint64(value), G_MAXINT64));
    return json_gvariant_serialize(value);
}

static JsonNode *
from_error(GVariant *value)
{
    g_autoptr(JsonObject) object = json_object_new();
    const char *name, *message;

    g_variant_get(value, "(&s&s)", &name, &message);
    if (name[0] == '\0')
        return json_node_init_null(json_node_alloc());
    json_object_set_string_member(object, "name", name);
    json_object_set_string_member(object, "message", message);
    return json_node_init_object(json_node_alloc(), object);
}

JsonNode *
vf_json_from_property(const char *key, GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
        g_autoptr(GVariant) inner = g_variant_get_variant(value);

        return vf_json_from_property(key, inner);
    }
    if (g_ascii_strcasecmp(key, "error") == 0 &&
        g_variant_is_of_type(value, G_VARIANT_TYPE("(ss)")))
        return from_error(value);
    return vf_json_from_variant(value, g_ascii_strcasecmp(key, "parameters") != 0);
}

JsonNode *
vf_json_from_proxy(GDBusProxy *proxy)
{
    g_autoptr(JsonObject) object = json_object_new();
    g_auto(GStrv) names = g_dbus_proxy_get_cached_property_names(proxy);

    json_object_set_string_member(object, "path", g_dbus_proxy_get_object_path(proxy));
    for (guint i = 0; names && names[i]; i++) {
        g_autoptr(GVariant) value = g_dbus_proxy_get_cached_property(proxy, names[i]);
        g_autofree char *key = vf_text_to_snake(names[i]);

        json_object_set_member(object, key, vf_json_from_property(names[i], value));
    }
    return json_node_init_object(json_node_alloc(), object);
}

JsonNode *
vf_json_from_list(const char *name, GPtrArray *proxies)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *array = json_array_new();

    for (guint i = 0; i < proxies->len; i++)
        json_array_add_element(array, vf_json_from_proxy(g_ptr_array_index(proxies, i)));
    json_object_set_array_member(object, name, array);
    return json_node_init_object(json_node_alloc(), object);
}

void
vf_json_set_text(JsonObject *object, const char *name, const char *text)
{
    if (text)
        json_object_set_string_member(object, name, text);
    else
        json_object_set_null_member(object, name);
}

static gboolean
print_node(JsonNode *node, gboolean pretty, GError **error)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_root(generator, node);
    json_generator_set_pretty(generator, pretty);
    text = json_generator_to_data(generator, NULL);
    json_node_unref(node);
    return vf_output_print(text, error);
}

gboolean
vf_json_print(JsonNode *node, GError **error)
{
    return print_node(node, TRUE, error);
}

gboolean
vf_json_print_line(JsonNode *node, GError **error)
{
    return print_node(node, FALSE, error);
}
