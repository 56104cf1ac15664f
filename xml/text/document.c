/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "document.h"

#include <glib/gi18n-lib.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include "document-text.h"
#include "error.h"

struct VfDocument {
    xmlDoc *doc;
    char *where;
    guint *line;
    /* while parsing */
    gsize nodes_left;
    VfDocumentNamespaces namespaces;
    GError *error;
};

static gboolean
set_error(GError **error, VferryError code, const VfDocument *self, long line, const char *message)
{
    if (self->line)
        *self->line = (guint)MAX(line, 0);
    return vf_document_set_error(error, code, self->where, line, message);
}

static void
stop(xmlParserCtxt *context, const char *message)
{
    VfDocument *self = context->_private;

    if (!self->error)
        set_error(&self->error, VFERRY_ERROR_INVALID_XML, self, xmlSAX2GetLineNumber(context),
                  message);
    xmlStopParser(context);
}

/* libxml2 2.12 made the error constant. */
#if LIBXML_VERSION >= 21200
typedef const xmlError *XmlErrorArgument;
#else
typedef xmlError *XmlErrorArgument;
#endif

static void
on_error(void *data, XmlErrorArgument problem)
{
    xmlParserCtxt *context = data;
    VfDocument *self = context->_private;

    /* an xml:id means nothing here, whether it is a good one or not */
    if (problem->domain == XML_FROM_DTD || problem->domain == XML_FROM_VALID)
        return;
    if (!self->error && problem->level >= XML_ERR_ERROR)
        set_error(&self->error, VFERRY_ERROR_INVALID_XML, self, problem->line,
                  problem->message ?: _("not well-formed"));
}

static void
on_doctype(void *data, const xmlChar *name, const xmlChar *id, const xmlChar *uri)
{
    stop(data, _("a document type declaration is not accepted"));
}

static void
on_start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                 int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
                 const xmlChar **attributes)
{
    xmlParserCtxt *context = data;
    VfDocument *self = context->_private;
    gsize cost = 1 + (gsize)n_namespaces + (gsize)n_attributes;

    /* nodeNr counts the open ancestors; the new element is pushed after this call */
    if (context->nodeNr >= VF_DOCUMENT_DEPTH_MAX) {
        stop(context, _("elements are nested deeper than 32"));
        return;
    }
    if (!vf_document_namespaces_enter(&self->namespaces, (guint)context->nodeNr,
                                      (guint)n_namespaces)) {
        stop(context, _("more than 64 namespaces are in force"));
        return;
    }
    if (cost > self->nodes_left) {
        stop(context, _("there are too many elements and attributes for a document of its kind"));
        return;
    }
    self->nodes_left -= cost;
    xmlSAX2StartElementNs(data, name, prefix, uri, n_namespaces, namespaces, n_attributes,
                          n_defaulted, attributes);
}

static void
free_context(xmlParserCtxt *context)
{
    /* the tree of a document that did not parse is not freed with its context */
    if (context->myDoc)
        xmlFreeDoc(context->myDoc);
    xmlFreeParserCtxt(context);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlParserCtxt, free_context)

static gboolean
parse_tree(VfDocument *self, const char *text, gsize size, GError **error)
{
    g_autoptr(xmlParserCtxt) context = NULL;

    xmlInitParser();
    context = xmlNewParserCtxt();
    if (!context)
        g_error("out of memory");
    context->_private = self;
    context->sax->serror = on_error;
    context->sax->internalSubset = on_doctype;
    context->sax->externalSubset = on_doctype;
    context->sax->startElementNs = on_start_element;
    /* nobody reads them, and a short one would cost forty times its text */
    context->sax->comment = NULL;
    context->sax->processingInstruction = NULL;
    /* the limits are ours: without "huge", libxml2 refuses a document of more than 10 MB when its
     * last tag is a long one */
    self->doc = xmlCtxtReadMemory(context, text, (int)size, NULL, "UTF-8",
                                  XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES |
                                      XML_PARSE_HUGE);
    if (self->error) {
        g_propagate_error(error, g_steal_pointer(&self->error));
        return FALSE;
    }
    if (!self->doc)
        return set_error(error, VFERRY_ERROR_INVALID_XML, self, 0,
                         _("the document is not well-formed"));
    self->doc->_private = self;
    return TRUE;
}

gboolean
vf_document_is(const xmlNode *node, const char *name, const char *ns)
{
    return node->type == XML_ELEMENT_NODE && g_str_equal(node->name, name) && node->ns &&
           g_strcmp0((const char *)node->ns->href, ns) == 0;
}

VfDocument *
vf_document_parse(const char *text, gssize size, const VfDocumentKind *kind, GError **error)
{
    g_autoptr(VfDocument) self = g_new0(VfDocument, 1);
    g_autofree char *copy = NULL;
    const xmlNode *root;
    gsize length = size < 0 ? strlen(text) : (gsize)size;

    self->where = g_strdup(kind->where);
    self->line = kind->line;
    self->nodes_left = kind->size_max / VF_DOCUMENT_BYTES_PER_NODE;
    /* the checks look ahead by prefixes: a NUL behind the text ends them, and one inside is not
     * UTF-8 for GLib */
    if (size >= 0 && length <= kind->size_max + 3)
        text = copy = g_strndup(text, length);
    if (!vf_document_text_check(&text, &length, kind->size_max, self->where, self->line, error) ||
        !parse_tree(self, text, length, error))
        return NULL;
    root = xmlDocGetRootElement(self->doc);
    if (!vf_document_is(root, kind->root, kind->ns)) {
        vf_document_fail(root, error, _("the root element must be <%s> in the namespace %s"),
                         kind->root, kind->ns);
        return NULL;
    }
    return g_steal_pointer(&self);
}

VfDocument *
vf_document_adopt(xmlDoc *doc, const char *where)
{
    VfDocument *self = g_new0(VfDocument, 1);

    self->doc = doc;
    self->where = g_strdup(where);
    doc->_private = self;
    return self;
}

void
vf_document_free(VfDocument *self)
{
    g_clear_pointer(&self->doc, xmlFreeDoc);
    g_clear_error(&self->error);
    g_free(self->where);
    g_free(self);
}

const char *
vf_document_where(const VfDocument *self)
{
    return self->where;
}

const xmlNode *
vf_document_root(VfDocument *self)
{
    return xmlDocGetRootElement(self->doc);
}

gboolean
vf_document_fail(const xmlNode *node, GError **error, const char *format, ...)
{
    const VfDocument *self = node->doc->_private;
    g_autofree char *message = NULL;
    g_autofree char *located = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    located = g_strdup_printf("<%.60s>: %s", (const char *)node->name, message);
    return set_error(error, VFERRY_ERROR_INVALID_XML, self, xmlGetLineNo(node), located);
}

gboolean
vf_document_fail_because(const xmlNode *node, GError *cause, GError **error)
{
    g_autoptr(GError) owned = cause;

    return vf_document_fail(node, error, "%s", owned->message);
}
