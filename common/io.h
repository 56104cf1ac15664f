/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <unistd.h>

/* Closes *fd unless it is negative, keeps errno, and leaves -1. */
void vf_io_clear_fd(int *fd);

/* The same, for an open device or a file that somebody sent us, in a thread of its own, and returns
 * at once: the last close of a VFIO device resets it in the context of who closes it
 * (vfio_pci_core_close_device(); pci_dev_wait() gives it 60 s), and a file system may hold any
 * close for ever (FUSE_FLUSH). Not in GTask's pool, which a few of those would use up. @closed
 * (nullable) is called when it is done, never before this returns, in the caller's main context. */
typedef void (*VfIoClosed)(gpointer data);
void vf_io_close_in_thread(int *fd, VfIoClosed closed, gpointer data);

static inline int
vf_io_steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* An int that closes itself; g_autofd came with GLib 2.76. */
#define vf_autofd __attribute__((cleanup(vf_io_clear_fd)))

/* All of @size bytes, EINTR and short counts handled; blocking fds only. Error code FAILED. An end
 * of file before @size bytes is an error. */
gboolean vf_io_read_exact(int fd, void *buffer, gsize size, GError **error);
gboolean vf_io_write_all(int fd, const void *buffer, gsize size, GError **error);

/* dup with close-on-exec. -1 and FAILED on error. */
int vf_io_dup(int fd, GError **error);

/* A memory file that cannot be executed and is closed on exec: the kind that vm.memfd_noexec=2
 * still allows (memfd_create(2)). -1 and errno on error. */
int vf_io_memfd(const char *name);

/* @size bytes from the kernel's random source. FALSE and FAILED on error. */
gboolean vf_io_random(void *buffer, gsize size, GError **error);
