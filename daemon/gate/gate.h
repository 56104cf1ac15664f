/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "authority.h"
#include "closers.h"

G_BEGIN_DECLS

/* The one way onto the bus. Every method call of every skeleton exported through the gate is
 * authorised by the org.vferry1.Action annotation of its interface XML: "public" passes, a polkit
 * action is asked for asynchronously with the caller's unique bus name as subject, and a method
 * without an annotation is denied. polkit out of reach means no. The handler runs afterwards on the
 * main loop: it must look at its object's state afresh, since time has passed. */
#define VF_TYPE_GATE (vf_gate_get_type())
G_DECLARE_FINAL_TYPE(VfGate, vf_gate, VF, GATE, GObject)

/* From now on no descriptor that a message brings is closed with it (arrivals.h): make it before
 * anything else that listens on @connection. */
VfGate *vf_gate_new(GDBusConnection *connection, VfAuthority *authority);

/* Whether @sender (a unique name, whose uid is @uid) owns the object, for methods annotated
 * org.vferry1.Owner=yes: an owner needs no polkit action. */
typedef gboolean (*VfGateOwnerFunc)(const char *sender, guint32 uid, gpointer data);

/* Authorises the method calls of @skeleton from now on; @owner may be NULL, and is called only
 * while the skeleton is exported. The caller exports it afterwards, through vf_gate_export() or in
 * an object of the object manager server: nothing in the daemon exports what is not guarded. */
void vf_gate_guard(VfGate *self, GDBusInterfaceSkeleton *skeleton, VfGateOwnerFunc owner,
                   gpointer owner_data);

/* Guards and exports at a plain path. */
gboolean vf_gate_export(VfGate *self, GDBusConnection *connection, GDBusInterfaceSkeleton *skeleton,
                        const char *path, GError **error);

/* One more action, for a call whose own was asked for already: some options need their own. As
 * there, the subject is the caller, and everything but a yes is NOT_AUTHORIZED, which is logged.
 * The invocation must live until then. */
void vf_gate_check_async(VfGate *self, GDBusMethodInvocation *invocation, const char *action,
                         GAsyncReadyCallback callback, gpointer data);
gboolean vf_gate_check_finish(VfGate *self, GAsyncResult *result, GError **error);

/* The uid of a sender, for handlers of guarded methods that are not public: it was resolved before
 * they run, so this never blocks. (guint32)-1 when the sender has left the bus meanwhile. */
guint32 vf_gate_get_sender_uid(VfGate *self, const char *sender);

/* For what was sent to us. */
VfClosers *vf_gate_get_closers(VfGate *self);

G_END_DECLS
