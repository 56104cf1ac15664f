/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"
#include "report.h"
#include "requirement.h"

typedef enum {
    VF_COMPARE_FLAGS_NONE = 0,
    /* The device is still to be made: parameters with an applier can become any allowed value. */
    VF_COMPARE_FLAGS_SETTABLE = 1 << 0,
} VfCompareFlags;

/* Whether the destination that @model and @known (list, value.h) describe can be what @requirement
 * asks for. The destination's schema decides: a parameter that it does not have is incompatible. A
 * differing digest is a line of the report, not a verdict.
 * @model NULL: the destination has no such model. Never fails; the report belongs to the caller.
 *
 * For an offer: @known from vf_model_values_from_type(), VF_COMPARE_FLAGS_SETTABLE. For a device
 * that exists, or to compare again what was read back from a new one: its values,
 * VF_COMPARE_FLAGS_NONE. vf_report_check() turns the result into a GError. */
VfReport *vf_compare_requirement(const VfRequirement *requirement, const VfModel *model,
                                 GPtrArray *known, VfCompareFlags flags);
