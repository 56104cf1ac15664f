/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* The one way in which text becomes a tree. No network, no document type (and so no entities),
 * UTF-8 only, bounded in size, depth, elements and the length of a tag; libxml2 prints nothing.
 * Every error is INVALID_XML (or LIMIT_EXCEEDED for a document that is too large) and begins with
 * "<document>:<line>: ". */

#define VF_DOCUMENT_SIZE_MAX (1024 * 1024)
#define VF_DOCUMENT_LARGE_SIZE_MAX (16 * 1024 * 1024)

typedef struct VfDocument VfDocument;

typedef struct {
    const char *where; /* names the document in errors */
    const char *root;  /* the root element's name */
    const char *ns;    /* its namespace */
    gsize size_max;
    guint *line; /* nullable: where the line of an error goes; 0 when it has none */
} VfDocumentKind;

/* @size -1: NUL-terminated. */
VfDocument *vf_document_parse(const char *text, gssize size, const VfDocumentKind *kind,
                              GError **error);
void vf_document_free(VfDocument *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfDocument, vf_document_free)

/* A tree that was made otherwise, which becomes the document's; @where names it in errors. */
VfDocument *vf_document_adopt(xmlDoc *doc, const char *where);

/* What names it in errors. */
const char *vf_document_where(const VfDocument *self);

const xmlNode *vf_document_root(VfDocument *self);

/* Whether it is an element of that name in that namespace. */
gboolean vf_document_is(const xmlNode *node, const char *name, const char *ns);

/* Sets @error to INVALID_XML at @node. Returns FALSE, so that it can be returned. */
gboolean vf_document_fail(const xmlNode *node, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same with the text of @cause, which is freed. */
gboolean vf_document_fail_because(const xmlNode *node, GError *cause, GError **error);
