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

const xmlNode *vf_document_root(VfDocument *self);

/* What the handlers of this version did not ask for, and so left out: elements of the namespace of
 * what they are in, and attributes without one. To be called when all have run. @message as an
 * error's, with the document and the line. */
typedef void (*VfDocumentIgnored)(guint line, const char *message, gpointer data);
void vf_document_each_ignored(VfDocument *self, VfDocumentIgnored ignored, gpointer data);

/* Sets @error to INVALID_XML at @node. Returns FALSE, so that it can be returned. */
gboolean vf_document_fail(const xmlNode *node, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same with the text of @cause, which is freed. */
gboolean vf_document_fail_because(const xmlNode *node, GError *cause, GError **error);

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

/* Attributes. need_: must be there; get_: *value keeps what it was when it is not. Text is freed
 * with g_free(). */
gboolean vf_document_get_text(const xmlNode *node, const char *name, gsize max, char **value,
                              GError **error);
gboolean vf_document_need_text(const xmlNode *node, const char *name, gsize max, char **value,
                               GError **error);
gboolean vf_document_get_id(const xmlNode *node, const char *name, char **value, GError **error);
gboolean vf_document_need_id(const xmlNode *node, const char *name, char **value, GError **error);
gboolean vf_document_get_model_id(const xmlNode *node, const char *name, char **value,
                                  GError **error);
gboolean vf_document_need_model_id(const xmlNode *node, const char *name, char **value,
                                   GError **error);
gboolean vf_document_get_digest(const xmlNode *node, const char *name, char **value,
                                GError **error);
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
/* The same with names of parameters (model-id.h). */
gboolean vf_document_get_names(const xmlNode *node, const char *name, char ***value,
                               GError **error);

gboolean vf_document_has(const xmlNode *node, const char *name);
