/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <unistd.h>

#include "error.h"
#include "io.h"
#include "memo.h"

static GVariant *
value_of(guint32 number)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "number", "u", number);
    return g_variant_dict_end(&dict);
}

static int
memo_with(guint32 values)
{
    g_autoptr(GError) error = NULL;
    int fd = vf_memo_new("test", &error);

    g_assert_no_error(error);
    for (guint32 i = 1; i <= values; i++) {
        vf_memo_write(fd, value_of(i), &error);
        g_assert_no_error(error);
    }
    return fd;
}

static guint32
number_in(int fd)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = vf_memo_read(fd, &error);
    guint32 number = 0;

    g_assert_no_error(error);
    g_assert_true(g_variant_lookup(value, "number", "u", &number));
    return number;
}

static void
test_newest(void)
{
    for (guint32 n = 1; n < 6; n++) {
        vf_autofd int fd = memo_with(n);

        g_assert_cmpuint(number_in(fd), ==, n);
    }
}

/* Every byte of the newest one, changed: the one before counts. */
static void
test_torn(void)
{
    vf_autofd int fd = memo_with(3);
    off_t place = (3 % 2) * VF_MEMO_SIZE_MAX;
    guint8 bytes[32];

    g_assert_cmpint(pread(fd, bytes, sizeof bytes, place), ==, sizeof bytes);
    for (gsize i = 0; i < sizeof bytes; i++) {
        guint8 changed = bytes[i] ^ 0x55;

        g_assert_cmpint(pwrite(fd, &changed, 1, place + (off_t)i), ==, 1);
        g_assert_cmpuint(number_in(fd), ==, 2);
        g_assert_cmpint(pwrite(fd, &bytes[i], 1, place + (off_t)i), ==, 1);
    }
    g_assert_cmpuint(number_in(fd), ==, 3);
}

/* Half a write, and the next one takes its place and not the whole one's. */
static void
test_written_after_torn(void)
{
    vf_autofd int fd = memo_with(3);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(pwrite(fd, "torn", 4, VF_MEMO_SIZE_MAX + 26), ==, 4);
    vf_memo_write(fd, value_of(7), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(number_in(fd), ==, 7);
    g_assert_cmpint(pwrite(fd, "torn", 4, VF_MEMO_SIZE_MAX + 26), ==, 4);
    g_assert_cmpuint(number_in(fd), ==, 2);
}

static void
test_too_large(void)
{
    vf_autofd int fd = memo_with(1);
    g_autofree char *text = g_strnfill(VF_MEMO_SIZE_MAX, 'x');
    g_autoptr(GError) error = NULL;
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "text", "s", text);
    g_assert_false(vf_memo_write(fd, g_variant_dict_end(&dict), &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
    g_assert_cmpuint(number_in(fd), ==, 1);
}

static void
test_nothing(void)
{
    vf_autofd int fd = memo_with(0);
    g_autoptr(GError) error = NULL;
    guint8 noise[256];

    g_assert_null(vf_memo_read(fd, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_clear_error(&error);
    for (guint i = 0; i < 1000; i++) {
        g_assert_true(vf_io_random(noise, sizeof noise, &error));
        g_assert_cmpint(pwrite(fd, noise, sizeof noise, 0), ==, sizeof noise);
        g_assert_null(vf_memo_read(fd, &error));
        g_clear_error(&error);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memo/newest", test_newest);
    g_test_add_func("/memo/torn", test_torn);
    g_test_add_func("/memo/written-after-torn", test_written_after_torn);
    g_test_add_func("/memo/too-large", test_too_large);
    g_test_add_func("/memo/nothing", test_nothing);
    return g_test_run();
}
