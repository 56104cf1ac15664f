/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "error.h"
#include "pair.h"

#define KIB 1024u
#define MIB (1024u * 1024u)
#define BIT(state) (1u << (state))

#define STOP_COPY VF_BACKEND_STOP_COPY
#define P2P (VF_BACKEND_STOP_COPY | VF_BACKEND_P2P)
#define PRE_COPY (VF_BACKEND_STOP_COPY | VF_BACKEND_PRE_COPY)
#define ALL (VF_BACKEND_STOP_COPY | VF_BACKEND_P2P | VF_BACKEND_PRE_COPY)

/* Who runs at the end. Never both: that is checked for every case. */
typedef enum {
    RUNS_DESTINATION,
    RUNS_SOURCE,
    RUNS_NONE,
} Runs;

typedef struct {
    const char *name;
    VfPairSetup setup;
    Runs runs;
    VfOutcomeKind kinds[2];
    VferryError codes[2];
    const char *events[2];
    const char *states[2];
    const char *message; /* a part of the faulty side's */
} Case;

#define COMPLETED                                                                                  \
    .runs = RUNS_DESTINATION, .events = {"commit,done", "loaded,commit,started"},                  \
    .states = {"stopped", "running"}
/* The source's failure is its own, or its peer's. */
#define FAILED(source_code, destination_code)                                                      \
    .runs = RUNS_SOURCE, .kinds = {VF_OUTCOME_FAILED, VF_OUTCOME_FAILED},                          \
    .codes = {source_code, destination_code}
#define DOUBT VF_OUTCOME_IN_DOUBT
#define E(code) VFERRY_ERROR_##code

static void
check_devices(const VfPair *pair, Runs runs)
{
    for (guint i = 0; i < pair->n_devices; i++) {
        VfMemory *source = pair->source_devices[i];
        VfMemory *destination = pair->destination_devices[i];
        g_assert_false(vf_memory_both_ran(source));
        g_assert_cmpint(vf_memory_is_live(source), ==, runs == RUNS_SOURCE);
        g_assert_cmpint(vf_memory_is_live(destination), ==, runs == RUNS_DESTINATION);
        if (runs == RUNS_SOURCE)
            g_assert_cmpint(vf_memory_get_state(source), ==, VF_STATE_RUNNING);
        if (runs == RUNS_DESTINATION)
            g_assert_true(vf_memory_equal(source, destination));
    }
}

static void
check_side(const VfPairSide *side, const Case *c, guint role)
{
    if (side->kind != c->kinds[role] || side->code != c->codes[role])
        g_error("%s, %s: %s: %s", c->name, role ? "destination" : "source",
                vf_outcome_name(side->kind), side->message);
    if (c->events[role])
        g_assert_cmpstr(side->events, ==, c->events[role]);
    if (c->states[role])
        g_assert_cmpstr(side->device_states, ==, c->states[role]);
    g_assert_cmpuint(side->progress.done, ==, side->bytes);
    g_assert_cmpuint(side->progress.total, >=, side->progress.done);
    if (side->kind == VF_OUTCOME_COMPLETED)
        g_assert_cmpuint(side->progress.total, ==, side->progress.done);
}

static void
check_case(const VfPair *pair, const Case *c)
{
    g_assert_cmpint(pair->acted, ==, c->setup.plan.action != VF_PROXY_PASS);
    for (guint role = 0; role < 2; role++)
        check_side(&pair->sides[role], c, role);
    if (c->message)
        g_assert_true(strstr(pair->sides[0].message, c->message) ||
                      strstr(pair->sides[1].message, c->message));
    check_devices(pair, c->runs);
    if (c->runs != RUNS_DESTINATION)
        return;
    g_assert_cmpuint(pair->sides[0].bytes, ==, pair->sides[1].bytes);
    if (pair->sides[0].kind == VF_OUTCOME_COMPLETED)
        g_assert_cmpuint(pair->sides[0].downtime, >, 0);
}

static void
run_case(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(VfPair) pair = vf_pair_run(&c->setup);

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
      .downtime_limit_ms = 1},
     COMPLETED},
    {"stop-only-part",
     {.source = {ALL, 8 * MIB, 7, .stop_only = 3 * MIB, .dirty_per_read = 64 * KIB}},
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
     .kinds = {VF_OUTCOME_FAILED, VF_OUTCOME_FAILED},
     .codes = {E(DEVICE), E(PEER)},
     .events = {"", ""},
     .states = {"failed-needs-reset", "failed-needs-reset"},
     .message = "the way back to running failed: change of state"},
    /* RUNNING_P2P is on the way, and it is running: it must not be left there */
    {"source-cannot-return-from-p2p",
     {.source = {P2P, 4 * MIB, .fail_read_at = MIB, .refuse = BIT(VF_STATE_RUNNING)}},
     .runs = RUNS_NONE,
     .kinds = {VF_OUTCOME_FAILED, VF_OUTCOME_FAILED},
     .codes = {E(DEVICE), E(PEER)},
     .events = {"", ""},
     .states = {"failed-needs-reset", "failed-needs-reset"},
     .message = "the way back to running failed: change of state"},
    {"source-error-state",
     {.source = {ALL, 4 * MIB, .refuse = BIT(VF_STATE_STOP_COPY), .error_on_fault = TRUE}},
     .runs = RUNS_NONE,
     .kinds = {VF_OUTCOME_FAILED, VF_OUTCOME_FAILED},
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
     {.source = {ALL, 64 * KIB}, .blind_source = TRUE},
     FAILED(E(FAILED), E(PEER)),
     .events = {"", "loaded"},
     .states = {"running", "stopped"}},
    {"destination-record-unwritable",
     {.source = {ALL, 64 * KIB}, .blind_destination = TRUE},
     FAILED(E(PEER), E(FAILED)),
     .events = {"returned", ""}},
    {"untouched", {.source = {ALL, 300 * KIB}, .plan = {VF_PROXY_RELAY}}, COMPLETED},
};

#define AT(act, side, kind, ...)                                                                   \
    .plan = {VF_PROXY_##act, VF_ROLE_##side, VF_FRAME_##kind, __VA_ARGS__}
#define ASK(side, why) .cancel = {TRUE, VF_ROLE_##side, VF_CANCEL_##why}
#define CANCELLED(source_kind, destination_kind, source_code, destination_code)                    \
    .runs = RUNS_SOURCE, .kinds = {source_kind, destination_kind},                                 \
    .codes = {source_code, destination_code}

static const Case cancels[] = {
    {"source-pre-copy",
     {.source = {ALL, 8 * MIB, .slow_us = 1000}, AT(CALL, SOURCE, DATA, 3), ASK(SOURCE, ASKED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"}},
    {"source-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(SOURCE, ASKED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""}},
    {"source-loaded",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(SOURCE, ASKED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", "loaded"},
     .states = {"running", "stopped"}},
    {"source-too-late",
     {.source = {ALL, MIB}, AT(CALL, SOURCE, COMMIT), ASK(SOURCE, ASKED)},
     COMPLETED},
    {"source-orphan",
     {.source = {ALL, 8 * MIB, .slow_us = 1000}, AT(CALL, SOURCE, DATA, 3), ASK(SOURCE, ORPHANED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""}},
    {"source-orphan-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(SOURCE, ORPHANED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_FAILED, E(CANCELLED), E(PEER)),
     .events = {"returned", ""},
     .states = {"running", "failed-needs-reset"}},
    {"source-orphan-loaded",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(SOURCE, ORPHANED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_FAILED, E(CANCELLED), E(PEER)),
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
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""}},
    {"destination-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ASKED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""}},
    {"destination-too-late",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(DESTINATION, ASKED)},
     COMPLETED},
    {"destination-orphan",
     {.source = {ALL, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ORPHANED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_CANCELLED, E(CANCELLED), E(CANCELLED)),
     .events = {"returned", ""}},
    {"destination-orphan-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 1000},
      AT(CALL, SOURCE, DATA, 3),
      ASK(DESTINATION, ORPHANED)},
     CANCELLED(VF_OUTCOME_CANCELLED, VF_OUTCOME_CANCELLED, E(CANCELLED), E(CANCELLED)),
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
                                         : vf_message_pack_reply(2, none);
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
     .events = {"returned", ""}},
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
     .kinds = {DOUBT, VF_OUTCOME_COMPLETED},
     .codes = {E(IN_DOUBT), 0},
     .events = {"commit", "loaded,commit,started"}},
    {"newer-source",
     {.source = {ALL, 64 * KIB}, LIE(SOURCE, HELLO, version_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""},
     .message = "the source speaks versions 2 to 3"},
    {"newer-destination",
     {.source = {ALL, 64 * KIB}, LIE(DESTINATION, HELLO_REPLY, version_lie)},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""},
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
     .events = {"returned", ""},
     .message = "does not have this job's key"},
    {"wrong-job",
     {.source = {ALL, 64 * KIB}, .wrong_job = TRUE, .plan = {VF_PROXY_RELAY}},
     FAILED(E(PEER), E(PEER)),
     .events = {"returned", ""},
     .message = "does not have this job's key"},
    {"optional-frame-instead-of-heartbeat",
     {.source = {STOP_COPY, 8 * KIB, .slow_us = 900 * 1000},
      .patience_ms = 1000,
      LIE(SOURCE, HEARTBEAT, optional_lie)},
     COMPLETED},
};

/* The table of docs/migration-stream.md, a link that breaks at every kind of frame. */
typedef struct {
    const char *name;
    VfRole from;
    guint type;
    guint nth;
    guint flags;
    gboolean lost_doubt; /* in doubt at the destination when the frame does not arrive */
    gboolean decided;    /* the commit line was there when it was sent */
    gboolean started;    /* the destination runs when it was sent */
} CutPoint;

static const CutPoint cut_points[] = {
    {"hello", VF_ROLE_SOURCE, VF_FRAME_HELLO, 1, ALL},
    {"hello-reply", VF_ROLE_DESTINATION, VF_FRAME_HELLO_REPLY, 1, ALL},
    {"data-pre-copy", VF_ROLE_SOURCE, VF_FRAME_DATA, 2, ALL},
    {"data-stop-copy", VF_ROLE_SOURCE, VF_FRAME_DATA, 2, STOP_COPY},
    {"initial-end", VF_ROLE_SOURCE, VF_FRAME_INITIAL_END, 1, ALL},
    {"initial-loaded", VF_ROLE_DESTINATION, VF_FRAME_INITIAL_LOADED, 1, ALL},
    {"device-end", VF_ROLE_SOURCE, VF_FRAME_DEVICE_END, 1, ALL},
    {"loaded", VF_ROLE_DESTINATION, VF_FRAME_LOADED, 1, ALL, TRUE},
    {"commit", VF_ROLE_SOURCE, VF_FRAME_COMMIT, 1, ALL, TRUE, TRUE},
    {"started", VF_ROLE_DESTINATION, VF_FRAME_STARTED, 1, ALL, FALSE, TRUE, TRUE},
};

#define CUT_SILENCE 3

static const struct {
    const char *name;
    VfProxyAction action;
    gboolean arrives;
} cuts[] = {
    {"cut-before", VF_PROXY_CUT_BEFORE, FALSE},
    {"cut-middle", VF_PROXY_CUT_MIDDLE, FALSE},
    {"cut-after", VF_PROXY_CUT_AFTER, TRUE},
    [CUT_SILENCE] = {"silence", VF_PROXY_SILENCE, FALSE},
};

/* What the document says of it, from who knew what when the link broke. */
static void
fill_cut(const CutPoint *point, gboolean arrives, gboolean committed, Case *c)
{
    gboolean loaded_sent = point->type == VF_FRAME_LOADED || point->decided ||
                           (point->type == VF_FRAME_DEVICE_END && arrives);
    gboolean runs = point->started || (point->type == VF_FRAME_COMMIT && arrives);
    gboolean done = point->started && arrives;

    c->runs = runs ? RUNS_DESTINATION : committed ? RUNS_NONE : RUNS_SOURCE;
    c->kinds[0] = done ? VF_OUTCOME_COMPLETED : committed ? DOUBT : VF_OUTCOME_FAILED;
    c->codes[0] = done ? 0 : committed ? E(IN_DOUBT) : E(PEER);
    c->events[0] = done ? "commit,done" : committed ? "commit" : "returned";
    c->kinds[1] = runs ? VF_OUTCOME_COMPLETED : loaded_sent ? DOUBT : VF_OUTCOME_FAILED;
    c->codes[1] = runs ? 0 : loaded_sent ? E(IN_DOUBT) : E(PEER);
    c->events[1] = runs ? "loaded,commit,started" : loaded_sent ? "loaded" : "";
}

static void
run_cut(gconstpointer data)
{
    guint number = GPOINTER_TO_UINT(data);
    const CutPoint *point = &cut_points[number / G_N_ELEMENTS(cuts)];
    guint cut = number % G_N_ELEMENTS(cuts);
    gboolean committed = point->decided;
    g_autoptr(VfPair) pair = NULL;
    Case c = {
        .name = point->name,
        .setup = {.source = {point->flags, 4 * MIB},
                  .patience_ms = 1000,
                  .plan = {cuts[cut].action, point->from, point->type, point->nth}},
    };

    pair = vf_pair_run(&c.setup);
    /* with LOADED in its hands the source commits, or sees first that the link is gone: both are
     * right, if all else agrees */
    if (point->type == VF_FRAME_LOADED && cuts[cut].arrives)
        committed = g_str_equal(pair->sides[0].events, "commit");
    fill_cut(point, cuts[cut].arrives, committed, &c);
    check_case(pair, &c);
}

/* Those that wait do so side by side, so that they take the time of the longest. */

static gpointer
run_case_thread(gpointer data)
{
    run_case(data);
    return NULL;
}

static gpointer
run_cut_thread(gpointer data)
{
    run_cut(data);
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
test_silence(void)
{
    GThread *threads[G_N_ELEMENTS(cut_points)];

    for (guint i = 0; i < G_N_ELEMENTS(cut_points); i++)
        threads[i] = g_thread_new(cut_points[i].name, run_cut_thread,
                                  GUINT_TO_POINTER(i * G_N_ELEMENTS(cuts) + CUT_SILENCE));
    for (guint i = 0; i < G_N_ELEMENTS(cut_points); i++)
        g_thread_join(threads[i]);
}

/* Movers of their own, killed. */
typedef struct {
    const char *name;
    VfPairSetup setup;
    Runs runs;
    gboolean crashed[2];
    VfOutcomeKind kinds[2]; /* of the one that was not */
    const char *events[2];
} KillCase;

#define KILL(side) .processes = TRUE, .kill = TRUE, .cancel = {.whom = VF_ROLE_##side}
#define CRASH_SOURCE .crashed = {TRUE, FALSE}
#define CRASH_DESTINATION .crashed = {FALSE, TRUE}

static const KillCase kills[] = {
    {"nobody",
     {.source = {ALL, 4 * MIB}, .processes = TRUE},
     RUNS_DESTINATION,
     .events = {"commit,done", "loaded,commit,started"}},
    {"source-pre-copy",
     {.source = {ALL, 8 * MIB, .slow_us = 2000}, AT(CALL, SOURCE, DATA, 2), KILL(SOURCE)},
     RUNS_SOURCE,
     CRASH_SOURCE,
     {0, VF_OUTCOME_FAILED},
     {"", ""}},
    {"source-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 2000}, AT(CALL, SOURCE, DATA, 2), KILL(SOURCE)},
     RUNS_NONE,
     CRASH_SOURCE,
     {0, VF_OUTCOME_FAILED},
     {"", ""}},
    {"source-loaded",
     {.source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), KILL(SOURCE)},
     RUNS_NONE,
     CRASH_SOURCE,
     {0, DOUBT},
     {"", "loaded"}},
    {"source-stopped",
     {.source = {ALL, MIB, .die_entered = BIT(VF_STATE_STOP)}, .processes = TRUE},
     RUNS_NONE,
     CRASH_SOURCE,
     {0, DOUBT},
     {"", "loaded"}},
    {"source-commit-arrives",
     {.source = {ALL, MIB}, AT(CALL, SOURCE, COMMIT), KILL(SOURCE)},
     RUNS_DESTINATION,
     CRASH_SOURCE,
     {0, VF_OUTCOME_COMPLETED},
     {"commit", "loaded,commit,started"}},
    {"destination-pre-copy",
     {.source = {ALL, 8 * MIB, .slow_us = 2000}, AT(CALL, SOURCE, DATA, 2), KILL(DESTINATION)},
     RUNS_SOURCE,
     CRASH_DESTINATION,
     {VF_OUTCOME_FAILED},
     {"returned", ""}},
    {"destination-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 2000},
      AT(CALL, SOURCE, DATA, 2),
      KILL(DESTINATION)},
     RUNS_SOURCE,
     CRASH_DESTINATION,
     {VF_OUTCOME_FAILED},
     {"returned", ""}},
    {"destination-final-check",
     {.source = {ALL, MIB},
      .destination = {.die_entered = BIT(VF_STATE_RESUMING)},
      .processes = TRUE},
     RUNS_SOURCE,
     CRASH_DESTINATION,
     {VF_OUTCOME_FAILED},
     {"returned", ""}},
    {"destination-commit",
     {.source = {ALL, MIB}, AT(CALL, SOURCE, COMMIT), KILL(DESTINATION)},
     RUNS_NONE,
     CRASH_DESTINATION,
     {DOUBT},
     {"commit", "loaded"}},
    {"destination-before-running",
     {.source = {ALL, MIB},
      .destination = {.die_entering = BIT(VF_STATE_RUNNING)},
      .processes = TRUE},
     RUNS_NONE,
     CRASH_DESTINATION,
     {DOUBT},
     {"commit", "loaded,commit"}},
    {"destination-running",
     {.source = {ALL, MIB},
      .destination = {.die_entered = BIT(VF_STATE_RUNNING)},
      .processes = TRUE},
     RUNS_DESTINATION,
     CRASH_DESTINATION,
     {DOUBT},
     {"commit", "loaded,commit"}},
};

/* What a new mover does with the device that a dead one has left. */
static void
return_device(VfMemory *device)
{
    g_autoptr(GPtrArray) backends = g_ptr_array_new();
    g_autoptr(VfDevices) devices = NULL;
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(backends, vf_memory_open(device));
    devices = vf_devices_new(backends);
    vf_devices_load_info(devices, &error);
    g_assert_no_error(error);
    vf_devices_run(devices, &error);
    g_assert_no_error(error);
}

static void
run_kill(gconstpointer data)
{
    const KillCase *c = data;
    g_autoptr(VfPair) pair = vf_pair_run(&c->setup);
    VfMemory *source = pair->source_devices[0];
    VfMemory *destination = pair->destination_devices[0];

    g_assert_false(vf_memory_both_ran(source));
    g_assert_cmpint(vf_memory_is_live(source), ==, c->runs == RUNS_SOURCE);
    g_assert_cmpint(vf_memory_is_live(destination), ==, c->runs == RUNS_DESTINATION);
    for (guint role = 0; role < 2; role++) {
        g_assert_cmpint(pair->sides[role].crashed, ==, c->crashed[role]);
        g_assert_cmpstr(pair->sides[role].events, ==, c->events[role]);
        if (!c->crashed[role])
            g_assert_cmpint(pair->sides[role].kind, ==, c->kinds[role]);
    }
    if (!strstr(c->events[0], "commit")) {
        return_device(source);
        g_assert_cmpint(vf_memory_get_state(source), ==, VF_STATE_RUNNING);
        g_assert_false(vf_memory_both_ran(source));
    }
}

/* A source whose device is slow never waits for its peer, and its little data fits into the
 * socket's buffer: it has to notice all the same that nobody is there any more. */
static void
test_slow_source_notices(void)
{
    VfPairSetup setup = {.source = {STOP_COPY, 64 * KIB, .read_max = 512, .slow_us = 300 * 1000},
                         .patience_ms = 1000,
                         AT(SILENCE, SOURCE, DATA, 2)};
    gint64 start = g_get_monotonic_time();
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    g_assert_cmpint(pair->sides[0].kind, ==, VF_OUTCOME_FAILED);
    g_assert_cmpint(pair->sides[0].code, ==, VFERRY_ERROR_PEER);
    g_assert_cmpstr(pair->sides[0].events, ==, "returned");
    g_assert_true(vf_memory_is_live(pair->source_devices[0]));
    g_assert_cmpint(g_get_monotonic_time() - start, <, 8 * G_USEC_PER_SEC * vf_pair_slowness());
}

/* A destination whose daemon goes between LOADED and COMMIT starts never; whether the source hears
 * of it in time is the link's affair. */
static void
test_orphan_after_promise(void)
{
    VfPairSetup setup = {
        .source = {ALL, MIB}, AT(CALL, DESTINATION, LOADED), ASK(DESTINATION, ORPHANED)};
    g_autoptr(VfPair) pair = vf_pair_run(&setup);
    const VfPairSide *source = &pair->sides[0];

    g_assert_false(vf_memory_is_live(pair->destination_devices[0]));
    g_assert_cmpint(pair->sides[1].kind, ==, VF_OUTCOME_CANCELLED);
    g_assert_cmpstr(pair->sides[1].events, ==, "loaded");
    if (source->kind == VF_OUTCOME_IN_DOUBT)
        g_assert_cmpstr(source->events, ==, "commit");
    else
        g_assert_cmpstr(source->events, ==, "returned");
    g_assert_cmpint(vf_memory_is_live(pair->source_devices[0]), ==,
                    source->kind != VF_OUTCOME_IN_DOUBT);
}

static void
test_precopy_is_agreed(void)
{
    for (guint i = 0; i < 4; i++) {
        VfPairSetup setup = {.source = {ALL, 2 * MIB},
                             .no_precopy_at_source = (i & 1) != 0,
                             .no_precopy_at_destination = (i & 2) != 0};
        g_autoptr(VfPair) pair = vf_pair_run(&setup);

        g_assert_cmpint(pair->sides[0].kind, ==, VF_OUTCOME_COMPLETED);
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

    g_assert_cmpint(pair->sides[0].kind, ==, VF_OUTCOME_COMPLETED);
    g_assert_cmpuint(pair->initial_loadeds, ==, 1);
    g_assert_cmpuint(pair->sides[0].progress.round, >=, 1);
    g_assert_cmpuint(vf_memory_get_dirtied(pair->source_devices[0]), ==, 64 * KIB);
}

static void
test_precopy_time_limit(void)
{
    VfPairSetup setup = {.source = {ALL, 64 * MIB, 7, .dirty_per_read = 4 * MIB},
                         .precopy_max_seconds = 1,
                         .downtime_limit_ms = 1};
    gint64 start = g_get_monotonic_time();
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    g_assert_cmpint(pair->sides[0].kind, ==, VF_OUTCOME_COMPLETED);
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

        g_assert_cmpint(pair->sides[0].kind, ==, VF_OUTCOME_COMPLETED);
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
    for (guint i = 0; i < G_N_ELEMENTS(cut_points) * G_N_ELEMENTS(cuts); i++) {
        if (i % G_N_ELEMENTS(cuts) == CUT_SILENCE)
            continue; /* all at once, below */
        g_autofree char *path =
            g_strdup_printf("/engine/session/%s/%s", cuts[i % G_N_ELEMENTS(cuts)].name,
                            cut_points[i / G_N_ELEMENTS(cuts)].name);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), run_cut);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(kills); i++) {
        g_autofree char *path = g_strdup_printf("/engine/session/kill/%s", kills[i].name);
        g_test_add_data_func(path, &kills[i], run_kill);
    }
    g_test_add_func("/engine/session/waits", test_waits);
    g_test_add_func("/engine/session/silence/at-every-frame", test_silence);
    g_test_add_func("/engine/session/silence/slow-source", test_slow_source_notices);
    g_test_add_func("/engine/session/orphan-after-promise", test_orphan_after_promise);
    g_test_add_func("/engine/session/pre-copy/agreed", test_precopy_is_agreed);
    g_test_add_func("/engine/session/pre-copy/waits-for-loaded", test_precopy_waits_for_loaded);
    g_test_add_func("/engine/session/pre-copy/time-limit", test_precopy_time_limit);
    g_test_add_func("/engine/session/pre-copy/impossible-limit", test_precopy_impossible_limit);
    return g_test_run();
}
