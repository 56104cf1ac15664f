/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "control.h"
#include "error.h"
#include "io.h"
#include "monitor.h"
#include "pair.h"
#include "record.h"

/* Two vferry-guest as processes, in their sandboxes, each with a QEMU that is a thread of this
 * test: it answers over its monitor, and what it is told to send goes through the lane to the
 * other. The daemon is this test, too. */

#define S VF_ROLE_SOURCE
#define D VF_ROLE_DESTINATION
#define BYTES (3u << 20)
#define DEADLINE_MS 20000

#define P "/machine/peripheral"
#define STATUS(word, running) "{\"status\": \"" word "\", \"running\": " running "}"
#define MIGRATES(status) "{\"status\": \"" status "\"}"
#define CAN(name) "{\"capability\": \"" name "\", \"state\": false}"

static const VfMonitorRow usual[] = {
    {"query-name", "{}"},
    {"query-uuid", "{}"},
    {"query-version", "{\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 10}}"},
    {"query-memory-size-summary", "{\"base-memory\": 4096}"},
    {"qom-get /machine type", "\"pc-q35-10.0-machine\""},
    {"query-pci", "[]"},
    {"qom-list " P, "[{\"name\": \"d\", \"type\": \"child<vfio-pci>\"}]"},
    {"qom-list " P "-anon", "[]"},
    {"qom-get " P "/d host", "\"0000:c1:00.1\""},
    {"qom-get " P "/d addr", "40"},
    {"qom-get " P "/d parent_bus", "\"/machine/q35/pcie.0\""},
    {"query-migrate-capabilities", "[" CAN("return-path") ", " CAN("events") ", " CAN("later") "]"},
    {"migrate-set-capabilities", "{}"},
    {"migrate-set-parameters", "{}"},
    {"query-migrate-parameters", "{\"downtime-limit\": 300, \"max-bandwidth\": 134217728}"},
    {"getfd", "{}"},
    {"migrate", "{}"},
    {"migrate-incoming", "{}"},
    {"migrate_cancel", "{}"},
    {"stop", "{}"},
    {"cont", "{}"},
    {"quit", "{}"},
    {NULL, NULL},
};

/* What is different: of the QEMUs, of the request, of what happens. */
typedef struct {
    const char *name;
    VfMonitorRow rows[2][4]; /* by role */
    gboolean accept;         /* the kernel is asked, and says */
    gboolean refuse;         /* no */
    gboolean alone;          /* nobody brings a QEMU */
    gboolean fail_load;
    gboolean kill;   /* the destination's worker, when it loads */
    gboolean slow;   /* the destination's QEMU, to say that it has it */
    gboolean dwells; /* the guest is stopped for a moment as it moves, and goes on for ever */
    gboolean owns;   /* the guest's owner pauses it before it is asked to move */
    const char *ends[2];
    gboolean runs[2];
    gboolean quits; /* the destination's QEMU */
    gboolean untouched;
    const char *events[2];
    const char *words; /* of the source's, part of them */
} Case;

typedef struct {
    GPid pid;
    int control;
    VfMonitor *monitor;
    int monitor_fd; /* the client's end */
    VfRecord *record;
    char *end;
    char *message;
    char *states;
    char *phases;
    gboolean untouched;
    guint16 port;
    /* the QEMU */
    int lane;
    GThread *thread;
    gint bytes;
} Side;

typedef struct {
    const Case *c;
    Side sides[2];
    gint running[2];
    gint twice;
} Play;

/* --- two QEMUs --- */

static void
set_running(Play *self, VfRole role, gboolean running)
{
    g_atomic_int_set(&self->running[role], running);
    if (running && g_atomic_int_get(&self->running[!role]))
        g_atomic_int_set(&self->twice, TRUE);
    vf_monitor_set(self->sides[role].monitor, "query-status",
                   running ? STATUS("running", "true") : STATUS("paused", "false"));
}

static gpointer
send_guest(gpointer data)
{
    Play *self = data;
    Side *side = &self->sides[S];
    g_autofree guint8 *memory = g_malloc0(BYTES);
    guint8 byte = 0;

    vf_monitor_set(side->monitor, "query-migrate", MIGRATES("active"));
    if (self->c->dwells) {
        set_running(self, S, FALSE);
        vf_monitor_say(side->monitor, "{\"event\": \"STOP\"}\r\n");
        g_usleep(300000);
        set_running(self, S, TRUE);
        vf_monitor_say(side->monitor, "{\"event\": \"RESUME\"}\r\n");
        (void)!read(side->lane, &byte, 1);
    }
    if (vf_io_write_all(side->lane, memory, BYTES - 1, NULL)) {
        set_running(self, S, FALSE);
        vf_monitor_set(side->monitor, "query-status", STATUS("finish-migrate", "false"));
        vf_monitor_say(side->monitor, "{\"event\": \"STOP\"}\r\n");
    }
    if (vf_io_write_all(side->lane, memory, 1, NULL) && read(side->lane, &byte, 1) == 1) {
        vf_monitor_set(side->monitor, "query-status", STATUS("postmigrate", "false"));
        vf_monitor_set(side->monitor, "query-migrate", MIGRATES("completed"));
    } else { /* as QEMU 10.0: the guest runs again behind that */
        vf_monitor_set(side->monitor, "query-migrate", MIGRATES("failed"));
        g_usleep(30000);
        set_running(self, S, TRUE);
        vf_monitor_say(side->monitor, "{\"event\": \"RESUME\"}\r\n");
    }
    return NULL;
}

static gpointer
load_guest(gpointer data)
{
    Play *self = data;
    Side *side = &self->sides[D];
    guint8 bytes[65536];
    gssize n = 1;

    vf_monitor_set(side->monitor, "query-migrate", MIGRATES("active"));
    while ((guint)side->bytes < BYTES && (n = read(side->lane, bytes, sizeof bytes)) > 0)
        g_atomic_int_add(&side->bytes, (gint)n);
    if (n <= 0 || self->c->fail_load) {
        vf_monitor_set(side->monitor, "query-migrate",
                       "{\"status\": \"failed\", \"error-desc\": \"no room for it\"}");
        return NULL;
    }
    vf_monitor_set(side->monitor, "query-migrate", MIGRATES("completed"));
    vf_monitor_set(side->monitor, "query-status", STATUS("paused", "false"));
    (void)!write(side->lane, "k", 1);
    return NULL;
}

static void
on_asked(VfMonitor *monitor, const char *command, gint64 id, int fd, gpointer data)
{
    Play *self = data;
    VfRole role = monitor == self->sides[S].monitor ? S : D;
    Side *side = &self->sides[role];

    if (self->c->slow && role == D && g_str_equal(command, "query-status") &&
        (guint)g_atomic_int_get(&side->bytes) == BYTES)
        g_usleep(300000);
    if (self->c->owns && role == S && g_str_equal(command, "getfd"))
        set_running(self, S, FALSE);
    if (g_str_equal(command, "getfd"))
        side->lane = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    else if (g_str_equal(command, "migrate"))
        side->thread = g_thread_new("send", send_guest, self);
    else if (g_str_equal(command, "migrate-incoming"))
        side->thread = g_thread_new("load", load_guest, self);
    else if (g_str_equal(command, "migrate_cancel"))
        shutdown(side->lane, SHUT_RDWR);
    else if (g_str_equal(command, "cont"))
        set_running(self, role, TRUE);
    else if (g_str_equal(command, "quit"))
        set_running(self, role, FALSE);
}

/* --- two daemons --- */

static void
child_setup(gpointer data)
{
    if (dup2(GPOINTER_TO_INT(data), 3) < 0)
        _exit(126);
}

static void
begin(Side *side, const char *verb, GVariant *args, const int *fds, guint n_fds)
{
    char *argv[] = {(char *)VF_TEST_GUEST, NULL};
    int theirs, inherited;
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_control_pair(&side->control, &theirs, &error));
    inherited = fcntl(theirs, F_DUPFD_CLOEXEC, 10);
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                  child_setup, GINT_TO_POINTER(inherited), &side->pid, &error);
    g_assert_no_error(error);
    close(theirs);
    close(inherited);
    vf_control_send(side->control, verb, args, fds, n_fds, &error);
    g_assert_no_error(error);
}

static void
tell(Side *side, const char *verb, GVariant *args, int fd)
{
    g_autoptr(GError) error = NULL;

    vf_control_send(side->control, verb, args, &fd, fd >= 0 ? 1 : 0, &error);
    g_assert_no_error(error);
}

/* One message. FALSE: it has ended. */
static gboolean
hear(Side *side)
{
    g_autoptr(VfControlMessage) message = vf_control_receive(side->control, NULL);
    g_auto(GStrv) states = NULL;
    g_autofree char *phase = NULL;
    char *before = side->phases;

    if (!message) {
        vf_io_clear_fd(&side->control);
        g_assert_cmpint(waitpid(side->pid, NULL, 0), ==, side->pid);
        return FALSE;
    }
    g_variant_dict_lookup(message->args, "port", "q", &side->port);
    if (g_variant_dict_lookup(message->args, "phase", "s", &phase)) {
        side->phases = g_strjoin(",", before, phase, NULL);
        g_free(before);
    }
    if (!g_str_equal(message->verb, "result"))
        return TRUE;
    g_assert_true(g_variant_dict_lookup(message->args, "outcome", "s", &side->end));
    g_variant_dict_lookup(message->args, "message", "s", &side->message);
    g_variant_dict_lookup(message->args, "untouched", "b", &side->untouched);
    if (g_variant_dict_lookup(message->args, "device-states", "^as", &states))
        side->states = g_strjoinv(",", states);
    return TRUE;
}

static gboolean
hear_in_time(Side *side, int ms)
{
    struct pollfd polled = {.fd = side->control, .events = POLLIN};

    return poll(&polled, 1, ms * (int)vf_pair_slowness()) == 1 && hear(side);
}

static void
hear_end(Side *side)
{
    while (side->control >= 0) {
        struct pollfd polled = {.fd = side->control, .events = POLLIN};

        g_assert_cmpint(poll(&polled, 1, DEADLINE_MS * (int)vf_pair_slowness()), ==, 1);
        hear(side);
    }
}

static gboolean
has_phase(const Side *side, const char *phase)
{
    return strstr(side->phases, phase) != NULL;
}

/* --- */

static gboolean
has_row(const Case *c, VfRole role, const char *command)
{
    for (const VfMonitorRow *row = c->rows[role]; row->command; row++)
        if (g_str_equal(row->command, command))
            return TRUE;
    return FALSE;
}

static void
side_init(Play *self, VfRole role)
{
    Side *side = &self->sides[role];
    g_autofree char *folder = g_dir_make_tmp("vferry-guest-XXXXXX", NULL);
    vf_autofd int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    side->control = side->lane = -1;
    side->phases = g_strdup("");
    side->record = vf_record_create(dir, "record", NULL);
    g_assert_true(vf_record_append(side->record, "begin", NULL, NULL));
    g_assert_no_errno(unlinkat(dir, "record", 0));
    g_rmdir(folder);
    side->monitor = vf_monitor_new(self->c->rows[role], usual, &side->monitor_fd);
    if (!has_row(self->c, role, "query-migrate"))
        vf_monitor_set(side->monitor, "query-migrate", "{}");
    if (!has_row(self->c, role, "query-status"))
        vf_monitor_set(side->monitor, "query-status",
                       role == S ? STATUS("running", "true") : STATUS("inmigrate", "false"));
    vf_monitor_follow(side->monitor, on_asked, self);
}

static void
side_clear(Side *side)
{
    if (side->thread)
        g_thread_join(side->thread);
    vf_monitor_free(side->monitor);
    vf_io_clear_fd(&side->monitor_fd);
    vf_io_clear_fd(&side->lane);
    vf_record_free(side->record);
    g_free(side->end);
    g_free(side->message);
    g_free(side->states);
    g_free(side->phases);
}

static void
play_init(Play *self, const Case *c)
{
    *self = (Play){.c = c};
    side_init(self, S);
    side_init(self, D);
    self->running[S] = TRUE;
}

#define COMMON                                                                                     \
    "'job': <'" VF_PAIR_JOB "'>, 'address': <'127.0.0.1'>, "                                       \
    "'key': <b'0123456789abcdef0123456789abcde'>, 'features': <@as []>"

static void
begin_destination(Play *self)
{
    Side *side = &self->sides[D];
    int record = vf_record_get_fd(side->record);

    begin(side, "receive",
          g_variant_new_parsed("{" COMMON ", 'port-min': <uint16 0>, 'port-max': <uint16 0>, "
                               "'accept-seconds': <uint32 20>, 'size-max': <uint64 0>, "
                               "'accept': <%b>}",
                               self->c->accept),
          &record, 1);
    while (side->port == 0 && hear_in_time(side, DEADLINE_MS))
        ;
    g_assert_cmpuint(side->port, >, 0);
    if (!self->c->alone)
        tell(side, "guest", NULL, side->monitor_fd);
}

static void
begin_source(Play *self)
{
    Side *side = &self->sides[S];
    const int fds[] = {vf_record_get_fd(side->record), side->monitor_fd};

    begin(side, "send",
          g_variant_new_parsed("{" COMMON ", 'port': <%q>, 'downtime-limit-ms': <uint32 300>, "
                               "'precopy-max-seconds': <%u>, 'switchover-ack': <true>}",
                               self->sides[D].port, self->c->dwells ? 1 : 30),
          fds, 2);
}

static char *
list_events(const Side *side)
{
    g_autoptr(GPtrArray) entries = vf_record_read_until_damage(side->record);
    GString *events = g_string_new(NULL);

    for (guint i = 1; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        if (!g_str_equal(entry->event, "touched") && !g_str_equal(entry->event, "returning") &&
            !g_str_equal(entry->event, "starting"))
            g_string_append_printf(events, "%s%s", events->len ? "," : "", entry->event);
    }
    return g_string_free(events, FALSE);
}

/* What a verdict before its time is worth: nothing. */
static void
give_verdict(Play *self)
{
    Side *side = &self->sides[D];

    tell(side, "accepted", NULL, -1);
    while (!has_phase(side, "accepting"))
        if (!hear_in_time(side, DEADLINE_MS))
            return;
    for (guint i = 0; i < 10; i++)
        hear_in_time(side, 30);
    g_test_message("%s %s", side->phases, side->message);
    g_assert_true(g_str_has_suffix(side->phases, "accepting"));
    tell(side, "nonsense", NULL, side->monitor_fd);
    if (self->c->refuse)
        tell(side, "refused", g_variant_new_parsed("{'message': <'EINVAL at STOP'>}"), -1);
    tell(side, "accepted", NULL, -1);
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    Play self;

    play_init(&self, c);
    begin_destination(&self);
    begin_source(&self);
    if (c->accept)
        give_verdict(&self);
    while (c->kill && g_atomic_int_get(&self.sides[D].bytes) == 0)
        g_usleep(1000);
    if (c->kill)
        kill(self.sides[D].pid, SIGKILL);
    for (guint i = 0; i < 2; i++) {
        Side *side = &self.sides[i];
        g_autofree char *events = NULL;

        hear_end(side);
        events = list_events(side);
        g_test_message("%s", side->message);
        g_assert_cmpstr(side->end, ==, c->ends[i]);
        g_assert_cmpstr(events, ==, c->events[i]);
    }
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpint(g_atomic_int_get(&self.running[i]), ==, c->runs[i]);
        if (self.sides[i].end && !c->untouched) /* then `stopped` says no more than that */
            g_assert_cmpstr(self.sides[i].states, ==, c->runs[i] ? "running" : "stopped");
    }
    g_assert_false(self.twice);
    g_assert_cmpint(self.sides[S].untouched, ==, c->untouched);
    g_assert_cmpuint(vf_monitor_count(self.sides[D].monitor, "quit"), ==, c->quits);
    g_assert_cmpuint(vf_monitor_count(self.sides[S].monitor, "quit"), ==, c->runs[D]);
    if (c->words)
        g_assert_nonnull(strstr(self.sides[S].message, c->words));
    if (c->runs[D]) {
        g_assert_cmpuint((guint)self.sides[D].bytes, ==, BYTES);
        g_assert_cmpstr(self.sides[S].phases, ==, ",pre-copy,switchover,loading,committing");
        g_assert_cmpstr(self.sides[D].phases, ==,
                        c->accept ? ",loading,accepting,committing" : ",loading,committing");
    }
    for (guint i = 0; i < 2; i++)
        side_clear(&self.sides[i]);
}

#define ENDS(source, destination) .ends = {source, destination}
#define HERE .runs = {TRUE, FALSE}
#define CROSSED                                                                                    \
    .runs = {FALSE, TRUE}, .events = {"commit,done", "loaded,commit,started"},                     \
    ENDS("completed", "completed")
#define UNSEEN HERE, ENDS("failed", "failed"), .events = {"", ""}, .untouched = TRUE
#define REFUSED HERE, ENDS("failed", "failed"), .events = {"", ""}, .quits = TRUE, .untouched = TRUE
#define RETURNED HERE, ENDS("failed", "failed"), .events = {"returned", ""}, .quits = TRUE

static const Case cases[] = {
    {"crosses", CROSSED},
    {"accepted", .accept = TRUE, CROSSED},
    {"refused-by-the-kernel", .accept = TRUE, .refuse = TRUE, RETURNED, .words = "EINVAL at STOP"},
    {"cannot-load", .fail_load = TRUE, RETURNED, .words = "“failed”: no room for it"},
    {"slow-to-say-so", .slow = TRUE, CROSSED},
    {"paused-before-it-moves", .owns = TRUE, ENDS("failed", "failed"), .events = {"", ""},
     .quits = TRUE, .untouched = TRUE, .words = "only one that does"},
    {"stopped-for-a-moment", .dwells = TRUE, RETURNED,
     .words = "has not come to its switchover within 1 s"},
    {"refuses-the-lane", .rows = {{{"getfd", "!not today"}, {NULL, NULL}}, {{NULL, NULL}}}, REFUSED,
     .words = "not today"},
    {"killed", .kill = TRUE, HERE, ENDS("failed", NULL), .events = {"returned", ""}},
    {"nobody-there", .alone = TRUE, UNSEEN, .words = "no QEMU is attached"},
    {"another-machine",
     .rows = {{{NULL, NULL}},
              {{"qom-get /machine type", "\"pc-i440fx-10.0-machine\""}, {NULL, NULL}}},
     REFUSED, .words = "“pc-i440fx-10.0” here and “pc-q35-10.0” at the other side"},
    {"without-return-path",
     .rows = {{{NULL, NULL}},
              {{"query-migrate-capabilities", "[" CAN("events") "]"}, {NULL, NULL}}},
     REFUSED, .words = "“return-path”"},
    {"blocked-there",
     .rows = {{{NULL, NULL}},
              {{"query-migrate", "{\"blocked-reasons\": [\"0000:c1:00.1: no way\"]}"},
               {NULL, NULL}}},
     REFUSED, .words = "cannot migrate: 0000:c1:00.1: no way"},
    {"somebody-else-migrates-it",
     .rows = {{{"query-migrate", MIGRATES("active")}, {NULL, NULL}}, {{NULL, NULL}}}, UNSEEN,
     .words = "somebody else"},
    {"paused",
     .rows = {{{"query-status", STATUS("paused", "false")}, {NULL, NULL}}, {{NULL, NULL}}}, UNSEEN,
     .words = "only one that does"},
    /* somebody has attached the wrong one: it stays as it is */
    {"runs-there",
     .rows = {{{NULL, NULL}}, {{"query-status", STATUS("running", "true")}, {NULL, NULL}}}, UNSEEN,
     .words = "does not wait for a guest"},
};

/* --- one worker --- */

static void
expect_result(const char *verb, GVariant *args, guint n_fds, const char *end, const char *words)
{
    static const Case none = {0};
    Play self;
    int fds[3];
    Side *side = &self.sides[S];

    play_init(&self, &none);
    fds[0] = fds[2] = side->monitor_fd;
    fds[1] = vf_record_get_fd(side->record);
    begin(side, verb, args, fds, n_fds);
    hear_end(side);
    g_assert_cmpstr(side->end, ==, end);
    g_test_message("%s", side->message);
    if (words)
        g_assert_nonnull(strstr(side->message, words));
    for (guint i = 0; i < 2; i++)
        side_clear(&self.sides[i]);
}

static void
test_requests(void)
{
    expect_result("look", NULL, 1, "completed", NULL);
    expect_result("look", NULL, 0, "failed", "descriptors");
    expect_result("look", NULL, 2, "failed", "descriptors");
    expect_result("quit", NULL, 1, "completed", NULL);
    expect_result("look", g_variant_new_parsed("{'more': <1>}"), 1, "failed", "more");
    expect_result("look", g_variant_new_parsed("{'resume': <true>, 'oob': <true>}"), 1, "completed",
                  NULL);
    /* what it may be told later is no request */
    expect_result("guest", NULL, 1, "failed", "no request “guest”");
    expect_result("accepted", NULL, 0, "failed", "no request “accepted”");
    /* a record alone */
    expect_result("receive", NULL, 0, "failed", "must have 1 to 1");
    expect_result("receive", NULL, 2, "failed", "must have 1 to 1");
}

/* More than a message holds is an error with its words, and not a worker that ends without one. */
static void
test_much(void)
{
    static const Case none = {0};
    g_autoptr(GString) reasons = g_string_new("{\"blocked-reasons\": [");
    g_autoptr(GString) list = g_string_new("[");
    g_autofree char *filler = g_strnfill(390, 'x');
    Play self;
    Side *side = &self.sides[S];

    for (guint i = 0; i < 16; i++) {
        g_string_append_printf(reasons, "%s\"%s\"", i ? ", " : "", filler);
        g_string_append_printf(list, "%s{\"name\": \"d%u\", \"type\": \"child<vfio-pci>\"}",
                               i ? ", " : "", i);
    }
    g_string_append(reasons, "]}");
    g_string_append(list, "]");
    play_init(&self, &none);
    vf_monitor_set(side->monitor, "query-migrate", reasons->str);
    vf_monitor_set(side->monitor, "qom-list " P, list->str);
    begin(side, "look", NULL, &side->monitor_fd, 1);
    hear_end(side);
    g_assert_cmpstr(side->end, ==, "failed");
    g_assert_nonnull(strstr(side->message, "at most 32768 are allowed"));
    for (guint i = 0; i < 2; i++)
        side_clear(&self.sides[i]);
}

/* Before the source is there the last one counts, and the one before is let go of: whoever sent it
 * hears its end. */
static void
test_brought_twice(void)
{
    static const Case none = {0}, alone = {.alone = TRUE};
    int pair[2];
    char byte;
    struct pollfd polled;
    Play self;

    play_init(&self, &none);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    self.c = &alone;
    begin_destination(&self);
    tell(&self.sides[D], "guest", NULL, pair[1]);
    vf_io_clear_fd(&pair[1]);
    self.c = &none;
    tell(&self.sides[D], "guest", NULL, self.sides[D].monitor_fd);
    polled = (struct pollfd){.fd = pair[0], .events = POLLIN};
    g_assert_cmpint(poll(&polled, 1, DEADLINE_MS * (int)vf_pair_slowness()), ==, 1);
    g_assert_cmpint(recv(pair[0], &byte, 1, 0), ==, 0);
    begin_source(&self);
    for (guint i = 0; i < 2; i++) {
        hear_end(&self.sides[i]);
        g_assert_cmpstr(self.sides[i].end, ==, "completed");
    }
    vf_io_clear_fd(&pair[0]);
    for (guint i = 0; i < 2; i++)
        side_clear(&self.sides[i]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN); /* of whose worker was killed */
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/guest/worker/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/guest/worker/requests", test_requests);
    g_test_add_func("/guest/worker/much", test_much);
    g_test_add_func("/guest/worker/brought-twice", test_brought_twice);
    return g_test_run();
}
