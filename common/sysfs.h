/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* sysfs through a directory fd: what was opened once stays the same device, whatever happens to
 * its name. Attributes are bounded, UTF-8, with one trailing newline removed. Errors: NOT_FOUND for
 * ENOENT and ENODEV, LIMIT_EXCEEDED for what this process has not enough of to look, DEVICE for
 * anything else the kernel says. */

#define VF_SYSFS_VALUE_MAX 65536 /* an attribute is at most a page; json files may be larger */

/* An O_PATH-less directory fd, or -1. */
int vf_sysfs_open_dir(const char *path, GError **error);
int vf_sysfs_open_subdir(int dir_fd, const char *name, GError **error);

/* Free with g_free(). */
char *vf_sysfs_read(int dir_fd, const char *attribute, GError **error);
gboolean vf_sysfs_read_u64(int dir_fd, const char *attribute, guint64 max, guint64 *value,
                           GError **error);

/* Exactly one write(2) of @value, no newline added; a short write is an error. May block: call it
 * in vferry-helper or in a worker thread, never on the main loop. @errnum (nullable) gets the
 * kernel's errno. */
gboolean vf_sysfs_write(int dir_fd, const char *attribute, const char *value, int *errnum,
                        GError **error);

/* The last component of a symbolic link's target. Free with g_free(). */
char *vf_sysfs_read_link(int dir_fd, const char *name, GError **error);

/* Names in the directory, sorted, without dot names. Free with g_strfreev(). */
char **vf_sysfs_list(int dir_fd, GError **error);

/* Whether @error (NULL: no) says nothing of the device: it could not be looked at. */
gboolean vf_sysfs_is_unread(const GError *error);

gboolean vf_sysfs_exists(int dir_fd, const char *name);

/* Of the open directory; 0 when it cannot be told. Names are used again in sysfs, numbers are not
 * until the next boot: kernfs counts on (kernfs_new_node(), fs/kernfs/dir.c), in 64 bits where
 * ino_t has them. */
guint64 vf_sysfs_get_inode(int dir_fd);
