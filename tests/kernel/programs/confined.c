/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Started by systemd in the place of a service's command, tries what the service may and may not
 * do, and prints a line for each attempt: its name, and the error or "ok". */

typedef struct {
    const char *name;
    int (*attempt)(const char *argument);
    const char *argument;
} Attempt;

static int
done(long result)
{
    return result < 0 ? errno : 0;
}

static int
try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int
open_to_read(const char *path)
{
    return try_open(path, O_RDONLY);
}

static int
open_to_write(const char *path)
{
    return try_open(path, O_WRONLY);
}

static int
create_file(const char *path)
{
    int errnum = try_open(path, O_WRONLY | O_CREAT | O_EXCL);

    if (errnum == 0)
        unlink(path);
    return errnum;
}

static int
make_setuid(const char *path)
{
    int errnum = try_open(path, O_WRONLY | O_CREAT | O_EXCL);

    if (errnum == 0) {
        errnum = done(chmod(path, 04755));
        unlink(path);
    }
    return errnum;
}

static int
run(const char *path)
{
    char *argv[] = {(char *)path, NULL};
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int errnum;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDIN_FILENO, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&quiet, STDIN_FILENO, STDERR_FILENO);
    errnum = posix_spawn(&pid, path, &quiet, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (errnum == 0)
        waitpid(pid, NULL, 0);
    return errnum;
}

static int
make_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int
internet_socket(const char *unused)
{
    return make_socket(AF_INET6, SOCK_STREAM);
}

static int
packet_socket(const char *unused)
{
    return make_socket(AF_PACKET, SOCK_RAW);
}

static int
vsock_socket(const char *unused)
{
    return make_socket(AF_VSOCK, SOCK_STREAM);
}

static int
new_namespace(const char *unused)
{
    return done(unshare(CLONE_NEWUSER));
}

static int
mount_something(const char *unused)
{
    return done(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int
trace_init(const char *unused)
{
    return done(ptrace(PTRACE_SEIZE, 1, NULL, NULL));
}

static int
map_code(const char *unused)
{
    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? errno : 0;
}

static int
set_clock(const char *unused)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return done(clock_settime(CLOCK_REALTIME, &now));
}

static int
set_name(const char *unused)
{
    return done(sethostname("mallory", 7));
}

static int
load_module(const char *unused)
{
    return done(syscall(SYS_finit_module, -1, "", 0));
}

static int
go_realtime(const char *unused)
{
    struct sched_param priority = {.sched_priority = 1};

    return done(sched_setscheduler(0, SCHED_FIFO, &priority));
}

static int
become_alice(const char *unused)
{
    return done(syscall(SYS_setuid, 1000));
}

static int
use_keyring(const char *unused)
{
    return done(syscall(SYS_keyctl, 0, -3, 0, 0, 0)); /* of the session */
}

static const Attempt attempts[] = {
    {"write-state", create_file, "/var/lib/vferry/confined"},
    {"write-run", create_file, "/run/vferry/confined"},
    {"write-tmp", create_file, "/tmp/confined"},
    {"write-etc", create_file, "/etc/confined"},
    {"write-usr", create_file, "/usr/confined"},
    {"write-other-run", create_file, "/run/confined"},
    {"read-home", open_to_read, "/home/alice"},
    {"read-root", open_to_read, "/root"},
    {"see-init", open_to_read, "/proc/1/environ"},
    {"setuid-file", make_setuid, "/run/vferry/setuid"},
    {"tunable", open_to_write, "/proc/sys/kernel/core_pattern"},
    {"sysrq", open_to_write, "/proc/sysrq-trigger"},
    {"sysfs-kernel", create_file, "/sys/kernel/debug/confined"},
    {"sysfs-module", open_to_write, "/sys/module/printk/parameters/time"},
    {"sysfs-system", open_to_write,
     "/sys/devices/system/clocksource/clocksource0/current_clocksource"},
    {"sysfs-device", open_to_write, "/sys/devices/virtual/mtty/mtty/uevent"},
    {"control-group", create_file, "/sys/fs/cgroup/confined"},
    {"kernel-log", open_to_read, "/dev/kmsg"},
    {"console", open_to_write, "/dev/ttyS0"},
    {"null", open_to_write, "/dev/null"},
    {"container", open_to_read, "/dev/vfio/vfio"},
    {"shell", run, "/bin/sh"},
    {"helper", run, VF_LIBEXECDIR "/vferry-helper"},
    {"internet", internet_socket, NULL},
    {"packets", packet_socket, NULL},
    {"vsock", vsock_socket, NULL},
    {"namespace", new_namespace, NULL},
    {"mount", mount_something, NULL},
    {"trace", trace_init, NULL},
    {"code", map_code, NULL},
    {"clock", set_clock, NULL},
    {"hostname", set_name, NULL},
    {"module", load_module, NULL},
    {"realtime", go_realtime, NULL},
    {"other-user", become_alice, NULL},
    {"keyring", use_keyring, NULL},
};

int
main(void)
{
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        int errnum = attempts[i].attempt(attempts[i].argument);

        printf("%s %s\n", attempts[i].name, errnum ? strerrorname_np(errnum) : "ok");
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
