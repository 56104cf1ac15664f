/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest.h"

G_BEGIN_DECLS

/* What a guest is, as its QEMU says: nothing of it is more than that. */

#define VF_GUEST_DEVICES_MAX 64
#define VF_GUEST_WORD_MAX 255 /* bytes of a name or an address */
#define VF_GUEST_REASONS_MAX 16
#define VF_GUEST_BRIDGES_MAX 8 /* above a device */

typedef struct {
    char *guest_address; /* "0000:00:05.0", or its path in QEMU where it has no such (yet) */
    char *place; /* "pcie.0/02.0/00.0": the same before and after firmware has numbered buses;
                    its path in QEMU where it is on no PCI bus */
    char *host_address; /* UUID of an mdev, address of a PCI function */
    GPtrArray *reasons; /* why it cannot migrate: sentences */
} VfGuestDevice;

typedef struct {
    char *name;    /* "" when it has none */
    char *uuid;    /* "" when it has none */
    char *machine; /* "pc-q35-10.0" */
    char *version; /* of QEMU: "10.0.2" */
    guint64 memory;
    VfRunState run_state;
    VfMigrateState migrate_state;
    GPtrArray *devices; /* of VfGuestDevice: its VFIO devices, in the order of QEMU's list */
} VfGuestLook;

/* A blocked-reason that names no device keeps all of them here. */
VfGuestLook *vf_guest_look(VfGuest *guest, GError **error);
void vf_guest_look_free(VfGuestLook *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfGuestLook, vf_guest_look_free)

/* As docs/mover-control.md has it in the result of `look`: a{sv}, floating. */
GVariant *vf_guest_look_to_variant(const VfGuestLook *self);

/* What the other side has to know of it (VfSessionSubject.introduce): a{sv}, floating. */
GVariant *vf_guest_look_introduce(const VfGuestLook *self, const char *const *capabilities);
/* FALSE with INCOMPATIBLE, and which of the two has what: @other's state cannot be loaded by @self,
 * or the other way round. */
gboolean vf_guest_look_meet(const VfGuestLook *self, GVariant *other, GError **error);

G_END_DECLS
