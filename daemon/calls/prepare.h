/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "jobs.h"
#include "leases.h"

G_BEGIN_DECLS

/* Manager.Prepare. */
#define VF_TYPE_PREPARE (vf_prepare_get_type())
G_DECLARE_FINAL_TYPE(VfPrepare, vf_prepare, VF, PREPARE, GObject)

VfPrepare *vf_prepare_new(const VfContext *context, VfJobs *jobs, VfLeases *leases);

G_END_DECLS
