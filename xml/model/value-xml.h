/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"
#include "value.h"
#include "writer.h"

/* One <parameter name value evidence/> into the list @data; a VfDocumentHandler. A name that is
 * there already is refused. */
gboolean vf_value_xml_parse(const xmlNode *node, gpointer data, GError **error);

void vf_value_xml_write(VfWriter *writer, GPtrArray *list);
