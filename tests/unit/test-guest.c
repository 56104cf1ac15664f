/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "error.h"
#include "guest.h"
#include "monitor.h"

/* When a guest may be believed to run, and how one is brought to it: what QEMU 10.0 and 11.1 say on
 * the way there. */

#define MS 3000

#define RUNS "{\"status\": \"running\", \"running\": true}"
#define IS(status) "{\"status\": \"" status "\", \"running\": false}"
#define MIGRATES(status) "{\"status\": \"" status "\"}"

typedef struct {
    const char *name;
    gboolean back; /* vf_guest_take_back(), else vf_guest_run() */
    guint ms;      /* 0: MS */
    VfMonitorRow rows[12];
    guint continued; /* how often it was told to */
    guint cancelled;
    int code;            /* -1: it runs */
    const char *message; /* part of it */
} Case;

#define RIGHT .code = -1

static const Case cases[] = {
    {"runs-already", .rows = {{"query-status", RUNS}}, RIGHT},
    {"paused", .rows = {{"query-status", IS("paused")}, {"query-status", RUNS}, {"cont", "{}"}},
     .continued = 1, RIGHT},
    /* answers {} at once, and the guest runs a while later */
    {"takes-a-while",
     .rows = {{"query-status", IS("paused")},
              {"query-status", IS("paused")},
              {"query-status", IS("paused")},
              {"query-status", RUNS},
              {"cont", "{}"}},
     .continued = 1, RIGHT},
    {"not-loaded", .rows = {{"query-status", IS("inmigrate")}, {"cont", "{}"}},
     .code = VFERRY_ERROR_DEVICE, .message = "has not loaded"},
    {"refuses", .rows = {{"query-status", IS("paused")}, {"cont", "!no way"}}, .continued = 1,
     .code = VFERRY_ERROR_FAILED, .message = "no way"},
    {"does-not-run", .ms = 100, .rows = {{"query-status", IS("paused")}, {"cont", "{}"}},
     .continued = 1, .code = VFERRY_ERROR_DEVICE, .message = "and it does not"},
    {"hangs-up", .rows = {{"query-status", IS("paused")}, {"cont", "x"}}, .continued = 1,
     .code = VFERRY_ERROR_PEER},

    {"back/never-asked", TRUE, .rows = {{"query-migrate", "{}"}, {"query-status", RUNS}}, RIGHT},
    {"back/under-way", TRUE,
     .rows = {{"query-migrate", MIGRATES("active")},
              {"query-migrate", MIGRATES("cancelling")},
              {"query-migrate", MIGRATES("cancelled")},
              {"migrate_cancel", "{}"},
              {"query-status", RUNS}},
     .cancelled = 1, RIGHT},
    {"back/waiting", TRUE,
     .rows = {{"query-migrate", MIGRATES("pre-switchover")},
              {"query-migrate", MIGRATES("cancelled")},
              {"migrate_cancel", "{}"},
              {"query-status", IS("finish-migrate")},
              {"query-status", RUNS}},
     .cancelled = 1, RIGHT},
    /* 10.0: `failed` before the guest runs, which it does by itself */
    {"back/failed-before-it-runs", TRUE,
     .rows = {{"query-migrate", MIGRATES("failed")},
              {"query-status", IS("finish-migrate")},
              {"query-status", IS("finish-migrate")},
              {"query-status", RUNS}},
     RIGHT},
    /* 11.1: a word that 10.0 does not have, and `failed` after it */
    {"back/failing", TRUE,
     .rows = {{"query-migrate", MIGRATES("failing")},
              {"query-migrate", MIGRATES("failing")},
              {"query-migrate", MIGRATES("failed")},
              {"migrate_cancel", "{}"},
              {"query-status", RUNS}},
     .cancelled = 1, RIGHT},
    {"back/completed", TRUE,
     .rows = {{"query-migrate", MIGRATES("completed")},
              {"query-status", IS("postmigrate")},
              {"query-status", RUNS},
              {"cont", "{}"}},
     .continued = 1, RIGHT},
    {"back/not-finalized-yet", TRUE,
     .rows = {{"query-migrate", MIGRATES("completed")},
              {"query-status", IS("postmigrate")},
              {"query-status", IS("postmigrate")},
              {"query-status", IS("postmigrate")},
              {"query-status", RUNS},
              {"cont", "!Migration is not finalized yet"},
              {"cont", "!Migration is not finalized yet"},
              {"cont", "{}"}},
     .continued = 3, RIGHT},
    {"back/never-finalized", TRUE, .ms = 100,
     .rows = {{"query-migrate", MIGRATES("completed")},
              {"query-status", IS("postmigrate")},
              {"cont", "!Migration is not finalized yet"}},
     .continued = G_MAXUINT, .code = VFERRY_ERROR_FAILED, .message = "not finalized yet"},
    {"back/never-over", TRUE, .ms = 100,
     .rows = {{"query-migrate", MIGRATES("device")}, {"migrate_cancel", "{}"}}, .cancelled = 1,
     .code = VFERRY_ERROR_DEVICE, .message = "goes on with it"},
    {"back/never-runs", TRUE, .ms = 100,
     .rows = {{"query-migrate", MIGRATES("failed")}, {"query-status", IS("finish-migrate")}},
     .code = VFERRY_ERROR_DEVICE, .message = "stands still"},
    {"back/waits-for-a-guest", TRUE,
     .rows = {{"query-migrate", "{}"}, {"query-status", IS("inmigrate")}, {"cont", "{}"}},
     .code = VFERRY_ERROR_DEVICE, .message = "has not loaded"},
    {"back/never-answers", TRUE,
     .rows = {{"query-migrate", MIGRATES("failed")}, {"query-status", ""}},
     .code = VFERRY_ERROR_PEER, .message = "has not answered “query-status”"},
    {"back/lies", TRUE,
     .rows = {{"query-migrate", MIGRATES("failed")},
              {"query-status", "{\"status\": \"paused\", \"running\": true}"}},
     .code = VFERRY_ERROR_PEER, .message = "does not say whether"},
    {"back/hangs-up", TRUE,
     .rows = {{"query-migrate", MIGRATES("completed")},
              {"query-status", IS("postmigrate")},
              {"cont", "x"}},
     .continued = 1, .code = VFERRY_ERROR_PEER},
};

static VfGuest *
guest_new(int fd)
{
    g_autoptr(GError) error = NULL;
    VfGuest *guest = vf_guest_new(fd, &(VfGuestPast){0}, 5000, &error);

    g_assert_no_error(error);
    return guest;
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    int fd;
    g_autoptr(VfMonitor) monitor = vf_monitor_new(c->rows, NULL, &fd);
    g_autoptr(VfGuest) guest = guest_new(fd);
    g_autoptr(GError) error = NULL;
    gboolean runs = c->back ? vf_guest_take_back(guest, c->ms ? c->ms : MS, &error)
                            : vf_guest_run(guest, c->ms ? c->ms : MS, &error);

    g_assert_cmpint(runs, ==, error == NULL);
    if (c->code < 0)
        g_assert_no_error(error);
    else
        g_assert_error(error, VFERRY_ERROR, c->code);
    if (c->message)
        g_assert_nonnull(strstr(error->message, c->message));
    if (c->continued == G_MAXUINT)
        g_assert_cmpuint(vf_monitor_count(monitor, "cont"), >, 1);
    else
        g_assert_cmpuint(vf_monitor_count(monitor, "cont"), ==, c->continued);
    g_assert_cmpuint(vf_monitor_count(monitor, "migrate_cancel"), ==, c->cancelled);
}

/* What may take its time is asked once, and heard of later. */
static void
test_ask(void)
{
    static const VfMonitorRow rows[] = {{"migrate", ""}, {"stop", "!busy"}, {NULL, NULL}};
    int fd;
    g_autoptr(VfMonitor) monitor = vf_monitor_new(rows, NULL, &fd);
    g_autoptr(VfGuest) guest = guest_new(fd);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = NULL;

    g_assert_false(vf_guest_ask(guest, "migrate", json_object_new(), -1, 60000, &answer, &error));
    g_assert_no_error(error);
    vf_monitor_say(monitor, "{\"return\": {\"a\": 1}, \"id\": 2}");
    while (!vf_guest_ask(guest, "migrate", json_object_new(), -1, 60000, &answer, &error))
        g_assert_no_error(error);
    g_assert_true(JSON_NODE_HOLDS_OBJECT(answer));
    g_assert_cmpuint(vf_monitor_count(monitor, "migrate"), ==, 1);
    while (!vf_guest_ask(guest, "stop", NULL, -1, 60, NULL, &error) && !error)
        ;
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_true(g_str_has_prefix(error->message, "stop: "));
    g_clear_error(&error);
    g_assert_false(vf_guest_ask(guest, "migrate", NULL, -1, 0, NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "“migrate” for 0 ms"));
}

/* Those that are ours to say are said, on or off; others and what it does not know are left. */
static void
test_capabilities(void)
{
    static const VfMonitorRow rows[] = {
        {"query-migrate-capabilities",
         "[{\"capability\": \"return-path\", \"state\": false}, 7, {\"capability\": 7}, {}, "
         "{\"capability\": \"multifd\", \"state\": true}, {\"capability\": \"xbzrle\"}]"},
        {"query-migrate-capabilities", "{}"},
        {NULL, NULL}};
    static const char *const on[] = {"return-path", "events", NULL};
    int fd;
    g_autoptr(VfMonitor) monitor G_GNUC_UNUSED = vf_monitor_new(rows, NULL, &fd);
    g_autoptr(VfGuest) guest = guest_new(fd);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) were_on = NULL;
    g_auto(GStrv) known = vf_guest_list_capabilities(guest, &were_on, &error);
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *said = NULL;

    g_assert_no_error(error);
    g_assert_cmpstrv(known, ((const char *const[]){"return-path", "multifd", "xbzrle", NULL}));
    g_assert_cmpstrv(were_on, ((const char *const[]){"multifd", NULL}));
    json_node_take_object(node, vf_guest_make_capabilities((const char *const *)known, on));
    said = json_to_string(node, FALSE);
    g_assert_cmpstr(said, ==,
                    "{\"capabilities\":[{\"capability\":\"multifd\",\"state\":false},"
                    "{\"capability\":\"return-path\",\"state\":true}]}");
    g_assert_null(vf_guest_list_capabilities(guest, &were_on, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
}

static void
test_events(void)
{
    static const VfMonitorRow rows[] = {
        {"a", "{\"event\": \"STOP\"}\n{\"event\": \"JOB_STATUS_CHANGE\"}\n{}"},
        {"b", "{\"event\": \"MIGRATION\", \"data\": 7}\n{\"event\": \"RESUME\"}\n{}"},
        {NULL, NULL}};
    int fd;
    g_autoptr(VfMonitor) monitor G_GNUC_UNUSED = vf_monitor_new(rows, NULL, &fd);
    g_autoptr(VfGuest) guest = guest_new(fd);

    g_assert_false(vf_guest_has_stopped(guest));
    json_node_unref(vf_qmp_call(vf_guest_get_qmp(guest), "a", NULL, MS, NULL));
    g_assert_true(vf_guest_has_stopped(guest));
    g_assert_cmpuint(vf_guest_get_n_events(guest), ==, 1);
    json_node_unref(vf_qmp_call(vf_guest_get_qmp(guest), "b", NULL, MS, NULL));
    g_assert_false(vf_guest_has_stopped(guest));
    g_assert_cmpuint(vf_guest_get_n_events(guest), ==, 3);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/guest/run/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/guest/ask", test_ask);
    g_test_add_func("/guest/capabilities", test_capabilities);
    g_test_add_func("/guest/events", test_events);
    return g_test_run();
}
