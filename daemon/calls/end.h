/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "jobs.h"
#include "leases.h"
#include "source-devices.h"

G_BEGIN_DECLS

/* Manager.Finish at the destination and Confirm at the source: how it ended, and nothing is left
 * that nobody needs. */
#define VF_TYPE_END (vf_end_get_type())
G_DECLARE_FINAL_TYPE(VfEnd, vf_end, VF, END, GObject)

VfEnd *vf_end_new(const VfContext *context, VfJobs *jobs, VfLeases *leases,
                  VfSourceDevices *devices);

G_END_DECLS
