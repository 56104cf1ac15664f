/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "number.h"

static VferryError
code_of(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENODEV:
        return VFERRY_ERROR_NOT_FOUND;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return VFERRY_ERROR_LIMIT_EXCEEDED;
    default:
        return VFERRY_ERROR_DEVICE;
    }
}

static gboolean
set_error(GError **error, int errnum, const char *verb, const char *name)
{
    return vf_error_errno(error, code_of(errnum), errnum, _("cannot %s “%s”"), verb, name);
}

int
vf_sysfs_open_dir(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        set_error(error, errno, "open", path);
    return fd;
}

int
vf_sysfs_open_subdir(int dir_fd, const char *name, GError **error)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        set_error(error, errno, "open", name);
    return fd;
}

static gssize
read_bounded(int fd, char *buffer, gsize size)
{
    gsize done = 0;

    while (done < size) {
        ssize_t n = read(fd, buffer + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (gsize)n;
    }
    return (gssize)done;
}

char *
vf_sysfs_read(int dir_fd, const char *attribute, GError **error)
{
    g_autofree char *buffer = g_malloc(VF_SYSFS_VALUE_MAX + 1);
    vf_autofd int fd = openat(dir_fd, attribute, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    gssize n;

    if (fd < 0) {
        set_error(error, errno, "open", attribute);
        return NULL;
    }
    n = read_bounded(fd, buffer, VF_SYSFS_VALUE_MAX + 1);
    if (n < 0) {
        set_error(error, errno, "read", attribute);
        return NULL;
    }
    if (n > VF_SYSFS_VALUE_MAX || !g_utf8_validate(buffer, n, NULL)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("“%s” is not UTF-8 text of at most %d bytes"), attribute, VF_SYSFS_VALUE_MAX);
        return NULL;
    }
    if (n > 0 && buffer[n - 1] == '\n')
        n--;
    return g_strndup(buffer, (gsize)n);
}

gboolean
vf_sysfs_read_u64(int dir_fd, const char *attribute, guint64 max, guint64 *value, GError **error)
{
    g_autofree char *text = vf_sysfs_read(dir_fd, attribute, error);

    return text && vf_number_parse_u64(text, attribute, 0, max, value, error);
}

gboolean
vf_sysfs_write(int dir_fd, const char *attribute, const char *value, int *errnum, GError **error)
{
    gsize size = strlen(value);
    vf_autofd int fd = openat(dir_fd, attribute, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : write(fd, value, size);
    int saved = n < 0 ? errno : (gsize)n == size ? 0 : EIO;

    if (errnum)
        *errnum = saved;
    if (saved == 0)
        return TRUE;
    return vf_error_errno(
        error, saved == ENOENT || saved == ENODEV ? VFERRY_ERROR_NOT_FOUND : VFERRY_ERROR_DEVICE,
        saved, _("cannot write “%s” to “%s”"), value, attribute);
}

char *
vf_sysfs_read_link(int dir_fd, const char *name, GError **error)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof target);

    if (n < 0 || (gsize)n >= sizeof target) {
        set_error(error, n < 0 ? errno : ENAMETOOLONG, "follow", name);
        return NULL;
    }
    target[n] = '\0';
    if (!g_utf8_validate(target, n, NULL)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, _("the target of “%s” is not UTF-8"),
                    name);
        return NULL;
    }
    return g_path_get_basename(target);
}

static void
close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
vf_sysfs_list(int dir_fd, GError **error)
{
    __attribute__((cleanup(close_dir))) DIR *dir = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    vf_autofd int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        set_error(error, errno, "list", ".");
        return NULL;
    }
    fd = -1; /* the stream owns it now */
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && g_utf8_validate(entry->d_name, -1, NULL))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

gboolean
vf_sysfs_is_unread(const GError *error)
{
    return g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
}

gboolean
vf_sysfs_exists(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

guint64
vf_sysfs_get_inode(int dir_fd)
{
    struct stat info;

    return fstat(dir_fd, &info) == 0 ? info.st_ino : 0;
}
