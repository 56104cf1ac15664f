/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What may safely be done about a migration in doubt, from what both sides know:
 * docs/migration-stream.md, "Who may run". */

typedef enum {
    VF_SIDE_MISSING,   /* the job is not known there (any more), or nobody could ask */
    VF_SIDE_BUSY,      /* it has not ended yet */
    VF_SIDE_RUNNING,   /* the device runs there */
    VF_SIDE_GONE,      /* it does not run there and never will */
    VF_SIDE_DOUBT,     /* stopped with its state: it could run, and nobody has said that it shall */
    VF_SIDE_DOUBT_DEAD /* in doubt, but its state is lost: it cannot run */
} VfSide;

typedef enum {
    VF_DECISION_RUN_AT_SOURCE = 1 << 0,
    VF_DECISION_RUN_AT_DESTINATION = 1 << 1,
    VF_DECISION_DISCARD = 1 << 2, /* give the device's state up on every side that is in doubt: it
                                     runs on none of them, or on the other already */
} VfDecision;

/* From Job.Role, .Result and the states in .Devices (a NULL-terminated list). */
VfSide vf_decide_side(const char *role, const char *result, const char *const *states);

/* The safe choices, a set of VfDecision; 0 when there is nothing to decide or nobody may. */
VfDecision vf_decide_choices(VfSide source, VfSide destination);

/* What Resolve is told at each side for @decision ("run", "discard" or NULL: nothing). Every
 * discard comes before the run. */
void vf_decide_calls(VfDecision decision, VfSide source, VfSide destination, const char **at_source,
                     const char **at_destination);

/* A sentence about a side. Static, translated. */
const char *vf_decide_describe(VfSide side);
