/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"

G_BEGIN_DECLS

/* Which word a mover may say when (docs/mover-control.md). What is said out of turn would be
 * believed as if it had happened: that a destination listens, has its source, is this far. */
typedef struct {
    const char *verb; /* of its request; not a copy */
    guint said;       /* of those that are said once: bits */
    gboolean adopted; /* it may have said them already */
    VfJobPhase phase; /* the last one; PREPARING: none yet */
} VfMoverOrder;

/* For a mover that is started with this request. */
void vf_mover_order_begin(VfMoverOrder *self, const char *verb);
/* For one that may have said anything to an earlier daemon, in a job that has come to @phase. */
void vf_mover_order_resume(VfMoverOrder *self, const char *verb, const char *phase);

/* Takes note of @word. FALSE and PEER when it is not for this request, or not now. */
gboolean vf_mover_order_take(VfMoverOrder *self, const char *word, GError **error);
/* Of which phase it is, too. */
gboolean vf_mover_order_take_phase(VfMoverOrder *self, const char *phase, GError **error);

G_END_DECLS
