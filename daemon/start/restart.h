/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "jobs.h"
#include "leases.h"
#include "loans.h"
#include "recovery.h"
#include "begin.h"

G_BEGIN_DECLS

/* Who goes on with what an earlier daemon left in the store. */
typedef struct {
    const VfContext *context;
    VfJobs *jobs;
    VfLoans *loans;
    VfLeases *leases;
    VfBegin *begin;
    VfSourceDevices *source_devices;
    VfRecovery *recovery;
} VfRestart;

/* When the devices are known, and before anybody else looks at the records or at us. Blocks: it
 * reads the records of jobs in doubt. What is not whole is let go: its mover sees end of file, and
 * recovery decides by the record. */
void vf_restart(const VfRestart *self);

G_END_DECLS
