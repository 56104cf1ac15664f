/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* polkit, asked without waiting, with a deadline, and failing closed. */
#define VF_TYPE_AUTHORITY (vf_authority_get_type())
G_DECLARE_FINAL_TYPE(VfAuthority, vf_authority, VF, AUTHORITY, GObject)

/* Below the 25 s after which a client's call times out by itself. */
#define VF_AUTHORITY_DEADLINE_MS 20000
/* A person has to find a password. */
#define VF_AUTHORITY_DEADLINE_INTERACTIVE_MS (5 * 60 * 1000)

typedef struct {
    const char *sender; /* unique name: the subject */
    const char *action;
    const char *method; /* for rules and the log: "org.vferry1.Manager.Begin" */
    const char *object; /* its path */
    gboolean interactive;
} VfAuthorityQuestion;

VfAuthority *vf_authority_new(guint deadline_ms, guint deadline_interactive_ms);

void vf_authority_check_async(VfAuthority *self, const VfAuthorityQuestion *question,
                              GAsyncReadyCallback callback, gpointer data);

/* NOT_AUTHORIZED for every other answer than yes, and for none; the message says which action, and
 * how an administrator grants it. */
gboolean vf_authority_check_finish(VfAuthority *self, GAsyncResult *result, GError **error);

G_END_DECLS
