/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "domains.h"
#include "jobs.h"
#include "loans.h"
#include "source-devices.h"

G_BEGIN_DECLS

/* Manager.Begin, and what has begun until it is performed. */
#define VF_TYPE_BEGIN (vf_begin_get_type())
G_DECLARE_FINAL_TYPE(VfBegin, vf_begin, VF, BEGIN, GObject)

/* A Begin without a Perform. */
#define VF_BEGIN_PENDING_MS (10 * 60 * 1000)

VfBegin *vf_begin_new(const VfContext *context, VfJobs *jobs, VfLoans *loans, VfDomains *domains,
                      VfSourceDevices *devices, guint pending_ms);

/* A job of an earlier daemon that the caller has made again, with its loans in use, waits for
 * Perform here. */
void vf_begin_resume(VfBegin *self, VfJob *job);

/* The job that has begun and waits to be performed; NULL when there is none. */
VfJob *vf_begin_find(VfBegin *self, const char *uuid);
/* It waits no longer. */
void vf_begin_take(VfBegin *self, VfJob *job);

G_END_DECLS
