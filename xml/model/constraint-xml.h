/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "constraint.h"
#include "document.h"
#include "writer.h"

/* A <constraint> of a model. The values in it are as written: which parameters there are is known
 * when the model is whole (model-check.h). NULL on error. */
VfConstraint *vf_constraint_xml_parse(const xmlNode *node, GError **error);

void vf_constraint_xml_write(VfWriter *writer, const VfConstraint *constraint);
