/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* Whether an object of a daemon is still there, learnt from the daemon's signals. */
typedef struct VfPresence VfPresence;

typedef enum {
    VF_LOSS_NONE,       /* it is there */
    VF_LOSS_OBJECT,     /* the daemon has removed it */
    VF_LOSS_DAEMON,     /* the daemon has ended */
    VF_LOSS_CONNECTION, /* the bus has, or ssh */
} VfLoss;

/* Look at the object after this, not before: then its end cannot be missed. @bus must outlive it.
 */
VfPresence *vf_presence_new(VfBus *bus, const char *path);
void vf_presence_free(VfPresence *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfPresence, vf_presence_free)

/* As of the last iteration of the main context. */
VfLoss vf_presence_get_loss(VfPresence *self);
