/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ledger.h"
#include "registry.h"
#include "report.h"
#include "requirement.h"
#include "settings.h"

G_BEGIN_DECLS

/* One mdev in the making: planned (mdev-choose.h), then created, configured, read back and
 * compared. In the record before the first write;
 * vf_mdev_remove_async() undoes whatever has been done so far, at any point. */
#define VF_TYPE_MDEV (vf_mdev_get_type())
G_DECLARE_FINAL_TYPE(VfMdev, vf_mdev, VF, MDEV, GObject)

/* What is to be made, and every write that makes it so: nothing of it is decided while it is made.
 */
typedef struct {
    VfParent *parent;
    char *type;
    char *uuid;
    gboolean wished;            /* somebody named that UUID */
    GPtrArray *settings;        /* of VfSetting, in order */
    VfRequirement *requirement; /* that what is read back meets; NULL when nothing is known about
                                   the type */
    gboolean partial;           /* it names only what somebody asked for */
    VfReport *overridden;       /* NULL: the type fits */
} VfMdevPlan;

void vf_mdev_plan_free(VfMdevPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfMdevPlan, vf_mdev_plan_free)

/* Takes @plan, whose room is reserved, and gives that back at the end. */
VfMdev *vf_mdev_new(VfRegistry *registry, VfMdevPlan *plan);

/* One that exists, or has; only to be removed. @inode: vf_device_get_inode(), never 0. */
VfMdev *vf_mdev_new_for_removal(const char *sysfs_path, const char *uuid, const char *type,
                                guint64 inode);

/* The inode of the device that a record says was made as @uuid at @path. Of one that it only
 * announces, that of what is there now, if nobody else can have thought of the UUID, which was
 * drawn at random; else 0, as of one that a daemon made which noted no inodes: it may be another
 * one. */
guint64 vf_mdev_find_made(GPtrArray *entries, const char *sysfs_path, const char *uuid);

/* The report that was overridden, marked with the reason; NULL when nothing had to be. */
const VfReport *vf_mdev_get_overridden(VfMdev *self);

const char *vf_mdev_get_uuid(VfMdev *self);
const char *vf_mdev_get_type_id(VfMdev *self);
const char *vf_mdev_get_sysfs_path(VfMdev *self);
guint64 vf_mdev_get_inode(VfMdev *self); /* 0 before it is known to exist */

/* Returns a new reference to the device. On error the caller removes. @record outlives the VfMdev's
 * last removal. */
void vf_mdev_create_async(VfMdev *self, VfLedger *ledger, VfRecord *record,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
VfDevice *vf_mdev_create_finish(VfMdev *self, GAsyncResult *result, GError **error);

/* The one way in which a device is removed: that one, and nothing else that has its name. Can be
 * repeated; done when nothing is left of it, also when another one is in its place. BUSY: the
 * kernel still waits for somebody to close the device, or whether it was made is not known. */
void vf_mdev_remove_async(VfMdev *self, GAsyncReadyCallback callback, gpointer data);
gboolean vf_mdev_remove_finish(VfMdev *self, GAsyncResult *result, GError **error);

G_END_DECLS
