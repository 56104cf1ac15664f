/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "accept-process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "io.h"
#include "names.h"
#include "number.h"
#include "sysfs.h"
#include "uapi.h"
#include "vfio.h"

#define STATUS_SIZE 4096   /* what is read of it is near its begin */
#define NOBODY_MAY_TRACE 3 /* Documentation/admin-guide/LSM/Yama.rst, "no attach" */

/* The device as open descriptors show it: by its own node, or by its group's. */
typedef struct {
    char *name; /* that VFIO_GROUP_GET_DEVICE_FD knows */
    dev_t node;
    dev_t group;
    gboolean has_node;
    gboolean has_group;
} Nodes;

typedef struct {
    pid_t pid;
    gint64 uids[4];  /* real, effective, saved, of the file system */
    gint64 n_places; /* of its table of descriptors */
} Process;

static void
nodes_clear(Nodes *self)
{
    g_free(self->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Nodes, nodes_clear)

static gboolean
read_dev(int dir, dev_t *dev, GError **error)
{
    g_autofree char *text = vf_sysfs_read(dir, "dev", error);
    g_auto(GStrv) parts = text ? g_strsplit(text, ":", 2) : NULL;
    guint64 numbers[2];

    if (!text)
        return FALSE;
    if (!vf_number_parse_u64(parts[0], "dev", 0, G_MAXUINT32, &numbers[0], error) ||
        !vf_number_parse_u64(parts[1] ? parts[1] : "", "dev", 0, G_MAXUINT32, &numbers[1], error))
        return FALSE;
    *dev = makedev((guint)numbers[0], (guint)numbers[1]);
    return TRUE;
}

/* vfio_register_group_dev() makes exactly one child. *@inode: its. */
static gboolean
look_up_node(int device, Nodes *nodes, guint64 *inode, GError **error)
{
    g_autoptr(GError) local = NULL;
    vf_autofd int children = vf_sysfs_open_subdir(device, VF_SYSFS_VFIO_DEV, &local);
    g_auto(GStrv) names = children >= 0 ? vf_sysfs_list(children, &local) : NULL;
    vf_autofd int child = names && names[0] ? vf_sysfs_open_subdir(children, names[0], &local) : -1;

    if (child >= 0) {
        *inode = vf_sysfs_get_inode(child);
        nodes->has_node = read_dev(child, &nodes->node, &local);
    }
    /* no `dev`: a kernel without VFIO's character devices */
    if (!local || g_error_matches(local, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static gboolean
look_up_group(int device, const char *groups, Nodes *nodes, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *group = vf_sysfs_read_link(device, "iommu_group", &local);
    g_autofree char *path = group ? g_build_filename(groups, group, NULL) : NULL;
    vf_autofd int dir = path ? vf_sysfs_open_dir(path, &local) : -1;

    if (dir >= 0)
        nodes->has_group = read_dev(dir, &nodes->group, &local);
    if (!local || g_error_matches(local, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* While somebody has the device open it cannot be removed, and so neither its numbers nor its
 * group's become another's. */
static gboolean
look_up(const VfAcceptWanted *wanted, const char *groups, Nodes *nodes, GError **error)
{
    vf_autofd int device = vf_sysfs_open_dir(wanted->path, error);
    guint64 child = 0;

    if (device < 0 || !look_up_node(device, nodes, &child, error) ||
        !look_up_group(device, groups, nodes, error))
        return FALSE;
    nodes->name = g_path_get_basename(wanted->path);
    if (vf_sysfs_get_inode(device) != wanted->inode && child != wanted->inode) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("“%s” is another device than the lease's: its inode is %" PRIu64
                      ", that of the lease's is %" PRIu64),
                    wanted->path, vf_sysfs_get_inode(device), wanted->inode);
        return FALSE;
    }
    if (nodes->has_node || nodes->has_group)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                _("“%s” has neither a node of its own nor a group in VFIO: no driver of VFIO's has "
                  "it"),
                wanted->path);
    return FALSE;
}

/* Of the line of @text that begins with @key: @n numbers, each behind a tab. */
static gboolean
find_numbers(const char *text, const char *key, gint64 *numbers, guint n)
{
    const char *at = strstr(text, key);
    g_autofree char *line = at ? g_strndup(at + 1, strcspn(at + 1, "\n")) : NULL;
    g_auto(GStrv) parts = line ? g_strsplit(line, "\t", -1) : NULL;

    if (!parts || g_strv_length(parts) < n + 1)
        return FALSE;
    for (guint i = 0; i < n; i++)
        if (!vf_number_parse_i64(parts[i + 1], key, -1, G_MAXUINT32, &numbers[i], NULL))
            return FALSE;
    return TRUE;
}

/* A name in it may be of any bytes but a newline, so it is no attribute as sysfs has them. */
static gboolean
read_text(int dir, const char *name, char *text, gsize size)
{
    vf_autofd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return FALSE;
    do
        n = read(fd, text, size - 1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return FALSE;
    text[n] = '\0';
    return TRUE;
}

static gboolean
is_gone(GError **error)
{
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                        _("the process that was attached has ended"));
    return FALSE;
}

static gboolean
read_pid(int pidfd, pid_t *pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", pidfd);
    char text[STATUS_SIZE];
    gint64 number;

    if (!read_text(AT_FDCWD, path, text, sizeof text) ||
        !find_numbers(text, "\nPid:", &number, 1)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                            _("the descriptor is no process: it must be a pidfd"));
        return FALSE;
    }
    *pid = (pid_t)number;
    return *pid > 0 || is_gone(error);
}

/* A number is another process's only after this one has ended: while the pidfd does not say so,
 * what was opened by the number before is of the same process, and stays so. */
static gboolean
read_process(int pidfd, Process *process, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *path = NULL;
    vf_autofd int dir = -1;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    char text[STATUS_SIZE];

    if (!read_pid(pidfd, &process->pid, error))
        return FALSE;
    path = g_strdup_printf("/proc/%d", process->pid);
    dir = vf_sysfs_open_dir(path, &local);
    if (poll(&ended, 1, 0) != 0)
        return is_gone(error);
    if (dir < 0) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!read_text(dir, "status", text, sizeof text))
        return errno == ESRCH ? is_gone(error)
                              : vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "%s", path);
    if (find_numbers(text, "\nUid:", process->uids, G_N_ELEMENTS(process->uids)) &&
        find_numbers(text, "\nFDSize:", &process->n_places, 1))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED,
                _("%s/status does not say whose process it is, or how many descriptors it has"),
                path);
    return FALSE;
}

/* All four: who runs a program of another user's is not that user. */
static gboolean
check_user(const Process *process, guint32 uid, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(process->uids); i++) {
        if (process->uids[i] == uid)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                    _("process %d is of the user with uid %" PRId64
                      "; it must be of the one who attached it, who has %" PRIu32),
                    process->pid, process->uids[i], uid);
        return FALSE;
    }
    return TRUE;
}

static gboolean
may_trace(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

    return syscall(SYS_capget, &header, sets) == 0 &&
           sets[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE);
}

/* Which of the rules of pidfd_getfd(2) it was: PTRACE_MODE_ATTACH_REALCREDS, ptrace(2). */
static void
explain_refusal(const Process *process, const char *yama, GError **error)
{
    char text[16] = "";
    guint64 scope = 0;

    if (read_text(AT_FDCWD, yama, text, sizeof text))
        vf_number_parse_u64(g_strchomp(text), "ptrace_scope", 0, G_MAXUINT, &scope, NULL);
    if (!may_trace())
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                    _("the descriptors of process %d cannot be taken without the capability "
                      "CAP_SYS_PTRACE, which vferry-accept has when it is started by "
                      "vferry-accept.socket"),
                    process->pid);
    else if (scope >= NOBODY_MAY_TRACE)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                    _("the descriptors of process %d cannot be taken: kernel.yama.ptrace_scope is "
                      "%" PRIu64
                      ", with which nobody may until the next boot; it must be 2 or less"),
                    process->pid, scope);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                    _("the descriptors of process %d cannot be taken: the kernel does not permit "
                      "it to root with CAP_SYS_PTRACE (a security module, or another user "
                      "namespace)"),
                    process->pid);
}

/* By the descriptor itself: what a name or a link says may be true no more. Nothing is asked of
 * the file's server, which may never answer. */
static gboolean
is_node(int fd, gboolean there, dev_t dev)
{
    struct statx info;

    return there && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &info) == 0 &&
           S_ISCHR(info.stx_mode) && makedev(info.stx_rdev_major, info.stx_rdev_minor) == dev;
}

/* The open device that @fd, which is taken, is of, or that it leads to as its group's. NULL without
 * @error when it is something else. */
static VfBackend *
try_descriptor(int fd, const Nodes *nodes, GError **error)
{
    vf_autofd int own = fd;
    g_autoptr(VfBackend) device = NULL;
    VfMigrationState state;
    int opened;

    if (is_node(own, nodes->has_node, nodes->node)) {
        device = vf_vfio_new(vf_io_steal_fd(&own));
    } else if (is_node(own, nodes->has_group, nodes->group)) {
        opened = ioctl(own, VFIO_GROUP_GET_DEVICE_FD, nodes->name);
        if (opened < 0) {
            vf_error_errno(error, VFERRY_ERROR_DEVICE, errno, _("opening “%s” in its group"),
                           nodes->name);
            return NULL;
        }
        device = vf_vfio_new(opened);
    }
    /* a node can be open more than once, and only the one that is bound to an iommufd is of use */
    return device && vf_backend_get_state(device, &state, error) ? g_steal_pointer(&device) : NULL;
}

/* What is at @place of its table. -1: nothing that matters, @refused for what a security module
 * keeps back; with @error: nothing at any other place either. */
static int
take_descriptor(int pidfd, const Process *process, int place, const char *yama, GError **refused,
                GError **error)
{
    int fd = pidfd_getfd(pidfd, place, 0);

    if (fd >= 0 || errno == EBADF)
        return fd;
    if (errno == EPERM)
        explain_refusal(process, yama, error);
    else if (errno == ESRCH)
        is_gone(error);
    else if (errno != EACCES)
        vf_error_errno(error, VFERRY_ERROR_LIMIT_EXCEEDED, errno,
                       _("taking descriptor %d of process %d"), place, process->pid);
    else if (!*refused)
        vf_error_errno(refused, VFERRY_ERROR_NOT_AUTHORIZED, errno, _("taking descriptor %d"),
                       place);
    return -1;
}

/* There is no list: /proc shows one to the process's user, and to who may read whatever he likes.
 * So each place is tried. */
static VfBackend *
search(int pidfd, const Process *process, const Nodes *nodes, const char *yama, GError **error)
{
    g_autoptr(GError) refused = NULL; /* the first that may have been the device */
    g_autoptr(GError) local = NULL;

    for (gint64 i = 0; i < process->n_places; i++) {
        int fd = take_descriptor(pidfd, process, (int)i, yama, &refused, &local);
        VfBackend *device = fd >= 0 ? try_descriptor(fd, nodes, refused ? NULL : &refused) : NULL;

        if (device)
            return device;
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    if (refused)
        g_propagate_prefixed_error(error, g_steal_pointer(&refused),
                                   _("process %d was not found to hold “%s”: "), process->pid,
                                   nodes->name);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("process %d does not hold “%s”: none of its descriptors is the device's node "
                      "or its group's"),
                    process->pid, nodes->name);
    return NULL;
}

VfBackend *
vf_accept_process_find(int pidfd, const VfAcceptWanted *wanted, const VfAcceptPlaces *places,
                       GError **error)
{
    g_auto(Nodes) nodes = {0};
    Process process = {0};

    if (!look_up(wanted, places->groups, &nodes, error) || !read_process(pidfd, &process, error) ||
        !check_user(&process, wanted->uid, error))
        return NULL;
    return search(pidfd, &process, &nodes, places->yama, error);
}
