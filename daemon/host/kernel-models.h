/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"

/* What a driver itself says of its models, in one of the two layouts of the "VFIO Migration"
 * documents (driver-info.h). Where it says something, no descriptor counts, not even when
 * what it says is wrong: a mistake must not silently bring back what it replaced. */

typedef enum {
    VF_KERNEL_LAYOUT_NONE,
    VF_KERNEL_LAYOUT_PARAMETERS, /* migration_info.json */
    VF_KERNEL_LAYOUT_VERSIONS,   /* migration_device_models */
} VfKernelLayout;

/* *text: the file of the mdev type's directory @type_fd; NULL when it cannot be read, too. Free
 * with g_free(). */
VfKernelLayout vf_kernel_models_read(int type_fd, char **text);

/* What vf_kernel_models_read() gave as a list of VfModel; @where names it in errors. Free with
 * g_ptr_array_unref(). */
GPtrArray *vf_kernel_models_parse(VfKernelLayout layout, const char *text, const char *where,
                                  GError **error);

/* Whether the driver says what the mdev in @device_fd, of the type in @type_fd (-1: not known yet),
 * is; *model, a new reference, is NULL when it says so badly. */
gboolean vf_kernel_models_find(int device_fd, int type_fd, VfModel **model);
