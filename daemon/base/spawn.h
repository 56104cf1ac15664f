/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Starts a program of ours from libexecdir (or $VFERRY_LIBEXEC_DIR) without making the main loop
 * wait for fork and exec. The child has /dev/null, @flags' pipes, our stderr, and, when @fd is not
 * negative, a copy of @fd as descriptor 3; nothing else. Takes @fd. @argv[0] is the program's name.
 */
void vf_spawn_async(const char *const *argv, int fd, GSubprocessFlags flags,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
GSubprocess *vf_spawn_finish(GAsyncResult *result, GError **error);

G_END_DECLS
