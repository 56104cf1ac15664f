/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device.h"

G_BEGIN_DECLS

/* May this device be touched? Asked here, before anybody is given it, opens it, makes it or removes
 * it, and nowhere else. Those who may have to say no put themselves in: jobs, leases, loans, calls
 * under way, and recovery for records that a mover still holds. They go by what a device is, not by
 * an object: it may have gone, may appear later, and may not be made yet. */
#define VF_TYPE_USES (vf_uses_get_type())
G_DECLARE_FINAL_TYPE(VfUses, vf_uses, VF, USES, GObject)

/* What somebody wants to do. */
typedef struct {
    const char *id; /* UUID or PCI address */
    guint64 inode;  /* vf_device_get_inode(); 0: it is not there yet, or unknown */
    gboolean lent;  /* with a device that is lent, for whoever lent it: the loan is no hindrance */
    gconstpointer domain; /* for a job of this VfDomain: that it has the device is no hindrance */
} VfTouch;

/* FALSE with @error when @user has a reason against it: vf_touch_refuse(). */
typedef gboolean (*VfUsesCheck)(gpointer user, const VfTouch *touch, GError **error);

VfUses *vf_uses_new(void);

/* Who is asked first comes first; @user (a GObject) is asked as long as it lives. */
void vf_uses_add(VfUses *self, VfUsesCheck check, gpointer user);

/* BUSY, or IN_DOUBT where only Resolve can help; both name what has it. */
gboolean vf_uses_check(VfUses *self, const VfTouch *touch, GError **error);
/* Of one that is there, and is not about to be lent by its holder only. */
gboolean vf_uses_check_device(VfUses *self, VfDevice *device, GError **error);

/* --- for those who answer --- */

/* Whether it is that device: by what it is, where both sides know that, else by its name. */
gboolean vf_touch_is_of(const VfTouch *touch, const char *id, guint64 inode);

/* Returns FALSE. */
gboolean vf_touch_refuse_job(const VfTouch *touch, const char *job_uuid, gboolean in_doubt,
                             GError **error);

G_END_DECLS
