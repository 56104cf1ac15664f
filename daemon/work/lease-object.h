/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "lease.h"

G_BEGIN_DECLS

/* A lease as the bus sees it: its properties follow it, and its methods ask it what may be done.
 *
 * Signals: "renewed", when it has another deadline, "released", when its owner has let go of it,
 * and "adopted", when its devices have arrived with whoever asked for them. */
#define VF_TYPE_LEASE_OBJECT (vf_lease_object_get_type())
G_DECLARE_FINAL_TYPE(VfLeaseObject, vf_lease_object, VF, LEASE_OBJECT, GObject)

/* Exports @lease, with the devices that it has. */
VfLeaseObject *vf_lease_object_new(const VfContext *context, VfLease *lease);

/* Takes it off the bus. */
void vf_lease_object_remove(VfLeaseObject *self);

/* "/" when it is not there. */
const char *vf_lease_object_get_path(VfLeaseObject *self);

G_END_DECLS
