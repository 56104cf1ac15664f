/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "error.h"
#include "message.h"
#include "solo.h"
#include "stream.h"
#include "tape.h"

/* The limits of docs/migration-stream.md on what the other side may say, beside those on a frame
 * (test-engine-stream) and on what may come when (test-engine-session). */

static const VfMemoryOptions small = {
    .flags = VF_BACKEND_STOP_COPY, .size = VF_MEMORY_PAGE, .no_trailer = TRUE};

/* Names */

static gboolean
parse_hello(const char *job, const char *const *features, GError **error)
{
    const guint32 flags = 1;
    VfHello said = {.job = (char *)job, .min = 1, .max = 1, .features = (char **)features};
    g_autoptr(GBytes) packed = vf_message_pack_hello(&said, &flags, 1);
    g_auto(VfHello) hello = {0};
    gsize size;
    const void *data = g_bytes_get_data(packed, &size);

    return vf_message_parse_hello(data, size, &hello, error);
}

static gboolean
parse_reply(const char *const *features, GError **error)
{
    g_autoptr(GBytes) packed = vf_message_pack_reply(1, features, NULL);
    g_auto(VfHelloReply) reply = {0};
    gsize size;
    const void *data = g_bytes_get_data(packed, &size);

    return vf_message_parse_reply(data, size, &reply, error);
}

static void
check_features(const char *const *features, gboolean right)
{
    g_autoptr(GError) hello_error = NULL;
    g_autoptr(GError) reply_error = NULL;

    g_assert_true(parse_hello("j", features, &hello_error) == right);
    g_assert_true(parse_reply(features, &reply_error) == right);
    if (right)
        return;
    g_assert_error(hello_error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_error(reply_error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

static void
test_features(void)
{
    g_autofree char *longest = g_strnfill(VF_MESSAGE_WORD_MAX, 'x');
    g_autofree char *too_long = g_strnfill(VF_MESSAGE_WORD_MAX + 1, 'x');
    const char *many[VF_MESSAGE_FEATURES_MAX + 2] = {NULL};

    check_features((const char *const[]){NULL}, TRUE);
    check_features((const char *const[]){longest, NULL}, TRUE);
    check_features((const char *const[]){too_long, NULL}, FALSE);
    check_features((const char *const[]){"", NULL}, FALSE);
    check_features((const char *const[]){"pre-copy", "\x1b[2J", NULL}, FALSE);
    for (guint i = 0; i < VF_MESSAGE_FEATURES_MAX; i++)
        many[i] = "f";
    check_features(many, TRUE);
    many[VF_MESSAGE_FEATURES_MAX] = "f";
    check_features(many, FALSE);
}

static void
test_job(void)
{
    static const char *const none[] = {NULL};
    g_autofree char *too_long = g_strnfill(VF_MESSAGE_WORD_MAX + 1, 'x');

    g_assert_true(parse_hello("0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10", none, NULL));
    g_assert_false(parse_hello("", none, NULL));
    g_assert_false(parse_hello("a\nb", none, NULL));
    g_assert_false(parse_hello(too_long, none, NULL));
}

static void
check_abort(const char *message, const char *expected)
{
    g_autoptr(GVariant) value =
        g_variant_ref_sink(g_variant_new("(ss)", "org.vferry1.Error.Device\n\x1b[2J", message));
    g_autoptr(GError) error =
        vf_message_parse_abort(g_variant_get_data(value), g_variant_get_size(value));

    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_true(g_str_has_suffix(error->message, expected));
    g_assert_cmpuint(g_utf8_strlen(error->message, -1), <, 1100);
    g_assert_null(strpbrk(error->message, "\n\x1b"));
}

/* Its words are passed on to logs and terminals. */
static void
test_abort(void)
{
    g_autofree char *much = g_strnfill(60000, 'x');

    check_abort("disk full", ": disk full");
    check_abort("a\r\nsecond line\x1b]0;title\x07", ": a??second line?]0;title?");
    check_abort("right\u202eleft\u2028next", ": right?left?next");
    check_abort(much, "xxxx");
}

/* Frames without a meaning */

static void
add_hello(VfTape *tape)
{
    static const char *const none[] = {NULL};
    const guint32 flags = 1;
    VfHello hello = {.job = (char *)VF_SOLO_JOB, .min = 1, .max = 1, .features = (char **)none};
    g_autoptr(GBytes) payload = vf_message_pack_hello(&hello, &flags, 1);
    gsize size;
    const void *data = g_bytes_get_data(payload, &size);

    vf_tape_add_frame(tape, VF_FRAME_HELLO, VF_FRAME_NO_DEVICE, data, (guint32)size, 0, 0);
}

static void
add_state(VfTape *tape, guint64 announced)
{
    guint8 state[32] = {[8] = 16};

    vf_tape_add_frame(tape, VF_FRAME_DATA, 0, state, sizeof state, 0, 0);
    announced = GUINT64_TO_LE(announced);
    vf_tape_add_frame(tape, VF_FRAME_DEVICE_END, 0, &announced, sizeof announced, 0, 0);
    vf_tape_add_frame(tape, VF_FRAME_COMMIT, VF_FRAME_NO_DEVICE, NULL, 0, 0, 0);
}

static void
flood(guint16 type, guint before, guint after, VfSessionEndKind kind)
{
    const VfSoloSetup setup = {.role = VF_ROLE_DESTINATION, .n_devices = 1, .device = small};
    g_autoptr(VfTape) tape = vf_tape_new();
    g_autoptr(VfSolo) solo = NULL;

    for (guint i = 0; i < before; i++)
        vf_tape_add_frame(tape, type, VF_FRAME_NO_DEVICE, NULL, 0, 0, 0);
    add_hello(tape);
    for (guint i = 0; i < after; i++)
        vf_tape_add_frame(tape, type, VF_FRAME_NO_DEVICE, NULL, 0, 0, 0);
    add_state(tape, 32);
    solo = vf_solo_run(&setup, vf_tape_play(tape));
    g_assert_cmpint(solo->end.kind, ==, kind);
    if (kind == VF_SESSION_COMPLETED)
        return;
    g_assert_error(solo->end.error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(solo->end.error->message, "without a meaning"));
}

/* A side that was busy finds many heartbeats; the count begins anew with each frame that means
 * something. */
static void
test_flood(void)
{
    flood(VF_FRAME_HEARTBEAT, 1000, 1000, VF_SESSION_COMPLETED);
    flood(VF_FRAME_OPTIONAL, 1000, 1000, VF_SESSION_COMPLETED);
    flood(VF_FRAME_HEARTBEAT, 0, 20000, VF_SESSION_FAILED);
    flood(VF_FRAME_OPTIONAL + 7, 20000, 0, VF_SESSION_FAILED);
}

/* More bytes than the lease allows, in all devices together: before they are written. */
static void
test_size(void)
{
    VfSoloSetup setup = {
        .role = VF_ROLE_DESTINATION, .n_devices = 1, .device = small, .size_max = 32};

    for (guint64 excess = 0; excess < 2; excess++) {
        g_autoptr(VfTape) tape = vf_tape_new();
        g_autoptr(VfSolo) solo = NULL;
        setup.size_max = 32 - excess;
        add_hello(tape);
        add_state(tape, 32);
        solo = vf_solo_run(&setup, vf_tape_play(tape));
        if (excess == 0)
            g_assert_no_error(solo->end.error);
        else
            g_assert_error(solo->end.error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
    }
}

/* The decision */

static gpointer
run_solo(gpointer data)
{
    gpointer *both = data;

    return vf_solo_run(both[0], both[1]);
}

static void
expect_frame(VfStream *stream, guint type)
{
    g_autoptr(GError) error = NULL;
    VfFrame frame;

    do {
        vf_stream_receive(stream, &frame, &error);
        g_assert_no_error(error);
    } while (frame.header.type == VF_FRAME_DATA && type != VF_FRAME_DATA);
    g_assert_cmpuint(frame.header.type, ==, type);
}

static void
say(VfStream *stream, VfFrameType type, guint device, const void *payload, gsize size)
{
    g_autoptr(GError) error = NULL;

    vf_stream_send(stream, type, device, payload, size, &error);
    g_assert_no_error(error);
}

static void
say_bytes(VfStream *stream, VfFrameType type, GBytes *payload)
{
    gsize size;
    const void *data = g_bytes_get_data(payload, &size);

    say(stream, type, VF_FRAME_NO_DEVICE, data, size);
}

/* To the point where only a word of ours is missing. */
static void
lead_source(VfStream *stream)
{
    static const char *const none[] = {NULL};
    g_autoptr(GBytes) reply = vf_message_pack_reply(1, none, NULL);

    expect_frame(stream, VF_FRAME_HELLO);
    say_bytes(stream, VF_FRAME_HELLO_REPLY, reply);
    expect_frame(stream, VF_FRAME_DEVICE_END);
    say(stream, VF_FRAME_LOADED, VF_FRAME_NO_DEVICE, NULL, 0);
    expect_frame(stream, VF_FRAME_COMMIT);
}

static void
lead_destination(VfStream *stream)
{
    static const char *const none[] = {NULL};
    const guint32 flags = 1;
    const guint64 bytes = GUINT64_TO_LE(32);
    const guint8 state[32] = {[8] = 16};
    VfHello said = {.job = (char *)VF_SOLO_JOB, .min = 1, .max = 1, .features = (char **)none};
    g_autoptr(GBytes) hello = vf_message_pack_hello(&said, &flags, 1);

    say_bytes(stream, VF_FRAME_HELLO, hello);
    expect_frame(stream, VF_FRAME_HELLO_REPLY);
    say(stream, VF_FRAME_DATA, 0, state, sizeof state);
    say(stream, VF_FRAME_DEVICE_END, 0, &bytes, sizeof bytes);
    expect_frame(stream, VF_FRAME_LOADED);
}

/* The peer is there, its heart beats, and it says nothing: nobody can call this off any more. */
static void
test_decision(gconstpointer data)
{
    VfRole role = GPOINTER_TO_UINT(data);
    VfRole other = role == VF_ROLE_SOURCE ? VF_ROLE_DESTINATION : VF_ROLE_SOURCE;
    VfSoloSetup setup = {.role = role, .n_devices = 1, .device = small, .decision_seconds = 1};
    VfCancel *cancel = vf_cancel_new();
    int fds[2];
    gpointer both[2] = {&setup, NULL};
    g_autoptr(VfStream) stream = NULL;
    g_autoptr(VfSolo) solo = NULL;
    GThread *thread;

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    both[1] = vf_channel_new_plain(fds[0]);
    stream = vf_stream_new(vf_channel_new_plain(fds[1]), other, 1, cancel);
    vf_stream_start_heartbeat(stream);
    thread = g_thread_new("solo", run_solo, both);
    if (role == VF_ROLE_SOURCE)
        lead_source(stream);
    else
        lead_destination(stream);
    solo = g_thread_join(thread);
    g_assert_error(solo->end.error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT);
    g_assert_nonnull(strstr(solo->end.error->message, "nothing for 1 s"));
    g_assert_cmpint(solo->end.kind, ==, VF_SESSION_IN_DOUBT);
    g_assert_cmpstr(solo->events, ==, role == VF_ROLE_SOURCE ? "commit" : "loaded");
    g_assert_false(vf_solo_is_live(solo));
    g_clear_pointer(&stream, vf_stream_free);
    vf_cancel_free(cancel);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/limits/features", test_features);
    g_test_add_func("/engine/limits/job", test_job);
    g_test_add_func("/engine/limits/abort", test_abort);
    g_test_add_func("/engine/limits/flood", test_flood);
    g_test_add_func("/engine/limits/size", test_size);
    g_test_add_data_func("/engine/limits/decision/source", GUINT_TO_POINTER(VF_ROLE_SOURCE),
                         test_decision);
    g_test_add_data_func("/engine/limits/decision/destination",
                         GUINT_TO_POINTER(VF_ROLE_DESTINATION), test_decision);
    return g_test_run();
}
