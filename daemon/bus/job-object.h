/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "objects.h"

G_BEGIN_DECLS

/* org.vferry1.Job of @job: its properties and signals follow the job's. Cancel and Resolve are for
 * VfJobs to answer. */
VferryJob *vf_job_object_new(VfJob *job, VfObjects *objects);

G_END_DECLS
