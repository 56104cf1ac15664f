/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "session-case.h"

/* The real session, and one reset of one device: docs/migration-stream.md, "Who may run". */

typedef enum {
    FAILS,  /* the source goes on, or says that its device cannot */
    DOUBTS, /* noticed after LOADED: the source's state is the only one */
    PASSES, /* too late to matter */
} End;

typedef enum {
    ALWAYS,
    PRECOPY_ONLY,
    PRECOPY_SEVERAL_ONLY,
    PLAIN_SEVERAL_ONLY,
} When;

typedef struct {
    const char *name;
    VfRole role;
    VfMemoryReset reset;
    End end;
    When when;
} Row;

#define AFTER(state, n)                                                                            \
    {                                                                                              \
        VF_MEMORY_RESET_ASKED, VF_STATE_##state, n                                                 \
    }
#define WITHIN(state)                                                                              \
    {                                                                                              \
        VF_MEMORY_RESET_ENTERED, VF_STATE_##state                                                  \
    }
#define SOURCE VF_ROLE_SOURCE
#define DESTINATION VF_ROLE_DESTINATION

static const Row rows[] = {
    {"within-pre-copy", SOURCE, WITHIN(PRE_COPY), FAILS, PRECOPY_ONLY},
    {"in-pre-copy", SOURCE, AFTER(PRE_COPY, 1), FAILS, PRECOPY_ONLY},
    {"middle-of-pre-copy",
     SOURCE,
     {VF_MEMORY_RESET_MOVED, VF_STATE_PRE_COPY, 5000},
     FAILS,
     PRECOPY_ONLY},
    /* the kernel goes from RUNNING to STOP_COPY then, and there is a second stream */
    {"leaving-pre-copy", SOURCE, {VF_MEMORY_RESET_LEAVING, VF_STATE_PRE_COPY}, FAILS, PRECOPY_ONLY},
    {"within-pre-copy-p2p", SOURCE, WITHIN(PRE_COPY_P2P), FAILS, PRECOPY_SEVERAL_ONLY},
    {"in-pre-copy-p2p", SOURCE, AFTER(PRE_COPY_P2P, 1), FAILS, PRECOPY_SEVERAL_ONLY},
    {"within-running-p2p", SOURCE, WITHIN(RUNNING_P2P), FAILS, PLAIN_SEVERAL_ONLY},
    {"in-running-p2p", SOURCE, AFTER(RUNNING_P2P, 1), FAILS, PLAIN_SEVERAL_ONLY},
    {"within-stop-copy", SOURCE, WITHIN(STOP_COPY), FAILS},
    {"in-stop-copy", SOURCE, AFTER(STOP_COPY, 1), FAILS},
    {"middle-of-stop-copy", SOURCE, {VF_MEMORY_RESET_MOVED, VF_STATE_STOP_COPY, 16}, FAILS},
    {"last-byte", SOURCE, {VF_MEMORY_RESET_READ, VF_STATE_STOP_COPY}, FAILS},
    {"all-read", SOURCE, AFTER(STOP_COPY, 2), FAILS},
    {"within-stop", SOURCE, WITHIN(STOP), FAILS},
    {"before-commit", SOURCE, AFTER(STOP, 1), FAILS},
    {"committed", SOURCE, AFTER(STOP, 2), PASSES},

    {"within-resuming", DESTINATION, WITHIN(RESUMING), FAILS},
    {"in-resuming", DESTINATION, AFTER(RESUMING, 1), FAILS},
    {"middle-of-resuming", DESTINATION, {VF_MEMORY_RESET_MOVED, VF_STATE_RESUMING, 5000}, FAILS},
    {"within-final-check", DESTINATION, WITHIN(STOP), FAILS},
    {"before-loaded", DESTINATION, AFTER(STOP, 1), FAILS},
    {"loaded-on-record", DESTINATION, AFTER(STOP, 2), FAILS},
    {"loaded-sent", DESTINATION, AFTER(STOP, 3), DOUBTS},
    {"before-start", DESTINATION, AFTER(STOP, 4), DOUBTS},
    {"starting", DESTINATION, AFTER(STOP, 5), DOUBTS},
};

typedef struct {
    const Row *row;
    gboolean precopy;
    guint n_devices;
    guint faulty;
    gboolean unsaid; /* its driver says nothing of it to who reads or writes */
} Play;

static gboolean
is_played(const Play *play)
{
    switch (play->row->when) {
    case PRECOPY_ONLY:
        return play->precopy;
    case PRECOPY_SEVERAL_ONLY:
        return play->precopy && play->n_devices > 1;
    case PLAIN_SEVERAL_ONLY:
        return !play->precopy && play->n_devices > 1;
    case ALWAYS:
    default:
        return TRUE;
    }
}

/* Of each device: @usual, and @odd of the one that was reset. */
static void
check_states(const Play *play, const VfPairSide *side, const char *usual, const char *odd)
{
    g_auto(GStrv) states = g_strsplit(side->device_states, ",", -1);

    g_assert_cmpuint(g_strv_length(states), ==, play->n_devices);
    for (guint i = 0; i < play->n_devices; i++) {
        const char *wanted = i == play->faulty ? odd : usual;
        if (wanted && !g_str_equal(states[i], wanted))
            g_error("%s: device %u is %s, not %s: %s", play->row->name, i, states[i], wanted,
                    side->message);
    }
}

static void
check_failure(const Play *play, const VfPair *pair)
{
    const VfPairSide *side = &pair->sides[play->row->role];

    g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_FAILED);
    g_assert_cmpint(pair->sides[1].kind, ==, VF_SESSION_FAILED);
    g_assert_cmpstr(pair->sides[0].events, ==, "returned");
    g_assert_nonnull(strstr(side->message, "was reset meanwhile"));
    if (play->row->role == SOURCE)
        check_states(play, side, "running", "failed-needs-reset");
    else
        check_states(play, &pair->sides[0], "running", "running");
    if (play->row->role == DESTINATION)
        check_states(play, side, NULL, "failed-needs-reset");
}

static void
check_doubt(const Play *play, const VfPair *pair)
{
    g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_IN_DOUBT);
    g_assert_cmpint(pair->sides[1].kind, ==, VF_SESSION_IN_DOUBT);
    g_assert_nonnull(strstr(pair->sides[1].message, "was reset meanwhile"));
    g_assert_cmpstr(pair->sides[0].events, ==, "commit");
    g_assert_cmpstr(pair->sides[1].events, ==, "loaded,commit");
    g_assert_true(g_str_has_prefix(pair->sides[1].marks, "touched,moved"));
    g_assert_true(g_str_has_suffix(pair->sides[1].marks, "reset"));
    check_states(play, &pair->sides[0], "stopped", "stopped");
    check_states(play, &pair->sides[1], NULL, "failed-needs-reset");
}

static void
check_devices_of(const Play *play, const VfPair *pair)
{
    for (guint i = 0; i < play->n_devices; i++) {
        VfMemory *source = pair->source_devices[i];
        VfMemory *destination = pair->destination_devices[i];
        gboolean reset = i == play->faulty;
        gboolean back = play->row->end == FAILS && !(reset && play->row->role == SOURCE);

        g_assert_false(vf_memory_both_ran(source));
        g_assert_cmpint(vf_memory_was_reset(play->row->role == SOURCE ? source : destination), ==,
                        reset);
        g_assert_cmpint(vf_memory_is_live(source), ==, back);
        if (play->row->end == FAILS)
            g_assert_cmpint(vf_memory_get_state(source), ==, VF_STATE_RUNNING);
        if (play->row->end == FAILS || reset)
            g_assert_cmpint(vf_memory_is_live(destination), ==, play->row->end == PASSES);
    }
}

static void
run_play(gconstpointer data)
{
    const Play *play = data;
    VfPairSetup setup = {.n_devices = play->n_devices,
                         .faulty = play->faulty,
                         .source = {play->precopy ? ALL : P2P, 300 * KIB, 7, .read_max = 32 * KIB},
                         .destination = {play->precopy ? ALL : P2P}};
    VfMemoryOptions *options = play->row->role == SOURCE ? &setup.source : &setup.destination;
    g_autoptr(VfPair) pair = NULL;

    options->reset = play->row->reset;
    options->reset.unsaid = play->unsaid;
    pair = vf_pair_run(&setup);
    check_devices_of(play, pair);
    if (play->row->end == FAILS) {
        check_failure(play, pair);
    } else if (play->row->end == DOUBTS) {
        check_doubt(play, pair);
    } else {
        g_assert_cmpint(pair->sides[0].kind, ==, VF_SESSION_COMPLETED);
        g_assert_cmpint(pair->sides[1].kind, ==, VF_SESSION_COMPLETED);
        check_states(play, &pair->sides[0], "stopped", "failed-needs-reset");
    }
}

static void
add(const Play *play)
{
    g_autofree char *path = g_strdup_printf(
        "/engine/reset/%s/%s/%s/%u-of-%u%s", play->row->role == SOURCE ? "source" : "destination",
        play->row->name, play->precopy ? "pre-copy" : "plain", play->faulty + 1, play->n_devices,
        play->unsaid ? "/unsaid" : "");

    if (is_played(play))
        g_test_add_data_func_full(path, g_memdup2(play, sizeof *play), run_play, g_free);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (guint bits = 0; bits < 4; bits++) {
            Play play = {&rows[i], bits & 1, 1, 0, (bits & 2) != 0};
            add(&play);
            play.n_devices = 2;
            add(&play);
            play.faulty = 1;
            add(&play);
        }
    return g_test_run();
}
