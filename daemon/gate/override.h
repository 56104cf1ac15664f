/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gate.h"

G_BEGIN_DECLS

/* Somebody's word, with the right to give it, that a device is prepared for a state although the
 * comparison did not say yes. Only what no device enforces, or nobody could read, can be overridden
 * (vf_report_can_override()). */
typedef struct {
    char *reason;
    char *sender; /* unique bus name */
    char *user;   /* nullable: the uid has no name here */
} VfOverride;

void vf_override_free(VfOverride *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfOverride, vf_override_free)

/* Asks polkit for org.vferry1.override on behalf of the caller of @invocation, whose own action the
 * gate has asked for already. INVALID_ARGUMENT for a reason that is empty, too long or no text;
 * NOT_AUTHORIZED. */
void vf_override_ask_async(VfGate *gate, GDBusMethodInvocation *invocation, const char *reason,
                           GAsyncReadyCallback callback, gpointer data);
VfOverride *vf_override_ask_finish(GAsyncResult *result, GError **error);

G_END_DECLS
