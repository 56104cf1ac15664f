/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "session-case.h"

/* Large is what does not fit into what is in flight, some frames of 1 MiB; under valgrind more than
 * that is only more of the same. */
static VfPairSetup
fit(const VfPairSetup *setup)
{
    VfPairSetup fitting = *setup;

    if (vf_pair_slowness() >= VF_PAIR_SLOWNESS_MAX && setup->source.size > 8 * MIB) {
        fitting.source.size /= 4;
        fitting.source.dirty_max /= 4;
    }
    return fitting;
}

static void
run_case(gconstpointer data)
{
    const Case *c = data;
    VfPairSetup setup = fit(&c->setup);
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    check_case(pair, c);
}

static const Case migrations[] = {
    {"stop-copy", {.source = {STOP_COPY, 300 * KIB}}, COMPLETED},
    {"p2p", {.source = {P2P, 300 * KIB}}, COMPLETED},
    {"pre-copy", {.source = {PRE_COPY, 300 * KIB}}, COMPLETED},
    {"all", {.source = {ALL, 300 * KIB}}, COMPLETED},
    {"tiny", {.source = {ALL, 1}}, COMPLETED},
    {"big", {.source = {STOP_COPY, 48 * MIB, 7}}, COMPLETED},
    {"big-dirty",
     {.source = {ALL, 48 * MIB, 7, .dirty_per_read = 256 * KIB, .dirty_max = 24 * MIB}},
     COMPLETED},
    {"never-converges",
     {.source = {ALL, 4 * MIB, 7, .dirty_per_read = 2 * MIB},
      .precopy_max_seconds = 1,
      .no_switchover_ack = TRUE,
      .downtime_limit_ms = 1},
     COMPLETED},
    {"stop-only-part",
     {.source = {ALL, 8 * MIB, 7, .stop_only = 3 * MIB, .dirty_per_read = 64 * KIB},
      .precopy_max_seconds = 2,
      .no_switchover_ack = TRUE},
     COMPLETED},
    {"several",
     {.n_devices = 3, .source = {ALL, 2 * MIB, .dirty_per_read = 64 * KIB, .dirty_max = MIB}},
     .runs = RUNS_DESTINATION,
     .events = {"commit,done", "loaded,commit,started"},
     .states = {"stopped,stopped,stopped", "running,running,running"}},
    {"several-without-p2p",
     {.n_devices = 3, .source = {PRE_COPY, 2 * MIB, .dirty_per_read = 64 * KIB, .dirty_max = MIB}},
     .runs = RUNS_DESTINATION},
    {"several-p2p-without-pre-copy",
     {.n_devices = 4, .source = {P2P, 2 * MIB}},
     .runs = RUNS_DESTINATION},
    /* slower than the peer's patience, at every place where the other side waits */
};

static const Case faults[] = {
    {"source-read-pre-copy",
     {.source = {ALL, 4 * MIB, .fail_read_at = 2 * MIB}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"},
     .message = "read of device state at byte 2097152: Input/output error"},
    {"source-read-stop-copy",
     {.source = {STOP_COPY, 4 * MIB, .fail_read_at = 2 * MIB}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", ""}},
    {"source-refuses-pre-copy",
     {.source = {ALL, 4 * MIB, .refuse = BIT(VF_STATE_PRE_COPY)}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", "stopped"},
     .message = "change of state from RUNNING to PRE_COPY: Input/output error"},
    {"source-refuses-stop-copy",
     {.source = {ALL, 4 * MIB, .refuse = BIT(VF_STATE_STOP_COPY)}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", ""}},
    {"source-refuses-stop-once",
     {.source = {ALL, 4 * MIB, .refuse = BIT(VF_STATE_STOP), .refuse_times = 1}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", "loaded"},
     .states = {"running", "stopped"}},
    {"source-refuses-stop-twice",
     {.source = {STOP_COPY, 4 * MIB, .refuse = BIT(VF_STATE_STOP), .refuse_times = 2}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", ""}},
    {"source-cannot-return",
     {.source = {STOP_COPY, 4 * MIB, .fail_read_at = MIB, .refuse = BIT(VF_STATE_RUNNING)}},
     .runs = RUNS_NONE,
     .kinds = {VF_SESSION_FAILED, VF_SESSION_FAILED},
     .codes = {E(DEVICE), E(PEER)},
     .events = {"", ""},
     .states = {"failed-needs-reset", "failed-needs-reset"},
     .message = "the way back to running failed: change of state"},
    /* RUNNING_P2P is on the way, and it is running: it must not be left there */
    {"source-cannot-return-from-p2p",
     {.source = {P2P, 4 * MIB, .fail_read_at = MIB, .refuse = BIT(VF_STATE_RUNNING)}},
     .runs = RUNS_NONE,
     .kinds = {VF_SESSION_FAILED, VF_SESSION_FAILED},
     .codes = {E(DEVICE), E(PEER)},
     .events = {"", ""},
     .states = {"failed-needs-reset", "failed-needs-reset"},
     .message = "the way back to running failed: change of state"},
    {"source-error-state",
     {.source = {ALL, 4 * MIB, .refuse = BIT(VF_STATE_STOP_COPY), .error_on_fault = TRUE}},
     .runs = RUNS_NONE,
     .kinds = {VF_SESSION_FAILED, VF_SESSION_FAILED},
     .codes = {E(DEVICE), E(PEER)},
     .events = {"", ""},
     .states = {"failed-needs-reset", "failed-needs-reset"},
     .message = "the device is in state ERROR and needs a reset"},
    {"one-of-three-fails",
     {.n_devices = 3, .faulty = 1, .source = {ALL, 2 * MIB, .fail_read_at = MIB}},
     FAILED(E(DEVICE), E(PEER)),
     .events = {"returned", ""},
     .states = {"running,running,running", NULL},
     .message = "device 1: read of device state at byte 1048576"},
    {"destination-write",
     {.source = {ALL, 4 * MIB}, .destination = {.fail_write_at = 2 * MIB}},
     FAILED(E(PEER), E(DEVICE)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"},
     .message = "write of device state at byte 2097152: Input/output error"},
    {"destination-write-stop-copy",
     {.source = {STOP_COPY, 4 * MIB}, .destination = {.fail_write_at = 5000}},
     FAILED(E(PEER), E(DEVICE)),
     .events = {"returned", ""}},
    {"destination-final-check",
     {.source = {ALL, 4 * MIB}, .destination = {.fail_final = TRUE}},
     FAILED(E(PEER), E(DEVICE)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"},
     .message = "the state was refused as a whole: change of state from RESUMING to STOP: Invalid "
                "argument"},
    {"destination-final-check-of-one",
     {.n_devices = 3, .faulty = 2, .source = {P2P, MIB}, .destination = {.fail_final = TRUE}},
     FAILED(E(PEER), E(DEVICE)),
     .events = {"returned", ""},
     .states = {"running,running,running", "stopped,stopped,failed-needs-reset"}},
    {"destination-refuses-resuming",
     {.source = {ALL, 4 * MIB}, .destination = {.refuse = BIT(VF_STATE_RESUMING)}},
     FAILED(E(PEER), E(DEVICE)),
     .events = {"returned", ""},
     .states = {"running", "stopped"}},
    {"destination-refuses-running",
     {.source = {ALL, 4 * MIB}, .destination = {.refuse = BIT(VF_STATE_RUNNING)}},
     .runs = RUNS_NONE,
     .kinds = {DOUBT, DOUBT},
     .codes = {E(IN_DOUBT), E(IN_DOUBT)},
     .events = {"commit", "loaded,commit"},
     .states = {"stopped", "failed-needs-reset"}},
    {"destination-size-limit",
     {.source = {ALL, 4 * MIB}, .size_max = MIB},
     FAILED(E(PEER), E(LIMIT_EXCEEDED)),
     .events = {"returned", ""}},
    {"source-record-unwritable",
     {.source = {ALL, 64 * KIB}, .blind_source = TRUE, AT(CALL, DESTINATION, LOADED)},
     FAILED(E(FAILED), E(PEER)),
     .events = {"", "loaded"},
     .states = {"running", "stopped"}},
    {"source-record-unwritable-before",
     {.source = {ALL, 64 * KIB}, .blind_source = TRUE, AT(CALL, DESTINATION, HELLO_REPLY)},
     FAILED(E(FAILED), E(PEER)),
     .events = {"", ""},
     .states = {"running", "stopped"}},
    {"destination-record-unwritable",
     {.source = {ALL, 64 * KIB}, .blind_destination = TRUE, AT(CALL, SOURCE, DATA)},
     FAILED(E(PEER), E(FAILED)),
     .events = {"returned", ""}},
    {"untouched", {.source = {ALL, 300 * KIB}, .plan = {VF_PROXY_RELAY}}, COMPLETED},
};

static const Case cancels[] = {
    {"source-pre-copy",
     {.source = {ALL, 8 * MIB, .slow_us = 1000}, AT(CALL, SOURCE, DATA, 3), ASK(SOURCE, ASKED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"}},
    {"source-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(SOURCE, ASKED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""}},
    {"source-loaded",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(SOURCE, ASKED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", "loaded"},
     .states = {"running", "stopped"}},
    {"source-too-late",
     {.source = {ALL, MIB}, AT(CALL, SOURCE, COMMIT), ASK(SOURCE, ASKED)},
     COMPLETED},
    {"source-orphan",
     {.source = {ALL, 8 * MIB, .slow_us = 1000}, AT(CALL, SOURCE, DATA, 3), ASK(SOURCE, ORPHANED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""}},
    {"source-orphan-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(SOURCE, ORPHANED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"}},
    {"source-orphan-loaded",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(SOURCE, ORPHANED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", "loaded"},
     .states = {"running", "stopped"}},
    {"source-orphan-committed",
     {.source = {ALL, MIB}, AT(CALL, SOURCE, COMMIT), ASK(SOURCE, ORPHANED)},
     COMPLETED},
    {"source-orphan-too-late",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, STARTED), ASK(SOURCE, ORPHANED)},
     COMPLETED},
    {"destination-pre-copy",
     {.source = {ALL, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ASKED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""}},
    {"destination-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ASKED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""}},
    {"destination-too-late",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(DESTINATION, ASKED)},
     COMPLETED},
    {"destination-orphan",
     {.source = {ALL, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ORPHANED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""}},
    {"destination-orphan-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ORPHANED)},
     CANCELLED(VF_SESSION_CANCELLED, VF_SESSION_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"}},
    {"destination-orphan-too-late",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, STARTED), ASK(DESTINATION, ORPHANED)},
     COMPLETED},
};

/* Right frames at a wrong time, and frames that lie: rewritten on the way, the checksum right again
 * unless it is what lies. */
typedef struct {
    guint type; /* 0: as it was */
    guint device;
    guint length;
    gint flip;        /* a bit in this byte of the payload, -1: none */
    gboolean damaged; /* and the checksum as it was */
    gboolean newer;   /* a hello of versions 2 to 3, or the choice of 2 */
} Lie;

static void
rewrite_hello(guint8 *frame, gsize *size)
{
    static const char *const none[] = {NULL};
    static const guint32 flags[] = {ALL};
    VfHello hello = {.job = (char *)VF_PAIR_JOB, .min = 2, .max = 3, .features = (char **)none};
    g_autoptr(GBytes) payload = NULL;

    payload = frame[4] == VF_FRAME_HELLO ? vf_message_pack_hello(&hello, flags, 1)
                                         : vf_message_pack_reply(2, none, NULL);
    *size = VF_FRAME_HEADER_SIZE + g_bytes_get_size(payload);
    memcpy(frame + VF_FRAME_HEADER_SIZE, g_bytes_get_data(payload, NULL),
           g_bytes_get_size(payload));
}

static void
tell_lie(guint8 *frame, gsize *size, gpointer data)
{
    const Lie *lie = data;
    VfFrameHeader header = {.type = (guint16)lie->type, .device = (guint16)lie->device};

    memcpy(&header.sequence, frame + 16, 8);
    if (lie->newer)
        rewrite_hello(frame, size);
    else if (lie->type != 0)
        *size = VF_FRAME_HEADER_SIZE + lie->length;
    if (lie->flip >= 0)
        frame[VF_FRAME_HEADER_SIZE + lie->flip] ^= 1;
    if (lie->damaged)
        return;
    if (lie->type == 0)
        memcpy(&header.type, frame + 4, 4); /* and the device */
    header.length = (guint32)(*size - VF_FRAME_HEADER_SIZE);
    vf_frame_pack(&header, frame + VF_FRAME_HEADER_SIZE, frame);
}

static const Lie commit_lie = {VF_FRAME_COMMIT, VF_FRAME_NO_DEVICE, 0, -1};
static const Lie started_lie = {VF_FRAME_STARTED, VF_FRAME_NO_DEVICE, 0, -1};
static const Lie loaded_lie = {VF_FRAME_LOADED, VF_FRAME_NO_DEVICE, 0, -1};
static const Lie initial_end_lie = {VF_FRAME_INITIAL_END, 0, 0, -1};
static const Lie initial_loaded_lie = {VF_FRAME_INITIAL_LOADED, 0, 0, -1};
static const Lie optional_lie = {0x8123, 77, 9, -1};
static const Lie total_lie = {0, 0, 0, 2};
static const Lie state_lie = {0, 0, 0, 100};
static const Lie damage_lie = {0, 0, 0, 100, TRUE};
static const Lie version_lie = {0, 0, 0, -1, FALSE, TRUE};

#define LIE(side, kind, lie)                                                                       \
    .plan = {VF_PROXY_CHANGE, VF_ROLE_##side, VF_FRAME_##kind, 1, tell_lie, (gpointer)&lie}

static const Case lies[] = {
    {"data-damaged",
     {.source = {STOP_COPY, 64 * KIB, 3},
      .plan = {VF_PROXY_CHANGE, VF_ROLE_SOURCE, VF_FRAME_DATA, 2, tell_lie, (gpointer)&damage_lie}},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""},
     .message = "a frame has checksum"},
    {"state-changed",
     {.source = {STOP_COPY, 64 * KIB, 3},
      .plan = {VF_PROXY_CHANGE, VF_ROLE_SOURCE, VF_FRAME_DATA, 2, tell_lie, (gpointer)&state_lie}},
     FAILED(E(PEER), E(DEVICE)),
     .events = {"returned", ""},
     .message = "the state was refused as a whole"},
    {"device-end-total",
     {.source = {ALL, 64 * KIB}, LIE(SOURCE, DEVICE_END, total_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""},
     .message = "but the source says that it sent"},
    {"commit-before-loaded",
     {.source = {ALL, 64 * KIB}, LIE(SOURCE, DATA, commit_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""},
     .message = "the source sent COMMIT, which may not come now"},
    {"initial-end-twice",
     {.source = {ALL, 64 * KIB}, LIE(SOURCE, DEVICE_END, initial_end_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""}},
    {"loaded-too-early",
     {.source = {ALL, 64 * KIB}, LIE(DESTINATION, INITIAL_LOADED, loaded_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", NULL}},
    {"initial-loaded-instead-of-hello",
     {.source = {ALL, 64 * KIB}, LIE(DESTINATION, HELLO_REPLY, initial_loaded_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"", ""}},
    {"initial-loaded-unannounced",
     {.source = {STOP_COPY, 64 * KIB}, LIE(DESTINATION, LOADED, initial_loaded_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", "loaded"}},
    {"started-instead-of-loaded",
     {.source = {ALL, 64 * KIB}, LIE(DESTINATION, LOADED, started_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", "loaded"}},
    {"no-commit",
     {.source = {ALL, 64 * KIB}, LIE(SOURCE, COMMIT, initial_end_lie)},
     .runs = RUNS_NONE,
     .kinds = {DOUBT, DOUBT},
     .codes = {E(IN_DOUBT), E(IN_DOUBT)},
     .events = {"commit", "loaded"}},
    {"no-started",
     {.source = {ALL, 64 * KIB}, LIE(DESTINATION, STARTED, loaded_lie)},
     .runs = RUNS_DESTINATION,
     .kinds = {DOUBT, VF_SESSION_COMPLETED},
     .codes = {E(IN_DOUBT), 0},
     .events = {"commit", "loaded,commit,started"}},
    {"newer-source",
     {.source = {ALL, 64 * KIB}, LIE(SOURCE, HELLO, version_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"", ""},
     .message = "the source speaks versions 2 to 3"},
    {"newer-destination",
     {.source = {ALL, 64 * KIB}, LIE(DESTINATION, HELLO_REPLY, version_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"", ""},
     .message = "the destination chose version 2"},
};

/* Sides that wait more than they work. */
static const Case waits[] = {
    {"slow-final-check",
     {.source = {ALL, 8 * KIB}, .destination = {.slow_final_us = 2500 * 1000}, .patience_ms = 1000},
     COMPLETED},
    {"slow-read",
     {.source = {STOP_COPY, 8 * KIB, .slow_us = 1300 * 1000}, .patience_ms = 1000},
     COMPLETED},
    {"slow-write",
     {.source = {STOP_COPY, 12 * MIB}, .destination = {.slow_us = 130 * 1000}, .patience_ms = 1000},
     COMPLETED},
    {"wrong-key",
     {.source = {ALL, 64 * KIB}, .wrong_key = TRUE, .plan = {VF_PROXY_RELAY}},
     FAILED(E(PEER), E(PEER)),
     .events = {"", ""},
     .message = "does not have this job's key"},
    {"wrong-job",
     {.source = {ALL, 64 * KIB}, .wrong_job = TRUE, .plan = {VF_PROXY_RELAY}},
     FAILED(E(PEER), E(PEER)),
     .events = {"", ""},
     .message = "does not have this job's key"},
    {"optional-frame-instead-of-heartbeat",
     {.source = {STOP_COPY, 8 * KIB, .slow_us = 900 * 1000},
      .patience_ms = 1000,
      LIE(SOURCE, HEARTBEAT, optional_lie)},
     COMPLETED},
};

/* Those that wait do so side by side, so that they take the time of the longest. */

static gpointer
run_case_thread(gpointer data)
{
    run_case(data);
    return NULL;
}

static void
test_waits(void)
{
    GThread *threads[G_N_ELEMENTS(waits)];

    for (guint i = 0; i < G_N_ELEMENTS(waits); i++)
        threads[i] = g_thread_new(waits[i].name, run_case_thread, (gpointer)&waits[i]);
    for (guint i = 0; i < G_N_ELEMENTS(waits); i++)
        g_thread_join(threads[i]);
}

static void
test_precopy_is_agreed(void)
{
    for (guint i = 0; i < 4; i++) {
        VfPairSetup setup = {.source = {ALL, 2 * MIB},
                             .no_precopy_at_source = (i & 1) != 0,
                             .no_precopy_at_destination = (i & 2) != 0};
        g_autoptr(VfPair) pair = vf_pair_run(&setup);

        g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_COMPLETED);
        g_assert_cmpuint(pair->initial_ends, ==, i == 0 ? 1 : 0);
        g_assert_cmpuint(pair->initial_loadeds, ==, i == 0 ? 1 : 0);
        g_assert_cmpstr(pair->sides[0].phases, ==,
                        i == 0 ? "pre-copy,switchover,loading,committing"
                               : "switchover,loading,committing");
        g_assert_cmpstr(pair->sides[1].phases, ==, "loading,committing");
    }
}

/* The initial bytes are loaded slowly, and the source is not stopped for it: its downtime is only
 * that of what changed since. */
static void
test_precopy_waits_for_loaded(void)
{
    VfPairSetup setup = {
        .source = {ALL, 6 * MIB, .dirty_per_read = 8 * KIB, .dirty_max = 64 * KIB},
        .destination = {.slow_us = 60 * 1000},
    };
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_COMPLETED);
    g_assert_cmpuint(pair->initial_loadeds, ==, 1);
    g_assert_cmpuint(pair->sides[0].progress.round, >=, 1);
    g_assert_cmpuint(vf_memory_get_dirtied(pair->source_devices[0]), ==, 64 * KIB);
}

/* What it takes to have initial bytes loaded by then is test-engine-precopy's subject. */
static void
test_precopy_time_limit(void)
{
    VfPairSetup setup = {.source = {ALL, 64 * MIB, 7, .dirty_per_read = 4 * MIB},
                         .precopy_max_seconds = 1,
                         .no_switchover_ack = TRUE,
                         .downtime_limit_ms = 1};
    VfPairSetup fitting = fit(&setup);
    gint64 start = g_get_monotonic_time();
    g_autoptr(VfPair) pair = vf_pair_run(&fitting);

    g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_COMPLETED);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, G_USEC_PER_SEC);
}

/* No pre-copy makes the exchanges and the steps of the devices shorter than the limit: it does not
 * go on for that, whether the device rests or changes a little all the time. */
static void
test_precopy_impossible_limit(void)
{
    for (guint i = 0; i < 2; i++) {
        VfPairSetup setup = {.source = {ALL, MIB, 7, .dirty_per_read = i * 4 * KIB},
                             .precopy_max_seconds = 60 * vf_pair_slowness(),
                             .downtime_limit_ms = 1};
        gint64 start = g_get_monotonic_time();
        g_autoptr(VfPair) pair = vf_pair_run(&setup);

        g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_COMPLETED);
        g_assert_cmpint(g_get_monotonic_time() - start, <,
                        20 * G_USEC_PER_SEC * vf_pair_slowness());
    }
}

static void
add_cases(const char *folder, const Case *cases, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/engine/session/%s/%s", folder, cases[i].name);
        g_test_add_data_func(path, &cases[i], run_case);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* what a mover warns of is part of what is tested here */
    g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
    add_cases("migration", migrations, G_N_ELEMENTS(migrations));
    add_cases("fault", faults, G_N_ELEMENTS(faults));
    add_cases("cancel", cancels, G_N_ELEMENTS(cancels));
    add_cases("lie", lies, G_N_ELEMENTS(lies));
    g_test_add_func("/engine/session/waits", test_waits);
    g_test_add_func("/engine/session/pre-copy/agreed", test_precopy_is_agreed);
    g_test_add_func("/engine/session/pre-copy/waits-for-loaded", test_precopy_waits_for_loaded);
    g_test_add_func("/engine/session/pre-copy/time-limit", test_precopy_time_limit);
    g_test_add_func("/engine/session/pre-copy/impossible-limit", test_precopy_impossible_limit);
    return g_test_run();
}
