/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "channel.h"

/* A data connection beside a session's stream: what somebody who moves his own data writes into a
 * socket on one side comes out of a socket at the other, both ways, sealed in between. Neither the
 * bytes nor their order is looked at. A thread of the lane's moves them, so that a side that does
 * not read holds up the lane and nothing else: at most a buffer of each direction is in memory. */
typedef struct VfLane VfLane;

/* Takes @channel, whose handshake is over, and @fd, a connected stream socket. */
VfLane *vf_lane_start(VfChannel *channel, int fd);

/* Cuts what is still on its way. */
void vf_lane_free(VfLane *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfLane, vf_lane_free)

/* Bytes that this side was sent, and has given on. */
guint64 vf_lane_get_received(VfLane *self);

/* FALSE with PEER, or FAILED where it was this side's socket, when it broke: whoever moves his data
 * over it has noticed, too, and less well. One that has ended in order is no error. */
gboolean vf_lane_check(VfLane *self, GError **error);
