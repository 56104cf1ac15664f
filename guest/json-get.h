/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Members of what somebody else sent: there, and of that type, or not. What is returned is the
 * object's. */
JsonObject *vf_json_get_object(JsonObject *from, const char *name); /* NULL */
JsonArray *vf_json_get_array(JsonObject *from, const char *name);   /* NULL */
const char *vf_json_get_string(JsonObject *from, const char *name); /* NULL */
gboolean vf_json_get_boolean(JsonObject *from, const char *name, gboolean *value);
/* A whole number that is not negative; json-glib has none above G_MAXINT64. */
gboolean vf_json_get_u64(JsonObject *from, const char *name, guint64 *value);
/* Any number. */
gboolean vf_json_get_double(JsonObject *from, const char *name, double *value);
