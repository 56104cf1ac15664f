/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

/* The one way in which JSON from elsewhere becomes a tree: RFC 8259 and no more, whatever else the
 * parser would take. */

#define VF_JSON_STRICT_SIZE_MAX (64 * 1024)
#define VF_JSON_STRICT_DEPTH_MAX 16

/* @size -1: NUL-terminated. The root is an object. Refuses what is too large or too deep before
 * anything is parsed, a member that is there twice, a whole number of more than 18 digits and the
 * character U+0000. INVALID_ARGUMENT or LIMIT_EXCEEDED; every error begins with "@where:<line>: "
 * or "@where: ". Free with json_node_unref(). */
JsonNode *vf_json_strict_parse(const char *text, gssize size, const char *where, GError **error);

/* The same within other limits. */
typedef struct {
    gsize size;
    guint depth;
    /* Whole numbers of up to 99 digits: one that no gint64 holds becomes a double, as near as that
     * comes, where json-glib would wrap it (1.6) or cut it (1.10). */
    gboolean large_numbers;
} VfJsonLimits;

JsonNode *vf_json_strict_parse_within(const char *text, gssize size, const char *where,
                                      const VfJsonLimits *limits, GError **error);
