/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

/* Preloaded into vferry-helper before umockdev's library, whose attributes are plain files: a write
 * to a type's `create` returns when tests/integration/sysfs.py has made the mdev (it empties the
 * file then), or with EEXIST, as the kernel's does (mdev_device_create(), drivers/vfio/mdev). */

#define POLL_US 2000
#define PATIENCE_US (30 * G_USEC_PER_SEC)
#define UUID_SIZE 36

typedef ssize_t (*Write)(int fd, const void *data, size_t size);

/* The directory of the mdev that a write to @fd would make, or NULL: a parent's
 * mdev_supported_types/TYPE/create. */
static char *
find_mdev(int fd, const char *uuid, size_t size)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    char path[PATH_MAX];
    ssize_t length = readlink(link, path, sizeof path - 1);
    char *types;

    if (length < 0 || size != UUID_SIZE)
        return NULL;
    path[length] = '\0';
    types = strstr(path, "/mdev_supported_types/");
    if (!types || !g_str_has_suffix(path, "/create"))
        return NULL;
    *types = '\0';
    return g_strdup_printf("%s/%.*s", path, UUID_SIZE, uuid);
}

static void
wait_until_taken(int fd)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    struct stat info;

    while (fstat(fd, &info) == 0 && info.st_size > 0 && g_get_monotonic_time() < end)
        g_usleep(POLL_US);
}

ssize_t write(int fd, const void *data, size_t size);

ssize_t
write(int fd, const void *data, size_t size)
{
    Write next = (Write)dlsym(RTLD_NEXT, "write");
    g_autofree char *mdev = size == UUID_SIZE ? find_mdev(fd, data, size) : NULL;
    ssize_t written = -1;
    int errnum = EEXIST;

    if (!mdev)
        return next(fd, data, size);
    while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
        ;
    if (access(mdev, F_OK) != 0) {
        written = next(fd, data, size);
        errnum = errno;
        if (written > 0)
            wait_until_taken(fd);
    }
    (void)flock(fd, LOCK_UN);
    errno = errnum;
    return written;
}
