/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"
#include "session-subject.h"

/* A guest that its hypervisors move, at both hosts at once: what runs where is in memory that
 * processes share, too. */
typedef struct VfGuest VfGuest;

typedef struct {
    guint moves;    /* so often the source's hypervisor says that it is not done */
    guint loads;    /* and the destination's, after the source has stopped */
    gboolean early; /* the destination has everything while the source is not done */
    gboolean fail_move;
    gboolean fail_check;
    gboolean fail_give_back;
    gboolean fail_load;
    gboolean fail_loaded; /* it has gone right after that */
    gboolean fail_run;
} VfGuestPlan;

VfGuest *vf_guest_new(const VfGuestPlan *plan);
void vf_guest_free(VfGuest *self);

/* Stays the guest's. */
const VfSessionSubject *vf_guest_get_subject(VfGuest *self, VfRole role);

gboolean vf_guest_runs(VfGuest *self, VfRole role);
/* At any moment. */
gboolean vf_guest_ran_twice(VfGuest *self);
/* How often the source's was given back. */
guint vf_guest_count_returns(VfGuest *self);
