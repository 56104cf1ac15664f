/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "mover.h"

G_BEGIN_DECLS

/* One side of a job whose work a worker does: it is followed, what it says goes to the job, and the
 * next daemon finds it again. The first member of what a driver keeps for the job. */
typedef struct VfMoverSide VfMoverSide;

/* The worker has gone, and nothing was committed. Takes @said, what the job comes to, and completes
 * it with that when nothing is left to be done. What the driver keeps for the job may be gone. */
typedef void (*VfMoverSideUncommitted)(VfJob *job, VfOutcome *said);

struct VfMoverSide {
    VfJob *job;           /* not a reference: the job owns this */
    VfMover *mover;       /* NULL: none has been started */
    GTask *waiting;       /* listen, until it does; perform, until the worker has its request */
    gboolean one_for_all; /* what its worker moves is one to it: each device is as that is */
    VfMoverSideUncommitted uncommitted;
};

void vf_mover_side_init(VfMoverSide *self, VfJob *job);
/* The end of this process is none of the job's: a worker that is at work goes on. */
void vf_mover_side_clear(VfMoverSide *self);
/* The worker is killed, and the next daemon finds nothing of it. */
void vf_mover_side_drop(VfMoverSide *self);

/* Takes and starts @mover; its reports go to the job, and so does its end: where it has not said
 * “completed” or “in-doubt” the record is judged before @uncommitted. */
void vf_mover_side_run(VfMoverSide *self, VfMover *mover, VfMoverSideUncommitted uncommitted);

/* The worker that an earlier daemon has started. NOT_FOUND when nothing can be had of it. */
gboolean vf_mover_side_restore(VfMoverSide *self, const char *program,
                               VfMoverSideUncommitted uncommitted, GError **error);

/* The driver's function of that name. */
void vf_mover_side_cancel(VfMoverSide *self);

/* A copy, for each device of the job. */
VfOutcome *vf_mover_side_copy_outcome(const VfMoverSide *self, const VfOutcome *said);

/* What the job's worker said last, as far as it is kept; NULL: nothing. */
VfOutcome *vf_mover_side_find_said(VfJob *job);

/* Those arguments of `send` and `receive` that are the same for every worker. */
void vf_mover_side_fill_send(VfJob *job, const VfEndpoint *endpoint, GVariantDict *args);
void vf_mover_side_fill_receive(VfJob *job, GVariantDict *args);

G_END_DECLS
