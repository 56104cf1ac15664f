/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "error.h"
#include "helper.h"
#include "io.h"
#include "names.h"
#include "test-loop.h"

/* What the daemon hears of a helper that takes longer than anybody waits, and what that one hears
 * of the daemon. */

#define PATIENCE_MS 2000 /* by then it has started */

/* It waits for `go`, prints its reply, and says in `said` whether somebody was there to read it. */
static const char program[] = "#!/bin/sh\n"
                              "cd \"${0%/*}\" || exit 1\n"
                              "trap '' PIPE\n"
                              "read -r _ <go\n"
                              "if echo \"(0, '', '$1')\" 2>/dev/null; then\n"
                              "    echo read >said\n"
                              "else\n"
                              "    echo unread >said\n"
                              "fi\n";

typedef struct {
    char *folder;
    char *go;   /* a FIFO: a word in it is read by the helper */
    char *said; /* a FIFO: what that one says then */
    char *heard;
    gboolean done;
    char *value;
    GError *error;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;

    fixture->folder = g_dir_make_tmp("vferry-helper-XXXXXX", &error);
    g_assert_no_error(error);
    path = g_build_filename(fixture->folder, "vferry-helper", NULL);
    fixture->go = g_build_filename(fixture->folder, "go", NULL);
    fixture->said = g_build_filename(fixture->folder, "said", NULL);
    g_assert_true(
        g_file_set_contents_full(path, program, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
    g_assert_no_errno(mkfifo(fixture->go, 0600));
    g_assert_no_errno(mkfifo(fixture->said, 0600));
    g_assert_true(g_setenv(VF_ENV_LIBEXEC_DIR, fixture->folder, TRUE));
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->folder, "vferry-helper", NULL);

    g_assert_no_errno(g_unlink(path));
    g_assert_no_errno(g_unlink(fixture->go));
    g_assert_no_errno(g_unlink(fixture->said));
    g_assert_no_errno(g_rmdir(fixture->folder));
    g_free(fixture->folder);
    g_free(fixture->go);
    g_free(fixture->said);
    g_free(fixture->heard);
    g_free(fixture->value);
    g_clear_error(&fixture->error);
}

/* Both ways, and the other end of each is there. */
static void
let_it_print(Fixture *fixture)
{
    int go = open(fixture->go, O_WRONLY | O_CLOEXEC);
    gsize length;

    g_assert_no_errno(go);
    g_assert_cmpint(write(go, "go\n", 3), ==, 3);
    vf_io_clear_fd(&go);
    g_assert_true(g_file_get_contents(fixture->said, &fixture->heard, &length, NULL));
    g_strchomp(fixture->heard);
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *fixture = data;

    fixture->value = vf_helper_run_finish(result, &fixture->error);
    if (fixture->error)
        let_it_print(fixture);
    fixture->done = TRUE;
}

static void
test_reply(Fixture *fixture, gconstpointer data)
{
    vf_helper_run_async((const char *const[]){"word", NULL}, -1, DEADLINE_MS, NULL, on_answer,
                        fixture);
    let_it_print(fixture);
    wait_until(fixture->done);
    g_assert_no_error(fixture->error);
    g_assert_cmpstr(fixture->value, ==, "word");
    g_assert_cmpstr(fixture->heard, ==, "read");
}

/* Whoever hears that it failed may count on it: what is printed from then on is taken back. */
static void
test_deadline(Fixture *fixture, gconstpointer data)
{
    vf_helper_run_async((const char *const[]){"word", NULL}, -1, PATIENCE_MS, NULL, on_answer,
                        fixture);
    wait_until(fixture->done);
    g_assert_error(fixture->error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    g_assert_nonnull(strstr(fixture->error->message, "word: the kernel has not finished"));
    g_assert_cmpstr(fixture->heard, ==, "unread");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/helper/reply", Fixture, NULL, set_up, test_reply, tear_down);
    g_test_add("/helper/deadline", Fixture, NULL, set_up, test_deadline, tear_down);
    return g_test_run();
}
