/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"
#include "model.h"
#include "writer.h"

/* The <match> of a descriptor into the model's matches; a VfDocumentHandler with the VfModel as
 * data. */
gboolean vf_match_xml_parse(const xmlNode *node, gpointer data, GError **error);

void vf_match_xml_write(VfWriter *writer, const VfModel *model);
