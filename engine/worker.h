/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* Gives up what a request with this verb does not take. @record_size: of what its record says
 * already, 0 without one. FALSE: the request is refused with @error. */
typedef gboolean (*VfWorkerConfine)(VfRequestVerb verb, gsize record_size, GError **error);

/* One request of docs/mover-control.md on @control_fd, from its arrival to its result: the control
 * messages in this thread, the work in another. @adopt makes devices of the descriptors that come
 * with the request; @confine (nullable) is called before anything is done for it. Returns the exit
 * status: 0 when the result was sent or nobody is there to take it. */
int vf_worker_run(int control_fd, VfRequestAdopt adopt, gpointer data, VfWorkerConfine confine);
