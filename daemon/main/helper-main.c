/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <gio/gio.h>

#include "error.h"
#include "io.h"
#include "names.h"
#include "number.h"
#include "record.h"
#include "sysfs.h"
#include "uuid.h"

/* vferry-helper: exactly one operation on sysfs, for a daemon that must not wait for the kernel. It
 * prints errno (or 0), a message and what was read, as the text of a GVariant (iss), and exits with
 * 0; 2 stands for a call that is wrong. */

#define USAGE_EXIT 2

/* Where mdev-create writes what it made. */
#define RECORD_FD 3

static int
reply(int errnum, const char *message, const char *value)
{
    g_autoptr(GVariant) variant = g_variant_ref_sink(
        g_variant_new("(iss)", errnum, message ? message : "", value ? value : ""));
    g_autofree char *text = g_variant_print(variant, FALSE);

    printf("%s\n", text);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int
reply_errno(int errnum, const char *what)
{
    g_autofree char *message = g_strdup_printf("%s: %s", what, g_strerror(errnum));

    return reply(errnum, message, NULL);
}

/* Opens without following what the name became: only real sysfs directories, no "..", one spelling.
 */
static int
open_sysfs(const char *path)
{
    g_autofree char *canonical = g_canonicalize_filename(path, "/");

    if (!g_str_equal(canonical, path) || !g_str_has_prefix(path, "/sys/")) {
        errno = EINVAL;
        return -1;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static gboolean
plain_name(const char *name)
{
    return *name && !strchr(name, '/') && !g_str_equal(name, ".") && !g_str_equal(name, "..");
}

/* The daemon gave up waiting, or is gone, and has looked for the device in vain or will: what came
 * too late is taken back by who made it. */
static int
mdev_take_back(int dir, const char *uuid)
{
    g_autoptr(GError) error = NULL;

    if (vf_sysfs_write(dir, VF_SYSFS_REMOVE, "1", NULL, &error))
        return 0;
    fprintf(stderr, "vferry-helper: %s is not kept and cannot be removed: %s\n", uuid,
            error->message);
    return 1;
}

/* Here, and not by the daemon, which may have ended meanwhile: from now on the record says which
 * device it is that was made, and nobody takes another one of that UUID for it. */
static gboolean
record_created(VfRecord *record, const char *uuid, guint64 inode, GError **error)
{
    g_auto(GVariantDict) details = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&details, "uuid", "s", uuid);
    g_variant_dict_insert(&details, "inode", "t", inode);
    return vf_record_append(record, "created", g_variant_dict_end(&details), error);
}

/* What has just been made: whoever removed it and made another one of that UUID within the same
 * moment would be root and quicker than the return from a write. */
static int
mdev_keep(int parent, const char *uuid)
{
    /* its lock is held to the end: until then nobody else judges what the record says */
    g_autoptr(VfRecord) record = vf_record_new_from_fd(RECORD_FD);
    g_autoptr(GError) error = NULL;
    vf_autofd int dir = vf_sysfs_open_subdir(parent, uuid, &error);
    g_autofree char *inode = NULL;

    if (dir < 0)
        return reply(ENODEV, error->message, NULL);
    if (!record_created(record, uuid, vf_sysfs_get_inode(dir), &error))
        return mdev_take_back(dir, uuid) == 0 ? reply(EIO, error->message, NULL) : 1;
    inode = g_strdup_printf("%" G_GUINT64_FORMAT, vf_sysfs_get_inode(dir));
    return reply(0, NULL, inode) == 0 ? 0 : mdev_take_back(dir, uuid);
}

static int
mdev_create(char **args)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *uuid = vf_uuid_normalize(args[2], "UUID", &error);
    g_autofree char *type = g_build_filename(VF_SYSFS_MDEV_TYPES, args[1], NULL);
    vf_autofd int parent = -1;
    vf_autofd int dir = -1;
    int errnum = 0;

    if (!uuid || !plain_name(args[1]))
        return reply(EINVAL, error ? error->message : "the type's name is not plain", NULL);
    parent = open_sysfs(args[0]);
    if (parent < 0)
        return reply_errno(errno, args[0]);
    dir = vf_sysfs_open_subdir(parent, type, &error);
    if (dir < 0)
        return reply(ENOENT, error->message, NULL);
    if (!vf_sysfs_write(dir, VF_SYSFS_CREATE, uuid, &errnum, &error))
        return reply(errnum, error->message, NULL);
    return mdev_keep(parent, uuid);
}

static gboolean
is_mdev(int dir, const char *type)
{
    g_autofree char *subsystem = vf_sysfs_read_link(dir, "subsystem", NULL);
    g_autofree char *actual = vf_sysfs_read_link(dir, "mdev_type", NULL);

    if (g_strcmp0(subsystem, VF_SUBSYSTEM_MDEV) != 0)
        return FALSE;
    /* the link is made after the device is bound, so that its absence says nothing */
    return !actual || !*type || g_str_equal(actual, type);
}

static int
mdev_remove(char **args)
{
    g_autoptr(GError) error = NULL;
    vf_autofd int dir = -1;
    guint64 inode;
    int errnum = 0;

    if (!vf_number_parse_u64(args[2], "inode", 1, G_MAXUINT64, &inode, &error))
        return reply(EINVAL, error->message, NULL);
    dir = open_sysfs(args[0]);
    if (dir < 0 && errno == ENOENT)
        return reply(0, NULL, NULL);
    if (dir < 0)
        return reply_errno(errno, args[0]);
    /* what is meant has gone, and what took its place is somebody else's */
    if (vf_sysfs_get_inode(dir) != inode)
        return reply(0, NULL, NULL);
    /* `remove` takes itself away first and then waits for whoever has the device open */
    if (!vf_sysfs_exists(dir, VF_SYSFS_REMOVE))
        return reply_errno(EBUSY, "the device is being removed and still open");
    if (!is_mdev(dir, args[1]))
        return reply_errno(EINVAL, "the directory is not the expected mdev");
    if (!vf_sysfs_write(dir, VF_SYSFS_REMOVE, "1", &errnum, &error))
        return reply(errnum, error->message, NULL);
    return reply(0, NULL, NULL);
}

/* NAME may lie in a subdirectory of the device (a driver's attribute group). */
static gboolean
relative_name(const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);

    for (char **part = parts; *part; part++)
        if (!plain_name(*part))
            return FALSE;
    return parts[0] != NULL;
}

static int
write_attribute(char **args)
{
    g_autoptr(GError) error = NULL;
    vf_autofd int dir = open_sysfs(args[0]);
    guint64 inode;
    int errnum = 0;

    if (!vf_number_parse_u64(args[1], "inode", 1, G_MAXUINT64, &inode, &error))
        return reply(EINVAL, error->message, NULL);
    if (dir < 0)
        return reply_errno(errno, args[0]);
    if (vf_sysfs_get_inode(dir) != inode)
        return reply_errno(ENODEV, args[0]);
    if (!relative_name(args[2]))
        return reply_errno(EINVAL, args[2]);
    if (!vf_sysfs_write(dir, args[2], args[3], &errnum, &error))
        return reply(errnum, error->message, NULL);
    return reply(0, NULL, NULL);
}

static int
read_attribute(char **args)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = NULL;
    vf_autofd int dir = open_sysfs(args[0]);

    if (dir < 0)
        return reply_errno(errno, args[0]);
    if (!relative_name(args[1]))
        return reply_errno(EINVAL, args[1]);
    value = vf_sysfs_read(dir, args[1], &error);
    if (!value)
        return reply(g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND) ? ENOENT : EIO,
                     error->message, NULL);
    return reply(0, NULL, value);
}

static const struct {
    const char *name;
    int n_args;
    int (*run)(char **args);
} operations[] = {
    {"mdev-create", 3, mdev_create},         /* PARENT_SYSFS_PATH TYPE UUID; to a record */
    {"mdev-remove", 3, mdev_remove},         /* SYSFS_PATH TYPE ("": not checked) INODE */
    {"write-attribute", 4, write_attribute}, /* SYSFS_PATH INODE NAME VALUE */
    {"read-attribute", 2, read_attribute},   /* SYSFS_PATH NAME */
};

int
main(int argc, char **argv)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};

    /* a daemon that does not listen any more is an error to look at, not an end */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    for (gsize i = 0; argc >= 2 && i < G_N_ELEMENTS(operations); i++)
        if (g_str_equal(argv[1], operations[i].name) && argc == operations[i].n_args + 2)
            return operations[i].run(argv + 2);
    fprintf(stderr, "vferry-helper is started by vferryd\n");
    return USAGE_EXIT;
}
