/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "jobs.h"
#include "leases.h"
#include "source-devices.h"

G_BEGIN_DECLS

/* What an earlier daemon left in the ledger, taken over at start-up: jobs that nobody finished are
 * shown, undone or in doubt, as docs/migration-stream.md says. Records that a mover still holds are
 * looked at again until it lets go. */
#define VF_TYPE_RECOVERY (vf_recovery_get_type())
G_DECLARE_FINAL_TYPE(VfRecovery, vf_recovery, VF, RECOVERY, GObject)

VfRecovery *vf_recovery_new(const VfContext *context, VfJobs *jobs, VfLeases *leases,
                            VfSourceDevices *source_devices, guint retry_ms);

/* The record of that job is not this one's business: the job goes on. Before the start. */
void vf_recovery_leave(VfRecovery *self, const char *uuid, VfJobRole role);

/* Blocks until it has looked at all of them once: before anybody asks for a device, it is known
 * whose it is. */
gboolean vf_recovery_start(VfRecovery *self, GError **error);

/* What may be left of the devices that a record says were created, as an array of VfMaking: nothing
 * of those of another boot, nor of those of which it does not say which they are (provider.h),
 * since whatever has their name may be somebody else's. Free with g_ptr_array_unref(). */
GPtrArray *vf_recovery_list_made(GPtrArray *providers, GPtrArray *entries);

G_END_DECLS
