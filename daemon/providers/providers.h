/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider.h"

G_BEGIN_DECLS

/* The providers of this build, of const VfProvider, one for each kind. Free with
 * g_ptr_array_unref(). */
GPtrArray *vf_providers_new(void);

G_END_DECLS
