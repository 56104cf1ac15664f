/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "channel.h"
#include "frame.h"

/* A peer on a tape: a channel that gives one side of a session what was put on it, and keeps what
 * that side says. It never waits long: a piece whose turn does not come ends the tape. */
typedef struct VfTape VfTape;

#define VF_TAPE_TYPES 16

VfTape *vf_tape_new(void);
void vf_tape_free(VfTape *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfTape, vf_tape_free)

/* @size bytes, to be heard once @count frames of @type were said, when @count is not 0. */
void vf_tape_add(VfTape *self, const void *data, gsize size, guint type, guint count);

/* One frame, header and checksum made to fit, with the next sequence number. */
void vf_tape_add_frame(VfTape *self, guint16 frame_type, guint16 device, const void *payload,
                       guint32 length, guint type, guint count);

/* A channel that plays it; the tape must live longer. */
VfChannel *vf_tape_play(VfTape *self);

/* What was said so far, as it would have gone over the wire. Stays the tape's. */
const GByteArray *vf_tape_get_said(VfTape *self);
/* Frames of @type in it. */
guint vf_tape_count(VfTape *self, guint type);
