/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The hypervisor drivers of this build, of VfDriver, default first; those for tests only when
 * @fake. Free with g_ptr_array_unref(). */
GPtrArray *vf_drivers_new(gboolean fake);
