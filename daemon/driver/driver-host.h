/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config-file.h"
#include "domain.h"

G_BEGIN_DECLS

/* What a driver has of the daemon, from its start on: a place for the domains that it finds by
 * itself, what the administrator has configured, and nothing else.
 *
 * Signals: "domain-added"(VfDomain), "domain-removed"(VfDomain). */
#define VF_TYPE_DRIVER_HOST (vf_driver_host_get_type())
G_DECLARE_FINAL_TYPE(VfDriverHost, vf_driver_host, VF, DRIVER_HOST, GObject)

/* @config outlives it. */
VfDriverHost *vf_driver_host_new(const VfConfigFile *config);

const VfConfigFile *vf_driver_host_get_config(VfDriverHost *self);

/* It appears on the bus; vf_domain_new() with the driver's name, and no owner. */
void vf_driver_host_add_domain(VfDriverHost *self, VfDomain *domain);

/* It has gone: one that was added, or one that was attached. Nobody calls the driver for it any
 * more, and a job that was only begun with it is not performed; one that runs on it is the driver's
 * to end. Nothing happens for one that is not there. */
void vf_driver_host_remove_domain(VfDriverHost *self, VfDomain *domain);

G_END_DECLS
