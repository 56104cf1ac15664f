/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

/* How much of what the machine can do a session does.
 *
 * The session: vf_source_run() and vf_destination_run() in two threads, over TCP on loopback, with
 * devices in memory whose state is in a memfd: hello, stop, every byte, load, commit with both
 * records on disk, start; over TLS as the mover does it, from the connect on, and over a channel
 * without it, which shows what the session itself costs. The rivals, in the same run and by turns:
 * two threads and one TCP connection with the same socket options; one preads the same memfd in the
 * same pieces of 1 MiB and sends them, the other receives each, pwrites it to the other memfd, and
 * answers with one byte at the end. They have no frames, no poll, no heartbeats, no cancel and no
 * records. The plain one hashes each piece on both sides with XXH3-64, because it is the checksum
 * of frames that finds damage there; with TLS the cipher does, and its rival, GnuTLS over blocking
 * sockets with the cipher of the session and its handshake not counted, hashes nothing. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "destination.h"
#include "error.h"
#include "io.h"
#include "link.h"
#include "memory.h"
#include "source.h"

#define PIECE (1024 * 1024)
#define ROUNDS_MIN 5

typedef struct {
    VfMemory *source;
    VfMemory *destination;
    guint64 size;
} Bench;

typedef struct {
    const char *name;
    const char *against;
    double target;
    gboolean tls;
} Figure;

static const Figure figures[] = {
    {"plain", "bare read+send, recv+write, XXH3 in both", 0.9, FALSE},
    {"tls", "bare GnuTLS read+send, recv+write", 0.85, TRUE},
};

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
    VfSessionEnd end;
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

    vf_destination_run(thread->session, &thread->end);
    return NULL;
}

static void
check_outcome(const VfSessionEnd *end)
{
    if (end->kind == VF_SESSION_COMPLETED)
        return;
    fprintf(stderr, "bench-engine: %s\n", end->error->message);
    exit(3);
}

typedef struct {
    int caller;
    int called;
} Link;

static Link
make_link(void)
{
    g_autoptr(VfCancel) cancel = vf_cancel_new();
    g_autofree char *peer = NULL;
    guint16 port = 0;
    vf_autofd int listener = vf_link_listen("127.0.0.1", 0, 0, &port, NULL);
    Link link = {.caller = vf_link_connect("127.0.0.1", port, 5000, cancel, NULL)};

    check(link.caller >= 0, "connect");
    /* the listener keeps back who says nothing */
    check(send(link.caller, "", 1, MSG_NOSIGNAL) == 1, "send");
    while ((link.called = vf_link_accept(listener, &peer)) < 0 && errno == EAGAIN)
        g_usleep(100);
    check(link.called >= 0, "accept");
    check(recv(link.called, &(char){0}, 1, MSG_WAITALL) == 1, "recv");
    return link;
}

/* What a run took: of the clock, and, which a busy machine says less about, of its processors. */
typedef struct {
    double seconds;
    double cpu;
} Cost;

static Cost
now(void)
{
    struct timespec cpu;

    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0, "clock");
    return (Cost){(double)g_get_monotonic_time() / G_USEC_PER_SEC,
                  (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9};
}

static Cost
since(Cost start)
{
    Cost end = now();

    return (Cost){end.seconds - start.seconds, end.cpu - start.cpu};
}

static Cost
run_session(Bench *bench, const Figure *figure)
{
    g_autoptr(GAsyncQueue) ports = g_async_queue_new();
    g_autoptr(VfSession) source = make_session(bench->source);
    g_autoptr(VfSession) destination = make_session(bench->destination);
    DestinationThread thread = {.session = destination, .ports = ports};
    g_auto(VfSessionEnd) end = {0};
    g_autoptr(VfBackend) again = NULL;
    GThread *other;
    Cost start;
    Cost cost;

    destination->events = (VfSessionEvents){.listening = on_listening, .data = &thread};
    if (!figure->tls) {
        Link link = make_link();
        source->channel = vf_channel_new_plain(link.caller);
        destination->channel = vf_channel_new_plain(link.called);
    }
    other = g_thread_new("destination", run_destination, &thread);
    if (figure->tls)
        source->config.port = (guint16)GPOINTER_TO_UINT(g_async_queue_pop(ports));
    start = now();
    vf_source_run(source, &end);
    cost = since(start);
    g_thread_join(other);
    check_outcome(&end);
    check_outcome(&thread.end);
    vf_session_end_clear(&thread.end);
    /* for the next round */
    again = vf_memory_open(bench->source);
    check(vf_backend_set_state(again, VF_STATE_STOP, VF_STATE_RUNNING, NULL), "return");
    return cost;
}

/* The rivals */

typedef struct {
    Bench *bench;
    int fd;
    gnutls_session_t tls; /* NULL without */
    XXH64_hash_t hash;
} Bare;

static guint8 *
make_buffer(void)
{
    guint8 *buffer = g_aligned_alloc(1, PIECE, 4096);

    memset(buffer, 1, PIECE);
    return buffer;
}

static gsize
receive_some(Bare *bare, void *buffer, gsize size)
{
    ssize_t n =
        bare->tls ? gnutls_record_recv(bare->tls, buffer, size) : recv(bare->fd, buffer, size, 0);

    check(n > 0, "recv");
    return (gsize)n;
}

static gsize
send_some(Bare *bare, const void *data, gsize size)
{
    ssize_t n = bare->tls ? gnutls_record_send(bare->tls, data, size)
                          : send(bare->fd, data, size, MSG_NOSIGNAL);

    check(n > 0, "send");
    return (gsize)n;
}

static void
hash_piece(Bare *bare, const void *piece)
{
    if (!bare->tls)
        bare->hash ^= XXH3_64bits(piece, PIECE);
}

static gpointer
receive_bare(gpointer data)
{
    Bare *bare = data;
    guint8 *buffer = make_buffer();
    int memory = vf_memory_get_fd(bare->bench->destination);

    if (bare->tls)
        check(gnutls_handshake(bare->tls) == 0, "handshake");
    for (guint64 done = 0; done < bare->bench->size; done += PIECE) {
        for (gsize have = 0; have < PIECE;)
            have += receive_some(bare, buffer + have, PIECE - have);
        hash_piece(bare, buffer);
        check(pwrite(memory, buffer, PIECE, (off_t)done) == PIECE, "pwrite");
    }
    send_some(bare, "", 1);
    g_aligned_free(buffer);
    return NULL;
}

static void
send_bare(Bare *bare)
{
    guint8 *buffer = make_buffer();
    int memory = vf_memory_get_fd(bare->bench->source);
    char answer;

    for (guint64 done = 0; done < bare->bench->size; done += PIECE) {
        check(pread(memory, buffer, PIECE, (off_t)done) == PIECE, "pread");
        hash_piece(bare, buffer);
        for (gsize sent = 0; sent < PIECE;)
            sent += send_some(bare, buffer + sent, PIECE - sent);
    }
    receive_some(bare, &answer, 1);
    g_aligned_free(buffer);
}

static void
set_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    check(flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0, "fcntl");
}

static int
give_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
    key->data = gnutls_calloc(1, 32);
    key->size = 32;
    return 0;
}

/* What both ends of a bare TLS connection stand on. */
typedef struct {
    gnutls_psk_client_credentials_t client;
    gnutls_psk_server_credentials_t server;
} Credentials;

static gnutls_session_t
make_bare_tls(Credentials *credentials, gboolean client, int fd)
{
    gnutls_session_t tls;

    check(gnutls_init(&tls, client ? GNUTLS_CLIENT : GNUTLS_SERVER | GNUTLS_NO_TICKETS) == 0 &&
              gnutls_priority_set_direct(tls,
                                         "NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+ECDHE-PSK:"
                                         "+GROUP-X25519:+SIGN-EDDSA-ED25519",
                                         NULL) == 0 &&
              gnutls_credentials_set(tls, GNUTLS_CRD_PSK,
                                     client ? (gpointer)credentials->client
                                            : (gpointer)credentials->server) == 0,
          "TLS");
    gnutls_transport_set_int(tls, fd);
    return tls;
}

static void
make_credentials(Credentials *credentials)
{
    guint8 zeros[32] = {0};
    gnutls_datum_t key = {zeros, sizeof zeros};

    check(gnutls_psk_allocate_client_credentials(&credentials->client) == 0 &&
              gnutls_psk_set_client_credentials(credentials->client, "bench", &key,
                                                GNUTLS_PSK_KEY_RAW) == 0 &&
              gnutls_psk_allocate_server_credentials(&credentials->server) == 0,
          "TLS");
    gnutls_psk_set_server_credentials_function(credentials->server, give_key);
}

static Cost
run_bare(Bench *bench, const Figure *figure)
{
    Link link = make_link();
    vf_autofd int caller = link.caller;
    vf_autofd int called = link.called;
    Bare source = {.bench = bench, .fd = caller};
    Bare destination = {.bench = bench, .fd = called};
    Credentials credentials = {0};
    GThread *other;
    Cost start;
    Cost cost;

    set_blocking(caller);
    set_blocking(called);
    if (figure->tls) {
        make_credentials(&credentials);
        source.tls = make_bare_tls(&credentials, TRUE, caller);
        destination.tls = make_bare_tls(&credentials, FALSE, called);
    }
    other = g_thread_new("receiver", receive_bare, &destination);
    if (figure->tls)
        check(gnutls_handshake(source.tls) == 0, "handshake");
    start = now();
    send_bare(&source);
    cost = since(start);
    g_thread_join(other);
    check(source.hash == destination.hash, "checksum");
    g_clear_pointer(&source.tls, gnutls_deinit);
    g_clear_pointer(&destination.tls, gnutls_deinit);
    g_clear_pointer(&credentials.client, gnutls_psk_free_client_credentials);
    g_clear_pointer(&credentials.server, gnutls_psk_free_server_credentials);
    return cost;
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
report(const Figure *figure, double ratio, double session_rate, double bare_rate)
{
    printf("{\"figure\": \"%s\", \"value\": %.3f, \"unit\": \"ratio\", "
           "\"target\": %.2f, \"better\": \"higher\", "
           "\"measured\": {\"value\": %.2f, \"unit\": \"GB/s\"}, "
           "\"against\": {\"what\": \"%s\", \"value\": %.2f, \"unit\": \"GB/s\"}}\n",
           figure->name, ratio, figure->target, session_rate, figure->against, bare_rate);
}

static void
run_rounds(Bench *bench, const Figure *figure, guint rounds)
{
    g_autofree double *ratios = g_new(double, rounds);
    g_autofree double *session_rates = g_new(double, rounds);
    g_autofree double *bare_rates = g_new(double, rounds);

    /* once each to warm up, then by turns, either first */
    run_bare(bench, figure);
    run_session(bench, figure);
    for (guint i = 0; i < rounds; i++) {
        Cost bare = i % 2 ? run_bare(bench, figure) : (Cost){0};
        Cost session = run_session(bench, figure);
        bare = i % 2 ? bare : run_bare(bench, figure);
        ratios[i] = bare.seconds / session.seconds;
        session_rates[i] = (double)bench->size / session.seconds / 1e9;
        bare_rates[i] = (double)bench->size / bare.seconds / 1e9;
        fprintf(stderr,
                "%s, round %u: %.2f GB/s, bare %.2f GB/s; processor time %.2f s, bare %.2f s\n",
                figure->name, i + 1, session_rates[i], bare_rates[i], session.cpu, bare.cpu);
    }
    report(figure, median(ratios, rounds), median(session_rates, rounds),
           median(bare_rates, rounds));
}

int
main(int argc, char **argv)
{
    int mib = 1024;
    int rounds = 7;
    const GOptionEntry entries[] = {
        {"size", 0, 0, G_OPTION_ARG_INT, &mib, "MiB of device state (1024)", "MIB"},
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
    for (gsize i = 0; i < G_N_ELEMENTS(figures); i++)
        run_rounds(&bench, &figures[i], (guint)rounds);
    vf_memory_free(bench.source);
    vf_memory_free(bench.destination);
    return 0;
}
