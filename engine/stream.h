/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cancel.h"
#include "channel.h"
#include "frame.h"

/* The frames of docs/migration-stream.md over one channel. One thread sends and receives;
 * a thread of the stream's own sends heartbeats beside it. Memory is bounded: one outgoing and one
 * incoming frame, and, at a source, the few small frames that came while it was sending. */
typedef struct VfStream VfStream;

typedef struct {
    VfFrameHeader header;
    const guint8 *payload; /* valid until the next vf_stream_receive() */
} VfFrame;

#define VF_STREAM_PATIENCE_MS 5000

/* Takes ownership of @channel. @n_devices bounds the device numbers of what is received. */
VfStream *vf_stream_new(VfChannel *channel, VfRole role, guint n_devices, VfCancel *cancel);
void vf_stream_free(VfStream *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfStream, vf_stream_free)

/* How long the peer may be silent while this side waits for it; tests are less patient than the
 * protocol. Heartbeats come five times as often. Before vf_stream_start_heartbeat(). */
void vf_stream_set_patience(VfStream *self, guint ms);

/* From here on a cancel does not interrupt: the commit is made, or an ABORT has to go out. */
void vf_stream_ignore_cancel(VfStream *self);

void vf_stream_start_heartbeat(VfStream *self);

/* Room for VF_FRAME_DATA_MAX bytes, page-aligned, where a DATA frame's payload is put before
 * vf_stream_send_buffer(); the header goes right before it, so that a frame is in one piece. */
void *vf_stream_get_buffer(VfStream *self);
gboolean vf_stream_send_buffer(VfStream *self, VfFrameType type, guint device, gsize length,
                               GError **error);

gboolean vf_stream_send(VfStream *self, VfFrameType type, guint device, const void *payload,
                        gsize length, GError **error);

/* From @end on (monotonic time), and while this side cannot send, @late is asked whether it may
 * wait any longer: once it has said yes, no more. It may look for frames. NULL: never. */
typedef gboolean (*VfStreamLate)(gpointer data, GError **error);
void vf_stream_set_late(VfStream *self, gint64 end, VfStreamLate late, gpointer data);

/* The next frame that is neither a heartbeat nor optional and unknown. PEER when the peer is silent
 * for too long, hangs up, breaks the protocol or sent an ABORT; CANCELLED. */
gboolean vf_stream_receive(VfStream *self, VfFrame *frame, GError **error);

/* PEER also when none has come after @seconds, although the peer's heart beats. */
gboolean vf_stream_receive_within(VfStream *self, guint seconds, VfFrame *frame, GError **error);

/* The same without waiting: frame->header.type is 0 when nothing whole has come. A side that only
 * looks now and then notices a silence, too. */
gboolean vf_stream_try_receive(VfStream *self, VfFrame *frame, GError **error);

/* Waits until something comes from the peer, one of @fds is readable, or @timeout_ms have passed.
 * Says nothing of which. PEER after a silence, CANCELLED. */
gboolean vf_stream_wait(VfStream *self, const int *fds, guint n_fds, guint timeout_ms,
                        GError **error);

/* For whoever waits for more than it: readable when something may have come. */
int vf_stream_get_fd(VfStream *self);

/* Whether the peer has sent an ABORT, so that an error is its last word and not a broken
 * connection. */
gboolean vf_stream_was_aborted(VfStream *self);

/* Sends an ABORT if that is possible without waiting. No more frames after it. */
void vf_stream_abort(VfStream *self, const GError *reason);

/* Bytes that were sent and are not known to have arrived. */
gsize vf_stream_get_in_flight(VfStream *self);

/* Tells the peer that nothing more will come, and waits at most @timeout_ms for it to hang up: what
 * was sent last would be lost if the socket were closed with unread bytes in it (RFC 9293, 3.10.4).
 */
void vf_stream_finish(VfStream *self, guint timeout_ms);
