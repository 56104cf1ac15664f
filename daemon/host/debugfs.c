/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "debugfs.h"

#include <string.h>

#include "io.h"
#include "names.h"
#include "sysfs.h"

/* Whole lines; words of later kernels (and today's dirty-tracking) are not flags of ours. */
static char **
parse_features(const char *text)
{
    static const char *const known[] = {"stop-copy", "p2p", "pre-copy"};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GStrvBuilder) flags = g_strv_builder_new();

    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_strv_contains((const char *const *)lines, known[i]))
            g_strv_builder_add(flags, known[i]);
    return g_strv_builder_end(flags);
}

/* `features` is there since 6.18, `state` since 6.8. The latter is not read: that asks the driver,
 * which may have its lock for as long as a change of state takes. That it is there says that the
 * driver migrates, and a driver that does must do stop-copy (linux/vfio.h). */
static char **
read_flags(int migration_fd)
{
    static const char *const at_least[] = {"stop-copy", NULL};
    g_autofree char *features = vf_sysfs_read(migration_fd, "features", NULL);

    if (features)
        return parse_features(features);
    return vf_sysfs_exists(migration_fd, "state") ? g_strdupv((char **)at_least) : NULL;
}

/* vfio_device_debugfs_init() in drivers/vfio/debugfs.c makes the device's directory, and in it
 * `migration` when, and only when, the driver has migration at all. */
char **
vf_debugfs_read_migration(const char *name)
{
    g_autofree char *path = g_build_filename(VF_DEBUGFS_VFIO, name, NULL);
    vf_autofd int dir_fd = vf_sysfs_open_dir(path, NULL);
    vf_autofd int migration_fd = -1;

    if (dir_fd < 0)
        return NULL;
    if (!vf_sysfs_exists(dir_fd, "migration"))
        return g_new0(char *, 1);
    migration_fd = vf_sysfs_open_subdir(dir_fd, "migration", NULL);
    return migration_fd < 0 ? NULL : read_flags(migration_fd);
}
