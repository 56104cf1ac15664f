/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "registry.h"

G_BEGIN_DECLS

/* @job outlives this process: from now on every change is described in @kept, which is taken. */
void vf_job_keep_follow(VfJob *job, VfKept *kept);

/* A job as the a{sv} that the next daemon makes it from again. The secret is not in it: who needs
 * it, the mover, has it. */

void vf_job_keep_fill(VfJob *job, GVariantDict *state);

/* NOT_SUPPORTED when something is missing or is none of its kind. Without record, loans and
 * driver data, and with a NULL device where @registry has none. */
VfJob *vf_job_keep_parse(GVariant *state, VfRegistry *registry, GError **error);

G_END_DECLS
