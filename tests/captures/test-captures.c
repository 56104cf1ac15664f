/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "captures.h"
#include "message.h"
#include "tape.h"

/* What both sides said in the past, to today's engine: it ends the same way, and says the same. */

typedef struct {
    guint16 type;
    guint16 device;
    guint64 offset; /* of the payload */
    guint32 length;
} Said;

static char *
load(const Capture *capture, VfRole from, gsize *size)
{
    g_autofree char *path = capture_path(g_getenv("VFERRY_TEST_CAPTURES"), capture, from);
    g_autoptr(GError) error = NULL;
    char *data = NULL;

    g_file_get_contents(path, &data, size, &error);
    g_assert_no_error(error);
    return data;
}

/* The frames of @sender; heartbeats come when they like. */
static GArray *
parse(const void *data, gsize size, VfRole sender)
{
    GArray *frames = g_array_new(FALSE, TRUE, sizeof(Said));
    const guint8 *bytes = data;
    guint64 sequence = 0;
    gsize at = 0;

    while (at < size) {
        g_autoptr(GError) error = NULL;
        VfFrameHeader header;

        g_assert_cmpuint(size - at, >=, VF_FRAME_HEADER_SIZE);
        vf_frame_unpack(bytes + at, sender, VF_SOLO_DEVICES_MAX, sequence++, &header, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(size - at - VF_FRAME_HEADER_SIZE, >=, header.length);
        vf_frame_verify(bytes + at, &header, bytes + at + VF_FRAME_HEADER_SIZE, &error);
        g_assert_no_error(error);
        at += VF_FRAME_HEADER_SIZE;
        if (header.type != VF_FRAME_HEARTBEAT) {
            Said said = {header.type, header.device, at, header.length};
            g_array_append_val(frames, said);
        }
        at += header.length;
    }
    return frames;
}

/* "HELLO INITIAL_END/0 DEVICE_END/0=8192 …"; how device state is cut into DATA is nobody's
 * business, nor how much of it a device changed. */
static char *
describe(const void *data, gsize size, VfRole sender, gboolean with_sizes)
{
    g_autoptr(GArray) frames = parse(data, size, sender);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < frames->len; i++) {
        const Said *said = &g_array_index(frames, Said, i);
        guint64 bytes = 0;
        if (said->type == VF_FRAME_DATA)
            continue;
        g_string_append_printf(text, "%s%s", text->len ? " " : "", vf_frame_type_name(said->type));
        if (said->device != VF_FRAME_NO_DEVICE)
            g_string_append_printf(text, "/%u", said->device);
        if (said->type != VF_FRAME_DEVICE_END || !with_sizes)
            continue;
        memcpy(&bytes, (const guint8 *)data + said->offset, sizeof bytes);
        g_string_append_printf(text, "=%" G_GUINT64_FORMAT, GUINT64_FROM_LE(bytes));
    }
    return g_string_free(text, FALSE);
}

static void
check_end(const Capture *capture, VfRole role, const VfSolo *solo)
{
    if (solo->end.kind != capture->outcomes[role])
        g_error("%s: %s", vf_session_end_name(solo->end.kind), solo->end.error->message);
    g_assert_cmpstr(solo->events, ==, capture->events[role]);
}

/* Today's words for version and features, as values. */
static void
check_reply(const Capture *capture, VfTape *tape)
{
    const GByteArray *said = vf_tape_get_said(tape);
    g_autoptr(GArray) frames = parse(said->data, said->len, VF_ROLE_DESTINATION);
    const Said *first = &g_array_index(frames, Said, 0);
    g_auto(VfHelloReply) reply = {0};
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(first->type, ==, VF_FRAME_HELLO_REPLY);
    vf_message_parse_reply(said->data + first->offset, first->length, &reply, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(reply.version, ==, 1);
    g_assert_cmpuint(g_strv_length(reply.features), ==,
                     capture->precopy[0] && capture->precopy[1] ? 1 : 0);
}

static void
test_destination(gconstpointer data)
{
    const Capture *capture = data;
    VfSoloSetup setup = capture_setup(capture, VF_ROLE_DESTINATION);
    gsize heard_size;
    gsize answer_size;
    g_autofree char *heard = load(capture, VF_ROLE_SOURCE, &heard_size);
    g_autofree char *answer = load(capture, VF_ROLE_DESTINATION, &answer_size);
    g_autoptr(VfTape) tape = vf_tape_new();
    g_autoptr(VfSolo) solo = NULL;
    g_autofree char *before = describe(answer, answer_size, VF_ROLE_DESTINATION, TRUE);
    g_autofree char *now = NULL;

    vf_tape_add(tape, heard, heard_size, 0, 0);
    solo = vf_solo_run(&setup, vf_tape_play(tape));
    check_end(capture, VF_ROLE_DESTINATION, solo);
    now = describe(vf_tape_get_said(tape)->data, vf_tape_get_said(tape)->len, VF_ROLE_DESTINATION,
                   TRUE);
    g_assert_cmpstr(now, ==, before);
    check_reply(capture, tape);
}

/* What the destination said, each at the time when it can have said it. */
static void
add_answers(VfTape *tape, const Capture *capture, const guint8 *answer, gsize size)
{
    g_autoptr(GArray) frames = parse(answer, size, VF_ROLE_DESTINATION);
    guint n_initial = 0;

    for (guint i = 0; i < frames->len; i++) {
        const Said *said = &g_array_index(frames, Said, i);
        const guint8 *payload = answer + said->offset;
        guint gate = 0;
        guint count = 1;
        if (said->type == VF_FRAME_HELLO_REPLY)
            gate = VF_FRAME_HELLO;
        if (said->type == VF_FRAME_INITIAL_LOADED)
            gate = VF_FRAME_INITIAL_END, count = ++n_initial;
        if (said->type == VF_FRAME_LOADED)
            gate = VF_FRAME_DEVICE_END, count = capture->n_devices;
        if (said->type == VF_FRAME_STARTED)
            gate = VF_FRAME_COMMIT;
        if (said->type == VF_FRAME_ABORT)
            gate = VF_FRAME_DATA;
        vf_tape_add_frame(tape, said->type, said->device, payload, said->length, gate, count);
    }
}

static void
test_source(gconstpointer data)
{
    const Capture *capture = data;
    VfSoloSetup setup = capture_setup(capture, VF_ROLE_SOURCE);
    /* what a device changes while it runs depends on how often it is read */
    gboolean steady = capture->device.dirty_per_read == 0;
    gsize heard_size;
    gsize said_size;
    g_autofree char *heard = load(capture, VF_ROLE_DESTINATION, &heard_size);
    g_autofree char *said = load(capture, VF_ROLE_SOURCE, &said_size);
    g_autoptr(VfTape) tape = vf_tape_new();
    g_autoptr(VfSolo) solo = NULL;
    g_autofree char *before = describe(said, said_size, VF_ROLE_SOURCE, steady);
    g_autofree char *now = NULL;

    add_answers(tape, capture, (const guint8 *)heard, heard_size);
    solo = vf_solo_run(&setup, vf_tape_play(tape));
    check_end(capture, VF_ROLE_SOURCE, solo);
    now =
        describe(vf_tape_get_said(tape)->data, vf_tape_get_said(tape)->len, VF_ROLE_SOURCE, steady);
    /* how far it got before it heard that the other side gave up */
    if (capture->fail_write_at)
        g_assert_true(g_str_has_prefix(now, "HELLO"));
    else
        g_assert_cmpstr(now, ==, before);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(captures); i++) {
        g_autofree char *to_destination =
            g_strdup_printf("/captures/%s/destination", captures[i].name);
        g_autofree char *to_source = g_strdup_printf("/captures/%s/source", captures[i].name);
        g_test_add_data_func(to_destination, &captures[i], test_destination);
        g_test_add_data_func(to_source, &captures[i], test_source);
    }
    return g_test_run();
}
