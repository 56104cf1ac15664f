/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "error.h"
#include "io.h"

#define PROGRAM VF_LIBEXECDIR "/vferry-accept"
#define CONTROL_FD 3

typedef struct {
    int control;
    gboolean powerless;
} Child;

static void
set_up_child(gpointer data)
{
    Child *self = data;

    if (self->powerless && prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0) < 0)
        _exit(126);
    if (dup2(self->control, CONTROL_FD) < 0)
        _exit(126);
}

/* Who started it and is killed for that leaves no zombie: nobody waits for it. */
static int
start(gboolean powerless, GPid *pid, GError **error)
{
    char *argv[] = {(char *)PROGRAM, NULL};
    Child child = {.powerless = powerless};
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    vf_autofd int high = -1;

    if (!vf_control_pair(&ours, &theirs, error))
        return -1;
    child.control = high = fcntl(theirs, F_DUPFD_CLOEXEC, 10);
    return g_spawn_async(NULL, argv, NULL,
                         G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_LEAVE_DESCRIPTORS_OPEN, set_up_child,
                         &child, pid, error)
               ? vf_io_steal_fd(&ours)
               : -1;
}

static int
reach(const char *path, GError **error)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    vf_autofd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    g_strlcpy(there.sun_path, path, sizeof there.sun_path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&there, sizeof there) == 0)
        return vf_io_steal_fd(&fd);
    vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "%s", path);
    return -1;
}

static const char *
get(VfControlMessage *message, const char *key)
{
    const char *text = NULL;

    return g_variant_dict_lookup(message->args, key, "&s", &text) ? text : "-";
}

static gboolean
print_answer(int control, GError **error)
{
    g_autoptr(VfControlMessage) message = vf_control_receive(control, error);

    if (!message) {
        if (error && !*error)
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, "it has gone without a word");
        return FALSE;
    }
    printf("%s %s %s %s %s\n", get(message, "outcome"), get(message, "error"),
           get(message, "state"),
           g_variant_dict_contains(message->args, "untouched") ? "untouched" : "asked",
           get(message, "message"));
    return fflush(stdout) == 0;
}

gboolean
ask(const AskWay *way, const char *verb, GVariant *args, int fd, GError **error)
{
    GPid pid = 0;
    vf_autofd int control =
        way->socket ? reach(way->socket, error) : start(way->powerless, &pid, error);
    struct pollfd wait = {.fd = control, .events = POLLIN};

    if (control < 0 || !vf_control_send(control, verb, args, &fd, 1, error))
        return FALSE;
    if (poll(&wait, 1, (int)way->deadline_ms) == 1)
        return print_answer(control, error);
    if (pid > 0)
        kill(pid, SIGKILL);
    puts("late");
    fflush(stdout);
    return FALSE;
}
