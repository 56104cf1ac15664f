/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "vferry.h"

/* What a VMM does with a device, and no more: opens it, programs it, lends it. The bare uAPI of
 * linux/vfio.h, so that the engine is not tested with itself. */

typedef struct {
    int container; /* or iommufd */
    int group;
    int fd;
    guint64 offset;     /* of the marker in region 0 */
    GBytes *marker;     /* NULL: none */
    char *name;         /* for messages */
    VferryDevice *lent; /* while it is lent */
} Vmm;

Vmm *vmm_new(const char *name, guint64 offset);
void vmm_free(Vmm *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vmm, vmm_free)

/* "c0ffee" and "0xc0ffee" are bytes in hexadecimal; anything else is text. NULL for NULL. */
GBytes *vmm_parse_marker(const char *text);

/* The group API; the device is at /sys/bus/mdev/devices/<name> or /sys/bus/pci/devices/<name>.
 * Opening resets it. */
gboolean vmm_open(Vmm *self, GError **error);

/* The same through the device's own node and /dev/iommu. */
gboolean vmm_open_node(Vmm *self, GError **error);

/* Takes ownership of @fd, an open device. */
void vmm_take_fd(Vmm *self, int fd);

gboolean vmm_write_marker(Vmm *self, GError **error);

/* As many bytes as the marker has, or one. */
GBytes *vmm_read_marker(Vmm *self, GError **error);

/* "<word> <hex> state <STATE>" on standard output. */
gboolean vmm_print(Vmm *self, const char *word, GError **error);

/* Device.Lend for the object at @path, then "lent". */
gboolean vmm_lend(Vmm *self, GDBusConnection *bus, const char *path, gboolean keep, GError **error);

/* Device.Reclaim, then "reclaimed". */
gboolean vmm_reclaim(Vmm *self, GError **error);

/* VFIO_DEVICE_RESET, whoever else has the device open, then "reset". */
gboolean vmm_reset(Vmm *self, GError **error);

/* Stays alive: SIGUSR1 prints, SIGUSR2 reclaims, SIGHUP resets, SIGTERM and SIGINT end it. */
int vmm_serve(Vmm *self);

/* "<program>: <message>" on standard error, with the bus name of the error. Returns 1. */
int vmm_fail(const GError *error);
