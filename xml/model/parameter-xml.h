/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"
#include "parameter.h"
#include "writer.h"

typedef enum {
    VF_PARAMETER_XML_SCHEMA,     /* what two hosts must agree on */
    VF_PARAMETER_XML_DESCRIPTOR, /* and how the value is read and applied */
} VfParameterXmlForm;

/* A <parameter> of a model. Every value in it is canonical and allowed. NULL on error. */
VfParameter *vf_parameter_xml_parse(const xmlNode *node, VfParameterXmlForm form, GError **error);

void vf_parameter_xml_write(VfWriter *writer, const VfParameter *parameter,
                            VfParameterXmlForm form);
