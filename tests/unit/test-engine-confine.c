/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <gio/gio.h>

#include "control.h"
#include "io.h"
#include "pair.h"

/* The sandbox from inside: confine-probe in the sandbox of each verb, one attempt at a time. And
 * from outside: what /proc says of the real mover after a request. */

#define DEADLINE_MS 20000

/* The last ones are other workers': their subject is moved by somebody else, and they have no
 * device; those of vferry-guest speak to a monitor. */
static const char *const verbs[] = {"open", "inspect", "return",       "start", "stop",
                                    "send", "receive", "send-subject", "look",  "send-guest"};

enum {
    OPEN = 1 << 0,
    INSPECT = 1 << 1,
    RETURN = 1 << 2,
    START = 1 << 3,
    STOP = 1 << 4,
    SEND_DEVICE = 1 << 5,
    RECEIVE = 1 << 6,
    SEND_SUBJECT = 1 << 7,
    LOOK = 1 << 8,
    SEND_GUEST = 1 << 9,
    MONITOR = LOOK | SEND_GUEST,
    SEND = SEND_DEVICE | SEND_SUBJECT | SEND_GUEST,
    NETWORK = SEND | RECEIVE,
    RECORD = RETURN | START | STOP | NETWORK,
    SHUT = INSPECT | RECORD | LOOK,
    EVERY = SHUT | OPEN,
};

typedef struct {
    const char *name;
    guint allowed; /* in the sandboxes of these verbs */
    enum { DIES, FAILS } otherwise;
} Attempt;

static const Attempt attempts[] = {
    {"execve", 0, DIES},
    {"fork", 0, DIES},
    {"clone", 0, DIES},
    {"ptrace", 0, DIES},
    {"kill", 0, DIES},
    {"tgkill", 0, DIES},
    {"unix-socket", 0, DIES},
    {"netlink-socket", 0, DIES},
    {"datagram-socket", 0, FAILS},
    {"filter", 0, DIES},
    {"unlink", 0, DIES},
    {"mount", 0, DIES},
    {"unshare", 0, DIES},
    {"setuid", 0, DIES},
    {"capset", 0, DIES},
    {"seccomp", 0, DIES},
    {"dumpable", 0, DIES},
    {"exec-memory", 0, DIES},
    {"make-exec", 0, DIES},
    {"memfd", 0, DIES},
    {"dup", 0, DIES},
    {"io-uring", 0, DIES},
    {"bpf", 0, DIES},
    {"process-vm", 0, DIES},
    {"raise-limit", 0, DIES},
    {"tty", 0, DIES},
    {"stat", 0, FAILS},
    {"stat-disguised", OPEN, FAILS},
    {"open", OPEN, FAILS},
    {"vfio-container", OPEN, DIES},
    {"vfio-reset", OPEN, DIES},
    {"vfio-feature", EVERY & ~(SEND_SUBJECT | MONITOR), DIES},
    {"vfio-precopy", SEND_DEVICE | RECEIVE | OPEN, DIES},
    {"fsync", RECORD, DIES},
    {"shorten", 0, DIES},
    {"take-back", RECORD, DIES},
    {"not-append", 0, DIES},
    {"write-file", EVERY, DIES},
    {"pread", 0, DIES},
    {"pwrite", 0, DIES},
    {"map-file", OPEN, DIES},
    {"stream-socket", NETWORK, DIES},
    {"other-protocol", 0, DIES},
    {"connect", SEND, DIES},
    {"fast-open", 0, DIES},
    {"fast-open-message", 0, DIES},
    {"bind", RECEIVE, DIES},
    {"listen", RECEIVE, DIES},
    {"accept", RECEIVE, DIES},
    {"recv", NETWORK | LOOK, DIES},
    {"nodelay", NETWORK, DIES},
    {"in-flight", NETWORK, DIES},
    {"monitor", MONITOR, DIES},
    {"socket-option", 0, DIES},
    {"threads", EVERY, DIES},
    {"loop", EVERY, DIES},
    {"messages", EVERY, DIES},
    {"fstat", EVERY, DIES},
    {"control", EVERY, DIES},
};

static int
probe(const char *verb, const char *attempt)
{
    const char *const argv[] = {VF_TEST_PROBE, verb, attempt, NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                 &status, &error);
    g_assert_no_error(error);
    return status;
}

static gboolean
on_talk_deadline(gpointer data)
{
    g_subprocess_force_exit(data);
    return G_SOURCE_CONTINUE;
}

static void
on_talk_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    *(gboolean *)data = TRUE;
}

/* Whoever should read what it says does not, or has gone: it waits for nobody, and lives. */
static void
test_talk(void)
{
    static const char *const argv[] = {VF_TEST_PROBE, "send", "talk", NULL};

    for (guint gone = 0; gone < 2; gone++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GSubprocess) process =
            g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
        gboolean ended = FALSE;
        guint timer;

        g_assert_no_error(error);
        if (gone)
            g_input_stream_close(g_subprocess_get_stderr_pipe(process), NULL, NULL);
        timer = g_timeout_add_seconds(20, on_talk_deadline, process);
        g_subprocess_wait_async(process, NULL, on_talk_ended, &ended);
        while (!ended)
            g_main_context_iteration(NULL, TRUE);
        g_source_remove(timer);
        g_assert_true(g_subprocess_get_successful(process));
    }
}

static void
test_verb(gconstpointer data)
{
    guint verb = GPOINTER_TO_UINT(data);

    for (gsize i = 0; i < G_N_ELEMENTS(attempts); i++) {
        const Attempt *a = &attempts[i];
        int status = probe(verbs[verb], a->name);
        gboolean right;

        if (a->allowed & (1u << verb))
            right = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        else if (a->otherwise == FAILS)
            right = WIFEXITED(status) && WEXITSTATUS(status) == 2;
        else
            right = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
        if (!right)
            g_error("%s in the sandbox of %s: wait status %#x", a->name, verbs[verb],
                    (guint)status);
    }
}

/* A bug that ends in abort() looks like one, and not like a break-out. */
static void
test_abort(void)
{
    int status = probe("send", "abort");

    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGABRT);
}

typedef struct {
    GPid pid;
    int fd;
    int theirs;
} Mover;

static void
child_setup(gpointer data)
{
    if (dup2(GPOINTER_TO_INT(data), 3) < 0)
        _exit(126);
}

/* What it says must wait until it is heard: its socket is full. So it stays, with all it has. */
static void
fill(int fd)
{
    char block[512] = {0};
    int small = 0;

    g_assert_no_errno(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
    while (send(fd, block, sizeof block, MSG_DONTWAIT) > 0)
        ;
    while (send(fd, block, 1, MSG_DONTWAIT) > 0)
        ;
}

static void
mover_start(Mover *mover)
{
    char *argv[] = {(char *)VF_TEST_MOVER, NULL};
    g_autoptr(GError) error = NULL;
    vf_autofd int pair = -1;
    vf_autofd int theirs = -1;

    g_assert_true(vf_control_pair(&mover->fd, &pair, &error));
    theirs = fcntl(pair, F_DUPFD_CLOEXEC, 10);
    fill(theirs);
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                  child_setup, GINT_TO_POINTER(theirs), &mover->pid, &error);
    g_assert_no_error(error);
}

static void
mover_end(Mover *mover)
{
    int status = -1;

    kill(mover->pid, SIGKILL);
    g_assert_cmpint(waitpid(mover->pid, &status, 0), ==, mover->pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        g_error("the mover was gone before: wait status %#x", (guint)status);
    vf_io_clear_fd(&mover->fd);
}

static char *
read_status(const Mover *mover)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", mover->pid);
    char *status = NULL;

    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    return status;
}

/* Until it says so, or for long enough. */
static void
wait_for_status(const Mover *mover, const char *line)
{
    gint64 end = g_get_monotonic_time() + (gint64)DEADLINE_MS * 1000 * vf_pair_slowness();

    while (g_get_monotonic_time() < end) {
        g_autofree char *status = read_status(mover);
        if (strstr(status, line))
            return;
        g_usleep(2000);
    }
    g_error("no %s in the mover's status", line);
}

static void
check_privileges(const Mover *mover)
{
    g_autofree char *status = read_status(mover);

    g_assert_nonnull(strstr(status, "\nNoNewPrivs:\t1\n"));
    g_assert_nonnull(strstr(status, "\nCapInh:\t0000000000000000\n"));
    g_assert_nonnull(strstr(status, "\nCapPrm:\t0000000000000000\n"));
    g_assert_nonnull(strstr(status, "\nCapEff:\t0000000000000000\n"));
    g_assert_nonnull(strstr(status, "\nCapAmb:\t0000000000000000\n"));
    if (geteuid() == 0)
        g_assert_nonnull(strstr(status, "\nCapBnd:\t0000000000000000\n"));
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What its descriptors beyond the standard ones are, sorted. */
static char *
list_fds(const Mover *mover)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", mover->pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        g_assert_nonnull(target);
        target[strcspn(target, ":")] = '\0';
        if (strlen(name) > 1 || name[0] > '2')
            g_ptr_array_add(names, g_steal_pointer(&target));
    }
    g_ptr_array_sort(names, compare_texts);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

#ifdef __SANITIZE_ADDRESS__
#define FILTERED "\nSeccomp:\t0\n" /* engine/confine.h says why */
#else
#define FILTERED "\nSeccomp:\t2\n"
#endif
#define WAKEUP "anon_inode" /* an eventfd: the main loop's, and that of a session's cancel */

typedef struct {
    const char *verb;
    const char *args;
    guint n_fds;
    const char *fds;
} Request;

#define SESSION                                                                                    \
    "'job': <'j'>, 'address': <'127.0.0.1'>, 'key': <b'0123456789abcdef0123456789abcde'>, "        \
    "'features': <@as []>"

/* None gets far: what it is given is no device. */
static const Request requests[] = {
    {"open", "{'device': <'x'>, 'group': <2147483647>}", 0, WAKEUP " socket"},
    {"inspect", "{}", 1, "/dev/null " WAKEUP " " WAKEUP " socket"},
    {"return", "{}", 2, "/dev/null /dev/null " WAKEUP " " WAKEUP " socket"},
    {"start", "{}", 3, "/dev/null /dev/null /dev/null " WAKEUP " " WAKEUP " socket"},
    {"stop", "{}", 3, "/dev/null /dev/null /dev/null " WAKEUP " " WAKEUP " socket"},
    {"send",
     "{" SESSION ", 'port': <uint16 1>, 'downtime-limit-ms': <uint32 1>, "
     "'precopy-max-seconds': <uint32 1>, 'switchover-ack': <true>}",
     2, "/dev/null /dev/null " WAKEUP " " WAKEUP " socket"},
    {"receive",
     "{" SESSION ", 'port-min': <uint16 0>, 'port-max': <uint16 0>, 'accept-seconds': <uint32 1>, "
     "'size-max': <uint64 1>}",
     2, "/dev/null /dev/null " WAKEUP " " WAKEUP " socket"},
};

/* Until they are what they should be, or for long enough. */
static void
wait_for_fds(const Mover *mover, const char *expected)
{
    gint64 end = g_get_monotonic_time() + (gint64)DEADLINE_MS * 1000 * vf_pair_slowness();
    g_autofree char *found = list_fds(mover);

    while (!g_str_equal(found, expected) && g_get_monotonic_time() < end) {
        g_usleep(2000);
        g_free(found);
        found = list_fds(mover);
    }
    g_assert_cmpstr(found, ==, expected);
}

static void
test_before_request(void)
{
    Mover mover;

    mover_start(&mover);
    wait_for_status(&mover, "\nCapPrm:\t0000000000000000\n");
    check_privileges(&mover);
    wait_for_fds(&mover, WAKEUP " socket");
    mover_end(&mover);
}

static void
test_request(gconstpointer data)
{
    const Request *request = data;
    vf_autofd int stray = open("/proc", O_RDONLY); /* inherited, and not wanted */
    g_autoptr(GVariant) args =
        g_variant_parse(G_VARIANT_TYPE_VARDICT, request->args, NULL, NULL, NULL);
    g_autoptr(GError) error = NULL;
    int fds[3];
    Mover mover;

    g_assert_cmpint(stray, >=, 0);
    for (guint i = 0; i < request->n_fds; i++)
        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
    mover_start(&mover);
    vf_control_send(mover.fd, request->verb, args, fds, request->n_fds, &error);
    g_assert_no_error(error);
    wait_for_status(&mover, "\nCapPrm:\t0000000000000000\n");
    wait_for_status(&mover, FILTERED);
    check_privileges(&mover);
    wait_for_fds(&mover, request->fds);
    for (guint i = 0; i < request->n_fds; i++)
        vf_io_clear_fd(&fds[i]);
    mover_end(&mover);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint verb = 0; verb < G_N_ELEMENTS(verbs); verb++) {
        g_autofree char *path = g_strdup_printf("/engine/confine/attempts/%s", verbs[verb]);
        g_test_add_data_func(path, GUINT_TO_POINTER(verb), test_verb);
    }
    g_test_add_func("/engine/confine/abort", test_abort);
    g_test_add_func("/engine/confine/talk", test_talk);
    g_test_add_func("/engine/confine/before-request", test_before_request);
    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autofree char *path = g_strdup_printf("/engine/confine/mover/%s", requests[i].verb);
        g_test_add_data_func(path, &requests[i], test_request);
    }
    return g_test_run();
}
