/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "pair.h"

/* A guest whose data the hypervisors move, under the handover of bare devices: whatever breaks on
 * the way, it never runs twice, and runs at the source again as long as nothing was decided. */

#define E(code) VFERRY_ERROR_##code
#define BOTH(kind)                                                                                 \
    {                                                                                              \
        VF_SESSION_##kind, VF_SESSION_##kind                                                       \
    }

typedef struct {
    const char *name;
    VfPassengerPlan guest;
    VfPairSetup setup;
    VfSessionEndKind kinds[2];
    gboolean crashed[2];
    const char *events[2];
    gboolean runs[2];
    guint returns;
    const char *message; /* part of the source's, or NULL */
} Case;

#define AT(what, who, frame)                                                                       \
    .plan = {.action = VF_PROXY_##what, .from = VF_ROLE_##who, .type = VF_FRAME_##frame}
#define CANCEL(role) .cancel = {.wanted = TRUE, .whom = VF_ROLE_##role, .reason = VF_CANCEL_ASKED}
#define ARRIVED .runs = {FALSE, TRUE}
#define RETURNED .runs = {TRUE, FALSE}, .returns = 1
#define NOWHERE .runs = {FALSE, FALSE}

static const Case cases[] = {
    {"moves",
     {.moves = 20, .loads = 5},
     {0},
     BOTH(COMPLETED),
     .events = {"commit,done", "loaded,commit,started"},
     ARRIVED},
    {"loaded-before-the-source-knows",
     {.moves = 100, .early = TRUE},
     {0},
     BOTH(COMPLETED),
     .events = {"commit,done", "loaded,commit,started"},
     ARRIVED},
    {"cannot-move",
     {.moves = 5, .fail_move = TRUE},
     {0},
     BOTH(FAILED),
     .events = {"returned", ""},
     RETURNED,
     .message = "cannot move it"},
    {"cannot-load",
     {.fail_load = TRUE},
     {0},
     BOTH(FAILED),
     .events = {"returned", ""},
     RETURNED,
     .message = "cannot load it"},
    {"loses-what-was-loaded",
     {.fail_loaded = TRUE},
     {0},
     BOTH(FAILED),
     .events = {"returned", "loaded"},
     RETURNED,
     .message = "cannot keep it"},
    {"does-not-stand-still",
     {.fail_check = TRUE},
     {0},
     BOTH(FAILED),
     .events = {"returned", "loaded"},
     RETURNED,
     .message = "cannot hold it"},
    {"cannot-run",
     {.fail_run = TRUE},
     {0},
     BOTH(IN_DOUBT),
     .events = {"commit", "loaded,commit"},
     NOWHERE},
    {"cannot-be-given-back",
     {.fail_load = TRUE, .fail_give_back = TRUE},
     {0},
     BOTH(FAILED),
     .events = {"", ""},
     NOWHERE,
     .returns = 1,
     .message = "cannot go on with it"},
    {"no-commit-on-record",
     {0},
     {AT(CALL, DESTINATION, LOADED), .blind_source = TRUE},
     BOTH(FAILED),
     .events = {"", "loaded"},
     RETURNED},
    {"no-commit-on-record-there",
     {0},
     {AT(CALL, SOURCE, COMMIT), .blind_destination = TRUE},
     BOTH(IN_DOUBT),
     .events = {"commit", "loaded"},
     NOWHERE},
    {"cut-before-loaded",
     {0},
     {AT(CUT_BEFORE, DESTINATION, LOADED)},
     {VF_SESSION_FAILED, VF_SESSION_IN_DOUBT},
     .events = {"returned", "loaded"},
     RETURNED},
    {"cut-before-commit",
     {0},
     {AT(CUT_BEFORE, SOURCE, COMMIT)},
     BOTH(IN_DOUBT),
     .events = {"commit", "loaded"},
     NOWHERE},
    {"cut-after-commit",
     {0},
     {AT(CUT_AFTER, SOURCE, COMMIT)},
     {VF_SESSION_IN_DOUBT, VF_SESSION_COMPLETED},
     .events = {"commit", "loaded,commit,started"},
     ARRIVED},
    {"cut-before-started",
     {0},
     {AT(CUT_BEFORE, DESTINATION, STARTED)},
     {VF_SESSION_IN_DOUBT, VF_SESSION_COMPLETED},
     .events = {"commit", "loaded,commit,started"},
     ARRIVED},
    {"silence-at-commit",
     {0},
     {AT(SILENCE, SOURCE, COMMIT)},
     BOTH(IN_DOUBT),
     .events = {"commit", "loaded"},
     NOWHERE},
    {"cancelled-before-it-is-decided",
     {0},
     {AT(CALL, DESTINATION, LOADED), CANCEL(SOURCE)},
     {VF_SESSION_CANCELLED, VF_SESSION_FAILED},
     .events = {"returned", "loaded"},
     RETURNED},
    {"cancelled-too-late",
     {0},
     {AT(CALL, DESTINATION, STARTED), CANCEL(SOURCE)},
     BOTH(COMPLETED),
     .events = {"commit,done", "loaded,commit,started"},
     ARRIVED},
    {"source-killed-with-commit-on-its-way",
     {0},
     {AT(CALL, SOURCE, COMMIT), .processes = TRUE, .kill = TRUE, .cancel.whom = VF_ROLE_SOURCE},
     {0, VF_SESSION_COMPLETED},
     .crashed = {TRUE, FALSE},
     .events = {"commit", "loaded,commit,started"},
     ARRIVED},
    {"destination-killed-with-commit-on-its-way",
     {0},
     {AT(CALL, SOURCE, COMMIT), .processes = TRUE, .kill = TRUE,
      .cancel.whom = VF_ROLE_DESTINATION},
     {VF_SESSION_IN_DOUBT, 0},
     .crashed = {FALSE, TRUE},
     .events = {"commit", "loaded"},
     NOWHERE},
};

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    VfPairSetup setup = c->setup;
    g_autoptr(VfPair) pair = NULL;

    setup.guest = &c->guest;
    pair = vf_pair_run(&setup);
    g_assert_false(vf_passenger_ran_twice(pair->guest));
    for (guint i = 0; i < 2; i++) {
        const VfPairSide *side = &pair->sides[i];

        g_assert_cmpint(side->crashed, ==, c->crashed[i]);
        if (!side->crashed) {
            g_test_message("%s", side->message);
            g_assert_cmpint(side->kind, ==, c->kinds[i]);
            g_assert_cmpstr(side->device_states, ==, c->runs[i] ? "running" : "stopped");
        }
        g_assert_cmpstr(side->events, ==, c->events[i]);
        g_assert_cmpint(vf_passenger_runs(pair->guest, (VfRole)i), ==, c->runs[i]);
    }
    g_assert_cmpuint(vf_passenger_count_returns(pair->guest), ==, c->returns);
    if (c->message)
        g_assert_nonnull(strstr(pair->sides[VF_ROLE_SOURCE].message, c->message));
}

/* Nothing was asked of the hypervisor yet, and nothing is given back. */
static void
test_nobody_there(void)
{
    static const VfPassengerPlan plan = {.moves = 1};
    const VfPairSetup setup = {.guest = &plan, .wrong_job = TRUE};
    g_autoptr(VfPair) pair = vf_pair_run(&setup);

    g_assert_cmpint(pair->sides[VF_ROLE_SOURCE].kind, ==, VF_SESSION_FAILED);
    g_assert_cmpstr(pair->sides[VF_ROLE_SOURCE].events, ==, "");
    g_assert_true(vf_passenger_runs(pair->guest, VF_ROLE_SOURCE));
    g_assert_cmpuint(vf_passenger_count_returns(pair->guest), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* a record that cannot be written is a warning */
    g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/subject/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/subject/nobody-there", test_nobody_there);
    return g_test_run();
}
