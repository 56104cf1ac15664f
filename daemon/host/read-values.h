/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"

/* How the values of a model's parameters are read from what sysfs and udev show. Nothing is opened
 * but attributes of sysfs, and nothing is written to look. What stands in the configuration space
 * of a function is unread here (config-space.h). */

/* Where. A directory that there is none of is -1; all are closed with the owner's. */
typedef struct {
    const char *type;       /* the id of the mdev type; "" when there is none */
    const char *sysfs_path; /* of the device; NULL when it is still to be made */
    int device_fd;
    int parent_fd; /* of what the device was made on: an mdev's parent, a virtual function's
                      physical one */
    int physfn_fd; /* of the physical function, when the device itself is a virtual one */
    int type_fd;   /* of the mdev type, below the parent */
} VfReading;

/* Every parameter of the model; a value that could not be read is there as unread, never assumed.
 * Free with g_ptr_array_unref(). */
GPtrArray *vf_reading_of_device(const VfReading *self, const VfModel *model);

/* What any device will be that is made: only what its type's id, its type and its parent say. What
 * they do not say is left out. Free with g_ptr_array_unref(). */
GPtrArray *vf_reading_of_type(const VfReading *self, const VfModel *model);
