/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "frame.h"
#include "session-subject.h"

/* A guest that its hypervisors move, at both hosts at once: what runs where is in memory that
 * processes share, too. */
typedef struct VfPassenger VfPassenger;

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
} VfPassengerPlan;

VfPassenger *vf_passenger_new(const VfPassengerPlan *plan);
void vf_passenger_free(VfPassenger *self);

/* Stays the guest's. */
const VfSessionSubject *vf_passenger_get_subject(VfPassenger *self, VfRole role);

gboolean vf_passenger_runs(VfPassenger *self, VfRole role);
/* At any moment. */
gboolean vf_passenger_ran_twice(VfPassenger *self);
/* How often the source's was given back. */
guint vf_passenger_count_returns(VfPassenger *self);
