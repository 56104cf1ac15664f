/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ledger.h"
#include "plan.h"
#include "registry.h"

G_BEGIN_DECLS

/* One device in the making, of whatever kind: planned (choose.h), then created, configured, read
 * back and compared. In the record before the first write; vf_making_remove_async() undoes whatever
 * has been done so far, at any point. Each provider has a class of its own. */
#define VF_TYPE_MAKING (vf_making_get_type())
G_DECLARE_DERIVABLE_TYPE(VfMaking, vf_making, VF, MAKING, GObject)

struct _VfMakingClass {
    GObjectClass parent_class;
    const char *kind; /* vf_device_get_kind() of what is made */

    /* Both own the task that they get and complete it exactly once, from the main loop, without
     * ever blocking it. The task of `create` returns a reference to the VfDevice; the record says
     * already that it will be made. That of `remove` returns TRUE. */
    void (*create)(VfMaking *self, GTask *task);
    void (*remove)(VfMaking *self, GTask *task);
};

/* What says which device it is. */
typedef struct {
    const char *id; /* UUID or PCI address */
    const char *sysfs_path;
    const char *type; /* what it was made from; "" when that is not known */
    guint64 inode;    /* vf_device_get_inode(); 0: nobody knows which one it is */
} VfMade;

/* As in VfMade. Never NULL. */
const char *vf_making_get_id(VfMaking *self);
const char *vf_making_get_sysfs_path(VfMaking *self); /* where it is, or will be */
const char *vf_making_get_type_id(VfMaking *self);
guint64 vf_making_get_inode(VfMaking *self); /* 0 before it is known to exist */
const char *vf_making_get_kind(VfMaking *self);

/* The report that was overridden, marked with the reason; NULL when nothing had to be. */
const VfReport *vf_making_get_overridden(VfMaking *self);

/* Returns a new reference to the device. On error the caller removes. @record outlives the
 * VfMaking's last removal. */
void vf_making_create_async(VfMaking *self, VfLedger *ledger, VfRecord *record,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
VfDevice *vf_making_create_finish(VfMaking *self, GAsyncResult *result, GError **error);

/* The one way in which a device is removed: that one, and nothing else that has its name. Can be
 * repeated; done when nothing is left of it, also when another one is in its place. BUSY: the
 * kernel still waits for somebody to close the device, or whether it was made is not known. */
void vf_making_remove_async(VfMaking *self, GAsyncReadyCallback callback, gpointer data);
gboolean vf_making_remove_finish(VfMaking *self, GAsyncResult *result, GError **error);

/* It runs here: it is removed when it leaves this host again (vf_ledger_note_created()). One that
 * has gone meanwhile is not. */
void vf_making_note_created(VfMaking *self, VfRegistry *registry, VfLedger *ledger);

/* --- for providers --- */

/* One that is to be made at @sysfs_path. Takes @plan, which has an id. */
void vf_making_set_plan(VfMaking *self, VfPlan *plan, const char *sysfs_path);
/* One that exists, or has; only to be removed. */
void vf_making_set_made(VfMaking *self, const VfMade *made);
/* It is there, and this is what it is. */
void vf_making_set_inode(VfMaking *self, guint64 inode);

const VfPlan *vf_making_get_plan(VfMaking *self); /* NULL when only to be removed */
VfRecord *vf_making_get_record(VfMaking *self);   /* NULL until it is created */

G_END_DECLS
