/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "jobs.h"
#include "leases.h"

G_BEGIN_DECLS

/* The destination's two calls: Manager.Prepare and Finish. */
#define VF_TYPE_DESTINATION_CALLS (vf_destination_calls_get_type())
G_DECLARE_FINAL_TYPE(VfDestinationCalls, vf_destination_calls, VF, DESTINATION_CALLS, GObject)

VfDestinationCalls *vf_destination_calls_new(const VfContext *context, VfJobs *jobs,
                                             VfLeases *leases);

G_END_DECLS
