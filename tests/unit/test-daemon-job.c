/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>

#include "error.h"
#include "job.h"
#include "slow-close.h"
#include "test-loop.h"

#define UUID "11111111-2222-4333-8444-555555555555"

typedef struct {
    VfJob *job;
    guint progress;
    guint completed;
    GString *phases;
    guint64 last_done;
} Fixture;

static void
on_progress(VfJob *job, Fixture *fixture)
{
    const VfProgress *progress = vf_job_get_progress(job);

    g_assert_cmpuint(progress->done, >=, fixture->last_done);
    g_assert_cmpuint(progress->total, >=, progress->done);
    fixture->last_done = progress->done;
    fixture->progress++;
}

static void
on_phase(VfJob *job, Fixture *fixture)
{
    g_string_append_printf(fixture->phases, "%s ", vf_job_get_phase_name(job));
}

static void
on_completed(VfJob *job, Fixture *fixture)
{
    fixture->completed++;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->job = vf_job_new(VF_JOB_SOURCE, UUID, 1000, ":1.7");
    fixture->phases = g_string_new(NULL);
    vf_job_add_device(fixture->job, "a", NULL);
    vf_job_add_device(fixture->job, "b", NULL);
    g_signal_connect(fixture->job, "progress", G_CALLBACK(on_progress), fixture);
    g_signal_connect(fixture->job, "phase-changed", G_CALLBACK(on_phase), fixture);
    g_signal_connect(fixture->job, "completed", G_CALLBACK(on_completed), fixture);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_object_unref(fixture->job);
    g_string_free(fixture->phases, TRUE);
}

static void
report(VfJob *job, guint64 done, guint64 total)
{
    const guint64 each[] = {done / 2, done - done / 2};
    const VfProgress progress = {
        .done = done, .total = total, .device_bytes = each, .n_devices = G_N_ELEMENTS(each)};

    vf_job_report_progress(job, &progress);
}

static gboolean
on_timer(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

static void
iterate_for(guint ms)
{
    gboolean over = FALSE;

    g_timeout_add(ms, on_timer, &over);
    while (!over)
        g_main_context_iteration(NULL, TRUE);
}

static void
test_phases(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpstr(vf_job_get_phase_name(fixture->job), ==, "preparing");
    vf_job_report_phase(fixture->job, "pre-copy");
    vf_job_report_phase(fixture->job, "pre-copy");
    vf_job_report_phase(fixture->job, "loading");
    vf_job_report_phase(fixture->job, "switchover"); /* never back */
    vf_job_complete(fixture->job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    vf_job_report_phase(fixture->job, "committing");
    g_assert_cmpstr(fixture->phases->str, ==, "pre-copy loading finished ");
}

static void
test_unknown_phase(Fixture *fixture, gconstpointer data)
{
    int *complaints = (int *)data;

    *complaints = 0;
    vf_job_report_phase(fixture->job, "finished"); /* not the reporter's to say */
    g_assert_cmpint(g_atomic_int_get(complaints), ==, 1);
    g_assert_cmpint(vf_job_get_phase(fixture->job), ==, VF_JOB_PREPARING);
}

/* A thousand reports in half a second are at most six signals, and the last one has the last word.
 */
static void
test_progress_rate(Fixture *fixture, gconstpointer data)
{
    gint64 start = g_get_monotonic_time();
    guint64 done = 0;
    guint most;

    while (g_get_monotonic_time() - start < G_USEC_PER_SEC / 2) {
        report(fixture->job, ++done, 1000000);
        g_main_context_iteration(NULL, FALSE);
    }
    iterate_for(150);
    most = (guint)((g_get_monotonic_time() - start) / VF_JOB_PROGRESS_INTERVAL_US) + 1;
    g_assert_cmpuint(fixture->progress, >=, 3);
    g_assert_cmpuint(fixture->progress, <=, most);
    g_assert_cmpuint(fixture->last_done, ==, done);
}

static void
test_bytes_never_fall(Fixture *fixture, gconstpointer data)
{
    report(fixture->job, 100, 200);
    report(fixture->job, 50, 60);
    g_assert_cmpuint(vf_job_get_progress(fixture->job)->done, ==, 100);
    g_assert_cmpuint(vf_job_get_progress(fixture->job)->total, ==, 100);
    g_assert_cmpuint(vf_job_get_device(fixture->job, 0)->bytes, ==, 50);
    report(fixture->job, 120, 10);
    g_assert_cmpuint(vf_job_get_progress(fixture->job)->total, ==, 120);
}

static VfOutcome *
with_bytes(VfResult result, GError *error, guint64 bytes)
{
    VfOutcome *outcome = vf_outcome_new(result, error);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "bytes", "t", bytes);
    g_variant_dict_insert(&dict, "downtime", "t", (guint64)41000);
    g_variant_unref(outcome->statistics);
    outcome->statistics = g_variant_ref_sink(g_variant_dict_end(&dict));
    return outcome;
}

static void
test_totals_agree_at_the_end(Fixture *fixture, gconstpointer data)
{
    report(fixture->job, 100, 500);
    vf_job_complete(fixture->job, with_bytes(VF_RESULT_COMPLETED, NULL, 300));
    g_assert_cmpuint(vf_job_get_progress(fixture->job)->done, ==, 300);
    g_assert_cmpuint(vf_job_get_progress(fixture->job)->total, ==, 300);
    g_assert_cmpuint(vf_job_get_downtime(fixture->job), ==, 41000);
}

static GError *
an_error(VferryError code)
{
    return g_error_new_literal(VFERRY_ERROR, (gint)code, "because");
}

static void
test_first_outcome_counts(Fixture *fixture, gconstpointer data)
{
    vf_job_complete(fixture->job, vf_outcome_new(VF_RESULT_FAILED, an_error(VFERRY_ERROR_DEVICE)));
    vf_job_complete(fixture->job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    g_assert_cmpint(vf_job_get_result(fixture->job), ==, VF_RESULT_FAILED);
    g_assert_cmpuint(fixture->completed, ==, 1);
}

static VfOutcome *
in_doubt(void)
{
    return vf_outcome_new(VF_RESULT_IN_DOUBT, an_error(VFERRY_ERROR_IN_DOUBT));
}

/* Whatever comes of a doubt: not from those who report, revoke or time out. */
static void
test_doubt_stays(Fixture *fixture, gconstpointer data)
{
    vf_job_complete(fixture->job, in_doubt());
    g_assert_true(vf_job_is_in_doubt(fixture->job));
    vf_job_set_cancel_reason(fixture->job, an_error(VFERRY_ERROR_FAILED));
    for (VfResult result = VF_RESULT_COMPLETED; result <= VF_RESULT_IN_DOUBT; result++) {
        vf_job_complete(fixture->job, vf_outcome_new(result, an_error(VFERRY_ERROR_DEVICE)));
        g_assert_true(vf_job_is_in_doubt(fixture->job));
        g_assert_error(vf_job_get_outcome(fixture->job)->error, VFERRY_ERROR,
                       VFERRY_ERROR_IN_DOUBT);
    }
    g_assert_cmpuint(fixture->completed, ==, 1);
}

static void
test_doubt_is_resolved_once(Fixture *fixture, gconstpointer data)
{
    vf_job_complete(fixture->job, in_doubt());
    vf_job_resolve_doubt(fixture->job, in_doubt());
    g_assert_cmpuint(fixture->completed, ==, 1);
    vf_job_resolve_doubt(fixture->job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    g_assert_cmpint(vf_job_get_result(fixture->job), ==, VF_RESULT_COMPLETED);
    vf_job_resolve_doubt(fixture->job,
                         vf_outcome_new(VF_RESULT_FAILED, an_error(VFERRY_ERROR_DEVICE)));
    g_assert_cmpint(vf_job_get_result(fixture->job), ==, VF_RESULT_COMPLETED);
    g_assert_cmpuint(fixture->completed, ==, 2);
}

/* What runs, or has ended, is not decided upon. */
static void
test_no_doubt_to_resolve(Fixture *fixture, gconstpointer data)
{
    vf_job_resolve_doubt(fixture->job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    g_assert_cmpint(vf_job_get_result(fixture->job), ==, VF_RESULT_NONE);
    vf_job_complete(fixture->job, vf_outcome_new(VF_RESULT_FAILED, an_error(VFERRY_ERROR_DEVICE)));
    vf_job_resolve_doubt(fixture->job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    g_assert_cmpint(vf_job_get_result(fixture->job), ==, VF_RESULT_FAILED);
    g_assert_cmpuint(fixture->completed, ==, 1);
}

static void
on_waited(GObject *source, GAsyncResult *result, gpointer data)
{
    *(VfResult *)data = vf_job_wait_finish(VF_JOB(source), result);
}

static void
test_wait(Fixture *fixture, gconstpointer data)
{
    VfResult before = VF_RESULT_NONE;
    VfResult after = VF_RESULT_NONE;

    vf_job_wait_async(fixture->job, NULL, on_waited, &before);
    iterate_for(20);
    g_assert_cmpint(before, ==, VF_RESULT_NONE);
    vf_job_complete(fixture->job,
                    vf_outcome_new(VF_RESULT_CANCELLED, an_error(VFERRY_ERROR_CANCELLED)));
    vf_job_wait_async(fixture->job, NULL, on_waited, &after);
    iterate_for(20);
    g_assert_cmpint(before, ==, VF_RESULT_CANCELLED);
    g_assert_cmpint(after, ==, VF_RESULT_CANCELLED);
}

static void
test_device_states(Fixture *fixture, gconstpointer data)
{
    VfOutcome *outcome = vf_outcome_new(VF_RESULT_COMPLETED, NULL);
    VfDeviceOutcome state = VF_DEVICE_OUTCOME_STOPPED;

    g_array_append_val(outcome->devices,
                       state); /* shorter than the job's list: the rest is unknown */
    vf_job_complete(fixture->job, outcome);
    g_assert_cmpint(vf_job_get_device(fixture->job, 0)->state, ==, VF_DEVICE_OUTCOME_STOPPED);
    g_assert_cmpint(vf_job_get_device(fixture->job, 1)->state, ==, VF_DEVICE_OUTCOME_UNKNOWN);
}

/* Whatever it is given, an outcome that is not `completed` says why, in our domain. */
static void
test_outcome_errors(void)
{
    g_autoptr(VfOutcome) silent = vf_outcome_new(VF_RESULT_FAILED, NULL);
    g_autoptr(VfOutcome) foreign =
        vf_outcome_new_for_error(g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "stopped"));
    g_autoptr(VfOutcome) copy = vf_outcome_copy(foreign);

    g_assert_error(silent->error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_cmpint(copy->result, ==, VF_RESULT_CANCELLED);
    g_assert_error(copy->error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED);
}

static void
on_all_closed(GObject *source, GAsyncResult *result, gpointer data)
{
    vf_job_wait_closed_finish(VF_JOB(source), result);
    *(gboolean *)data = TRUE;
}

/* Of all its devices, and of a job of which nobody else knows any more. */
static void
test_wait_closed(Fixture *fixture, gconstpointer data)
{
    VfJob *job = vf_job_new(VF_JOB_DESTINATION, UUID, 1000, ":1.7");
    gboolean none = FALSE, all = FALSE;
    gint64 begin = g_get_monotonic_time();
    int others[2];

    vf_job_wait_closed_async(job, on_all_closed, &none);
    wait_until(none);
    if (!can_close_slowly()) {
        g_object_unref(job);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        int fd = open_slow_to_close(&others[i]);

        vf_job_close_fd(job, &fd);
        g_assert_cmpint(fd, ==, -1);
    }
    vf_job_wait_closed_async(job, on_all_closed, &all);
    g_object_unref(job);
    close(others[0]);
    while (g_get_monotonic_time() - begin < G_USEC_PER_SEC / 2)
        settle();
    g_assert_false(all);
    close(others[1]);
    wait_until(all);
}

#define ADD(name) g_test_add("/job/" #name, Fixture, &complaints, set_up, test_##name, tear_down)

/* Structured messages pass g_test_expect_message() by. */
static GLogWriterOutput
count_complaints(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    if (level & G_LOG_LEVEL_WARNING)
        g_atomic_int_inc((int *)data);
    return g_log_writer_default(level, fields, n_fields, NULL);
}

int
main(int argc, char **argv)
{
    int complaints = 0;

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_log_set_writer_func(count_complaints, &complaints, NULL);
    ADD(phases);
    ADD(unknown_phase);
    ADD(progress_rate);
    ADD(bytes_never_fall);
    ADD(totals_agree_at_the_end);
    ADD(first_outcome_counts);
    ADD(doubt_stays);
    ADD(doubt_is_resolved_once);
    ADD(no_doubt_to_resolve);
    ADD(wait);
    ADD(device_states);
    ADD(wait_closed);
    g_test_add_func("/outcome/errors", test_outcome_errors);
    return g_test_run();
}
