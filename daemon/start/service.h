/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "objects.h"

G_BEGIN_DECLS

/* The half of the daemon that acts: loans, leases, jobs and the five calls, on top of the half that
 * knows. Made before the registry starts, so that no device is exported without its methods. */
#define VF_TYPE_SERVICE (vf_service_get_type())
G_DECLARE_FINAL_TYPE(VfService, vf_service, VF, SERVICE, GObject)

/* @drivers: of VfDriver; @providers: of const VfProvider. Reads the configuration and opens the
 * ledger; fails when either cannot be used. */
VfService *vf_service_new(GDBusConnection *connection, VfRegistry *registry, VfGate *gate,
                          VfObjects *objects, GPtrArray *drivers, GPtrArray *providers,
                          GError **error);

/* After the registry has started: starts the drivers, and takes over what an earlier daemon left.
 * Fails when that cannot be known. A driver that does not start is left out. */
gboolean vf_service_start(VfService *self, GError **error);

/* The drivers' end. */
void vf_service_stop(VfService *self);

G_END_DECLS
