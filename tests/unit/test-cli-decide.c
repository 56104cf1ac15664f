/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "decide.h"
#include "outcome-view.h"

/* docs/migration-stream.md, "Who may run, at every point": a row is what each side's Job says
 * there, and what may be done. */
static const struct {
    const char *what;
    const char *source, *source_state;
    const char *destination, *destination_state;
    VfDecision choices;
} rows[] = {
    {"cut after LOADED, before the commit", "failed", "running", "in-doubt", "stopped",
     VF_DECISION_DISCARD},
    {"destination died after LOADED", "failed", "running", "failed", "unknown", 0},
    {"source's mover died after its commit, COMMIT came", "in-doubt", "stopped", "completed",
     "running", VF_DECISION_DISCARD},
    {"cut before COMMIT came", "in-doubt", "stopped", "in-doubt", "stopped",
     VF_DECISION_RUN_AT_SOURCE | VF_DECISION_RUN_AT_DESTINATION | VF_DECISION_DISCARD},
    {"destination's mover died after COMMIT", "in-doubt", "stopped", "in-doubt", "unknown",
     VF_DECISION_RUN_AT_SOURCE | VF_DECISION_DISCARD},
    {"STOP -> RUNNING failed", "in-doubt", "stopped", "in-doubt", "failed-needs-reset",
     VF_DECISION_RUN_AT_SOURCE | VF_DECISION_DISCARD},
    {"source restarted: its state is gone", "in-doubt", "unknown", "in-doubt", "stopped",
     VF_DECISION_RUN_AT_DESTINATION | VF_DECISION_DISCARD},
    {"destination discarded, source still in doubt", "in-doubt", "stopped", "failed", "unknown",
     VF_DECISION_RUN_AT_SOURCE | VF_DECISION_DISCARD},
    {"source discarded, destination still in doubt", "failed", "stopped", "in-doubt", "stopped",
     VF_DECISION_RUN_AT_DESTINATION | VF_DECISION_DISCARD},
    {"source reset before the commit: the guest goes on there", "failed", "failed-needs-reset",
     "in-doubt", "stopped", VF_DECISION_DISCARD},
    {"source reset in doubt, and run all the same", "cancelled", "failed-needs-reset", "in-doubt",
     "stopped", VF_DECISION_DISCARD},
    {"source reset in doubt, and discarded", "completed", "failed-needs-reset", "in-doubt",
     "stopped", VF_DECISION_RUN_AT_DESTINATION | VF_DECISION_DISCARD},
    {"source failed and nobody knows its device", "failed", "unknown", "in-doubt", "stopped",
     VF_DECISION_DISCARD},
    {"all is well", "completed", "stopped", "completed", "running", 0},
    {"destination has not ended", "in-doubt", "stopped", "", "unknown", 0},
};

static VfSide
side(const char *role, const char *result, const char *state)
{
    const char *states[] = {state, NULL};

    return vf_decide_side(role, result, states);
}

static void
test_rows(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].what);
        g_assert_cmpint(
            vf_decide_choices(side("source", rows[i].source, rows[i].source_state),
                              side("destination", rows[i].destination, rows[i].destination_state)),
            ==, rows[i].choices);
    }
}

static gboolean
may_run_already(VfSide side)
{
    return side == VF_SIDE_RUNNING || side == VF_SIDE_BUSY || side == VF_SIDE_MISSING;
}

static void
check_choice(VfDecision choice, VfSide source, VfSide destination)
{
    const char *at_source, *at_destination;
    guint running;

    vf_decide_calls(choice, source, destination, &at_source, &at_destination);
    running = (may_run_already(source) ? 1u : 0u) + (may_run_already(destination) ? 1u : 0u) +
              (g_strcmp0(at_source, "run") == 0 ? 1u : 0u) +
              (g_strcmp0(at_destination, "run") == 0 ? 1u : 0u);
    g_assert_cmpuint(running, <=, 1);
    /* where one side is told to run, the other one is told not to, or never can */
    if (g_strcmp0(at_source, "run") == 0)
        g_assert_true(g_strcmp0(at_destination, "discard") == 0 || destination == VF_SIDE_GONE);
    if (g_strcmp0(at_destination, "run") == 0)
        g_assert_true(g_strcmp0(at_source, "discard") == 0 || source == VF_SIDE_GONE);
    g_assert_true(at_source || at_destination);
}

static void
test_never_two(void)
{
    guint offered = 0;

    for (VfSide source = VF_SIDE_MISSING; source <= VF_SIDE_DOUBT_DEAD; source++)
        for (VfSide destination = VF_SIDE_MISSING; destination <= VF_SIDE_DOUBT_DEAD; destination++)
            for (VfDecision choice = VF_DECISION_RUN_AT_SOURCE; choice <= VF_DECISION_DISCARD;
                 choice <<= 1)
                if (vf_decide_choices(source, destination) & choice) {
                    check_choice(choice, source, destination);
                    offered++;
                }
    g_assert_cmpuint(offered, >, 8);
}

static void
test_nothing_is_guessed(void)
{
    const char *nothing[] = {NULL};

    g_assert_cmpint(vf_decide_choices(VF_SIDE_MISSING, VF_SIDE_DOUBT), ==, 0);
    g_assert_cmpint(vf_decide_choices(VF_SIDE_DOUBT, VF_SIDE_MISSING), ==, 0);
    g_assert_cmpint(vf_decide_side("source", "in-doubt", nothing), ==, VF_SIDE_DOUBT_DEAD);
    g_assert_cmpint(vf_decide_side("source", NULL, nothing), ==, VF_SIDE_BUSY);
}

static void
test_one_of_several_devices(void)
{
    const char *mixed[] = {"stopped", "failed-needs-reset", NULL};
    const char *running[] = {"stopped", "running", NULL};

    g_assert_cmpint(vf_decide_side("destination", "in-doubt", mixed), ==, VF_SIDE_DOUBT_DEAD);
    g_assert_cmpint(vf_decide_side("source", "failed", running), ==, VF_SIDE_RUNNING);
}

static void
test_outcomes(void)
{
    static const struct {
        const char *source, *destination, *combined;
    } cases[] = {
        {"completed", "completed", "completed"},
        {"completed", NULL, "completed"},
        {"completed", "in-doubt", "in-doubt"},
        {"completed", "failed", "in-doubt"},
        {"failed", "failed", "failed"},
        {"failed", NULL, "failed"},
        {"failed", "completed", "in-doubt"},
        {"failed", "in-doubt", "in-doubt"},
        {"cancelled", "failed", "cancelled"},
        {"cancelled", "cancelled", "cancelled"},
        {"in-doubt", "completed", "in-doubt"},
        {NULL, "completed", "unknown"},
        {NULL, NULL, "unknown"},
        {NULL, "in-doubt", "in-doubt"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpstr(vf_outcome_combine(cases[i].source, cases[i].destination), ==,
                        cases[i].combined);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/decide/rows", test_rows);
    g_test_add_func("/cli/decide/never-two", test_never_two);
    g_test_add_func("/cli/decide/nothing-is-guessed", test_nothing_is_guessed);
    g_test_add_func("/cli/decide/one-of-several-devices", test_one_of_several_devices);
    g_test_add_func("/cli/outcomes", test_outcomes);
    return g_test_run();
}
