/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session as one line of a table: what happens to it, and what must come of it. */
#pragma once

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
    VfSessionEndKind kinds[2];
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
    .runs = RUNS_SOURCE, .kinds = {VF_SESSION_FAILED, VF_SESSION_FAILED},                          \
    .codes = {source_code, destination_code}
#define DOUBT VF_SESSION_IN_DOUBT
#define E(code) VFERRY_ERROR_##code

static inline void
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

static inline void
check_side(const VfPairSide *side, const Case *c, guint role)
{
    if (side->kind != c->kinds[role] || side->code != c->codes[role])
        g_error("%s, %s: %s: %s", c->name, role ? "destination" : "source",
                vf_session_end_name(side->kind), side->message);
    if (c->events[role])
        g_assert_cmpstr(side->events, ==, c->events[role]);
    if (c->states[role])
        g_assert_cmpstr(side->device_states, ==, c->states[role]);
    g_assert_cmpuint(side->progress.done, ==, side->bytes);
    g_assert_cmpuint(side->progress.total, >=, side->progress.done);
    if (side->kind == VF_SESSION_COMPLETED)
        g_assert_cmpuint(side->progress.total, ==, side->progress.done);
}

static inline void
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
    if (pair->sides[0].kind == VF_SESSION_COMPLETED)
        g_assert_cmpuint(pair->sides[0].downtime, >, 0);
}

#define AT(act, side, kind, ...)                                                                   \
    .plan = {VF_PROXY_##act, VF_ROLE_##side, VF_FRAME_##kind, __VA_ARGS__}
#define ASK(side, why) .cancel = {TRUE, VF_ROLE_##side, VF_CANCEL_##why}
#define CANCELLED(source_kind, destination_kind, source_code, destination_code)                    \
    .runs = RUNS_SOURCE, .kinds = {source_kind, destination_kind},                                 \
    .codes = {source_code, destination_code}
