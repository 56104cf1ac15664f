/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request.h"

/* A worker process: started by the daemon for one request, in a sandbox, it speaks to a stranger or
 * to what may not answer. What makes it this one and not another is its table of verbs, and what
 * its sessions are about: devices, or a subject that somebody else moves (session-subject.h). The
 * rest is the same for all of them, and is here: its messages (docs/mover-control.md), the thread
 * that works, progress, cancel, and what becomes of a session that has lost its daemon. */
typedef struct {
    const char *program;
    const VfVerb *verbs;
    gsize n_verbs;
    VfRequestAdopt adopt;
    gpointer data; /* of adopt */
    /* Capabilities (1 << CAP_…) that it begins with where who starts it has them, for what its
     * verbs take (VfVerb.take); nothing is left of them when the work begins. */
    guint64 keeps;
    /* It has no session to bring to an end: when the daemon is gone, it is gone. */
    gboolean leaves;
    /* Gives up what a request with these VfVerb.needs does not take, before anything is done for
     * it: vf_confine_to(), or NULL where nothing can be. @record_size: of what its record says
     * already, 0 without one. FALSE: the request is refused with @error. */
    gboolean (*confine)(guint needs, gsize record_size, GError **error);
} VfWorker;

/* One request on @control_fd, from its arrival to its result: the control messages in this thread,
 * the work in another. Returns the exit status: 0 when the result was sent or nobody is there to
 * take it. */
int vf_worker_run(int control_fd, const VfWorker *worker);

/* main() of a worker: --version and --help, its log as lines for the journal, the first half of the
 * sandbox, and its one request, with the control socket as descriptor 3. */
int vf_worker_main(int argc, char **argv, const VfWorker *worker);
