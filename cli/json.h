/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

/* Machine-readable output: keys in lower_snake_case, values as on the bus (times in microseconds,
 * sizes in bytes). */

/* Any value. Keys of dictionaries are renamed when @rename; names of model parameters must stay as
 * they are. */
JsonNode *vf_json_from_variant(GVariant *value, gboolean rename);

/* Every cached property of @proxy, and its `path`. */
JsonNode *vf_json_from_proxy(GDBusProxy *proxy);

/* An object {"<name>": [...]} from a list of proxies. */
JsonNode *vf_json_from_list(const char *name, GPtrArray *proxies);

/* Of a property or signal argument called @key: parameters keep their names; an Error of two empty
 * strings is null. */
JsonNode *vf_json_from_property(const char *key, GVariant *value);

/* NULL becomes null. */
void vf_json_set_text(JsonObject *object, const char *name, const char *text);

/* The one document on standard output; consumes @node. FALSE when it could not be written. */
gboolean vf_json_print(JsonNode *node, GError **error);

/* In one line, for a stream of objects; consumes @node. */
gboolean vf_json_print_line(JsonNode *node, GError **error);
