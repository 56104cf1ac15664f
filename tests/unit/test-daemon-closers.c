/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "closers.h"
#include "io.h"
#include "slow-close.h"
#include "test-loop.h"

/* What strangers sent is closed beside everything else, in so many threads, and whoever sends what
 * lingers waits for himself. */

#define USER 1000
#define OTHER 1001
#define MANY 1024 /* may wait, daemon/base/closers.c */

static GString *warnings;

static GLogWriterOutput
collect(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            g_string_append(warnings, fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

static int
open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* One end of a pipe: the other one tells when it is closed. */
static int
open_pipe(int *other)
{
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    *other = ends[0];
    return ends[1];
}

static gboolean
is_closed(int other)
{
    struct pollfd polled = {.fd = other};

    return poll(&polled, 1, 0) == 1 && (polled.revents & (POLLHUP | POLLERR)) != 0;
}

static void
wait_for_end(VfClosers *closers, guint32 uid)
{
    gint64 deadline = g_get_monotonic_time() + DEADLINE_MS * 1000;

    while (vf_closers_count(closers, uid) > 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_usleep(1000);
    }
}

/* So many threads of a user's wait for others[]. */
static void
keep_busy(VfClosers *closers, guint32 uid, int *others)
{
    for (guint i = 0; i < VF_CLOSERS_OF_USER; i++) {
        int fd = open_slow_to_close(&others[i]);

        vf_closers_add(closers, uid, &fd);
        g_assert_cmpint(fd, ==, -1);
    }
    g_assert_cmpuint(vf_closers_count(closers, uid), ==, VF_CLOSERS_OF_USER);
}

static void
test_fast(void)
{
    g_autoptr(VfClosers) closers = vf_closers_new();
    int none = -1;

    vf_closers_add(closers, USER, &none);
    g_assert_cmpuint(vf_closers_count(closers, USER), ==, 0);
    for (guint i = 0; i < 3 * VF_CLOSERS_OF_USER; i++) {
        int fd = open_null();

        vf_closers_add(closers, USER, &fd);
        g_assert_cmpint(fd, ==, -1);
    }
    wait_for_end(closers, USER);
}

static void
test_who_waits(void)
{
    g_autoptr(VfClosers) closers = vf_closers_new();
    int others[VF_CLOSERS_OF_USER];
    vf_autofd int ones = -1, anothers = -1;
    int fd;

    if (!can_close_slowly())
        return;
    g_string_truncate(warnings, 0);
    keep_busy(closers, USER, others);
    fd = open_pipe(&ones);
    vf_closers_add(closers, USER, &fd);
    fd = open_pipe(&anothers);
    vf_closers_add(closers, OTHER, &fd);
    wait_for_end(closers, OTHER);
    g_assert_true(is_closed(anothers));
    g_assert_false(is_closed(ones));
    g_assert_cmpuint(vf_closers_count(closers, USER), ==, VF_CLOSERS_OF_USER + 1);
    close(others[0]);
    while (!is_closed(ones))
        g_usleep(1000);
    for (guint i = 1; i < VF_CLOSERS_OF_USER; i++)
        close(others[i]);
    wait_for_end(closers, USER);
    g_assert_nonnull(strstr(warnings->str, "uid 1000"));
    g_assert_nonnull(strstr(warnings->str, "16 are being closed, 1 wait"));
}

/* Connections do not fill up what the daemon may have open. */
static void
test_many(void)
{
    g_autoptr(VfClosers) closers = vf_closers_new();
    int others[VF_CLOSERS_OF_USER], fd, other;
    char byte;

    if (!can_close_slowly())
        return;
    keep_busy(closers, USER, others);
    for (guint i = 0; i < MANY; i++) {
        fd = open_null();
        vf_closers_add(closers, USER, &fd);
    }
    g_assert_cmpuint(vf_closers_count(closers, USER), ==, VF_CLOSERS_OF_USER + MANY);
    fd = open_slow_to_close(&other);
    vf_closers_add(closers, USER, &fd);
    g_assert_cmpuint(vf_closers_count(closers, USER), ==, VF_CLOSERS_OF_USER + MANY);
    while (read(other, &byte, 1) > 0)
        continue;
    g_assert_cmpint(errno, ==, ECONNRESET);
    close(other);
    for (guint i = 0; i < VF_CLOSERS_OF_USER; i++)
        close(others[i]);
    wait_for_end(closers, USER);
}

/* They go on when nobody has them any more. */
static void
test_left_alone(void)
{
    VfClosers *closers = vf_closers_new();
    vf_autofd int other = -1;
    int fd = open_pipe(&other);

    vf_closers_add(closers, USER, &fd);
    vf_closers_unref(closers);
    while (!is_closed(other))
        g_usleep(1000);
}

int
main(int argc, char **argv)
{
    struct rlimit limit;

    g_test_init(&argc, &argv, NULL);
    warnings = g_string_new(NULL);
    g_log_set_writer_func(collect, NULL, NULL);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    limit.rlim_cur = MIN(limit.rlim_max, 4096);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_test_add_func("/daemon/closers/fast", test_fast);
    g_test_add_func("/daemon/closers/who-waits", test_who_waits);
    g_test_add_func("/daemon/closers/many", test_many);
    g_test_add_func("/daemon/closers/left-alone", test_left_alone);
    return g_test_run();
}
