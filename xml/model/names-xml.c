/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "names-xml.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "model-id.h"
#include "value.h"

gboolean
vf_document_get_model_id(const xmlNode *node, const char *name, char **value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    GError *cause = NULL;

    if (!text)
        return TRUE;
    if (!vf_model_id_check(text, &cause))
        return vf_document_fail_because(node, cause, error);
    g_free(*value);
    *value = g_steal_pointer(&text);
    return TRUE;
}

gboolean
vf_document_need_model_id(const xmlNode *node, const char *name, char **value, GError **error)
{
    return vf_document_has(node, name) ? vf_document_get_model_id(node, name, value, error)
                                       : vf_document_fail_missing(node, name, error);
}

gboolean
vf_document_get_digest(const xmlNode *node, const char *name, char **value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);

    if (!text)
        return TRUE;
    if (!g_str_has_prefix(text, "sha256:") || strlen(text) != 7 + 64 ||
        strspn(text + 7, "0123456789abcdef") != 64)
        return vf_document_fail(
            node, error,
            _("%s is “%.80s”, but must be “sha256:” and 64 lower-case hexadecimal digits"), name,
            text);
    g_free(*value);
    *value = g_steal_pointer(&text);
    return TRUE;
}

gboolean
vf_document_get_names(const xmlNode *node, const char *name, char ***value, GError **error)
{
    g_autofree char *text = vf_document_attribute(node, name);
    g_auto(GStrv) words = NULL;
    GError *cause = NULL;
    guint n;

    if (!text)
        return TRUE;
    words = vf_document_split_words(text);
    n = g_strv_length(words);
    if (n > VF_VALUE_XML_MAX)
        return vf_document_fail(node, error, _("%s has %u words, but at most %d are accepted"),
                                name, n, VF_VALUE_XML_MAX);
    for (guint i = 0; i < n; i++)
        if (!vf_model_id_check_segment(words[i], name, &cause))
            return vf_document_fail_because(node, cause, error);
    g_strfreev(*value);
    *value = g_steal_pointer(&words);
    return TRUE;
}

gboolean
vf_document_need_name(const xmlNode *node, const char *name, char **value, GError **error)
{
    GError *cause = NULL;

    if (!vf_document_need_text(node, name, VF_MODEL_ID_SEGMENT_MAX, value, error))
        return FALSE;
    if (!vf_model_id_check_segment(*value, name, &cause))
        return vf_document_fail_because(node, cause, error);
    return TRUE;
}
