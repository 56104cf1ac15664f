/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Descriptors that systemd keeps for us while no daemon runs (sd_pid_notify_with_fds(3),
 * FileDescriptorStoreMax= in systemd.service(5)): each under a name, and handed to the next daemon
 * of this service. systemd lets go of all of them when the service is stopped, and not restarted.
 *
 * Not started by systemd there is no store: nothing is kept, and nothing was.
 *
 * systemd takes no second descriptor of an open file that it has already (kcmp(2)); one that is
 * full drops what it is sent and tells nobody but the journal: so what is to be kept is counted
 * before it is begun, and what comes back is looked at for being whole. */
#define VF_TYPE_FD_STORE (vf_fd_store_get_type())
G_DECLARE_FINAL_TYPE(VfFdStore, vf_fd_store, VF, FD_STORE, GObject)

/* Takes what systemd has handed over, all close-on-exec. For the start of the process. */
VfFdStore *vf_fd_store_new(void);

/* Sends a copy of @fd. A name has letters, digits, '.' and '-', at most 255. In the store when it
 * returns, or systemd has it in its queue, which it reads before it notices our end. */
void vf_fd_store_put(VfFdStore *self, const char *name, int fd);
/* Whatever has that name. FALSE: that could not be sent, and is sent again before the name is used
 * anew. */
gboolean vf_fd_store_remove(VfFdStore *self, const char *name);

/* Completes when systemd has let go of what was removed before (sd_notify_barrier(3)), and closes
 * it or has (since 254 it does so beside its main loop, service_fd_store_unlink() in
 * src/core/service.c, and does not say when that is done); at once when there is no store. BUSY
 * when it does not say so within 30 s: it may have all of that, and whoever asks again sends anew
 * what could not be sent. */
void vf_fd_store_settle_async(VfFdStore *self, GAsyncReadyCallback callback, gpointer data);
gboolean vf_fd_store_settle_finish(VfFdStore *self, GAsyncResult *result, GError **error);

/* For those who put: how many more, or fewer, places are taken or promised. */
void vf_fd_store_count(VfFdStore *self, gint change);
/* Whether @n more would fit: LIMIT_EXCEEDED when not. */
gboolean vf_fd_store_check_room(VfFdStore *self, guint n, GError **error);

/* The names of what was handed over and is not taken yet. Free with g_strfreev(). */
char **vf_fd_store_list(VfFdStore *self);
/* The caller's now; the store has its copy still. -1 when there is none. */
int vf_fd_store_take(VfFdStore *self, const char *name);
/* What nobody has taken is removed, each with a line in the log. */
void vf_fd_store_remove_rest(VfFdStore *self);

G_END_DECLS
