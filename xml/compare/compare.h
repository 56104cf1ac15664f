/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"
#include "report.h"
#include "requirement.h"

/* Whether the destination that @model and @known (list, value.h) describe can be what @requirement
 * asks for. The destination's schema decides: a parameter that is in effect at the source and that
 * it does not have is incompatible. A differing digest is a line of the report, not a verdict.
 * @model NULL: the destination has no such model. Never fails; the report belongs to the caller.
 *
 * @settable: names of the parameters that the destination can still be given, nullable: none. For
 * an offer: @known from vf_model_values_from_type(), @settable from vf_model_settable_names(), or
 * as its capabilities say. For a device that exists, or to compare again what was read back from a
 * new one: its values, and NULL. vf_report_check() turns the result into a GError. */
VfReport *vf_compare_requirement(const VfRequirement *requirement, const VfModel *model,
                                 GPtrArray *known, char *const *settable);

/* The same verdict without a report, and much faster: stops at what decides. */
VfVerdict vf_compare_verdict(const VfRequirement *requirement, const VfModel *model,
                             GPtrArray *known, char *const *settable);

/* What the settable parameters must be given so that the destination fits as the comparison says:
 * the requirement's values, the nearest allowed one where its own cannot be set and the rule takes
 * another, and the off values of what the requirement does not have. A list (value.h); what cannot
 * be given is not in it. Free with g_ptr_array_unref(). */
GPtrArray *vf_compare_values_to_give(const VfRequirement *requirement, const VfModel *model,
                                     GPtrArray *known, char *const *settable);
