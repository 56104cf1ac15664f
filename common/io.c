/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "error.h"

#ifndef MFD_NOEXEC_SEAL /* since Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

void
vf_io_clear_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

typedef struct {
    int fd;
    VfIoClosed closed;
    gpointer data;
    GMainContext *context;
} Closing;

static gboolean
tell_closed(gpointer data)
{
    const Closing *closing = data;

    closing->closed(closing->data);
    return G_SOURCE_REMOVE;
}

static void
closing_free(gpointer data)
{
    Closing *closing = data;

    g_main_context_unref(closing->context);
    g_free(closing);
}

static gpointer
close_in_thread(gpointer data)
{
    Closing *closing = data;
    GSource *source;

    vf_io_clear_fd(&closing->fd);
    if (!closing->closed) {
        closing_free(closing);
        return NULL;
    }
    source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, tell_closed, closing, closing_free);
    g_source_attach(source, closing->context);
    g_source_unref(source);
    return NULL;
}

void
vf_io_close_in_thread(int *fd, VfIoClosed closed, gpointer data)
{
    Closing *closing;
    GThread *thread = NULL;

    if (*fd < 0 && !closed)
        return;
    closing = g_new0(Closing, 1);
    closing->fd = vf_io_steal_fd(fd);
    closing->closed = closed;
    closing->data = data;
    closing->context = g_main_context_ref_thread_default();
    if (closing->fd >= 0)
        thread = g_thread_try_new("close", close_in_thread, closing, NULL);
    if (thread)
        g_thread_unref(thread);
    else /* nothing to close, or no room for a thread: then waiting is better than a leak */
        close_in_thread(closing);
}

gboolean
vf_io_read_exact(int fd, void *buffer, gsize size, GError **error)
{
    char *at = buffer;

    while (size > 0) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "read");
        if (n == 0) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED,
                        "read: end of file with %" G_GSIZE_FORMAT " bytes missing", size);
            return FALSE;
        }
        at += n;
        size -= (gsize)n;
    }
    return TRUE;
}

gboolean
vf_io_write_all(int fd, const void *buffer, gsize size, GError **error)
{
    const char *at = buffer;

    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "write");
        at += n;
        size -= (gsize)n;
    }
    return TRUE;
}

int
vf_io_dup(int fd, GError **error)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy < 0)
        vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "dup of fd %d", fd);
    return copy;
}

int
vf_io_memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

    /* a kernel that does not know the flag does not ask for it either */
    return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC) : fd;
}

gboolean
vf_io_random(void *buffer, gsize size, GError **error)
{
    char *at = buffer;

    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "getrandom");
        at += n;
        size -= (gsize)n;
    }
    return TRUE;
}
