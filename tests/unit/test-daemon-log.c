/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "job-log.h"
#include "log.h"

/* The fields of messages: one string "KEY=value" each, in a list for each message. */
typedef struct {
    GPtrArray *messages; /* of GPtrArray */
} Journal;

typedef struct {
    Journal *journal;
    VfJob *job;
} Fixture;

#define JOB "5b0f6a3c-8a6e-4a52-9a5e-9f2b8a4f1c11"

static GLogWriterOutput
collect(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    Journal *journal = data;
    GPtrArray *message = g_ptr_array_new_with_free_func(g_free);

    for (gsize i = 0; i < n_fields; i++)
        g_ptr_array_add(message,
                        g_strconcat(fields[i].key, "=", (const char *)fields[i].value, NULL));
    g_ptr_array_add(journal->messages, message);
    return G_LOG_WRITER_HANDLED;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->journal = (Journal *)data;
    g_ptr_array_set_size(fixture->journal->messages, 0);
    fixture->job = vf_job_new(VF_JOB_DESTINATION, JOB, 1001, "");
    vf_job_set_peer(fixture->job, "the-other-host");
    vf_job_add_device(fixture->job, "device-1", NULL);
    vf_job_add_device(fixture->job, "device-2", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_assert_finalize_object(fixture->job);
}

static GPtrArray *
last(Fixture *fixture)
{
    GPtrArray *messages = fixture->journal->messages;

    g_assert_cmpuint(messages->len, >, 0);
    return messages->pdata[messages->len - 1];
}

static guint
count(GPtrArray *message, const char *prefix)
{
    guint n = 0;

    for (guint i = 0; i < message->len; i++)
        n += g_str_has_prefix(message->pdata[i], prefix);
    return n;
}

static gboolean
has(GPtrArray *message, const char *field)
{
    return g_ptr_array_find_with_equal_func(message, field, g_str_equal, NULL);
}

static void
test_plain(Fixture *fixture, gconstpointer data)
{
    vf_log(G_LOG_LEVEL_MESSAGE, VF_ABOUT(.device = "d", .peer = "", .lease = "l"), "%d of %s", 1,
           "them");
    g_assert_true(has(last(fixture), "MESSAGE=1 of them"));
    g_assert_true(has(last(fixture), "VFERRY_DEVICE=d"));
    g_assert_true(has(last(fixture), "VFERRY_LEASE=l"));
    g_assert_true(has(last(fixture), "PRIORITY=5"));
    g_assert_true(has(last(fixture), "GLIB_DOMAIN=vferryd"));
    g_assert_true(has(last(fixture), "CODE_FUNC=test_plain"));
    g_assert_cmpuint(count(last(fixture), "MESSAGE_ID="), ==, 0);
    g_assert_cmpuint(count(last(fixture), "VFERRY_"), ==, 2);
}

static void
test_event(Fixture *fixture, gconstpointer data)
{
    vf_log_event(VF_EVENT_JOB_IN_DOUBT, VF_ABOUT(.job = JOB), "who knows");
    g_assert_true(has(last(fixture), "MESSAGE_ID=4ece4fc7e3a84171bd6e14f2e578f6e3"));
    g_assert_true(has(last(fixture), "PRIORITY=2"));
    g_assert_true(has(last(fixture), "VFERRY_JOB=" JOB));
}

static void
assert_of_the_job(GPtrArray *message, const char *phase)
{
    g_autofree char *field = g_strconcat("VFERRY_PHASE=", phase, NULL);

    g_assert_true(has(message, "VFERRY_JOB=" JOB));
    g_assert_true(has(message, "VFERRY_PEER=the-other-host"));
    g_assert_true(has(message, "VFERRY_DEVICE=device-1"));
    g_assert_true(has(message, "VFERRY_DEVICE=device-2"));
    g_assert_true(has(message, field));
}

/* From its start to its end, and each message has all that is known. */
static void
test_job(Fixture *fixture, gconstpointer data)
{
    vf_job_log_follow(fixture->job);
    assert_of_the_job(last(fixture), "preparing");
    g_assert_true(has(last(fixture), "MESSAGE_ID=e3e57054a3c445f295fd9217f6bed6b3"));
    vf_job_report_attached(fixture->job);
    assert_of_the_job(last(fixture), "preparing");
    vf_job_report_phase(fixture->job, "loading");
    assert_of_the_job(last(fixture), "loading");
    vf_job_complete(fixture->job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    assert_of_the_job(last(fixture), "finished");
    g_assert_true(has(last(fixture), "MESSAGE_ID=859395b3e534432285648749ebfad5af"));
}

static void
test_needs_reset(Fixture *fixture, gconstpointer data)
{
    VfOutcome *outcome = vf_outcome_new(
        VF_RESULT_FAILED, g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_DEVICE, "it"));
    VfDeviceOutcome states[] = {VF_DEVICE_OUTCOME_RUNNING, VF_DEVICE_OUTCOME_NEEDS_RESET};

    g_array_append_vals(outcome->devices, states, G_N_ELEMENTS(states));
    vf_job_log_follow(fixture->job);
    vf_job_complete(fixture->job, outcome);
    g_assert_cmpuint(fixture->journal->messages->len, ==,
                     4); /* started, finished, failed; the device */
    g_assert_true(
        has(fixture->journal->messages->pdata[2], "MESSAGE_ID=9046bf4f07574a429dde34e00c9766f4"));
    g_assert_true(has(last(fixture), "MESSAGE_ID=9620982b3d0b4c7f9f67760661fbb280"));
    g_assert_true(has(last(fixture), "VFERRY_DEVICE=device-2"));
    g_assert_cmpuint(count(last(fixture), "VFERRY_DEVICE="), ==, 1);
    g_assert_true(has(last(fixture), "VFERRY_JOB=" JOB));
}

/* What only a record knew, and is in doubt, is told twice: that it was found, and what to do. */
static void
test_recovered(Fixture *fixture, gconstpointer data)
{
    vf_job_complete(fixture->job,
                    vf_outcome_new(VF_RESULT_IN_DOUBT,
                                   g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT, "it")));
    vf_job_log_follow(fixture->job);
    g_assert_cmpuint(fixture->journal->messages->len, ==, 2);
    g_assert_true(
        has(fixture->journal->messages->pdata[0], "MESSAGE_ID=23413d7b6d334a88a625e1e466155d88"));
    g_assert_true(has(last(fixture), "MESSAGE_ID=4ece4fc7e3a84171bd6e14f2e578f6e3"));
}

#define ADD(name) g_test_add("/log/" #name, Fixture, &journal, set_up, test_##name, tear_down)

int
main(int argc, char **argv)
{
    Journal journal = {g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref)};
    int status;

    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_log_set_writer_func(collect, &journal, NULL);
    ADD(plain);
    ADD(event);
    ADD(job);
    ADD(needs_reset);
    ADD(recovered);
    status = g_test_run();
    g_ptr_array_unref(journal.messages);
    return status;
}
