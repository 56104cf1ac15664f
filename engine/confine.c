/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>
#include <linux/sockios.h>

#include "error.h"
#include "io.h"
#include "uapi.h"

#ifdef __has_feature /* clang's name for it */
#if __has_feature(address_sanitizer) && !defined __SANITIZE_ADDRESS__
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FILTERED FALSE
#else
#define FILTERED TRUE
#endif

#define FILES_MAX 128
#define RECORD_MAX (4 * 1024 * 1024) /* what common/record.c reads back */
#define DATA_MAX (512 * 1024 * 1024) /* a session takes a hundredth: frames are bounded */

typedef struct {
    int name;
    guint needs; /* for who has one of them */
    guint n;     /* of conditions: each must hold */
    struct scmp_arg_cmp args[3];
    int errnum; /* 0: allowed */
} Rule;

enum {
    OPEN = VF_CONFINE_OPEN,
    SHUT = 1 << 6, /* who does not open */
    DEVICE = VF_CONFINE_DEVICE,
    RECORD = VF_CONFINE_RECORD,
    CONNECT = VF_CONFINE_CONNECT,
    LISTEN = VF_CONFINE_LISTEN,
    NETWORK = CONNECT | LISTEN,
    SOCKET = NETWORK | VF_CONFINE_MONITOR,
    EVERY = OPEN | SHUT,
};

static const Rule calls[] = {
    /* what it holds: the control socket, devices, the record */
    {SCMP_SYS(read), EVERY},
    {SCMP_SYS(write), EVERY},
    {SCMP_SYS(readv), EVERY},
    {SCMP_SYS(writev), EVERY},
    {SCMP_SYS(recvmsg), EVERY},
    {SCMP_SYS(close), EVERY},
    {SCMP_SYS(fstat), EVERY},
    {SCMP_SYS(lseek), EVERY},
    {SCMP_SYS(fsync), RECORD},
    {SCMP_SYS(fdatasync), RECORD},
    {SCMP_SYS(poll), EVERY},
    {SCMP_SYS(ppoll), EVERY},
    {SCMP_SYS(eventfd2), EVERY},
    /* memory and threads, as malloc and GLib use them */
    {SCMP_SYS(brk), EVERY},
    {SCMP_SYS(munmap), EVERY},
    {SCMP_SYS(mremap), EVERY},
    {SCMP_SYS(madvise), EVERY},
    {SCMP_SYS(futex), EVERY},
    {SCMP_SYS(set_robust_list), EVERY},
    {SCMP_SYS(rseq), EVERY},
    {SCMP_SYS(sched_yield), EVERY},
    {SCMP_SYS(sched_getaffinity), EVERY},
    {SCMP_SYS(rt_sigaction), EVERY},
    {SCMP_SYS(rt_sigprocmask), EVERY},
    {SCMP_SYS(rt_sigreturn), EVERY},
    {SCMP_SYS(sigaltstack), EVERY},
    {SCMP_SYS(restart_syscall), EVERY},
    {SCMP_SYS(exit), EVERY},
    {SCMP_SYS(exit_group), EVERY},
    {SCMP_SYS(getpid), EVERY},
    {SCMP_SYS(gettid), EVERY},
    /* time, and the randomness of a TLS key exchange, which stirs in its resource usage */
    {SCMP_SYS(clock_gettime), EVERY},
    {SCMP_SYS(clock_getres), EVERY},
    {SCMP_SYS(clock_nanosleep), EVERY},
    {SCMP_SYS(nanosleep), EVERY},
    {SCMP_SYS(gettimeofday), EVERY},
    {SCMP_SYS(time), EVERY},
    {SCMP_SYS(getrandom), EVERY},
    {SCMP_SYS(getrusage), NETWORK},
    /* the nodes of a device */
    {SCMP_SYS(openat), OPEN},
    {SCMP_SYS(newfstatat), OPEN},
    /* the peer */
    {SCMP_SYS(recvfrom), SOCKET},
    {SCMP_SYS(shutdown), NETWORK},
    {SCMP_SYS(getsockname), NETWORK},
    {SCMP_SYS(getpeername), SOCKET},
    {SCMP_SYS(connect), CONNECT},
    {SCMP_SYS(bind), LISTEN},
    {SCMP_SYS(listen), LISTEN},
    {SCMP_SYS(accept4), LISTEN},
};

/* The kernel takes an int where the register has 64 bits. */
#define INT_IS(index, value)                                                                       \
    {                                                                                              \
        (index), SCMP_CMP_MASKED_EQ, 0xffffffff, (guint32)(value)                                  \
    }
#define BITS_ARE(index, mask, value)                                                               \
    {                                                                                              \
        (index), SCMP_CMP_MASKED_EQ, (mask), (value)                                               \
    }
#define ALLOW_IOCTL(needs, request)                                                                \
    {                                                                                              \
        SCMP_SYS(ioctl), (needs), 1,                                                               \
        {                                                                                          \
            INT_IS(1, request)                                                                     \
        }                                                                                          \
    }
#define ALLOW_FCNTL(command)                                                                       \
    {                                                                                              \
        SCMP_SYS(fcntl), EVERY, 1,                                                                 \
        {                                                                                          \
            INT_IS(1, command)                                                                     \
        }                                                                                          \
    }
#define SOCKET_TYPE_BITS (0xffffffff & ~(guint64)(SOCK_CLOEXEC | SOCK_NONBLOCK))
/* TCP itself: other protocols of its kind would be loaded into the kernel for whoever asks. */
#define ALLOW_SOCKET(family)                                                                       \
    {                                                                                              \
        SCMP_SYS(socket), NETWORK, 3,                                                              \
        {                                                                                          \
            INT_IS(0, family), BITS_ARE(1, SOCKET_TYPE_BITS, SOCK_STREAM), INT_IS(2, 0)            \
        }                                                                                          \
    }
#define ALLOW_OPTION(call, needs, level, option)                                                   \
    {                                                                                              \
        SCMP_SYS(call), (needs), 2,                                                                \
        {                                                                                          \
            INT_IS(1, level), INT_IS(2, option)                                                    \
        }                                                                                          \
    }

/* Only when the arguments are right. */
static const Rule conditionals[] = {
    /* no byte that came in is ever run, and no device's memory mapped */
    {SCMP_SYS(mmap), OPEN, 1, {BITS_ARE(2, PROT_EXEC, 0)}},
    {SCMP_SYS(mmap),
     SHUT,
     2,
     {BITS_ARE(2, PROT_EXEC, 0), BITS_ARE(3, MAP_ANONYMOUS, MAP_ANONYMOUS)}},
    {SCMP_SYS(mprotect), EVERY, 1, {BITS_ARE(2, PROT_EXEC, 0)}},
    /* threads, no processes */
    {SCMP_SYS(clone), EVERY, 1, {BITS_ARE(0, CLONE_THREAD, CLONE_THREAD)}},
    {SCMP_SYS(prctl), EVERY, 1, {INT_IS(0, PR_SET_NAME)}},
    /* reading a limit, which is what the C library does */
    {SCMP_SYS(prlimit64), EVERY, 2, {INT_IS(0, 0), {2, SCMP_CMP_EQ, 0}}},
    /* with the flag they connect, too (tcp(7)) */
    {SCMP_SYS(sendmsg), EVERY, 1, {BITS_ARE(2, MSG_FASTOPEN, 0)}},
    {SCMP_SYS(sendto), NETWORK, 1, {BITS_ARE(3, MSG_FASTOPEN, 0)}},
    ALLOW_FCNTL(F_GETFD),
    ALLOW_FCNTL(F_SETFD),
    ALLOW_FCNTL(F_GETFL), /* nothing may clear the record's O_APPEND */
    ALLOW_FCNTL(F_DUPFD_CLOEXEC),
    /* VFIO and iommufd share a type and carry neither size nor direction in their numbers; `open`
     * reads nobody's bytes, so all of theirs may be its */
    {SCMP_SYS(ioctl), OPEN, 1, {BITS_ARE(1, 0xffffff00, VFIO_TYPE << 8)}},
    ALLOW_IOCTL(DEVICE, VFIO_DEVICE_FEATURE),
    ALLOW_IOCTL(VF_CONFINE_STREAM, VFIO_MIG_GET_PRECOPY_INFO),
    ALLOW_IOCTL(NETWORK, SIOCOUTQ),
    ALLOW_IOCTL(NETWORK, FIONBIO),
    ALLOW_SOCKET(AF_INET),
    ALLOW_SOCKET(AF_INET6),
    ALLOW_OPTION(setsockopt, NETWORK, IPPROTO_TCP, TCP_NODELAY),
    ALLOW_OPTION(setsockopt, NETWORK, IPPROTO_TCP, TCP_CONGESTION),
    ALLOW_OPTION(setsockopt, LISTEN, SOL_SOCKET, SO_REUSEADDR),
    ALLOW_OPTION(setsockopt, LISTEN, IPPROTO_TCP, TCP_DEFER_ACCEPT),
    ALLOW_OPTION(getsockopt, NETWORK, IPPROTO_TCP, TCP_INFO),
    ALLOW_OPTION(getsockopt, NETWORK, SOL_SOCKET, SO_ERROR),
    /* what it was given is what it was to be */
    ALLOW_OPTION(getsockopt, VF_CONFINE_MONITOR, SOL_SOCKET, SO_DOMAIN),
    ALLOW_OPTION(getsockopt, VF_CONFINE_MONITOR, SOL_SOCKET, SO_TYPE),
    ALLOW_OPTION(getsockopt, VF_CONFINE_MONITOR, SOL_SOCKET, SO_PEERCRED),
};

#define REFUSE(call, needs, errnum)                                                                \
    {                                                                                              \
        SCMP_SYS(call), (needs), 0, {{0}}, (errnum)                                                \
    }
#define REFUSE_IF(call, condition, errnum)                                                         \
    {                                                                                              \
        SCMP_SYS(call), EVERY, 1, {condition}, (errnum)                                            \
    }

/* What libraries try on their own account, which must not cost a migration: a translation that was
 * not loaded, a table of a character set, the name behind an address's %, for which the C library
 * takes a socket, and a number without one. And a new call for which they have an older one. */
static const Rule refused[] = {
    REFUSE(openat, SHUT, EACCES),
    REFUSE(newfstatat, SHUT, EACCES), /* some C libraries' fstat(); AT_EMPTY_PATH bars no path */
    REFUSE(open, EVERY, EACCES),
    REFUSE(stat, EVERY, EACCES),
    REFUSE(lstat, EVERY, EACCES),
    REFUSE(statx, EVERY, EACCES),
    REFUSE(access, EVERY, EACCES),
    REFUSE(faccessat, EVERY, EACCES),
    REFUSE(faccessat2, EVERY, EACCES),
    REFUSE(readlink, EVERY, EACCES),
    REFUSE(readlinkat, EVERY, EACCES),
    REFUSE_IF(socket, BITS_ARE(1, SOCKET_TYPE_BITS, SOCK_DGRAM), EACCES),
    REFUSE(clone3, EVERY, ENOSYS),
};

static gboolean
fail(GError **error, int errnum, const char *what)
{
    return vf_error_errno(error, VFERRY_ERROR_FAILED, errnum, _("cannot build the sandbox: %s"),
                          what);
}

/* None but those of @kept that it has. */
static gboolean
set_capabilities(guint64 kept, GError **error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &header, sets) < 0)
        return fail(error, errno, "capget");
    for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
        sets[i].permitted &= (guint32)(kept >> (32 * i));
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, sets) == 0 || fail(error, errno, "capset");
}

static gboolean
keep_capabilities(guint64 kept, GError **error)
{
    /* the bounding set is only out of reach for who may not change it; what is in it cannot be
     * gained without new privileges */
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
            return fail(error, errno, "PR_CAPBSET_DROP");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return fail(error, errno, "PR_CAP_AMBIENT_CLEAR_ALL");
    return set_capabilities(kept, error);
}

gboolean
vf_confine_drop_capabilities(GError **error)
{
    return set_capabilities(0, error);
}

static gboolean
limit(int resource, rlim_t most, const char *name, GError **error)
{
    struct rlimit now;

    if (getrlimit(resource, &now) < 0)
        return fail(error, errno, name);
    now.rlim_max = MIN(now.rlim_max, most);
    now.rlim_cur = MIN(now.rlim_cur, now.rlim_max);
    return setrlimit(resource, &now) == 0 || fail(error, errno, name);
}

/* No limit on processes: the kernel has none for root. The filter refuses them. */
static gboolean
limit_resources(GError **error)
{
    return limit(RLIMIT_CORE, 0, "RLIMIT_CORE", error) &&
           limit(RLIMIT_NOFILE, FILES_MAX, "RLIMIT_NOFILE", error) &&
           limit(RLIMIT_FSIZE, RECORD_MAX, "RLIMIT_FSIZE", error)
#ifndef __SANITIZE_ADDRESS__
           && limit(RLIMIT_DATA, DATA_MAX, "RLIMIT_DATA", error)
#endif
        ;
}

/* Nothing to read, and one way out for messages: where standard error goes. The daemon's end of a
 * pipe there may be slow, or gone with the daemon: words are lost then, and no migration waits for
 * them. */
static gboolean
settle_standard_fds(GError **error)
{
    vf_autofd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct stat info;
    int flags;

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return fail(error, errno, "/dev/null");
    if (fstat(STDERR_FILENO, &info) < 0)
        return fail(error, errno, "fstat");
    if (!S_ISFIFO(info.st_mode))
        return TRUE;
    flags = fcntl(STDERR_FILENO, F_GETFL);
    return (flags >= 0 && fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK) == 0) ||
           fail(error, errno, "O_NONBLOCK");
}

gboolean
vf_confine_process(int control_fd, guint64 keeps, GError **error)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(error, errno, "PR_SET_NO_NEW_PRIVS");
#ifndef __SANITIZE_ADDRESS__
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail(error, errno, "PR_SET_DUMPABLE");
#endif
    if (close_range((guint)control_fd + 1, ~0U, 0) < 0)
        return fail(error, errno, "close_range");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return fail(error, errno, "signal");
    return settle_standard_fds(error) && keep_capabilities(keeps, error) && limit_resources(error);
}

/* 0 or a negative errno, as libseccomp has it. */
static int
add_rules(scmp_filter_ctx filter, guint needs, const Rule *rules, gsize n)
{
    int r = 0;

    for (gsize i = 0; r == 0 && i < n; i++)
        if (rules[i].needs & needs)
            r = seccomp_rule_add_array(
                filter, rules[i].errnum ? SCMP_ACT_ERRNO((guint)rules[i].errnum) : SCMP_ACT_ALLOW,
                rules[i].name, rules[i].n, rules[i].args);
    return r;
}

static int
install(guint needs, gsize record_size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int r = filter ? 0 : -EOPNOTSUPP; /* what it says of a kernel that has not all of it */

    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r == 0) /* abort() */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (guint64)getpid()));
    /* a line that was refused is taken back, none that was there before this worker */
    if (r == 0 && needs & RECORD)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ftruncate), 1,
                             SCMP_A1(SCMP_CMP_GE, record_size));
    if (r == 0)
        r = add_rules(filter, needs, calls, G_N_ELEMENTS(calls));
    if (r == 0)
        r = add_rules(filter, needs, conditionals, G_N_ELEMENTS(conditionals));
    if (r == 0)
        r = add_rules(filter, needs, refused, G_N_ELEMENTS(refused));
    if (r == 0)
        r = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return -r;
}

/* What is read from files at its first use: the catalogues of ours and of the C library, and the
 * tables of the locale's character set. */
static void
load_translations(void)
{
    const char *volatile used = _("cannot build the sandbox: %s");

    used = g_strerror(EIO);
    (void)used;
}

gboolean
vf_confine_to(guint needs, gsize record_size, GError **error)
{
    int errnum;

    load_translations();
    errnum = FILTERED ? install(needs | (needs & OPEN ? 0 : SHUT), record_size) : 0;
    return errnum == 0 || fail(error, errnum, "seccomp");
}
