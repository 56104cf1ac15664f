/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "provider-rig.h"

/* Leases that earlier daemons described, when they end, and in which order. */

/* As a daemon described a lease. */
static VfKept *
describe(VfFdStore *store, const char *state_name, const char *form, const char *list)
{
    VfKept *kept = vf_kept_new(store, VF_KEPT_LEASE, UUID);
    GVariantDict state;

    g_variant_dict_init(&state, NULL);
    g_variant_dict_insert(&state, "job", "s", JOB);
    g_variant_dict_insert(&state, "path", "s", VF_PATH_LEASE "7");
    g_variant_dict_insert(&state, "state", "s", state_name);
    g_variant_dict_insert_value(&state, form, g_variant_new_parsed(list));
    vf_kept_write(kept, &state);
    return kept;
}

/* "<kind> <id> <inode>" of each. */
static char *
format_makings(VfLease *lease)
{
    GPtrArray *makings = vf_lease_get_makings(lease);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < makings->len; i++)
        g_string_append_printf(
            text, "%s %s %" G_GUINT64_FORMAT ";", vf_making_get_kind(makings->pdata[i]),
            vf_making_get_id(makings->pdata[i]), vf_making_get_inode(makings->pdata[i]));
    return g_string_free(text, FALSE);
}

static void
test_descriptions(Rig *self, gconstpointer bus)
{
    static const struct {
        const char *form;
        const char *list;
        const char *expected;
        const char *before; /* what a daemon that knows only mdevs finds afterwards */
    } cases[] = {
        {"mdevs", "[('/x/a', 'a', 'mtty-2', uint64 7), ('/x/b', 'b', 'mtty-1', 0)]", "mdev a 7;",
         "[('/x/a', 'a', 'mtty-2', 7)]"},
        {"mdevs", "[('/x/a', 'a', 'mtty-2')]", "", "[]"}, /* 0.1.0; nobody has it open */
        {"made",
         "[('pci', '" VF "', '" VF_ID "', 'pool', uint64 9), ('mdev', '/x/a', 'a', 'mtty-2', 7), "
         "('raft', '/x/c', 'c', 'log', 8)]",
         "pci " VF_ID " 9;mdev a 7;", "[('/x/a', 'a', 'mtty-2', 7)]"},
    };
    g_autoptr(GPtrArray) providers = g_ptr_array_new();
    g_autoptr(VfFdStore) store = vf_fd_store_new();
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, 7, ":1.7");

    g_ptr_array_add(providers, (gpointer)&vf_mdev_provider);
    g_ptr_array_add(providers, (gpointer)&pool);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfKept) kept = describe(store, "undoing", cases[i].form, cases[i].list);
        g_autofree char *path = NULL;
        g_autoptr(VfLease) lease = vf_lease_keep_read(kept, job, providers, &path);
        g_autofree char *found = format_makings(lease);
        g_autoptr(VfKept) again = vf_kept_new(store, VF_KEPT_LEASE, JOB);
        g_autofree char *path_again = NULL;
        g_autoptr(VfLease) lease_again = NULL;
        g_autofree char *found_again = NULL;
        g_autoptr(GVariant) written = NULL;
        g_autoptr(GVariant) mdevs = NULL;
        g_autofree char *before = NULL;

        g_test_message("%zu", i);
        g_assert_cmpstr(path, ==, VF_PATH_LEASE "7");
        g_assert_cmpstr(found, ==, cases[i].expected);
        vf_lease_keep_write(again, lease, path);
        lease_again = vf_lease_keep_read(again, job, providers, &path_again);
        found_again = format_makings(lease_again);
        g_assert_cmpstr(found_again, ==, found);
        written = vf_kept_read(again, NULL);
        mdevs = g_variant_lookup_value(written, "mdevs", G_VARIANT_TYPE("a(ssst)"));
        before = g_variant_print(mdevs, FALSE);
        g_assert_cmpstr(before, ==, cases[i].before);
    }
}

/* What vferry made, as a description has it, after another one. */
static char *
list_made(void)
{
    return g_strdup_printf("[('pci', '" BUS "/" OTHER_ID "', '" OTHER_ID "', 'pool', uint64 7), "
                           "('pci', '" VF "', '" VF_ID "', 'pool', %" G_GUINT64_FORMAT ")]",
                           vf_device_get_inode(vf_registry_find_device(rig->registry, VF_ID)));
}

/* A lease that an earlier daemon was undoing is undone by this one, what was made last first. */
static void
test_resume(Rig *self, gconstpointer bus)
{
    g_auto(Parts) parts = {0};
    g_autofree char *device = create_device(NULL);
    g_autofree char *list = list_made();
    g_autoptr(VfLeases) leases = NULL;
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), ":1.7");
    VfLease *lease;

    g_assert_nonnull(device);
    parts_init(&parts);
    leases = vf_leases_new(&parts.context, 10);
    vf_job_complete(job, vf_outcome_new(VF_RESULT_CANCELLED, NULL));
    rig->stuck = 1;
    lease = vf_leases_resume(leases, job, describe(parts.store, "undoing", "made", list));
    g_assert_cmpstr(vf_leases_get_path(leases, lease), ==, VF_PATH_LEASE "7");
    g_assert_false(vf_uses_check(parts.uses, &(VfTouch){.id = VF_ID}, NULL));
    wait_until(rig->removed == 2);
    wait_until(!vf_leases_find(leases, job));
    g_assert_true(vf_uses_check(parts.uses, &(VfTouch){.id = VF_ID}, NULL));
}

/* The earlier daemon ended before it noted what runs here. */
static void
test_resume_loaded(Rig *self, gconstpointer bus)
{
    g_auto(Parts) parts = {0};
    g_autofree char *device = create_device(NULL);
    g_autofree char *list = list_made();
    guint64 inode = vf_device_get_inode(vf_registry_find_device(rig->registry, VF_ID));
    g_autoptr(VfLeases) leases = NULL;
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), ":1.7");

    g_assert_nonnull(device);
    parts_init(&parts);
    vf_ledger_forget_created(parts.ledger, VF_ID, inode);
    leases = vf_leases_new(&parts.context, 10);
    vf_job_complete(job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
    vf_leases_resume(leases, job, describe(parts.store, "loaded", "made", list));
    g_assert_cmpstr(vf_ledger_find_created(parts.ledger, VF_ID, inode), ==, "pool");
    g_assert_cmpuint(vf_ledger_get_created_inode(parts.ledger, OTHER_ID), ==, 0); /* has gone */
    g_assert_cmpuint(rig->removed, ==, 0);
}

/* One that waits for its source. */
static VfKept *
describe_ready(VfFdStore *store, gint64 ends)
{
    VfKept *kept = vf_kept_new(store, VF_KEPT_LEASE, UUID);
    GVariantDict state;

    g_variant_dict_init(&state, NULL);
    g_variant_dict_insert(&state, "job", "s", JOB);
    g_variant_dict_insert(&state, "state", "s", "ready");
    g_variant_dict_insert(&state, "ends", "x", ends);
    vf_kept_write(kept, &state);
    return kept;
}

/* Wherever in its second a lease ends: not before it. */
static void
test_deadline(Rig *self, gconstpointer bus)
{
    const char *owner = g_dbus_connection_get_unique_name(rig->caller);
    g_auto(Parts) parts = {0};
    g_autoptr(VfLeases) leases = NULL;

    parts_init(&parts);
    leases = vf_leases_new(&parts.context, 10);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), owner);
        gint64 ends = g_get_monotonic_time() + G_USEC_PER_SEC;

        vf_leases_resume(leases, job, describe_ready(parts.store, ends));
        wait_until(vf_job_get_outcome(job));
        g_assert_cmpint(g_get_monotonic_time(), >=, ends);
        g_assert_error(vf_job_get_outcome(job)->error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
        wait_until(!vf_leases_find(leases, job));
        g_usleep(G_USEC_PER_SEC / 10); /* the next one elsewhere in its second */
    }
}

static void
test_renew(Rig *self, gconstpointer bus)
{
    const char *owner = g_dbus_connection_get_unique_name(rig->caller);
    gint64 ends = g_get_monotonic_time() + G_USEC_PER_SEC;
    g_auto(Parts) parts = {0};
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), owner);
    g_autoptr(VfLeases) leases = NULL;
    g_autoptr(GVariant) renewed = NULL;
    g_autoptr(GError) error = NULL;
    VfLease *lease;

    parts_init(&parts);
    leases = vf_leases_new(&parts.context, 10);
    lease = vf_leases_resume(leases, job, describe_ready(parts.store, ends));
    renewed = call(vf_leases_get_path(leases, lease), "org.vferry1.Lease", "Renew",
                   g_variant_new("(u)", VF_LEASE_SECONDS_MIN), &error);
    g_assert_no_error(error);
    while (g_get_monotonic_time() < ends + G_USEC_PER_SEC / 2) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    g_assert_null(vf_job_get_outcome(job));
}

/* Nothing of a rehearsal stays, also when it ends before Prepare is answered. */
static void
test_rehearsal(Rig *self, gconstpointer bus)
{
    const char *owner = g_dbus_connection_get_unique_name(rig->caller);
    g_auto(Parts) parts = {0};
    g_autoptr(VfLeases) leases = NULL;

    parts_init(&parts);
    leases = vf_leases_new(&parts.context, 10);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *device = create_device(NULL);
        g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, JOB, getuid(), owner);
        GPtrArray *makings = g_ptr_array_new_with_free_func(g_object_unref);
        const VfMade made = {VF_ID, VF, "pool",
                             vf_device_get_inode(vf_registry_find_device(rig->registry, VF_ID))};
        VfLease *lease;

        g_assert_nonnull(device);
        vf_job_set_operation(job, VF_JOB_REHEARSE);
        g_ptr_array_add(makings, new_for_removal(&made));
        lease = vf_leases_add(leases, job, makings, VF_LEASE_SECONDS_MIN);
        vf_lease_move(lease, VF_LEASE_READY, NULL);
        if (i == 0)
            vf_leases_settle(leases, lease);
        vf_job_complete(job, vf_outcome_new(VF_RESULT_COMPLETED, NULL));
        if (i == 1)
            vf_leases_settle(leases, lease);
        wait_until(!vf_leases_find(leases, job));
        g_assert_cmpuint(rig->removed, ==, i + 1);
    }
}

int
main(int argc, char **argv)
{
    static const RigTest tests[] = {
        {"/leases/descriptions", test_descriptions},
        {"/leases/resume", test_resume},
        {"/leases/resume-loaded", test_resume_loaded},
        {"/leases/deadline", test_deadline},
        {"/leases/renew", test_renew},
        {"/leases/rehearsal", test_rehearsal},
    };

    return run_rig_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
