/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Of "stop-copy", "p2p", "pre-copy", what the kernel says in debugfs about the device of this name
 * (an mdev's UUID, a PCI address), which nobody needs to open for it. Empty: its driver cannot
 * migrate it. A kernel before 6.18 says only whether it can, which is stop-copy: the others may be
 * there all the same. NULL when nothing is said. Free with g_strfreev(). */
char **vf_debugfs_read_migration(const char *name);
