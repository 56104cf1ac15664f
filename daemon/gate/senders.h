/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Who the unique names on the bus are. The bus says so, asked once for each name and remembered
 * until the name vanishes. */
#define VF_TYPE_SENDERS (vf_senders_get_type())
G_DECLARE_FINAL_TYPE(VfSenders, vf_senders, VF, SENDERS, GObject)

VfSenders *vf_senders_new(GDBusConnection *connection);

/* NOT_AUTHORIZED when the bus does not know the name (any more) or does not answer. */
void vf_senders_resolve_async(VfSenders *self, const char *sender, GAsyncReadyCallback callback,
                              gpointer data);
gboolean vf_senders_resolve_finish(VfSenders *self, GAsyncResult *result, guint32 *uid,
                                   GError **error);

/* (guint32)-1 unless it has been resolved and is still there. */
guint32 vf_senders_get_uid(VfSenders *self, const char *sender);

G_END_DECLS
