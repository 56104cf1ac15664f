/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "error.h"
#include "host-id.h"

static char *
read_id(const char *text, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "machine-id", NULL);
    char *id;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    id = vf_host_read_id(path, error);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    return id;
}

/* Computed apart from this code: HMAC-SHA256 with the machine-id as key and the application id as
 * message, first 16 bytes, version and variant of a random UUID set. */
static void
test_value(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *id = read_id("0123456789abcdef0123456789abcdef\n", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(id, ==, "61e553d7-ea8f-4a13-8e2e-c27b5ff46aa6");
}

static void
test_differs(void)
{
    g_autofree char *a = read_id("0123456789abcdef0123456789abcdef\n", NULL);
    g_autofree char *b = read_id("0123456789abcdef0123456789abcdee\n", NULL);

    g_assert_true(g_uuid_string_is_valid(a));
    g_assert_true(g_uuid_string_is_valid(b));
    g_assert_cmpstr(a, !=, b);
}

static void
test_refused(void)
{
    static const char *const bad[] = {
        "",
        "\n",
        "uninitialized\n",
        "0123456789abcdef0123456789abcde\n",
        "0123456789abcdef0123456789abcdef0\n",
        "0123456789abcdef0123456789abcdeg\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(read_id(bad[i], &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    }
}

static void
test_missing(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vf_host_read_id("/nonexistent/machine-id", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host/value", test_value);
    g_test_add_func("/host/differs", test_differs);
    g_test_add_func("/host/refused", test_refused);
    g_test_add_func("/host/missing", test_missing);
    return g_test_run();
}
