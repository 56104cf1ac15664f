/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "reception.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "frame.h"
#include "io.h"
#include "link.h"

#define HELLO_SIZE_MAX (VF_FRAME_HEADER_SIZE + VF_FRAME_HELLO_MAX)

typedef struct {
    int fd;
    char *address;
    gint64 deadline;
    gsize have;
    VfFrameHeader header;
    guint8 bytes[HELLO_SIZE_MAX];
} Guest;

typedef struct {
    int listener;
    const char *job;
    guint hello_ms;
    VfCancel *cancel;
    GPtrArray *guests; /* longest-waiting first */
} Reception;

typedef enum {
    GUEST_WAITS,
    GUEST_LEAVES,
    GUEST_IS_RIGHT,
} Verdict;

static void
guest_free(gpointer data)
{
    Guest *guest = data;

    vf_io_clear_fd(&guest->fd);
    g_free(guest->address);
    explicit_bzero(guest->bytes, sizeof guest->bytes);
    g_free(guest);
}

static Verdict
judge(Reception *self, Guest *guest, VfHello *hello)
{
    const guint8 *payload = guest->bytes + VF_FRAME_HEADER_SIZE;
    g_auto(VfHello) said = {0};

    if (!vf_frame_verify(guest->bytes, &guest->header, payload, NULL) ||
        !vf_message_parse_hello(payload, guest->header.length, &said, NULL) ||
        !g_str_equal(said.job, self->job))
        return GUEST_LEAVES;
    *hello = said;
    said = (VfHello){0};
    return GUEST_IS_RIGHT;
}

/* Reads what is there, but nothing beyond the hello: that belongs to the session. */
static Verdict
listen_to(Reception *self, Guest *guest, VfHello *hello)
{
    for (;;) {
        gsize want = guest->have < VF_FRAME_HEADER_SIZE
                         ? VF_FRAME_HEADER_SIZE
                         : VF_FRAME_HEADER_SIZE + guest->header.length;
        ssize_t n;
        if (guest->have > VF_FRAME_HEADER_SIZE && guest->have == want)
            return judge(self, guest, hello);
        n = recv(guest->fd, guest->bytes + guest->have, want - guest->have, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return GUEST_WAITS;
        if (n <= 0)
            return GUEST_LEAVES;
        guest->have += (gsize)n;
        if (guest->have == VF_FRAME_HEADER_SIZE &&
            (!vf_frame_unpack(guest->bytes, VF_ROLE_SOURCE, 0, 0, &guest->header, NULL) ||
             guest->header.type != VF_FRAME_HELLO))
            return GUEST_LEAVES;
    }
}

static gboolean
let_in(Reception *self, GError **error)
{
    for (;;) {
        Guest *guest;
        char *address = NULL;
        int fd = vf_link_accept(self->listener, &address);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return TRUE;
        if (fd < 0)
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "accept");
        if (self->guests->len == VF_RECEPTION_GUESTS_MAX)
            g_ptr_array_remove_index(self->guests, 0);
        guest = g_new0(Guest, 1);
        guest->fd = fd;
        guest->address = address;
        guest->deadline = g_get_monotonic_time() + (gint64)self->hello_ms * 1000;
        g_ptr_array_add(self->guests, guest);
    }
}

/* The right guest, or NULL. */
static Guest *
hear_all(Reception *self, VfHello *hello)
{
    gint64 now = g_get_monotonic_time();

    for (guint i = 0; i < self->guests->len;) {
        Guest *guest = self->guests->pdata[i];
        Verdict verdict = listen_to(self, guest, hello);
        if (verdict == GUEST_IS_RIGHT)
            return guest;
        if (verdict == GUEST_LEAVES || now >= guest->deadline)
            g_ptr_array_remove_index(self->guests, i);
        else
            i++;
    }
    return NULL;
}

static gboolean
wait_for_any(Reception *self, gint64 end, GError **error)
{
    struct pollfd polled[VF_RECEPTION_GUESTS_MAX + 2];
    guint n = 0;

    polled[n++] = (struct pollfd){.fd = self->listener, .events = POLLIN};
    polled[n++] = (struct pollfd){.fd = vf_cancel_get_fd(self->cancel), .events = POLLIN};
    for (guint i = 0; i < self->guests->len; i++) {
        Guest *guest = self->guests->pdata[i];
        polled[n++] = (struct pollfd){.fd = guest->fd, .events = POLLIN};
        end = MIN(end, guest->deadline);
    }
    end -= g_get_monotonic_time();
    if (poll(polled, n, (int)CLAMP((end + 999) / 1000, 0, G_MAXINT)) < 0 && errno != EINTR)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "poll");
    return !vf_cancel_set_error_if_cancelled(self->cancel, error);
}

static Guest *
await(Reception *self, guint64 timeout_ms, VfHello *hello, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    while (g_get_monotonic_time() < end) {
        Guest *right;
        if (!wait_for_any(self, end, error) || !let_in(self, error))
            return NULL;
        right = hear_all(self, hello);
        if (right)
            return right;
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the source has not come within %" G_GUINT64_FORMAT " ms"), timeout_ms);
    return NULL;
}

int
vf_reception_wait(int listener, const char *job, guint hello_ms, guint64 timeout_ms,
                  VfCancel *cancel, VfHello *hello, char **peer, GError **error)
{
    g_autoptr(GPtrArray) guests = g_ptr_array_new_with_free_func(guest_free);
    Reception self = {
        .listener = listener, .job = job, .hello_ms = hello_ms, .cancel = cancel, .guests = guests};
    Guest *right = await(&self, timeout_ms, hello, error);

    if (!right)
        return -1;
    *peer = g_steal_pointer(&right->address);
    return vf_io_steal_fd(&right->fd);
}
