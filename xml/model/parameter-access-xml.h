/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"
#include "parameter.h"
#include "writer.h"

/* The <read> and <apply> of a descriptor's parameter, whose type and allowed values are known. Each
 * is a VfDocumentHandler with the VfParameter as data. */
gboolean vf_parameter_read_xml_parse(const xmlNode *node, gpointer data, GError **error);
gboolean vf_parameter_apply_xml_parse(const xmlNode *node, gpointer data, GError **error);

void vf_parameter_access_xml_write(VfWriter *writer, const VfParameter *self);
