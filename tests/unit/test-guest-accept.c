/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "asked.h"
#include "backend.h"
#include "control.h"
#include "error.h"
#include "io.h"
#include "pair.h"

/* vferry-accept, by its control socket, as a process: what it asks is the kernel's VFIO, which
 * tests/support/asked.c plays; where it looks for a device are real processes. What the real kernel
 * says is tests/kernel/scenarios/accept.py. */

#define DEADLINE_MS 20000
#define NAME "7e57de00-0000-4000-8000-000000000001"

typedef struct {
    char *dir;
    char *path;   /* of the lease's device in a sysfs of the test's */
    char *groups; /* the class of groups there */
    char *yama;
    guint64 inode;
    int device; /* a VfAskedDevice */
    gboolean powerless;
    const char *errnum; /* of pidfd_getfd() */
    const char *name;   /* that the group knows */
    GPid holder;
    GPid pid;
    int control;
} Fixture;

static void
write_file(const char *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);

    g_assert_no_errno(g_mkdir_with_parents(parent, 0700));
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static guint64
inode_of(const char *path)
{
    struct stat info;

    g_assert_no_errno(stat(path, &info));
    return info.st_ino;
}

static void
set_up(Fixture *self, gconstpointer data)
{
    g_autofree char *link = NULL;

    self->dir = g_dir_make_tmp("vferry-accept-XXXXXX", NULL);
    self->path = g_build_filename(self->dir, NAME, NULL);
    self->groups = g_build_filename(self->dir, "class", NULL);
    self->yama = g_build_filename(self->dir, "ptrace_scope", NULL);
    self->name = NAME;
    self->control = -1;
    write_file(self->path, "vfio-dev/vfio7/dev", "1:3\n");
    write_file(self->groups, "42/dev", "1:7\n");
    write_file(self->dir, "ptrace_scope", "1\n");
    link = g_build_filename(self->path, "iommu_group", NULL);
    g_assert_no_errno(symlink("../kernel/iommu_groups/42", link));
    self->inode = inode_of(self->path);
    self->device = vf_io_memfd("vferry-test-device");
    g_assert_cmpint(self->device, >=, 0);
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            remove_tree(child);
        else
            g_assert_no_errno(unlink(child));
    }
    g_assert_no_errno(rmdir(path));
}

static void
end_holder(Fixture *self)
{
    if (self->holder <= 0)
        return;
    kill(self->holder, SIGKILL);
    g_assert_cmpint(waitpid(self->holder, NULL, 0), ==, self->holder);
    self->holder = 0;
}

static void
tear_down(Fixture *self, gconstpointer data)
{
    end_holder(self);
    remove_tree(self->dir);
    vf_io_clear_fd(&self->device);
    vf_io_clear_fd(&self->control);
    g_free(self->dir);
    g_free(self->path);
    g_free(self->groups);
    g_free(self->yama);
}

/* --- the device --- */

static void
be(Fixture *self, VfAskedDevice device)
{
    g_assert_cmpint(pwrite(self->device, &device, sizeof device, 0), ==, sizeof device);
}

static VfAskedDevice
look(Fixture *self)
{
    VfAskedDevice device;

    g_assert_cmpint(pread(self->device, &device, sizeof device, 0), ==, sizeof device);
    return device;
}

/* --- the process that has it open --- */

/* @paths: what it opens, in this order. */
static void
hold(Fixture *self, const char *const *paths)
{
    int ready[2];
    char byte;

    g_assert_no_errno(pipe(ready));
    self->holder = fork();
    g_assert_cmpint(self->holder, >=, 0);
    if (self->holder == 0) {
        /* whatever this machine's Yama says; whoever is no root has no other way */
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        /* the test's own, and /dev/null where standard descriptors are that */
        if (close_range(0, (guint)ready[1] - 1, 0) < 0 ||
            close_range((guint)ready[1] + 1, ~0U, 0) < 0)
            _exit(1);
        for (guint i = 0; paths[i]; i++)
            if (open(paths[i], O_RDWR) < 0)
                _exit(1);
        if (write(ready[1], "r", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    close(ready[0]);
}

/* -1 and skipped: valgrind knows no pidfd. */
static int
hold_open(Fixture *self, const char *const *paths)
{
    int pidfd;

    hold(self, paths);
    pidfd = pidfd_open(self->holder, 0);
    if (pidfd < 0 && errno == ENOSYS)
        g_test_skip("there is no pidfd_open()");
    else
        g_assert_no_errno(pidfd);
    return pidfd;
}

/* Where tests run as somebody without rights, or behind a filter, the kernel may refuse it. */
static gboolean
skip_without_getfd(int pidfd)
{
    vf_autofd int fd = pidfd_getfd(pidfd, 0, 0);

    if (fd >= 0)
        return FALSE;
    g_test_skip("the kernel does not let this user take descriptors of a process");
    return TRUE;
}

/* --- vferry-accept --- */

static void
child_setup(gpointer data)
{
    Fixture *self = data;

    if (self->powerless)
        prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
    /* g_spawn closes what is not inherited only after this */
    if (dup2(self->control, 3) < 0)
        _exit(126);
}

/* Who is not root has no capability anyway, nor may drop one. */
static void
begin(Fixture *self, const char *program)
{
    char *argv[] = {(char *)program, NULL};
    g_autofree char *device = g_strdup_printf("/proc/%d/fd/%d", getpid(), self->device);
    g_auto(GStrv) env = g_get_environ();
    g_autoptr(GError) error = NULL;
    int ours, theirs;

    env = g_environ_setenv(env, VF_ASKED_ENV_DEVICE, device, TRUE);
    env = g_environ_setenv(env, VF_ASKED_ENV_NAME, self->name, TRUE);
    env = g_environ_setenv(env, VF_ASKED_ENV_GROUPS, self->groups, TRUE);
    env = g_environ_setenv(env, VF_ASKED_ENV_YAMA, self->yama, TRUE);
    if (self->errnum)
        env = g_environ_setenv(env, VF_ASKED_ENV_ERRNO, self->errnum, TRUE);
    g_assert_true(vf_control_pair(&ours, &theirs, &error));
    self->control = fcntl(theirs, F_DUPFD_CLOEXEC, 10); /* not 3: dup2 would leave it so */
    g_spawn_async(NULL, argv, env, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                  child_setup, self, &self->pid, &error);
    g_assert_no_error(error);
    close(theirs);
    close(self->control);
    self->control = ours;
}

static void
send_request(Fixture *self, const char *verb, GVariant *args, const int *fds, guint n_fds)
{
    g_autoptr(GError) error = NULL;

    vf_control_send(self->control, verb, args, fds, n_fds, &error);
    g_assert_no_error(error);
}

static VfControlMessage *
hear(Fixture *self)
{
    struct timeval patience = {.tv_sec = DEADLINE_MS / 1000 * vf_pair_slowness()};
    g_autoptr(GError) error = NULL;
    VfControlMessage *message;

    g_assert_no_errno(
        setsockopt(self->control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    message = vf_control_receive(self->control, &error);
    g_assert_no_error(error);
    return message;
}

/* By itself, within the deadline. */
static int
wait_end(Fixture *self)
{
    gint64 end = g_get_monotonic_time() + (gint64)DEADLINE_MS * 1000 * vf_pair_slowness();
    int status = -1;
    pid_t pid;

    while ((pid = waitpid(self->pid, &status, WNOHANG)) == 0 && g_get_monotonic_time() < end)
        g_usleep(2000);
    if (pid == 0)
        kill(self->pid, SIGKILL);
    g_assert_cmpint(pid, ==, self->pid);
    vf_io_clear_fd(&self->control);
    return status;
}

typedef struct {
    const char *state; /* NULL: none */
    VferryError code;
    const char *part; /* of the message; NULL: completed */
    gboolean untouched;
} Answer;

static void
expect(Fixture *self, const Answer *answer)
{
    g_autoptr(VfControlMessage) result = hear(self);
    const char *outcome = NULL;
    const char *code = NULL;
    const char *message = "";
    const char *state = NULL;
    gboolean untouched = FALSE;

    g_assert_nonnull(result);
    g_assert_cmpstr(result->verb, ==, "result");
    g_assert_true(g_variant_dict_lookup(result->args, "outcome", "&s", &outcome));
    g_variant_dict_lookup(result->args, "error", "&s", &code);
    g_variant_dict_lookup(result->args, "message", "&s", &message);
    g_variant_dict_lookup(result->args, "state", "&s", &state);
    g_variant_dict_lookup(result->args, "untouched", "b", &untouched);
    g_test_message("%s %s: %s", outcome, code ? code : "", message);
    g_assert_cmpstr(outcome, ==, answer->part ? "failed" : "completed");
    g_assert_cmpstr(code, ==, answer->part ? vf_error_to_name(answer->code) : NULL);
    if (answer->part && !strstr(message, answer->part))
        g_error("“%s” is not in “%s”", answer->part, message);
    g_assert_cmpstr(state, ==, answer->state);
    g_assert_true(untouched == answer->untouched);
    g_assert_null(hear(self));
    g_assert_cmpint(wait_end(self), ==, 0);
}

#define COMPLETED                                                                                  \
    {                                                                                              \
        "STOP", 0, NULL, FALSE                                                                     \
    }

/* --- the device itself is given --- */

typedef struct {
    VfAskedDevice device;
    Answer answer;
    VfMigrationState end;
} Given;

static const Given given[] = {
    {{VF_STATE_RESUMING, 0, 0, 0}, COMPLETED, VF_STATE_STOP},
    {{VF_STATE_RESUMING, EINVAL, 0, 0},
     {"RESUMING", VFERRY_ERROR_DEVICE,
      "the kernel does not take the state: change of state from RESUMING to STOP: Invalid argument",
      FALSE},
     VF_STATE_RESUMING},
    {{VF_STATE_RUNNING, 0, 0, 0},
     {"RUNNING", VFERRY_ERROR_DEVICE, "the device is in RUNNING and was left alone", TRUE},
     VF_STATE_RUNNING},
    {{VF_STATE_STOP, 0, 0, 0},
     {"STOP", VFERRY_ERROR_DEVICE, "the device is in STOP and was left alone", TRUE},
     VF_STATE_STOP},
    {{VF_STATE_ERROR, 0, 0, 0},
     {"ERROR", VFERRY_ERROR_DEVICE, "the device is in ERROR and was left alone", TRUE},
     VF_STATE_ERROR},
    {{VF_STATE_RESUMING, 0, VF_STATE_RUNNING, 0},
     {"RUNNING", VFERRY_ERROR_DEVICE, "then the device was in RUNNING, not in STOP", FALSE},
     VF_STATE_RUNNING},
    {{99, 0, 0, 0},
     {NULL, VFERRY_ERROR_DEVICE, "the device's state is 99", TRUE},
     (VfMigrationState)99},
};

static void
test_given(Fixture *self, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(given); i++) {
        be(self, given[i].device);
        begin(self, VF_TEST_ASKED);
        send_request(self, "accept", NULL, &self->device, 1);
        expect(self, &given[i].answer);
        g_assert_cmpuint(look(self).state, ==, given[i].end);
    }
}

/* The installed program, with the kernel of this machine. */
static void
test_no_device(Fixture *self, gconstpointer data)
{
    static const Answer answer = {NULL, VFERRY_ERROR_DEVICE, "reading the device's state", TRUE};
    vf_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    begin(self, VF_TEST_ACCEPT);
    send_request(self, "accept", NULL, &null, 1);
    expect(self, &answer);
}

typedef struct {
    const char *verb;
    const char *args;
    guint n_fds;
    VferryError code;
    const char *part;
} Nonsense;

static const Nonsense nonsense[] = {
    {"accept", "@a{sv} {}", 0, VFERRY_ERROR_INVALID_ARGUMENT, "has 0 descriptors"},
    {"accept", "@a{sv} {}", 2, VFERRY_ERROR_INVALID_ARGUMENT, "has 2 descriptors"},
    {"accept", "{'force': <true>}", 1, VFERRY_ERROR_UNKNOWN_OPTION, "force"},
    {"open", "@a{sv} {}", 0, VFERRY_ERROR_INVALID_ARGUMENT, "there is no request “open”"},
    {"accept-from-process", "@a{sv} {}", 1, VFERRY_ERROR_INVALID_ARGUMENT, "“path” is missing"},
    {"accept-from-process", "{'path': <'/x'>}", 1, VFERRY_ERROR_INVALID_ARGUMENT, "“inode”"},
    {"accept-from-process", "{'path': <'/x'>, 'inode': <uint64 1>, 'uid': <'root'>}", 1,
     VFERRY_ERROR_INVALID_ARGUMENT, "“uid” is missing, or not of type “u”"},
    {"accept-from-process", "{'path': <'/x'>, 'inode': <uint64 1>, 'uid': <uint32 0>}", 1,
     VFERRY_ERROR_INVALID_ARGUMENT, "“allowed” is missing"},
    {"accept-from-process",
     "{'path': <'../x'>, 'inode': <uint64 1>, 'uid': <uint32 0>, 'allowed': <true>}", 1,
     VFERRY_ERROR_INVALID_ARGUMENT, "“path” is “../x”; it must be"},
    {"accept-from-process",
     "{'path': <'/x'>, 'inode': <uint64 1>, 'uid': <uint32 0>, 'allowed': <true>, 'pid': <1>}", 1,
     VFERRY_ERROR_UNKNOWN_OPTION, "pid"},
};

static void
test_nonsense(Fixture *self, gconstpointer data)
{
    const int fds[] = {self->device, self->device};

    be(self, (VfAskedDevice){.state = VF_STATE_RESUMING});
    for (gsize i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        const Answer answer = {NULL, nonsense[i].code, nonsense[i].part, TRUE};
        g_autoptr(GVariant) args = g_variant_take_ref(g_variant_new_parsed(nonsense[i].args));

        begin(self, VF_TEST_ASKED);
        send_request(self, nonsense[i].verb, args, fds, nonsense[i].n_fds);
        expect(self, &answer);
    }
    g_assert_cmpuint(look(self).state, ==, VF_STATE_RESUMING);
}

/* --- the device is in a process --- */

static GVariant *
make_args(Fixture *self, guint32 uid, gboolean allowed)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "path", "s", self->path);
    g_variant_dict_insert(&dict, "inode", "t", self->inode);
    g_variant_dict_insert(&dict, "uid", "u", uid);
    g_variant_dict_insert(&dict, "allowed", "b", allowed);
    return g_variant_dict_end(&dict);
}

static void
ask_process(Fixture *self, int pidfd, const Answer *answer)
{
    begin(self, VF_TEST_ASKED);
    send_request(self, "accept-from-process", make_args(self, geteuid(), TRUE), &pidfd, 1);
    expect(self, answer);
}

/* FALSE: nobody could be asked here. */
static gboolean
ask_holder(Fixture *self, const char *const *paths, const Answer *answer)
{
    vf_autofd int pidfd = hold_open(self, paths);
    gboolean can = pidfd >= 0 && !skip_without_getfd(pidfd);

    if (can)
        ask_process(self, pidfd, answer);
    end_holder(self);
    return can;
}

static const Answer completed = COMPLETED;

static void
test_node(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {"/dev/urandom", VF_ASKED_NODE, NULL};

    ask_holder(self, held, &completed);
}

static void
test_group(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {"/dev/urandom", VF_ASKED_GROUP, NULL};

    be(self, (VfAskedDevice){.state = VF_STATE_RESUMING});
    if (ask_holder(self, held, &completed))
        g_assert_cmpuint(look(self).state, ==, VF_STATE_STOP);
}

/* Of two that are open the one that is bound answers, and not the one before it. */
static void
test_node_twice(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_SPARE, VF_ASKED_GROUP, NULL};
    static const char *const spare[] = {VF_ASKED_SPARE, NULL};
    static const Answer unbound = {
        NULL, VFERRY_ERROR_DEVICE,
        "was not found to hold “" NAME "”: reading the device's state: Invalid argument", TRUE};

    be(self, (VfAskedDevice){.state = VF_STATE_RESUMING});
    write_file(self->path, "vfio-dev/vfio7/dev", "1:5\n");
    ask_holder(self, held, &completed);
    ask_holder(self, spare, &unbound);
}

static void
test_other_device(Fixture *self, gconstpointer data)
{
    static const char *const group[] = {VF_ASKED_GROUP, NULL};
    static const Answer not_in_group = {NULL, VFERRY_ERROR_DEVICE,
                                        "opening “" NAME "” in its group: No such device", TRUE};
    static const Answer not_held = {NULL, VFERRY_ERROR_NOT_FOUND, "does not hold “" NAME "”", TRUE};

    self->name = "another";
    ask_holder(self, group, &not_in_group);
    write_file(self->groups, "42/dev", "1:8\n"); /* which the process does not have */
    ask_holder(self, group, &not_held);
    ask_holder(self, (const char *const[]){"/dev/urandom", NULL}, &not_held);
}

/* Its name is the lease's, and it is not. */
static void
test_other_inode(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_NODE, NULL};
    static const Answer other = {NULL, VFERRY_ERROR_NOT_FOUND, "is another device than the lease's",
                                 TRUE};
    static const Answer gone = {NULL, VFERRY_ERROR_NOT_FOUND, "cannot open", TRUE};
    g_autofree char *child = g_build_filename(self->path, "vfio-dev", "vfio7", NULL);

    self->inode++;
    ask_holder(self, held, &other);
    self->inode = inode_of(child); /* as a PCI function is known */
    ask_holder(self, held, &completed);
    g_free(self->path);
    self->path = g_build_filename(self->dir, "none", NULL);
    ask_holder(self, held, &gone);
}

/* No node of its own, no group: a driver that is none of VFIO's, or one that has let go. */
static void
test_no_vfio(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_NODE, NULL};
    static const Answer none = {NULL, VFERRY_ERROR_NOT_FOUND, "neither a node", TRUE};
    static const Answer damaged = {NULL, VFERRY_ERROR_INVALID_ARGUMENT, "dev", TRUE};
    g_autofree char *link = g_build_filename(self->path, "iommu_group", NULL);
    g_autofree char *dev = g_build_filename(self->path, "vfio-dev", "vfio7", "dev", NULL);

    write_file(self->path, "vfio-dev/vfio7/dev", "1\n");
    ask_holder(self, held, &damaged);
    g_assert_no_errno(unlink(link));
    g_assert_no_errno(unlink(dev));
    ask_holder(self, held, &none);
}

static void
test_other_user(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_NODE, NULL};
    static const Answer answer = {NULL, VFERRY_ERROR_NOT_AUTHORIZED,
                                  "it must be of the one who attached it, who has 4000000000",
                                  TRUE};
    vf_autofd int pidfd = hold_open(self, held);

    if (pidfd < 0)
        return;
    begin(self, VF_TEST_ASKED);
    send_request(self, "accept-from-process", make_args(self, 4000000000, TRUE), &pidfd, 1);
    expect(self, &answer);
}

static void
test_not_allowed(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_NODE, NULL};
    static const Answer answer = {NULL, VFERRY_ERROR_NOT_AUTHORIZED,
                                  "“accept-from-process” in vferry.conf is “no”", TRUE};
    vf_autofd int pidfd = hold_open(self, held);

    if (pidfd < 0)
        return;
    begin(self, VF_TEST_ASKED);
    send_request(self, "accept-from-process", make_args(self, geteuid(), FALSE), &pidfd, 1);
    expect(self, &answer);
}

/* Dead and not waited for, gone for good, and what never was one. */
static void
test_no_process(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_NODE, NULL};
    static const Answer ended = {NULL, VFERRY_ERROR_NOT_FOUND, "has ended", TRUE};
    static const Answer none = {NULL, VFERRY_ERROR_INVALID_ARGUMENT, "it must be a pidfd", TRUE};
    vf_autofd int pidfd = hold_open(self, held);
    struct pollfd end;

    if (pidfd < 0)
        return;
    kill(self->holder, SIGKILL);
    end = (struct pollfd){.fd = pidfd, .events = POLLIN};
    g_assert_cmpint(poll(&end, 1, -1), ==, 1);
    ask_process(self, pidfd, &ended);
    end_holder(self);
    ask_process(self, pidfd, &ended);
    ask_process(self, self->device, &none);
}

typedef struct {
    const char *errnum;
    const char *yama;
    gboolean powerless;
    VferryError code;
    const char *part;
} Refusal;

static const Refusal refusals[] = {
    {"1", "1\n", TRUE, VFERRY_ERROR_NOT_AUTHORIZED, "without the capability CAP_SYS_PTRACE"},
    {"1", "3\n", FALSE, VFERRY_ERROR_NOT_AUTHORIZED, "kernel.yama.ptrace_scope is 3"},
    {"1", "1\n", FALSE, VFERRY_ERROR_NOT_AUTHORIZED, "a security module"},
    {"1", NULL, FALSE, VFERRY_ERROR_NOT_AUTHORIZED, "a security module"},
    {"3", "1\n", FALSE, VFERRY_ERROR_NOT_FOUND, "has ended"},
    {"24", "1\n", FALSE, VFERRY_ERROR_LIMIT_EXCEEDED, "Too many open files"},
    {"13", "1\n", FALSE, VFERRY_ERROR_NOT_AUTHORIZED, "taking descriptor 0: Permission denied"},
};

static gboolean
has_ptrace(void)
{
    g_autofree char *status = NULL;
    const char *line;

    g_assert_true(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
    line = strstr(status, "\nCapEff:\t");
    return g_ascii_strtoull(line + strlen("\nCapEff:\t"), NULL, 16) >> CAP_SYS_PTRACE & 1;
}

static void
test_refused(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_NODE, NULL};
    vf_autofd int pidfd = hold_open(self, held);

    if (pidfd < 0)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        const Refusal *refusal = &refusals[i];
        const Answer answer = {NULL, refusal->code, refusal->part, TRUE};

        /* who has no capability hears of that first */
        if (!refusal->powerless && !has_ptrace() && g_str_equal(refusal->errnum, "1"))
            continue;
        if (refusal->yama)
            write_file(self->dir, "ptrace_scope", refusal->yama);
        else
            g_assert_no_errno(unlink(self->yama));
        self->errnum = refusal->errnum;
        self->powerless = refusal->powerless;
        ask_process(self, pidfd, &answer);
    }
}

/* --- what may block --- */

static void
wait_for_block(Fixture *self)
{
    gint64 end = g_get_monotonic_time() + (gint64)DEADLINE_MS * 1000 * vf_pair_slowness();

    while (look(self).blocks != 2 && g_get_monotonic_time() < end)
        g_usleep(2000);
    g_assert_cmpuint(look(self).blocks, ==, 2);
}

#ifdef __SANITIZE_ADDRESS__
#define FILTERED "\nSeccomp:\t0\n" /* engine/confine.h says why */
#else
#define FILTERED "\nSeccomp:\t2\n"
#endif

/* Nothing is left of its power by the time the driver is asked, and it has its device, the control
 * socket, and wake-ups. */
static void
check_confined(Fixture *self)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", self->pid);
    g_autofree char *status = NULL;

    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    g_assert_nonnull(strstr(status, "\nNoNewPrivs:\t1\n"));
    g_assert_nonnull(strstr(status, FILTERED));
    g_assert_nonnull(strstr(status, "\nCapInh:\t0000000000000000\n"));
    g_assert_nonnull(strstr(status, "\nCapPrm:\t0000000000000000\n"));
    g_assert_nonnull(strstr(status, "\nCapEff:\t0000000000000000\n"));
}

/* Nobody waits for it: who started it goes, and so does it, with its copy of the device. */
static void
test_blocks(Fixture *self, gconstpointer data)
{
    be(self, (VfAskedDevice){.state = VF_STATE_RESUMING, .blocks = 1});
    begin(self, VF_TEST_ASKED);
    send_request(self, "accept", NULL, &self->device, 1);
    wait_for_block(self);
    check_confined(self);
    vf_io_clear_fd(&self->control);
    g_assert_cmpint(wait_end(self), ==, 0);
    g_assert_cmpuint(look(self).state, ==, VF_STATE_RESUMING);
}

static void
test_blocks_with_process(Fixture *self, gconstpointer data)
{
    static const char *const held[] = {VF_ASKED_GROUP, NULL};
    vf_autofd int pidfd = hold_open(self, held);

    if (pidfd < 0 || skip_without_getfd(pidfd))
        return;
    be(self, (VfAskedDevice){.state = VF_STATE_RESUMING, .blocks = 1});
    begin(self, VF_TEST_ASKED);
    send_request(self, "accept-from-process", make_args(self, geteuid(), TRUE), &pidfd, 1);
    wait_for_block(self);
    check_confined(self);
    be(self, (VfAskedDevice){.state = VF_STATE_RESUMING});
    expect(self, &completed);
    g_assert_cmpuint(look(self).state, ==, VF_STATE_STOP);
}

#define ADD(path, name) g_test_add("/guest/accept/" path, Fixture, NULL, set_up, name, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("given", test_given);
    ADD("no-device", test_no_device);
    ADD("nonsense", test_nonsense);
    ADD("node", test_node);
    ADD("group", test_group);
    ADD("node-twice", test_node_twice);
    ADD("other-device", test_other_device);
    ADD("other-inode", test_other_inode);
    ADD("no-vfio", test_no_vfio);
    ADD("other-user", test_other_user);
    ADD("not-allowed", test_not_allowed);
    ADD("no-process", test_no_process);
    ADD("refused", test_refused);
    ADD("blocks", test_blocks);
    ADD("blocks-with-process", test_blocks_with_process);
    return g_test_run();
}
