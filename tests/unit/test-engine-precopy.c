/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Initial bytes: the source is stopped when the destination has loaded them, or somebody wanted it
 * otherwise, and a device may ask again until then. */
#include "config.h"

#include "message.h"
#include "session-case.h"
#include "solo.h"
#include "tape.h"

#define SIZE (300 * KIB)
#define UNKNOWN G_MAXUINT64
/* The destination loads when the source has ended: an end that waited for it never comes. */
#define UNTIL_THE_END .hold_until = "never", .precopy_max_seconds = 1, .patience_ms = 5000

#define PASSED "s for pre-copy has passed, and the destination has not loaded "

static const Case limits[] = {
    {"unloaded",
     {.source = {ALL, SIZE}, UNTIL_THE_END},
     FAILED(E(LIMIT_EXCEEDED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", NULL},
     .message = "the limit of 1 s for pre-copy has passed"},
    /* more than is on its way to a destination that takes nothing: the source is stuck in a frame
     */
    {"unsent",
     {.source = {ALL, 64 * MIB}, UNTIL_THE_END},
     FAILED(E(LIMIT_EXCEEDED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", NULL},
     .message = "initial bytes of device 0, of which "},
    {"without-p2p",
     {.source = {PRE_COPY, SIZE}, UNTIL_THE_END},
     FAILED(E(LIMIT_EXCEEDED), E(PEER)),
     .events = {"returned", ""}},
    {"several",
     {.n_devices = 3, .source = {ALL, SIZE}, UNTIL_THE_END},
     FAILED(E(LIMIT_EXCEEDED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running,running,running", NULL}},
    {"data-that-never-stops",
     {.source = {ALL, SIZE, .reinit_times = G_MAXUINT}, .precopy_max_seconds = 1},
     FAILED(E(LIMIT_EXCEEDED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", NULL},
     .message = PASSED},
    {"asks-again-each-time-it-is-quiet",
     {.source = {ALL, SIZE, .reinit_times = G_MAXUINT, .reinit_quiet = TRUE},
      .precopy_max_seconds = 1},
     FAILED(E(LIMIT_EXCEEDED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", NULL}},
};

static void
run_case(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(VfPair) pair = vf_pair_run(&c->setup);

    check_case(pair, c);
    g_assert_cmpuint(pair->sides[0].unloaded, ==, UNKNOWN);
}

/* Stopped without, as asked for: and that is in the statistics. */
static void
test_without_ack(void)
{
    VfPairSetup setup = {.source = {ALL, SIZE},
                         .hold_until = "switchover",
                         .no_switchover_ack = TRUE,
                         .precopy_max_seconds = 1,
                         .patience_ms = 5000};
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    check_case(pair, &(Case){"without-ack", setup, COMPLETED});
    g_assert_cmpuint(pair->sides[0].unloaded, >=, SIZE);
    g_assert_cmpuint(pair->sides[0].unloaded, <, 2 * SIZE);
}

/* Who may do without waits as long as there is time. */
static void
test_without_need(void)
{
    VfPairSetup setup = {.source = {ALL, SIZE}, .no_switchover_ack = TRUE};
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    check_case(pair, &(Case){"without-need", setup, COMPLETED});
    g_assert_cmpuint(pair->sides[0].unloaded, ==, UNKNOWN);
}

/* The second INITIAL_END passes by: nobody can have acknowledged it yet. */
static void
look_at_source(VfPair *pair)
{
    g_assert_cmpint(vf_memory_get_state(pair->source_devices[0]), ==, VF_STATE_PRE_COPY);
}

static void
run_reinit(const char *name, const VfMemoryOptions *source)
{
    VfPairSetup setup = {
        .source = *source, AT(CALL, SOURCE, INITIAL_END, 2), .look = look_at_source};
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    check_case(pair, &(Case){name, setup, COMPLETED});
    g_assert_cmpuint(pair->initial_ends, ==, 2);
    g_assert_cmpuint(pair->initial_loadeds, ==, 2);
    g_assert_cmpuint(pair->sides[0].bytes, >=, 2 * SIZE);
}

static void
test_again(void)
{
    run_reinit("again", &(VfMemoryOptions){ALL, SIZE, .reinit_times = 1, .reinit_after = 1});
    run_reinit("without-p2p",
               &(VfMemoryOptions){PRE_COPY, SIZE, .reinit_times = 1, .reinit_after = 1});
}

static void
test_again_at_switchover(void)
{
    run_reinit("quiet", &(VfMemoryOptions){ALL, SIZE, .reinit_times = 1, .reinit_quiet = TRUE});
}

/* An optional frame instead: the destination does not hear that there is more to acknowledge. */
static void
hide(guint8 *frame, gsize *size, gpointer data)
{
    VfFrameHeader header = {.type = VF_FRAME_OPTIONAL, .device = VF_FRAME_NO_DEVICE};

    memcpy(&header.sequence, frame + 16, 8);
    vf_frame_pack(&header, frame + VF_FRAME_HEADER_SIZE, frame);
}

/* What was acknowledged was taken back, and is not enough. */
static void
test_again_unacknowledged(void)
{
    Case c = {"unacknowledged",
              {.source = {ALL, SIZE, .reinit_times = 1, .reinit_quiet = TRUE},
               .precopy_max_seconds = 3 * vf_pair_slowness(),
               .plan = {VF_PROXY_CHANGE, VF_ROLE_SOURCE, VF_FRAME_INITIAL_END, 2, hide}},
              FAILED(E(LIMIT_EXCEEDED), E(PEER)),
              .events = {"returned", ""},
              .message = PASSED};
    g_autoptr(VfPair) pair = vf_pair_run(&c.setup);

    check_case(pair, &c);
    g_assert_cmpuint(pair->initial_loadeds, ==, 1);
}

/* One of the sides is older: INITIAL_END comes once, as it did. */

static VfPairSetup
old_setup(VfRole old, guint reinit_after)
{
    return (VfPairSetup){
        .source = {ALL, SIZE, .reinit_times = 1, .reinit_after = reinit_after},
        .no_reinit_at_source = old == VF_ROLE_SOURCE,
        .no_reinit_at_destination = old == VF_ROLE_DESTINATION,
    };
}

static void
test_old_peer(void)
{
    for (VfRole old = VF_ROLE_SOURCE; old <= VF_ROLE_DESTINATION; old++) {
        VfPairSetup setup = old_setup(old, 1);
        Case c = {"old", setup, FAILED(E(NOT_SUPPORTED), E(PEER)), .events = {"returned", ""},
                  .message = "the destination cannot say again that it has loaded them"};
        g_autoptr(VfPair) pair = vf_pair_run(&setup);

        check_case(pair, &c);
        g_assert_cmpuint(pair->initial_ends, ==, 1);
    }
}

/* Before the first INITIAL_END nothing has to be taken back. */
static void
test_old_peer_early(void)
{
    VfPairSetup setup = old_setup(VF_ROLE_DESTINATION, 0);
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    check_case(pair, &(Case){"early", setup, COMPLETED});
    g_assert_cmpuint(pair->initial_ends, ==, 1);
}

static void
test_old_peer_without_ack(void)
{
    VfPairSetup setup = old_setup(VF_ROLE_DESTINATION, 1);
    g_autoptr(VfPair) pair = NULL;

    setup.precopy_max_seconds = 2 * vf_pair_slowness();
    setup.no_switchover_ack = TRUE;
    pair = vf_pair_run(&setup);
    check_case(pair, &(Case){"without-ack", setup, COMPLETED});
    g_assert_cmpuint(pair->initial_ends, ==, 1);
    g_assert_cmpuint(pair->sides[0].unloaded, >=, SIZE);
    g_assert_cmpuint(pair->sides[0].unloaded, !=, UNKNOWN);
}

/* Liars */

static void
add_frame(VfTape *tape, VfFrameType type, const void *payload, guint32 length, VfFrameType after,
          guint count)
{
    gboolean is_hello = type == VF_FRAME_HELLO || type == VF_FRAME_HELLO_REPLY;

    vf_tape_add_frame(tape, (guint16)type, is_hello ? VF_FRAME_NO_DEVICE : 0, payload, length,
                      after, count);
}

static void
add_hello(VfTape *tape, VfRole role)
{
    static const char *const features[] = {VF_FEATURE_PRE_COPY, VF_FEATURE_REINIT, NULL};
    const guint32 flags = ALL;
    VfHello hello = {(char *)VF_SOLO_JOB, 1, 1, (char **)features, 1};
    gboolean is_source = role == VF_ROLE_SOURCE;
    g_autoptr(GBytes) payload = is_source ? vf_message_pack_hello(&hello, &flags, 1)
                                          : vf_message_pack_reply(1, features, NULL);
    gsize size;
    const void *data = g_bytes_get_data(payload, &size);

    add_frame(tape, is_source ? VF_FRAME_HELLO : VF_FRAME_HELLO_REPLY, data, (guint32)size,
              VF_FRAME_HELLO, is_source ? 0 : 1);
}

static void
run_liar(VfTape *tape, VfRole role, const char *message)
{
    VfSoloSetup setup = {.role = role,
                         .n_devices = 1,
                         .device = {.flags = ALL, .size = VF_MEMORY_PAGE},
                         .precopy = TRUE,
                         .reinit = TRUE};
    g_autoptr(VfSolo) solo = vf_solo_run(&setup, vf_tape_play(tape));

    g_assert_error(solo->end.error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(solo->end.error->message, message));
    g_assert_true(vf_solo_is_live(solo) == (role == VF_ROLE_SOURCE));
}

/* Each INITIAL_END costs an answer, so each needs bytes: as many as size-max allows. */
static void
test_ends_without_bytes(void)
{
    static const guint8 head[16];
    g_autoptr(VfTape) tape = vf_tape_new();

    add_hello(tape, VF_ROLE_SOURCE);
    add_frame(tape, VF_FRAME_DATA, head, sizeof head, 0, 0);
    add_frame(tape, VF_FRAME_INITIAL_END, NULL, 0, 0, 0);
    add_frame(tape, VF_FRAME_DATA, head, sizeof head, 0, 0);
    add_frame(tape, VF_FRAME_INITIAL_END, NULL, 0, 0, 0);
    add_frame(tape, VF_FRAME_INITIAL_END, NULL, 0, 0, 0);
    run_liar(tape, VF_ROLE_DESTINATION, "the source sent INITIAL_END, which may not come now");
    g_assert_cmpuint(vf_tape_count(tape, VF_FRAME_INITIAL_LOADED), ==, 2);
}

static void
test_loaded_twice(void)
{
    g_autoptr(VfTape) tape = vf_tape_new();

    add_hello(tape, VF_ROLE_DESTINATION);
    add_frame(tape, VF_FRAME_INITIAL_LOADED, NULL, 0, VF_FRAME_INITIAL_END, 1);
    add_frame(tape, VF_FRAME_INITIAL_LOADED, NULL, 0, VF_FRAME_INITIAL_END, 1);
    run_liar(tape, VF_ROLE_SOURCE, "that were not announced");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* what a mover warns of is part of what is tested here */
    g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
        g_autofree char *path = g_strdup_printf("/engine/precopy/limit/%s", limits[i].name);
        g_test_add_data_func(path, &limits[i], run_case);
    }
    g_test_add_func("/engine/precopy/without-ack", test_without_ack);
    g_test_add_func("/engine/precopy/without-need", test_without_need);
    g_test_add_func("/engine/precopy/again", test_again);
    g_test_add_func("/engine/precopy/again-at-switchover", test_again_at_switchover);
    g_test_add_func("/engine/precopy/again-unacknowledged", test_again_unacknowledged);
    g_test_add_func("/engine/precopy/old-peer", test_old_peer);
    g_test_add_func("/engine/precopy/old-peer-early", test_old_peer_early);
    g_test_add_func("/engine/precopy/old-peer-without-ack", test_old_peer_without_ack);
    g_test_add_func("/engine/precopy/ends-without-bytes", test_ends_without_bytes);
    g_test_add_func("/engine/precopy/loaded-twice", test_loaded_twice);
    return g_test_run();
}
