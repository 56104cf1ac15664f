/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "caller.h"
#include "error.h"
#include "flight.h"
#include "io.h"
#include "link.h"
#include "message.h"
#include "pair.h"
#include "reception.h"

#define ALERT_SIZE 7 /* of a record with an alert in it, not encrypted */
#define MANY 1000
#define GUEST_BYTES_MAX (64 * 1024)

/* What the kernel answers first, if anything: atomic, errno. */
static gint accept_errnum;
static gint accept_failures;

int
accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    if (g_atomic_int_get(&accept_failures) == 0)
        return (int)syscall(SYS_accept4, fd, address, size, flags);
    g_atomic_int_add(&accept_failures, -1);
    errno = g_atomic_int_get(&accept_errnum);
    return -1;
}

static const guint8 right_key[VF_TLS_KEY_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
static const guint8 wrong_key[VF_TLS_KEY_SIZE] = {1, 2, 3, 4, 5, 6, 7, 9};

typedef enum {
    STRANGER_SILENT,
    STRANGER_GARBAGE,
    STRANGER_PLAIN_HELLO,
    STRANGER_HALF,
    STRANGER_WRONG_KEY,
    STRANGER_WRONG_NAME,
    STRANGER_WRONG_BOTH,
    STRANGER_HUGE,
    STRANGER_REPLAY, /* what the source has said, from somebody who heard it */
    N_STRANGERS,
} Stranger;

typedef struct {
    int listener;
    guint16 port;
    VfTls *tls;
    VfCancel *cancel;
    guint timeout_ms;
    guint handshake_ms;
    GError *error;
    VfChannel *channel;
    char *peer;
    GByteArray *flights[N_STRANGERS];
} Door;

static GByteArray *
make_plain_hello(void)
{
    static const guint32 flags[] = {1};
    static const char *const features[] = {NULL};
    VfHello hello = {.job = (char *)VF_PAIR_JOB, .min = 1, .max = 1, .features = (char **)features};
    g_autoptr(GBytes) payload = vf_message_pack_hello(&hello, flags, 1);
    VfFrameHeader header = {VF_FRAME_HELLO, VF_FRAME_NO_DEVICE, (guint32)g_bytes_get_size(payload),
                            0};
    GByteArray *frame = g_byte_array_new();

    g_byte_array_set_size(frame, VF_FRAME_HEADER_SIZE);
    vf_frame_pack(&header, g_bytes_get_data(payload, NULL), frame->data);
    g_byte_array_append(frame, g_bytes_get_data(payload, NULL), header.length);
    return frame;
}

static void
make_flights(GByteArray **flights)
{
    static const guint8 huge_record[] = {0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc};

    flights[STRANGER_SILENT] = g_byte_array_new();
    flights[STRANGER_GARBAGE] = g_byte_array_new();
    g_byte_array_set_size(flights[STRANGER_GARBAGE], 2000);
    memset(flights[STRANGER_GARBAGE]->data, 'G', 2000);
    flights[STRANGER_PLAIN_HELLO] = make_plain_hello();
    flights[STRANGER_HALF] = vf_flight_make(VF_PAIR_JOB, right_key);
    g_byte_array_set_size(flights[STRANGER_HALF], 100);
    flights[STRANGER_WRONG_KEY] = vf_flight_make(VF_PAIR_JOB, wrong_key);
    flights[STRANGER_WRONG_NAME] =
        vf_flight_make("0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d11", right_key);
    flights[STRANGER_WRONG_BOTH] =
        vf_flight_make("0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d11", wrong_key);
    flights[STRANGER_HUGE] = g_byte_array_new();
    g_byte_array_set_size(flights[STRANGER_HUGE], 16000);
    memset(flights[STRANGER_HUGE]->data, 0, 16000);
    memcpy(flights[STRANGER_HUGE]->data, huge_record, sizeof huge_record);
    flights[STRANGER_REPLAY] = vf_flight_make(VF_PAIR_JOB, right_key);
}

static gpointer
keep_door(gpointer data)
{
    Door *door = data;

    door->channel =
        vf_reception_wait(door->listener, door->tls, door->handshake_ms, door->timeout_ms,
                          door->cancel, NULL, &door->peer, &door->error);
    return NULL;
}

static GThread *
door_open(Door *door, guint timeout_ms, guint handshake_ms)
{
    *door = (Door){.cancel = vf_cancel_new(),
                   .timeout_ms = timeout_ms * vf_pair_slowness(),
                   .handshake_ms = handshake_ms * vf_pair_slowness()};
    make_flights(door->flights);
    door->tls = vf_tls_new(VF_ROLE_DESTINATION, VF_PAIR_JOB, right_key, &door->error);
    g_assert_no_error(door->error);
    door->listener = vf_link_listen("127.0.0.1", 0, 0, &door->port, &door->error);
    g_assert_no_error(door->error);
    return g_thread_new("door", keep_door, door);
}

static void
door_close(Door *door)
{
    vf_io_clear_fd(&door->listener);
    g_clear_pointer(&door->channel, vf_channel_free);
    g_clear_error(&door->error);
    vf_tls_free(door->tls);
    g_free(door->peer);
    vf_cancel_free(door->cancel);
    for (guint i = 0; i < N_STRANGERS; i++)
        g_byte_array_unref(door->flights[i]);
}

static int
visit(Door *door, Stranger stranger)
{
    g_autoptr(GError) error = NULL;
    const GByteArray *flight = door->flights[stranger];
    int fd = vf_link_connect("127.0.0.1", door->port, 20000, door->cancel, &error);

    g_assert_no_error(error);
    /* one that was shown the door before it said all is refused as well */
    g_assert_true(send(fd, flight->data, flight->len, MSG_NOSIGNAL) == (ssize_t)flight->len ||
                  errno == ECONNRESET || errno == EPIPE);
    return fd;
}

static VfChannel *
call(Door *door, const char *job, const guint8 *key, GError **error)
{
    g_autoptr(VfTls) tls = vf_tls_new(VF_ROLE_SOURCE, job, key, error);

    return tls ? vf_caller_reach("127.0.0.1", door->port, tls, 10000 * vf_pair_slowness(),
                                 20000 * vf_pair_slowness(), door->cancel, error)
               : NULL;
}

/* The right one calls, and what it says next arrives. */
static void
call_rightly(Door *door, GThread *thread)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfChannel) channel = call(door, VF_PAIR_JOB, right_key, &error);
    struct pollfd polled;
    char next[4];
    gsize n = 0;

    g_assert_no_error(error);
    g_assert_cmpint(vf_channel_write(channel, "next", 4, &n, &error), ==, VF_CHANNEL_DONE);
    g_assert_cmpuint(n, ==, 4);
    g_assert_cmpint(vf_channel_flush(channel, &error), ==, VF_CHANNEL_DONE);
    g_thread_join(thread);
    g_assert_no_error(door->error);
    g_assert_cmpstr(door->peer, ==, "127.0.0.1");
    while (vf_channel_read(door->channel, next, sizeof next, &n, &error) == VF_CHANNEL_WAIT) {
        polled = (struct pollfd){.fd = vf_channel_get_fd(door->channel), .events = POLLIN};
        g_assert_cmpint(poll(&polled, 1, 10000), ==, 1);
    }
    g_assert_cmpmem(next, n, "next", 4);
}

/* At most that it has the wrong key. One that repeats what the source said gets the answer to it,
 * which says nothing to who has not the key. */
static void
expect_nothing_learnt(int fd, Stranger stranger)
{
    g_autoptr(GByteArray) heard = NULL;

    /* the kernel does not even tell one that never spoke that nobody listens any more */
    if (stranger == STRANGER_SILENT)
        (void)send(fd, "", 1, MSG_NOSIGNAL);
    heard = vf_flight_hear(fd);
    if (stranger == STRANGER_SILENT || stranger == STRANGER_HALF)
        g_assert_cmpuint(heard->len, ==, 0);
    else if (stranger != STRANGER_REPLAY && heard->len > 0)
        g_assert_cmpuint(heard->len, ==, ALERT_SIZE);
}

/* Strangers of every kind come first, and stay. */
static void
test_strangers(void)
{
    Door door;
    GThread *thread = door_open(&door, 20000, 20000);
    gint64 start = g_get_monotonic_time();
    int strangers[N_STRANGERS];

    for (guint i = 0; i < N_STRANGERS; i++)
        strangers[i] = visit(&door, (Stranger)i);
    call_rightly(&door, thread);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC * vf_pair_slowness());
    vf_io_clear_fd(&door.listener);
    for (guint i = 0; i < N_STRANGERS; i++) {
        expect_nothing_learnt(strangers[i], (Stranger)i);
        close(strangers[i]);
    }
    door_close(&door);
}

/* Nobody can tell from the answer which jobs there are. */
static void
test_same_answer(void)
{
    static const Stranger wrong[] = {STRANGER_WRONG_KEY, STRANGER_WRONG_NAME, STRANGER_WRONG_BOTH};
    Door door;
    GThread *thread = door_open(&door, 20000, 20000);
    g_autoptr(GByteArray) first = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        vf_autofd int fd = visit(&door, wrong[i]);
        g_autoptr(GByteArray) heard = vf_flight_hear(fd);
        g_assert_cmpuint(heard->len, ==, ALERT_SIZE);
        if (!first)
            first = g_byte_array_ref(heard);
        g_assert_cmpmem(heard->data, heard->len, first->data, first->len);
    }
    call_rightly(&door, thread);
    door_close(&door);
}

static void
test_told(void)
{
    Door door;
    GThread *thread = door_open(&door, 20000, 20000);
    g_autoptr(GError) error = NULL;

    g_assert_null(call(&door, VF_PAIR_JOB, wrong_key, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "does not have this job's key"));
    g_clear_error(&error);
    g_assert_null(call(&door, "another", right_key, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "does not have this job's key"));
    call_rightly(&door, thread);
    door_close(&door);
}

static void
test_slow_strangers_leave(void)
{
    Door door;
    GThread *thread = door_open(&door, 20000, 200);
    vf_autofd int silent = visit(&door, STRANGER_SILENT);
    vf_autofd int half = visit(&door, STRANGER_HALF);
    vf_autofd int replay = visit(&door, STRANGER_REPLAY);

    expect_nothing_learnt(half, STRANGER_HALF);
    expect_nothing_learnt(replay, STRANGER_REPLAY);
    expect_nothing_learnt(silent, STRANGER_SILENT);
    call_rightly(&door, thread);
    door_close(&door);
}

/* All of what the right one said before its connection broke, said again. */
static void
test_replay(void)
{
    static const VfProxyPlan relay = {VF_PROXY_RELAY};
    Door door;
    GThread *thread = door_open(&door, 20000, 20000);
    guint16 port = 0;
    guint16 door_port = door.port;
    VfProxy *proxy = vf_proxy_new(&relay, VF_PAIR_JOB, right_key, &port);
    const GByteArray *said;

    vf_proxy_start(proxy, door.port);
    door.port = port;
    call_rightly(&door, thread);
    door_close(&door);
    vf_proxy_end(proxy);
    said = vf_proxy_get_record(proxy, VF_ROLE_SOURCE);
    g_assert_cmpuint(said->len, >, 300);

    thread = door_open(&door, 20000, 500);
    g_assert_cmpuint(door.port, !=, 0);
    g_assert_cmpuint(door_port, !=, 0);
    {
        vf_autofd int again = vf_link_connect("127.0.0.1", door.port, 5000, door.cancel, NULL);
        g_autoptr(GByteArray) heard = NULL;
        g_assert_cmpint(send(again, said->data, said->len, MSG_NOSIGNAL), ==, (gssize)said->len);
        heard = vf_flight_hear(again);
    }
    g_assert_null(door.channel);
    call_rightly(&door, thread);
    vf_proxy_free(proxy);
    door_close(&door);
}

/* The key opens one connection: the next one finds nobody, and a second call of the right one in
 * the meantime gets nowhere. */
static void
test_single_use(void)
{
    Door door;
    GThread *thread = door_open(&door, 20000, 20000);
    g_autoptr(GError) error = NULL;

    call_rightly(&door, thread);
    vf_io_clear_fd(&door.listener);
    g_assert_null(call(&door, VF_PAIR_JOB, right_key, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    door_close(&door);
}

static void
allow_many_fds(void)
{
    struct rlimit limit;

    g_assert_no_errno(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &limit));
    g_assert_cmpuint(limit.rlim_cur, >, MANY + 200);
}

/* A thousand strangers of all kinds, none of whom leaves by itself: the right one gets in among
 * them, and the memory in use is that of a houseful, however many have come. */
static void
test_thousand_strangers(void)
{
    Door door;
    GThread *thread;
    g_autofree int *strangers = g_new(int, MANY);
    gint64 start = g_get_monotonic_time();
    /* 0 where a sanitizer or valgrind keeps the heap, which find a leak by themselves */
    gsize before = mallinfo2().uordblks;
    gsize peak = 0;

    allow_many_fds();
    thread = door_open(&door, 120000, 5000);
    for (guint i = 0; i < MANY; i++) {
        strangers[i] = visit(&door, (Stranger)(i % N_STRANGERS));
        peak = MAX(peak, mallinfo2().uordblks);
    }
    g_test_message("%d strangers in %.1f s: heap in use %zu before, at most %zu", MANY,
                   (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC, before, peak);
    g_assert_cmpuint(peak, <, before + VF_RECEPTION_STRANGERS_MAX * GUEST_BYTES_MAX);
    start = g_get_monotonic_time();
    call_rightly(&door, thread);
    g_test_message("the right one got in within %.2f s",
                   (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC * vf_pair_slowness());
    vf_io_clear_fd(&door.listener);
    for (guint i = 0; i < MANY; i++) {
        expect_nothing_learnt(strangers[i], (Stranger)(i % N_STRANGERS));
        close(strangers[i]);
    }
    door_close(&door);
    g_test_message("heap in use %zu afterwards", mallinfo2().uordblks);
    g_assert_cmpuint(mallinfo2().uordblks, <, before + GUEST_BYTES_MAX);
}

typedef struct {
    Door *door;
    gint stop;
} Crowd;

/* Comes as fast as it can, and stays as long as it may. */
static gpointer
crowd_in(gpointer data)
{
    Crowd *crowd = data;
    int fds[64];
    guint n = 0;

    memset(fds, -1, sizeof fds);
    while (!g_atomic_int_get(&crowd->stop)) {
        guint at = n++ % G_N_ELEMENTS(fds);
        Stranger stranger = n % 3 == 0   ? STRANGER_HALF
                            : n % 3 == 1 ? STRANGER_WRONG_KEY
                                         : STRANGER_REPLAY;
        vf_io_clear_fd(&fds[at]);
        fds[at] = vf_link_connect("127.0.0.1", crowd->door->port, 1000, crowd->door->cancel, NULL);
        if (fds[at] >= 0)
            (void)send(fds[at], crowd->door->flights[stranger]->data,
                       crowd->door->flights[stranger]->len, MSG_NOSIGNAL);
    }
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        vf_io_clear_fd(&fds[i]);
    return GUINT_TO_POINTER(n);
}

/* A door that is never quiet, with somebody among them who repeats what the source says. */
static void
test_crowd(void)
{
    Door door;
    GThread *thread = door_open(&door, 60000, 5000);
    Crowd crowd = {.door = &door};
    GThread *crowd_thread = g_thread_new("crowd", crowd_in, &crowd);
    gint64 start;

    g_usleep(500 * 1000);
    start = g_get_monotonic_time();
    call_rightly(&door, thread);
    g_test_message("the right one got in within %.2f s",
                   (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC);
    g_atomic_int_set(&crowd.stop, TRUE);
    g_test_message("%u strangers came", GPOINTER_TO_UINT(g_thread_join(crowd_thread)));
    door_close(&door);
}

/* The host is short of something for a moment, or a firewall has taken the first visitor away. */
static void
test_cannot_accept(void)
{
    static const int errnums[] = {ENFILE, EMFILE, ENOBUFS, ENOMEM, EPROTO, EPERM, ENETDOWN};

    for (gsize i = 0; i < G_N_ELEMENTS(errnums); i++) {
        Door door;
        GThread *thread;

        g_atomic_int_set(&accept_errnum, errnums[i]);
        g_atomic_int_set(&accept_failures, 2);
        thread = door_open(&door, 20000, 20000);
        call_rightly(&door, thread);
        g_assert_cmpint(g_atomic_int_get(&accept_failures), ==, 0);
        door_close(&door);
    }
}

/* One that is no listener stays none. */
static void
test_broken_listener(void)
{
    Door door;
    GThread *thread;
    vf_autofd int visitor = -1;

    g_atomic_int_set(&accept_errnum, EINVAL);
    g_atomic_int_set(&accept_failures, 1);
    thread = door_open(&door, 20000, 20000);
    visitor = visit(&door, STRANGER_GARBAGE);
    g_thread_join(thread);
    g_assert_null(door.channel);
    g_assert_error(door.error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_cmpint(g_atomic_int_get(&accept_failures), ==, 0);
    door_close(&door);
}

static void
test_nobody_comes(void)
{
    Door door;
    GThread *thread = door_open(&door, 200, 100);

    g_thread_join(thread);
    g_assert_null(door.channel);
    g_assert_error(door.error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    door_close(&door);
}

static void
test_cancel(void)
{
    Door door;
    GThread *thread = door_open(&door, 20000, 20000);
    vf_autofd int half G_GNUC_UNUSED = visit(&door, STRANGER_HALF);

    vf_cancel_trigger(door.cancel, VF_CANCEL_ASKED);
    g_thread_join(thread);
    g_assert_error(door.error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED);
    door_close(&door);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/reception/strangers", test_strangers);
    g_test_add_func("/engine/reception/same-answer", test_same_answer);
    g_test_add_func("/engine/reception/told", test_told);
    g_test_add_func("/engine/reception/slow-strangers", test_slow_strangers_leave);
    g_test_add_func("/engine/reception/replay", test_replay);
    g_test_add_func("/engine/reception/single-use", test_single_use);
    g_test_add_func("/engine/reception/thousand-strangers", test_thousand_strangers);
    g_test_add_func("/engine/reception/crowd", test_crowd);
    g_test_add_func("/engine/reception/cannot-accept", test_cannot_accept);
    g_test_add_func("/engine/reception/broken-listener", test_broken_listener);
    g_test_add_func("/engine/reception/nobody", test_nobody_comes);
    g_test_add_func("/engine/reception/cancel", test_cancel);
    return g_test_run();
}
