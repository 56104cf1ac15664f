/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One blocking sysfs operation in a process of its own (vferry-helper), since a write to an mdev's
 * `remove` sleeps in the kernel for as long as somebody has the device open. After @deadline_ms the
 * call fails with DEVICE and the process is left alone: a signal would only make its sleep
 * uninterruptible; it is reaped whenever the kernel lets it go. Takes @fd, which it gets as
 * descriptor 3; -1: none. */
void vf_helper_run_async(const char *const *arguments, int fd, guint deadline_ms,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);

/* What the operation read, or "". NULL on error: BUSY (EBUSY, EEXIST), NO_ROOM (ENOSPC, EUSERS),
 * NOT_FOUND, DEVICE. Free with g_free(). */
char *vf_helper_run_finish(GAsyncResult *result, GError **error);

/* What the helper prints: errno or 0, a message, and what was read. */
#define VF_HELPER_REPLY_TYPE G_VARIANT_TYPE("(iss)")

G_END_DECLS
