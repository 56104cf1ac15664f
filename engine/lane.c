/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lane.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

/* What TLS seals with one send, and twice what one record has. */
#define ROOM (128 * 1024)

/* One direction: bytes from begin to end are in it. */
typedef struct {
    guint8 *data;
    gsize begin;
    gsize end;
    gboolean ended; /* nothing more comes into it */
    gboolean over;  /* and whoever reads it has been told */
} Way;

struct VfLane {
    VfChannel *channel;
    int fd;
    int stop; /* eventfd */
    Way out;
    Way in;
    GThread *thread;
    GMutex lock; /* of what follows */
    guint64 received;
    GError *error;
};

static gsize
waiting(const Way *way)
{
    return way->end - way->begin;
}

static void
add(Way *way, gsize n)
{
    way->begin = 0;
    way->end = n;
}

static gboolean
broken_here(int errnum, GError **error)
{
    return vf_error_errno(error, VFERRY_ERROR_FAILED, errnum,
                          _("the socket of whoever moves the data here broke"));
}

/* From the socket here. */
static gboolean
take_out(VfLane *self, GError **error)
{
    ssize_t n;

    if (self->out.ended || waiting(&self->out) > 0)
        return TRUE;
    n = recv(self->fd, self->out.data, ROOM, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR || broken_here(errno, error);
    add(&self->out, (gsize)n);
    self->out.ended = n == 0;
    return TRUE;
}

/* To the other side, which is told when nothing more comes. */
static gboolean
send_out(VfLane *self, GError **error)
{
    VfChannelResult result = VF_CHANNEL_DONE;

    while (waiting(&self->out) > 0 && result == VF_CHANNEL_DONE) {
        gsize n = 0;

        result = vf_channel_write(self->channel, self->out.data + self->out.begin,
                                  waiting(&self->out), &n, error);
        self->out.begin += n;
    }
    if (result == VF_CHANNEL_DONE && self->out.ended && !self->out.over) {
        vf_channel_end(self->channel);
        self->out.over = TRUE;
    }
    if (result != VF_CHANNEL_ERROR && vf_channel_get_unsent(self->channel) > 0)
        result = vf_channel_flush(self->channel, error);
    return result != VF_CHANNEL_ERROR;
}

static gboolean
take_in(VfLane *self, GError **error)
{
    VfChannelResult result;
    gsize n = 0;

    if (self->in.ended || waiting(&self->in) > 0)
        return TRUE;
    result = vf_channel_read(self->channel, self->in.data, ROOM, &n, error);
    if (result == VF_CHANNEL_DONE)
        add(&self->in, n);
    self->in.ended = result == VF_CHANNEL_END;
    return result != VF_CHANNEL_ERROR;
}

static gboolean
give_in(VfLane *self, GError **error)
{
    if (waiting(&self->in) > 0) {
        ssize_t n = send(self->fd, self->in.data + self->in.begin, waiting(&self->in),
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR || broken_here(errno, error);
        self->in.begin += (gsize)n;
        g_mutex_lock(&self->lock);
        self->received += (guint64)n;
        g_mutex_unlock(&self->lock);
    }
    if (waiting(&self->in) == 0 && self->in.ended && !self->in.over) {
        shutdown(self->fd, SHUT_WR);
        self->in.over = TRUE;
    }
    return TRUE;
}

/* FALSE: it is over, one way or the other. */
static gboolean
wait_for_any(VfLane *self, GError **error)
{
    struct pollfd polled[] = {{.fd = self->stop, .events = POLLIN},
                              {.fd = vf_channel_get_fd(self->channel)},
                              {.fd = self->fd}};
    gboolean unread = FALSE;

    if (self->out.over && self->in.over && vf_channel_get_unsent(self->channel) == 0)
        return FALSE;
    if (!self->in.ended && waiting(&self->in) == 0) {
        polled[1].events |= POLLIN;
        unread = vf_channel_get_unread(self->channel) > 0;
    }
    if (vf_channel_get_unsent(self->channel) > 0 || waiting(&self->out) > 0)
        polled[1].events |= POLLOUT;
    if (!self->out.ended && waiting(&self->out) == 0)
        polled[2].events |= POLLIN;
    if (waiting(&self->in) > 0)
        polled[2].events |= POLLOUT;
    for (guint i = 1; i < G_N_ELEMENTS(polled); i++)
        if (polled[i].events == 0) /* a hang-up alone would be reported for ever */
            polled[i].fd = -1;
    if (poll(polled, G_N_ELEMENTS(polled), unread ? 0 : -1) < 0 && errno != EINTR)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "poll");
    return polled[0].revents == 0;
}

static gpointer
work(gpointer data)
{
    VfLane *self = data;
    GError *error = NULL;
    gboolean good = TRUE;

    while (good)
        good = take_out(self, &error) && send_out(self, &error) && take_in(self, &error) &&
               give_in(self, &error) && wait_for_any(self, &error);
    if (error) /* whoever waits for bytes here is not to wait for ever */
        shutdown(self->fd, SHUT_RDWR);
    g_mutex_lock(&self->lock);
    self->error = error;
    g_mutex_unlock(&self->lock);
    return NULL;
}

VfLane *
vf_lane_start(VfChannel *channel, int fd)
{
    VfLane *self = g_new0(VfLane, 1);

    g_mutex_init(&self->lock);
    self->channel = channel;
    self->fd = fd;
    self->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->stop < 0)
        g_error("eventfd: %s", g_strerror(errno));
    self->out.data = g_malloc(ROOM);
    self->in.data = g_malloc(ROOM);
    self->thread = g_thread_new("lane", work, self);
    return self;
}

void
vf_lane_free(VfLane *self)
{
    const guint64 one = 1;

    if (write(self->stop, &one, sizeof one) < 0)
        g_critical("eventfd: %s", g_strerror(errno));
    g_thread_join(self->thread);
    vf_channel_free(self->channel);
    vf_io_clear_fd(&self->fd);
    vf_io_clear_fd(&self->stop);
    g_clear_error(&self->error);
    g_mutex_clear(&self->lock);
    g_free(self->out.data);
    g_free(self->in.data);
    g_free(self);
}

guint64
vf_lane_get_received(VfLane *self)
{
    guint64 received;

    g_mutex_lock(&self->lock);
    received = self->received;
    g_mutex_unlock(&self->lock);
    return received;
}

gboolean
vf_lane_check(VfLane *self, GError **error)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&self->lock);

    if (self->error)
        g_propagate_error(error, g_error_copy(self->error));
    return !self->error;
}
