/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "mover-reply.h"
#include "progress.h"

G_BEGIN_DECLS

/* A worker's process with one request, and what it says (docs/mover-control.md). What it says is
 * checked: it parses bytes that a stranger may have sent.
 *
 * Signals, on the main loop, none after "ended":
 *   "started": it has its request; vf_mover_get_control() and vf_mover_get_process() are there
 *   "said"(VfMoverReply *reply): its result; what is left is its exit
 *   "listening"(const char *address, guint port)
 *   "attached"(const char *peer_address)
 *   "phase"(const char *phase)
 *   "progress"(const VfProgress *)
 *   "ended"(VfMoverReply *reply): the process has exited and its copies of the descriptors are
 * closed; @reply is NULL when it gave no result, and vf_mover_get_error() then says how it ended.
 */
#define VF_TYPE_MOVER (vf_mover_get_type())
G_DECLARE_FINAL_TYPE(VfMover, vf_mover, VF, MOVER, GObject)

/* The programs. Static. */
#define VF_MOVER_PROGRAM "vferry-mover"
#define VF_MOVER_PROGRAM_GUEST "vferry-guest"
#define VF_MOVER_PROGRAM_ACCEPT "vferry-accept"

/* Takes a floating @args; the fds stay the caller's, who may close them at once. Nothing happens
 * before vf_mover_start(). */
VfMover *vf_mover_new(const char *program, const char *verb, GVariant *args, const int *fds,
                      guint n_fds);

/* One that systemd starts for whoever connects to @socket: it is nobody's child, and its end is
 * that of the connection. Otherwise as vf_mover_new(). */
VfMover *vf_mover_new_served(const char *socket, const char *program, const char *verb,
                             GVariant *args, const int *fds, guint n_fds);

/* Of one that an earlier daemon has started. */
typedef struct {
    const char *job;   /* its Uuid */
    const char *phase; /* that the job has come to */
    VfOutcome *said;   /* the result that it has given already, which is taken, or NULL */
} VfMoverPast;

/* By its end of the control socket and a pidfd, which are taken, after vf_mover_start(). How it
 * exited nobody can know who is not its parent. */
VfMover *vf_mover_adopt(const char *program, const char *verb, int control, int process,
                        const VfMoverPast *past);

/* For whoever is to adopt it; stay the mover's. -1 before "started" and after "ended", or when the
 * kernel gave no pidfd. */
int vf_mover_get_control(VfMover *self);
int vf_mover_get_process(VfMover *self);

/* Whatever goes wrong comes as "ended". Runs until then, also without another reference. */
void vf_mover_start(VfMover *self);

/* Asks it to stop; a commit that was made stands. */
void vf_mover_cancel(VfMover *self);

/* Something that its request hears while it works. Takes a floating @args; the fds stay the
 * caller's. PEER when it is not there any more, or not yet; BUSY when it does not read. */
gboolean vf_mover_tell(VfMover *self, const char *word, GVariant *args, const int *fds, guint n_fds,
                       GError **error);

/* SIGKILL; "ended" still comes, after the process is gone. */
void vf_mover_kill(VfMover *self);

/* It broke the protocol as only the one who listens can see: logged, and it is killed. A result
 * that it has given stays its result, else @error, which is taken, is how it ended. */
void vf_mover_blame(VfMover *self, GError *error);

/* After "ended" without a reply. Stays the mover's. */
const GError *vf_mover_get_error(VfMover *self);

/* One request with one answer: open, inspect, return, start. Killed after @deadline_ms. For
 * vf_mover_call_finish() an outcome other than `completed` is an error; for the other it is a reply
 * as any, and an error means that none came. */
void vf_mover_call_async(const char *program, const char *verb, GVariant *args, const int *fds,
                         guint n_fds, guint deadline_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data);
/* The same with one that is not started yet, which is taken. */
void vf_mover_call_this_async(VfMover *mover, guint deadline_ms, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer data);
VfMoverReply *vf_mover_call_finish(GAsyncResult *result, GError **error);
VfMoverReply *vf_mover_call_finish_reply(GAsyncResult *result, GError **error);

G_END_DECLS
