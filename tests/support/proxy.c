/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"

typedef struct {
    VfProxy *proxy;
    VfRole from;
    VfChannel *in;
    VfChannel *out;
} Way;

struct VfProxy {
    VfProxyPlan plan;
    char *job;
    guint8 key[VF_TLS_KEY_SIZE];
    int listener;
    VfChannel *channels[2]; /* to the source, to the destination */
    guint16 destination_port;
    GThread *thread;
    gint acted;
    gint silent;
    gint counts[2][VF_FRAME_ABORT + 1];
    GByteArray *records[2];
};

static struct sockaddr_in
loopback(guint16 port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

VfProxy *
vf_proxy_new(const VfProxyPlan *plan, const char *job, const guint8 key[VF_TLS_KEY_SIZE],
             guint16 *port)
{
    VfProxy *self = g_new0(VfProxy, 1);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;

    self->plan = *plan;
    self->job = g_strdup(job);
    memcpy(self->key, key, sizeof self->key);
    for (guint i = 0; i < 2; i++)
        self->records[i] = g_byte_array_new();
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_no_errno(bind(self->listener, (struct sockaddr *)&address, sizeof address));
    g_assert_no_errno(listen(self->listener, 1));
    g_assert_no_errno(getsockname(self->listener, (struct sockaddr *)&address, &size));
    *port = ntohs(address.sin_port);
    return self;
}

static void
wait_for(VfChannel *channel, short events)
{
    struct pollfd polled = {.fd = vf_channel_get_fd(channel), .events = events};

    (void)poll(&polled, 1, -1); /* whatever it was, the next call sees it */
}

static VfChannelResult
read_some(VfChannel *channel, guint8 *at, gsize size, gsize *n)
{
    VfChannelResult result;

    while ((result = vf_channel_read(channel, at, size, n, NULL)) == VF_CHANNEL_WAIT)
        wait_for(channel, POLLIN);
    return result;
}

static gboolean
read_all(VfChannel *channel, guint8 *at, gsize size, gboolean *ended)
{
    while (size > 0) {
        gsize n = 0;
        VfChannelResult result = read_some(channel, at, size, &n);
        *ended = result == VF_CHANNEL_END;
        if (result != VF_CHANNEL_DONE)
            return FALSE;
        at += n;
        size -= n;
    }
    return TRUE;
}

static gboolean
flush(VfChannel *channel)
{
    VfChannelResult result;

    while ((result = vf_channel_flush(channel, NULL)) == VF_CHANNEL_WAIT)
        wait_for(channel, POLLOUT);
    return result == VF_CHANNEL_DONE;
}

static gboolean
write_all(VfChannel *channel, const guint8 *at, gsize size)
{
    while (size > 0) {
        gsize n = 0;
        VfChannelResult result = vf_channel_write(channel, at, size, &n, NULL);
        if (result == VF_CHANNEL_ERROR)
            return FALSE;
        if (result == VF_CHANNEL_WAIT)
            wait_for(channel, POLLOUT);
        at += n;
        size -= n;
    }
    return flush(channel);
}

static void
hang_up(VfChannel *channel, int how)
{
    shutdown(vf_channel_get_fd(channel), how);
}

static gboolean
cut(VfProxy *self)
{
    for (guint i = 0; i < 2; i++)
        hang_up(self->channels[i], SHUT_RDWR);
    return FALSE;
}

/* What was sent last must not be lost in a reset. */
static gboolean
cut_gently(Way *way)
{
    hang_up(way->out, SHUT_WR);
    g_usleep(20000);
    return cut(way->proxy);
}

static gboolean
act(Way *way, guint8 *frame, gsize size)
{
    VfProxy *self = way->proxy;

    g_atomic_int_set(&self->acted, TRUE);
    switch (self->plan.action) {
    case VF_PROXY_CUT_BEFORE:
        return cut(self);
    case VF_PROXY_CUT_MIDDLE:
        g_atomic_int_set(&self->silent, TRUE);
        write_all(way->out, frame, size / 2);
        return cut_gently(way);
    case VF_PROXY_CUT_AFTER:
        g_atomic_int_set(&self->silent, TRUE);
        write_all(way->out, frame, size);
        return cut_gently(way);
    case VF_PROXY_SILENCE:
        g_atomic_int_set(&self->silent, TRUE);
        return TRUE;
    case VF_PROXY_CALL:
    case VF_PROXY_CHANGE:
        self->plan.call(frame, &size, self->plan.data);
        return write_all(way->out, frame, size);
    case VF_PROXY_PASS:
    case VF_PROXY_RELAY:
    default:
        return write_all(way->out, frame, size);
    }
}

static gboolean
pass_frame(Way *way, guint8 *frame, gboolean *ended)
{
    VfProxy *self = way->proxy;
    guint32 length;
    guint16 type;
    guint nth;

    if (!read_all(way->in, frame, VF_FRAME_HEADER_SIZE, ended))
        return FALSE;
    memcpy(&type, frame + 4, 2);
    memcpy(&length, frame + 8, 4);
    g_assert_cmpuint(length, <=, VF_FRAME_DATA_MAX);
    g_assert_cmpuint(type, <=, VF_FRAME_ABORT);
    if (!read_all(way->in, frame + VF_FRAME_HEADER_SIZE, length, ended))
        return FALSE;
    if (g_atomic_int_get(&self->silent))
        return TRUE;
    nth = (guint)g_atomic_int_add(&self->counts[way->from][type], 1) + 1;
    if (self->plan.action != VF_PROXY_PASS && self->plan.from == way->from &&
        self->plan.type == type && nth == MAX(1, self->plan.nth))
        return act(way, frame, VF_FRAME_HEADER_SIZE + length);
    return write_all(way->out, frame, VF_FRAME_HEADER_SIZE + length);
}

/* A side that hangs up is heard hanging up, and may still be spoken to; not over a dead cable. */
static void
end_way(Way *way, gboolean orderly)
{
    if (way->proxy->plan.action == VF_PROXY_SILENCE && g_atomic_int_get(&way->proxy->silent))
        return;
    if (orderly)
        vf_channel_end(way->out);
    flush(way->out);
    hang_up(way->out, SHUT_WR);
}

static gpointer
run_way(gpointer data)
{
    Way *way = data;
    g_autofree guint8 *frame = g_malloc(VF_FRAME_HEADER_SIZE + VF_FRAME_DATA_MAX + VF_PROXY_ROOM);
    gboolean ended = FALSE;

    while (pass_frame(way, frame, &ended))
        ;
    end_way(way, ended);
    return NULL;
}

static gpointer
relay_way(gpointer data)
{
    Way *way = data;
    GByteArray *record = way->proxy->records[way->from];
    guint8 bytes[65536];
    gsize n;

    while (read_some(way->in, bytes, sizeof bytes, &n) == VF_CHANNEL_DONE &&
           write_all(way->out, bytes, n))
        g_byte_array_append(
            record, bytes,
            (guint)MIN(n, VF_PROXY_RECORD_MAX - MIN(record->len, VF_PROXY_RECORD_MAX)));
    hang_up(way->out, SHUT_WR);
    return NULL;
}

/* Neither side notices that it is not the other. */
static VfChannel *
pretend(VfProxy *self, VfRole role, int fd)
{
    g_autoptr(VfTls) tls = vf_tls_new(role, self->job, self->key, NULL);
    VfChannel *channel = vf_tls_wrap(tls, fd, NULL);
    VfChannelResult result;

    while ((result = vf_tls_handshake(channel, NULL)) == VF_CHANNEL_WAIT)
        wait_for(channel, POLLIN);
    if (result != VF_CHANNEL_DONE || !flush(channel))
        hang_up(channel, SHUT_RDWR);
    return channel;
}

static gboolean
open_channels(VfProxy *self)
{
    struct sockaddr_in address = loopback(self->destination_port);
    gboolean relay = self->plan.action == VF_PROXY_RELAY;
    int source = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    int destination = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    /* one source: whoever tries again finds nobody */
    shutdown(self->listener, SHUT_RDWR);
    if (source < 0 || connect(destination, (struct sockaddr *)&address, sizeof address) < 0) {
        vf_io_clear_fd(&source);
        vf_io_clear_fd(&destination);
        return FALSE;
    }
    setsockopt(source, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(destination, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    self->channels[VF_ROLE_DESTINATION] =
        relay ? vf_channel_new_plain(destination) : pretend(self, VF_ROLE_SOURCE, destination);
    self->channels[VF_ROLE_SOURCE] =
        relay ? vf_channel_new_plain(source) : pretend(self, VF_ROLE_DESTINATION, source);
    return TRUE;
}

static gpointer
run(gpointer data)
{
    VfProxy *self = data;
    GThreadFunc way = self->plan.action == VF_PROXY_RELAY ? relay_way : run_way;
    Way ways[2];
    GThread *other;

    if (!open_channels(self))
        return NULL;
    g_atomic_int_set(&self->acted, self->plan.action == VF_PROXY_RELAY);
    for (guint i = 0; i < 2; i++)
        ways[i] = (Way){self, (VfRole)i, self->channels[i], self->channels[1 - i]};
    other = g_thread_new("back", way, &ways[1]);
    way(&ways[0]);
    g_thread_join(other);
    return NULL;
}

void
vf_proxy_start(VfProxy *self, guint16 destination_port)
{
    self->destination_port = destination_port;
    self->thread = g_thread_new("proxy", run, self);
}

void
vf_proxy_end(VfProxy *self)
{
    /* wakes the accept(2) of a proxy to which nobody came */
    shutdown(self->listener, SHUT_RDWR);
    if (self->thread)
        g_thread_join(g_steal_pointer(&self->thread));
}

void
vf_proxy_free(VfProxy *self)
{
    vf_proxy_end(self);
    close(self->listener);
    for (guint i = 0; i < 2; i++) {
        g_clear_pointer(&self->channels[i], vf_channel_free);
        g_byte_array_unref(self->records[i]);
    }
    g_free(self->job);
    g_free(self);
}

const GByteArray *
vf_proxy_get_record(VfProxy *self, VfRole from)
{
    return self->records[from];
}

gboolean
vf_proxy_has_acted(VfProxy *self)
{
    return g_atomic_int_get(&self->acted);
}

guint
vf_proxy_count(VfProxy *self, VfRole from, guint type)
{
    return (guint)g_atomic_int_get(&self->counts[from][type]);
}
