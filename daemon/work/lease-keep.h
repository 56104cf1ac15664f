/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kept.h"
#include "lease.h"
#include "provider.h"

G_BEGIN_DECLS

/* A lease as the description that the next daemon makes it from again. */

/* @path: on the bus; @ends: its deadline, by CLOCK_MONOTONIC; @makings (of VfMaking): made for it
 * and not yet removed. */
void vf_lease_keep_write(VfKept *kept, VfLease *lease, const char *path, gint64 ends,
                         GPtrArray *makings);

typedef struct {
    VfLease *lease;
    char *path;
    gint64 ends;
    GPtrArray *makings;
} VfLeaseKept;

void vf_lease_kept_clear(VfLeaseKept *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfLeaseKept, vf_lease_kept_clear)

/* Of @job, whose devices it has already. What no provider of @providers (of const VfProvider) can
 * remove is left alone. */
void vf_lease_keep_read(VfKept *kept, VfJob *job, GPtrArray *providers, VfLeaseKept *out);

/* The Uuid of the job that it is for; "" when @kept is not whole. Free with g_free(). */
char *vf_lease_keep_read_job(VfKept *kept);

G_END_DECLS
