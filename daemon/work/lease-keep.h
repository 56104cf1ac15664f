/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kept.h"
#include "lease.h"
#include "provider.h"

G_BEGIN_DECLS

/* A lease as the description that the next daemon makes it from again. */

/* @path: on the bus. */
void vf_lease_keep_write(VfKept *kept, VfLease *lease, const char *path);

/* Of @job, whose devices it has already; without its devices. What no provider of @providers (of
 * const VfProvider) can remove is left alone. @path, free with g_free(): that on the bus. */
VfLease *vf_lease_keep_read(VfKept *kept, VfJob *job, GPtrArray *providers, char **path);

/* The Uuid of the job that it is for; "" when @kept is not whole. Free with g_free(). */
char *vf_lease_keep_read_job(VfKept *kept);

G_END_DECLS
