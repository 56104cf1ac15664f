/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "driver-host.h"
#include "jobs.h"
#include "leases.h"

G_BEGIN_DECLS

/* The domains that are on the bus: those that drivers found, and those that callers attached
 * (Manager.AttachDomain), until Detach, or until their owners have left and no job runs on them. A
 * restart of the daemon ends what is attached; what it was in is judged by its record. */
#define VF_TYPE_DOMAINS (vf_domains_get_type())
G_DECLARE_FINAL_TYPE(VfDomains, vf_domains, VF, DOMAINS, GObject)

#define VF_DOMAINS_OF_USER 64
#define VF_DOMAINS_MAX 512

VfDomains *vf_domains_new(const VfContext *context, VfJobs *jobs, VfLeases *leases);

/* What drivers are started with. */
VfDriverHost *vf_domains_get_host(VfDomains *self);

/* By the path of its object; NULL when there is none. Stays the table's. */
VfDomain *vf_domains_find(VfDomains *self, const char *path);

/* Those that a driver which did not start has added. */
void vf_domains_end_all_of(VfDomains *self, VfDriver *driver);

/* @job does not use its domain any more, if it has one; a domain whose owner has left meanwhile
 * goes with it. */
void vf_domains_release(VfDomains *self, VfJob *job);

G_END_DECLS
