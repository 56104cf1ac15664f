/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"

G_BEGIN_DECLS

/* Manager.Compare, Baseline and Find: questions that everybody may ask. They are answered in worker
 * threads, a few at a time; what waits is bounded in number and size, for all and for each caller.
 */
#define VF_TYPE_MODEL_CALLS (vf_model_calls_get_type())
G_DECLARE_FINAL_TYPE(VfModelCalls, vf_model_calls, VF, MODEL_CALLS, GObject)

VfModelCalls *vf_model_calls_new(const VfContext *context);

G_END_DECLS
