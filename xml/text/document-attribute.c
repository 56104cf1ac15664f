/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "document-attribute.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "number.h"
#include "text.h"
#include "uuid.h"

#define WORDS_MAX_BYTES 4096

char *
vf_document_attribute(const xmlNode *node, const char *name)
{
    xmlAttr *attribute = xmlHasNsProp((xmlNode *)node, (const xmlChar *)name, NULL);
    xmlChar *value = xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name);
    char *copy = g_strdup((const char *)value);

    if (attribute)
        attribute->_private = attribute; /* known: see vf_document_each_ignored() */

    if (value)
        xmlFree(value);
    return copy;
}

gboolean
vf_document_fail_missing(const xmlNode *node, const char *name, GError **error)
{
    return vf_document_fail(node, error, _("the attribute “%s” is missing"), name);
}

gboolean
vf_document_has(const xmlNode *node, const char *name)
{
    return xmlHasNsProp((xmlNode *)node, (const xmlChar *)name, NULL) != NULL;
}

gboolean
vf_document_get_text(const xmlNode *node, const char *name, gsize max, char **value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    GError *cause = NULL;

    if (!text)
        return TRUE;
    if (!vf_text_check(text, name, max, &cause))
        return vf_document_fail_because(node, cause, error);
    g_free(*value);
    *value = g_steal_pointer(&text);
    return TRUE;
}

gboolean
vf_document_need_text(const xmlNode *node, const char *name, gsize max, char **value,
                      GError **error)
{
    return vf_document_has(node, name) ? vf_document_get_text(node, name, max, value, error)
                                       : vf_document_fail_missing(node, name, error);
}

gboolean
vf_document_get_id(const xmlNode *node, const char *name, char **value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    GError *cause = NULL;

    if (!text)
        return TRUE;
    if (!vf_text_check_id(text, name, &cause))
        return vf_document_fail_because(node, cause, error);
    g_free(*value);
    *value = g_steal_pointer(&text);
    return TRUE;
}

gboolean
vf_document_need_id(const xmlNode *node, const char *name, char **value, GError **error)
{
    return vf_document_has(node, name) ? vf_document_get_id(node, name, value, error)
                                       : vf_document_fail_missing(node, name, error);
}

gboolean
vf_document_need_uuid(const xmlNode *node, const char *name, char **value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    g_autofree char *uuid = NULL;
    GError *cause = NULL;

    if (!text)
        return vf_document_fail_missing(node, name, error);
    uuid = vf_uuid_normalize(text, name, &cause);
    if (!uuid)
        return vf_document_fail_because(node, cause, error);
    g_free(*value);
    *value = g_steal_pointer(&uuid);
    return TRUE;
}

gboolean
vf_document_get_u64(const xmlNode *node, const char *name, guint64 min, guint64 max, guint64 *value,
                    GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    GError *cause = NULL;

    if (!text || vf_number_parse_u64(text, name, min, max, value, &cause))
        return TRUE;
    return vf_document_fail_because(node, cause, error);
}

gboolean
vf_document_need_u64(const xmlNode *node, const char *name, guint64 min, guint64 max,
                     guint64 *value, GError **error)
{
    return vf_document_has(node, name) ? vf_document_get_u64(node, name, min, max, value, error)
                                       : vf_document_fail_missing(node, name, error);
}

gboolean
vf_document_get_yes_no(const xmlNode *node, const char *name, gboolean *value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);

    if (!text)
        return TRUE;
    if (!g_str_equal(text, "yes") && !g_str_equal(text, "no"))
        return vf_document_fail(node, error, _("%s is “%.40s”, but must be yes or no"), name, text);
    *value = g_str_equal(text, "yes");
    return TRUE;
}

char **
vf_document_split_words(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (guint i = 0; words[i] != NULL; i++)
        if (words[i][0] != '\0')
            g_ptr_array_add(sorted, g_strdup(words[i]));
    g_ptr_array_sort(sorted, vf_text_compare);
    for (guint i = 0; i < sorted->len; i++)
        if (i == 0 || !g_str_equal(sorted->pdata[i], sorted->pdata[i - 1]))
            g_strv_builder_add(builder, sorted->pdata[i]);
    return g_strv_builder_end(builder);
}

gboolean
vf_document_get_words(const xmlNode *node, const char *name, char ***value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    GError *cause = NULL;

    if (!text)
        return TRUE;
    if (!vf_text_check(text, name, WORDS_MAX_BYTES, &cause))
        return vf_document_fail_because(node, cause, error);
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789- ")] != '\0')
        return vf_document_fail(
            node, error,
            _("%s is “%.60s”, but must be words of a-z, 0-9 and “-” separated by spaces"), name,
            text);
    g_strfreev(*value);
    *value = vf_document_split_words(text);
    return TRUE;
}
