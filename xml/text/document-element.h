/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"

/* What is in an element: children that are understood, or text, and what nobody asked for. */

typedef gboolean (*VfDocumentHandler)(const xmlNode *node, gpointer data, GError **error);

/* A child element that is understood, in the namespace @ns (NULL: its parent's). */
typedef struct {
    const char *name;
    VfDocumentHandler handle;
    guint min;
    guint max; /* 0: any number */
    const char *ns;
} VfDocumentChild;

/* Calls the handler of each child in document order. Unknown elements are skipped, but refused with
 * required='yes'; text between elements is refused. */
gboolean vf_document_children(const xmlNode *node, const VfDocumentChild *children,
                              gsize n_children, gpointer data, GError **error);

/* The text of an element that has only text, white space kept. Unknown elements in it as above.
 * NULL on error. Free with g_free(). */
char *vf_document_content(const xmlNode *node, GError **error);

/* What the handlers of this version did not ask for, and so left out: elements of the namespace of
 * what they are in, and attributes without one. To be called when all have run. @message as an
 * error's, with the document and the line. */
typedef void (*VfDocumentIgnored)(guint line, const char *message, gpointer data);
void vf_document_each_ignored(VfDocument *self, VfDocumentIgnored ignored, gpointer data);
