/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions whose link breaks and whose sides are killed, at every point of the sequence. */
#include "config.h"

#include "session-case.h"

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
    gboolean touched =
        point->type != VF_FRAME_HELLO && (point->type != VF_FRAME_HELLO_REPLY || arrives);

    c->runs = runs ? RUNS_DESTINATION : committed ? RUNS_NONE : RUNS_SOURCE;
    c->kinds[0] = done ? VF_SESSION_COMPLETED : committed ? DOUBT : VF_SESSION_FAILED;
    c->codes[0] = done ? 0 : committed ? E(IN_DOUBT) : E(PEER);
    c->events[0] = done ? "commit,done" : committed ? "commit" : touched ? "returned" : "";
    c->kinds[1] = runs ? VF_SESSION_COMPLETED : loaded_sent ? DOUBT : VF_SESSION_FAILED;
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

static gpointer
run_cut_thread(gpointer data)
{
    run_cut(data);
    return NULL;
}

/* Side by side, so that they take the time of the longest; but under valgrind, where one thread
 * runs at a time, no more than would not wait for each other for longer than they have patience. */
static void
test_silence(void)
{
    guint n = vf_pair_slowness() > 3 ? 4 : G_N_ELEMENTS(cut_points);
    GThread *threads[G_N_ELEMENTS(cut_points)];

    for (guint i = 0; i < G_N_ELEMENTS(cut_points); i += n) {
        guint end = MIN(i + n, G_N_ELEMENTS(cut_points));

        for (guint k = i; k < end; k++)
            threads[k] = g_thread_new(cut_points[k].name, run_cut_thread,
                                      GUINT_TO_POINTER(k * G_N_ELEMENTS(cuts) + CUT_SILENCE));
        for (guint k = i; k < end; k++)
            g_thread_join(threads[k]);
    }
}

/* Movers of their own, killed. */
typedef struct {
    const char *name;
    VfPairSetup setup;
    Runs runs;
    gboolean crashed[2];
    VfSessionEndKind kinds[2]; /* of the one that was not */
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
     {0, VF_SESSION_FAILED},
     {"", ""}},
    {"source-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 2000}, AT(CALL, SOURCE, DATA, 2), KILL(SOURCE)},
     RUNS_NONE,
     CRASH_SOURCE,
     {0, VF_SESSION_FAILED},
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
     {0, VF_SESSION_COMPLETED},
     {"commit", "loaded,commit,started"}},
    {"destination-pre-copy",
     {.source = {ALL, 8 * MIB, .slow_us = 2000}, AT(CALL, SOURCE, DATA, 2), KILL(DESTINATION)},
     RUNS_SOURCE,
     CRASH_DESTINATION,
     {VF_SESSION_FAILED},
     {"returned", ""}},
    {"destination-stop-copy",
     {.source = {STOP_COPY, 8 * MIB, .slow_us = 2000},
      AT(CALL, SOURCE, DATA, 2),
      KILL(DESTINATION)},
     RUNS_SOURCE,
     CRASH_DESTINATION,
     {VF_SESSION_FAILED},
     {"returned", ""}},
    {"destination-final-check",
     {.source = {ALL, MIB},
      .destination = {.die_entered = BIT(VF_STATE_RESUMING)},
      .processes = TRUE},
     RUNS_SOURCE,
     CRASH_DESTINATION,
     {VF_SESSION_FAILED},
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
return_device(VfMemory *device, gboolean away)
{
    g_autoptr(GPtrArray) backends = g_ptr_array_new();
    g_autoptr(VfDevices) devices = NULL;
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(backends, vf_memory_open(device));
    devices = vf_devices_new(backends);
    vf_devices_set_past(devices, 0, VF_DEVICE_TOUCHED | (away ? VF_DEVICE_AWAY : 0));
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
        g_assert_true(g_str_has_prefix(pair->sides[0].marks, "touched,moved"));
        return_device(source, !strstr(pair->sides[0].marks, "returning"));
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

    g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_FAILED);
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
    g_assert_cmpint(pair->sides[1].kind, ==, VF_SESSION_CANCELLED);
    g_assert_cmpstr(pair->sides[1].events, ==, "loaded");
    if (source->kind == VF_SESSION_IN_DOUBT)
        g_assert_cmpstr(source->events, ==, "commit");
    else
        g_assert_cmpstr(source->events, ==, "returned");
    g_assert_cmpint(vf_memory_is_live(pair->source_devices[0]), ==,
                    source->kind != VF_SESSION_IN_DOUBT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* what a mover warns of is part of what is tested here */
    g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
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
    g_test_add_func("/engine/session/silence/at-every-frame", test_silence);
    g_test_add_func("/engine/session/silence/slow-source", test_slow_source_notices);
    g_test_add_func("/engine/session/orphan-after-promise", test_orphan_after_promise);
    return g_test_run();
}
