/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "reception.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "link.h"

/* What a stranger is entitled to before it gives way to a newcomer. The source's first message is
 * on the way when its connection is accepted, so that it needs no time for it; then it needs one
 * round trip. A stranger can have the first of these times, and the second only once for each
 * message of the source that it has overheard. */
#define UNKNOWN_MS 50
#define KNOWN_MS 1000
/* Before the next is let in when the kernel could not: for want of descriptors or memory, mostly.
 */
#define PAUSE_MS 100
#define BESIDE_MS 1000
#define SEEN_MAX 64 /* messages of the source that are remembered; it tries 20 times a second */

typedef struct {
    VfChannel *channel;
    char *address;
    gint64 entitled; /* until then it stays, whoever comes */
    gint64 deadline;
    gboolean known;
} Stranger;

typedef struct {
    int listener;
    VfTls *tls;
    guint handshake_ms;
    VfCancel *cancel;
    const VfReceptionBeside *beside; /* nullable */
    GPtrArray *strangers;            /* longest-waiting first */
    gint64 pause;                    /* nobody is let in before */
    guint n_seen;
    guint8 seen[SEEN_MAX][VF_TLS_RANDOM_SIZE];
} Reception;

typedef enum {
    STRANGER_WAITS,
    STRANGER_LEAVES,
    STRANGER_IS_RIGHT,
} Verdict;

static void
stranger_free(gpointer data)
{
    Stranger *stranger = data;

    g_clear_pointer(&stranger->channel, vf_channel_free);
    g_free(stranger->address);
    g_free(stranger);
}

/* FALSE: it repeats what has been said before. */
static gboolean
remember(Reception *self, const guint8 random[VF_TLS_RANDOM_SIZE])
{
    for (guint i = 0; i < MIN(self->n_seen, SEEN_MAX); i++)
        if (memcmp(self->seen[i], random, VF_TLS_RANDOM_SIZE) == 0)
            return FALSE;
    memcpy(self->seen[self->n_seen++ % SEEN_MAX], random, VF_TLS_RANDOM_SIZE);
    return TRUE;
}

static Verdict
listen_to(Reception *self, Stranger *stranger)
{
    /* why a stranger is none of ours is nobody's business, and a thousand would fill the log */
    VfChannelResult result = vf_tls_handshake(stranger->channel, NULL);
    guint8 random[VF_TLS_RANDOM_SIZE];

    if (result == VF_CHANNEL_DONE)
        return STRANGER_IS_RIGHT;
    if (result != VF_CHANNEL_WAIT)
        return STRANGER_LEAVES;
    if (!stranger->known && vf_tls_is_known(stranger->channel, random)) {
        if (!remember(self, random))
            return STRANGER_LEAVES;
        stranger->known = TRUE;
        stranger->entitled = g_get_monotonic_time() + KNOWN_MS * 1000;
    }
    return STRANGER_WAITS;
}

/* Who gives way: the unknown before the known, and of these the longest-waiting. */
static guint
find_first_to_leave(Reception *self)
{
    for (guint i = 0; i < self->strangers->len; i++)
        if (!((Stranger *)self->strangers->pdata[i])->known)
            return i;
    return 0;
}

/* In the past: there is room; otherwise the time when somebody gives way. */
static gint64
get_room_time(Reception *self)
{
    if (self->strangers->len < VF_RECEPTION_STRANGERS_MAX)
        return self->pause;
    return MAX(self->pause,
               ((Stranger *)self->strangers->pdata[find_first_to_leave(self)])->entitled);
}

/* Only what is wrong with the listener itself stays wrong. Everything else is this visitor's, whom
 * a firewall or its network took away (accept(2)), or the host's for a while, and the source may be
 * the next: its time is not over. */
static gboolean
bear(Reception *self, int errnum, GError **error)
{
    if (errnum == EBADF || errnum == EFAULT || errnum == EINVAL || errnum == ENOTSOCK)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errnum, "accept");
    if (errnum == EAGAIN || errnum == EINTR || errnum == ECONNABORTED)
        return TRUE;
    if (self->pause == 0) /* once: the next are no news */
        g_message("cannot accept a connection, and try again: %s", g_strerror(errnum));
    self->pause = g_get_monotonic_time() + PAUSE_MS * 1000;
    return TRUE;
}

static gboolean
seat(Reception *self, int fd, char *address, GError **error)
{
    gint64 now = g_get_monotonic_time();
    VfChannel *channel = vf_tls_wrap(self->tls, fd, error);
    Stranger *stranger;

    if (!channel) {
        g_free(address);
        return FALSE;
    }
    if (self->strangers->len == VF_RECEPTION_STRANGERS_MAX)
        g_ptr_array_remove_index(self->strangers, find_first_to_leave(self));
    stranger = g_new0(Stranger, 1);
    stranger->channel = channel;
    stranger->address = address;
    stranger->entitled = now + UNKNOWN_MS * 1000;
    stranger->deadline = now + (gint64)self->handshake_ms * 1000;
    g_ptr_array_add(self->strangers, stranger);
    return TRUE;
}

/* One at a time, and heard before the next: a whole house of newcomers must not crowd out one that
 * has said already what it has to. */
static gboolean
let_in(Reception *self, gboolean *came, GError **error)
{
    char *address = NULL;
    int fd;

    *came = FALSE;
    if (get_room_time(self) > g_get_monotonic_time())
        return TRUE;
    fd = vf_link_accept(self->listener, &address);
    if (fd < 0)
        return bear(self, errno, error);
    *came = TRUE;
    return seat(self, fd, address, error);
}

/* The right stranger, or NULL. */
static Stranger *
hear_all(Reception *self)
{
    gint64 now = g_get_monotonic_time();

    for (guint i = 0; i < self->strangers->len;) {
        Stranger *stranger = self->strangers->pdata[i];
        Verdict verdict = listen_to(self, stranger);
        if (verdict == STRANGER_IS_RIGHT)
            return stranger;
        if (verdict == STRANGER_LEAVES || now >= stranger->deadline)
            g_ptr_array_remove_index(self->strangers, i);
        else
            i++;
    }
    return NULL;
}

static gboolean
wait_for_any(Reception *self, gint64 end, GError **error)
{
    struct pollfd polled[VF_RECEPTION_STRANGERS_MAX + 3];
    gint64 room_time = get_room_time(self);
    gint64 now = g_get_monotonic_time();
    guint n = 0;

    /* those who find no room wait in the kernel's queue */
    polled[n++] = (struct pollfd){.fd = room_time > now ? -1 : self->listener, .events = POLLIN};
    polled[n++] = (struct pollfd){.fd = vf_cancel_get_fd(self->cancel), .events = POLLIN};
    if (room_time > now)
        end = MIN(end, room_time);
    if (self->beside) {
        polled[n++] = (struct pollfd){.fd = self->beside->fd, .events = POLLIN};
        end = MIN(end, now + BESIDE_MS * 1000);
    }
    for (guint i = 0; i < self->strangers->len; i++) {
        Stranger *stranger = self->strangers->pdata[i];
        short events = vf_channel_get_unsent(stranger->channel) > 0 ? POLLIN | POLLOUT : POLLIN;
        polled[n++] = (struct pollfd){.fd = vf_channel_get_fd(stranger->channel), .events = events};
        end = MIN(end, stranger->deadline);
    }
    end -= now;
    if (poll(polled, n, (int)CLAMP((end + 999) / 1000, 0, G_MAXINT)) < 0 && errno != EINTR)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "poll");
    return !vf_cancel_set_error_if_cancelled(self->cancel, error) &&
           (!self->beside || self->beside->hear(self->beside->data, error));
}

static Stranger *
await(Reception *self, guint64 timeout_ms, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    while (g_get_monotonic_time() < end) {
        gboolean came = TRUE;
        if (!wait_for_any(self, end, error))
            return NULL;
        while (came && g_get_monotonic_time() < end) {
            Stranger *right = hear_all(self);
            if (right)
                return right;
            if (vf_cancel_set_error_if_cancelled(self->cancel, error) ||
                !let_in(self, &came, error))
                return NULL;
        }
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the source has not come within %" PRIu64 " ms"), timeout_ms);
    return NULL;
}

VfChannel *
vf_reception_wait(int listener, VfTls *tls, guint handshake_ms, guint64 timeout_ms,
                  VfCancel *cancel, const VfReceptionBeside *beside, char **peer, GError **error)
{
    g_autoptr(GPtrArray) strangers = g_ptr_array_new_with_free_func(stranger_free);
    Reception self = {.listener = listener,
                      .tls = tls,
                      .handshake_ms = handshake_ms,
                      .cancel = cancel,
                      .beside = beside,
                      .strangers = strangers};
    Stranger *right = await(&self, timeout_ms, error);

    if (!right)
        return NULL;
    *peer = g_steal_pointer(&right->address);
    return g_steal_pointer(&right->channel);
}
