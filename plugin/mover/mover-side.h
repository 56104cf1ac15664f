/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "mover.h"

G_BEGIN_DECLS

/* One side of a job whose work a worker does: it is followed, what it says goes to the job, and the
 * next daemon finds it again. The first member of what a driver keeps for the job. */
typedef struct VfMoverSide VfMoverSide;

/* How the job goes on when its worker has gone; @reply as in its "ended". */
typedef void (*VfMoverSideEnded)(VfMoverSide *self, VfMoverReply *reply);

struct VfMoverSide {
    VfJob *job;     /* not a reference: the job owns this */
    VfMover *mover; /* NULL: none has been started */
    GTask *waiting; /* listen, until it does; perform, until the worker has its request */
    VfMoverSideEnded ended;
};

void vf_mover_side_init(VfMoverSide *self, VfJob *job);
/* The end of this process is none of the job's: a worker that is at work goes on. */
void vf_mover_side_clear(VfMoverSide *self);
/* The worker is killed, and the next daemon finds nothing of it. */
void vf_mover_side_drop(VfMoverSide *self);

/* Takes and starts @mover; its reports go to the job. */
void vf_mover_side_run(VfMoverSide *self, VfMover *mover, VfMoverSideEnded ended);

/* The worker that an earlier daemon has started. NOT_FOUND when nothing can be had of it. */
gboolean vf_mover_side_restore(VfMoverSide *self, const char *program, VfMoverSideEnded ended,
                               GError **error);

/* What the job's worker said last, as far as it is kept; NULL: nothing. */
VfOutcome *vf_mover_side_find_said(VfJob *job);

/* The job's secret, as `send` and `receive` want it. Floating. */
GVariant *vf_mover_side_key(VfJob *job);
/* Those arguments of `send` and `receive` that are the same for every worker. */
void vf_mover_side_fill_send(VfJob *job, const VfEndpoint *endpoint, GVariantDict *args);
void vf_mover_side_fill_receive(VfJob *job, GVariantDict *args);

/* vf_job_judge_async() with what the worker said last: @reply, NULL when it gave no result. Finish
 * with vf_job_judge_finish(). */
void vf_mover_side_judge_async(VfMoverSide *self, const VfMoverReply *reply,
                               GAsyncReadyCallback callback, gpointer data);

G_END_DECLS
