/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "flight.h"

#include <errno.h>
#include <sys/socket.h>

#include "io.h"

#define FLIGHT_MAX 4096
#define HEAR_SECONDS 20

GByteArray *
vf_flight_make(const char *job, const guint8 key[VF_TLS_KEY_SIZE])
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfTls) tls = vf_tls_new(VF_ROLE_SOURCE, job, key, &error);
    g_autoptr(VfChannel) channel = NULL;
    GByteArray *flight = g_byte_array_new();
    int pair[2];
    ssize_t n;

    g_assert_no_error(error);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    channel = vf_tls_wrap(tls, pair[0], &error);
    g_assert_no_error(error);
    g_assert_cmpint(vf_tls_handshake(channel, &error), ==, VF_CHANNEL_WAIT);
    g_byte_array_set_size(flight, FLIGHT_MAX);
    n = recv(pair[1], flight->data, FLIGHT_MAX, MSG_DONTWAIT);
    g_assert_cmpint(n, >, 100);
    g_assert_cmpint(n, <, FLIGHT_MAX);
    g_byte_array_set_size(flight, (guint)n);
    vf_io_clear_fd(&pair[1]);
    return flight;
}

GByteArray *
vf_flight_hear(int fd)
{
    gint64 end = g_get_monotonic_time() + HEAR_SECONDS * G_USEC_PER_SEC;
    GByteArray *heard = g_byte_array_new();
    guint8 bytes[256];
    ssize_t n = 1;

    while (n > 0 || (n < 0 && errno == EAGAIN)) {
        n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0)
            g_byte_array_append(heard, bytes, (guint)n);
        else if (n < 0 && errno == EAGAIN)
            g_usleep(1000);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(n == 0 || errno == ECONNRESET);
    return heard;
}
