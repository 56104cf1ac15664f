/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"

/* Attributes that name models and what is in them: as those of document-attribute.h. */

gboolean vf_document_get_model_id(const xmlNode *node, const char *name, char **value,
                                  GError **error);
gboolean vf_document_need_model_id(const xmlNode *node, const char *name, char **value,
                                   GError **error);
gboolean vf_document_get_digest(const xmlNode *node, const char *name, char **value,
                                GError **error);

/* Names of parameters (model-id.h) separated by spaces; sorted, each once. Free with g_strfreev().
 */
gboolean vf_document_get_names(const xmlNode *node, const char *name, char ***value,
                               GError **error);

/* The name of one parameter (model-id.h). */
gboolean vf_document_need_name(const xmlNode *node, const char *name, char **value, GError **error);
