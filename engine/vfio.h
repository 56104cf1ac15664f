/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* The kernel's VFIO migration protocol (v2) over an open device. Takes ownership of @device_fd,
 * which may come from the group or from a device node bound to an iommufd: from here on they are
 * the same. */
VfBackend *vf_vfio_new(int device_fd);

/* Opens @device ("0000:06:0d.0" or an mdev's UUID): through /dev/vfio/devices/@node ("vfio0") and
 * /dev/iommu where the kernel has both, else through /dev/vfio/vfio and /dev/vfio/@group, where
 * @group is its IOMMU group. @node is "" where it is not known. The device holds its iommufd, or
 * its group and container: no other fd needs to stay open (drivers/vfio/device_cdev.c,
 * vfio_df_unbind_iommufd; group.c, vfio_group_fops_release). -1 on error: BUSY when the device is
 * open elsewhere, else DEVICE or NOT_SUPPORTED. A node that is there and fails is an error: the
 * group would fail, too, and say less. */
int vf_vfio_open(const char *device, const char *node, int group, GError **error);
