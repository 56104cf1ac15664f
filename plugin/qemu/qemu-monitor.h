/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A QEMU as we hold it: the connection to its monitor, and its process. Counted: a domain, a job
 * and a question that is under way have it, and the last one closes it. */
typedef struct {
    int fd;
    int process;       /* pidfd of who listened at the monitor's socket */
    gboolean oob;      /* its monitor takes commands out of band */
    gboolean answered; /* a worker has spoken over the connection */
} VfQemuMonitor;

/* Takes *@fd, unless it fails: a caller's may be anything, and its close slow. INVALID_ARGUMENT
 * when it is no connected unix socket, DEVICE when nobody holds its other end any more. */
VfQemuMonitor *vf_qemu_monitor_new(int *fd, GError **error);
/* Of what an earlier daemon kept. Takes both descriptors. */
VfQemuMonitor *vf_qemu_monitor_new_kept(int fd, int process, gboolean oob);
VfQemuMonitor *vf_qemu_monitor_ref(VfQemuMonitor *self);
/* The connection's close may be slow: in a thread. */
void vf_qemu_monitor_unref(VfQemuMonitor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfQemuMonitor, vf_qemu_monitor_unref)

/* Whether its process has ended, so that its guest runs nowhere in it. */
gboolean vf_qemu_monitor_has_ended(const VfQemuMonitor *self);

/* The arguments of every request that goes over it: a{sv}, floating. */
GVariant *vf_qemu_monitor_make_args(const VfQemuMonitor *self);
void vf_qemu_monitor_fill_args(const VfQemuMonitor *self, GVariantDict *args);

G_END_DECLS
