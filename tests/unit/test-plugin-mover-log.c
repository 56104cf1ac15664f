/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include <gio/gunixinputstream.h>
#include <glib-unix.h>

#include "mover-log.h"
#include "test-loop.h"

/* What a mover says becomes lines of the daemon's log, so many and so long. */

#define JOB "5b0f6a3c-8a6e-4a52-9a5e-9f2b8a4f1c11"

static GPtrArray *lines; /* of char *: "job message" */

static GLogWriterOutput
collect(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    const char *job = "", *message = "";

    for (gsize i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, "VFERRY_JOB"))
            job = fields[i].value;
        else if (g_str_equal(fields[i].key, "MESSAGE"))
            message = fields[i].value;
        g_assert_cmpstr(fields[i].key, !=, "MESSAGE_ID");
    }
    g_ptr_array_add(lines, g_strdup_printf("%s %s", job, message));
    return G_LOG_WRITER_HANDLED;
}

static int
follow(GInputStream **stream)
{
    int ends[2];

    g_ptr_array_set_size(lines, 0);
    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    *stream = g_unix_input_stream_new(ends[0], TRUE);
    g_object_add_weak_pointer(G_OBJECT(*stream), (gpointer *)stream);
    vf_mover_log_follow(*stream, "vferry-guest", "send", JOB);
    g_object_unref(*stream);
    return ends[1];
}

static void
put(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize)strlen(text));
}

static void
assert_line(guint index, const char *text)
{
    g_autofree char *whole = g_strdup_printf(JOB " vferry-guest send: %s", text);

    g_assert_cmpuint(index, <, lines->len);
    g_assert_cmpstr(lines->pdata[index], ==, whole);
}

static void
test_lines(void)
{
    GInputStream *stream = NULL;
    g_autofree char *longest = g_strnfill(500, 'y');
    g_autofree char *longer = g_strnfill(3000, 'y');
    int fd = follow(&stream);

    put(fd, "one\n\ntwo \033[2J\xff\nhal");
    wait_until(lines->len == 2);
    put(fd, "f\n");
    put(fd, longer);
    put(fd, "\nthe last");
    close(fd);
    wait_until(!stream);
    assert_line(0, "one");
    assert_line(1, "two ?[2J\357\277\275");
    assert_line(2, "half");
    assert_line(3, longest);
    assert_line(4, "the last");
    g_assert_cmpuint(lines->len, ==, 5);
}

/* More than 100 at once are counted, and what is new once time has passed is not kept out. */
static void
test_too_many(void)
{
    GInputStream *stream = NULL;
    int fd = follow(&stream);

    for (guint i = 0; i < 300; i++)
        put(fd, "a\n");
    wait_until(lines->len == VF_MOVER_LOG_LINES);
    g_usleep(1100 * 1000);
    put(fd, "b\n");
    wait_until(lines->len >= VF_MOVER_LOG_LINES + 2);
    close(fd);
    wait_until(!stream);
    assert_line(VF_MOVER_LOG_LINES, "200 more lines are left out");
    assert_line(VF_MOVER_LOG_LINES + 1, "b");
    g_assert_cmpuint(lines->len, ==, VF_MOVER_LOG_LINES + 2);
}

/* One that never stops does not keep the loop from anything else. */
static void
test_without_end(void)
{
    GInputStream *stream = NULL;
    int fd = follow(&stream);
    gint64 begin = g_get_monotonic_time();
    gsize total = 0;

    g_assert_true(g_unix_set_fd_nonblocking(fd, TRUE, NULL));
    while (g_get_monotonic_time() - begin < G_USEC_PER_SEC) {
        gssize n = write(fd, "noise\n", 6);

        total += n > 0 ? (gsize)n : 0;
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_cmpuint(total, <, 4 * 65536 + 65536);
    close(fd);
    wait_until(!stream);
    g_assert_cmpuint(lines->len, <, 2 * VF_MOVER_LOG_LINES);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    lines = g_ptr_array_new_with_free_func(g_free);
    g_log_set_writer_func(collect, NULL, NULL);
    g_test_add_func("/daemon/mover-log/lines", test_lines);
    g_test_add_func("/daemon/mover-log/too-many", test_too_many);
    g_test_add_func("/daemon/mover-log/without-end", test_without_end);
    return g_test_run();
}
