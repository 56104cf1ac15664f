/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <glib/gi18n-lib.h>
#include <linux/sockios.h>

#include "error.h"
#include "message.h"

#define PAGE 4096
#define BEATS_IN_PATIENCE 5 /* with a patience of 5 s: once a second */
#define TICKS_IN_BEAT 4
/* Frames without meaning: so many before the caller may look around, and so many in each second
 * since the last with one. Heartbeats are far fewer. */
#define SKIPPED_AT_ONCE 1024
#define SKIPPED_A_SECOND 100

typedef struct {
    GMutex lock;
    GCond stop_cond;
    gboolean stop;
    GThread *thread;
} Heart;

typedef struct {
    GMutex lock;  /* for the frame that is being sent, and all below */
    guint8 *area; /* the header ends, and the payload begins, at a page */
    guint64 sequence;
    gint64 last;                       /* monotonic time */
    guint8 rest[VF_FRAME_HEADER_SIZE]; /* of a heartbeat that did not fit whole */
    guint n_rest;
    gsize sent;      /* of the frame that is being sent */
    gboolean broken; /* a frame was begun and will not be finished */
} Outgoing;

typedef struct {
    guint8 *area;
    gsize have; /* bytes of header and payload so far */
    VfFrameHeader header;
    guint64 sequence;
    GQueue queue;    /* of GBytes, VfFrameHeader and payload: came while this thread was sending */
    GBytes *taken;   /* the one that the caller looks at */
    gint64 heard;    /* when something came */
    gint64 looked;   /* when there was nothing */
    gboolean graced; /* since heard */
    gint64 meant;    /* when a frame with a meaning came */
    guint skipped;   /* since meant */
    GError *aborted;
} Incoming;

typedef struct {
    VfStreamLate call; /* NULL: nobody asks */
    gpointer data;
    gint64 end;
} Late;

struct VfStream {
    VfChannel *channel;
    VfRole role;
    guint n_devices;
    VfCancel *cancel;
    gboolean ignore_cancel;
    guint patience_ms;
    Outgoing out;
    Incoming in;
    Late late;
    Heart heart;
};

typedef enum {
    PUMP_NOTHING,
    PUMP_FRAME,
    PUMP_ERROR,
} Pump;

static guint8 *
area_new(void)
{
    return g_aligned_alloc0(1, PAGE + VF_FRAME_DATA_MAX, PAGE);
}

VfStream *
vf_stream_new(VfChannel *channel, VfRole role, guint n_devices, VfCancel *cancel)
{
    VfStream *self = g_new0(VfStream, 1);

    self->channel = channel;
    self->role = role;
    self->n_devices = n_devices;
    self->cancel = cancel;
    self->patience_ms = VF_STREAM_PATIENCE_MS;
    g_mutex_init(&self->out.lock);
    self->out.area = area_new();
    self->in.area = area_new();
    g_queue_init(&self->in.queue);
    self->in.heard = self->in.looked = self->in.meant = g_get_monotonic_time();
    g_mutex_init(&self->heart.lock);
    g_cond_init(&self->heart.stop_cond);
    return self;
}

static void
stop_heartbeat(VfStream *self)
{
    if (!self->heart.thread)
        return;
    g_mutex_lock(&self->heart.lock);
    self->heart.stop = TRUE;
    g_cond_signal(&self->heart.stop_cond);
    g_mutex_unlock(&self->heart.lock);
    g_thread_join(g_steal_pointer(&self->heart.thread));
}

void
vf_stream_free(VfStream *self)
{
    stop_heartbeat(self);
    vf_channel_free(self->channel);
    g_mutex_clear(&self->out.lock);
    g_aligned_free(self->out.area);
    g_aligned_free(self->in.area);
    g_queue_clear_full(&self->in.queue, (GDestroyNotify)g_bytes_unref);
    g_clear_pointer(&self->in.taken, g_bytes_unref);
    g_clear_error(&self->in.aborted);
    g_mutex_clear(&self->heart.lock);
    g_cond_clear(&self->heart.stop_cond);
    g_free(self);
}

void
vf_stream_set_patience(VfStream *self, guint ms)
{
    self->patience_ms = ms;
}

void
vf_stream_ignore_cancel(VfStream *self)
{
    self->ignore_cancel = TRUE;
}

void
vf_stream_set_late(VfStream *self, gint64 end, VfStreamLate late, gpointer data)
{
    self->late = (Late){late, data, end};
}

gboolean
vf_stream_was_aborted(VfStream *self)
{
    return self->in.aborted != NULL;
}

gsize
vf_stream_get_in_flight(VfStream *self)
{
    gsize unsent = vf_channel_get_unsent(self->channel);
    int n = 0;

    return ioctl(vf_channel_get_fd(self->channel), SIOCOUTQ, &n) == 0 && n > 0 ? unsent + (gsize)n
                                                                               : unsent;
}

static guint8 *
header_of(guint8 *area)
{
    return area + PAGE - VF_FRAME_HEADER_SIZE;
}

static guint8 *
payload_of(guint8 *area)
{
    return area + PAGE;
}

void *
vf_stream_get_buffer(VfStream *self)
{
    return payload_of(self->out.area);
}

/* Receiving */

/* One read towards a whole frame. */
static Pump
fill(VfStream *self, gsize want, GError **error)
{
    gsize n = 0;
    VfChannelResult result = vf_channel_read(
        self->channel, header_of(self->in.area) + self->in.have, want - self->in.have, &n, error);

    if (result == VF_CHANNEL_WAIT)
        return PUMP_NOTHING;
    if (result == VF_CHANNEL_END)
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                            _("the other side closed the connection"));
    if (result != VF_CHANNEL_DONE)
        return PUMP_ERROR;
    self->in.have += n;
    self->in.heard = g_get_monotonic_time();
    self->in.graced = FALSE;
    return PUMP_FRAME;
}

/* PUMP_FRAME: in.header and the payload are whole, and right. */
static Pump
pump_frame(VfStream *self, GError **error)
{
    const guint8 *bytes = header_of(self->in.area);
    VfRole sender = self->role == VF_ROLE_SOURCE ? VF_ROLE_DESTINATION : VF_ROLE_SOURCE;

    while (self->in.have < VF_FRAME_HEADER_SIZE) {
        Pump pump = fill(self, VF_FRAME_HEADER_SIZE, error);
        if (pump != PUMP_FRAME)
            return pump;
        if (self->in.have == VF_FRAME_HEADER_SIZE &&
            !vf_frame_unpack(bytes, sender, self->n_devices, self->in.sequence, &self->in.header,
                             error))
            return PUMP_ERROR;
    }
    while (self->in.have < VF_FRAME_HEADER_SIZE + self->in.header.length) {
        Pump pump = fill(self, VF_FRAME_HEADER_SIZE + self->in.header.length, error);
        if (pump != PUMP_FRAME)
            return pump;
    }
    if (!vf_frame_verify(bytes, &self->in.header, payload_of(self->in.area), error))
        return PUMP_ERROR;
    self->in.have = 0;
    self->in.sequence++;
    return PUMP_FRAME;
}

static gboolean
set_aborted_error(VfStream *self, GError **error)
{
    if (!self->in.aborted)
        return FALSE;
    if (error)
        *error = g_error_copy(self->in.aborted);
    return TRUE;
}

/* A frame without meaning has come. Who was busy for long finds many that have waited for him. */
static gboolean
may_skip(VfStream *self, GError **error)
{
    gint64 seconds = (g_get_monotonic_time() - self->in.meant) / G_USEC_PER_SEC;

    self->in.skipped++;
    if (self->in.skipped <= SKIPPED_AT_ONCE + SKIPPED_A_SECOND * seconds)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the other side sends %u frames without a meaning, more than its heart beats"),
                self->in.skipped);
    return FALSE;
}

/* PUMP_FRAME: one that means something to a session. */
static Pump
pump(VfStream *self, GError **error)
{
    if (set_aborted_error(self, error))
        return PUMP_ERROR;
    for (guint i = 0; i < SKIPPED_AT_ONCE; i++) {
        Pump result = pump_frame(self, error);
        if (result != PUMP_FRAME)
            return result;
        if (self->in.header.type == VF_FRAME_ABORT) {
            self->in.aborted =
                vf_message_parse_abort(payload_of(self->in.area), self->in.header.length);
            set_aborted_error(self, error);
            return PUMP_ERROR;
        }
        if (self->in.header.type != VF_FRAME_HEARTBEAT &&
            self->in.header.type < VF_FRAME_OPTIONAL) {
            self->in.meant = self->in.heard;
            self->in.skipped = 0;
            return PUMP_FRAME;
        }
        if (!may_skip(self, error))
            return PUMP_ERROR;
    }
    return PUMP_NOTHING;
}

/* What came while a source was sending is kept for when it asks; only small frames go that way. */
static gboolean
pump_to_queue(VfStream *self, GError **error)
{
    Pump result;

    while ((result = pump(self, error)) == PUMP_FRAME) {
        GByteArray *copy = g_byte_array_new();
        if (g_queue_get_length(&self->in.queue) > self->n_devices + 4) {
            g_byte_array_unref(copy);
            g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                                _("the other side sends frames that nobody asked for"));
            return FALSE;
        }
        g_byte_array_append(copy, (const guint8 *)&self->in.header, sizeof self->in.header);
        g_byte_array_append(copy, payload_of(self->in.area), self->in.header.length);
        g_queue_push_tail(&self->in.queue, g_byte_array_free_to_bytes(copy));
    }
    return result == PUMP_NOTHING;
}

static gboolean
take_queued(VfStream *self, VfFrame *frame)
{
    const guint8 *data;

    g_clear_pointer(&self->in.taken, g_bytes_unref);
    self->in.taken = g_queue_pop_head(&self->in.queue);
    if (!self->in.taken)
        return FALSE;
    data = g_bytes_get_data(self->in.taken, NULL);
    memcpy(&frame->header, data, sizeof frame->header);
    frame->payload = data + sizeof frame->header;
    return TRUE;
}

/* Waiting */

static gboolean
check_cancel(VfStream *self, GError **error)
{
    return self->ignore_cancel || !vf_cancel_set_error_if_cancelled(self->cancel, error);
}

static int
patience_left_ms(VfStream *self)
{
    gint64 left = self->in.heard + (gint64)self->patience_ms * 1000 - g_get_monotonic_time();

    return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

/* Nothing unread is there: has the peer been silent for too long? A side that was busy or stopped
 * itself for a while gives it two more beats, once: both may have stood still together. */
static gboolean
check_silence(VfStream *self, GError **error)
{
    gint64 beat_us = (gint64)self->patience_ms * 1000 / BEATS_IN_PATIENCE;
    gint64 now = g_get_monotonic_time();
    gint64 grace = now - (BEATS_IN_PATIENCE - 2) * beat_us;

    if (now - self->in.looked > beat_us && self->in.heard < grace && !self->in.graced) {
        self->in.heard = grace;
        self->in.graced = TRUE;
    }
    self->in.looked = now;
    if (patience_left_ms(self) > 0)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("nothing has come from the other side for %u ms"), self->patience_ms);
    return FALSE;
}

/* TRUE: go on and look. Waits for @events on the socket, for @fds, for the cancel, or for
 * @timeout_ms (-1: the patience). */
static gboolean
wait_for(VfStream *self, short events, const int *fds, guint n_fds, int timeout_ms, GError **error)
{
    g_autofree struct pollfd *polled = g_new0(struct pollfd, n_fds + 2);
    int left = patience_left_ms(self);
    int n;

    if ((events & POLLIN) && vf_channel_get_unread(self->channel) > 0)
        timeout_ms = 0;
    polled[0] = (struct pollfd){.fd = vf_channel_get_fd(self->channel), .events = events};
    polled[1] = (struct pollfd){.fd = self->ignore_cancel ? -1 : vf_cancel_get_fd(self->cancel),
                                .events = POLLIN};
    for (guint i = 0; i < n_fds; i++)
        polled[i + 2] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    n = poll(polled, n_fds + 2, timeout_ms < 0 || timeout_ms > left ? left : timeout_ms);
    if (n < 0 && errno != EINTR)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "poll");
    return check_cancel(self, error) && (n != 0 || check_silence(self, error));
}

gboolean
vf_stream_try_receive(VfStream *self, VfFrame *frame, GError **error)
{
    Pump result;

    *frame = (VfFrame){0};
    if (take_queued(self, frame))
        return TRUE;
    result = pump(self, error);
    if (result == PUMP_NOTHING)
        return check_silence(self, error);
    if (result == PUMP_ERROR)
        return FALSE;
    frame->header = self->in.header;
    frame->payload = payload_of(self->in.area);
    return TRUE;
}

gboolean
vf_stream_wait(VfStream *self, const int *fds, guint n_fds, guint timeout_ms, GError **error)
{
    return wait_for(self, POLLIN, fds, n_fds, (int)MIN(timeout_ms, G_MAXINT), error);
}

int
vf_stream_get_fd(VfStream *self)
{
    return vf_channel_get_fd(self->channel);
}

/* Heartbeats wake it long before the patience ends. */
gboolean
vf_stream_receive_within(VfStream *self, guint seconds, VfFrame *frame, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;

    for (;;) {
        if (!check_cancel(self, error) || !vf_stream_try_receive(self, frame, error))
            return FALSE;
        if (frame->header.type != 0)
            return TRUE;
        if (g_get_monotonic_time() >= end) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                        _("the other side is there, but has said nothing for %u s"), seconds);
            return FALSE;
        }
        if (!wait_for(self, POLLIN, NULL, 0, -1, error))
            return FALSE;
    }
}

gboolean
vf_stream_receive(VfStream *self, VfFrame *frame, GError **error)
{
    return vf_stream_receive_within(self, G_MAXUINT, frame, error);
}

/* Sending */

/* A peer that gives up closes its side behind an ABORT: its words say more than our EPIPE. Takes
 * ownership of @reason. */
static gboolean
send_failed(VfStream *self, GError *reason, GError **error)
{
    g_autoptr(GError) last_word = NULL;

    if (self->role == VF_ROLE_SOURCE)
        (void)pump_to_queue(self, &last_word);
    if (!self->in.aborted) {
        g_propagate_error(error, reason);
        return FALSE;
    }
    g_error_free(reason);
    g_propagate_error(error, g_steal_pointer(&last_word));
    return FALSE;
}

static int
late_in_ms(VfStream *self)
{
    gint64 left = self->late.end - g_get_monotonic_time();

    return !self->late.call ? -1 : left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
}

/* A source listens while it cannot send: to an ABORT, and to heartbeats that say that a slow
 * destination is not a lost one. */
static gboolean
wait_to_send(VfStream *self, GError **error)
{
    gboolean listens = self->role == VF_ROLE_SOURCE;
    VfStreamLate late;

    if (!wait_for(self, listens ? POLLIN | POLLOUT : POLLOUT, NULL, 0, late_in_ms(self), error) ||
        (listens && !pump_to_queue(self, error)))
        return FALSE;
    if (late_in_ms(self) != 0)
        return TRUE;
    late = self->late.call;
    self->late.call = NULL;
    return late(self->late.data, error);
}

/* All of it, into the socket: a frame that waits in the channel has not been sent. */
static gboolean
send_all(VfStream *self, const guint8 *data, gsize size, GError **error)
{
    for (;;) {
        GError *reason = NULL;
        gsize n = 0;
        VfChannelResult result = size > 0 ? vf_channel_write(self->channel, data, size, &n, &reason)
                                          : vf_channel_flush(self->channel, &reason);
        if (result == VF_CHANNEL_ERROR)
            return send_failed(self, reason, error);
        if (result == VF_CHANNEL_DONE && size == 0)
            return TRUE;
        if (result == VF_CHANNEL_WAIT && !wait_to_send(self, error))
            return FALSE;
        data += n;
        size -= n;
        self->out.sent += n;
    }
}

/* With the lock held; @header begins the frame's bytes in memory, the payload follows it. */
static gboolean
send_frame(VfStream *self, guint8 *header, VfFrameType type, guint device, gsize length,
           GError **error)
{
    VfFrameHeader fields = {.type = (guint16)type,
                            .device = (guint16)device,
                            .length = (guint32)length,
                            .sequence = self->out.sequence};
    gboolean ok;

    if (self->out.broken)
        return vf_channel_broken(error, EPIPE);
    vf_frame_pack(&fields, header + VF_FRAME_HEADER_SIZE, header);
    self->out.sent = 0;
    ok = send_all(self, self->out.rest, self->out.n_rest, error) &&
         send_all(self, header, VF_FRAME_HEADER_SIZE + length, error);
    self->out.broken = !ok && self->out.sent > 0;
    if (self->out.broken)
        vf_channel_give_up(self->channel);
    if (!ok)
        return FALSE;
    self->out.n_rest = 0;
    self->out.sequence++;
    self->out.last = g_get_monotonic_time();
    return TRUE;
}

gboolean
vf_stream_send_buffer(VfStream *self, VfFrameType type, guint device, gsize length, GError **error)
{
    gboolean ok;

    g_return_val_if_fail(length <= VF_FRAME_DATA_MAX, FALSE);
    if (!check_cancel(self, error))
        return FALSE;
    g_mutex_lock(&self->out.lock);
    ok = send_frame(self, header_of(self->out.area), type, device, length, error);
    g_mutex_unlock(&self->out.lock);
    return ok;
}

gboolean
vf_stream_send(VfStream *self, VfFrameType type, guint device, const void *payload, gsize length,
               GError **error)
{
    g_return_val_if_fail(length <= VF_FRAME_OTHER_MAX, FALSE);
    if (length > 0)
        memcpy(payload_of(self->out.area), payload, length);
    return vf_stream_send_buffer(self, type, device, length, error);
}

void
vf_stream_abort(VfStream *self, const GError *reason)
{
    g_autoptr(GBytes) payload = vf_message_pack_abort(reason);
    gsize length;
    const void *data = g_bytes_get_data(payload, &length);
    VfFrameHeader fields = {.type = VF_FRAME_ABORT,
                            .device = VF_FRAME_NO_DEVICE,
                            .length = (guint32)length,
                            .sequence = self->out.sequence};
    guint8 *header = header_of(self->out.area);
    gsize n;

    stop_heartbeat(self);
    if (self->out.broken || self->out.n_rest > 0)
        return;
    fields.sequence = self->out.sequence;
    memcpy(payload_of(self->out.area), data, length);
    vf_frame_pack(&fields, payload_of(self->out.area), header);
    /* best effort: a peer that does not get it sees the connection end */
    (void)vf_channel_write(self->channel, header, VF_FRAME_HEADER_SIZE + length, &n, NULL);
    self->out.broken = TRUE;
}

/* FALSE: there is nobody to wait for any more, or no time. */
static gboolean
wait_until(VfStream *self, short events, gint64 end)
{
    struct pollfd polled = {.fd = vf_channel_get_fd(self->channel), .events = events};
    gint64 left = (end - g_get_monotonic_time()) / 1000;

    return left > 0 && poll(&polled, 1, (int)left) != 0;
}

void
vf_stream_finish(VfStream *self, guint timeout_ms)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    VfChannelResult result;
    gsize n;

    stop_heartbeat(self);
    vf_channel_end(self->channel);
    while ((result = vf_channel_flush(self->channel, NULL)) == VF_CHANNEL_WAIT)
        if (!wait_until(self, POLLOUT, end))
            return;
    if (result == VF_CHANNEL_ERROR || shutdown(vf_channel_get_fd(self->channel), SHUT_WR) < 0)
        return; /* not connected any more */
    do {
        result = vf_channel_read(self->channel, self->in.area, VF_FRAME_DATA_MAX, &n, NULL);
        if (result == VF_CHANNEL_WAIT && !wait_until(self, POLLIN, end))
            return;
    } while ((result == VF_CHANNEL_DONE || result == VF_CHANNEL_WAIT) &&
             g_get_monotonic_time() < end);
}

/* Heartbeats */

/* With the lock held. What does not fit into the socket now stays for the next time, or the next
 * frame. */
static void
send_rest(Outgoing *out, VfStream *self)
{
    gsize n = 0;

    /* an error is found by who waits for an answer */
    if (out->n_rest > 0 &&
        vf_channel_write(self->channel, out->rest, out->n_rest, &n, NULL) == VF_CHANNEL_DONE) {
        out->n_rest -= (guint)n;
        memmove(out->rest, out->rest + n, out->n_rest);
        out->last = g_get_monotonic_time();
    }
    (void)vf_channel_flush(self->channel, NULL);
}

static void
beat(VfStream *self)
{
    VfFrameHeader fields = {.type = VF_FRAME_HEARTBEAT, .device = VF_FRAME_NO_DEVICE};
    gint64 beat_us = (gint64)self->patience_ms * 1000 / BEATS_IN_PATIENCE;
    Outgoing *out = &self->out;

    if (!g_mutex_trylock(&out->lock))
        return; /* a frame is on its way, which says as much */
    if (!out->broken && out->n_rest == 0 && vf_channel_get_unsent(self->channel) == 0 &&
        g_get_monotonic_time() - out->last >= beat_us - beat_us / TICKS_IN_BEAT) {
        fields.sequence = out->sequence++;
        vf_frame_pack(&fields, NULL, out->rest);
        out->n_rest = VF_FRAME_HEADER_SIZE;
    }
    if (!out->broken)
        send_rest(out, self);
    g_mutex_unlock(&out->lock);
}

static gpointer
heartbeat_thread(gpointer data)
{
    VfStream *self = data;

    g_mutex_lock(&self->heart.lock);
    while (!self->heart.stop) {
        gint64 tick = g_get_monotonic_time() +
                      (gint64)self->patience_ms * 1000 / BEATS_IN_PATIENCE / TICKS_IN_BEAT;
        if (g_cond_wait_until(&self->heart.stop_cond, &self->heart.lock, tick))
            continue;
        g_mutex_unlock(&self->heart.lock);
        beat(self);
        g_mutex_lock(&self->heart.lock);
    }
    g_mutex_unlock(&self->heart.lock);
    return NULL;
}

void
vf_stream_start_heartbeat(VfStream *self)
{
    g_return_if_fail(!self->heart.thread);
    self->heart.thread = g_thread_new("heartbeat", heartbeat_thread, self);
}
