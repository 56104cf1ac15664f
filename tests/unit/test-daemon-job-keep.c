/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <unistd.h>

#include <glib/gstdio.h>

#include "error.h"
#include "job-keep.h"

#define UUID "11111111-2222-4333-8444-555555555555"

typedef struct {
    char *folder;
    char *path; /* of the mdev */
    VfRegistry *registry;
} Rig;

/* Any directory is an mdev's, as far as the registry is concerned, as long as it has a subsystem.
 */
static void
add_mdev(Rig *rig)
{
    g_autofree char *link = g_build_filename(rig->path, "subsystem", NULL);
    VfUdevEvent event = {"add", "mdev", UUID, rig->path, NULL};

    g_assert_cmpint(g_mkdir(rig->path, 0700), ==, 0);
    g_assert_cmpint(symlink("../mdev", link), ==, 0);
    vf_registry_handle(rig->registry, &event);
    g_assert_nonnull(vf_registry_find_device(rig->registry, UUID));
}

static void
drop(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    g_assert_cmpint(g_remove(path), ==, 0);
}

static void
setup(Rig *rig, gconstpointer data)
{
    static const char *const nowhere[] = {NULL};

    rig->folder = g_dir_make_tmp("vferry-test-XXXXXX", NULL);
    rig->path = g_build_filename(rig->folder, UUID, NULL);
    rig->registry = vf_registry_new(NULL, vf_models_load(nowhere));
    add_mdev(rig);
}

static void
teardown(Rig *rig, gconstpointer data)
{
    drop(rig->path, "subsystem");
    drop(rig->folder, UUID);
    g_assert_cmpint(g_rmdir(rig->folder), ==, 0);
    g_object_unref(rig->registry);
    g_free(rig->path);
    g_free(rig->folder);
}

static GVariant *
describe(Rig *rig, const VfOutcome *outcome, gboolean old)
{
    g_autoptr(VfJob) job =
        vf_job_new(VF_JOB_SOURCE, "22222222-2222-4333-8444-555555555555", 7, ":1.9");
    GVariantDict state;

    vf_job_add_device(job, UUID, vf_registry_find_device(rig->registry, UUID));
    if (outcome)
        vf_job_complete(job, vf_outcome_copy(outcome));
    g_variant_dict_init(&state, NULL);
    vf_job_keep_fill(job, &state);
    if (old)
        g_variant_dict_remove(&state, "inodes");
    return g_variant_ref_sink(g_variant_dict_end(&state));
}

static VfDevice *
read_device(Rig *rig, GVariant *state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfJob) job = vf_job_keep_parse(state, rig->registry, &error);

    g_assert_no_error(error);
    return vf_job_get_device(job, 0)->device;
}

/* The next daemon's device is the same, and not another one of its UUID. */
static void
test_device(Rig *rig, gconstpointer data)
{
    g_autoptr(GVariant) state = describe(rig, NULL, FALSE);
    g_autofree char *aside = g_build_filename(rig->folder, "aside", NULL);

    g_assert_true(read_device(rig, state) == vf_registry_find_device(rig->registry, UUID));
    g_assert_cmpint(g_rename(rig->path, aside), ==, 0); /* else its inode may be used again */
    add_mdev(rig);
    g_assert_null(read_device(rig, state));
    drop(aside, "subsystem");
    drop(rig->folder, "aside");
}

/* 0.1.0 knew devices by name: what is not over has its device open, so that it is still the same.
 */
static void
test_old(Rig *rig, gconstpointer data)
{
    g_autoptr(VfOutcome) completed = vf_outcome_new(VF_RESULT_COMPLETED, NULL);
    g_autoptr(VfOutcome) in_doubt = vf_outcome_new(VF_RESULT_IN_DOUBT, NULL);
    g_autoptr(GVariant) running = describe(rig, NULL, TRUE);
    g_autoptr(GVariant) doubtful = describe(rig, in_doubt, TRUE);
    g_autoptr(GVariant) over = describe(rig, completed, TRUE);
    VfDevice *device = vf_registry_find_device(rig->registry, UUID);

    g_assert_true(read_device(rig, running) == device);
    g_assert_true(read_device(rig, doubtful) == device);
    g_assert_null(read_device(rig, over));
}

static VfJob *
read_operation(Rig *rig, const char *name, GError **error)
{
    g_autoptr(GVariant) state = describe(rig, NULL, FALSE);
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(state);
    g_autoptr(GVariant) other = NULL;

    if (name)
        g_variant_dict_insert(&dict, "operation", "s", name);
    else
        g_variant_dict_remove(&dict, "operation");
    other = g_variant_ref_sink(g_variant_dict_end(&dict));
    return vf_job_keep_parse(other, rig->registry, error);
}

/* That of 0.1.0 migrates; what a later one does nobody here can go on with. */
static void
test_operation(Rig *rig, gconstpointer data)
{
    g_autoptr(VfJob) saves = read_operation(rig, "save", NULL);
    g_autoptr(VfJob) old = read_operation(rig, NULL, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(vf_job_get_operation(saves), ==, VF_JOB_SAVE);
    g_assert_cmpint(vf_job_get_operation(old), ==, VF_JOB_MIGRATE);
    g_assert_null(read_operation(rig, "teleport", &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
}

/* It is written, too. */
static void
test_operation_kept(Rig *rig, gconstpointer data)
{
    g_autoptr(VfJob) job =
        vf_job_new(VF_JOB_SOURCE, "22222222-2222-4333-8444-555555555555", 7, ":1.9");
    g_auto(GVariantDict) state = G_VARIANT_DICT_INIT(NULL);
    const char *name = "";

    vf_job_set_operation(job, VF_JOB_REHEARSE);
    vf_job_keep_fill(job, &state);
    g_assert_true(g_variant_dict_lookup(&state, "operation", "&s", &name));
    g_assert_cmpstr(name, ==, "rehearse");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/daemon/job-keep/device", Rig, NULL, setup, test_device, teardown);
    g_test_add("/daemon/job-keep/old", Rig, NULL, setup, test_old, teardown);
    g_test_add("/daemon/job-keep/operation", Rig, NULL, setup, test_operation, teardown);
    g_test_add("/daemon/job-keep/operation-kept", Rig, NULL, setup, test_operation_kept, teardown);
    return g_test_run();
}
