/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "destination.h"
#include "error.h"
#include "io.h"
#include "marks.h"
#include "source.h"

/* What a side says at its end, through a pipe or in memory. */
#define OUTCOME_TYPE "(uussattttt)"

typedef struct {
    const VfPairSetup *setup;
    VfPair *pair;
    int *hold_fds; /* the pair's */
    VfRole role;
    VfSession *session;
    guint16 port;    /* source: where to; destination: where it listens */
    int port_fds[2]; /* the destination's child says where it listens */
    int result_fds[2];
    pid_t pid;
    GThread *thread;
    GString *phases;
    char *record_path;
} Side;

static const guint8 pair_key[VF_TLS_KEY_SIZE] = {0x5a, 1, 2, 3};

guint
vf_pair_slowness(void)
{
    const char *text = g_getenv("VFERRY_TEST_SLOW");
    guint64 n = text ? g_ascii_strtoull(text, NULL, 10) : 0;

    return (guint)CLAMP(n, 1, VF_PAIR_SLOWNESS_MAX);
}

static VfMemory *
make_device(const VfPairSetup *setup, VfRole role, guint index)
{
    VfMemoryOptions options = role == VF_ROLE_SOURCE ? setup->source : setup->destination;
    VfMemory *device;

    options.flags = options.flags ? options.flags : VF_BACKEND_STOP_COPY;
    options.size = setup->source.size;
    options.seed = role == VF_ROLE_SOURCE ? setup->source.seed + 17 * index + 1 : 0;
    if (index != setup->faulty) {
        options.fail_read_at = options.fail_write_at = 0;
        options.refuse = options.die_entering = options.die_entered = 0;
        options.fail_final = FALSE;
        options.reset = (VfMemoryReset){0};
    }
    device = vf_memory_new(&options);
    if (role == VF_ROLE_DESTINATION)
        vf_memory_clear(device);
    return device;
}

static void
on_listening(const char *address, guint16 port, gpointer data)
{
    Side *side = data;

    g_assert_cmpint(write(side->port_fds[1], &port, sizeof port), ==, sizeof port);
}

static void
on_phase(const char *phase, gpointer data)
{
    Side *side = data;

    g_string_append_printf(side->phases, "%s%s", side->phases->len ? "," : "", phase);
    if (side->role == VF_ROLE_SOURCE && g_strcmp0(side->setup->hold_until, phase) == 0)
        vf_io_clear_fd(&side->hold_fds[1]);
}

static VfRecord *
make_record(Side *side)
{
    g_autoptr(GError) error = NULL;
    VfRecord *record;
    int fd = g_file_open_tmp("vferry-record-XXXXXX", &side->record_path, &error);

    g_assert_no_error(error);
    close(fd);
    fd = open(side->record_path, O_RDWR | O_APPEND | O_CLOEXEC);
    record = vf_record_new_from_fd(fd);
    vf_record_lock(record, &error);
    g_assert_no_error(error);
    return record;
}

/* "pre-copy" is the older of the two: nobody has "pre-copy-reinit" alone. */
static const char *const *
features_of(const VfPairSetup *setup, gboolean is_source)
{
    static const char *const both[] = {VF_FEATURE_PRE_COPY, VF_FEATURE_REINIT, NULL};
    static const char *const precopy[] = {VF_FEATURE_PRE_COPY, NULL};
    static const char *const none[] = {NULL};

    if (is_source ? setup->no_precopy_at_source : setup->no_precopy_at_destination)
        return none;
    return (is_source ? setup->no_reinit_at_source : setup->no_reinit_at_destination) ? precopy
                                                                                      : both;
}

static VfSession *
make_session(Side *side)
{
    const VfPairSetup *setup = side->setup;
    gboolean is_source = side->role == VF_ROLE_SOURCE;
    g_autoptr(GPtrArray) backends = g_ptr_array_new();
    VfSession *session;

    for (guint i = 0; i < side->pair->n_devices; i++)
        g_ptr_array_add(backends, vf_memory_open(is_source ? side->pair->source_devices[i]
                                                           : side->pair->destination_devices[i]));
    session = vf_session_new(vf_devices_new(backends), make_record(side));
    if (side->pair->guest)
        session->subject = vf_passenger_get_subject(side->pair->guest, side->role);
    session->config.job = g_strdup(setup->wrong_job && is_source ? "another" : VF_PAIR_JOB);
    memcpy(session->config.key, pair_key, sizeof pair_key);
    session->config.key[0] ^= setup->wrong_key && is_source;
    session->config.features = g_strdupv((char **)features_of(setup, is_source));
    session->config.switchover_ack = !setup->no_switchover_ack;
    session->config.address = g_strdup("127.0.0.1");
    session->config.peer_patience_ms =
        (setup->patience_ms ? setup->patience_ms : 1500) * vf_pair_slowness();
    session->config.port = side->port;
    session->config.downtime_limit_ms = setup->downtime_limit_ms ? setup->downtime_limit_ms : 300;
    session->config.precopy_max_seconds =
        setup->precopy_max_seconds ? setup->precopy_max_seconds : 600;
    session->config.accept_seconds = 2 * vf_pair_slowness();
    session->config.size_max = setup->size_max ? setup->size_max : G_MAXUINT64;
    session->events = (VfSessionEvents){.listening = on_listening, .phase = on_phase, .data = side};
    return session;
}

static GVariant *
describe(const VfSessionEnd *end, VfSession *session)
{
    VfProgress progress;
    g_autofree char *states = g_strjoinv(",", end->device_states);
    guint64 downtime = 0;
    guint64 bytes = 0;
    guint64 unloaded = G_MAXUINT64;
    GVariantBuilder counters;

    g_variant_lookup(end->statistics, "downtime", "t", &downtime);
    g_variant_lookup(end->statistics, "initial-bytes-unloaded", "t", &unloaded);
    g_assert_true(g_variant_lookup(end->statistics, "bytes", "t", &bytes));
    vf_meter_get(session->meter, &progress, NULL);
    g_variant_builder_init(&counters, G_VARIANT_TYPE("at"));
    g_variant_builder_add(&counters, "t", progress.done);
    g_variant_builder_add(&counters, "t", progress.total);
    return g_variant_new(
        "(uuss@attttt)", (guint)end->kind, end->error ? (guint)end->error->code : 0,
        end->error ? end->error->message : "", states, g_variant_builder_end(&counters),
        (guint64)progress.round, downtime, bytes, unloaded);
}

static GVariant *
run_side(Side *side)
{
    g_auto(VfSessionEnd) end = {0};
    GVariant *described;

    if (side->role == VF_ROLE_SOURCE)
        vf_source_run(side->session, &end);
    else
        vf_destination_run(side->session, &end);
    g_assert_true((end.kind == VF_SESSION_COMPLETED) == (end.error == NULL));
    described = g_variant_ref_sink(describe(&end, side->session));
    /* another's rounds are not the engine's */
    g_assert_cmpint(g_variant_lookup(end.statistics, "rounds", "u", NULL), ==,
                    side->role == VF_ROLE_SOURCE && !side->pair->guest);
    if (side->role == VF_ROLE_SOURCE)
        vf_io_clear_fd(&side->hold_fds[1]);
    /* a waiting test must not wait for a destination that never came to listen */
    vf_io_clear_fd(&side->port_fds[1]);
    return described;
}

static gpointer
run_thread(gpointer data)
{
    return run_side(data);
}

static G_GNUC_NORETURN void
run_child(Side *side)
{
    g_autoptr(GVariant) described = NULL;

    vf_io_clear_fd(&side->port_fds[0]);
    described = run_side(side);
    _exit(vf_io_write_all(side->result_fds[1], g_variant_get_data(described),
                          g_variant_get_size(described), NULL)
              ? 0
              : 1);
}

static void
start_side(Side *side)
{
    g_assert_no_errno(pipe2(side->result_fds, O_CLOEXEC));
    side->session = make_session(side);
    if (!side->setup->processes) {
        side->thread =
            g_thread_new(side->role == VF_ROLE_SOURCE ? "source" : "destination", run_thread, side);
        return;
    }
    side->pid = fork();
    g_assert_cmpint(side->pid, >=, 0);
    if (side->pid == 0)
        run_child(side);
    vf_io_clear_fd(&side->result_fds[1]);
    vf_io_clear_fd(&side->port_fds[1]);
}

static GVariant *
reap_child(Side *side)
{
    g_autoptr(GBytes) bytes = NULL;
    char buffer[8192];
    gsize n = 0;
    ssize_t got;
    int status;

    while (n < sizeof buffer &&
           ((got = read(side->result_fds[0], buffer + n, sizeof buffer - n)) > 0 ||
            (got < 0 && errno == EINTR)))
        n += (gsize)MAX(0, got);
    g_assert_cmpint(waitpid(side->pid, &status, 0), ==, side->pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return NULL;
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    bytes = g_bytes_new(buffer, n);
    return g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(OUTCOME_TYPE), bytes, TRUE));
}

static void
read_events(Side *side, VfPairSide *result)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRecord) record =
        vf_record_new_from_fd(open(side->record_path, O_RDONLY | O_CLOEXEC));
    g_autoptr(GPtrArray) entries = vf_record_read(record, &error);
    GString *events = g_string_new(NULL);
    GString *marks = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        GString *to = vf_is_mark(entry->event) ? marks : events;
        g_string_append_printf(to, "%s%s", to->len ? "," : "", entry->event);
    }
    result->events = g_string_free(events, FALSE);
    result->marks = g_string_free(marks, FALSE);
    g_unlink(side->record_path);
}

static void
end_side(Side *side, VfPairSide *result)
{
    g_autoptr(GVariant) described = side->thread ? g_thread_join(side->thread) : reap_child(side);
    g_autoptr(GVariant) counters = NULL;
    guint64 rounds;
    guint kind;
    guint code;

    result->crashed = !described;
    read_events(side, result);
    result->phases = g_string_free(side->phases, FALSE);
    if (described) {
        g_variant_get(described, "(uuss@attttt)", &kind, &code, &result->message,
                      &result->device_states, &counters, &rounds, &result->downtime, &result->bytes,
                      &result->unloaded);
        result->kind = kind;
        result->code = code;
        result->progress.round = (guint)rounds;
        g_variant_get_child(counters, 0, "t", &result->progress.done);
        g_variant_get_child(counters, 1, "t", &result->progress.total);
    }
    vf_session_free(side->session);
    g_free(side->record_path);
    vf_io_clear_fd(&side->port_fds[1]);
    vf_io_clear_fd(&side->result_fds[0]);
    vf_io_clear_fd(&side->result_fds[1]);
}

static void
blind(Side *side)
{
    vf_autofd int fd = open(side->record_path, O_RDONLY | O_CLOEXEC);

    g_assert_no_errno(dup3(fd, vf_record_get_fd(side->session->record), O_CLOEXEC));
}

static void
on_plan(guint8 *frame, gsize *size, gpointer data)
{
    Side *sides = data;
    const VfPairSetup *setup = sides[0].setup;
    Side *side = &sides[setup->cancel.whom];

    if (setup->blind_source)
        blind(&sides[VF_ROLE_SOURCE]);
    if (setup->blind_destination)
        blind(&sides[VF_ROLE_DESTINATION]);
    if (setup->kill)
        g_assert_no_errno(kill(side->pid, SIGKILL));
    else if (setup->cancel.wanted)
        vf_cancel_trigger(side->session->cancel, setup->cancel.reason);
    if (setup->look)
        setup->look(sides[0].pair);
    if (setup->plan.call)
        setup->plan.call(frame, size, setup->plan.data);
}

static VfPair *
make_pair(const VfPairSetup *setup)
{
    VfPair *pair = g_new0(VfPair, 1);

    pair->guest = setup->guest ? vf_passenger_new(setup->guest) : NULL;
    pair->n_devices = setup->n_devices ? setup->n_devices : setup->guest ? 0 : 1;
    for (guint i = 0; i < pair->n_devices; i++) {
        pair->source_devices[i] = make_device(setup, VF_ROLE_SOURCE, i);
        pair->destination_devices[i] = make_device(setup, VF_ROLE_DESTINATION, i);
        vf_memory_link(pair->source_devices[i], pair->destination_devices[i]);
    }
    return pair;
}

VfPair *
vf_pair_run(const VfPairSetup *setup)
{
    VfPairSetup held = *setup;
    int hold_fds[2] = {-1, -1};
    VfPair *pair;
    Side sides[2] = {0};
    VfProxyPlan plan = setup->plan;
    VfProxy *proxy;
    guint16 port = 0;

    if (setup->hold_until)
        g_assert_no_errno(pipe2(hold_fds, O_CLOEXEC));
    held.destination.hold_fd = MAX(0, hold_fds[0]);
    pair = make_pair(&held);
    for (guint i = 0; i < 2; i++)
        sides[i] = (Side){.setup = setup,
                          .pair = pair,
                          .hold_fds = hold_fds,
                          .role = (VfRole)i,
                          .port_fds = {-1, -1},
                          .phases = g_string_new(NULL)};
    plan.call = on_plan;
    plan.data = sides;
    g_assert_no_errno(pipe2(sides[VF_ROLE_DESTINATION].port_fds, O_CLOEXEC));
    start_side(&sides[VF_ROLE_DESTINATION]);
    g_assert_true(
        vf_io_read_exact(sides[VF_ROLE_DESTINATION].port_fds[0], &port, sizeof port, NULL));
    proxy = vf_proxy_new(&plan, VF_PAIR_JOB, pair_key, &sides[VF_ROLE_SOURCE].port);
    start_side(&sides[VF_ROLE_SOURCE]);
    vf_proxy_start(proxy, port);
    for (guint i = 0; i < 2; i++)
        end_side(&sides[i], &pair->sides[i]);
    vf_io_clear_fd(&sides[VF_ROLE_DESTINATION].port_fds[0]);
    vf_io_clear_fd(&hold_fds[0]);
    pair->acted = vf_proxy_has_acted(proxy);
    pair->initial_ends = vf_proxy_count(proxy, VF_ROLE_SOURCE, VF_FRAME_INITIAL_END);
    pair->initial_loadeds = vf_proxy_count(proxy, VF_ROLE_DESTINATION, VF_FRAME_INITIAL_LOADED);
    for (guint i = 0; i < 2; i++)
        pair->aborts[i] = vf_proxy_count(proxy, (VfRole)i, VF_FRAME_ABORT);
    vf_proxy_end(proxy);
    for (guint i = 0; i < 2; i++) {
        const GByteArray *record = vf_proxy_get_record(proxy, (VfRole)i);
        pair->records[i] = g_bytes_new(record->data, record->len);
    }
    vf_proxy_free(proxy);
    return pair;
}

void
vf_pair_free(VfPair *self)
{
    g_clear_pointer(&self->guest, vf_passenger_free);
    for (guint i = 0; i < self->n_devices; i++) {
        vf_memory_free(self->source_devices[i]);
        vf_memory_free(self->destination_devices[i]);
    }
    for (guint i = 0; i < 2; i++) {
        g_bytes_unref(self->records[i]);
        g_free(self->sides[i].message);
        g_free(self->sides[i].device_states);
        g_free(self->sides[i].events);
        g_free(self->sides[i].marks);
        g_free(self->sides[i].phases);
    }
    g_free(self);
}
