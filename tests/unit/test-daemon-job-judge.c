/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "error.h"
#include "io.h"
#include "job-judge.h"
#include "test-loop.h"

/* What a job comes to whose worker has gone without a word, by what is on record. */

#define UUID "5b0f6a3c-8a6e-4a52-9a5e-9f2b8a4f1c11"
#define SAID "the mover was killed"

typedef struct {
    VfJobRole role;
    const char *events;
    VfResult result; /* NONE: nothing was committed, and the driver completes it */
    VfDeviceOutcome state;
    const char *why; /* in the message of a doubt */
    VfJobOperation operation;
} Row;

static const Row rows[] = {
    {VF_JOB_SOURCE, "begin", VF_RESULT_NONE, VF_DEVICE_OUTCOME_UNKNOWN, NULL},
    {VF_JOB_SOURCE, "begin touched moved", VF_RESULT_NONE, VF_DEVICE_OUTCOME_UNKNOWN, NULL},
    {VF_JOB_SOURCE, "begin returned", VF_RESULT_NONE, VF_DEVICE_OUTCOME_UNKNOWN, NULL},
    {VF_JOB_SOURCE, "begin commit", VF_RESULT_IN_DOUBT, VF_DEVICE_OUTCOME_STOPPED,
     "no word came that the destination runs"},
    {VF_JOB_SOURCE, "begin commit done", VF_RESULT_COMPLETED, VF_DEVICE_OUTCOME_STOPPED, NULL},
    {VF_JOB_SOURCE, "commit", VF_RESULT_IN_DOUBT, VF_DEVICE_OUTCOME_UNKNOWN, "says nothing"},
    {VF_JOB_SOURCE, "", VF_RESULT_IN_DOUBT, VF_DEVICE_OUTCOME_UNKNOWN, "says nothing"},
    {VF_JOB_DESTINATION, "begin create created loaded", VF_RESULT_NONE, VF_DEVICE_OUTCOME_UNKNOWN,
     NULL},
    {VF_JOB_DESTINATION, "begin loaded commit", VF_RESULT_IN_DOUBT, VF_DEVICE_OUTCOME_STOPPED,
     "not on record that the devices run"},
    {VF_JOB_DESTINATION, "begin loaded commit started", VF_RESULT_COMPLETED,
     VF_DEVICE_OUTCOME_RUNNING, NULL},
    /* the driver brings the source back, and undoes the destination, whatever is written there */
    {VF_JOB_SOURCE, "begin commit done", .operation = VF_JOB_REHEARSE},
    {VF_JOB_SOURCE, "", .operation = VF_JOB_REHEARSE},
    {VF_JOB_DESTINATION, "begin loaded commit started", .operation = VF_JOB_REHEARSE},
};

typedef struct {
    gboolean done;
    VfOutcome *said;
} Heard;

static void
on_judged(GObject *source, GAsyncResult *result, gpointer data)
{
    Heard *heard = data;

    heard->said = vf_job_judge_finish(VF_JOB(source), result);
    heard->done = TRUE;
}

static VfRecord *
make_record(int dir, const char *events)
{
    g_auto(GStrv) words = g_strsplit(events, " ", -1);
    g_autoptr(GError) error = NULL;
    VfRecord *record = vf_record_create(dir, "record", &error);

    g_assert_no_error(error);
    for (char **word = words; *word; word++)
        g_assert_true(vf_record_append(record, *word, NULL, &error));
    return record;
}

static void
test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *folder = g_dir_make_tmp("vferry-judge-XXXXXX", NULL);
    vf_autofd int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(VfJob) job = vf_job_new(row->role, UUID, 0, ":1.7");
    const VfOutcome *outcome;
    Heard heard = {0};

    vf_job_set_operation(job, row->operation);
    vf_job_add_device(job, "ref", NULL);
    vf_job_take_record(job, make_record(dir, row->events));
    vf_job_judge_async(
        job, vf_outcome_new_for_error(g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED, SAID)),
        on_judged, &heard);
    wait_until(heard.done);
    outcome = vf_job_get_outcome(job);
    if (row->result == VF_RESULT_NONE) {
        g_assert_null(outcome);
        g_assert_cmpstr(heard.said->error->message, ==, SAID);
    } else {
        g_assert_null(heard.said);
        g_assert_cmpint(outcome->result, ==, row->result);
        g_assert_cmpint(vf_job_get_device(job, 0)->state, ==, row->state);
    }
    if (row->why)
        g_assert_nonnull(strstr(outcome->error->message, row->why));
    g_clear_pointer(&heard.said, vf_outcome_free);
    g_assert_no_errno(unlinkat(dir, "record", 0));
    g_assert_no_errno(g_rmdir(folder));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *words = g_strdelimit(g_strdup(rows[i].events), " ", '-');
        g_autofree char *path = g_strdup_printf(
            "/job-judge/%s/%s/%s", vf_job_operation_to_string(rows[i].operation),
            rows[i].role == VF_JOB_SOURCE ? "source" : "destination", *words ? words : "empty");

        g_test_add_data_func(path, &rows[i], test_row);
    }
    return g_test_run();
}
