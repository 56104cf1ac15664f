/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "job.h"

G_BEGIN_DECLS

/* The jobs that are on the bus: Cancel, Resolve, and ten minutes of memory after the end, or until
 * 64 more of the same user have ended: each takes descriptors, here and in the store.
 *
 * Signals: "expired"(VfJob), when it leaves the bus; its record goes with it. */
#define VF_TYPE_JOBS (vf_jobs_get_type())
G_DECLARE_FINAL_TYPE(VfJobs, vf_jobs, VF, JOBS, GObject)

#define VF_JOBS_MEMORY_MS (10 * 60 * 1000)
#define VF_JOBS_ENDED_MAX 64

VfJobs *vf_jobs_new(const VfContext *context, guint memory_ms);

/* Before anything is begun for @job: it outlives this process where its driver can go on with it,
 * and takes places in the store then, @n_more beside its own. LIMIT_EXCEEDED when there are not
 * enough left. */
gboolean vf_jobs_reserve(VfJobs *self, VfJob *job, guint n_more, GError **error);

/* Exports it, at the path that it had before, if any, and returns its path. From now on what
 * is kept of it is kept. */
const char *vf_jobs_add(VfJobs *self, VfJob *job);

/* NULL when there is none. */
VfJob *vf_jobs_find(VfJobs *self, const char *uuid, VfJobRole role);
/* "/" when it is not here. */
const char *vf_jobs_get_path(VfJobs *self, VfJob *job);

/* Stays, although it has ended, until it is called as often again (a loaded device waits for its
 * adopter). */
void vf_jobs_hold(VfJobs *self, VfJob *job);
void vf_jobs_release(VfJobs *self, VfJob *job);

/* Of the line `begin` in a record: floating. */
GVariant *vf_jobs_begin_details(VfJob *job);

G_END_DECLS
