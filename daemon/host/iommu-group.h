/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Adds to @error, which opening a device of IOMMU group @group ended with, which functions of the
 * group are bound to drivers of the host: while one is, the kernel opens no device of the group.
 * Leaves @error alone when there is none. */
void vf_iommu_group_explain(int group, GError **error);
