/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "jobs.h"
#include "loans.h"

G_BEGIN_DECLS

/* The source's three calls: Manager.Begin, Perform and Confirm. */
#define VF_TYPE_SOURCE_CALLS (vf_source_calls_get_type())
G_DECLARE_FINAL_TYPE(VfSourceCalls, vf_source_calls, VF, SOURCE_CALLS, GObject)

/* A Begin without a Perform. */
#define VF_SOURCE_CALLS_PENDING_MS (10 * 60 * 1000)

VfSourceCalls *vf_source_calls_new(const VfContext *context, VfJobs *jobs, VfLoans *loans,
                                   guint pending_ms);

/* A job of an earlier daemon that the caller has made again, with its loans in use: one that was
 * begun waits for Perform, any other is on the bus. */
void vf_source_calls_resume(VfSourceCalls *self, VfJob *job);

/* One that only its record knows, before it is said how it ended: while it is in doubt, it has the
 * loans of its devices that came back. */
void vf_source_calls_recover(VfSourceCalls *self, VfJob *job);

G_END_DECLS
