/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "verdict.h"

/* Where the last line of that kind is, from 1; 0: nowhere. Of two that contradict each other the
 * later one is what was done last. */
static guint
find_last(GPtrArray *entries, const char *event)
{
    for (guint i = entries->len; i > 0; i--)
        if (g_str_equal(((const VfRecordEntry *)entries->pdata[i - 1])->event, event))
            return i;
    return 0;
}

const VfRecordEntry *
vf_verdict_find_begin(GPtrArray *entries)
{
    const VfRecordEntry *first = entries->len > 0 ? entries->pdata[0] : NULL;

    return first && g_str_equal(first->event, "begin") ? first : NULL;
}

/* Whether somebody has decided (Job.Resolve) that the devices run here. */
static gboolean
was_decided_to_run(GPtrArray *entries)
{
    const VfRecordEntry *resolved = vf_record_find(entries, "resolved");
    const char *decision;

    return resolved && g_variant_lookup(resolved->details, "decision", "&s", &decision) &&
           g_str_equal(decision, "run");
}

static gboolean
is_rehearsal(const VfRecordEntry *begin)
{
    const char *operation;

    return g_variant_lookup(begin->details, "operation", "&s", &operation) &&
           g_str_equal(operation, "rehearse");
}

/* Nothing is handed over, whatever a worker has written: the source runs, the destination is
 * undone, and there is no decision to make. */
static VfRecordVerdict
judge_rehearsal(VfJobRole role, GPtrArray *entries)
{
    return find_last(entries, role == VF_JOB_SOURCE ? "returned" : "undone")
               ? VF_RECORD_RETURNED
               : VF_RECORD_UNCOMMITTED;
}

static VfRecordVerdict
judge_source(GPtrArray *entries)
{
    guint returned = find_last(entries, "returned");
    guint resolved = find_last(entries, "resolved");

    if (find_last(entries, "done")) /* whatever else: the destination has said that it runs */
        return VF_RECORD_COMPLETED;
    if (returned > resolved || was_decided_to_run(entries))
        return VF_RECORD_RETURNED;
    if (resolved)
        return VF_RECORD_COMPLETED;
    return find_last(entries, "commit") ? VF_RECORD_IN_DOUBT : VF_RECORD_UNCOMMITTED;
}

static VfRecordVerdict
judge_destination(GPtrArray *entries)
{
    guint started = find_last(entries, "started");
    guint resolved = find_last(entries, "resolved");

    /* a mover that could not write `started` has started them all the same */
    if (started > resolved || was_decided_to_run(entries))
        return VF_RECORD_COMPLETED;
    if (find_last(entries, "undone"))
        return VF_RECORD_RETURNED;
    if (resolved)
        return VF_RECORD_DISCARDED;
    return find_last(entries, "commit") ? VF_RECORD_IN_DOUBT : VF_RECORD_UNCOMMITTED;
}

VfRecordVerdict
vf_verdict(VfJobRole role, GPtrArray *entries)
{
    const VfRecordEntry *begin = vf_verdict_find_begin(entries);

    if (!begin)
        return VF_RECORD_EMPTY;
    if (is_rehearsal(begin))
        return judge_rehearsal(role, entries);
    return role == VF_JOB_SOURCE ? judge_source(entries) : judge_destination(entries);
}

gboolean
vf_verdict_was_reset(GPtrArray *entries, guint device)
{
    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        guint32 index;

        if (g_str_equal(entry->event, "reset") &&
            g_variant_lookup(entry->details, "device", "u", &index) && index == device)
            return TRUE;
    }
    return FALSE;
}
