/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib.h>

#include "error.h"
#include "lease.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static VfLease *
make_lease(void)
{
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_DESTINATION, UUID, 1000, ":1.7");
    VfLease *lease = vf_lease_new(job);

    vf_lease_set_deadline(lease, 4711, 4711);
    return lease;
}

/* Row: from; column: to. The same table as in the code would prove nothing: this is what the words
 * mean. */
static const struct {
    VfLeaseState from;
    const char *to; /* first letters of the states that may follow */
} moves[] = {
    {VF_LEASE_RESERVED, "ready undoing"},
    {VF_LEASE_READY, "attached loaded undoing"},
    {VF_LEASE_ATTACHED, "loaded undoing"},
    {VF_LEASE_LOADED, "adopted"},
    {VF_LEASE_ADOPTED, "gone"},
    {VF_LEASE_UNDOING, "stuck gone"},
    {VF_LEASE_STUCK, "undoing"},
    {VF_LEASE_GONE, ""},
};

/* A way to each state. */
static VfLease *
lease_in(VfLeaseState state)
{
    static const VfLeaseState ways[][5] = {
        [VF_LEASE_RESERVED] = {0},
        [VF_LEASE_READY] = {VF_LEASE_READY},
        [VF_LEASE_ATTACHED] = {VF_LEASE_READY, VF_LEASE_ATTACHED},
        [VF_LEASE_LOADED] = {VF_LEASE_READY, VF_LEASE_ATTACHED, VF_LEASE_LOADED},
        [VF_LEASE_ADOPTED] = {VF_LEASE_READY, VF_LEASE_ATTACHED, VF_LEASE_LOADED, VF_LEASE_ADOPTED},
        [VF_LEASE_UNDOING] = {VF_LEASE_UNDOING},
        [VF_LEASE_STUCK] = {VF_LEASE_UNDOING, VF_LEASE_STUCK},
        [VF_LEASE_GONE] = {VF_LEASE_UNDOING, VF_LEASE_GONE},
    };
    VfLease *lease = make_lease();

    for (gsize i = 0; i < G_N_ELEMENTS(ways[state]) && ways[state][i]; i++)
        g_assert_true(vf_lease_move(lease, ways[state][i], NULL));
    g_assert_cmpint(vf_lease_get_state(lease), ==, state);
    return lease;
}

static void
test_moves(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(moves); i++) {
        g_auto(GStrv) allowed = g_strsplit(moves[i].to, " ", -1);

        for (guint to = VF_LEASE_RESERVED; to <= VF_LEASE_GONE; to++) {
            g_autoptr(VfLease) lease = lease_in(moves[i].from);
            g_autoptr(VfLease) there = lease_in((VfLeaseState)to);
            g_autoptr(GError) error = NULL;
            gboolean expected =
                g_strv_contains((const char *const *)allowed, vf_lease_get_state_name(there));

            g_assert_cmpint(vf_lease_move(lease, (VfLeaseState)to, &error), ==, expected);
            g_assert_cmpint(vf_lease_get_state(lease), ==, expected ? to : moves[i].from);
            if (!expected)
                g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
        }
    }
}

static void
count(VfLease *lease, GParamSpec *spec, guint *n)
{
    (*n)++;
}

static void
test_notify(void)
{
    g_autoptr(VfLease) lease = make_lease();
    guint n = 0;

    g_signal_connect(lease, "notify::state", G_CALLBACK(count), &n);
    g_assert_false(vf_lease_move(lease, VF_LEASE_STUCK, NULL));
    g_assert_cmpuint(n, ==, 0);
    g_assert_true(vf_lease_move(lease, VF_LEASE_READY, NULL));
    g_assert_cmpuint(n, ==, 1);
}

/* Once a source is attached, no deadline counts. */
static void
test_deadline(void)
{
    for (guint state = VF_LEASE_RESERVED; state <= VF_LEASE_GONE; state++) {
        g_autoptr(VfLease) lease = lease_in((VfLeaseState)state);
        gboolean revocable = state <= VF_LEASE_READY;

        g_assert_cmpint(vf_lease_is_revocable(lease), ==, revocable);
        g_assert_cmpint(vf_lease_get_deadline(lease), ==, revocable ? 4711 : 0);
    }
}

#define ADOPTER ":1.42"
#define OTHER ":1.43"

/* Who was sent the devices may have them, and nobody else gets them without a word. */
static void
test_adopter(void)
{
    g_autoptr(VfLease) lease = lease_in(VF_LEASE_LOADED);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_lease_check_adopt(lease, OTHER, FALSE, NULL));
    vf_lease_set_adopter(lease, ADOPTER);
    g_assert_true(vf_lease_check_adopt(lease, ADOPTER, FALSE, NULL));
    g_assert_true(vf_lease_check_adopt(lease, OTHER, TRUE, NULL));
    g_assert_false(vf_lease_check_adopt(lease, OTHER, FALSE, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, ADOPTER));
    g_assert_true(vf_lease_move(lease, VF_LEASE_ADOPTED, NULL));
    g_assert_false(vf_lease_check_adopt(lease, ADOPTER, TRUE, NULL));
}

/* A release that was answered is not taken back. */
static void
test_renew(void)
{
    g_autoptr(VfLease) lease = lease_in(VF_LEASE_READY);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_lease_check_renew(lease, VF_LEASE_SECONDS_MIN, NULL));
    vf_job_set_cancel_reason(vf_lease_get_job(lease),
                             g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, "released"));
    g_assert_false(vf_lease_check_renew(lease, VF_LEASE_SECONDS_MIN, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
    g_assert_true(vf_lease_check_release(lease, NULL));
}

/* In doubt, neither deadline nor owner has a say, in no state. */
static void
test_doubt(void)
{
    for (guint state = VF_LEASE_RESERVED; state <= VF_LEASE_GONE; state++) {
        g_autoptr(VfLease) lease = lease_in((VfLeaseState)state);

        vf_job_complete(vf_lease_get_job(lease), vf_outcome_new(VF_RESULT_IN_DOUBT, NULL));
        g_assert_false(vf_lease_is_revocable(lease));
        g_assert_false(vf_lease_check_release(lease, NULL));
        g_assert_false(vf_lease_check_renew(lease, VF_LEASE_SECONDS_MIN, NULL));
        g_assert_false(vf_lease_check_adopt(lease, ":1.7", TRUE, NULL));
        g_assert_cmpint(vf_lease_get_deadline(lease), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lease/moves", test_moves);
    g_test_add_func("/lease/notify", test_notify);
    g_test_add_func("/lease/deadline", test_deadline);
    g_test_add_func("/lease/doubt", test_doubt);
    g_test_add_func("/lease/adopter", test_adopter);
    g_test_add_func("/lease/renew", test_renew);
    return g_test_run();
}
