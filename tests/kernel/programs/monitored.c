/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* monitored PROGRAM ARGUMENT…: runs a QEMU that has one end of a socket pair as descriptor 3, to be
 * its monitor. A child carries the other end to standard input and output. So nobody waits for a
 * socket to appear in a folder, the process that was started is QEMU itself, and its end and what
 * it prints are the command's.
 *
 * The program's standard input is /dev/null, its standard output goes where its errors go. */

#define MONITOR 3

/* What can be read of one goes to the other; false when there is nothing more to come. */
static bool
pass(int from, int to)
{
    char buffer[65536];
    ssize_t got = read(from, buffer, sizeof buffer);

    for (ssize_t done = 0; done < got;) {
        ssize_t wrote = write(to, buffer + done, (size_t)(got - done));

        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote > 0 ? wrote : 0;
    }
    return got > 0 || (got < 0 && errno == EINTR);
}

/* Until the program closes its end. Whoever has nothing more to ask may still want to hear. */
static void
carry(int monitor)
{
    struct pollfd ends[] = {{.fd = monitor, .events = POLLIN},
                            {.fd = STDIN_FILENO, .events = POLLIN}};

    for (;;) {
        if (poll(ends, 2, -1) < 0 && errno != EINTR)
            return;
        if (ends[0].revents && !pass(monitor, STDOUT_FILENO))
            return;
        if (ends[1].revents && !pass(STDIN_FILENO, monitor))
            ends[1].fd = -1;
    }
}

static void
run(int monitor, char **command)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
        (monitor == MONITOR ? fcntl(monitor, F_SETFD, 0) : dup2(monitor, MONITOR)) < 0) {
        perror("monitored");
        return;
    }
    execvp(command[0], command);
    fprintf(stderr, "monitored: %s: %s\n", command[0], strerror(errno));
}

int
main(int argc, char **argv)
{
    int ends[2];
    pid_t child;

    if (argc < 2) {
        fprintf(stderr, "usage: monitored PROGRAM ARGUMENT…\n");
        return 2;
    }
    if (fcntl(MONITOR, F_GETFD) >= 0) {
        fprintf(stderr, "monitored: descriptor %d is in use, and is to be the monitor\n", MONITOR);
        return 2;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || (child = fork()) < 0) {
        perror("monitored");
        return 1;
    }
    if (child == 0) {
        /* Of what the program inherits beside, nothing stays open for longer than it wants. */
        close_range(MONITOR, (unsigned int)ends[1] - 1, 0);
        close_range((unsigned int)ends[1] + 1, ~0U, 0);
        signal(SIGPIPE, SIG_IGN);
        carry(ends[1]);
        return 0;
    }
    run(ends[0], argv + 1);
    return 127;
}
