/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOW_CLOSE_SECONDS 60

/* valgrind runs no other thread while one is in close(2). */
static inline gboolean
can_close_slowly(void)
{
    const char *preload = g_getenv("LD_PRELOAD");

    return !preload || !strstr(preload, "vgpreload");
}

/* A descriptor whose close(2) waits, as that of a device that is reset: a TCP connection that
 * lingers, with more to send than *@other reads. The close of *@other ends that. */
static inline int
open_slow_to_close(int *other)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct linger linger = {.l_onoff = 1, .l_linger = SLOW_CLOSE_SECONDS};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *block = g_malloc0(65536);

    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &size), ==, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, size), ==, 0);
    *other = accept(listener, NULL, NULL);
    g_assert_cmpint(*other, >=, 0);
    close(listener);
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), ==, 0);
    while (send(fd, block, 65536, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
    return fd;
}
