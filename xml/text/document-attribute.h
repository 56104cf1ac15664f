/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"

/* The attributes of an element. need_: must be there; get_: *value keeps what it was when it is
 * not. Text is freed with g_free(). */

gboolean vf_document_get_text(const xmlNode *node, const char *name, gsize max, char **value,
                              GError **error);
gboolean vf_document_need_text(const xmlNode *node, const char *name, gsize max, char **value,
                               GError **error);
gboolean vf_document_get_id(const xmlNode *node, const char *name, char **value, GError **error);
gboolean vf_document_need_id(const xmlNode *node, const char *name, char **value, GError **error);
gboolean vf_document_need_uuid(const xmlNode *node, const char *name, char **value, GError **error);
gboolean vf_document_get_u64(const xmlNode *node, const char *name, guint64 min, guint64 max,
                             guint64 *value, GError **error);
gboolean vf_document_need_u64(const xmlNode *node, const char *name, guint64 min, guint64 max,
                              guint64 *value, GError **error);
gboolean vf_document_get_yes_no(const xmlNode *node, const char *name, gboolean *value,
                                GError **error);
/* Words of a-z, 0-9 and '-' separated by spaces; sorted, each once. Free with g_strfreev(). */
gboolean vf_document_get_words(const xmlNode *node, const char *name, char ***value,
                               GError **error);

gboolean vf_document_has(const xmlNode *node, const char *name);

/* For what checks an attribute itself. As it stands, NULL when it is not there; free with g_free().
 */
char *vf_document_attribute(const xmlNode *node, const char *name);

/* The error of need_. Returns FALSE. */
gboolean vf_document_fail_missing(const xmlNode *node, const char *name, GError **error);

/* What spaces separate, sorted, each once. Free with g_strfreev(). */
char **vf_document_split_words(const char *text);
