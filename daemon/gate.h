/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The one way onto the bus. Every method call of every skeleton exported through the gate is
 * authorised by the org.vferry1.Action annotation of its interface XML: "public" passes, a polkit
 * action is asked for asynchronously with the caller's unique bus name as subject, and a method
 * without an annotation is denied. polkit out of reach means no. The handler runs afterwards on the
 * main loop: it must look at its object's state afresh, since time has passed. */
#define VF_TYPE_GATE (vf_gate_get_type())
G_DECLARE_FINAL_TYPE(VfGate, vf_gate, VF, GATE, GObject)

/* Whether @sender (a unique name, whose uid is @uid) owns the object, for methods annotated
 * org.vferry1.Owner=yes: an owner needs no polkit action. */
typedef gboolean (*VfGateOwnerFunc)(const char *sender, guint32 uid, gpointer data);

/* Details for the polkit dialogue and log; @owner may be NULL. The caller exports @skeleton itself
 * afterwards, through vf_gate_export() for a plain path or as part of an object in the object
 * manager server: nothing else in the daemon may export. */
void vf_gate_guard(VfGate *self, GDBusInterfaceSkeleton *skeleton, VfGateOwnerFunc owner,
                   gpointer owner_data);

/* The uid of a sender, cached while it is on the bus. Completes in the gate's worker before the
 * method's handler runs, so this never blocks: (guint32)-1 when the sender is unknown. Valid inside
 * a handler of a guarded, non-public method. */
guint32 vf_gate_get_sender_uid(VfGate *self, const char *sender);

G_END_DECLS
