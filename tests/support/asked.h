/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* vf-asked: vferry-accept with a kernel that has VFIO devices, played in the process itself. A
 * device is a plain file, which says what it is and does, and which the test reads afterwards; what
 * stands for nodes are files of the kernel's that everybody has. */

typedef struct {
    guint8 state;  /* VfMigrationState */
    guint8 errnum; /* of a change of state; 0: it succeeds */
    guint8 leads;  /* where it leads instead of where it should; 0: nowhere else */
    guint8 blocks; /* a change of state, while this is not 0; it is 2 once one has come */
} VfAskedDevice;

#define VF_ASKED_NODE "/dev/null"  /* a device's, in RESUMING; takes its state */
#define VF_ASKED_SPARE "/dev/zero" /* the same node, but not bound to an iommufd */
#define VF_ASKED_GROUP "/dev/full" /* a group with the one device below in it */

/* The environment that it is started in. */
#define VF_ASKED_ENV_DEVICE "VF_ASKED_DEVICE" /* the path of the group's device */
#define VF_ASKED_ENV_NAME "VF_ASKED_NAME"     /* and what the group calls it */
#define VF_ASKED_ENV_GROUPS "VF_ASKED_GROUPS" /* VfAcceptPlaces */
#define VF_ASKED_ENV_YAMA "VF_ASKED_YAMA"
#define VF_ASKED_ENV_ERRNO "VF_ASKED_ERRNO" /* of every pidfd_getfd() */
