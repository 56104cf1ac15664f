/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config-file.h"
#include "driver.h"
#include "fd-store.h"
#include "ledger.h"
#include "objects.h"
#include "provider.h"
#include "uses.h"

G_BEGIN_DECLS

/* What the parts that act need of the parts that know. Filled once by VfService, never changed, and
 * alive until the last of them is gone; nothing in it is owned. */
typedef struct {
    GDBusConnection *connection;
    VfRegistry *registry;
    VfGate *gate;
    VfObjects *objects;
    VfUses *uses;
    VfLedger *ledger;
    VfFdStore *store;
    const VfConfigFile *config;
    GPtrArray *drivers;   /* of VfDriver, the first that claims a device is its default */
    GPtrArray *providers; /* of const VfProvider, one for each kind */
} VfContext;

/* NULL when there is none of that name. */
VfDriver *vf_context_find_driver(const VfContext *self, const char *name);

/* The named one, or, with @name NULL, the first that claims every device of @subject (nullable: any
 * that there is); of a domain its own. NOT_SUPPORTED, also for one that did not start; NOT_FOUND
 * for a device that is being removed; INVALID_ARGUMENT for a driver that is not the domain's. */
VfDriver *vf_context_choose_driver(const VfContext *self, const char *name,
                                   const VfSubject *subject, GError **error);
VfDriver *vf_context_choose_driver_for(const VfContext *self, const char *name, VfDevice *device,
                                       GError **error);

/* Manager.HostId. */
const char *vf_context_get_host_id(const VfContext *self);

/* What @common (NULL-terminated) leaves of a call's options is for the driver, which refuses what
 * it does not know. Floating. */
GVariant *vf_context_leave_options(GVariant *dict, const char *const *common);
gboolean vf_context_take_driver_options(VfJob *job, VfDriver *driver, GVariant *dict,
                                        const char *const *common, GError **error);

G_END_DECLS
