/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "capabilities-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "document-text.h"
#include "document.h"
#include "io.h"
#include "text.h"

/* A byte order mark is no part of the document. */
#define FILE_SIZE_MAX (VF_DOCUMENT_LARGE_SIZE_MAX + 3)

static VferryError
code_of(int errnum)
{
    if (errnum == ENOENT || errnum == ENOTDIR)
        return VFERRY_ERROR_NOT_FOUND;
    return errnum == EACCES || errnum == EPERM ? VFERRY_ERROR_NOT_AUTHORIZED : VFERRY_ERROR_FAILED;
}

static gboolean
list_directory(const char *path, GPtrArray *files, GError **error)
{
    g_autoptr(GDir) dir = NULL;
    const char *name;

    errno = 0;
    dir = g_dir_open(path, 0, NULL);
    if (!dir)
        return vf_error_errno(error, code_of(errno), errno, "%s", path);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        if (g_str_has_suffix(name, ".xml") && !g_file_test(file, G_FILE_TEST_IS_DIR))
            g_ptr_array_add(files, g_steal_pointer(&file));
    }
    g_ptr_array_sort(files, vf_text_compare);
    /* an answer about no host at all would look like one about all */
    return files->len > 0 ||
           vf_error_errno(error, VFERRY_ERROR_NOT_FOUND, ENOENT, "%s/*.xml", path);
}

GPtrArray *
vf_capabilities_list_files(const char *path, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    struct stat info;

    if (stat(path, &info) < 0) {
        vf_error_errno(error, code_of(errno), errno, "%s", path);
        return NULL;
    }
    if (!S_ISDIR(info.st_mode))
        g_ptr_array_add(files, g_strdup(path));
    else if (!list_directory(path, files, error))
        return NULL;
    return g_steal_pointer(&files);
}

/* One byte more than a document can have is enough to know that it is too large. */
static gboolean
read_all(int fd, const char *path, GString *buffer, GError **error)
{
    for (;;) {
        gsize room = buffer->allocated_len - buffer->len - 1;
        ssize_t n;

        if (buffer->len > FILE_SIZE_MAX)
            return vf_document_size_check(buffer->len, VF_DOCUMENT_LARGE_SIZE_MAX, path, error);
        if (room == 0) {
            gsize length = buffer->len;
            g_string_set_size(buffer, MIN(length * 2, FILE_SIZE_MAX + 1));
            buffer->len = length;
            continue;
        }
        n = read(fd, buffer->str + buffer->len, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vf_error_errno(error, code_of(errno), errno, "%s", path);
        buffer->len += (gsize)n;
        buffer->str[buffer->len] = '\0';
        if (n == 0)
            return TRUE;
    }
}

gboolean
vf_capabilities_file_read(const char *path, GString *buffer, GError **error)
{
    vf_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat info;

    g_string_truncate(buffer, 0);
    if (fd < 0 || fstat(fd, &info) < 0)
        return vf_error_errno(error, code_of(errno), errno, "%s", path);
    if (S_ISREG(info.st_mode)) {
        if (info.st_size > FILE_SIZE_MAX)
            return vf_document_size_check((gsize)info.st_size, VF_DOCUMENT_LARGE_SIZE_MAX, path,
                                          error);
        /* one more: the end of the file is then seen without making room for more */
        g_string_set_size(buffer, (gsize)info.st_size + 1);
    } else {
        g_string_set_size(buffer, 65536);
    }
    buffer->len = 0;
    return read_all(fd, path, buffer, error);
}
