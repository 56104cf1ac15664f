/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "model-folders.h"

/* Models and the values of their parameters, for people and for programs. */

/* With its parameters and what they may be. */
JsonNode *vf_model_view_json(const VfModel *model);

void vf_model_view_print(const VfModel *model, gboolean colour);

/* A list of values (value.h): of each its name, value (null: unread) and evidence. */
JsonNode *vf_model_view_values_json(GPtrArray *values);

/* Files that were left out: {"file", "line", "message"}. */
JsonNode *vf_model_view_problem_json(const VfModelsProblem *problem);

/* What the rule of a parameter means, as the end of a sentence: "must be the same". Translated. */
const char *vf_model_view_rule(VfCompareRule rule);

/* Where a value came from: "from the device's type". Translated, or @evidence itself; stays
 * @evidence's. */
const char *vf_model_view_evidence(const char *evidence);
