/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document-element.h"
#include "model.h"
#include "writer.h"

/* vf_model_parse() with the line of an error in @line (0: it has none), and with @ignored
 * (nullable) for each thing in a good descriptor that this version does not know. */
VfModel *vf_model_xml_parse_file(const char *text, gssize size, const char *file, guint *line,
                                 VfDocumentIgnored ignored, gpointer data, GError **error);

/* The <model> of a capabilities document: schema, digest and source as they stand there. Writes the
 * content of one that the caller has started. */
VfModel *vf_model_xml_parse_schema(const xmlNode *node, GError **error);
void vf_model_xml_write_schema(VfWriter *writer, const VfModel *model);

/* The descriptor in canonical form. Free with g_free(). */
char *vf_model_format(const VfModel *self);

/* The digest of the schema. Free with g_free(). */
char *vf_model_xml_digest(const VfModel *model);
