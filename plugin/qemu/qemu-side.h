/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mover-side.h"
#include "qemu-accept.h"
#include "qemu-monitor.h"

G_BEGIN_DECLS

/* What the driver keeps for one side of a job: its vferry-guest, and the monitor of the QEMU that
 * has the guest. It is the job's driver data. */
typedef struct {
    VfMoverSide worker;
    VfQemuMonitor *monitor; /* NULL at a destination until somebody has attached a QEMU */
    guint watch;            /* of its process */
    gboolean asks;          /* at a destination: the kernel may be asked before the commit */
    VfQemuAccept *accept;   /* at a destination, once the source has come; NULL: nobody is asked */
} VfQemuSide;

/* The job's, made when it has none. */
VfQemuSide *vf_qemu_side_get(VfJob *job);
/* The worker is killed, the monitor closed, and the next daemon finds nothing of them. The guest
 * goes on as it is. */
void vf_qemu_side_drop(VfJob *job);
/* From what an earlier daemon kept. FALSE when it is not whole. */
gboolean vf_qemu_side_restore(VfJob *job, VfMoverSideUncommitted uncommitted, GError **error);

/* Has a reference of its own; the next daemon finds it. @monitor: nullable. */
void vf_qemu_side_set_monitor(VfQemuSide *self, VfQemuMonitor *monitor);

/* One request about the guest with the job's record behind it: `return` or `start`. Finish with
 * vf_mover_call_finish_reply(). FALSE with NOT_SUPPORTED when there is no QEMU. */
gboolean vf_qemu_side_call_async(VfQemuSide *self, const char *verb, gboolean touched_only,
                                 GAsyncReadyCallback callback, gpointer data, GError **error);

/* QEMU ends, if it has not: what it has must run nowhere. @waiting: only one that still waits for a
 * guest, since nothing has been sent to it. Finish with vf_qemu_side_quit_finish(): FALSE when it
 * could not be told, and has not ended. */
void vf_qemu_side_quit_async(VfQemuSide *self, gboolean waiting, GAsyncReadyCallback callback,
                             gpointer data);
gboolean vf_qemu_side_quit_finish(GAsyncResult *result, GError **error);

/* The domain's state follows what becomes of the job, of one of an earlier daemon, too; the monitor
 * is let go of as soon as nothing can be left to do over it. */
void vf_qemu_side_follow(VfJob *job);

G_END_DECLS
