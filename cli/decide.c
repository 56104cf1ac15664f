/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "decide.h"

#include <glib/gi18n-lib.h>

static gboolean
all_are(const char *const *states, const char *state)
{
    for (guint i = 0; states[i]; i++)
        if (g_strcmp0(states[i], state) != 0)
            return FALSE;
    return states[0] != NULL;
}

static gboolean
any_is(const char *const *states, const char *state)
{
    return g_strv_contains(states, state);
}

VfSide
vf_decide_side(const char *role, const char *result, const char *const *states)
{
    gboolean source = g_strcmp0(role, "source") == 0;

    if (!result || result[0] == '\0')
        return VF_SIDE_BUSY;
    if (g_str_equal(result, "in-doubt"))
        return all_are(states, "stopped") ? VF_SIDE_DOUBT : VF_SIDE_DOUBT_DEAD;
    /* a source completes by giving the device away, a destination by running it */
    if (g_str_equal(result, "completed"))
        return source && !any_is(states, "running") ? VF_SIDE_GONE : VF_SIDE_RUNNING;
    /* A source that failed went back to running, unless it was resolved by discarding. Where a
     * device may run, we must assume that it does. A destination that failed was undone. */
    if (any_is(states, "running"))
        return VF_SIDE_RUNNING;
    /* one that was reset runs, without its state, and its guest with it */
    return source && (any_is(states, "unknown") || any_is(states, "failed-needs-reset"))
               ? VF_SIDE_RUNNING
               : VF_SIDE_GONE;
}

static gboolean
in_doubt(VfSide side)
{
    return side == VF_SIDE_DOUBT || side == VF_SIDE_DOUBT_DEAD;
}

VfDecision
vf_decide_choices(VfSide source, VfSide destination)
{
    VfDecision choices = 0;

    if (source == VF_SIDE_MISSING || destination == VF_SIDE_MISSING || source == VF_SIDE_BUSY ||
        destination == VF_SIDE_BUSY)
        return 0;
    if (!in_doubt(source) && !in_doubt(destination))
        return 0;
    choices |= VF_DECISION_DISCARD;
    if (source == VF_SIDE_RUNNING || destination == VF_SIDE_RUNNING)
        return choices;
    if (source == VF_SIDE_DOUBT)
        choices |= VF_DECISION_RUN_AT_SOURCE;
    if (destination == VF_SIDE_DOUBT)
        choices |= VF_DECISION_RUN_AT_DESTINATION;
    return choices;
}

void
vf_decide_calls(VfDecision decision, VfSide source, VfSide destination, const char **at_source,
                const char **at_destination)
{
    *at_source = in_doubt(source) ? "discard" : NULL;
    *at_destination = in_doubt(destination) ? "discard" : NULL;
    if (decision == VF_DECISION_RUN_AT_SOURCE)
        *at_source = "run";
    if (decision == VF_DECISION_RUN_AT_DESTINATION)
        *at_destination = "run";
}

const char *
vf_decide_describe(VfSide side)
{
    switch (side) {
    case VF_SIDE_BUSY:
        return _("the job has not ended yet");
    case VF_SIDE_RUNNING:
        return _("the device runs there");
    case VF_SIDE_GONE:
        return _("the device does not run there and never will");
    case VF_SIDE_DOUBT:
        return _("in doubt: the device stands still there with its state, ready to run");
    case VF_SIDE_DOUBT_DEAD:
        return _("in doubt: the device's state is lost there, it cannot run");
    case VF_SIDE_MISSING:
    default:
        return _("nothing is known about the job");
    }
}
