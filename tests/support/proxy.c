/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    VfProxy *proxy;
    VfRole from;
    int in;
    int out;
} Way;

struct VfProxy {
    VfProxyPlan plan;
    int listener;
    int source;
    int destination;
    guint16 destination_port;
    GThread *thread;
    gint acted;
    gint silent;
    gint counts[2][VF_FRAME_ABORT + 1];
};

static struct sockaddr_in
loopback(guint16 port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

VfProxy *
vf_proxy_new(const VfProxyPlan *plan, guint16 *port)
{
    VfProxy *self = g_new0(VfProxy, 1);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;

    self->plan = *plan;
    self->source = self->destination = -1;
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_no_errno(bind(self->listener, (struct sockaddr *)&address, sizeof address));
    g_assert_no_errno(listen(self->listener, 1));
    g_assert_no_errno(getsockname(self->listener, (struct sockaddr *)&address, &size));
    *port = ntohs(address.sin_port);
    return self;
}

static gboolean
read_all(int fd, guint8 *at, gsize size)
{
    while (size > 0) {
        ssize_t n = recv(fd, at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        at += n;
        size -= (gsize)n;
    }
    return TRUE;
}

static gboolean
write_all(int fd, const guint8 *at, gsize size)
{
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        at += n;
        size -= (gsize)n;
    }
    return TRUE;
}

static gboolean
cut(VfProxy *self)
{
    shutdown(self->source, SHUT_RDWR);
    shutdown(self->destination, SHUT_RDWR);
    return FALSE;
}

/* What was sent last must not be lost in a reset. */
static gboolean
cut_gently(Way *way)
{
    shutdown(way->out, SHUT_WR);
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
    default:
        return write_all(way->out, frame, size);
    }
}

static gboolean
pass_frame(Way *way, guint8 *frame)
{
    VfProxy *self = way->proxy;
    guint32 length;
    guint16 type;
    guint nth;

    if (!read_all(way->in, frame, VF_FRAME_HEADER_SIZE))
        return FALSE;
    memcpy(&type, frame + 4, 2);
    memcpy(&length, frame + 8, 4);
    g_assert_cmpuint(length, <=, VF_FRAME_DATA_MAX);
    g_assert_cmpuint(type, <=, VF_FRAME_ABORT);
    if (!read_all(way->in, frame + VF_FRAME_HEADER_SIZE, length))
        return FALSE;
    if (g_atomic_int_get(&self->silent))
        return TRUE;
    nth = (guint)g_atomic_int_add(&self->counts[way->from][type], 1) + 1;
    if (self->plan.action != VF_PROXY_PASS && self->plan.from == way->from &&
        self->plan.type == type && nth == MAX(1, self->plan.nth))
        return act(way, frame, VF_FRAME_HEADER_SIZE + length);
    return write_all(way->out, frame, VF_FRAME_HEADER_SIZE + length);
}

static gpointer
run_way(gpointer data)
{
    Way *way = data;
    g_autofree guint8 *frame = g_malloc(VF_FRAME_HEADER_SIZE + VF_FRAME_DATA_MAX + VF_PROXY_ROOM);

    while (pass_frame(way, frame))
        ;
    /* a side that hangs up is heard hanging up, and may still be spoken to; not over a dead cable
     */
    if (way->proxy->plan.action != VF_PROXY_SILENCE || !g_atomic_int_get(&way->proxy->silent))
        shutdown(way->out, SHUT_WR);
    return NULL;
}

static gpointer
run(gpointer data)
{
    VfProxy *self = data;
    struct sockaddr_in address = loopback(self->destination_port);
    Way ways[2];
    GThread *other;
    int on = 1;

    self->source = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
    if (self->source < 0)
        return NULL;
    self->destination = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(self->destination, (struct sockaddr *)&address, sizeof address) < 0) {
        shutdown(self->source, SHUT_RDWR);
        return NULL;
    }
    setsockopt(self->source, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(self->destination, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ways[0] = (Way){self, VF_ROLE_SOURCE, self->source, self->destination};
    ways[1] = (Way){self, VF_ROLE_DESTINATION, self->destination, self->source};
    other = g_thread_new("back", run_way, &ways[1]);
    run_way(&ways[0]);
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
vf_proxy_free(VfProxy *self)
{
    /* wakes the accept(2) of a proxy to which nobody came */
    shutdown(self->listener, SHUT_RDWR);
    if (self->thread)
        g_thread_join(self->thread);
    close(self->listener);
    if (self->source >= 0)
        close(self->source);
    if (self->destination >= 0)
        close(self->destination);
    g_free(self);
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
