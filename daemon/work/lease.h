/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "job.h"
#include "log.h"
#include "making.h"

G_BEGIN_DECLS

/* What a destination has promised to one owner: what was made for it, its state, and the moves
 * between states that exist. What a state means (timers, undoing, the bus) is VfLeases' business.
 *
 * Property "state"; its notify is how others follow it. Signal "changed": also when anything else
 * did that the bus shows or the next daemon has to know. */
#define VF_TYPE_LEASE (vf_lease_get_type())
G_DECLARE_FINAL_TYPE(VfLease, vf_lease, VF, LEASE, GObject)

#define VF_LEASE_SECONDS_MIN 10
#define VF_LEASE_SECONDS_MAX 3600
#define VF_LEASE_SECONDS_DEFAULT 120

typedef enum {
    VF_LEASE_RESERVED,
    VF_LEASE_READY,
    VF_LEASE_ATTACHED,
    VF_LEASE_LOADED,
    VF_LEASE_ADOPTED,
    VF_LEASE_UNDOING,
    VF_LEASE_STUCK,
    VF_LEASE_GONE, /* nothing is left; never on the bus */
} VfLeaseState;

VfLease *vf_lease_new(VfJob *job);
/* As an earlier daemon left it; @state is one that vf_lease_is_state(): on the bus, and more than
 * reserved. */
VfLease *vf_lease_new_again(VfJob *job, const char *id, const char *state);

gboolean vf_lease_is_state(const char *name);

const char *vf_lease_get_id(VfLease *self);
VfJob *vf_lease_get_job(VfLease *self);

VfLeaseState vf_lease_get_state(VfLease *self);
const char *vf_lease_get_state_name(VfLease *self);

/* FALSE, with BUSY and without a change, when there is no such move. */
gboolean vf_lease_move(VfLease *self, VfLeaseState state, GError **error);

/* Emits "changed", after a change that the lease does not see itself: of its job. */
void vf_lease_save(VfLease *self);

/* Microseconds, CLOCK_REALTIME; 0 when none counts any more. */
gint64 vf_lease_get_deadline(VfLease *self);
/* The same moment by CLOCK_MONOTONIC, which nobody sets, counting or not. */
gint64 vf_lease_get_ends(VfLease *self);
void vf_lease_set_deadline(VfLease *self, gint64 deadline, gint64 ends);
/* From now. */
void vf_lease_renew(VfLease *self, guint seconds);

/* Owner's leaving, the deadline and Release count until a source is attached, and not while the job
 * is in doubt: that is for Resolve alone to decide, in any state. */
gboolean vf_lease_is_revocable(VfLease *self);

/* Unique name of who was sent the devices, and is not known to have them; NULL: nobody. */
const char *vf_lease_get_adopter(VfLease *self);
void vf_lease_set_adopter(VfLease *self, const char *name);

/* What is made for it, and not removed yet, in the order of the job's devices (of VfMaking): from
 * the choice on, before it exists. Stays the lease's. */
GPtrArray *vf_lease_get_makings(VfLease *self);

/* Devices that exist, of VfDevice; they are leased. Stays the lease's. */
GPtrArray *vf_lease_get_devices(VfLease *self);
void vf_lease_add_device(VfLease *self, VfDevice *device);

/* What may be asked of it now, with the reason why not: BUSY, or IN_DOUBT, which only Resolve ends.
 */
gboolean vf_lease_check_renew(VfLease *self, guint seconds, GError **error);
gboolean vf_lease_check_release(VfLease *self, GError **error);
/* Once somebody may have the devices, only who asked for them may again, and who says by @again
 * that nobody has. */
gboolean vf_lease_check_adopt(VfLease *self, const char *name, gboolean again, GError **error);

/* A macro: what it names lives as long as the block where it is used. */
#define vf_lease_about(self)                                                                       \
    VF_ABOUT(.lease = vf_lease_get_id(self), .job = vf_job_get_uuid(vf_lease_get_job(self)),       \
             .peer = vf_job_get_peer(vf_lease_get_job(self)))

G_END_DECLS
