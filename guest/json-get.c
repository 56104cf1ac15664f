/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "json-get.h"

JsonObject *
vf_json_get_object(JsonObject *from, const char *name)
{
    JsonNode *node = json_object_get_member(from, name);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *
vf_json_get_array(JsonObject *from, const char *name)
{
    JsonNode *node = json_object_get_member(from, name);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonNode *
get_value(JsonObject *from, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(from, name);

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node
                                                                                         : NULL;
}

const char *
vf_json_get_string(JsonObject *from, const char *name)
{
    JsonNode *node = get_value(from, name, G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

gboolean
vf_json_get_boolean(JsonObject *from, const char *name, gboolean *value)
{
    JsonNode *node = get_value(from, name, G_TYPE_BOOLEAN);

    if (node)
        *value = json_node_get_boolean(node);
    return node != NULL;
}

gboolean
vf_json_get_u64(JsonObject *from, const char *name, guint64 *value)
{
    JsonNode *node = get_value(from, name, G_TYPE_INT64);

    if (!node || json_node_get_int(node) < 0)
        return FALSE;
    *value = (guint64)json_node_get_int(node);
    return TRUE;
}

gboolean
vf_json_get_double(JsonObject *from, const char *name, double *value)
{
    JsonNode *node = get_value(from, name, G_TYPE_DOUBLE);

    if (!node)
        node = get_value(from, name, G_TYPE_INT64);
    if (node)
        *value = json_node_get_double(node);
    return node != NULL;
}
