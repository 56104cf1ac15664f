/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"
#include "model.h"
#include "writer.h"

/* The <versions> of a model into its versions and version_parameter; a VfDocumentHandler with the
 * VfModel as data. Which parameters there are is known when the model is whole (model-check.h). */
gboolean vf_versions_xml_parse(const xmlNode *node, gpointer data, GError **error);

/* Nothing for a model without versions. */
void vf_versions_xml_write(VfWriter *writer, const VfModel *model);
