/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "error.h"
#include "io.h"
#include "record.h"

typedef struct {
    char *path;
    int fd;
} Dir;

static void
setup(Dir *dir, gconstpointer data)
{
    dir->path = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(dir->fd, >=, 0);
}

static void
teardown(Dir *dir, gconstpointer data)
{
    (void)unlinkat(dir->fd, "r", 0);
    g_assert_cmpint(g_rmdir(dir->path), ==, 0);
    vf_io_clear_fd(&dir->fd);
    g_free(dir->path);
}

static void
append_raw(Dir *dir, const char *text)
{
    vf_autofd int fd = openat(dir->fd, "r", O_WRONLY | O_APPEND | O_CREAT, 0600);

    g_assert_true(vf_io_write_all(fd, text, strlen(text), NULL));
}

static VfRecord *
filled(Dir *dir)
{
    VfRecord *record = vf_record_create(dir->fd, "r", NULL);

    g_assert_nonnull(record);
    g_assert_true(vf_record_append(
        record, "begin", g_variant_new_parsed("{'job': <'a\nb'>, 'uid': <uint32 7>}"), NULL));
    g_assert_true(vf_record_append(record, "commit", NULL, NULL));
    return record;
}

static void
test_round_trip(Dir *dir, gconstpointer data)
{
    G_GNUC_UNUSED g_autoptr(VfRecord) written = filled(dir);
    g_autoptr(VfRecord) record = vf_record_open(dir->fd, "r", NULL);
    g_autoptr(GPtrArray) entries = vf_record_read(record, NULL);
    const VfRecordEntry *begin;
    const char *job;

    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 2);
    begin = vf_record_find(entries, "begin");
    g_assert_nonnull(begin);
    g_assert_true(g_variant_lookup(begin->details, "job", "&s", &job));
    g_assert_cmpstr(job, ==, "a\nb");
    g_assert_nonnull(vf_record_find(entries, "commit"));
    g_assert_null(vf_record_find(entries, "started"));
}

static void
test_exclusive(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) first = vf_record_create(dir->fd, "r", NULL);
    g_autoptr(VfRecord) second = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(first);
    second = vf_record_create(dir->fd, "r", &error);
    g_assert_null(second);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
}

/* A file that is not known to be there after a crash is not there at all, and in nobody's way. */
static void
test_folder_that_cannot_be_synced(Dir *dir, gconstpointer data)
{
    vf_autofd int path_only = open(dir->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRecord) record = vf_record_create(path_only, "r", &error);

    g_assert_null(record); /* fsync(2): EBADF */
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_clear_error(&error);
    record = vf_record_create(dir->fd, "r", &error);
    g_assert_no_error(error);
}

static void
test_torn_line_is_skipped_and_mended(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) written = filled(dir);
    g_autoptr(VfRecord) record = NULL;
    g_autoptr(GPtrArray) entries = NULL;

    append_raw(dir, "started {} 0123");
    g_clear_pointer(&written, vf_record_free);
    record = vf_record_open(dir->fd, "r", NULL);
    entries = vf_record_read(record, NULL);
    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 2);

    g_assert_true(vf_record_lock(record, NULL));
    g_assert_true(vf_record_append(record, "resolved", NULL, NULL));
    g_clear_pointer(&entries, g_ptr_array_unref);
    entries = vf_record_read(record, NULL);
    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 3);
    g_assert_nonnull(vf_record_find(entries, "resolved"));
}

/* The size was on disk before the data was. */
static void
test_torn_zeros(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) record = filled(dir);
    g_autoptr(GPtrArray) entries = NULL;
    struct stat st;

    g_assert_cmpint(fstat(vf_record_get_fd(record), &st), ==, 0);
    g_assert_cmpint(ftruncate(vf_record_get_fd(record), st.st_size + 512), ==, 0);
    g_assert_true(vf_record_lock(record, NULL));
    g_assert_true(vf_record_append(record, "resolved", NULL, NULL));
    entries = vf_record_read(record, NULL);
    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 3);
    g_assert_nonnull(vf_record_find(entries, "resolved"));
}

/* A disk that fills up in the middle of a line: the line was not written, and the next is whole. */
static void
test_half_written_line(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) record = filled(dir);
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;
    struct rlimit before;
    struct rlimit full;
    struct stat st;

    g_assert_cmpint(fstat(vf_record_get_fd(record), &st), ==, 0);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    full = (struct rlimit){(rlim_t)st.st_size + 7, before.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &full), ==, 0);
    g_assert_false(vf_record_append(record, "done", NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    g_assert_true(vf_record_append(record, "returned", NULL, NULL));
    entries = vf_record_read(record, NULL);
    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 3);
    g_assert_null(vf_record_find(entries, "done"));
    g_assert_nonnull(vf_record_find(entries, "returned"));
}

static void
test_torn_only_line(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) record = NULL;
    g_autoptr(GPtrArray) entries = NULL;

    append_raw(dir, "beg");
    record = vf_record_open(dir->fd, "r", NULL);
    g_assert_true(vf_record_lock(record, NULL));
    entries = vf_record_read(record, NULL);
    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 0);
}

static void
test_damage_is_an_error(Dir *dir, gconstpointer data)
{
    static const char *const lines[] = {
        "commit @a{sv} {} 0123456789abcdef\n",
        "commit\n",
        "\n",
        "commit {}\n",
        "x 0123456789abcdef\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(VfRecord) record = filled(dir);
        g_autoptr(GPtrArray) entries = NULL;
        g_autoptr(GError) error = NULL;

        append_raw(dir, lines[i]);
        g_assert_true(vf_record_append(record, "started", NULL, NULL));
        entries = vf_record_read(record, &error);
        g_assert_null(entries);
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT);
        g_assert_cmpint(unlinkat(dir->fd, "r", 0), ==, 0);
    }
}

/* Who has to leave alone what it names takes what can be read. */
static void
test_read_until_damage(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) record = filled(dir);
    g_autoptr(GPtrArray) entries = NULL;

    append_raw(dir, "done {} 0123456789abcdef\n");
    append_raw(dir, "done {} 0123456789abcdef\n");
    g_assert_null(vf_record_read(record, NULL));
    entries = vf_record_read_until_damage(record);
    g_assert_cmpuint(entries->len, ==, 2);
    g_assert_nonnull(vf_record_find(entries, "commit"));
    g_assert_null(vf_record_find(entries, "done"));
}

/* A mover that was taken over may write what it likes: what its job has to do with is in front. */
static void
test_read_of_too_much(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) record = filled(dir);
    g_autofree char *much = g_strnfill(4 * 1024 * 1024, 'x');
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;

    append_raw(dir, much);
    g_assert_null(vf_record_read(record, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
    entries = vf_record_read_until_damage(record);
    g_assert_nonnull(entries);
    g_assert_cmpuint(entries->len, ==, 2);
}

static void
test_lock_lives_with_the_last_copy(Dir *dir, gconstpointer data)
{
    g_autoptr(VfRecord) daemon = filled(dir);
    g_autoptr(VfRecord) restarted = vf_record_open(dir->fd, "r", NULL);
    vf_autofd int mover = vf_io_dup(vf_record_get_fd(daemon), NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_record_lock(daemon, NULL));
    g_assert_false(vf_record_lock(restarted, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
    g_clear_pointer(&daemon, vf_record_free);
    g_assert_false(vf_record_lock(restarted, NULL));
    vf_io_clear_fd(&mover);
    g_assert_true(vf_record_lock(restarted, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/record/round-trip", Dir, NULL, setup, test_round_trip, teardown);
    g_test_add("/record/exclusive", Dir, NULL, setup, test_exclusive, teardown);
    g_test_add("/record/folder-that-cannot-be-synced", Dir, NULL, setup,
               test_folder_that_cannot_be_synced, teardown);
    g_test_add("/record/torn-line", Dir, NULL, setup, test_torn_line_is_skipped_and_mended,
               teardown);
    g_test_add("/record/torn-zeros", Dir, NULL, setup, test_torn_zeros, teardown);
    g_test_add("/record/half-written-line", Dir, NULL, setup, test_half_written_line, teardown);
    g_test_add("/record/torn-only-line", Dir, NULL, setup, test_torn_only_line, teardown);
    g_test_add("/record/damage", Dir, NULL, setup, test_damage_is_an_error, teardown);
    g_test_add("/record/read-until-damage", Dir, NULL, setup, test_read_until_damage, teardown);
    g_test_add("/record/read-of-too-much", Dir, NULL, setup, test_read_of_too_much, teardown);
    g_test_add("/record/lock", Dir, NULL, setup, test_lock_lives_with_the_last_copy, teardown);
    return g_test_run();
}
