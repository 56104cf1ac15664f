/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* The kernel's VFIO migration protocol (v2) over an open device. Takes ownership of @device_fd,
 * which may come from the group or, later, from a device node bound to an iommufd: from here on
 * they are the same. */
VfBackend *vf_vfio_new(int device_fd);

/* Opens @device ("0000:06:0d.0" or an mdev's UUID) of IOMMU group @group through /dev/vfio/vfio and
 * /dev/vfio/@group. The device holds its group and container: no other fd needs to stay open
 * (drivers/vfio/group.c, vfio_group_fops_release). -1 on error: BUSY when the group is open, else
 * DEVICE. */
int vf_vfio_open_group(const char *device, int group, GError **error);
