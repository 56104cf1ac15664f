/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <netinet/in.h>
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
#include "pair.h"
#include "puppet.h"
#include "record.h"
#include "verdict.h"

/* Two workers that are not vferry-mover, as processes: the subject of each asks this process what a
 * hypervisor would be asked, they speak TLS over a relay that holds back what it is told to, and
 * their records are files. At each step of the decision one of them is killed, loses its daemon, or
 * both lose each other. Whatever becomes of it: never do two run, nobody is asked to run before
 * both records say `commit`, nor to give back after the source's does, and what the daemon makes of
 * the records (daemon/keep/verdict.h) is what it is. */

#define DEADLINE_US (30 * G_USEC_PER_SEC)
#define SETTLE_US (100 * 1000) /* what was written to the record is followed by a frame */
#define PAUSE_US (200 * 1000)  /* a worker has seen that its daemon is gone */
#define MOVES 4
#define BYTES 1000

#define S VF_ROLE_SOURCE
#define D VF_ROLE_DESTINATION

typedef enum {
    NEVER,
    OPENING,   /* the source has called for its lane, and no byte of that has arrived */
    MOVING,    /* the source's hypervisor is not done */
    LOADING,   /* all is sent, and not loaded yet */
    LOADED,    /* that is on record, and LOADED on its way */
    HEARD,     /* the source knows, and asks its hypervisor a last time */
    COMMITTED, /* that is on the source's record, and COMMIT on its way */
    THERE,     /* and on the destination's, whose hypervisor was asked to run */
    STARTED,   /* it runs, that is on record, and STARTED on its way */
} Moment;

typedef enum {
    KILLED,
    ORPHANED, /* its daemon is gone */
    CUT,      /* from each other, and what is on its way is lost */
    ASKED,    /* to cancel */
} Blow;

typedef struct {
    Moment moment;
    Blow blow;
    VfRole whom;
    gboolean lost; /* what is on its way then, as the kernel may do to what the dead have said */
    const char *ends[2]; /* NULL: nobody hears it */
    VfRecordVerdict verdicts[2];
    gboolean runs[2];
} Case;

typedef struct {
    GPid pid; /* 0: it has ended */
    int control;
    int strings; /* -1: it does not ask */
    int relay;
    gboolean shut; /* what came from there has ended */
    GByteArray *held;
    gboolean hold;
    gboolean asks;
    guint8 question;
    char *end;
    char *states;
    guint64 done;
    guint64 total;
    guint16 port;
    VfRecord *record;
    gboolean running;
} Side;

typedef struct {
    const Case *c;
    Side sides[2];
    int listener; /* -1: the stream and the lane have come, or nobody is to */
    int lane[2];  /* the relay's ends; -1 */
    guint moves;
    gboolean sent; /* all that the source has, which stands still */
    gint64 reached;
    gint64 struck;
    gboolean released;
    gboolean settling; /* who runs is decided by the records */
} Play;

static gboolean
has_line(Play *self, VfRole role, const char *event)
{
    g_autoptr(GPtrArray) entries = vf_record_read_until_damage(self->sides[role].record);

    return vf_record_find(entries, event) != NULL;
}

static VfRecordVerdict
judge(Play *self, VfRole role)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = vf_record_read(self->sides[role].record, &error);

    g_assert_no_error(error);
    return vf_verdict(role == S ? VF_JOB_SOURCE : VF_JOB_DESTINATION, entries);
}

static void
child_setup(gpointer data)
{
    /* g_spawn closes what is not inherited only after this */
    if (dup2(GPOINTER_TO_INT(data), 3) < 0)
        _exit(126);
}

/* The record's place in the request is the verb's. */
static void
begin(Play *self, VfRole role, const char *verb, GVariant *args)
{
    char *argv[] = {(char *)VF_TEST_PUPPET, NULL};
    Side *side = &self->sides[role];
    gboolean first = g_str_equal(verb, "send") || g_str_equal(verb, "receive");
    int pair[2], theirs, inherited, fds[2];
    g_autoptr(GError) error = NULL;

    side->asks = FALSE;
    g_clear_pointer(&side->end, g_free);
    g_assert_true(vf_control_pair(&side->control, &theirs, &error));
    inherited = fcntl(theirs, F_DUPFD_CLOEXEC, 10); /* not 3 itself: dup2 would leave it so */
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                  child_setup, GINT_TO_POINTER(inherited), &side->pid, &error);
    g_assert_no_error(error);
    close(theirs);
    close(inherited);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    side->strings = pair[0];
    fds[first ? 0 : 1] = vf_record_get_fd(side->record);
    fds[first ? 1 : 0] = pair[1];
    if (g_str_equal(verb, "look"))
        fds[0] = pair[1];
    vf_control_send(side->control, verb, args, fds, g_str_equal(verb, "look") ? 1 : 2, &error);
    g_assert_no_error(error);
    close(pair[1]);
}

#define COMMON                                                                                     \
    "'job': <'" VF_PAIR_JOB "'>, 'address': <'127.0.0.1'>, "                                       \
    "'key': <b'0123456789abcdef0123456789abcde'>, 'features': <@as []>"

static void
begin_source(Play *self)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;

    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_no_errno(bind(self->listener, (struct sockaddr *)&here, sizeof here));
    g_assert_no_errno(listen(self->listener, 1));
    g_assert_no_errno(getsockname(self->listener, (struct sockaddr *)&here, &size));
    begin(self, S, "send",
          g_variant_new_parsed("{" COMMON ", 'port': <%q>, 'downtime-limit-ms': <uint32 300>, "
                               "'precopy-max-seconds': <uint32 30>, 'switchover-ack': <true>}",
                               ntohs(here.sin_port)));
}

static int
call_destination(Play *self)
{
    struct sockaddr_in there = {.sin_family = AF_INET,
                                .sin_port = htons(self->sides[D].port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_no_errno(connect(fd, (struct sockaddr *)&there, sizeof there));
    return fd;
}

/* Its stream, and then its lane. */
static void
accept_source(Play *self)
{
    gboolean second = self->sides[S].relay >= 0;
    int *ends[] = {second ? &self->lane[S] : &self->sides[S].relay,
                   second ? &self->lane[D] : &self->sides[D].relay};

    *ends[S] = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    *ends[D] = call_destination(self);
    if (second)
        vf_io_clear_fd(&self->listener);
}

static void
cut(Play *self)
{
    for (guint i = 0; i < 2; i++) {
        if (self->sides[i].relay >= 0)
            shutdown(self->sides[i].relay, SHUT_RDWR);
        if (self->lane[i] >= 0)
            shutdown(self->lane[i], SHUT_RDWR);
        g_byte_array_set_size(self->sides[i].held, 0);
    }
}

/* What came over the lane from @role goes on at once. */
static void
relay_lane(Play *self, VfRole role)
{
    guint8 bytes[65536];
    ssize_t n = recv(self->lane[role], bytes, sizeof bytes, 0);

    if (n > 0) {
        (void)send(self->lane[!role], bytes, (gsize)n, MSG_NOSIGNAL);
        return;
    }
    shutdown(self->lane[!role], SHUT_RDWR);
    vf_io_clear_fd(&self->lane[S]);
    vf_io_clear_fd(&self->lane[D]);
}

/* What came from @role, as far as it may. */
static void
pass_on(Play *self, VfRole role)
{
    Side *side = &self->sides[role];

    if (side->hold)
        return;
    if (side->held->len > 0)
        (void)send(self->sides[!role].relay, side->held->data, side->held->len, MSG_NOSIGNAL);
    g_byte_array_set_size(side->held, 0);
    if (side->shut)
        shutdown(self->sides[!role].relay, SHUT_WR);
}

static void
relay(Play *self, VfRole role)
{
    guint8 bytes[4096];
    ssize_t n = recv(self->sides[role].relay, bytes, sizeof bytes, 0);

    if (n > 0)
        g_byte_array_append(self->sides[role].held, bytes, (guint)n);
    else
        self->sides[role].shut = TRUE;
    pass_on(self, role);
}

static void
hear(Side *side)
{
    g_autoptr(VfControlMessage) message = vf_control_receive(side->control, NULL);
    g_auto(GStrv) states = NULL;

    if (!message) {
        vf_io_clear_fd(&side->control);
        return;
    }
    g_variant_dict_lookup(message->args, "port", "q", &side->port);
    g_variant_dict_lookup(message->args, "done", "t", &side->done);
    g_variant_dict_lookup(message->args, "total", "t", &side->total);
    if (!g_str_equal(message->verb, "result"))
        return;
    g_assert_null(side->end);
    g_assert_true(g_variant_dict_lookup(message->args, "outcome", "s", &side->end));
    g_assert_true(g_variant_dict_lookup(message->args, "device-states", "^as", &states));
    g_free(side->states);
    side->states = g_strjoinv(",", states);
}

static void
set_running(Play *self, VfRole role)
{
    g_assert_false(self->sides[!role].running);
    self->sides[role].running = TRUE;
}

static void
answer(Play *self, VfRole role)
{
    Side *side = &self->sides[role];
    VfPuppetAnswer answer = {.question = side->question, .yes = TRUE};

    side->asks = FALSE;
    switch ((VfPuppetQuestion)side->question) {
    case VF_PUPPET_MOVE:
        answer.yes = ++self->moves == MOVES;
        answer.done = self->moves * BYTES;
        answer.rest = (MOVES - self->moves) * BYTES * 2; /* an estimate: it takes half of that */
        if (!answer.yes)
            break;
        self->sent = TRUE;
        side->running = FALSE;
        break;
    case VF_PUPPET_CHECK_STILL:
        g_assert_false(side->running);
        side->hold = self->c->moment == COMMITTED;
        break;
    case VF_PUPPET_GIVE_BACK:
        g_assert_true(has_line(self, S, "touched"));
        g_assert_false(has_line(self, S, "commit"));
        set_running(self, S);
        break;
    case VF_PUPPET_LOAD:
        answer.yes = self->sent;
        side->hold = self->sent && self->c->moment == LOADED;
        break;
    case VF_PUPPET_RUN:
        g_assert_true(has_line(self, S, "commit"));
        g_assert_true(has_line(self, D, "commit") || self->settling);
        set_running(self, D);
        side->hold = self->c->moment == STARTED && !self->settling;
        break;
    case VF_PUPPET_LOOK:
    case VF_PUPPET_N_QUESTIONS:
        break;
    }
    (void)send(side->strings, &answer, sizeof answer, MSG_NOSIGNAL);
}

static gboolean
asks(Play *self, VfRole role, VfPuppetQuestion question)
{
    return self->sides[role].asks && self->sides[role].question == question;
}

static gboolean
has_come(Play *self, Moment moment)
{
    switch (moment) {
    case NEVER:
        return FALSE;
    case OPENING:
        return self->lane[S] >= 0;
    case MOVING:
        return asks(self, S, VF_PUPPET_MOVE) && self->moves == MOVES - 1;
    case LOADING:
        return asks(self, D, VF_PUPPET_LOAD) && self->sent;
    case LOADED:
        return self->sides[D].held->len > 0 && has_line(self, D, "loaded");
    case HEARD:
        return asks(self, S, VF_PUPPET_CHECK_STILL);
    case COMMITTED:
        return self->sides[S].held->len > 0 && has_line(self, S, "commit");
    case THERE:
        return asks(self, D, VF_PUPPET_RUN);
    case STARTED:
        return self->sides[D].held->len > 0 && has_line(self, D, "started");
    }
    return FALSE;
}

static void
strike(Play *self)
{
    Side *side = &self->sides[self->c->whom];

    self->struck = g_get_monotonic_time();
    switch (self->c->blow) {
    case KILLED:
        g_assert_no_errno(kill(side->pid, SIGKILL));
        side->asks = FALSE;
        vf_io_clear_fd(&side->strings); /* not before, or it would give up by itself */
        break;
    case ORPHANED:
        vf_io_clear_fd(&side->control);
        break;
    case CUT:
        cut(self);
        break;
    case ASKED:
        g_assert_true(vf_control_send(side->control, "cancel", NULL, NULL, 0, NULL));
        break;
    }
}

/* Who was struck has done what it does then; only what it says shows that. */
static gboolean
has_told(Play *self)
{
    const Side *side = &self->sides[self->c->whom];

    switch (self->c->blow) {
    case KILLED:
        return side->pid == 0 && side->shut;
    case ORPHANED:
    case ASKED:
        if (self->c->moment == OPENING)
            return side->shut;
        if (self->c->whom == D && self->c->moment <= (self->c->blow == ASKED ? LOADING : COMMITTED))
            return side->shut;
        if (self->c->whom == S && self->c->moment < HEARD)
            return asks(self, S, VF_PUPPET_GIVE_BACK);
        return g_get_monotonic_time() >= self->struck + PAUSE_US * vf_pair_slowness();
    case CUT:
        return TRUE;
    }
    return TRUE;
}

static void
release(Play *self)
{
    self->released = TRUE;
    if (self->c->lost)
        cut(self);
    for (guint i = 0; i < 2; i++) {
        self->sides[i].hold = FALSE;
        pass_on(self, (VfRole)i);
    }
}

static void
listen_to_all(Play *self)
{
    gboolean held = self->c->moment == OPENING && !self->released;
    struct pollfd fds[9] = {{.fd = self->listener, .events = POLLIN}};

    for (guint i = 0; i < 2; i++) {
        const Side *side = &self->sides[i];

        fds[1 + 3 * i] = (struct pollfd){.fd = side->control, .events = POLLIN};
        fds[2 + 3 * i] = (struct pollfd){.fd = side->strings, .events = POLLIN};
        fds[3 + 3 * i] = (struct pollfd){.fd = side->shut ? -1 : side->relay, .events = POLLIN};
        fds[7 + i] = (struct pollfd){.fd = held ? -1 : self->lane[i], .events = POLLIN};
    }
    poll(fds, G_N_ELEMENTS(fds), 5);
    if (fds[0].revents)
        accept_source(self);
    for (guint i = 0; i < 2; i++) {
        Side *side = &self->sides[i];

        if (fds[1 + 3 * i].revents)
            hear(side);
        if (fds[2 + 3 * i].revents) {
            side->asks = recv(side->strings, &side->question, 1, 0) == 1;
            if (!side->asks)
                vf_io_clear_fd(&side->strings);
        }
        if (fds[3 + 3 * i].revents)
            relay(self, (VfRole)i);
        if (fds[7 + i].revents && self->lane[i] >= 0)
            relay_lane(self, (VfRole)i);
        if (side->pid && waitpid(side->pid, NULL, WNOHANG) == side->pid)
            side->pid = 0;
    }
}

/* Until both have ended. */
static void
play(Play *self)
{
    gint64 end = g_get_monotonic_time() + DEADLINE_US * vf_pair_slowness();

    while (self->sides[S].pid || self->sides[D].pid) {
        gint64 now = g_get_monotonic_time();

        g_assert_cmpint(now, <, end);
        listen_to_all(self);
        if (self->sides[D].port && !self->sides[S].pid && self->listener < 0 && self->moves == 0 &&
            self->sides[S].relay < 0 && !self->settling)
            begin_source(self);
        if (self->reached && !self->struck) {
            if ((!self->sides[S].hold && !self->sides[D].hold) ||
                now >= self->reached + SETTLE_US * vf_pair_slowness())
                strike(self);
            continue;
        }
        if (self->struck && !self->released) {
            if (!has_told(self))
                continue;
            release(self);
        }
        for (guint i = 0; i < 2; i++) {
            if (!self->reached && has_come(self, self->c->moment))
                self->reached = now;
            if (self->sides[i].asks && (!self->reached || self->struck))
                answer(self, (VfRole)i);
        }
    }
    for (guint i = 0; i < 2; i++) { /* its last words */
        while (self->sides[i].control >= 0)
            hear(&self->sides[i]);
        vf_io_clear_fd(&self->sides[i].strings);
    }
}

static void
play_init(Play *self, const Case *c)
{
    g_autofree char *folder = g_dir_make_tmp("vferry-worker-XXXXXX", NULL);
    vf_autofd int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *self = (Play){.c = c, .listener = -1, .lane = {-1, -1}};
    for (guint i = 0; i < 2; i++) {
        Side *side = &self->sides[i];

        side->control = side->strings = side->relay = -1;
        side->held = g_byte_array_new();
        side->record = vf_record_create(dir, "record", NULL);
        g_assert_true(vf_record_append(side->record, "begin", NULL, NULL));
        g_assert_no_errno(unlinkat(dir, "record", 0));
    }
    g_rmdir(folder);
    self->sides[S].running = TRUE;
}

static void
play_clear(Play *self)
{
    vf_io_clear_fd(&self->listener);
    for (guint i = 0; i < 2; i++) {
        Side *side = &self->sides[i];

        vf_io_clear_fd(&self->lane[i]);
        vf_io_clear_fd(&side->relay);
        g_byte_array_unref(side->held);
        vf_record_free(side->record);
        g_free(side->end);
        g_free(side->states);
    }
}

/* What a daemon does next where nobody runs: the source's, when nothing was decided, and the
 * destination's, when somebody has resolved it who knows both records. */
static void
settle(Play *self)
{
    gboolean decided = judge(self, S) == VF_RECORD_IN_DOUBT;
    VfRole role = decided ? D : S;

    self->settling = TRUE;
    if (decided)
        begin(self, D, "start", NULL);
    else
        begin(self, S, "return", g_variant_new_parsed("{'touched-only': <true>}"));
    play(self);
    g_assert_cmpstr(self->sides[role].end, ==, "completed");
    g_assert_cmpstr(self->sides[role].states, ==, "running");
    g_assert_cmpint(judge(self, role), ==, decided ? VF_RECORD_COMPLETED : VF_RECORD_RETURNED);
    g_assert_true(self->sides[role].running);
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    Play self;

    play_init(&self, c);
    begin(&self, D, "receive",
          g_variant_new_parsed("{" COMMON ", 'port-min': <uint16 0>, 'port-max': <uint16 0>, "
                               "'accept-seconds': <uint32 20>, 'size-max': <uint64 0>}"));
    play(&self);
    g_assert_true(c->moment == NEVER || self.struck);
    for (guint i = 0; i < 2; i++) {
        const Side *side = &self.sides[i];

        g_assert_cmpstr(side->end, ==, c->ends[i]);
        if (side->end)
            g_assert_cmpstr(side->states, ==, c->runs[i] ? "running" : "stopped");
        g_assert_cmpint(judge(&self, (VfRole)i), ==, c->verdicts[i]);
        g_assert_cmpint(side->running, ==, c->runs[i]);
    }
    if (c->moment == NEVER) {
        g_assert_cmpuint(self.sides[S].done, ==, MOVES * BYTES);
        g_assert_cmpuint(self.sides[S].total, ==, MOVES * BYTES);
    }
    if (!self.sides[S].running && !self.sides[D].running)
        settle(&self);
    play_clear(&self);
}

/* The worker died before it asked its hypervisor for anything: whoever has paused the guest finds
 * it so. Nobody may answer GIVE_BACK without `touched` on record. */
static void
test_untouched(void)
{
    static const Case none = {0};
    Play self;

    play_init(&self, &none);
    self.settling = TRUE;
    self.sides[S].running = FALSE;
    begin(&self, S, "return", g_variant_new_parsed("{'touched-only': <true>}"));
    play(&self);
    g_assert_cmpstr(self.sides[S].end, ==, "completed");
    g_assert_cmpstr(self.sides[S].states, ==, "stopped");
    g_assert_cmpint(judge(&self, S), ==, VF_RECORD_UNCOMMITTED);
    g_assert_false(self.sides[S].running);
    play_clear(&self);
}

/* What no other worker has. */
static void
test_own_request(void)
{
    static const Case none = {0};
    Play self;

    play_init(&self, &none);
    self.settling = TRUE;
    begin(&self, D, "look", NULL);
    play(&self);
    g_assert_cmpstr(self.sides[D].end, ==, "completed");
    begin(&self, D, "stop", NULL);
    play(&self);
    g_assert_cmpstr(self.sides[D].end, ==, "failed");
    g_assert_cmpint(judge(&self, D), ==, VF_RECORD_UNCOMMITTED);
    play_clear(&self);
}

#define ENDS(source, destination) .ends = {source, destination}
#define SAYS(source, destination) .verdicts = {VF_RECORD_##source, VF_RECORD_##destination}
#define HERE .runs = {TRUE, FALSE}
#define ARRIVED .runs = {FALSE, TRUE}

static const Case cases[] = {
    {NEVER, ENDS("completed", "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},

    {OPENING, KILLED, S, ENDS(NULL, "failed"), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {OPENING, KILLED, D, ENDS("failed", NULL), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {OPENING, CUT, ENDS("failed", "failed"), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {OPENING, ORPHANED, S, ENDS(NULL, "failed"), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {OPENING, ORPHANED, D, ENDS("failed", NULL), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {OPENING, ASKED, S, ENDS("cancelled", "failed"), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {OPENING, ASKED, D, ENDS("failed", "cancelled"), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},

    {MOVING, KILLED, S, ENDS(NULL, "failed"), SAYS(UNCOMMITTED, UNCOMMITTED), HERE},
    {LOADING, KILLED, S, ENDS(NULL, "failed"), SAYS(UNCOMMITTED, UNCOMMITTED)},
    {LOADED, KILLED, S, ENDS(NULL, "in-doubt"), SAYS(UNCOMMITTED, UNCOMMITTED)},
    {HEARD, KILLED, S, ENDS(NULL, "in-doubt"), SAYS(UNCOMMITTED, UNCOMMITTED)},
    {COMMITTED, KILLED, S, ENDS(NULL, "completed"), SAYS(IN_DOUBT, COMPLETED), ARRIVED},
    {COMMITTED, KILLED, S, TRUE, ENDS(NULL, "in-doubt"), SAYS(IN_DOUBT, UNCOMMITTED)},
    {THERE, KILLED, S, ENDS(NULL, "completed"), SAYS(IN_DOUBT, COMPLETED), ARRIVED},
    {STARTED, KILLED, S, ENDS(NULL, "completed"), SAYS(IN_DOUBT, COMPLETED), ARRIVED},

    {MOVING, KILLED, D, ENDS("failed", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADING, KILLED, D, ENDS("failed", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADED, KILLED, D, TRUE, ENDS("failed", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {HEARD, KILLED, D, ENDS("failed", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {COMMITTED, KILLED, D, ENDS("in-doubt", NULL), SAYS(IN_DOUBT, UNCOMMITTED)},
    {THERE, KILLED, D, ENDS("in-doubt", NULL), SAYS(IN_DOUBT, IN_DOUBT)},
    {STARTED, KILLED, D, ENDS("completed", NULL), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {STARTED, KILLED, D, TRUE, ENDS("in-doubt", NULL), SAYS(IN_DOUBT, COMPLETED), ARRIVED},

    {MOVING, CUT, ENDS("failed", "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADING, CUT, ENDS("failed", "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADED, CUT, ENDS("failed", "in-doubt"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {HEARD, CUT, ENDS("failed", "in-doubt"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {COMMITTED, CUT, ENDS("in-doubt", "in-doubt"), SAYS(IN_DOUBT, UNCOMMITTED)},
    {THERE, CUT, ENDS("in-doubt", "completed"), SAYS(IN_DOUBT, COMPLETED), ARRIVED},
    {STARTED, CUT, ENDS("in-doubt", "completed"), SAYS(IN_DOUBT, COMPLETED), ARRIVED},

    {MOVING, ORPHANED, S, ENDS(NULL, "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADING, ORPHANED, S, ENDS(NULL, "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADED, ORPHANED, S, ENDS(NULL, "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {HEARD, ORPHANED, S, ENDS(NULL, "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {COMMITTED, ORPHANED, S, ENDS(NULL, "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {THERE, ORPHANED, S, ENDS(NULL, "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {STARTED, ORPHANED, S, ENDS(NULL, "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},

    {MOVING, ORPHANED, D, ENDS("cancelled", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADING, ORPHANED, D, ENDS("cancelled", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADED, ORPHANED, D, ENDS("cancelled", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {HEARD, ORPHANED, D, ENDS("cancelled", NULL), SAYS(RETURNED, UNCOMMITTED), HERE},
    {COMMITTED, ORPHANED, D, ENDS("in-doubt", NULL), SAYS(IN_DOUBT, UNCOMMITTED)},
    {THERE, ORPHANED, D, ENDS("completed", NULL), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {STARTED, ORPHANED, D, ENDS("completed", NULL), SAYS(COMPLETED, COMPLETED), ARRIVED},

    {MOVING, ASKED, S, ENDS("cancelled", "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADING, ASKED, S, ENDS("cancelled", "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADED, ASKED, S, ENDS("cancelled", "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {HEARD, ASKED, S, ENDS("cancelled", "failed"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {COMMITTED, ASKED, S, ENDS("completed", "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {THERE, ASKED, S, ENDS("completed", "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},

    {MOVING, ASKED, D, ENDS("cancelled", "cancelled"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADING, ASKED, D, ENDS("cancelled", "cancelled"), SAYS(RETURNED, UNCOMMITTED), HERE},
    {LOADED, ASKED, D, ENDS("completed", "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {HEARD, ASKED, D, ENDS("completed", "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},
    {THERE, ASKED, D, ENDS("completed", "completed"), SAYS(COMPLETED, COMPLETED), ARRIVED},
};

int
main(int argc, char **argv)
{
    static const char *const moments[] = {"never", "opening",   "moving", "loading", "loaded",
                                          "heard", "committed", "there",  "started"};
    static const char *const blows[] = {"killed", "orphaned", "cut", "asked"};

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        const char *whom = c->blow == CUT ? "both" : c->whom == S ? "source" : "destination";
        g_autofree char *path = g_strdup_printf("/engine/worker/%s/%s-%s%s", moments[c->moment],
                                                whom, blows[c->blow], c->lost ? "-lost" : "");

        g_test_add_data_func(path, c, test_case);
    }
    g_test_add_func("/engine/worker/untouched", test_untouched);
    g_test_add_func("/engine/worker/own-request", test_own_request);
    return g_test_run();
}
