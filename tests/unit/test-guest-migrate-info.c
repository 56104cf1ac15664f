/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"
#include "migrate-info.h"

/* What QEMU 7.2 to 11.1 answer, cut to what is read, and what none of them does. */

static JsonNode *
parse(const char *text)
{
    JsonNode *node = json_from_string(text, NULL);

    g_assert_nonnull(node);
    return node;
}

static void
read_info(const char *text, VfMigrateInfo *info)
{
    g_autoptr(JsonNode) node = parse(text);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_migrate_info_parse(node, info, &error));
    g_assert_no_error(error);
}

static void
test_states(void)
{
    static const struct {
        const char *text;
        VfMigrateState state;
    } cases[] = {
        {"{}", VF_MIGRATE_NONE},
        {"{\"status\": \"none\"}", VF_MIGRATE_NONE},
        {"{\"status\": \"setup\"}", VF_MIGRATE_UNDER_WAY},
        {"{\"status\": \"device\"}", VF_MIGRATE_UNDER_WAY},
        {"{\"status\": \"cancelling\"}", VF_MIGRATE_UNDER_WAY},
        /* 11.1's, on the way to failed: no end */
        {"{\"status\": \"failing\"}", VF_MIGRATE_UNDER_WAY},
        {"{\"status\": \"what-1x.2-will-say\"}", VF_MIGRATE_UNDER_WAY},
        {"{\"status\": \"pre-switchover\"}", VF_MIGRATE_WAITING},
        {"{\"status\": \"completed\"}", VF_MIGRATE_COMPLETED},
        {"{\"status\": \"failed\", \"error-desc\": \"no\"}", VF_MIGRATE_FAILED},
        {"{\"status\": \"cancelled\"}", VF_MIGRATE_CANCELLED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VfMigrateInfo) info = {0};

        g_test_message("%s", cases[i].text);
        read_info(cases[i].text, &info);
        g_assert_cmpint(info.state, ==, cases[i].state);
    }
}

static void
test_completed(void)
{
    g_auto(VfMigrateInfo) info = {0};

    read_info(
        "{\"status\": \"completed\", \"setup-time\": 15, \"downtime\": 1, \"total-time\": 37, "
        "\"vfio\": {\"transferred\": 96}, "
        "\"ram\": {\"total\": 67641344, \"dirty-sync-count\": 2, \"page-size\": 4096, "
        "\"remaining\": 0, \"mbps\": 296.5, \"transferred\": 738828, "
        "\"dirty-pages-rate\": 0}}",
        &info);
    g_assert_cmpuint(info.done, ==, 738828);
    g_assert_cmpuint(info.total, ==, 738828);
    g_assert_cmpuint(info.rate, ==, 37062500);
    g_assert_cmpuint(info.rounds, ==, 2);
    g_assert_true(info.has_device_bytes);
    g_assert_cmpuint(info.device_bytes, ==, 96);
    g_assert_true(info.has_downtime);
    g_assert_cmpuint(info.downtime, ==, 1000);
    g_assert_false(info.has_expected_downtime);
}

/* What is but zeros is not sent, and is not to be moved any more all the same. */
static void
test_zeros(void)
{
    static const struct {
        const char *ram;
        guint64 done, total;
    } cases[] = {
        {"{\"page-size\": 4096, \"duplicate\": 500, \"transferred\": 9000, \"remaining\": 8192}",
         500 * 4096 + 9000, 500 * 4096 + 9000 + 8192},
        {"{\"duplicate\": 500, \"transferred\": 9000, \"remaining\": 0}", 9000, 9000},
        {"{\"page-size\": 4096, \"duplicate\": 9223372036854775807, \"transferred\": 9000, "
         "\"remaining\": 1}",
         9000, 9001},
        {"{\"page-size\": 1, \"duplicate\": 4611686018427387903, \"transferred\": "
         "9223372036854775807, \"remaining\": 9223372036854775807}",
         G_GUINT64_CONSTANT(13835058055282163710), G_MAXUINT64},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VfMigrateInfo) info = {0};
        g_autofree char *text =
            g_strdup_printf("{\"status\": \"active\", \"ram\": %s}", cases[i].ram);

        read_info(text, &info);
        g_assert_cmpuint(info.done, ==, cases[i].done);
        g_assert_cmpuint(info.total, ==, cases[i].total);
    }
}

/* The number is there from the beginning, a copy of the limit: QEMU knows nothing yet. */
static void
test_expected_downtime(void)
{
    static const struct {
        const char *ram;
        gboolean is_known;
    } cases[] = {
        {"{\"dirty-sync-count\": 1, \"dirty-pages-rate\": 0, \"remaining\": 4096}", FALSE},
        {"{\"dirty-sync-count\": 1, \"dirty-pages-rate\": 9, \"remaining\": 4096}", FALSE},
        {"{\"dirty-sync-count\": 3, \"dirty-pages-rate\": 0, \"remaining\": 4096}", FALSE},
        {"{\"dirty-sync-count\": 3, \"dirty-pages-rate\": 9, \"remaining\": 4096}", TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VfMigrateInfo) info = {0};
        g_autofree char *text = g_strdup_printf(
            "{\"status\": \"active\", \"expected-downtime\": 300, \"ram\": %s}", cases[i].ram);

        read_info(text, &info);
        g_assert_cmpint(info.has_expected_downtime, ==, cases[i].is_known);
        g_assert_cmpuint(info.expected_downtime, ==, cases[i].is_known ? 300000 : 0);
        g_assert_false(info.has_downtime);
        /* in the first round all of it is to be moved, and nothing has changed */
        g_assert_cmpuint(info.dirty, ==, i < 2 ? 0 : 4096);
    }
}

/* Numbers of a QEMU that lies are left out, or bounded. */
static void
test_lies(void)
{
    g_auto(VfMigrateInfo) info = {0};

    read_info("{\"status\": \"completed\", \"downtime\": 9223372036854775807, \"error-desc\": "
              "\"a\\u001b[2Jb\", \"vfio\": {\"transferred\": -1}, \"ram\": {\"transferred\": "
              "9223372036854775807, \"remaining\": 9223372036854775807, \"mbps\": 1e300, "
              "\"dirty-sync-count\": \"many\"}}",
              &info);
    g_assert_false(info.has_downtime);
    g_assert_false(info.has_device_bytes);
    g_assert_cmpuint(info.rate, ==, 0);
    g_assert_cmpuint(info.total, >=, info.done);
    g_assert_cmpstr(info.error, ==, "a?[2Jb");
}

static void
test_refused(void)
{
    static const char *const texts[] = {"[]", "7", "{\"status\": 7}", "{\"status\": {}}"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(JsonNode) node = parse(texts[i]);
        g_autoptr(GError) error = NULL;
        VfMigrateInfo info;
        VfRunState state;

        g_assert_false(vf_migrate_info_parse(node, &info, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        g_clear_error(&error);
        g_assert_false(vf_run_state_parse(node, &state, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    }
}

/* Whether a guest runs is never guessed. */
static void
test_run_states(void)
{
    static const struct {
        const char *status;
        gboolean running;
        int state; /* -1: refused */
    } cases[] = {
        {"running", TRUE, VF_RUN_RUNNING},
        {"running", FALSE, -1},
        {"paused", TRUE, -1},
        {"paused", FALSE, VF_RUN_STOPPED},
        {"prelaunch", FALSE, VF_RUN_STOPPED},
        {"inmigrate", FALSE, VF_RUN_INCOMING},
        {"postmigrate", FALSE, VF_RUN_MOVED},
        {"finish-migrate", FALSE, VF_RUN_MOVING},
        {"a-word-of-tomorrow", FALSE, VF_RUN_STOPPED},
        {"a-word-of-tomorrow", TRUE, -1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strdup_printf("{\"status\": \"%s\", \"running\": %s}", cases[i].status,
                            cases[i].running ? "true" : "false");
        g_autoptr(JsonNode) node = parse(text);
        VfRunState state = VF_RUN_STOPPED;
        gboolean parsed = vf_run_state_parse(node, &state, NULL);

        g_assert_cmpint(parsed, ==, cases[i].state >= 0);
        if (parsed)
            g_assert_cmpint(state, ==, cases[i].state);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest/migrate-info/states", test_states);
    g_test_add_func("/guest/migrate-info/completed", test_completed);
    g_test_add_func("/guest/migrate-info/zeros", test_zeros);
    g_test_add_func("/guest/migrate-info/expected-downtime", test_expected_downtime);
    g_test_add_func("/guest/migrate-info/lies", test_lies);
    g_test_add_func("/guest/migrate-info/refused", test_refused);
    g_test_add_func("/guest/migrate-info/run-states", test_run_states);
    return g_test_run();
}
