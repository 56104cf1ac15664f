/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "caller.h"
#include "destination.h"
#include "error.h"
#include "io.h"
#include "lane.h"
#include "pair.h"
#include "source.h"

/* Two subjects that say something of themselves, and send their data over a lane: what is refused
 * is refused before anything moves, and both sides hear why. */

#define S VF_ROLE_SOURCE
#define D VF_ROLE_DESTINATION
#define BYTES (2u << 20)
#define LANE_JOB VF_PAIR_JOB " lane 1"

static const guint8 key[VF_TLS_KEY_SIZE] = {0x5a, 7, 7, 7};

typedef struct {
    const char *says;    /* of itself; "!words": it fails with them; NULL: nothing */
    const char *refuses; /* the other, with these words */
    gboolean lane;
    guint slow_ms; /* so long nothing is taken from it, or put into it */
} Plan;

typedef struct {
    VfRole role;
    const Plan *plan;
    VfSessionSubject subject;
    VfSession *session;
    VfSessionEnd end;
    GThread *thread;
    guint16 port;
    int port_fds[2];
    int record_fd;
    VfLane *lane;
    int lane_fd; /* ours */
    gsize done;
    gint64 began;
    char *met; /* what the other one has said */
    gint running;
} Side;

static GVariant *
introduce(gpointer data, GError **error)
{
    Side *self = data;
    g_autoptr(GError) mistake = NULL;
    GVariant *said;

    if (*self->plan->says == '!') {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, self->plan->says + 1);
        return NULL;
    }
    said = g_variant_parse(G_VARIANT_TYPE_VARDICT, self->plan->says, NULL, NULL, &mistake);
    g_assert_no_error(mistake);
    return said;
}

static gboolean
meet(gpointer data, GVariant *other, GError **error)
{
    Side *self = data;

    g_assert_null(self->met);
    self->met = g_variant_print(other, FALSE);
    if (self->plan->refuses)
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE, self->plan->refuses);
    return !self->plan->refuses;
}

static void
take_lane(gpointer data, VfChannel *channel)
{
    Side *self = data;
    int pair[2];

    g_assert_null(self->lane);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    self->lane_fd = pair[0];
    self->lane = vf_lane_start(channel, pair[1]);
}

/* As much as goes without waiting. */
static gboolean
pump(Side *self, GError **error)
{
    guint8 bytes[65536] = {0};
    ssize_t n = 1;

    if (!self->plan->lane)
        return TRUE;
    self->began = self->began ? self->began : g_get_monotonic_time();
    if (g_get_monotonic_time() - self->began < (gint64)self->plan->slow_ms * 1000)
        return TRUE;
    while (self->done < BYTES && n > 0) {
        n = self->role == S ? send(self->lane_fd, bytes, MIN(sizeof bytes, BYTES - self->done),
                                   MSG_DONTWAIT | MSG_NOSIGNAL)
                            : recv(self->lane_fd, bytes, sizeof bytes, MSG_DONTWAIT);
        self->done += (gsize)MAX(n, 0);
    }
    if (n == 0 || (n < 0 && errno != EAGAIN))
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "the lane is gone");
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static gboolean
move(gpointer data, gboolean *done, GError **error)
{
    Side *self = data;

    g_usleep(2000);
    if (!pump(self, error))
        return FALSE;
    *done = !self->plan->lane || self->done == BYTES;
    if (*done)
        g_atomic_int_set(&self->running, FALSE);
    return TRUE;
}

static gboolean
give_back(gpointer data, GError **error)
{
    g_atomic_int_set(&((Side *)data)->running, TRUE);
    return TRUE;
}

static gboolean
say_yes(gpointer data, GError **error)
{
    return TRUE;
}

static const char *
describe(gpointer data)
{
    return g_atomic_int_get(&((Side *)data)->running) ? "running" : "stopped";
}

static void
on_listening(const char *address, guint16 port, gpointer data)
{
    Side *self = data;

    g_assert_cmpint(write(self->port_fds[1], &port, sizeof port), ==, sizeof port);
}

static void
side_init(Side *self, VfRole role, const Plan *plan)
{
    static const char *const none[] = {NULL};
    g_autoptr(GPtrArray) devices = g_ptr_array_new();

    *self = (Side){.role = role, .plan = plan, .lane_fd = -1, .running = role == S};
    self->record_fd = memfd_create("record", MFD_CLOEXEC);
    self->subject = (VfSessionSubject){.introduce = plan->says ? introduce : NULL,
                                       .meet = plan->says ? meet : NULL,
                                       .take_lane = plan->lane ? take_lane : NULL,
                                       .move = move,
                                       .load = move,
                                       .check_still = say_yes,
                                       .give_back = give_back,
                                       .run = give_back,
                                       .describe = describe,
                                       .data = self};
    self->session = vf_session_new(
        vf_devices_new(devices), vf_record_new_from_fd(fcntl(self->record_fd, F_DUPFD_CLOEXEC, 3)));
    self->session->subject = &self->subject;
    self->session->config.job = g_strdup(VF_PAIR_JOB);
    self->session->config.address = g_strdup("127.0.0.1");
    self->session->config.features = g_strdupv((char **)none);
    self->session->config.peer_patience_ms = 1000 * vf_pair_slowness();
    self->session->config.accept_seconds = 20;
    memcpy(self->session->config.key, key, sizeof key);
    self->session->events = (VfSessionEvents){.listening = on_listening, .data = self};
    g_assert_no_errno(pipe2(self->port_fds, O_CLOEXEC));
}

static void
side_clear(Side *self)
{
    g_clear_pointer(&self->lane, vf_lane_free);
    vf_io_clear_fd(&self->lane_fd);
    vf_session_end_clear(&self->end);
    vf_session_free(self->session);
    vf_io_clear_fd(&self->record_fd);
    vf_io_clear_fd(&self->port_fds[0]);
    vf_io_clear_fd(&self->port_fds[1]);
    g_free(self->met);
}

static gpointer
run(gpointer data)
{
    Side *self = data;

    if (self->role == S)
        vf_source_run(self->session, &self->end);
    else
        vf_destination_run(self->session, &self->end);
    return NULL;
}

static void
side_start(Side *self)
{
    self->thread = g_thread_new(self->role == S ? "source" : "destination", run, self);
}

static void
side_listen(Side *self)
{
    side_start(self);
    g_assert_cmpint(read(self->port_fds[0], &self->port, sizeof self->port), ==, sizeof self->port);
}

typedef struct {
    const char *name;
    Plan plans[2]; /* by role */
    const char *words[2];
    const char *met[2];
    gboolean touched;
} Case;

#define A "{'a': <1>}"
#define B "{'b': <2>}"
#define HEARD(words)                                                                               \
    {                                                                                              \
        "the other side gave up: " words, words                                                    \
    }
#define SAID(words)                                                                                \
    {                                                                                              \
        words, "the other side gave up: " words                                                    \
    }

static const Case cases[] = {
    {"neither", {{0}, {0}}},
    {"lanes", {{.lane = TRUE}, {.lane = TRUE}}},
    {"both", {{A, NULL, TRUE}, {B, NULL, TRUE}}, .met = {B, A}},
    /* its heart beats beside the lane, whoever does not take what comes, or has nothing to send */
    {"slow-to-take", {{A, NULL, TRUE}, {B, NULL, TRUE, 3000}}, .met = {B, A}},
    {"slow-to-put", {{A, NULL, TRUE, 3000}, {B, NULL, TRUE}}, .met = {B, A}},
    {"lane-at-source",
     {{A, NULL, TRUE}, {B, NULL, FALSE}},
     HEARD("the source has 1 lanes, this side 0")},
    {"lane-at-destination",
     {{A, NULL, FALSE}, {B, NULL, TRUE}},
     HEARD("the source has 0 lanes, this side 1")},
    {"source-says-nothing", {{0}, {B}}, HEARD("the other side says nothing of its guest")},
    {"destination-says-nothing", {{A}, {0}}, SAID("the other side says nothing of its guest")},
    {"source-cannot-say", {{"!it is busy"}, {B}}, SAID("it is busy")},
    {"destination-cannot-say", {{A}, {"!it is busy"}}, HEARD("it is busy"), .met = {NULL, A}},
    {"source-refuses", {{A, "no such b"}, {B}}, SAID("no such b"), .met = {B, A}},
    {"destination-refuses", {{A}, {B, "no such a"}}, HEARD("no such a"), .met = {NULL, A}},
    {"source-refuses-with-lane",
     {{A, "no such b", TRUE}, {B, NULL, TRUE}},
     SAID("no such b"),
     .met = {B, A}},
};

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    gboolean refused = c->words[S] != NULL;
    gint64 began = g_get_monotonic_time();
    Side sides[2];

    for (guint i = 0; i < 2; i++)
        side_init(&sides[i], (VfRole)i, &c->plans[i]);
    side_listen(&sides[D]);
    sides[S].session->config.port = sides[D].port;
    side_start(&sides[S]);
    for (guint i = 0; i < 2; i++)
        g_thread_join(sides[i].thread);
    for (guint i = 0; i < 2; i++) {
        const Side *side = &sides[i];

        g_assert_cmpint(side->end.kind, ==, refused ? VF_SESSION_FAILED : VF_SESSION_COMPLETED);
        g_assert_cmpstr(side->end.error ? side->end.error->message : NULL, ==, c->words[i]);
        g_assert_cmpstr(side->met, ==, c->met[i]);
        if (refused)
            g_assert_null(side->lane);
        else
            g_assert_cmpuint(side->done, ==, c->plans[i].lane ? BYTES : 0);
        g_assert_cmpint(side->running, ==, (i == S) == refused);
    }
    g_assert_cmpint(sides[S].end.untouched, ==, refused);
    if (refused) /* and not because somebody has waited for the other */
        g_assert_cmpint(g_get_monotonic_time() - began, <, 5 * G_USEC_PER_SEC * vf_pair_slowness());
    for (guint i = 0; i < 2; i++)
        side_clear(&sides[i]);
}

/* More than a hello has room for is said to nobody. */
static void
test_too_large(void)
{
    g_autofree char *filler = g_strnfill(VF_MESSAGE_SUBJECT_MAX, 'x');
    g_autofree char *said = g_strdup_printf("{'a': <'%s'>}", filler);
    const Plan large = {.says = said}, small = {.says = A};

    for (guint i = 0; i < 2; i++) {
        Side sides[2];

        side_init(&sides[S], S, i == S ? &large : &small);
        side_init(&sides[D], D, i == D ? &large : &small);
        side_listen(&sides[D]);
        sides[S].session->config.port = sides[D].port;
        side_start(&sides[S]);
        for (guint j = 0; j < 2; j++)
            g_thread_join(sides[j].thread);
        g_assert_error(sides[i].end.error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
        g_assert_nonnull(strstr(sides[i].end.error->message, "at most 2048 are allowed"));
        g_assert_error(sides[!i].end.error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        for (guint j = 0; j < 2; j++)
            side_clear(&sides[j]);
    }
}

/* --- at the lane's door --- */

static VfChannel *
call(Side *destination, const char *job, VfCancel *cancel, GError **error)
{
    g_autoptr(VfTls) tls = vf_tls_new(S, job, key, NULL);

    return vf_caller_reach("127.0.0.1", destination->port, tls, 5000 * vf_pair_slowness(),
                           10000 * vf_pair_slowness(), cancel, error);
}

/* Keys of a job and of its lane open what they are for, and not the other. */
static void
test_keys(void)
{
    static const char *const none[] = {NULL};
    static const Plan plan = {.lane = TRUE};
    VfHello hello = {
        .job = (char *)VF_PAIR_JOB, .min = 1, .max = 1, .features = (char **)none, .lanes = 1};
    g_autoptr(GBytes) packed = vf_message_pack_hello(&hello, NULL, 0);
    VfCancel *cancel = vf_cancel_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(VfChannel) channel = NULL;
    g_autoptr(VfStream) stream = NULL;
    VfFrame frame;
    Side side;

    side_init(&side, D, &plan);
    side_listen(&side);
    g_assert_null(call(&side, LANE_JOB, cancel, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_clear_error(&error);
    channel = call(&side, VF_PAIR_JOB, cancel, &error);
    g_assert_no_error(error);
    stream = vf_stream_new(g_steal_pointer(&channel), S, 0, cancel);
    vf_stream_send(stream, VF_FRAME_HELLO, VF_FRAME_NO_DEVICE, g_bytes_get_data(packed, NULL),
                   g_bytes_get_size(packed), &error);
    g_assert_no_error(error);
    vf_stream_receive(stream, &frame, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(frame.header.type, ==, VF_FRAME_HELLO_REPLY);
    vf_stream_start_heartbeat(stream);
    for (guint i = 0; i < 3; i++) { /* the job's, another job's, another lane's */
        static const char *const wrong[] = {VF_PAIR_JOB, "another lane 1", VF_PAIR_JOB " lane 2"};

        g_assert_null(call(&side, wrong[i], cancel, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        g_clear_error(&error);
    }
    channel = call(&side, LANE_JOB, cancel, &error);
    g_assert_no_error(error);
    g_assert_nonnull(channel);
    /* one, and the door is shut */
    g_assert_null(call(&side, LANE_JOB, cancel, NULL));
    g_clear_pointer(&channel, vf_channel_free);
    g_thread_join(side.thread);
    g_assert_nonnull(side.lane);
    g_assert_cmpstr(side.end.error->message, ==, "the lane is gone");
    side_clear(&side);
    g_clear_pointer(&stream, vf_stream_free);
    vf_cancel_free(cancel);
}

/* --- what an earlier version says --- */

/* A hello without any of it is right for who wants none, and heard by who does. */
static void
test_old_hello(void)
{
    static const char *const none[] = {NULL};
    VfHello said = {.job = (char *)VF_PAIR_JOB, .min = 1, .max = 1, .features = (char **)none};
    g_autoptr(GBytes) packed = vf_message_pack_hello(&said, NULL, 0);
    g_autoptr(GVariant) dict =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, packed, FALSE));
    g_auto(VfHello) hello = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(g_variant_lookup(dict, "lanes", "u", NULL));
    g_assert_false(g_variant_lookup(dict, "subject", "a{sv}", NULL));
    vf_message_parse_hello(g_bytes_get_data(packed, NULL), g_bytes_get_size(packed), &hello,
                           &error);
    g_assert_no_error(error);
    g_assert_cmpuint(hello.lanes, ==, 0);
    g_assert_null(hello.subject);
}

/* Of another type they are not there. */
static void
test_odd_hello(void)
{
    static const char *const texts[] = {"'lanes': <1>, 'subject': <'x'>",
                                        "'lanes': <uint64 1>, 'subject': <@a{ss} {}>",
                                        "'lanes': <'1'>, 'subject': <<@a{sv} {}>>"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text =
            g_strdup_printf("{'job': <'j'>, 'min': <uint32 1>, 'max': <uint32 1>, 'features': "
                            "<@as []>, 'devices': <@au []>, %s}",
                            texts[i]);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) said =
            g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
        g_auto(VfHello) hello = {0};

        g_assert_no_error(error);
        vf_message_parse_hello(g_variant_get_data(said), g_variant_get_size(said), &hello, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(hello.lanes, ==, 0);
        g_assert_null(hello.subject);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/engine/meeting/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/engine/meeting/too-large", test_too_large);
    g_test_add_func("/engine/meeting/keys", test_keys);
    g_test_add_func("/engine/meeting/old-hello", test_old_hello);
    g_test_add_func("/engine/meeting/odd-hello", test_odd_hello);
    return g_test_run();
}
