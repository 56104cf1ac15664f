/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "document-element.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "document-attribute.h"
#include "text.h"

static gboolean
check_ignorable(const xmlNode *node, GError **error)
{
    g_autofree char *required = NULL;

    if (!vf_document_get_text(node, "required", VF_DOCUMENT_SIZE_MAX, &required, error))
        return FALSE;
    if (g_strcmp0(required, "yes") != 0)
        return TRUE;
    return vf_document_fail(
        node, error,
        _("this element is required to be understood, but this version does not know it"));
}

static gboolean
handle_child(const xmlNode *node, const VfDocumentChild *children, gsize n_children, guint *counts,
             gpointer data, GError **error)
{
    const char *text = (const char *)node->content;
    gsize i = 0;

    if (node->type == XML_TEXT_NODE && text && text[strspn(text, " \t\r\n")] != '\0')
        return vf_document_fail(node->parent, error,
                                _("text is not accepted between its elements"));
    if (node->type != XML_ELEMENT_NODE)
        return TRUE;
    while (i < n_children &&
           !vf_document_is(node, children[i].name,
                           children[i].ns ?: (const char *)node->parent->ns->href))
        i++;
    if (i == n_children)
        return check_ignorable(node, error);
    if (children[i].max > 0 && counts[i] >= children[i].max)
        return vf_document_fail(node, error, _("at most %u of these are accepted here"),
                                children[i].max);
    counts[i]++;
    ((xmlNode *)node)->_private = (gpointer)node;
    return children[i].handle(node, data, error);
}

gboolean
vf_document_children(const xmlNode *node, const VfDocumentChild *children, gsize n_children,
                     gpointer data, GError **error)
{
    g_autofree guint *counts = g_new0(guint, MAX(n_children, 1));

    for (const xmlNode *child = node->children; child != NULL; child = child->next)
        if (!handle_child(child, children, n_children, counts, data, error))
            return FALSE;
    for (gsize i = 0; i < n_children; i++)
        if (counts[i] < children[i].min)
            return vf_document_fail(node, error, _("the element <%s> is missing in it"),
                                    children[i].name);
    return TRUE;
}

char *
vf_document_content(const xmlNode *node, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (const xmlNode *child = node->children; child != NULL; child = child->next) {
        if (child->type == XML_TEXT_NODE && child->content)
            g_string_append(text, (const char *)child->content);
        if (child->type == XML_ELEMENT_NODE && !check_ignorable(child, error))
            return NULL;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

typedef struct {
    const char *where;
    VfDocumentIgnored ignored;
    gpointer data;
} Telling;

static void
tell_ignored(const Telling *telling, const xmlNode *node, const char *what)
{
    g_autofree char *located = g_strdup_printf("%s:%ld: <%.60s>: %s", telling->where,
                                               xmlGetLineNo(node), (const char *)node->name, what);
    g_autofree char *message = vf_text_collapse(located);

    telling->ignored((guint)MAX(xmlGetLineNo(node), 0), message, telling->data);
}

/* No deeper than a document may be. */
static void
tell_ignored_in(const Telling *telling, const xmlNode *node)
{
    for (const xmlAttr *attribute = node->properties; attribute != NULL;
         attribute = attribute->next) {
        g_autofree char *what = NULL;

        if (attribute->_private || attribute->ns)
            continue;
        what = g_strdup_printf(_("the attribute “%.60s” is not known here and does not count"),
                               (const char *)attribute->name);
        tell_ignored(telling, node, what);
    }
    for (const xmlNode *child = node->children; child != NULL; child = child->next) {
        if (child->type != XML_ELEMENT_NODE)
            continue;
        if (child->_private)
            tell_ignored_in(telling, child);
        else if (child->ns && xmlStrEqual(child->ns->href, node->ns->href))
            tell_ignored(telling, child, _("this element is not known here and does not count"));
    }
}

void
vf_document_each_ignored(VfDocument *self, VfDocumentIgnored ignored, gpointer data)
{
    const Telling telling = {vf_document_where(self), ignored, data};

    tell_ignored_in(&telling, vf_document_root(self));
}
