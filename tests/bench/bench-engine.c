/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* How much of what the machine can do a session does.
 *
 * The session: vf_source_run() and vf_destination_run() in two threads, over TCP on loopback, with
 * devices in memory whose state is in a memfd: connect, hello, stop, every byte, load, commit with
 * both records on disk, start. The rival, in the same run and by turns: two threads and one TCP
 * connection with the same socket options; one preads the same memfd in the same pieces of 1 MiB,
 * hashes each with XXH3-64 and sends it; the other receives each, hashes it and pwrites it to the
 * other memfd, and answers with one byte at the end. It has no frames, no poll, no heartbeats, no
 * cancel and no records. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gstdio.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "destination.h"
#include "error.h"
#include "io.h"
#include "link.h"
#include "memory.h"
#include "source.h"

#define PIECE (1024 * 1024)
#define TARGET 0.85
#define ROUNDS_MIN 5

typedef struct {
    VfMemory *source;
    VfMemory *destination;
    guint64 size;
} Bench;

static void
check(gboolean ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench-engine: %s: %s\n", what, g_strerror(errno));
    exit(3);
}

/* The session */

static VfSession *
make_session(VfMemory *device)
{
    g_autoptr(GPtrArray) backends = g_ptr_array_new();
    g_autofree char *path = NULL;
    VfSession *session;
    int fd = g_file_open_tmp("vferry-bench-XXXXXX", &path, NULL);

    check(fd >= 0, "record");
    g_unlink(path);
    g_ptr_array_add(backends, vf_memory_open(device));
    session = vf_session_new(vf_devices_new(backends), vf_record_new_from_fd(fd));
    session->config.job = g_strdup("bench");
    session->config.address = g_strdup("127.0.0.1");
    session->config.features = g_new0(char *, 1);
    session->config.accept_seconds = 30;
    return session;
}

typedef struct {
    VfSession *session;
    GAsyncQueue *ports;
    VfOutcome outcome;
} DestinationThread;

static void
on_listening(const char *address, guint16 port, gpointer data)
{
    DestinationThread *thread = data;

    g_async_queue_push(thread->ports, GUINT_TO_POINTER((guint)port));
}

static gpointer
run_destination(gpointer data)
{
    DestinationThread *thread = data;

    vf_destination_run(thread->session, &thread->outcome);
    return NULL;
}

static void
check_outcome(const VfOutcome *outcome)
{
    if (outcome->kind == VF_OUTCOME_COMPLETED)
        return;
    fprintf(stderr, "bench-engine: %s\n", outcome->error->message);
    exit(3);
}

/* Seconds. */
static double
run_session(Bench *bench)
{
    g_autoptr(GAsyncQueue) ports = g_async_queue_new();
    g_autoptr(VfSession) source = make_session(bench->source);
    g_autoptr(VfSession) destination = make_session(bench->destination);
    DestinationThread thread = {.session = destination, .ports = ports};
    g_auto(VfOutcome) outcome = {0};
    g_autoptr(VfBackend) again = NULL;
    GThread *other;
    gint64 start;
    gint64 end;

    destination->events = (VfSessionEvents){.listening = on_listening, .data = &thread};
    other = g_thread_new("destination", run_destination, &thread);
    source->config.port = (guint16)GPOINTER_TO_UINT(g_async_queue_pop(ports));
    start = g_get_monotonic_time();
    vf_source_run(source, &outcome);
    end = g_get_monotonic_time();
    g_thread_join(other);
    check_outcome(&outcome);
    check_outcome(&thread.outcome);
    vf_outcome_clear(&thread.outcome);
    /* for the next round */
    again = vf_memory_open(bench->source);
    check(vf_backend_set_state(again, VF_STATE_RUNNING, NULL), "return");
    return (double)(end - start) / G_USEC_PER_SEC;
}

/* The rival */

typedef struct {
    Bench *bench;
    int fd;
    XXH64_hash_t hash;
} BareThread;

static guint8 *
make_buffer(void)
{
    guint8 *buffer = g_aligned_alloc(1, PIECE, 4096);

    memset(buffer, 1, PIECE);
    return buffer;
}

static gpointer
receive_bare(gpointer data)
{
    BareThread *thread = data;
    guint8 *buffer = make_buffer();
    int memory = vf_memory_get_fd(thread->bench->destination);

    for (guint64 done = 0; done < thread->bench->size; done += PIECE) {
        gsize have = 0;
        while (have < PIECE) {
            ssize_t n = recv(thread->fd, buffer + have, PIECE - have, 0);
            check(n > 0, "recv");
            have += (gsize)n;
        }
        thread->hash ^= XXH3_64bits(buffer, PIECE);
        check(pwrite(memory, buffer, PIECE, (off_t)done) == PIECE, "pwrite");
    }
    check(write(thread->fd, "", 1) == 1, "answer");
    g_aligned_free(buffer);
    return NULL;
}

static XXH64_hash_t
send_bare(Bench *bench, int fd)
{
    guint8 *buffer = make_buffer();
    int memory = vf_memory_get_fd(bench->source);
    XXH64_hash_t hash = 0;
    char answer;

    for (guint64 done = 0; done < bench->size; done += PIECE) {
        gsize sent = 0;
        check(pread(memory, buffer, PIECE, (off_t)done) == PIECE, "pread");
        hash ^= XXH3_64bits(buffer, PIECE);
        while (sent < PIECE) {
            ssize_t n = send(fd, buffer + sent, PIECE - sent, MSG_NOSIGNAL);
            check(n > 0, "send");
            sent += (gsize)n;
        }
    }
    check(read(fd, &answer, 1) == 1, "answer");
    g_aligned_free(buffer);
    return hash;
}

static void
set_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    check(flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0, "fcntl");
}

static double
run_bare(Bench *bench)
{
    g_autoptr(VfCancel) cancel = vf_cancel_new();
    g_autofree char *peer = NULL;
    guint16 port = 0;
    vf_autofd int listener = vf_link_listen("127.0.0.1", 0, 0, &port, NULL);
    vf_autofd int fd = vf_link_connect("127.0.0.1", port, 5000, cancel, NULL);
    vf_autofd int accepted = vf_link_accept(listener, &peer);
    BareThread thread = {.bench = bench, .fd = accepted};
    GThread *other;
    XXH64_hash_t hash;
    gint64 start;
    gint64 end;

    check(fd >= 0 && accepted >= 0, "connect");
    set_blocking(fd);
    set_blocking(accepted);
    start = g_get_monotonic_time();
    other = g_thread_new("receiver", receive_bare, &thread);
    hash = send_bare(bench, fd);
    end = g_get_monotonic_time();
    g_thread_join(other);
    check(hash == thread.hash, "checksum");
    return (double)(end - start) / G_USEC_PER_SEC;
}

/* Figures */

static int
compare_doubles(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double
median(double *values, guint n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* tests/bench/README.md */
static void
report(double ratio, double session_rate, double bare_rate, guint rounds, guint64 size)
{
    printf("{\"figure\": \"loopback\", \"value\": %.3f, \"unit\": \"ratio\", "
           "\"target\": %.2f, \"better\": \"higher\", "
           "\"measured\": {\"value\": %.2f, \"unit\": \"GB/s\"}, "
           "\"against\": {\"what\": \"bare read+send, recv+write, XXH3 in both\", "
           "\"value\": %.2f, \"unit\": \"GB/s\"}}\n",
           ratio, TARGET, session_rate, bare_rate);
    fprintf(stderr,
            "a session moves %.2f GB/s, a bare loop %.2f GB/s: %.3f (target >= %.2f; medians of %u "
            "rounds of %" G_GUINT64_FORMAT " MiB)\n",
            session_rate, bare_rate, ratio, TARGET, rounds, size >> 20);
}

static void
run_rounds(Bench *bench, guint rounds)
{
    g_autofree double *ratios = g_new(double, rounds);
    g_autofree double *session_rates = g_new(double, rounds);
    g_autofree double *bare_rates = g_new(double, rounds);

    /* once each to warm up, then by turns, either first */
    run_bare(bench);
    run_session(bench);
    for (guint i = 0; i < rounds; i++) {
        double bare = i % 2 ? run_bare(bench) : 0;
        double session = run_session(bench);
        bare = i % 2 ? bare : run_bare(bench);
        ratios[i] = bare / session;
        session_rates[i] = (double)bench->size / session / 1e9;
        bare_rates[i] = (double)bench->size / bare / 1e9;
    }
    report(median(ratios, rounds), median(session_rates, rounds), median(bare_rates, rounds),
           rounds, bench->size);
}

int
main(int argc, char **argv)
{
    int mib = 2048;
    int rounds = 7;
    const GOptionEntry entries[] = {
        {"size", 0, 0, G_OPTION_ARG_INT, &mib, "MiB of device state (2048)", "MIB"},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Rounds, at least 5 (7)", "N"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    VfMemoryOptions options = {.flags = VF_BACKEND_STOP_COPY, .seed = 1, .no_trailer = TRUE};
    Bench bench;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 || mib < 1 ||
        rounds < ROUNDS_MIN) {
        fprintf(stderr, "bench-engine: %s\n", error ? error->message : "see --help");
        return 3;
    }
    options.size = (guint64)mib << 20;
    bench = (Bench){vf_memory_new(&options), vf_memory_new(&options), options.size};
    run_rounds(&bench, (guint)rounds);
    vf_memory_free(bench.source);
    vf_memory_free(bench.destination);
    return 0;
}
