/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>
#include <linux/capability.h>
#include <linux/sockios.h>

#include "confine.h"
#include "uapi.h"

/* confine-probe VERB ATTEMPT: enters the sandbox of VERB and makes one attempt. Exit status 0: it
 * was allowed, whatever became of it; 2: EACCES; 3: wrong usage or no sandbox. It is never built
 * with sanitizers, and so always confined. */

#define SCRATCH_FD 9 /* a file */
#define SOCKET_FD 8  /* one end of a pair, its other end is 7 */

static const char record[] = "begin";
static char path[] = "/proc/self/exe";
static char *const no_args[] = {path, NULL};

static long
try_execve(void)
{
    return execve(path, no_args, NULL);
}

static long
try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid;
}

static long
try_clone(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long
try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static long
try_kill(void)
{
    return kill(getppid(), 0);
}

static long
try_tgkill(void)
{
    return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long
try_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long
try_netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long
try_datagram_socket(void)
{
    return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long
try_stream_socket(void)
{
    return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* which would load a module */
static long
try_other_protocol(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
}

static long
try_connect(void)
{
    struct sockaddr_in there = {.sin_family = AF_INET};

    return connect(SOCKET_FD, (struct sockaddr *)&there, sizeof there);
}

static long
try_fast_open(void)
{
    struct sockaddr_in there = {.sin_family = AF_INET};

    return sendto(SOCKET_FD, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&there, sizeof there);
}

static long
try_fast_open_message(void)
{
    struct sockaddr_in there = {.sin_family = AF_INET};
    struct msghdr header = {.msg_name = &there, .msg_namelen = sizeof there};

    return sendmsg(SOCKET_FD, &header, MSG_FASTOPEN);
}

static long
try_bind(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET};

    return bind(SOCKET_FD, (struct sockaddr *)&here, sizeof here);
}

static long
try_listen(void)
{
    return listen(SOCKET_FD, 1);
}

static long
try_accept(void)
{
    return accept4(SOCKET_FD, NULL, NULL, SOCK_CLOEXEC);
}

static long
try_recv(void)
{
    char byte;

    return recv(SOCKET_FD, &byte, 1, MSG_DONTWAIT);
}

static long
try_nodelay(void)
{
    int on = 1;

    return setsockopt(SOCKET_FD, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static long
try_filter(void)
{
    struct sock_fprog program = {0};

    return setsockopt(SOCKET_FD, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static long
try_open(void)
{
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static long
try_stat(void)
{
    return access("/etc/passwd", F_OK);
}

static long
try_unlink(void)
{
    return unlink("/nonexistent");
}

static long
try_mount(void)
{
    return mount("none", "/nonexistent", "tmpfs", 0, NULL);
}

static long
try_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}

static long
try_setuid(void)
{
    return syscall(SYS_setuid, 1);
}

static long
try_capset(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    return syscall(SYS_capset, &header, data);
}

static long
try_seccomp(void)
{
    return syscall(SYS_seccomp, 0, 0, NULL);
}

static long
try_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long
try_exec_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}

static long
try_make_exec(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static long
try_memfd(void)
{
    return memfd_create("x", MFD_CLOEXEC);
}

static long
try_dup(void)
{
    return dup(SCRATCH_FD);
}

static long
try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long
try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

static long
try_process_vm(void)
{
    return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long
try_raise_limit(void)
{
    guint64 limits[2] = {0};

    return syscall(SYS_prlimit64, 0, 4, limits, NULL);
}

static long
try_tty(void)
{
    return ioctl(SCRATCH_FD, TIOCSTI, "x");
}

static long
try_vfio_container(void)
{
    return ioctl(SCRATCH_FD, VFIO_GROUP_SET_CONTAINER, NULL);
}

static long
try_vfio_reset(void)
{
    return ioctl(SCRATCH_FD, VFIO_DEVICE_RESET);
}

static long
try_vfio_feature(void)
{
    return ioctl(SCRATCH_FD, VFIO_DEVICE_FEATURE, NULL);
}

static long
try_vfio_precopy(void)
{
    return ioctl(SCRATCH_FD, VFIO_MIG_GET_PRECOPY_INFO, NULL);
}

static long
try_in_flight(void)
{
    int n;

    return ioctl(SOCKET_FD, SIOCOUTQ, &n);
}

/* What a connection to a monitor is asked before anything is said over it. */
static long
try_monitor(void)
{
    static const int options[] = {SO_DOMAIN, SO_TYPE, SO_PEERCRED};
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    guint8 value[64];

    for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
        socklen_t room = sizeof value;

        if (getsockopt(SOCKET_FD, SOL_SOCKET, options[i], value, &room) < 0)
            return -1;
    }
    return getpeername(SOCKET_FD, (struct sockaddr *)&address, &size);
}

static long
try_socket_option(void)
{
    int value;
    socklen_t size = sizeof value;

    return getsockopt(SOCKET_FD, SOL_SOCKET, SO_RCVBUF, &value, &size);
}

static long
try_fsync(void)
{
    return fsync(SCRATCH_FD);
}

static long
try_write_file(void)
{
    return write(SCRATCH_FD, "x", 1);
}

/* Where a device has its configuration space and its registers. */
static long
try_pread(void)
{
    char byte;

    return pread(SCRATCH_FD, &byte, 1, 0);
}

static long
try_pwrite(void)
{
    return pwrite(SCRATCH_FD, "x", 1, 0);
}

static long
try_map_file(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED, SCRATCH_FD, 0) == MAP_FAILED ? -1 : 0;
}

static long
must(gboolean ok)
{
    return ok ? 0 : (errno = EACCES, -1);
}

static gpointer
use_memory(gpointer data)
{
    gsize total = 0;

    for (gsize size = 16; size <= 32 * 1024 * 1024; size *= 4) {
        g_autofree char *block = g_malloc(size);
        block = g_realloc(block, size * 2);
        memset(block, 1, size * 2);
        total += (gsize)block[size];
    }
    g_usleep(1000);
    return GSIZE_TO_POINTER(total);
}

/* Arenas, stacks, names and joins of threads. */
static long
try_threads(void)
{
    GThread *threads[4];
    gsize total = 0;

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("probe", use_memory, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        total += GPOINTER_TO_SIZE(g_thread_join(threads[i]));
    return must(total == 4 * 11);
}

static gboolean
quit(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static long
try_loop(void)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);

    g_timeout_add(1, quit, loop);
    g_main_loop_run(loop);
    return 0;
}

/* Every text of the C library, which may stand in another language's catalogue. */
static long
try_messages(void)
{
    gsize length = 0;

    for (int errnum = 1; errnum < 40; errnum++)
        length += strlen(g_strerror(errnum));
    fprintf(stderr, "%zu characters\n", length);
    return must(length > 40);
}

/* More than a pipe holds. */
static long
try_talk(void)
{
    for (guint i = 0; i < 100000; i++)
        fprintf(stderr, "line %u\n", i);
    return 0;
}

static long
try_fstat(void)
{
    struct stat st;

    return must(syscall(SYS_fstat, SCRATCH_FD, &st) == 0);
}

/* The flag says that the path may be empty, not that it is. */
static long
try_stat_disguised(void)
{
    struct stat st;

    return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH);
}

static long
try_control(void)
{
    struct iovec iov = {path, sizeof path};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    return must(sendmsg(SOCKET_FD, &header, MSG_NOSIGNAL) == sizeof path &&
                recvmsg(7, &header, MSG_DONTWAIT) == sizeof path);
}

static long
try_abort(void)
{
    abort();
}

/* Of the record, which is longer by then. */
static long
try_shorten(void)
{
    return ftruncate(SCRATCH_FD, sizeof record - 1);
}

static long
try_take_back(void)
{
    return must(ftruncate(SCRATCH_FD, sizeof record) == 0);
}

static long
try_not_append(void)
{
    return fcntl(SCRATCH_FD, F_SETFL, 0);
}

static const struct {
    const char *name;
    long (*call)(void);
} attempts[] = {
    {"shorten", try_shorten},
    {"take-back", try_take_back},
    {"not-append", try_not_append},
    {"execve", try_execve},
    {"fork", try_fork},
    {"clone", try_clone},
    {"ptrace", try_ptrace},
    {"kill", try_kill},
    {"tgkill", try_tgkill},
    {"unix-socket", try_unix_socket},
    {"netlink-socket", try_netlink_socket},
    {"datagram-socket", try_datagram_socket},
    {"stream-socket", try_stream_socket},
    {"other-protocol", try_other_protocol},
    {"connect", try_connect},
    {"fast-open", try_fast_open},
    {"fast-open-message", try_fast_open_message},
    {"bind", try_bind},
    {"listen", try_listen},
    {"accept", try_accept},
    {"recv", try_recv},
    {"nodelay", try_nodelay},
    {"filter", try_filter},
    {"open", try_open},
    {"stat", try_stat},
    {"unlink", try_unlink},
    {"mount", try_mount},
    {"unshare", try_unshare},
    {"setuid", try_setuid},
    {"capset", try_capset},
    {"seccomp", try_seccomp},
    {"dumpable", try_dumpable},
    {"exec-memory", try_exec_memory},
    {"make-exec", try_make_exec},
    {"memfd", try_memfd},
    {"dup", try_dup},
    {"io-uring", try_io_uring},
    {"bpf", try_bpf},
    {"process-vm", try_process_vm},
    {"raise-limit", try_raise_limit},
    {"tty", try_tty},
    {"vfio-container", try_vfio_container},
    {"vfio-reset", try_vfio_reset},
    {"vfio-feature", try_vfio_feature},
    {"vfio-precopy", try_vfio_precopy},
    {"in-flight", try_in_flight},
    {"monitor", try_monitor},
    {"socket-option", try_socket_option},
    {"fsync", try_fsync},
    {"write-file", try_write_file},
    {"pread", try_pread},
    {"pwrite", try_pwrite},
    {"map-file", try_map_file},
    {"threads", try_threads},
    {"loop", try_loop},
    {"messages", try_messages},
    {"talk", try_talk},
    {"fstat", try_fstat},
    {"stat-disguised", try_stat_disguised},
    {"control", try_control},
    {"abort", try_abort},
};

static int
attempt(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(attempts); i++)
        if (g_str_equal(attempts[i].name, name))
            return attempts[i].call() < 0 && errno == EACCES ? 2 : 0;
    fprintf(stderr, "no attempt %s\n", name);
    return 3;
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *verb;
        guint needs;
    } sandboxes[] = {
        {"open", VF_CONFINE_OPEN},
        {"inspect", VF_CONFINE_DEVICE},
        {"return", VF_CONFINE_SETTLE},
        {"start", VF_CONFINE_SETTLE},
        {"stop", VF_CONFINE_SETTLE},
        {"send", VF_CONFINE_SEND},
        {"receive", VF_CONFINE_RECEIVE},
        {"send-subject", VF_CONFINE_RECORD | VF_CONFINE_CONNECT},
        {"look", VF_CONFINE_MONITOR},
        {"send-guest", VF_CONFINE_MONITOR | VF_CONFINE_RECORD | VF_CONFINE_CONNECT},
    };
    g_autoptr(GError) error = NULL;
    int pair[2];
    FILE *scratch = tmpfile();

    setlocale(LC_ALL, "");
    if (argc != 3 || !scratch || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 ||
        dup2(fileno(scratch), SCRATCH_FD) < 0 || dup2(pair[0], SOCKET_FD) < 0 ||
        dup2(pair[1], 7) < 0 || write(SCRATCH_FD, record, sizeof record) != sizeof record)
        return 3;
    for (gsize i = 0; i < G_N_ELEMENTS(sandboxes); i++) {
        if (!g_str_equal(sandboxes[i].verb, argv[1]))
            continue;
        if (vf_confine_process(SCRATCH_FD, 0, &error) &&
            vf_confine_to(sandboxes[i].needs, sizeof record, &error))
            return attempt(argv[2]);
        fprintf(stderr, "%s\n", error->message);
    }
    return 3;
}
