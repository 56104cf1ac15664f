/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* A device that another process has open, by another descriptor of the same open device: what a
 * hypervisor loads can be judged through it (pidfd_getfd(2)). */

/* Where the kernel shows what is asked of it; tests have others. */
typedef struct {
    const char *groups; /* the class of VFIO's groups in sysfs */
    const char *yama;   /* the attribute that says who may trace whom */
} VfAcceptPlaces;

typedef struct {
    char *path;    /* of the lease's device, its directory in sysfs; its last part is its name */
    guint64 inode; /* see vf_device_get_inode(): the name alone may be another's by now */
    guint32 uid;   /* of who attached the process */
} VfAcceptWanted;

/* Looks through the descriptors of the process behind @pidfd. Only the device that is @wanted is
 * kept open. NOT_AUTHORIZED: it is another user's process, or the kernel lets nobody take its
 * descriptors; NOT_FOUND: there is no such device or process, or it does not hold the device;
 * else DEVICE, INVALID_ARGUMENT or LIMIT_EXCEEDED. Takes CAP_SYS_PTRACE. */
VfBackend *vf_accept_process_find(int pidfd, const VfAcceptWanted *wanted,
                                  const VfAcceptPlaces *places, GError **error);
