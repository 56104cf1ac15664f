/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mover-side.h"

G_BEGIN_DECLS

/* What the driver keeps for one side of a job: its mover, and at a destination the devices that
 * were opened. It is the job's driver data; vf_vfio_side_drop() ends everything. */
typedef struct {
    VfMoverSide worker;
    GArray *fds; /* of int: the devices, at a destination */
    guint next;  /* device that place opens, or begin inspects */
} VfVfioSide;

/* The job's, made when it has none. */
VfVfioSide *vf_vfio_side_get(VfJob *job);

/* The mover is killed, the devices are closed (vf_job_close_fd()), and the next daemon finds
 * nothing of them. */
void vf_vfio_side_drop(VfJob *job);

/* From what an earlier daemon kept. FALSE when it is not whole. */
gboolean vf_vfio_side_restore(VfJob *job, VfMoverSideUncommitted uncommitted, GError **error);

/* The next device of a destination. Takes @fd. */
void vf_vfio_side_take_device(VfVfioSide *self, int fd);

/* A device of the job's: the loan's, or the side's at a destination; it stays there. -1 when nobody
 * has it open any more. */
int vf_vfio_side_get_fd(VfJob *job, guint index);

/* The devices and the record of the job, as `return` and `start` want them (record last), or `send`
 * and `receive` (record first). The fds stay the job's. FALSE with NOT_SUPPORTED when nobody has
 * the devices open any more. */
gboolean vf_vfio_side_list_fds(VfJob *job, gboolean record_first, GArray *fds, GError **error);

/* Whether the job's mover was started as one that says in the record which devices it touches
 * (engine/past.c). What 0.1.0 has started does not. */
void vf_vfio_side_expect_marks(VfJob *job);
gboolean vf_vfio_side_expects_marks(VfJob *job);

/* Whether the job's mover has said last that a device runs here. */
gboolean vf_vfio_side_said_running(VfJob *job);

/* Takes note of the devices that @reply has as reset; how many they are. */
guint vf_vfio_side_note_resets(VfJob *job, const VfMoverReply *reply);

G_END_DECLS
