/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "caller.h"

#include <errno.h>
#include <poll.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "link.h"

#define AGAIN_MS 50

typedef struct {
    const char *address;
    guint16 port;
    VfTls *tls;
    guint handshake_ms;
    gint64 end;
    VfCancel *cancel;
} Caller;

static guint
left_ms(gint64 end)
{
    return (guint)MAX(0, (end - g_get_monotonic_time()) / 1000);
}

/* Until there is something to do, a cancel, or @end. */
static gboolean
wait_for(Caller *self, VfChannel *channel, gint64 end, GError **error)
{
    struct pollfd polled[] = {{.fd = channel ? vf_channel_get_fd(channel) : -1, .events = POLLIN},
                              {.fd = vf_cancel_get_fd(self->cancel), .events = POLLIN}};

    if (channel && vf_channel_get_unsent(channel) > 0)
        polled[0].events |= POLLOUT;
    if (poll(polled, G_N_ELEMENTS(polled), (int)left_ms(end) + 1) < 0 && errno != EINTR)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "poll");
    return !vf_cancel_set_error_if_cancelled(self->cancel, error);
}

static VfChannelResult
shake_hands(Caller *self, VfChannel *channel, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)self->handshake_ms * 1000;

    while (g_get_monotonic_time() < end) {
        VfChannelResult result = vf_tls_handshake(channel, error);
        if (result != VF_CHANNEL_WAIT)
            return result;
        if (!wait_for(self, channel, end, error))
            return VF_CHANNEL_ERROR;
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("%s, port %u, has not answered the TLS handshake within %u ms"), self->address,
                self->port, self->handshake_ms);
    return VF_CHANNEL_ERROR;
}

/* END: it was not our turn. */
static VfChannelResult
try(Caller *self, VfChannel **channel, GError **error)
{
    int fd = vf_link_connect(self->address, self->port, left_ms(self->end), self->cancel, error);
    g_autoptr(VfChannel) tried = fd >= 0 ? vf_tls_wrap(self->tls, fd, error) : NULL;
    VfChannelResult result = tried ? shake_hands(self, tried, error) : VF_CHANNEL_ERROR;

    if (result == VF_CHANNEL_DONE)
        *channel = g_steal_pointer(&tried);
    return result;
}

VfChannel *
vf_caller_reach(const char *address, guint16 port, VfTls *tls, guint handshake_ms, guint timeout_ms,
                VfCancel *cancel, GError **error)
{
    Caller self = {
        address, port, tls, handshake_ms, g_get_monotonic_time() + (gint64)timeout_ms * 1000,
        cancel};
    VfChannel *channel = NULL;
    VfChannelResult result = VF_CHANNEL_END;

    while (result == VF_CHANNEL_END) {
        result = try(&self, &channel, error);
        if (result == VF_CHANNEL_END && left_ms(self.end) <= AGAIN_MS) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                        _("%s, port %u, hangs up before its TLS handshake is over"), address, port);
            return NULL;
        }
        if (result == VF_CHANNEL_END &&
            !wait_for(&self, NULL, g_get_monotonic_time() + AGAIN_MS * 1000, error))
            return NULL;
    }
    return channel;
}
