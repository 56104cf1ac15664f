/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "printable.h"

#define VERB_MAX 32
/* Of one message, include/net/scm.h. What found no room in our buffer the kernel would close for
 * us, right here. */
#define SCM_MAX_FD 253
#define MESSAGE_TYPE G_VARIANT_TYPE("(sa{sv})")

void
vf_control_message_free(VfControlMessage *message)
{
    g_free(message->verb);
    g_clear_pointer(&message->args, g_variant_dict_unref);
    for (guint i = 0; i < message->n_fds; i++)
        vf_io_close_in_thread(&message->fds[i], NULL, NULL); /* whatever the sender made them */
    g_free(message);
}

int
vf_control_message_steal_fd(VfControlMessage *message, guint index)
{
    return index < message->n_fds ? vf_io_steal_fd(&message->fds[index]) : -1;
}

gboolean
vf_control_pair(int *ours, int *theirs, GError **error)
{
    const int room = VF_CONTROL_ROOM;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "socketpair");
    *ours = pair[0];
    *theirs = pair[1];
    if (setsockopt(*theirs, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0)
        return TRUE;
    vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "SO_SNDBUF");
    vf_io_clear_fd(ours);
    vf_io_clear_fd(theirs);
    return FALSE;
}

static void
put_fds(struct msghdr *header, void *space, const int *fds, guint n_fds)
{
    struct cmsghdr *cmsg;

    if (n_fds == 0)
        return;
    header->msg_control = space;
    header->msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
    cmsg = CMSG_FIRSTHDR(header);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof *fds);
    memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof *fds);
}

gboolean
vf_control_send(int fd, const char *verb, GVariant *args, const int *fds, guint n_fds,
                GError **error)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(VF_CONTROL_FDS_MAX * sizeof(int))];
    } space = {0};
    g_autoptr(GVariant) message = g_variant_ref_sink(
        g_variant_new("(s@a{sv})", verb, args ? args : g_variant_new("a{sv}", NULL)));
    gsize size = g_variant_get_size(message);
    struct iovec iov = {(void *)g_variant_get_data(message), size};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    g_return_val_if_fail(n_fds <= VF_CONTROL_FDS_MAX, FALSE);
    if (size > VF_CONTROL_SIZE_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("message “%s” has %zu bytes; at most %d fit"), verb, size,
                    VF_CONTROL_SIZE_MAX);
        return FALSE;
    }
    put_fds(&header, &space, fds, n_fds);
    do
        n = sendmsg(fd, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return TRUE;
    return vf_error_errno(error, errno == EAGAIN ? VFERRY_ERROR_BUSY : VFERRY_ERROR_PEER, errno,
                          _("cannot send “%s”"), verb);
}

/* FALSE: there were more than a message has. */
static gboolean
take_fds(struct msghdr *header, VfControlMessage *message)
{
    gboolean fit = TRUE;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (gsize at = 0; CMSG_LEN(at) < cmsg->cmsg_len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof fd);
            if (message->n_fds < VF_CONTROL_FDS_MAX) {
                message->fds[message->n_fds++] = fd;
            } else {
                vf_io_close_in_thread(&fd, NULL, NULL);
                fit = FALSE;
            }
        }
    }
    return fit;
}

/* There may be a key in it. */
static void
wipe(gpointer data)
{
    explicit_bzero(data, VF_CONTROL_SIZE_MAX);
    g_free(data);
}

static gboolean
parse(VfControlMessage *message, GBytes *bytes, GError **error)
{
    g_autoptr(GVariant) value =
        g_variant_ref_sink(g_variant_new_from_bytes(MESSAGE_TYPE, bytes, FALSE));
    g_autoptr(GVariant) args = NULL;

    if (!g_variant_is_normal_form(value)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("a message of %zu bytes is malformed"), g_bytes_get_size(bytes));
        return FALSE;
    }
    g_variant_get(value, "(s@a{sv})", &message->verb, &args);
    message->args = g_variant_dict_new(args);
    if (vf_printable_is_word(message->verb, VERB_MAX))
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER, _("a message's verb is no word"));
    return FALSE;
}

/* A peer that closed its end with something of ours unread leaves ECONNRESET, once, before what it
 * had said itself (net/unix/af_unix.c, unix_release_sock): its last words are still there. */
static ssize_t
receive(int fd, struct msghdr *header)
{
    ssize_t n;

    do
        n = recvmsg(fd, header, MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    return n;
}

VfControlMessage *
vf_control_receive(int fd, GError **error)
{
    g_autoptr(VfControlMessage) message = g_new0(VfControlMessage, 1);
    gpointer data = g_malloc0(VF_CONTROL_SIZE_MAX);
    g_autoptr(GBytes) whole = g_bytes_new_with_free_func(data, VF_CONTROL_SIZE_MAX, wipe, data);
    g_autoptr(GBytes) bytes = NULL;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SCM_MAX_FD * sizeof(int))];
    } space;
    gboolean fit;
    struct iovec iov = {data, VF_CONTROL_SIZE_MAX};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space};
    ssize_t n;

    n = receive(fd, &header);
    if (n < 0 && errno == EAGAIN) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, g_strerror(errno));
        return NULL;
    }
    if (n < 0) {
        vf_error_errno(error, VFERRY_ERROR_PEER, errno, _("cannot receive a message"));
        return NULL;
    }
    fit = take_fds(&header, message);
    if (n == 0)
        return NULL;
    if (!fit || header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("a message is larger than %d bytes or has more than %d descriptors"),
                    VF_CONTROL_SIZE_MAX, VF_CONTROL_FDS_MAX);
        return NULL;
    }
    bytes = g_bytes_new_from_bytes(whole, 0, (gsize)n);
    if (!parse(message, bytes, error))
        return NULL;
    return g_steal_pointer(&message);
}
