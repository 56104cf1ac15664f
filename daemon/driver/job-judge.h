/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"

G_BEGIN_DECLS

/* For a driver whose work on @job has ended without a word that counts, also after it was killed:
 * the record has the last word about a commit. After one a source must not run, or two would; of a
 * destination it says whether it does. The job is completed then, or in doubt, also where the
 * record cannot be read. Takes @said, what the job comes to if nothing was committed. */
void vf_job_judge_async(VfJob *job, VfOutcome *said, GAsyncReadyCallback callback, gpointer data);

/* NULL: the job has ended. Else nothing was committed, and @said is given back: a source's devices
 * are to be brought back, and the driver completes the job. */
VfOutcome *vf_job_judge_finish(VfJob *job, GAsyncResult *result);

G_END_DECLS
