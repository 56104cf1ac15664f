/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "context.h"
#include "domains.h"
#include "jobs.h"
#include "loans.h"

G_BEGIN_DECLS

/* What a job does to the devices of its source, from Perform until the guest has left. */
#define VF_TYPE_SOURCE_DEVICES (vf_source_devices_get_type())
G_DECLARE_FINAL_TYPE(VfSourceDevices, vf_source_devices, VF, SOURCE_DEVICES, GObject)

VfSourceDevices *vf_source_devices_new(const VfContext *context, VfJobs *jobs, VfLoans *loans,
                                       VfDomains *domains);

/* The loans and the domain that the job used are free again. */
void vf_source_devices_release(VfSourceDevices *self, VfJob *job);

/* They migrate from now on, and then are what the job's end says. */
void vf_source_devices_follow(VfSourceDevices *self, VfJob *job);

/* The same for a job of an earlier daemon that the caller has made again, with its loans in use. */
void vf_source_devices_resume(VfSourceDevices *self, VfJob *job);

/* For one that only its record knows, before it is said how it ended: while it is in doubt, it has
 * the loans of its devices that came back. */
void vf_source_devices_recover(VfSourceDevices *self, VfJob *job);

/* The guest has moved on: the loans are over, and what vferry made for it is not needed here any
 * more. Whoever says so may be late: what its holder uses again stays. */
void vf_source_devices_clean_up(VfSourceDevices *self, VfJob *job);

G_END_DECLS
