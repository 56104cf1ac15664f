/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "phase.h"
#include "record.h"

G_BEGIN_DECLS

/* What a record (docs/migration-stream.md) means for its side: who runs, who may. Nobody else
 * judges one. */
typedef enum {
    VF_RECORD_EMPTY,       /* it says nothing of a job: nothing was done */
    VF_RECORD_UNCOMMITTED, /* the destination never ran, and will not */
    VF_RECORD_IN_DOUBT,    /* committed, and whether the destination runs is not known here */
    VF_RECORD_COMPLETED,   /* the destination runs, or it was decided that it does */
    VF_RECORD_RETURNED,  /* over without a crossing: the source runs, of the destination nothing is
                            left */
    VF_RECORD_DISCARDED, /* a destination that was decided never to run, and may not be removed yet
                          */
} VfRecordVerdict;

/* @entries: what vf_record_read() returned. */
VfRecordVerdict vf_verdict(VfJobRole role, GPtrArray *entries);

/* The first line, which is the daemon's: the others may be anybody's who has the record, also a
 * mover's that was taken over. NULL when it is none. */
const VfRecordEntry *vf_verdict_find_begin(GPtrArray *entries);

/* Whether the state of the device is lost, by whoever carried a decision out (engine/past.c). */
gboolean vf_verdict_was_reset(GPtrArray *entries, guint device);

G_END_DECLS
