/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "lease.h"

G_BEGIN_DECLS

/* All leases of this host: their bus objects, deadlines and owners, and the one way in which a
 * lease is undone, whatever the reason: the driver drops the job, every device made for it is
 * removed, `undone` is recorded. A removal that the kernel does not finish makes the lease `stuck`,
 * and is tried again until it does.
 *
 * Signal: "over"(VfLease), once: it was adopted, or nothing is left of it. */
#define VF_TYPE_LEASES (vf_leases_get_type())
G_DECLARE_FINAL_TYPE(VfLeases, vf_leases, VF, LEASES, GObject)

/* @retry_ms: between two attempts to remove what is stuck. */
VfLeases *vf_leases_new(const VfContext *context, guint retry_ms);

/* A lease for @job, exported; takes @makings (of VfMaking), the devices of the job in the order of
 * these, which are chosen and not made yet. From now on its owner's leaving and the deadline count,
 * and a job that fails undoes it. @busy is TRUE: nothing is undone before vf_leases_settle(), so
 * that what is being created is not pulled away from under its maker. */
VfLease *vf_leases_add(VfLeases *self, VfJob *job, GPtrArray *makings, guint seconds);

/* What an earlier daemon left of one: attached, and undone when the job is or becomes failed. Takes
 * @makings (of VfMaking). */
VfLease *vf_leases_restore(VfLeases *self, VfJob *job, GPtrArray *makings);

/* Goes on with the lease of an earlier daemon that @kept describes, at the path that it had. Takes
 * @kept. */
VfLease *vf_leases_resume(VfLeases *self, VfJob *job, VfKept *kept);

/* Cancelled when the lease must end while it is busy. */
GCancellable *vf_leases_get_cancellable(VfLeases *self, VfLease *lease);
void vf_leases_settle(VfLeases *self, VfLease *lease);

/* NULL when there is none (any more). */
VfLease *vf_leases_find(VfLeases *self, VfJob *job);

/* "/" when it is not on the bus. */
const char *vf_leases_get_path(VfLeases *self, VfLease *lease);

/* Fails the job with @error (which is taken) and undoes the lease; a job that is in doubt stays so.
 */
void vf_leases_revoke(VfLeases *self, VfLease *lease, GError *error);

/* Until nothing is left of it, or it is stuck; at once for NULL and for a lease that is not being
 * undone. */
void vf_leases_wait_undone_async(VfLeases *self, VfLease *lease, GAsyncReadyCallback callback,
                                 gpointer data);
void vf_leases_wait_undone_finish(VfLeases *self, GAsyncResult *result);

/* An adopted lease whose job has expired. */
void vf_leases_forget(VfLeases *self, VfJob *job);

G_END_DECLS
