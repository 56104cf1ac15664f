/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "document.h"
#include "requirement.h"
#include "writer.h"

/* A <requirement> inside another document keeps its own namespace. */
VfRequirement *vf_requirement_xml_parse(const xmlNode *node, GError **error);
/* The content of the element that the caller has started. */
void vf_requirement_xml_write(VfWriter *writer, const VfRequirement *requirement);
