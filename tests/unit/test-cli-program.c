/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>

#include "cli/program-models.h"
#include "common/error.h"
#include "xml/model/model.h"

/* A program that is a script with this in it. */
static GPtrArray *
ask(const char *script, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("vferry-program-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "card", NULL);
    g_autofree char *text = g_strdup_printf("#!/bin/sh\n%s\n", script);
    GPtrArray *models;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0700), ==, 0);
    models = vf_program_read_models_within(path, 1, error);
    g_unlink(path);
    g_rmdir(folder);
    return models;
}

static void
test_models(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) models =
        ask("test \"$*\" = --print-migration-info-json && read -r nothing; "
            "echo '{\"models\": {\"a.org/b\": {\"versions\": [\"1\"]}}}'",
            &error);

    g_assert_no_error(error);
    g_assert_cmpuint(models->len, ==, 1);
    g_assert_cmpstr(((VfModel *)models->pdata[0])->source, ==, "program");
}

static void
assert_fails(const char *script, VferryError code, const char *part)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(ask(script, &error));
    g_assert_error(error, VFERRY_ERROR, (int)code);
    if (!strstr(error->message, part))
        g_error("“%s” does not say “%s”", error->message, part);
}

static void
test_failures(void)
{
    g_autoptr(GError) error = NULL;

    assert_fails("exit 1", VFERRY_ERROR_FAILED, "code 1");
    assert_fails("kill -SEGV $$", VFERRY_ERROR_FAILED, "signal 11");
    assert_fails("exec sleep 60", VFERRY_ERROR_FAILED, "in 1 s");
    assert_fails("echo '{}'; exec sleep 60 >&-", VFERRY_ERROR_FAILED, "in 1 s");
    assert_fails("exec yes", VFERRY_ERROR_LIMIT_EXCEEDED, "too much");
    assert_fails("echo no", VFERRY_ERROR_INVALID_ARGUMENT, "must be an object");
    assert_fails("true", VFERRY_ERROR_INVALID_ARGUMENT, "ends too early");
    g_assert_null(vf_program_read_models("/nonexistent/card", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/program/models", test_models);
    g_test_add_func("/cli/program/failures", test_failures);
    return g_test_run();
}
