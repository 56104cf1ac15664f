/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "io.h"
#include "lane.h"
#include "pair.h"
#include "tls.h"

#define MIB (1024u * 1024u)
#define DEADLINE_US (20 * G_USEC_PER_SEC)

static const guint8 key[VF_TLS_KEY_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};

/* Two lanes, face to face, or with the test between them. */
typedef struct {
    VfLane *lanes[2];
    int ends[2];    /* of whoever moves the data */
    int between[2]; /* the test's, when it relays; -1 */
} Road;

/* One look at what comes from @from. FALSE: nothing does. */
static gboolean
carry(Road *road, guint from, gssize flip)
{
    guint8 bytes[65536];
    ssize_t n = recv(road->between[from], bytes, sizeof bytes, MSG_DONTWAIT);

    if (n <= 0)
        return FALSE;
    if (flip >= 0)
        bytes[MIN(flip, n - 1)] ^= 1;
    g_assert_cmpint(send(road->between[1 - from], bytes, (gsize)n, MSG_NOSIGNAL), ==, n);
    return TRUE;
}

static void
road_open(Road *road, gboolean relay)
{
    VfTls *tls[2];
    VfChannel *channels[2];
    VfChannelResult results[2] = {VF_CHANNEL_WAIT, VF_CHANNEL_WAIT};
    int ends[2], pair[2];

    *road = (Road){.between = {-1, -1}};
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    if (relay) {
        road->between[0] = ends[1];
        g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
        road->between[1] = pair[0];
        ends[1] = pair[1];
    }
    for (guint i = 0; i < 2; i++) {
        tls[i] = vf_tls_new((VfRole)i, VF_PAIR_JOB, key, NULL);
        channels[i] = vf_tls_wrap(tls[i], ends[i], NULL);
    }
    for (guint turn = 0; turn < 10; turn++)
        for (guint i = 0; i < 2; i++) {
            if (results[i] == VF_CHANNEL_WAIT)
                results[i] = vf_tls_handshake(channels[i], NULL);
            if (relay)
                carry(road, i, -1);
        }
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpint(results[i], ==, VF_CHANNEL_DONE);
        vf_tls_free(tls[i]);
        g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
        road->ends[i] = pair[0];
        road->lanes[i] = vf_lane_start(channels[i], pair[1]);
    }
}

static void
road_close(Road *road)
{
    for (guint i = 0; i < 2; i++) {
        g_clear_pointer(&road->lanes[i], vf_lane_free);
        vf_io_clear_fd(&road->ends[i]);
        vf_io_clear_fd(&road->between[i]);
    }
}

static guint8
pattern(gsize at)
{
    return (guint8)(at * 7 + at / 1000);
}

typedef struct {
    int fd;
    gsize size;
} Load;

/* It ends early when the lane does. */
static gpointer
put(gpointer data)
{
    const Load *load = data;
    guint8 bytes[30000];

    for (gsize done = 0; done < load->size;) {
        gsize n = MIN(load->size - done, sizeof bytes);
        ssize_t sent;

        for (gsize i = 0; i < n; i++)
            bytes[i] = pattern(done + i);
        sent = send(load->fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        done += (gsize)sent;
    }
    return NULL;
}

static void
take(int fd, gsize size)
{
    guint8 bytes[50000];

    for (gsize done = 0; done < size;) {
        ssize_t n = recv(fd, bytes, MIN(size - done, sizeof bytes), 0);

        g_assert_cmpint(n, >, 0);
        for (gssize i = 0; i < n; i++)
            if (bytes[i] != pattern(done + (gsize)i))
                g_error("byte %zu", done + (gsize)i);
        done += (gsize)n;
    }
}

static gpointer
take_thread(gpointer data)
{
    const Load *load = data;

    take(load->fd, load->size);
    return NULL;
}

static void
expect_end(int fd)
{
    guint8 byte;
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    g_assert_cmpint(poll(&polled, 1, 20000), ==, 1);
    g_assert_cmpint(recv(fd, &byte, 1, 0), ==, 0);
}

/* Both ways at once, and each byte is there and counted. */
static void
test_both_ways(void)
{
    Road road;
    Load out[2], in[2];
    GThread *threads[4];

    road_open(&road, FALSE);
    for (guint i = 0; i < 2; i++) {
        out[i] = (Load){road.ends[i], 48 * MIB + i};
        in[i] = (Load){road.ends[i], 48 * MIB + 1 - i};
        threads[i] = g_thread_new("put", put, &out[i]);
        threads[2 + i] = g_thread_new("take", take_thread, &in[i]);
    }
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < 2; i++) {
        g_assert_true(vf_lane_check(road.lanes[i], NULL));
        g_assert_cmpuint(vf_lane_get_received(road.lanes[i]), ==, in[i].size);
    }
    road_close(&road);
}

/* As much as fits until @fd has not taken any for a while. */
static gsize
stuff(int fd)
{
    guint8 bytes[30000];
    gsize done = 0;
    struct pollfd polled = {.fd = fd, .events = POLLOUT};

    while (poll(&polled, 1, 300) == 1) {
        ssize_t n;

        for (gsize i = 0; i < sizeof bytes; i++)
            bytes[i] = pattern(done + i);
        n = send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            done += (gsize)n;
        g_assert_cmpuint(done, <, 8 * MIB);
    }
    return done;
}

/* Nobody takes what comes: the one who sends is held up, in one direction, and nothing is lost. */
static void
test_back_pressure(void)
{
    Road road;
    gsize done;

    road_open(&road, FALSE);
    done = stuff(road.ends[0]);
    g_test_message("%zu bytes on their way", done);
    g_assert_cmpuint(done, >, 0);
    put(&(Load){road.ends[1], MIB / 16});
    take(road.ends[0], MIB / 16);
    take(road.ends[1], done);
    g_assert_cmpuint(vf_lane_get_received(road.lanes[1]), ==, done);
    road_close(&road);
}

/* One direction ends, and the other goes on until it does. */
static void
test_half_close(void)
{
    for (guint first = 0; first < 2; first++) {
        Road road;

        road_open(&road, FALSE);
        put(&(Load){road.ends[first], 1000});
        shutdown(road.ends[first], SHUT_WR);
        take(road.ends[1 - first], 1000);
        expect_end(road.ends[1 - first]);
        put(&(Load){road.ends[1 - first], 100000});
        take(road.ends[first], 100000);
        shutdown(road.ends[1 - first], SHUT_WR);
        expect_end(road.ends[first]);
        for (guint i = 0; i < 2; i++)
            g_assert_true(vf_lane_check(road.lanes[i], NULL));
        road_close(&road);
    }
}

static void
await_error(VfLane *lane, GError **error)
{
    gint64 end = g_get_monotonic_time() + DEADLINE_US * vf_pair_slowness();

    while (vf_lane_check(lane, error)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* The other side goes, without a word: it is said, and nobody waits here for what does not come. */
static void
test_cut(void)
{
    g_autoptr(GError) error = NULL;
    Road road;

    road_open(&road, FALSE);
    put(&(Load){road.ends[0], 1000});
    take(road.ends[1], 1000);
    g_clear_pointer(&road.lanes[0], vf_lane_free);
    expect_end(road.ends[1]);
    await_error(road.lanes[1], &error);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "cut off"));
    road_close(&road);
}

static void
test_damage(void)
{
    g_autoptr(GError) error = NULL;
    Road road;

    road_open(&road, TRUE);
    put(&(Load){road.ends[0], 100});
    while (!carry(&road, 0, -1))
        g_usleep(1000);
    take(road.ends[1], 100);
    put(&(Load){road.ends[0], 100});
    while (!carry(&road, 0, 50))
        g_usleep(1000);
    expect_end(road.ends[1]);
    await_error(road.lanes[1], &error);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "changed on the way"));
    road_close(&road);
}

/* Who moves the data here goes in the middle: that is no fault of the other side's. */
static void
test_own_socket(void)
{
    g_autoptr(GError) error = NULL;
    Road road;
    gsize done;

    road_open(&road, FALSE);
    done = stuff(road.ends[0]);
    g_assert_cmpuint(done, >, 0);
    vf_io_clear_fd(&road.ends[1]);
    await_error(road.lanes[1], &error);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "whoever moves the data here"));
    road_close(&road);
}

/* It does not wait for anybody: not for one that sends without end, and not for one that does not
 * take what comes. */
static void
test_free_while_busy(void)
{
    for (guint jammed = 0; jammed < 2; jammed++) {
        Road road;
        Load load;
        GThread *thread;
        gint64 began;

        road_open(&road, FALSE);
        load = (Load){road.ends[0], 1024 * MIB};
        thread = g_thread_new("put", put, &load);
        if (!jammed)
            take(road.ends[1], MIB);
        else
            g_usleep(50000);
        began = g_get_monotonic_time();
        g_clear_pointer(&road.lanes[jammed], vf_lane_free);
        g_assert_cmpint(g_get_monotonic_time() - began, <, DEADLINE_US);
        g_clear_pointer(&road.lanes[1 - jammed], vf_lane_free);
        g_thread_join(thread);
        road_close(&road);
    }
}

/* It works while there is something to do, and not because somebody has gone or is slow. */
static void
test_rests(void)
{
    for (guint how = 0; how < 3; how++) {
        struct timespec before, after;
        gint64 spent;
        Road road;

        road_open(&road, FALSE);
        if (how > 0)
            stuff(road.ends[0]);
        if (how > 1) { /* whose end hangs up while its buffer is full */
            shutdown(road.ends[0], SHUT_RDWR);
            shutdown(road.ends[1], SHUT_WR);
        }
        g_usleep(50000);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
        g_usleep(300000);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
        spent = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
        g_assert_cmpint(spent, <, 100000 * vf_pair_slowness());
        road_close(&road);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/lane/both-ways", test_both_ways);
    g_test_add_func("/engine/lane/back-pressure", test_back_pressure);
    g_test_add_func("/engine/lane/half-close", test_half_close);
    g_test_add_func("/engine/lane/cut", test_cut);
    g_test_add_func("/engine/lane/damage", test_damage);
    g_test_add_func("/engine/lane/own-socket", test_own_socket);
    g_test_add_func("/engine/lane/free-while-busy", test_free_while_busy);
    g_test_add_func("/engine/lane/rests", test_rests);
    return g_test_run();
}
