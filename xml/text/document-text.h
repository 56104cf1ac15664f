/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "error.h"

/* What every reader of documents refuses, before libxml2 sees the text, and how it says so. */

#define VF_DOCUMENT_DEPTH_MAX 32
/* An element, an attribute with its value or the text between two elements costs 120 to 220 bytes:
 * a tree stays at some twenty times the largest text. */
#define VF_DOCUMENT_BYTES_PER_NODE 16

/* libxml2 looks for the namespace of each element among all that are in force there. */
#define VF_DOCUMENT_NAMESPACES_MAX 64

/* How many are in force in each of the open elements; begins as all zeros. */
typedef struct {
    guint in_force[VF_DOCUMENT_DEPTH_MAX];
} VfDocumentNamespaces;

/* Whether those of a new element, @n, which is in @depth others, are not too many. */
gboolean vf_document_namespaces_enter(VfDocumentNamespaces *self, guint depth, guint n);

/* Sets @error to "<where>:<line>: <message>"; @line 0: it has none. Returns FALSE. */
gboolean vf_document_set_error(GError **error, VferryError code, const char *where, long line,
                               const char *message);

/* The size alone: LIMIT_EXCEEDED. */
gboolean vf_document_size_check(gsize size, gsize size_max, const char *where, GError **error);

/* Cuts off a byte order mark, then: the size, UTF-8 and no NUL, no other encoding declared, no
 * document type, no tag of more than 49152 bytes or 256 attributes. (*text)[*size] is NUL. @line
 * nullable: where the line of the error goes. */
gboolean vf_document_text_check(const char **text, gsize *size, gsize size_max, const char *where,
                                guint *line, GError **error);
