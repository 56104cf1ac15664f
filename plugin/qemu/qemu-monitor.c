/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-monitor.h"

#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

#ifndef SO_PEERPIDFD /* Linux 6.5, include/uapi/asm-generic/socket.h */
#define SO_PEERPIDFD 77
#endif

/* Of a kernel before 6.5 by the number, which may be another process's by now when the first one
 * has ended: then the connection has ended, too, and says so. */
static int
open_process(int fd, GError **error)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    int process = -1;
    socklen_t process_size = sizeof process;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("option “%s” is no connected unix socket of a process on this host"), "qmp");
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &process_size) == 0)
        return process;
    process = errno == ENOPROTOOPT ? pidfd_open(peer.pid, 0) : -1;
    if (process < 0)
        vf_error_errno(error, VFERRY_ERROR_DEVICE, errno, _("the process at option “%s”"), "qmp");
    return process;
}

VfQemuMonitor *
vf_qemu_monitor_new_kept(int fd, int process, gboolean oob)
{
    VfQemuMonitor *self = g_rc_box_new0(VfQemuMonitor);

    *self = (VfQemuMonitor){.fd = fd, .process = process, .oob = oob, .answered = TRUE};
    return self;
}

VfQemuMonitor *
vf_qemu_monitor_new(int *fd, GError **error)
{
    int process = open_process(*fd, error);
    VfQemuMonitor *self;

    if (process < 0)
        return NULL;
    self = vf_qemu_monitor_new_kept(vf_io_steal_fd(fd), process, FALSE);
    self->answered = FALSE;
    return self;
}

VfQemuMonitor *
vf_qemu_monitor_ref(VfQemuMonitor *self)
{
    return g_rc_box_acquire(self);
}

static void
close_both(gpointer data)
{
    VfQemuMonitor *self = data;

    vf_io_close_in_thread(&self->fd, NULL, NULL);
    vf_io_clear_fd(&self->process);
}

void
vf_qemu_monitor_unref(VfQemuMonitor *self)
{
    g_rc_box_release_full(self, close_both);
}

gboolean
vf_qemu_monitor_has_ended(const VfQemuMonitor *self)
{
    struct pollfd poller = {.fd = self->process, .events = POLLIN};

    return poll(&poller, 1, 0) > 0;
}

void
vf_qemu_monitor_fill_args(const VfQemuMonitor *self, GVariantDict *args)
{
    g_variant_dict_insert(args, "resume", "b", self->answered);
    g_variant_dict_insert(args, "oob", "b", self->oob);
}

GVariant *
vf_qemu_monitor_make_args(const VfQemuMonitor *self)
{
    g_auto(GVariantDict) args = G_VARIANT_DICT_INIT(NULL);

    vf_qemu_monitor_fill_args(self, &args);
    return g_variant_dict_end(&args);
}
