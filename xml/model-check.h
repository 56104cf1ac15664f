/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model.h"

/* What can be said of a model only when all of it is there (after its base was taken over): brings
 * the values of constraints and versions into their one spelling, and refuses names of parameters
 * and versions that do not exist, tests that do not suit a type, constraints that the initial
 * values, all values off or a version break. INVALID_XML without the place in a document. Changes
 * @self, which nobody else has yet. */
gboolean vf_model_finish(VfModel *self, GError **error);

/* Refuses constraints that no values satisfy. For descriptors, whose author is told; the schema of
 * another host is not worth the search: with such a model nothing ever fits. */
gboolean vf_model_check_satisfiable(const VfModel *self, GError **error);
