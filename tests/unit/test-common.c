/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "control.h"
#include "error.h"
#include "io.h"
#include "number.h"
#include "options.h"
#include "printable.h"
#include "progress.h"
#include "slow-close.h"
#include "sysfs.h"
#include "test-loop.h"
#include "uuid.h"

static void
test_error_names(void)
{
    for (int code = 0; code < VF_N_ERRORS; code++) {
        VferryError back = VFERRY_ERROR_FAILED;
        const char *name = vf_error_to_name((VferryError)code);

        g_assert_true(g_str_has_prefix(name, "org.vferry1.Error."));
        g_assert_true(vf_error_from_name(name, &back));
        g_assert_cmpint(back, ==, code);
    }
    g_assert_false(vf_error_from_name("org.vferry1.Error.Nonsense", &(VferryError){0}));
}

static void
test_error_on_the_bus(void)
{
    g_autoptr(GError) error = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_NO_ROOM, "full");
    g_autofree char *name = g_dbus_error_encode_gerror(error);

    g_assert_cmpstr(name, ==, "org.vferry1.Error.NoRoom");
}

static void
test_error_errno(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vf_error_errno(&error, VFERRY_ERROR_DEVICE, ENOSPC, "create %s", "x"));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    g_assert_cmpstr(error->message, ==, "create x: No space left on device");
}

static void
test_number_strict(void)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x10", "1a", "1.0", "101", "\n1\n", "99999999999999999999999"};
    guint64 value = 7;

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(vf_number_parse_u64(bad[i], "ports", 0, 100, &value, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, "ports"));
        g_assert_nonnull(strstr(error->message, "100"));
        g_assert_cmpuint(value, ==, 7);
    }
    g_assert_true(vf_number_parse_u64("100", "ports", 0, 100, &value, NULL));
    g_assert_cmpuint(value, ==, 100);
    g_assert_true(vf_number_parse_u64("18446744073709551615", "big", 0, G_MAXUINT64, &value, NULL));
    g_assert_cmpuint(value, ==, G_MAXUINT64);
}

static void
test_number_signed(void)
{
    gint64 value = 7;

    g_assert_true(vf_number_parse_i64("-1", "numa_node", -1, 1023, &value, NULL));
    g_assert_cmpint(value, ==, -1);
    g_assert_false(vf_number_parse_i64("-2", "numa_node", -1, 1023, &value, NULL));
    g_assert_false(vf_number_parse_i64("--1", "numa_node", -1, 1023, &value, NULL));
    g_assert_false(vf_number_parse_i64("-", "numa_node", -1, 1023, &value, NULL));
}

static void
test_uuid(void)
{
    g_autofree char *uuid = vf_uuid_normalize("83B8F4F2-509F-382F-3C1E-E6BFE0FA1001", "uuid", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(uuid, ==, "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
    g_assert_null(vf_uuid_normalize("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001/..", "uuid", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
}

static VfOptions *
options_of(const char *text)
{
    g_autoptr(GVariant) dict = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);

    g_assert_nonnull(dict);
    return vf_options_new(dict);
}

static void
test_options_taken(void)
{
    g_autoptr(VfOptions) options = options_of(
        "{'address': <'::1'>, 'keep': <true>, 'seconds': <uint32 9>, 'max': <uint64 1>}");
    g_autofree char *address = vf_options_take_string(options, "address", NULL);
    g_autofree char *absent = vf_options_take_string(options, "absent", "fallback");

    g_assert_cmpstr(address, ==, "::1");
    g_assert_cmpstr(absent, ==, "fallback");
    g_assert_true(vf_options_take_boolean(options, "keep", FALSE));
    g_assert_cmpuint(vf_options_take_u32(options, "seconds", 0), ==, 9);
    g_assert_cmpuint(vf_options_take_u64(options, "max", 0), ==, 1);
    g_assert_true(vf_options_end(options, NULL));
}

static void
test_options_unknown(void)
{
    g_autoptr(VfOptions) options = options_of("{'adress': <'::1'>}");
    g_autofree char *address = vf_options_take_string(options, "address", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(address);
    g_assert_false(vf_options_end(options, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN_OPTION);
    g_assert_nonnull(strstr(error->message, "adress"));
}

/* Each of them would be looked for in all of them. */
static void
test_options_too_many(void)
{
    GVariantBuilder builder;
    g_autoptr(GVariant) dict = NULL;
    g_autoptr(VfOptions) options = NULL;
    g_autoptr(GError) error = NULL;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; i < 65; i++)
        g_variant_builder_add(&builder, "{sv}", "seconds", g_variant_new_uint32(i));
    dict = g_variant_ref_sink(g_variant_builder_end(&builder));
    options = vf_options_new(dict);
    g_assert_cmpuint(vf_options_take_u32(options, "seconds", 100), ==, 100);
    g_assert_false(vf_options_end(options, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
}

static void
test_options_wrong_type(void)
{
    g_autoptr(VfOptions) options = options_of("{'seconds': <'9'>}");
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(vf_options_take_u32(options, "seconds", 5), ==, 5);
    g_assert_false(vf_options_end(options, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "seconds"));
}

static void
test_control_round_trip(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    vf_autofd int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    vf_autofd int taken = -1;
    const char *text = NULL;
    g_autoptr(VfControlMessage) message = NULL;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    g_assert_true(
        vf_control_send(ours, "open", g_variant_new_parsed("{'device': <'x'>}"), &passed, 1, NULL));
    message = vf_control_receive(theirs, NULL);
    g_assert_nonnull(message);
    g_assert_cmpstr(message->verb, ==, "open");
    g_assert_true(g_variant_dict_lookup(message->args, "device", "&s", &text));
    g_assert_cmpstr(text, ==, "x");
    g_assert_cmpuint(message->n_fds, ==, 1);
    taken = vf_control_message_steal_fd(message, 0);
    g_assert_cmpint(taken, >=, 0);
    g_assert_cmpint(fcntl(taken, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint(vf_control_message_steal_fd(message, 0), ==, -1);
    g_assert_cmpint(vf_control_message_steal_fd(message, 1), ==, -1);
}

static void
test_control_end_and_nothing(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    g_assert_cmpint(fcntl(theirs, F_SETFL, O_NONBLOCK), ==, 0);
    g_assert_null(vf_control_receive(theirs, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
    g_clear_error(&error);
    vf_io_clear_fd(&ours);
    g_assert_null(vf_control_receive(theirs, &error));
    g_assert_no_error(error);
}

/* A mover that exits with a `cancel` unread has given its result all the same. */
static void
test_control_last_words(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autoptr(VfControlMessage) message = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    g_assert_true(vf_control_send(ours, "cancel", NULL, NULL, 0, NULL));
    g_assert_true(vf_control_send(theirs, "result", NULL, NULL, 0, NULL));
    vf_io_clear_fd(&theirs);
    message = vf_control_receive(ours, &error);
    g_assert_no_error(error);
    g_assert_nonnull(message);
    g_assert_cmpstr(message->verb, ==, "result");
    g_assert_null(vf_control_receive(ours, &error));
    g_assert_no_error(error);
}

/* A datagram without a byte reads like the end, but may bring descriptors. */
static void
test_control_empty_with_descriptor(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    vf_autofd int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } space = {0};
    struct iovec iov = {NULL, 0};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    int next;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(cmsg), &passed, sizeof passed);
    g_assert_cmpint(sendmsg(ours, &header, 0), ==, 0);
    next = fcntl(passed, F_DUPFD_CLOEXEC, 0);
    g_assert_cmpint(close(next), ==, 0);
    g_assert_null(vf_control_receive(theirs, NULL));
    while (fcntl(next, F_GETFD) >= 0) /* in a thread */
        g_usleep(1000);
}

/* What a worker that was taken over sends is closed beside whoever receives it, all of it: more
 * than a message has, too. */
static void
test_control_slow_descriptors(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    int slow, other, fds[VF_CONTROL_FDS_MAX + 1];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } space = {0};
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
    gint64 begin = g_get_monotonic_time();

    if (!can_close_slowly())
        return;
    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    for (gsize n = 1; n <= G_N_ELEMENTS(fds); n += VF_CONTROL_FDS_MAX) {
        g_autoptr(GError) error = NULL;

        slow = open_slow_to_close(&other);
        for (gsize i = 0; i < n; i++)
            fds[i] = slow;
        header.msg_controllen = CMSG_SPACE(n * sizeof *fds);
        cmsg->cmsg_len = CMSG_LEN(n * sizeof *fds);
        memcpy(CMSG_DATA(cmsg), fds, n * sizeof *fds);
        g_assert_cmpint(sendmsg(ours, &header, 0), ==, 1);
        g_assert_cmpint(close(slow), ==, 0);
        g_assert_null(vf_control_receive(theirs, &error));
        g_assert_nonnull(error);
        close(other);
    }
    g_assert_cmpint(g_get_monotonic_time() - begin, <, SLOW_CLOSE_SECONDS / 2 * G_USEC_PER_SEC);
}

static void
test_control_malformed(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    g_assert_cmpint(send(ours, "\1\2\3\4\5", 5, 0), ==, 5);
    g_assert_null(vf_control_receive(theirs, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

static void
test_control_too_large(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autofree char *big = g_strnfill(VF_CONTROL_SIZE_MAX, 'x');
    g_autofree char *raw = g_malloc0(VF_CONTROL_SIZE_MAX + 1);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    g_assert_false(vf_control_send(ours, big, NULL, NULL, 0, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
    g_clear_error(&error);
    g_assert_cmpint(send(ours, raw, VF_CONTROL_SIZE_MAX + 1, 0), ==, VF_CONTROL_SIZE_MAX + 1);
    g_assert_null(vf_control_receive(theirs, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
}

static void
test_control_broken_pipe(void)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    vf_io_clear_fd(&theirs);
    g_assert_false(vf_control_send(ours, "cancel", NULL, NULL, 0, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

typedef struct {
    char *path;
    int fd;
} Dir;

static void
dir_setup(Dir *dir, gconstpointer data)
{
    dir->path = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    dir->fd = vf_sysfs_open_dir(dir->path, NULL);
    g_assert_cmpint(dir->fd, >=, 0);
}

static void
dir_put(Dir *dir, const char *name, const char *bytes, gssize size)
{
    g_autofree char *path = g_build_filename(dir->path, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, size, NULL));
}

static void
dir_teardown(Dir *dir, gconstpointer data)
{
    g_auto(GStrv) names = vf_sysfs_list(dir->fd, NULL);

    for (char **name = names; *name; name++)
        g_assert_cmpint(unlinkat(dir->fd, *name, 0), ==, 0);
    g_assert_cmpint(g_rmdir(dir->path), ==, 0);
    vf_io_clear_fd(&dir->fd);
    g_free(dir->path);
}

static void
test_sysfs_read(Dir *dir, gconstpointer data)
{
    g_autofree char *value = NULL;
    guint64 number = 0;
    g_autoptr(GError) error = NULL;

    dir_put(dir, "name", "Dual port serial\n\n", -1);
    dir_put(dir, "available_instances", "12\n", -1);
    dir_put(dir, "latin", "\xe9\n", -1);
    value = vf_sysfs_read(dir->fd, "name", NULL);
    g_assert_cmpstr(value, ==, "Dual port serial\n");
    g_assert_true(vf_sysfs_read_u64(dir->fd, "available_instances", 100, &number, NULL));
    g_assert_cmpuint(number, ==, 12);
    g_assert_false(vf_sysfs_read_u64(dir->fd, "available_instances", 11, &number, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_null(vf_sysfs_read(dir->fd, "latin", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    g_clear_error(&error);
    g_assert_null(vf_sysfs_read(dir->fd, "absent", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
}

static void
test_sysfs_bounded(Dir *dir, gconstpointer data)
{
    g_autofree char *big = g_strnfill(VF_SYSFS_VALUE_MAX + 1, 'x');
    g_autoptr(GError) error = NULL;

    dir_put(dir, "big", big, VF_SYSFS_VALUE_MAX + 1);
    g_assert_null(vf_sysfs_read(dir->fd, "big", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
}

static void
test_sysfs_no_symlink(Dir *dir, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *target = NULL;

    g_assert_cmpint(symlinkat("/etc/hostname", dir->fd, "link"), ==, 0);
    g_assert_null(vf_sysfs_read(dir->fd, "link", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
    target = vf_sysfs_read_link(dir->fd, "link", NULL);
    g_assert_cmpstr(target, ==, "hostname");
    g_assert_true(vf_sysfs_exists(dir->fd, "link"));
    g_assert_false(vf_sysfs_exists(dir->fd, "other"));
}

static void
test_sysfs_write(Dir *dir, gconstpointer data)
{
    g_autofree char *value = NULL;
    g_autoptr(GError) error = NULL;
    int errnum = -1;

    dir_put(dir, "knob", "", 0);
    g_assert_true(vf_sysfs_write(dir->fd, "knob", "7", &errnum, NULL));
    g_assert_cmpint(errnum, ==, 0);
    value = vf_sysfs_read(dir->fd, "knob", NULL);
    g_assert_cmpstr(value, ==, "7");
    g_assert_false(vf_sysfs_write(dir->fd, "absent", "7", &errnum, &error));
    g_assert_cmpint(errnum, ==, ENOENT);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
}

static void
check_printable(const char *text, gsize max, const char *expected)
{
    g_autofree char *clean = vf_printable(text, max);

    g_assert_cmpstr(clean, ==, expected);
}

static void
test_printable(void)
{
    check_printable("", 10, "");
    check_printable("plain", 10, "plain");
    check_printable("plain", 3, "pla");
    check_printable("G\u00f6teborg \u6e21", 10, "G\u00f6teborg \u6e21");
    check_printable("\u6e21\u6e21\u6e21", 2, "\u6e21\u6e21");
    check_printable("a\x1b[2J\r\n\x7f\t", 20, "a?[2J????");
    check_printable("a\u202eb\u2028c\u2029d\xc2\x85"
                    "e\u200b",
                    20, "a?b?c?d?e?");
    check_printable("a\xff\xc3", 20, "a\ufffd\ufffd");
}

static void
test_word(void)
{
    g_assert_true(vf_printable_is_word("pre-copy", 8));
    g_assert_false(vf_printable_is_word("pre-copy", 7));
    g_assert_false(vf_printable_is_word("", 7));
    g_assert_false(vf_printable_is_word("a b", 7));
    g_assert_false(vf_printable_is_word("a\n", 7));
    g_assert_false(vf_printable_is_word("\u00e9", 7));
}

/* A verb stands in messages: it is a word, whoever says it. */
static void
test_control_verb(void)
{
    static const char *const bad[] = {"", "two words", "\x1b[2J",
                                      "abcdefghijklmnopqrstuvwxyzabcdefg"};
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(vf_control_send(ours, bad[i], NULL, NULL, 0, NULL));
        g_assert_null(vf_control_receive(theirs, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    }
}

/* What waits for a daemon that is restarted is less than it hears at once (plugin/mover/mover.c),
 * however the host is tuned; and the largest message fits. */
static void
test_control_room(void)
{
    g_autofree char *text = g_strnfill(VF_CONTROL_SIZE_MAX - 100, 'x');
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autoptr(GError) error = NULL;
    socklen_t size = sizeof(int);
    int room = 0;
    guint n = 0;

    g_assert_true(vf_control_pair(&ours, &theirs, NULL));
    g_assert_no_errno(getsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &room, &size));
    g_assert_cmpint(room, ==, 2 * VF_CONTROL_ROOM);
    g_assert_no_errno(fcntl(theirs, F_SETFL, O_NONBLOCK));
    g_assert_true(
        vf_control_send(theirs, "x", g_variant_new_parsed("{'x': <%s>}", text), NULL, 0, &error));
    g_assert_no_error(error);
    g_clear_pointer(&text, g_free);
    vf_control_message_free(vf_control_receive(ours, &error));
    while (vf_control_send(theirs, "x", NULL, NULL, 0, &error))
        n++;
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
    g_assert_cmpuint(n, <, 512);
}

/* With vm.memfd_noexec=2 a kernel gives no other: what the daemon keeps over a restart would be
 * lost. */
static void
test_memfd(void)
{
    vf_autofd int fd = vf_io_memfd("test");
    vf_autofd int probe = memfd_create("probe", MFD_CLOEXEC | 0x0008U /* MFD_NOEXEC_SEAL */);
    struct stat info;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fstat(fd, &info), ==, 0);
    if (probe >= 0)
        g_assert_cmpint(info.st_mode & 0111, ==, 0);
}

static void
on_closed(gpointer data)
{
    *(gboolean *)data = TRUE;
}

static void
test_close_in_thread(void)
{
    gboolean closed = FALSE;
    int ends[2], none = -1;
    char byte;

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    vf_io_close_in_thread(&ends[1], on_closed, &closed);
    g_assert_cmpint(ends[1], ==, -1);
    g_assert_false(closed);
    wait_until(closed);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
    closed = FALSE;
    vf_io_close_in_thread(&none, on_closed, &closed);
    g_assert_false(closed);
    wait_until(closed);
    vf_io_close_in_thread(&none, NULL, NULL);
    vf_io_close_in_thread(&ends[0], NULL, NULL); /* nobody asks */
    g_assert_cmpint(ends[0], ==, -1);
}

static void
test_close_that_waits(void)
{
    gboolean closed = FALSE;
    int others[8];
    gint64 begin = g_get_monotonic_time();

    if (!can_close_slowly())
        return;
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        int fd = open_slow_to_close(&others[i]);

        vf_io_close_in_thread(&fd, on_closed, &closed);
        g_assert_cmpint(fd, ==, -1);
    }
    while (g_get_monotonic_time() - begin < G_USEC_PER_SEC / 2)
        settle();
    g_assert_false(closed);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, SLOW_CLOSE_SECONDS / 2 * G_USEC_PER_SEC);
    close(others[0]);
    wait_until(closed);
    for (guint i = 1; i < G_N_ELEMENTS(others); i++) {
        closed = FALSE;
        close(others[i]);
        wait_until(closed);
    }
}

/* The keys and types that 0.1.0 wrote: what it has kept is read, and its callers read ours. */
static void
test_progress(void)
{
    static const guint64 bytes[] = {30, 31};
    static const VfProgress full = {1, 2, 3, 4, 5, 6, TRUE, 7, bytes, G_N_ELEMENTS(bytes)};
    static const struct {
        guint fields;
        const char *text;
    } sets[] = {
        {VF_PROGRESS_SAID,
         "{'done': <uint64 1>, 'total': <uint64 2>, 'rate': <uint64 3>, 'round': <uint32 4>, "
         "'dirty': <uint64 5>, 'initial-left': <uint64 6>, 'expected-downtime': <uint64 7>, "
         "'devices': <[uint64 30, 31]>}"},
        {VF_PROGRESS_DETAIL, "{'rate': <uint64 3>, 'round': <uint32 4>, 'dirty': <uint64 5>, "
                             "'initial-left': <uint64 6>, 'expected-downtime': <uint64 7>}"},
        {VF_PROGRESS_KEPT,
         "{'done': <uint64 1>, 'total': <uint64 2>, 'round': <uint32 4>, 'dirty': <uint64 5>, "
         "'initial-left': <uint64 6>}"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(sets); i++) {
        g_autoptr(GVariant) right = g_variant_ref_sink(g_variant_new_parsed(sets[i].text));
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
        g_autoptr(GVariant) said = NULL, devices = NULL;
        VfProgress back = {0};
        GVariantIter iter;
        const char *key;
        gsize n = 0;

        vf_progress_fill(&full, sets[i].fields, &dict);
        g_assert_null(vf_progress_parse(&back, sets[i].fields, &dict, &devices));
        g_assert_cmpuint(back.dirty, ==, 5);
        g_assert_cmpint(back.has_expected_downtime, ==,
                        (sets[i].fields & VF_PROGRESS_EXPECTED_DOWNTIME) != 0);
        g_assert_cmpmem(back.device_bytes, back.n_devices * sizeof *bytes, bytes,
                        devices ? sizeof bytes : 0);
        said = g_variant_ref_sink(g_variant_dict_end(&dict));
        g_assert_cmpuint(g_variant_n_children(said), ==, g_variant_n_children(right));
        g_variant_iter_init(&iter, right);
        for (GVariant *value; g_variant_iter_next(&iter, "{&sv}", &key, &value); n++) {
            g_autoptr(GVariant) one = value;
            g_autoptr(GVariant) same = g_variant_lookup_value(said, key, NULL);
            g_auto(GVariantDict) rest = G_VARIANT_DICT_INIT(said);
            g_autoptr(GVariant) left = NULL;
            const char *missing;

            g_assert_cmpvariant(same, one);
            g_assert_true(g_variant_dict_remove(&rest, key));
            missing = vf_progress_parse(&back, sets[i].fields, &rest, &left);
            g_assert_cmpstr(missing, ==, g_str_equal(key, "expected-downtime") ? NULL : key);
        }
        g_assert_cmpuint(n, ==, g_variant_n_children(right));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/names", test_error_names);
    g_test_add_func("/error/on-the-bus", test_error_on_the_bus);
    g_test_add_func("/error/errno", test_error_errno);
    g_test_add_func("/number/strict", test_number_strict);
    g_test_add_func("/number/signed", test_number_signed);
    g_test_add_func("/uuid/normalize", test_uuid);
    g_test_add_func("/options/taken", test_options_taken);
    g_test_add_func("/options/unknown", test_options_unknown);
    g_test_add_func("/options/too-many", test_options_too_many);
    g_test_add_func("/options/wrong-type", test_options_wrong_type);
    g_test_add_func("/control/round-trip", test_control_round_trip);
    g_test_add_func("/control/end-and-nothing", test_control_end_and_nothing);
    g_test_add_func("/control/last-words", test_control_last_words);
    g_test_add_func("/control/empty-with-descriptor", test_control_empty_with_descriptor);
    g_test_add_func("/control/slow-descriptors", test_control_slow_descriptors);
    g_test_add_func("/control/malformed", test_control_malformed);
    g_test_add_func("/control/too-large", test_control_too_large);
    g_test_add_func("/control/broken-pipe", test_control_broken_pipe);
    g_test_add("/sysfs/read", Dir, NULL, dir_setup, test_sysfs_read, dir_teardown);
    g_test_add("/sysfs/bounded", Dir, NULL, dir_setup, test_sysfs_bounded, dir_teardown);
    g_test_add("/sysfs/no-symlink", Dir, NULL, dir_setup, test_sysfs_no_symlink, dir_teardown);
    g_test_add("/sysfs/write", Dir, NULL, dir_setup, test_sysfs_write, dir_teardown);
    g_test_add_func("/io/memfd", test_memfd);
    g_test_add_func("/io/close-in-thread", test_close_in_thread);
    g_test_add_func("/io/close-that-waits", test_close_that_waits);
    g_test_add_func("/common/printable", test_printable);
    g_test_add_func("/common/printable/word", test_word);
    g_test_add_func("/common/control/room", test_control_room);
    g_test_add_func("/common/control/verb", test_control_verb);
    g_test_add_func("/common/progress", test_progress);
    return g_test_run();
}
