/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job-judge.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "record-reader.h"
#include "verdict.h"

static GError *
make_doubt(VfJob *job, const VfOutcome *said)
{
    return g_error_new(
        VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT,
        vf_job_get_role(job) == VF_JOB_SOURCE
            ? _("%s; the commit was made, and no word came that the destination runs")
            : _("%s; the source has committed, and it is not on record that the "
                "devices run here"),
        said->error->message);
}

/* A destination's worker may have said of each device what it is. */
static void
set_states(VfJob *job, VfOutcome *outcome, const VfOutcome *said)
{
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;
    VfDeviceOutcome state = !source && outcome->result == VF_RESULT_COMPLETED
                                ? VF_DEVICE_OUTCOME_RUNNING
                                : VF_DEVICE_OUTCOME_STOPPED;

    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfDeviceOutcome told = source ? VF_DEVICE_OUTCOME_UNKNOWN : vf_outcome_get_device(said, i);

        if (told == VF_DEVICE_OUTCOME_UNKNOWN)
            told = state;
        g_array_append_val(outcome->devices, told);
    }
}

static void
on_record_read(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfJob *job = g_task_get_source_object(task);
    g_autoptr(VfOutcome) said = g_steal_pointer((VfOutcome **)g_task_get_task_data(task));
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = vf_record_reader_finish(result, &error);
    VfRecordVerdict verdict = entries ? vf_verdict(vf_job_get_role(job), entries) : VF_RECORD_EMPTY;
    VfOutcome *outcome;

    if (vf_job_get_operation(job) == VF_JOB_REHEARSE) /* also when nobody can read it */
        verdict = VF_RECORD_UNCOMMITTED;

    switch (verdict) {
    case VF_RECORD_COMPLETED:
        outcome = vf_outcome_new(VF_RESULT_COMPLETED, NULL);
        set_states(job, outcome, said);
        break;
    case VF_RECORD_IN_DOUBT:
        outcome = vf_outcome_new(VF_RESULT_IN_DOUBT, make_doubt(job, said));
        set_states(job, outcome, said);
        break;
    case VF_RECORD_EMPTY: /* nobody can say whether the commit was made, and what they are */
        outcome = vf_outcome_new(
            VF_RESULT_IN_DOUBT,
            g_error_new(VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT, "%s; %s", said->error->message,
                        error ? error->message : _("its record says nothing of a job")));
        break;
    case VF_RECORD_UNCOMMITTED:
    case VF_RECORD_RETURNED:
    case VF_RECORD_DISCARDED:
    default:
        g_task_return_pointer(task, g_steal_pointer(&said), (GDestroyNotify)vf_outcome_free);
        return;
    }
    vf_job_complete(job, outcome);
    g_task_return_pointer(task, NULL, NULL);
}

static void
free_said(gpointer data)
{
    VfOutcome **said = data;

    g_clear_pointer(said, vf_outcome_free);
    g_free(said);
}

void
vf_job_judge_async(VfJob *job, VfOutcome *said, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(job, NULL, callback, data);
    VfOutcome **box = g_new(VfOutcome *, 1);

    *box = said;
    g_task_set_source_tag(task, vf_job_judge_async);
    g_task_set_task_data(task, box, free_said);
    vf_record_reader_async(vf_job_get_record(job), on_record_read, task);
}

VfOutcome *
vf_job_judge_finish(VfJob *job, GAsyncResult *result)
{
    return g_task_propagate_pointer(G_TASK(result), NULL);
}
