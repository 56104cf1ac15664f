/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>

#include "control.h"
#include "device-worker.h"
#include "error.h"
#include "io.h"
#include "marks.h"
#include "names.h"
#include "pair.h"
#include "record.h"

/* The real vferry-mover, by its control socket: it knows only VFIO devices, so what it is given are
 * descriptors that are none. And the same main loop in a child of this process, with devices in
 * memory. */

#define DEADLINE_MS 20000

typedef struct {
    GPid pid;
    int fd;
} Mover;

static void
child_setup(gpointer data)
{
    /* g_spawn closes what is not inherited only after this */
    if (dup2(GPOINTER_TO_INT(data), 3) < 0)
        _exit(126);
}

static Mover *
mover_start(void)
{
    char *argv[] = {(char *)VF_TEST_MOVER, NULL};
    g_autoptr(GError) error = NULL;
    Mover *mover = g_new0(Mover, 1);
    vf_autofd int pair = -1;
    vf_autofd int theirs = -1;

    g_assert_true(vf_control_pair(&mover->fd, &pair, &error));
    g_assert_no_error(error);
    theirs = fcntl(pair, F_DUPFD_CLOEXEC, 10); /* not 3 itself: dup2 would leave it close-on-exec */
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                  child_setup, GINT_TO_POINTER(theirs), &mover->pid, &error);
    g_assert_no_error(error);
    return mover;
}

/* The exit status, within the deadline. */
static int
mover_end(Mover *mover)
{
    gint64 end = g_get_monotonic_time() + (gint64)DEADLINE_MS * 1000 * vf_pair_slowness();
    int status = -1;
    pid_t pid;

    vf_io_clear_fd(&mover->fd);
    while ((pid = waitpid(mover->pid, &status, WNOHANG)) == 0 && g_get_monotonic_time() < end)
        g_usleep(2000);
    if (pid == 0)
        kill(mover->pid, SIGKILL);
    g_assert_cmpint(pid, ==, mover->pid);
    g_free(mover);
    return status;
}

static void
ask(Mover *mover, const char *verb, GVariant *args, const int *fds, guint n_fds)
{
    g_autoptr(GError) error = NULL;
    /* a parsed one does not float */
    g_autoptr(GVariant) dict = args ? g_variant_take_ref(args) : NULL;

    vf_control_send(mover->fd, verb, dict, fds, n_fds, &error);
    g_assert_no_error(error);
}

static VfControlMessage *
hear(Mover *mover)
{
    struct timeval patience = {.tv_sec = DEADLINE_MS / 1000 * vf_pair_slowness()};
    g_autoptr(GError) error = NULL;
    VfControlMessage *message;

    g_assert_no_errno(setsockopt(mover->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    message = vf_control_receive(mover->fd, &error);
    g_assert_no_error(error);
    return message;
}

static VfControlMessage *
hear_verb(Mover *mover, const char *verb)
{
    for (;;) {
        g_autoptr(VfControlMessage) message = hear(mover);
        g_assert_nonnull(message);
        if (g_str_equal(message->verb, verb))
            return g_steal_pointer(&message);
        g_assert_cmpstr(message->verb, !=, "result");
    }
}

/* The one result, after which nothing comes but the end, and exit status 0. */
static void
expect_result(Mover *mover, const char *outcome, VferryError code, const char *part)
{
    g_autoptr(VfControlMessage) result = hear_verb(mover, "result");
    const char *said = NULL;
    const char *error = NULL;
    const char *message = NULL;

    g_assert_true(g_variant_dict_lookup(result->args, "outcome", "&s", &said));
    g_assert_true(g_variant_dict_lookup(result->args, "error", "&s", &error));
    g_assert_true(g_variant_dict_lookup(result->args, "message", "&s", &message));
    g_assert_true(g_variant_dict_contains(result->args, "device-states"));
    g_assert_cmpstr(said, ==, outcome);
    if (g_strcmp0(error, vf_error_to_name(code)) != 0 || (part && !strstr(message, part)))
        g_error("%s: %s", error, message);
    g_assert_null(hear(mover));
    g_assert_cmpint(mover_end(mover), ==, 0);
}

static int
open_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static int
open_record(void)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    int fd = g_file_open_tmp("vferry-mover-XXXXXX", &path, &error);

    g_assert_no_error(error);
    g_unlink(path);
    return fd;
}

static GVariant *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

    g_assert_no_error(error);
    return value;
}

#define KEY "'key': <b'0123456789abcdef0123456789abcde'>" /* 31 and the zero byte behind */
#define COMMON "'job': <'j'>, 'address': <'127.0.0.1'>, " KEY ", 'features': <@as []>"

typedef struct {
    const char *name;
    const char *verb;
    const char *args;
    guint n_devices; /* and a record for return, start, send and receive */
    VferryError code;
    const char *message;
} BadRequest;

static const BadRequest bad_requests[] = {
    {"verb", "fly", "{}", 0, VFERRY_ERROR_INVALID_ARGUMENT, "fly"},
    {"inspect-nothing", "inspect", "{}", 0, VFERRY_ERROR_INVALID_ARGUMENT, "0 descriptors"},
    {"inspect-two", "inspect", "{}", 2, VFERRY_ERROR_INVALID_ARGUMENT, "2 descriptors"},
    {"inspect-unknown-argument", "inspect", "{'deep': <true>}", 1, VFERRY_ERROR_UNKNOWN_OPTION,
     "deep"},
    {"inspect-no-device", "inspect", "{}", 1, VFERRY_ERROR_NOT_SUPPORTED, NULL},
    {"open-without-group", "open", "{'device': <'0000:00:05.0'>}", 0, VFERRY_ERROR_INVALID_ARGUMENT,
     "group"},
    {"open-path", "open", "{'device': <'../x'>, 'group': <1>}", 0, VFERRY_ERROR_INVALID_ARGUMENT,
     "“device” is “../x”"},
    {"open-empty", "open", "{'device': <''>, 'group': <1>}", 0, VFERRY_ERROR_INVALID_ARGUMENT,
     "“device” is empty"},
    {"open-node-path", "open", "{'device': <'x'>, 'group': <1>, 'vfio-dev': <'../vfio0'>}", 0,
     VFERRY_ERROR_INVALID_ARGUMENT, "“vfio-dev” is “../vfio0”"},
    {"open-negative", "open", "{'device': <'x'>, 'group': <-1>}", 0, VFERRY_ERROR_INVALID_ARGUMENT,
     "“group” is -1"},
    {"open-wrong-type", "open", "{'device': <'x'>, 'group': <'1'>}", 0,
     VFERRY_ERROR_INVALID_ARGUMENT, "group"},
    {"return-no-device", "return", "{}", 1, VFERRY_ERROR_DEVICE, "migrate it; reading the"},
    {"start-no-device", "start", "{}", 1, VFERRY_ERROR_NOT_SUPPORTED, NULL},
    {"send-nothing", "send", "{}", 1, VFERRY_ERROR_INVALID_ARGUMENT, "job"},
    {"send-short-key", "send",
     "{'job': <'j'>, 'address': <'::1'>, 'key': <b'short'>, 'features': <@as []>}", 1,
     VFERRY_ERROR_INVALID_ARGUMENT, "the key has 6 bytes; it must have 32"},
    {"send-unknown-feature", "send",
     "{'job': <'j'>, 'address': <'::1'>, " KEY ", 'features': <['warp']>}", 1,
     VFERRY_ERROR_INVALID_ARGUMENT, "warp"},
    {"send-without-port", "send", "{" COMMON "}", 1, VFERRY_ERROR_INVALID_ARGUMENT, "port"},
    {"send-unknown-argument", "send",
     "{" COMMON ", 'port': <uint16 1>, 'downtime-limit-ms': <uint32 1>, "
     "'precopy-max-seconds': <uint32 1>, 'switchover-ack': <true>, 'speed': <1>}",
     1, VFERRY_ERROR_UNKNOWN_OPTION, "speed"},
    {"send-no-device", "send",
     "{" COMMON ", 'port': <uint16 1>, 'downtime-limit-ms': <uint32 1>, "
     "'precopy-max-seconds': <uint32 1>, 'switchover-ack': <true>}",
     1, VFERRY_ERROR_DEVICE, "state"},
    {"receive-ports", "receive",
     "{" COMMON ", 'port-min': <uint16 9>, 'port-max': <uint16 8>, 'accept-seconds': <uint32 1>, "
     "'size-max': <uint64 1>}",
     1, VFERRY_ERROR_INVALID_ARGUMENT, "port-min 9 is larger than port-max 8"},
    {"receive-no-device", "receive",
     "{" COMMON ", 'port-min': <uint16 0>, 'port-max': <uint16 0>, 'accept-seconds': <uint32 1>, "
     "'size-max': <uint64 1>}",
     1, VFERRY_ERROR_NOT_SUPPORTED, NULL},
};

static void
test_bad_request(gconstpointer data)
{
    const BadRequest *c = data;
    Mover *mover = mover_start();
    gboolean has_record = !g_str_equal(c->verb, "inspect") && c->n_devices > 0;
    gboolean record_first = g_str_equal(c->verb, "send") || g_str_equal(c->verb, "receive");
    int fds[3];
    guint n = 0;

    if (has_record && record_first)
        fds[n++] = open_record();
    for (guint i = 0; i < c->n_devices; i++)
        fds[n++] = open_null();
    if (has_record && !record_first)
        fds[n++] = open_record();
    ask(mover, c->verb, parse(c->args), fds, n);
    expect_result(mover, "failed", c->code, c->message);
    for (guint i = 0; i < n; i++)
        vf_io_clear_fd(&fds[i]);
}

/* All in one message. */
static void
test_most_devices(void)
{
    Mover *mover = mover_start();
    g_autoptr(VfControlMessage) result = NULL;
    g_auto(GStrv) states = NULL;
    int fds[VF_CONTROL_FDS_MAX];

    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = i < G_N_ELEMENTS(fds) - 1 ? open_null() : open_record();
    ask(mover, "return", NULL, fds, G_N_ELEMENTS(fds));
    result = hear_verb(mover, "result");
    g_assert_true(g_variant_dict_lookup(result->args, "device-states", "^as", &states));
    g_assert_cmpuint(g_strv_length(states), ==, 16);
    g_assert_cmpint(mover_end(mover), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}

static void
test_malformed(void)
{
    Mover *mover = mover_start();

    g_assert_cmpint(send(mover->fd, "garbage", 7, 0), ==, 7);
    g_assert_null(hear(mover));
    g_assert_cmpint(mover_end(mover), ==, 0);
}

static void
test_end_of_file(void)
{
    Mover *mover = mover_start();

    g_assert_cmpint(mover_end(mover), ==, 0);
}

static void
test_without_control(void)
{
    const char *const argv[] = {VF_TEST_MOVER, NULL};
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &text, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    g_assert_nonnull(strstr(text, "not for people"));
}

static void
test_version(void)
{
    const char *const argv[] = {VF_TEST_MOVER, "--version", NULL};
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &text, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpstr(text, ==, "vferry-mover " PACKAGE_VERSION "\n");
}

/* A pair of movers, this process their daemons */

typedef struct Side {
    struct Side *other;
    VfMemory *device;
    VfMemory *second; /* where there is one */
    guint adopted;    /* in the mover */
    Mover *mover;
    GString *verbs; /* as they came, progress left out, with the phases' names */
    guint n_progress;
    gint64 start;
    guint64 done;
    guint64 total;
    guint16 port;
    VfControlMessage *result;
    int record;
    gsize spare; /* so many bytes fit into the record still; 0: any number */
} Side;

static VfBackend *
adopt_memory(int fd, gpointer data)
{
    Side *side = data;

    close(fd);
    return vf_memory_open(side->adopted++ == 0 ? side->device : side->second);
}

/* Warnings end a test but no mover, and GLib's own writer wants more than the sandbox allows. */
static GLogWriterOutput
write_nothing(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    return G_LOG_WRITER_HANDLED;
}

/* The limit is one for all files, and the devices' are files: the record has more than they. */
static void
limit_record(Side *side)
{
    g_autoptr(VfRecord) record = vf_record_new_from_fd(vf_io_dup(side->record, NULL));
    g_autofree char *pad = g_strnfill(1024 * 1024, 'x');
    struct rlimit limit;
    gsize size = 0;

    g_assert_true(vf_record_mark(record, "pad", g_variant_new_parsed("{'pad': <%s>}", pad), NULL));
    g_assert_true(vf_record_get_size(record, &size, NULL));
    limit.rlim_cur = limit.rlim_max = size + side->spare;
    signal(SIGXFSZ, SIG_IGN); /* as in engine/confine.c */
    g_assert_no_errno(setrlimit(RLIMIT_FSIZE, &limit));
}

/* Its device exists before, so that a child knows the other's, too. */
static void
side_start(Side *side)
{
    const char *preload = g_getenv("LD_PRELOAD");
    VfWorker worker;
    int theirs;

    side->verbs = g_string_new(NULL);
    side->record = open_record();
    side->start = g_get_monotonic_time();
    side->mover = g_new0(Mover, 1);
    g_assert_true(vf_control_pair(&side->mover->fd, &theirs, NULL));
    side->mover->pid = fork();
    g_assert_cmpint(side->mover->pid, >=, 0);
    if (side->mover->pid == 0) {
        close(side->mover->fd);
        if (side->other)
            close(side->other->mover->fd);
        g_log_set_writer_func(write_nothing, NULL, NULL);
        if (side->spare)
            limit_record(side);
        vf_device_worker_init(&worker, &(VfDeviceMaker){.adopt = adopt_memory, .data = side});
        /* in the sandbox, as the real one; valgrind takes calls of its own in the process that it
         * watches */
        if (preload && strstr(preload, "vgpreload"))
            worker.confine = NULL;
        _exit(vf_worker_run(theirs, &worker));
    }
    close(theirs);
}

static void
side_ask(Side *side, const char *verb, GVariant *args)
{
    int fds[] = {side->record, open_null()};

    ask(side->mover, verb, args, fds, 2);
    close(fds[1]);
}

static void
take_progress(Side *side, VfControlMessage *message)
{
    guint64 done, total, rate;

    g_assert_true(g_variant_dict_lookup(message->args, "done", "t", &done));
    g_assert_true(g_variant_dict_lookup(message->args, "total", "t", &total));
    g_assert_true(g_variant_dict_lookup(message->args, "rate", "t", &rate));
    g_assert_cmpuint(done, >=, side->done);
    g_assert_cmpuint(total, >=, done);
    side->done = done;
    side->total = total;
    side->n_progress++;
}

/* Reads one message. FALSE when it was the result. */
static gboolean
side_hear(Side *side)
{
    g_autoptr(VfControlMessage) message = hear(side->mover);
    const char *phase = "";

    g_assert_nonnull(message);
    if (g_str_equal(message->verb, "progress")) {
        take_progress(side, message);
        return TRUE;
    }
    if (g_str_equal(message->verb, "result")) {
        side->result = g_steal_pointer(&message);
        return FALSE;
    }
    g_variant_dict_lookup(message->args, "phase", "&s", &phase);
    g_variant_dict_lookup(message->args, "port", "q", &side->port);
    g_string_append_printf(side->verbs, "%s%s ", message->verb[0] == 'p' ? "" : message->verb,
                           phase);
    return TRUE;
}

static void
side_end(Side *side, const char *outcome)
{
    const char *said = NULL;

    while (!side->result && side_hear(side))
        ;
    g_assert_true(g_variant_dict_lookup(side->result->args, "outcome", "&s", &said));
    if (g_strcmp0(said, outcome) != 0) {
        const char *text = "";
        g_variant_dict_lookup(side->result->args, "message", "&s", &text);
        g_error("%s instead of %s: %s", said, outcome, text);
    }
    g_assert_null(hear(side->mover));
    g_assert_cmpint(mover_end(g_steal_pointer(&side->mover)), ==, 0);
}

static void
side_clear(Side *side)
{
    vf_memory_free(side->device);
    g_clear_pointer(&side->second, vf_memory_free);
    g_string_free(side->verbs, TRUE);
    close(side->record);
    g_clear_pointer(&side->result, vf_control_message_free);
}

static char *
side_events(Side *side)
{
    g_autoptr(VfRecord) record = vf_record_new_from_fd(dup(side->record));
    g_autoptr(GPtrArray) entries = vf_record_read_until_damage(record);
    GString *events = g_string_new(NULL);

    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        if (!vf_is_mark(entry->event))
            g_string_append_printf(events, "%s ", entry->event);
    }
    return g_string_free(events, FALSE);
}

#define JOB                                                                                        \
    "'job': <'0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10'>, 'address': <'127.0.0.1'>, " KEY              \
    ", 'features': <['pre-copy']>"

static void
begin_pair(Side *source, Side *destination, const VfMemoryOptions *options)
{
    VfMemoryOptions empty = {.flags = options->flags, .size = options->size};

    source->device = vf_memory_new(options);
    destination->device = vf_memory_new(&empty);
    vf_memory_clear(destination->device);
    vf_memory_link(source->device, destination->device);
    side_start(destination);
    side_ask(destination, "receive",
             parse("{" JOB ", 'port-min': <uint16 0>, 'port-max': <uint16 0>, "
                   "'accept-seconds': <uint32 20>, 'size-max': <uint64 1000000000>}"));
    while (destination->port == 0)
        g_assert_true(side_hear(destination));
    source->other = destination;
    side_start(source);
    side_ask(source, "send",
             g_variant_new_parsed("{'job': <'0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10'>, "
                                  "'address': <'127.0.0.1'>, " KEY
                                  ", 'features': <['pre-copy']>, 'port': <%q>, "
                                  "'downtime-limit-ms': <uint32 300>, "
                                  "'precopy-max-seconds': <uint32 30>, 'switchover-ack': <true>}",
                                  destination->port));
}

static void
check_progress(const Side *side)
{
    double seconds = (double)(g_get_monotonic_time() - side->start) / G_USEC_PER_SEC;

    g_assert_cmpuint(side->n_progress, >, 1);
    g_assert_cmpfloat(side->n_progress, <=, 10 * seconds + 1);
    g_assert_cmpuint(side->done, ==, side->total);
}

static const VfMemoryOptions usual = {
    .flags = VF_BACKEND_STOP_COPY | VF_BACKEND_P2P | VF_BACKEND_PRE_COPY,
    .size = 24 * 1024 * 1024,
    .seed = 5,
    .dirty_per_read = 64 * 1024,
    .dirty_max = 512 * 1024,
    .slow_us = 5 * 1000,
};

static void
test_migration(void)
{
    Side source = {0};
    Side destination = {0};
    g_autofree char *source_events = NULL;
    g_autofree char *destination_events = NULL;
    g_autoptr(GVariant) statistics = NULL;
    guint64 downtime = 0;
    guint64 bytes = 0;

    begin_pair(&source, &destination, &usual);
    side_end(&source, "completed");
    side_end(&destination, "completed");
    g_assert_cmpstr(source.verbs->str, ==, "pre-copy switchover loading committing ");
    g_assert_cmpstr(destination.verbs->str, ==, "listening attached loading committing ");
    check_progress(&source);
    check_progress(&destination);
    statistics =
        g_variant_dict_lookup_value(source.result->args, "statistics", G_VARIANT_TYPE_VARDICT);
    g_assert_true(g_variant_lookup(statistics, "downtime", "t", &downtime));
    g_assert_true(g_variant_lookup(statistics, "bytes", "t", &bytes));
    g_assert_cmpuint(downtime, >, 0);
    g_assert_cmpuint(bytes, ==, source.done);
    source_events = side_events(&source);
    destination_events = side_events(&destination);
    g_assert_cmpstr(source_events, ==, "commit done ");
    g_assert_cmpstr(destination_events, ==, "loaded commit started ");
    g_assert_true(vf_memory_equal(source.device, destination.device));
    g_assert_true(vf_memory_is_live(destination.device));
    g_assert_false(vf_memory_both_ran(source.device));
    side_clear(&source);
    side_clear(&destination);
}

static void
wait_for_phase(Side *side, const char *phase)
{
    while (!strstr(side->verbs->str, phase))
        g_assert_true(side_hear(side));
}

static void
check_returned(Side *source, Side *destination)
{
    g_autofree char *source_events = side_events(source);
    g_autofree char *destination_events = side_events(destination);

    g_assert_cmpstr(source_events, ==, "returned ");
    g_assert_cmpstr(destination_events, ==, "");
    g_assert_cmpint(vf_memory_get_state(source->device), ==, VF_STATE_RUNNING);
    g_assert_false(vf_memory_is_live(destination->device));
    side_clear(source);
    side_clear(destination);
}

static void
test_cancel(void)
{
    Side source = {0};
    Side destination = {0};

    begin_pair(&source, &destination, &usual);
    wait_for_phase(&source, "pre-copy");
    ask(source.mover, "cancel", NULL, NULL, 0);
    side_end(&source, "cancelled");
    side_end(&destination, "failed");
    check_returned(&source, &destination);
}

static void
test_cancel_while_listening(void)
{
    Side destination = {0};

    destination.device = vf_memory_new(&usual);
    side_start(&destination);
    side_ask(&destination, "receive",
             parse("{" JOB ", 'port-min': <uint16 0>, 'port-max': <uint16 0>, "
                   "'accept-seconds': <uint32 20>, 'size-max': <uint64 1000000000>}"));
    while (destination.port == 0)
        g_assert_true(side_hear(&destination));
    ask(destination.mover, "cancel", NULL, NULL, 0);
    side_end(&destination, "cancelled");
    side_clear(&destination);
}

/* The name behind the % is looked up before the sandbox closes. */
static void
test_link_local(void)
{
    Side destination = {0};
    const char *text = "";

    destination.device = vf_memory_new(&usual);
    side_start(&destination);
    side_ask(&destination, "receive",
             parse("{'job': <'j'>, 'address': <'fe80::1%lo'>, " KEY
                   ", 'features': <@as []>, 'port-min': <uint16 0>, 'port-max': <uint16 0>, "
                   "'accept-seconds': <uint32 20>, 'size-max': <uint64 1>}"));
    side_end(&destination, "failed");
    g_variant_dict_lookup(destination.result->args, "message", "&s", &text);
    g_assert_nonnull(strstr(text, "fe80::1%1"));
    side_clear(&destination);
}

/* The source's daemon goes: its mover brings the device back by itself, and ends. */
static void
test_lost_daemon(void)
{
    Side source = {0};
    Side destination = {0};

    begin_pair(&source, &destination, &usual);
    wait_for_phase(&source, "pre-copy");
    g_assert_cmpint(mover_end(g_steal_pointer(&source.mover)), ==, 0);
    side_end(&destination, "failed");
    check_returned(&source, &destination);
}

static void
test_lost_daemon_at_destination(void)
{
    Side source = {0};
    Side destination = {0};

    begin_pair(&source, &destination, &usual);
    wait_for_phase(&source, "pre-copy");
    g_assert_cmpint(mover_end(g_steal_pointer(&destination.mover)), ==, 0);
    side_end(&source, "cancelled");
    check_returned(&source, &destination);
}

static void
test_inspect(void)
{
    Side side = {0};
    int fd = open_null();
    guint64 size = 0;
    const char *state = NULL;
    g_auto(GStrv) flags = NULL;

    side.device = vf_memory_new(&usual);
    side_start(&side);
    ask(side.mover, "inspect", NULL, &fd, 1);
    side_end(&side, "completed");
    g_assert_true(g_variant_dict_lookup(side.result->args, "data-size", "t", &size));
    g_assert_true(g_variant_dict_lookup(side.result->args, "state", "&s", &state));
    g_assert_true(g_variant_dict_lookup(side.result->args, "flags", "^as", &flags));
    g_assert_cmpuint(size, ==, usual.size);
    g_assert_cmpstr(state, ==, "RUNNING");
    g_assert_cmpuint(g_strv_length(flags), ==, 3);
    g_assert_cmpint(vf_memory_get_state(side.device), ==, VF_STATE_RUNNING);
    close(fd);
    side_clear(&side);
}

/* What a dead mover left in @state. */
static void
recover(const char *verb, VfMigrationState state, const char *outcome, const char *events,
        VfMigrationState end)
{
    Side side = {0};
    g_autoptr(VfBackend) backend = NULL;
    g_autofree char *found = NULL;
    int fds[2] = {open_null(), -1};

    side.device = vf_memory_new(&usual);
    side_start(&side);
    backend = vf_memory_open(side.device);
    g_assert_true(vf_backend_set_state(backend, VF_STATE_RUNNING, state, NULL));
    fds[1] = side.record;
    ask(side.mover, verb, NULL, fds, 2);
    side_end(&side, outcome);
    found = side_events(&side);
    g_assert_cmpstr(found, ==, events);
    g_assert_cmpint(vf_memory_get_state(side.device), ==, end);
    close(fds[0]);
    side_clear(&side);
}

static void
test_recover(void)
{
    recover("return", VF_STATE_PRE_COPY, "completed", "returned ", VF_STATE_RUNNING);
    recover("return", VF_STATE_STOP_COPY, "completed", "returned ", VF_STATE_RUNNING);
    recover("return", VF_STATE_STOP, "completed", "returned ", VF_STATE_RUNNING);
    recover("return", VF_STATE_RUNNING, "completed", "returned ", VF_STATE_RUNNING);
    recover("return", VF_STATE_RESUMING, "failed", "", VF_STATE_RESUMING);
    recover("start", VF_STATE_STOP, "completed", "started ", VF_STATE_RUNNING);
    recover("start", VF_STATE_RUNNING, "completed", "started ", VF_STATE_RUNNING);
    recover("start", VF_STATE_RESUMING, "failed", "", VF_STATE_RESUMING);
    recover("start", VF_STATE_STOP_COPY, "failed", "", VF_STATE_STOP_COPY);
}

/* What the record of a dead mover says, and what its two devices are found in. */
typedef struct {
    const char *name;
    const char *lines; /* "moved0" is of the first device */
    const char *verb;
    gboolean touched_only;
    VfMigrationState found[2];
    const char *outcome;
    const char *states;
    const char *events; /* that were added */
    VfMigrationState end[2];
} Past;

#define BOTH(state)                                                                                \
    {                                                                                              \
        VF_STATE_##state, VF_STATE_##state                                                         \
    }
#define EACH(one, other)                                                                           \
    {                                                                                              \
        VF_STATE_##one, VF_STATE_##other                                                           \
    }
#define MOVED "touched0 moved0 touched1 moved1 "

static const Past pasts[] = {
    /* before it touched any, or this one: whoever has stopped it starts it */
    {"return/untouched", "", "return", TRUE, EACH(RUNNING, STOP), "completed", "running,stopped",
     "", EACH(RUNNING, STOP)},
    {"return/one-touched", "touched0 moved0 ", "return", TRUE, BOTH(STOP), "completed",
     "running,stopped", "returned ", EACH(RUNNING, STOP)},
    {"return/one-untouched-precopy", "touched1 moved1 ", "return", TRUE, EACH(PRE_COPY, STOP_COPY),
     "completed", "running,running", "returned ", EACH(PRE_COPY, RUNNING)},
    {"return/touched-not-moved", "touched0 touched1 ", "return", TRUE, EACH(RUNNING, STOP),
     "completed", "running,running", "returned ", BOTH(RUNNING)},
    /* of an older mover, or committed */
    {"return/all", "", "return", FALSE, BOTH(STOP), "completed", "running,running", "returned ",
     BOTH(RUNNING)},
    {"return/came-back", MOVED "touched0 ", "return", TRUE, EACH(RUNNING, STOP), "completed",
     "running,running", "returned ", BOTH(RUNNING)},
    {"return/reset", MOVED, "return", TRUE, EACH(RUNNING, STOP), "completed",
     "failed-needs-reset,running", "returned ", BOTH(RUNNING)},
    {"return/reset-in-doubt", MOVED "commit ", "return", FALSE, EACH(STOP, RUNNING), "completed",
     "running,failed-needs-reset", "returned ", BOTH(RUNNING)},
    {"return/again", MOVED "returning ", "return", TRUE, EACH(RUNNING, STOP), "completed",
     "running,running", "returned ", BOTH(RUNNING)},
    {"return/known-reset", MOVED "reset1 returning ", "return", TRUE, BOTH(RUNNING), "completed",
     "running,failed-needs-reset", "returned ", BOTH(RUNNING)},
    /* a discard has stopped it, and came to nothing */
    {"return/known-reset-stopped", MOVED "commit reset1 ", "return", FALSE, BOTH(STOP), "completed",
     "running,failed-needs-reset", "returned ", BOTH(RUNNING)},
    /* nobody can say what it said */
    {"return/damaged", MOVED "damaged ", "return", FALSE, EACH(STOP_COPY, STOP), "completed",
     "running,running", "", BOTH(RUNNING)},
    {"start/damaged", MOVED "damaged ", "start", FALSE, EACH(STOP, RUNNING), "completed",
     "running,running", "", BOTH(RUNNING)},
    {"start/loaded", "loaded commit ", "start", FALSE, BOTH(STOP), "completed", "running,running",
     "started ", BOTH(RUNNING)},
    {"start/reset", MOVED "loaded commit ", "start", FALSE, EACH(STOP, RUNNING), "failed",
     "stopped,failed-needs-reset", "", EACH(STOP, RUNNING)},
    /* of 0.1.0, which starts them without a word */
    {"start/half-started-by-an-older", "loaded commit ", "start", FALSE, EACH(RUNNING, STOP),
     "completed", "running,running", "started ", BOTH(RUNNING)},
    {"start/half-started", MOVED "loaded commit starting ", "start", FALSE, EACH(RUNNING, STOP),
     "completed", "running,running", "started ", BOTH(RUNNING)},
    {"start/half-started-p2p", MOVED "loaded commit starting ", "start", FALSE, BOTH(RUNNING_P2P),
     "completed", "running,running", "started ", BOTH(RUNNING)},
    {"start/known-reset", MOVED "loaded commit starting reset0 ", "start", FALSE,
     EACH(RUNNING, STOP), "failed", "failed-needs-reset,stopped", "", EACH(RUNNING, STOP)},
    {"stop/stopped", MOVED "commit ", "stop", FALSE, EACH(STOP, STOP_COPY), "completed",
     "stopped,stopped", "", EACH(STOP, STOP_COPY)},
    {"stop/reset", MOVED "commit ", "stop", FALSE, EACH(RUNNING, STOP), "completed",
     "failed-needs-reset,stopped", "", BOTH(STOP)},
    /* a `run` that failed in the middle: with the guest's state in it */
    {"stop/runs", MOVED "commit returning ", "stop", FALSE, EACH(RUNNING, STOP), "failed",
     "running,stopped", "", EACH(RUNNING, STOP)},
    {"stop/unknown", "commit ", "stop", FALSE, EACH(RUNNING, STOP), "failed", "running,stopped", "",
     EACH(RUNNING, STOP)},
};

static void
write_past(int fd, const char *lines)
{
    g_autoptr(VfRecord) record = vf_record_new_from_fd(vf_io_dup(fd, NULL));
    g_auto(GStrv) words = g_strsplit(lines, " ", -1);

    for (guint i = 0; words[i] && words[i][0] != '\0'; i++) {
        gsize end = strlen(words[i]) - 1;
        GVariant *details = NULL;
        if (g_str_equal(words[i], "damaged")) {
            g_assert_cmpint(write(fd, "what?\n", 6), ==, 6);
            continue;
        }
        if (g_ascii_isdigit(words[i][end])) {
            details = g_variant_new_parsed("{'device': <%u>}", (guint32)(words[i][end] - '0'));
            words[i][end] = '\0';
        }
        g_assert_true(vf_record_mark(record, words[i], details, NULL));
    }
}

/* Of the second device of a mover that has two. */
static VfMemory *
find_state(VfMigrationState state)
{
    VfMemory *device = vf_memory_new(&usual);
    g_autoptr(VfBackend) backend = vf_memory_open(device);

    if (state != VF_STATE_RUNNING)
        g_assert_true(vf_backend_set_state(backend, VF_STATE_RUNNING, state, NULL));
    return device;
}

static void
test_past(gconstpointer data)
{
    const Past *past = data;
    Side side = {0};
    g_autofree char *found = NULL;
    g_autofree char *states = NULL;
    g_autofree char *events = NULL;
    g_auto(GStrv) listed = NULL;
    int fds[3] = {open_null(), open_null(), -1};

    side.device = find_state(past->found[0]);
    side.second = find_state(past->found[1]);
    side_start(&side);
    write_past(side.record, past->lines);
    events = side_events(&side);
    fds[2] = side.record;
    ask(side.mover, past->verb, past->touched_only ? parse("{'touched-only': <true>}") : NULL, fds,
        3);
    side_end(&side, past->outcome);
    found = side_events(&side);
    g_assert_cmpstr(found + strlen(events), ==, past->events);
    g_assert_true(g_variant_dict_lookup(side.result->args, "device-states", "^as", &listed));
    states = g_strjoinv(",", listed);
    g_assert_cmpstr(states, ==, past->states);
    g_assert_cmpint(vf_memory_get_state(side.device), ==, past->end[0]);
    g_assert_cmpint(vf_memory_get_state(side.second), ==, past->end[1]);
    close(fds[0]);
    close(fds[1]);
    side_clear(&side);
}

/* Before the commit they run again, whether the record can say so or not. After it nobody may take
 * what runs for reset, so that it is said before, or does not run. */
typedef struct {
    const char *name;
    const char *lines;
    const char *verb;
    const char *outcome;
    VfMigrationState end;
} Unwritten;

static const Unwritten unwritten[] = {
    {"return", "touched0 moved0 ", "return", "completed", VF_STATE_RUNNING},
    {"return-committed", "touched0 moved0 commit ", "return", "failed", VF_STATE_STOP},
    {"start", "loaded commit ", "start", "failed", VF_STATE_STOP},
};

static void
test_unwritten(gconstpointer data)
{
    const Unwritten *c = data;
    Side side = {0};
    g_autofree char *path = NULL;
    g_autofree char *events = NULL, *found = NULL;
    int fds[2] = {open_null(), -1};

    side.device = find_state(VF_STATE_STOP);
    side_start(&side);
    write_past(side.record, c->lines);
    events = side_events(&side);
    path = g_strdup_printf("/proc/self/fd/%d", side.record);
    fds[1] = open(path, O_RDONLY | O_CLOEXEC);
    ask(side.mover, c->verb, NULL, fds, 2);
    side_end(&side, c->outcome);
    found = side_events(&side);
    g_assert_cmpstr(found, ==, events);
    g_assert_cmpint(vf_memory_get_state(side.device), ==, c->end);
    close(fds[0]);
    close(fds[1]);
    side_clear(&side);
}

/* The commit still fits into a destination's record, and `starting` does not. */
static void
test_starting_unwritten(void)
{
    static const VfMemoryOptions small = {.flags = VF_BACKEND_STOP_COPY, .size = 64 * 1024};
    Side source = {0};
    Side destination = {0};
    Side scratch = {.record = open_record()};
    g_autofree char *events = NULL;
    struct stat st;

    write_past(scratch.record, "touched0 moved0 loaded commit ");
    g_assert_no_errno(fstat(scratch.record, &st));
    destination.spare = (gsize)st.st_size + 10;
    begin_pair(&source, &destination, &small);
    side_end(&source, "in-doubt");
    side_end(&destination, "in-doubt");
    events = side_events(&destination);
    g_assert_cmpstr(events, ==, "pad loaded commit ");
    g_assert_cmpint(vf_memory_get_state(destination.device), ==, VF_STATE_STOP);
    close(scratch.record);
    side_clear(&source);
    side_clear(&destination);
}

/* A device that does not run belongs to whoever has stopped it. */
static void
test_untouched(void)
{
    Side side = {0};
    g_autoptr(VfBackend) backend = NULL;
    gboolean untouched = FALSE;

    side.device = vf_memory_new(&usual);
    side_start(&side);
    backend = vf_memory_open(side.device);
    g_assert_true(vf_backend_set_state(backend, VF_STATE_RUNNING, VF_STATE_STOP, NULL));
    side_ask(&side, "send",
             parse("{" JOB ", 'port': <uint16 1>, 'downtime-limit-ms': <uint32 1>, "
                   "'precopy-max-seconds': <uint32 1>, 'switchover-ack': <true>}"));
    side_end(&side, "failed");
    g_assert_true(g_variant_dict_lookup(side.result->args, "untouched", "b", &untouched));
    g_assert_true(untouched);
    g_assert_cmpint(vf_memory_get_state(side.device), ==, VF_STATE_STOP);
    side_clear(&side);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(bad_requests); i++) {
        g_autofree char *path = g_strdup_printf("/engine/mover/request/%s", bad_requests[i].name);
        g_test_add_data_func(path, &bad_requests[i], test_bad_request);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(pasts); i++) {
        g_autofree char *path = g_strdup_printf("/engine/mover/past/%s", pasts[i].name);
        g_test_add_data_func(path, &pasts[i], test_past);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(unwritten); i++) {
        g_autofree char *path = g_strdup_printf("/engine/mover/unwritten/%s", unwritten[i].name);
        g_test_add_data_func(path, &unwritten[i], test_unwritten);
    }
    g_test_add_func("/engine/mover/unwritten/starting", test_starting_unwritten);
    g_test_add_func("/engine/mover/untouched", test_untouched);
    g_test_add_func("/engine/mover/most-devices", test_most_devices);
    g_test_add_func("/engine/mover/malformed", test_malformed);
    g_test_add_func("/engine/mover/end-of-file", test_end_of_file);
    g_test_add_func("/engine/mover/without-control", test_without_control);
    g_test_add_func("/engine/mover/version", test_version);
    g_test_add_func("/engine/mover/migration", test_migration);
    g_test_add_func("/engine/mover/cancel", test_cancel);
    g_test_add_func("/engine/mover/cancel-while-listening", test_cancel_while_listening);
    g_test_add_func("/engine/mover/link-local", test_link_local);
    g_test_add_func("/engine/mover/lost-daemon", test_lost_daemon);
    g_test_add_func("/engine/mover/lost-daemon-at-destination", test_lost_daemon_at_destination);
    g_test_add_func("/engine/mover/inspect", test_inspect);
    g_test_add_func("/engine/mover/recover", test_recover);
    return g_test_run();
}
