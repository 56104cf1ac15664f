/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "io.h"
#include "link.h"
#include "message.h"
#include "pace.h"
#include "pair.h"
#include "meter.h"
#include "stream.h"

#define JOB "0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10"

/* A frame and what is wrong with it: every field, for a receiver with 2 devices that expects
 * number 5. */
typedef struct {
    const char *name;
    VfRole sender;
    VfFrameHeader header;
    gint flip; /* this byte of the packed frame, -1: none */
    gboolean fine;
} FrameCase;

#define S VF_ROLE_SOURCE
#define D VF_ROLE_DESTINATION
#define NO VF_FRAME_NO_DEVICE

static const FrameCase frames[] = {
    {"data", S, {VF_FRAME_DATA, 0, 100, 5}, -1, TRUE},
    {"data-largest", S, {VF_FRAME_DATA, 1, VF_FRAME_DATA_MAX, 5}, -1, TRUE},
    {"data-empty", S, {VF_FRAME_DATA, 0, 0, 5}, -1},
    {"data-oversize", S, {VF_FRAME_DATA, 0, VF_FRAME_DATA_MAX + 1, 5}, -1},
    {"data-huge", S, {VF_FRAME_DATA, 0, G_MAXUINT32, 5}, -1},
    {"data-third-device", S, {VF_FRAME_DATA, 2, 100, 5}, -1},
    {"data-no-device", S, {VF_FRAME_DATA, NO, 100, 5}, -1},
    {"data-from-destination", D, {VF_FRAME_DATA, 0, 100, 5}, -1},
    {"sequence-old", S, {VF_FRAME_DATA, 0, 100, 4}, -1},
    {"sequence-ahead", S, {VF_FRAME_DATA, 0, 100, 6}, -1},
    {"sequence-high-half", S, {VF_FRAME_DATA, 0, 100, 5 | (G_GUINT64_CONSTANT(1) << 32)}, -1},
    {"magic", S, {VF_FRAME_DATA, 0, 100, 5}, 0},
    {"type-flipped", S, {VF_FRAME_DATA, 0, 100, 5}, 4},
    {"device-flipped", S, {VF_FRAME_DATA, 0, 100, 5}, 6},
    {"length-flipped", S, {VF_FRAME_DATA, 0, 100, 5}, 8},
    {"reserved", S, {VF_FRAME_DATA, 0, 100, 5}, 12},
    {"reserved-end", S, {VF_FRAME_DATA, 0, 100, 5}, 15},
    {"checksum", S, {VF_FRAME_DATA, 0, 100, 5}, 24},
    {"payload-first", S, {VF_FRAME_DATA, 0, 100, 5}, 32},
    {"payload-last", S, {VF_FRAME_DATA, 0, 100, 5}, 131},
    {"type-zero", S, {0, NO, 0, 5}, -1},
    {"type-unknown", S, {12, NO, 0, 5}, -1},
    {"type-unknown-high", S, {0x7fff, NO, 0, 5}, -1},
    {"type-optional", S, {0x8000, NO, 0, 5}, -1, TRUE},
    {"type-optional-large", S, {0xffff, 7, VF_FRAME_OTHER_MAX, 5}, -1, TRUE},
    {"type-optional-oversize", S, {0xffff, 7, VF_FRAME_OTHER_MAX + 1, 5}, -1},
    {"hello-from-destination", D, {VF_FRAME_HELLO, NO, 100, 5}, -1},
    {"hello-oversize", S, {VF_FRAME_HELLO, NO, VF_FRAME_HELLO_MAX + 1, 5}, -1},
    {"reply", D, {VF_FRAME_HELLO_REPLY, NO, 100, 5}, -1, TRUE},
    {"reply-from-source", S, {VF_FRAME_HELLO_REPLY, NO, 100, 5}, -1},
    {"initial-end", S, {VF_FRAME_INITIAL_END, 1, 0, 5}, -1, TRUE},
    {"initial-end-payload", S, {VF_FRAME_INITIAL_END, 1, 1, 5}, -1},
    {"initial-loaded", D, {VF_FRAME_INITIAL_LOADED, 1, 0, 5}, -1, TRUE},
    {"initial-loaded-device", D, {VF_FRAME_INITIAL_LOADED, 2, 0, 5}, -1},
    {"device-end", S, {VF_FRAME_DEVICE_END, 0, 8, 5}, -1, TRUE},
    {"device-end-short", S, {VF_FRAME_DEVICE_END, 0, 7, 5}, -1},
    {"device-end-long", S, {VF_FRAME_DEVICE_END, 0, 9, 5}, -1},
    {"loaded", D, {VF_FRAME_LOADED, NO, 0, 5}, -1, TRUE},
    {"loaded-device", D, {VF_FRAME_LOADED, 0, 0, 5}, -1},
    {"loaded-from-source", S, {VF_FRAME_LOADED, NO, 0, 5}, -1},
    {"commit", S, {VF_FRAME_COMMIT, NO, 0, 5}, -1, TRUE},
    {"commit-from-destination", D, {VF_FRAME_COMMIT, NO, 0, 5}, -1},
    {"commit-payload", S, {VF_FRAME_COMMIT, NO, 4, 5}, -1},
    {"started", D, {VF_FRAME_STARTED, NO, 0, 5}, -1, TRUE},
    {"started-from-source", S, {VF_FRAME_STARTED, NO, 0, 5}, -1},
    {"heartbeat", S, {VF_FRAME_HEARTBEAT, NO, 0, 5}, -1, TRUE},
    {"heartbeat-payload", D, {VF_FRAME_HEARTBEAT, NO, 1, 5}, -1},
    {"abort", D, {VF_FRAME_ABORT, NO, 20, 5}, -1, TRUE},
    {"abort-empty", D, {VF_FRAME_ABORT, NO, 0, 5}, -1},
    {"abort-oversize", D, {VF_FRAME_ABORT, NO, VF_FRAME_OTHER_MAX + 1, 5}, -1},
};

static guint8 *
pack(const VfFrameHeader *header)
{
    /* a header may announce more than anybody would allocate */
    gsize room = MIN(header->length, VF_FRAME_DATA_MAX);
    guint8 *bytes = g_malloc(VF_FRAME_HEADER_SIZE + room);
    VfFrameHeader packed = *header;

    memset(bytes + VF_FRAME_HEADER_SIZE, 0x5c, room);
    packed.length = (guint32)room;
    vf_frame_pack(&packed, bytes + VF_FRAME_HEADER_SIZE, bytes);
    if (packed.length != header->length)
        for (guint i = 0; i < 4; i++)
            bytes[8 + i] = (guint8)(header->length >> (8 * i));
    return bytes;
}

static void
test_frame(gconstpointer data)
{
    const FrameCase *c = data;
    g_autofree guint8 *bytes = pack(&c->header);
    g_autoptr(GError) error = NULL;
    VfFrameHeader header;
    gboolean ok;

    if (c->flip >= 0)
        bytes[c->flip] ^= 0x40;
    ok = vf_frame_unpack(bytes, c->sender, 2, 5, &header, &error) &&
         vf_frame_verify(bytes, &header, bytes + VF_FRAME_HEADER_SIZE, &error);
    g_assert_cmpint(ok, ==, c->fine);
    if (c->fine) {
        g_assert_no_error(error);
        g_assert_cmpuint(header.type, ==, c->header.type);
        g_assert_cmpuint(header.device, ==, c->header.device);
        g_assert_cmpuint(header.length, ==, c->header.length);
    } else {
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    }
}

/* The first DATA frame of the format as docs/migration-stream.md has it, byte by byte but for the
 * checksum, so that a change of the layout is noticed. */
static void
test_layout(void)
{
    static const guint8 expected[24] = {0x56, 0x46, 0x52, 0x59, 3, 0, 1, 0, 4, 0, 0, 0,
                                        0,    0,    0,    0,    2, 1, 0, 0, 0, 0, 0, 0};
    VfFrameHeader header = {VF_FRAME_DATA, 1, 4, 0x102};
    guint8 bytes[VF_FRAME_HEADER_SIZE];

    vf_frame_pack(&header, "abcd", bytes);
    g_assert_cmpmem(bytes, 24, expected, 24);
}

/* Two streams, face to face */

typedef struct {
    VfCancel *cancel;
    VfStream *source;
    VfStream *destination;
    int raw; /* instead of the destination's stream */
} Line;

static void
line_open(Line *line, gboolean raw, guint patience_ms)
{
    int pair[2];

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    *line = (Line){.cancel = vf_cancel_new(), .raw = -1};
    line->source = vf_stream_new(vf_channel_new_plain(pair[0]), VF_ROLE_SOURCE, 2, line->cancel);
    vf_stream_set_patience(line->source, patience_ms);
    if (raw) {
        line->raw = pair[1];
        return;
    }
    line->destination =
        vf_stream_new(vf_channel_new_plain(pair[1]), VF_ROLE_DESTINATION, 2, line->cancel);
    vf_stream_set_patience(line->destination, patience_ms);
}

static void
line_close(Line *line)
{
    g_clear_pointer(&line->source, vf_stream_free);
    g_clear_pointer(&line->destination, vf_stream_free);
    vf_io_clear_fd(&line->raw);
    vf_cancel_free(line->cancel);
}

static void
test_exchange(void)
{
    Line line;
    VfFrame frame;
    g_autoptr(GError) error = NULL;

    line_open(&line, FALSE, 1000);
    memset(vf_stream_get_buffer(line.source), 7, 3000);
    g_assert_true(vf_stream_send_buffer(line.source, VF_FRAME_DATA, 1, 3000, &error));
    g_assert_true(vf_stream_send(line.source, VF_FRAME_DEVICE_END, 1, "12345678", 8, &error));
    g_assert_true(vf_stream_receive(line.destination, &frame, &error));
    g_assert_cmpuint(frame.header.type, ==, VF_FRAME_DATA);
    g_assert_cmpuint(frame.header.length, ==, 3000);
    g_assert_cmpint(frame.payload[2999], ==, 7);
    g_assert_true(vf_stream_receive(line.destination, &frame, &error));
    g_assert_cmpmem(frame.payload, frame.header.length, "12345678", 8);
    g_assert_true(vf_stream_try_receive(line.destination, &frame, &error));
    g_assert_cmpuint(frame.header.type, ==, 0);
    g_assert_true(vf_stream_send(line.destination, VF_FRAME_LOADED, NO, NULL, 0, &error));
    g_assert_true(vf_stream_receive(line.source, &frame, &error));
    g_assert_cmpuint(frame.header.type, ==, VF_FRAME_LOADED);
    line_close(&line);
}

/* Every prefix of a right frame, and then the end. */
static void
test_truncated(void)
{
    g_autoptr(GBytes) payload =
        vf_message_pack_reply(1, (const char *const[]){"pre-copy", NULL}, NULL);
    gsize size;
    const guint8 *data = g_bytes_get_data(payload, &size);
    VfFrameHeader header = {VF_FRAME_HELLO_REPLY, NO, (guint32)size, 0};
    g_autofree guint8 *bytes = g_malloc(VF_FRAME_HEADER_SIZE + size);

    vf_frame_pack(&header, data, bytes);
    memcpy(bytes + VF_FRAME_HEADER_SIZE, data, size);
    for (gsize n = 0; n <= VF_FRAME_HEADER_SIZE + size; n++) {
        g_autoptr(GError) error = NULL;
        Line line;
        VfFrame frame;
        gboolean ok;

        line_open(&line, TRUE, 1000);
        g_assert_true(n == 0 || vf_io_write_all(line.raw, bytes, n, NULL));
        vf_io_clear_fd(&line.raw);
        ok = vf_stream_receive(line.source, &frame, &error);
        g_assert_cmpint(ok, ==, n == VF_FRAME_HEADER_SIZE + size);
        if (!ok)
            g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        line_close(&line);
    }
}

/* One byte of a right frame changed, each in turn: never accepted, and never anything but a
 * refusal. */
static void
test_damaged(void)
{
    VfFrameHeader header = {VF_FRAME_LOADED, NO, 0, 0};
    guint8 right[VF_FRAME_HEADER_SIZE];

    vf_frame_pack(&header, NULL, right);
    for (guint i = 0; i < sizeof right * 8; i++) {
        guint8 bytes[sizeof right];
        g_autoptr(GError) error = NULL;
        Line line;
        VfFrame frame;

        memcpy(bytes, right, sizeof bytes);
        bytes[i / 8] ^= (guint8)(1u << (i % 8));
        line_open(&line, TRUE, 200);
        g_assert_true(vf_io_write_all(line.raw, bytes, sizeof bytes, NULL));
        vf_io_clear_fd(&line.raw);
        g_assert_false(vf_stream_receive(line.source, &frame, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        line_close(&line);
    }
}

static void
test_silence(void)
{
    g_autoptr(GError) error = NULL;
    gint64 start = g_get_monotonic_time();
    Line line;
    VfFrame frame;

    line_open(&line, TRUE, 300);
    g_assert_false(vf_stream_receive(line.source, &frame, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 290 * 1000);
    line_close(&line);
}

/* Nobody reads: the sender gives up, too. */
static void
test_stuck(void)
{
    g_autoptr(GError) error = NULL;
    Line line;
    guint n = 0;

    line_open(&line, TRUE, 300);
    while (vf_stream_send_buffer(line.source, VF_FRAME_DATA, 0, VF_FRAME_DATA_MAX, &error))
        g_assert_cmpuint(n++, <, 1000);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    line_close(&line);
}

static void
test_heartbeats(void)
{
    g_autoptr(GError) error = NULL;
    guint patience = 300 * vf_pair_slowness();
    Line line;
    VfFrame frame;

    line_open(&line, FALSE, patience);
    vf_stream_start_heartbeat(line.destination);
    for (guint i = 0; i < 4; i++)
        g_assert_true(vf_stream_wait(line.source, NULL, 0, patience, &error) &&
                      vf_stream_try_receive(line.source, &frame, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(frame.header.type, ==, 0);
    line_close(&line);
}

static gpointer
cancel_soon(gpointer data)
{
    g_usleep(50 * 1000);
    vf_cancel_trigger(data, VF_CANCEL_ASKED);
    return NULL;
}

static void
test_cancel_wakes(void)
{
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        Line line;
        VfFrame frame;
        GThread *thread;

        line_open(&line, TRUE, 20000);
        thread = g_thread_new("cancel", cancel_soon, line.cancel);
        if (i == 0)
            g_assert_false(vf_stream_receive(line.source, &frame, &error));
        else
            while (vf_stream_send_buffer(line.source, VF_FRAME_DATA, 0, VF_FRAME_DATA_MAX, &error))
                ;
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED);
        g_thread_join(thread);
        line_close(&line);
    }
}

static gpointer
abort_soon(gpointer data)
{
    g_autoptr(GError) reason =
        g_error_new(VFERRY_ERROR, VFERRY_ERROR_DEVICE, "the device said \033[31mno\n");

    g_usleep(50 * 1000);
    vf_stream_abort(data, reason);
    return NULL;
}

/* A source that cannot send hears why, in words that are fit to print. */
static void
test_abort_while_sending(void)
{
    g_autoptr(GError) error = NULL;
    GThread *thread;
    Line line;

    line_open(&line, FALSE, 20000);
    thread = g_thread_new("abort", abort_soon, line.destination);
    while (vf_stream_send_buffer(line.source, VF_FRAME_DATA, 0, VF_FRAME_DATA_MAX, &error))
        ;
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_cmpstr(error->message, ==, "the other side gave up: the device said ?[31mno?");
    g_assert_true(vf_stream_was_aborted(line.source));
    g_thread_join(thread);
    line_close(&line);
}

/* Frames that nobody asked for are not collected without end. */
static void
test_flood(void)
{
    g_autoptr(GError) error = NULL;
    Line line;

    line_open(&line, TRUE, 1000);
    for (guint64 i = 0; i < 100; i++) {
        VfFrameHeader header = {VF_FRAME_LOADED, NO, 0, i};
        guint8 bytes[VF_FRAME_HEADER_SIZE];
        vf_frame_pack(&header, NULL, bytes);
        g_assert_true(vf_io_write_all(line.raw, bytes, sizeof bytes, NULL));
    }
    while (vf_stream_send_buffer(line.source, VF_FRAME_DATA, 0, VF_FRAME_DATA_MAX, &error))
        ;
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "nobody asked for"));
    line_close(&line);
}

/* Messages */

static void
test_messages(void)
{
    static const guint32 flags[] = {7, 1};
    static const char *const features[] = {"pre-copy", "x", NULL};
    VfHello hello = {.job = (char *)JOB, .min = 1, .max = 3, .features = (char **)features};
    g_auto(VfHello) parsed = {0};
    g_autoptr(GBytes) packed = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;
    const guint8 *data;

    packed = vf_message_pack_hello(&hello, flags, G_N_ELEMENTS(flags));
    data = g_bytes_get_data(packed, &size);
    g_assert_true(vf_message_parse_hello(data, size, &parsed, &error));
    g_assert_cmpstr(parsed.job, ==, JOB);
    g_assert_cmpuint(parsed.max, ==, 3);
    g_assert_cmpuint(parsed.n_devices, ==, 2);
    g_assert_cmpuint(g_strv_length(parsed.features), ==, 2);
    for (gsize n = 0; n < size; n++) {
        g_auto(VfHello) cut = {0};
        g_assert_false(vf_message_parse_hello(data, n, &cut, NULL));
    }
}

static void
test_message_lacks(gconstpointer text)
{
    g_autoptr(GVariant) value = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
    g_auto(VfHello) hello = {0};
    g_auto(VfHelloReply) reply = {0};
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(value);
    g_assert_false(vf_message_parse_hello(g_variant_get_data(value), g_variant_get_size(value),
                                          &hello, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_clear_error(&error);
    g_assert_false(vf_message_parse_reply(g_variant_get_data(value), g_variant_get_size(value),
                                          &reply, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

static void
test_link(void)
{
    g_autoptr(VfCancel) cancel = vf_cancel_new();
    g_autoptr(GError) error = NULL;
    guint16 port = 0;
    guint16 again = 0;
    vf_autofd int listener = vf_link_listen("::1", 0, 0, &port, &error);
    vf_autofd int caller = -1;
    vf_autofd int called = -1;
    g_autofree char *peer = NULL;

    if (g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_FAILED)) {
        g_test_skip("this machine has no IPv6");
        return;
    }
    g_assert_no_error(error);
    caller = vf_link_connect("::1", port, 5000, cancel, &error);
    g_assert_no_error(error);
    /* who says nothing is kept back for a while */
    g_assert_cmpint(vf_link_accept(listener, &peer), ==, -1);
    g_assert_cmpint(send(caller, "", 1, MSG_NOSIGNAL), ==, 1);
    while ((called = vf_link_accept(listener, &peer)) < 0)
        g_usleep(1000);
    g_assert_cmpstr(peer, ==, "::1");
    g_assert_cmpint(vf_link_listen("::1", port, port, &again, &error), ==, -1);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM);
    g_clear_error(&error);
    g_assert_cmpint(vf_link_connect("localhost", port, 5000, cancel, &error), ==, -1);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    vf_io_clear_fd(&listener);
    g_assert_cmpint(vf_link_connect("::1", port, 5000, cancel, &error), ==, -1);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

/* Cancel: each question is decided once */
static void
test_cancel_decides(void)
{
    g_autoptr(VfCancel) early = vf_cancel_new();
    g_autoptr(VfCancel) late = vf_cancel_new();
    g_autoptr(VfCancel) promised = vf_cancel_new();

    g_assert_true(vf_cancel_trigger(early, VF_CANCEL_ASKED));
    g_assert_false(vf_cancel_promise(early));
    g_assert_false(vf_cancel_close(early));
    g_assert_true(vf_cancel_close(late));
    g_assert_false(vf_cancel_trigger(late, VF_CANCEL_ASKED));
    g_assert_false(vf_cancel_trigger(late, VF_CANCEL_ORPHANED));
    g_assert_false(vf_cancel_is_set(late));
    g_assert_true(vf_cancel_promise(promised));
    g_assert_false(vf_cancel_trigger(promised, VF_CANCEL_ASKED));
    g_assert_true(vf_cancel_trigger(promised, VF_CANCEL_ORPHANED));
    g_assert_false(vf_cancel_close(promised));
}

static void
test_progress(void)
{
    g_autoptr(VfMeter) progress = vf_meter_new(2);
    VfProgress last = {0};
    VfProgress now;
    guint64 devices[2];

    for (guint i = 0; i < 2000; i++) {
        if (i % 7 == 0)
            vf_meter_set_rest(progress, i % 3 == 0 ? 1000000 - i : 5);
        vf_meter_add(progress, i % 2, 100);
        vf_meter_get(progress, &now, devices);
        g_assert_cmpuint(now.done, ==, last.done + 100);
        g_assert_cmpuint(now.total, >=, now.done);
        g_assert_cmpuint(now.total, >=, last.total);
        last = now;
    }
    g_assert_cmpuint(devices[0] + devices[1], ==, now.done);
    g_assert_cmpuint(now.rate, >, 0);
    g_assert_false(now.has_expected_downtime);
    vf_meter_set_rest(progress, G_MAXUINT64); /* a driver's nonsense */
    vf_meter_get(progress, &now, NULL);
    g_assert_cmpuint(now.total, >=, now.done);
    vf_meter_complete(progress);
    vf_meter_get(progress, &now, NULL);
    g_assert_cmpuint(now.total, ==, now.done);
}

static void
test_rate_falls(void)
{
    g_autoptr(VfMeter) progress = vf_meter_new(1);
    VfProgress now;

    vf_meter_add(progress, 0, 1000000);
    g_usleep(G_USEC_PER_SEC * 13 / 10);
    vf_meter_get(progress, &now, NULL);
    g_assert_cmpuint(now.rate, ==, 0);
}

static void
test_pace(void)
{
    VfPace pace = {0};
    gint64 now = 1000000;

    /* a few bytes in a long time say nothing of the rate */
    vf_pace_add(&pace, 24, 500000, now);
    g_assert_cmpuint(vf_pace_get_rate(&pace), ==, VF_PACE_RATE_UNKNOWN);
    g_assert_cmpuint(vf_pace_predict(&pace, 0, 4000), ==, 4000);
    for (guint i = 0; i < 40; i++, now += 100000)
        vf_pace_add(&pace, 10 * 1000 * 1000, 50000, now); /* idle half of the time */
    g_assert_cmpuint(vf_pace_get_rate(&pace), >, 190 * 1000 * 1000);
    g_assert_cmpuint(vf_pace_get_rate(&pace), <=, 200 * 1000 * 1000);
    g_assert_cmpuint(vf_pace_predict(&pace, 20 * 1000 * 1000, 7000), >=, 107000);
    for (guint i = 0; i < 40; i++, now += 100000)
        vf_pace_add(&pace, 1000 * 1000, 100000, now); /* the link has become slow */
    g_assert_cmpuint(vf_pace_get_rate(&pace), <=, 10 * 1000 * 1000);
    g_assert_cmpuint(vf_pace_predict(&pace, G_MAXUINT64, G_MAXINT64), >, G_MAXINT64 / 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(frames); i++) {
        g_autofree char *path = g_strdup_printf("/engine/frame/%s", frames[i].name);
        g_test_add_data_func(path, &frames[i], test_frame);
    }
    g_test_add_func("/engine/frame/layout", test_layout);
    g_test_add_func("/engine/stream/exchange", test_exchange);
    g_test_add_func("/engine/stream/truncated", test_truncated);
    g_test_add_func("/engine/stream/damaged", test_damaged);
    g_test_add_func("/engine/stream/silence", test_silence);
    g_test_add_func("/engine/stream/stuck", test_stuck);
    g_test_add_func("/engine/stream/heartbeats", test_heartbeats);
    g_test_add_func("/engine/stream/cancel-wakes", test_cancel_wakes);
    g_test_add_func("/engine/stream/abort-while-sending", test_abort_while_sending);
    g_test_add_func("/engine/stream/flood", test_flood);
    g_test_add_func("/engine/message/round", test_messages);
    g_test_add_data_func("/engine/message/empty", "@a{sv} {}", test_message_lacks);
    g_test_add_data_func("/engine/message/types", "{'job': <1>, 'version': <'1'>}",
                         test_message_lacks);
    g_test_add_data_func("/engine/message/no-features",
                         "{'job': <'j'>, 'min': <uint32 1>, 'max': "
                         "<uint32 1>, 'devices': <[uint32 1]>}",
                         test_message_lacks);
    g_test_add_func("/engine/link", test_link);
    g_test_add_func("/engine/cancel", test_cancel_decides);
    g_test_add_func("/engine/progress/properties", test_progress);
    g_test_add_func("/engine/progress/rate-falls", test_rate_falls);
    g_test_add_func("/engine/pace", test_pace);
    return g_test_run();
}
