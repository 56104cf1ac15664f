/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "control.h"
#include "error.h"
#include "io.h"
#include "mover.h"
#include "test-loop.h"

/* A mover whose words are this test's, taken over from an earlier daemon: what breaks the protocol
 * is in the journal with its job, and kills it. */

#define JOB "5b0f6a3c-8a6e-4a52-9a5e-9f2b8a4f1c11"
#define BROKEN "fdf3d06f4a7c441eb9cf76f0fc3bb324" /* daemon/base/log.c */

typedef struct {
    VfMover *mover;
    pid_t pid;
    gboolean has_pidfd;
    int fd;
    GString *heard; /* the signals, in order */
    gboolean ended;
    gboolean completed; /* with that result */
    VfOutcome *said;    /* to the last daemon; taken by begin() */
} Fixture;

static GPtrArray *journal; /* of char *: the fields of a message with an id, "KEY=value" each */

static GLogWriterOutput
collect(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < n_fields; i++)
        g_string_append_printf(text, "%s=%s\n", fields[i].key, (const char *)fields[i].value);
    g_ptr_array_add(journal, g_string_free(text, FALSE));
    return G_LOG_WRITER_HANDLED;
}

static void
on_word(Fixture *fixture, const char *word)
{
    g_string_append_printf(fixture->heard, "%s ", word);
}

static void
on_listening(VfMover *mover, const char *address, guint port, Fixture *fixture)
{
    on_word(fixture, "listening");
}

static void
on_attached(VfMover *mover, const char *peer, Fixture *fixture)
{
    on_word(fixture, "attached");
}

static void
on_phase(VfMover *mover, const char *phase, Fixture *fixture)
{
    on_word(fixture, phase);
}

static void
on_ended(VfMover *mover, VfMoverReply *reply, Fixture *fixture)
{
    fixture->ended = TRUE;
    g_assert_true(!reply || g_variant_is_of_type(reply->args, G_VARIANT_TYPE_VARDICT));
    fixture->completed = reply && reply->outcome->result == VF_RESULT_COMPLETED;
}

/* @end is a pipe that it has open as long as it lives. */
static pid_t
fork_sleeper(int *end)
{
    int ends[2];
    pid_t pid;

    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid > 0) {
        *end = ends[0];
        close(ends[1]);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves none */
    for (;;)
        pause();
}

static void
begin(Fixture *fixture, const char *verb, const char *phase)
{
    int ours = -1, life = -1, process;

    g_ptr_array_set_size(journal, 0);
    fixture->pid = fork_sleeper(&life);
    /* valgrind 3.19 has no pidfd: what can be told of the end is the same, but nobody is killed */
    process = pidfd_open(fixture->pid, 0);
    fixture->has_pidfd = process >= 0;
    if (fixture->has_pidfd)
        close(life);
    g_assert_true(vf_control_pair(&ours, &fixture->fd, NULL));
    g_assert_true(g_unix_set_fd_nonblocking(ours, TRUE, NULL));
    fixture->mover =
        vf_mover_adopt(VF_MOVER_PROGRAM, verb, ours, fixture->has_pidfd ? process : life,
                       &(VfMoverPast){.job = JOB, .phase = phase, .said = fixture->said});
    fixture->heard = g_string_new(NULL);
    fixture->ended = FALSE;
    g_signal_connect(fixture->mover, "listening", G_CALLBACK(on_listening), fixture);
    g_signal_connect(fixture->mover, "attached", G_CALLBACK(on_attached), fixture);
    g_signal_connect(fixture->mover, "phase", G_CALLBACK(on_phase), fixture);
    g_signal_connect(fixture->mover, "ended", G_CALLBACK(on_ended), fixture);
    vf_mover_start(fixture->mover);
}

static void
say(Fixture *fixture, const char *verb, const char *args)
{
    g_autoptr(GVariant) dict = g_variant_take_ref(g_variant_new_parsed(args));
    g_autoptr(GError) error = NULL;

    vf_control_send(fixture->fd, verb, dict, NULL, 0, &error);
    g_assert_no_error(error);
}

static void
say_all(Fixture *fixture, const char *const *phases)
{
    for (; *phases; phases++) {
        g_autofree char *args = g_strdup_printf("{'phase': <'%s'>}", *phases);

        say(fixture, "phase", args);
    }
}

/* Until it was killed. */
static void
end(Fixture *fixture, const char *heard)
{
    if (!fixture->has_pidfd)
        kill(fixture->pid, SIGKILL); /* what it said is then heard with its last breath */
    while (!fixture->ended)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(waitpid(fixture->pid, NULL, 0), ==, fixture->pid);
    g_assert_cmpstr(fixture->heard->str, ==, heard);
    vf_io_clear_fd(&fixture->fd);
    g_string_free(fixture->heard, TRUE);
}

static void
assert_logged(const char *part)
{
    const char *text;

    g_assert_cmpuint(journal->len, ==, 1);
    text = journal->pdata[0];
    g_assert_nonnull(strstr(text, "MESSAGE_ID=" BROKEN "\n"));
    g_assert_nonnull(strstr(text, "VFERRY_JOB=" JOB "\n"));
    if (!strstr(text, part))
        g_error("%s is not in %s", part, text);
}

static void
assert_blamed(Fixture *fixture, const char *part)
{
    assert_logged(part);
    g_assert_error(vf_mover_get_error(fixture->mover), VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(vf_mover_get_error(fixture->mover)->message, part));
    g_assert_finalize_object(fixture->mover);
}

/* What it says behind its result changes nothing of that. */
static void
test_after_the_result(void)
{
    Fixture fixture = {0};

    begin(&fixture, "send", "committing");
    say(&fixture, "result", "{'outcome': <'completed'>}");
    say(&fixture, "phase", "{'phase': <'committing'>}");
    end(&fixture, "");
    g_assert_true(fixture.completed);
    assert_logged("after its result");
    g_assert_finalize_object(fixture.mover);
}

/* What an earlier daemon has heard is not known, but what can come next is. */
static void
test_adopted(void)
{
    Fixture fixture = {0};

    begin(&fixture, "receive", "preparing");
    say(&fixture, "attached", "{'peer-address': <'::1'>}");
    say_all(&fixture, (const char *const[]){"loading", NULL});
    say(&fixture, "attached", "{'peer-address': <'::1'>}");
    end(&fixture, "attached loading ");
    assert_blamed(&fixture, "“attached”");

    begin(&fixture, "receive", "preparing");
    say(&fixture, "listening", "{'address': <'::1'>, 'port': <uint16 5>}");
    say(&fixture, "listening", "{'address': <'::1'>, 'port': <uint16 5>}");
    end(&fixture, "listening ");
    assert_blamed(&fixture, "“listening”");
}

/* Forwards from where the job was. */
static void
test_adopted_phase(void)
{
    static const char *const phases[] = {"loading", "accepting", "committing", "switchover", NULL};
    Fixture fixture = {0};

    begin(&fixture, "send", "switchover");
    say_all(&fixture, phases);
    end(&fixture, "loading accepting committing ");
    assert_blamed(&fixture, "“switchover” after “committing”");

    begin(&fixture, "send", "switchover");
    say_all(&fixture, phases + 3);
    end(&fixture, "");
    assert_blamed(&fixture, "“switchover” after “switchover”");

    begin(&fixture, "send", "accepting");
    say_all(&fixture, phases);
    end(&fixture, "");
    assert_blamed(&fixture, "“loading” after “accepting”");
}

/* The last daemon has heard its result: that counts, with nothing beside it, however it exits. */
static void
test_adopted_result(void)
{
    Fixture fixture = {0};

    fixture.said = vf_outcome_new(VF_RESULT_COMPLETED, NULL);
    begin(&fixture, "receive", "committing");
    g_assert_no_errno(kill(fixture.pid, SIGKILL));
    end(&fixture, "");
    g_assert_true(fixture.completed);
}

/* What its request hears while it works, with descriptors; nobody is there when it has ended. */
static void
test_tell(void)
{
    Fixture fixture = {0};
    vf_autofd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_autoptr(VfControlMessage) message = NULL;
    g_autoptr(GError) error = NULL;
    gboolean resume = FALSE;

    begin(&fixture, "receive", "preparing");
    g_assert_true(vf_mover_tell(fixture.mover, "guest", g_variant_new_parsed("{'resume': <true>}"),
                                &null, 1, &error));
    message = vf_control_receive(fixture.fd, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(message->verb, ==, "guest");
    g_assert_true(g_variant_dict_lookup(message->args, "resume", "b", &resume) && resume);
    g_assert_cmpuint(message->n_fds, ==, 1);
    say(&fixture, "result", "{'outcome': <'completed'>}");
    end(&fixture, "");
    g_assert_false(vf_mover_tell(fixture.mover, "accepted", g_variant_new_parsed("@a{sv} {}"), NULL,
                                 0, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_finalize_object(fixture.mover);
}

/* An allowance that is used up is named as it is. */
static void
test_flood(void)
{
    Fixture fixture = {0};

    begin(&fixture, "send", "preparing");
    while (!fixture.ended && journal->len == 0) {
        for (guint i = 0; i < 50; i++)
            say(&fixture, "progress",
                "{'done': <uint64 1>, 'total': <uint64 2>, 'rate': <uint64 0>, 'round': <uint32 0>,"
                " 'dirty': <uint64 0>, 'initial-left': <uint64 0>, 'devices': <[uint64 1]>}");
        while (g_main_context_iteration(NULL, FALSE))
            continue;
    }
    end(&fixture, "");
    assert_blamed(&fixture, "1024");
}

/* Only the result of an `open` has one. */
static void
test_descriptors(void)
{
    static const struct {
        const char *verb, *word, *args;
        guint n;
        gboolean taken;
    } cases[] = {
        {"open", "result", "{'outcome': <'completed'>}", 1, TRUE},
        {"open", "result", "{'outcome': <'completed'>}", 2, FALSE},
        {"send", "result", "{'outcome': <'completed'>}", 1, FALSE},
        {"send", "phase", "{'phase': <'switchover'>}", 1, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Fixture fixture = {0};
        vf_autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        const int fds[] = {fd, fd};

        begin(&fixture, cases[i].verb, "preparing");
        vf_control_send(fixture.fd, cases[i].word, g_variant_new_parsed(cases[i].args), fds,
                        cases[i].n, NULL);
        if (cases[i].taken)
            kill(fixture.pid, SIGKILL);
        end(&fixture, "");
        g_assert_cmpint(fixture.completed, ==, cases[i].taken);
        if (!cases[i].taken)
            assert_blamed(&fixture, "descriptors");
        else
            g_assert_cmpuint(journal->len, ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    journal = g_ptr_array_new_with_free_func(g_free);
    g_log_set_writer_func(collect, NULL, NULL);
    g_test_add_func("/daemon/mover/after-the-result", test_after_the_result);
    g_test_add_func("/daemon/mover/adopted", test_adopted);
    g_test_add_func("/daemon/mover/adopted-phase", test_adopted_phase);
    g_test_add_func("/daemon/mover/adopted-result", test_adopted_result);
    g_test_add_func("/daemon/mover/descriptors", test_descriptors);
    g_test_add_func("/daemon/mover/flood", test_flood);
    g_test_add_func("/daemon/mover/tell", test_tell);
    return g_test_run();
}
