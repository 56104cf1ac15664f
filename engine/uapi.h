/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <linux/types.h>
#include <linux/vfio.h>

/* What linux/vfio.h got after 6.1, whose header Debian 12 has. Layout and numbers are the kernel's
 * ABI. */

#ifndef VFIO_MIGRATION_PRE_COPY /* 6.2, with the two PRE_COPY states */
#define VFIO_MIGRATION_PRE_COPY (1 << 2)

struct vfio_precopy_info {
    __u32 argsz;
    __u32 flags;
    __aligned_u64 initial_bytes;
    __aligned_u64 dirty_bytes;
};
#define VFIO_MIG_GET_PRECOPY_INFO _IO(VFIO_TYPE, VFIO_BASE + 21)
#endif

/* After 6.12; as 7.3 has it. SET, without data, and until the last close: from then on the flags of
 * vfio_precopy_info mean something. Before, drivers give back what they were given. */
#ifndef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 12
#define VFIO_PRECOPY_INFO_REINIT (1 << 0)
#endif

#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE /* 6.2 */
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE 9

struct vfio_device_feature_mig_data_size {
    __aligned_u64 stop_copy_length;
};
#endif

#ifndef VFIO_DEVICE_BIND_IOMMUFD /* 6.6 */
struct vfio_device_bind_iommufd {
    __u32 argsz;
    __u32 flags;
    __s32 iommufd;
    __u32 out_devid;
};
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#endif
