/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model.h"

#define VF_MODEL_PARAMETERS_MAX 256
#define VF_MODEL_CONSTRAINTS_MAX 64
#define VF_MODEL_CONDITIONS_MAX 256 /* of all constraints together: each comparison checks them */
#define VF_MODEL_VERSIONS_MAX 256

/* What can be said of a model only when all of it is there (after its base was taken over): brings
 * the values of constraints and versions into their one spelling, and refuses names of parameters
 * and versions that do not exist, tests that do not suit a type, and more of anything than a
 * document may have. INVALID_XML without the place in a document. Changes @self, which nobody else
 * has yet. */
gboolean vf_model_finish(VfModel *self, GError **error);

/* Refuses constraints that the initial values, all values off or a version break, or that no values
 * satisfy. For descriptors, whose author is told; the schema of another host is not worth the time
 * that this can take: with such a model nothing ever fits. */
gboolean vf_model_check_constraints(const VfModel *self, GError **error);
