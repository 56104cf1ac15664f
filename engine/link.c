/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

/* Many, so that the right one finds a place among strangers; they cost the kernel little, and the
 * mover nothing. */
#define BACKLOG 512
/* A connection without a byte in it is kept back for about as long. */
#define SILENT_SECONDS 1
#define FAST_RTT_US 1000

typedef union {
    struct sockaddr any;
    struct sockaddr_storage space;
} Address;

static socklen_t
parse_address(const char *text, guint16 port, Address *address, GError **error)
{
    g_autoptr(GSocketAddress) parsed = g_inet_socket_address_new_from_string(text, port);
    gssize size = parsed ? g_socket_address_get_native_size(parsed) : -1;

    if (size > 0 && (gsize)size <= sizeof *address &&
        g_socket_address_to_native(parsed, address, sizeof *address, error))
        return (socklen_t)size;
    g_clear_error(error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("the address is “%.80s”, but must be a numeric IPv4 or IPv6 address"), text);
    return 0;
}

/* BBR, the default of some hosts, paces itself to half of what cubic moves where there is next to
 * no distance (loopback, a rack); over a distance the administrator's choice stays. A kernel
 * without cubic (ENOENT) or that keeps it for root (EPERM) leaves us with its default: slower, not
 * wrong. It takes no capability, as long as cubic is in net.ipv4.tcp_allowed_congestion_control,
 * which the kernel's built-in default, and whatever was the default since, is. */
static void
tune(int fd)
{
    static const char cubic[] = "cubic";
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        g_warning("TCP_NODELAY: %s", g_strerror(errno));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || info.tcpi_rtt > FAST_RTT_US)
        return;
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, cubic, sizeof cubic - 1) < 0 &&
        errno != ENOENT && errno != EPERM)
        g_warning("TCP_CONGESTION: %s", g_strerror(errno));
}

static gboolean
wait_connected(int fd, guint timeout_ms, VfCancel *cancel, const char *where, GError **error)
{
    struct pollfd polled[] = {{.fd = fd, .events = POLLOUT},
                              {.fd = vf_cancel_get_fd(cancel), .events = POLLIN}};
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    int errnum = 0;
    socklen_t size = sizeof errnum;

    while (polled[0].revents == 0) {
        gint64 left = (end - g_get_monotonic_time()) / 1000;
        if (vf_cancel_set_error_if_cancelled(cancel, error))
            return FALSE;
        if (left <= 0)
            return vf_error_errno(error, VFERRY_ERROR_PEER, ETIMEDOUT, _("cannot connect to %s"),
                                  where);
        if (poll(polled, G_N_ELEMENTS(polled), (int)left) < 0 && errno != EINTR)
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "poll");
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0)
        errnum = errno;
    if (errnum == 0)
        return TRUE;
    return vf_error_errno(error, VFERRY_ERROR_PEER, errnum, _("cannot connect to %s"), where);
}

int
vf_link_connect(const char *address, guint16 port, guint timeout_ms, VfCancel *cancel,
                GError **error)
{
    Address native;
    socklen_t size = parse_address(address, port, &native, error);
    vf_autofd int fd = -1;
    g_autofree char *where = g_strdup_printf(_("%s, port %u"), address, port);

    if (size == 0)
        return -1;
    fd = socket(native.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "socket");
        return -1;
    }
    if (connect(fd, &native.any, size) < 0) {
        if (errno != EINPROGRESS) {
            vf_error_errno(error, VFERRY_ERROR_PEER, errno, _("cannot connect to %s"), where);
            return -1;
        }
        if (!wait_connected(fd, timeout_ms, cancel, where, error))
            return -1;
    }
    tune(fd);
    return vf_io_steal_fd(&fd);
}

static int
try_listen(const Address *address, socklen_t size)
{
    vf_autofd int fd =
        socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    int seconds = SILENT_SECONDS;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds) < 0 ||
        bind(fd, &address->any, size) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return vf_io_steal_fd(&fd);
}

int
vf_link_listen(const char *address, guint16 port_min, guint16 port_max, guint16 *port,
               GError **error)
{
    for (guint at = port_min; at <= port_max; at++) {
        Address native;
        socklen_t size = parse_address(address, (guint16)at, &native, error);
        int fd = size > 0 ? try_listen(&native, size) : -1;
        if (fd >= 0) {
            if (getsockname(fd, &native.any, &size) < 0)
                *port = 0;
            else if (native.any.sa_family == AF_INET6)
                *port = g_ntohs(((struct sockaddr_in6 *)&native.space)->sin6_port);
            else
                *port = g_ntohs(((struct sockaddr_in *)&native.space)->sin_port);
            return fd;
        }
        if (size == 0)
            return -1;
        if (errno != EADDRINUSE && errno != EACCES) {
            vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot listen at %s, port %u"),
                           address, at);
            return -1;
        }
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM, _("no port from %u to %u is free at %s"),
                port_min, port_max, address);
    return -1;
}

int
vf_link_accept(int listener, char **peer)
{
    Address native = {0};
    socklen_t size = sizeof native;
    int fd = accept4(listener, &native.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    g_autoptr(GSocketAddress) address = NULL;

    if (fd < 0)
        return -1;
    tune(fd);
    address = g_socket_address_new_from_native(&native, size);
    *peer = G_IS_INET_SOCKET_ADDRESS(address)
                ? g_inet_address_to_string(
                      g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)))
                : g_strdup("");
    return fd;
}
