/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "channel.h"

#include <errno.h>
#include <sys/socket.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

void
vf_channel_free(VfChannel *self)
{
    self->class->free(self);
}

int
vf_channel_get_fd(VfChannel *self)
{
    return self->fd;
}

VfChannelResult
vf_channel_read(VfChannel *self, void *data, gsize size, gsize *n, GError **error)
{
    return self->class->read(self, data, size, n, error);
}

VfChannelResult
vf_channel_write(VfChannel *self, const void *data, gsize size, gsize *n, GError **error)
{
    return self->class->write(self, data, size, n, error);
}

VfChannelResult
vf_channel_flush(VfChannel *self, GError **error)
{
    return self->class->flush(self, error);
}

void
vf_channel_end(VfChannel *self)
{
    self->class->end(self);
}

void
vf_channel_give_up(VfChannel *self)
{
    self->class->give_up(self);
}

gsize
vf_channel_get_unread(VfChannel *self)
{
    return self->class->get_unread(self);
}

gsize
vf_channel_get_unsent(VfChannel *self)
{
    return self->class->get_unsent(self);
}

gboolean
vf_channel_broken(GError **error, int errnum)
{
    return vf_error_errno(error, VFERRY_ERROR_PEER, errnum,
                          _("the connection to the other side broke"));
}

/* Plain */

static VfChannelResult
plain_read(VfChannel *self, void *data, gsize size, gsize *n, GError **error)
{
    ssize_t got;

    do
        got = recv(self->fd, data, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    *n = (gsize)MAX(got, 0);
    if (got > 0)
        return VF_CHANNEL_DONE;
    if (got == 0)
        return VF_CHANNEL_END;
    if (errno == EAGAIN)
        return VF_CHANNEL_WAIT;
    vf_channel_broken(error, errno);
    return VF_CHANNEL_ERROR;
}

static VfChannelResult
plain_write(VfChannel *self, const void *data, gsize size, gsize *n, GError **error)
{
    ssize_t sent;

    do
        sent = send(self->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    *n = (gsize)MAX(sent, 0);
    if (sent > 0)
        return VF_CHANNEL_DONE;
    if (sent == 0 || errno == EAGAIN)
        return VF_CHANNEL_WAIT;
    vf_channel_broken(error, errno);
    return VF_CHANNEL_ERROR;
}

static VfChannelResult
plain_flush(VfChannel *self, GError **error)
{
    return VF_CHANNEL_DONE;
}

static void
plain_end(VfChannel *self)
{
}

static gsize
plain_get_nothing(VfChannel *self)
{
    return 0;
}

static void
plain_free(VfChannel *self)
{
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

static const VfChannelClass plain_class = {
    .read = plain_read,
    .write = plain_write,
    .flush = plain_flush,
    .end = plain_end,
    .give_up = plain_end,
    .get_unread = plain_get_nothing,
    .get_unsent = plain_get_nothing,
    .free = plain_free,
};

VfChannel *
vf_channel_new_plain(int fd)
{
    VfChannel *self = g_new0(VfChannel, 1);

    self->class = &plain_class;
    self->fd = fd;
    return self;
}
