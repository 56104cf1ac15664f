/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "capabilities.h"
#include "document.h"
#include "names.h"

#define VF_CAPABILITIES_XML_NS VF_NS("capabilities")

/* A descriptor has at most 1 MiB, so no model has more elements and attributes, or text, than this:
 * it can be held in memory, whatever the size of its document. */
#define VF_CAPABILITIES_XML_MODEL_NODES (VF_DOCUMENT_SIZE_MAX / 16)
#define VF_CAPABILITIES_XML_MODEL_BYTES VF_DOCUMENT_SIZE_MAX

/* The elements of a capabilities document; of a parent the attributes alone. */
gboolean vf_capabilities_xml_parse_host(const xmlNode *node, VfCapabilities *self, GError **error);
VfModel *vf_capabilities_xml_parse_model(const xmlNode *node, GError **error);
gboolean vf_capabilities_xml_parse_parent(const xmlNode *node, VfCapabilitiesParent *self,
                                          GError **error);
gboolean vf_capabilities_xml_parse_offer(const xmlNode *node, VfCapabilitiesOffer *self,
                                         GError **error);
gboolean vf_capabilities_xml_parse_device(const xmlNode *node, VfCapabilitiesDevice *self,
                                          GError **error);
