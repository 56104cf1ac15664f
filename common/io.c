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
