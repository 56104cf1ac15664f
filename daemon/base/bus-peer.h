/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Answers @invocation with @error, which it takes; what is not of our domain goes out as Failed or
 * Cancelled. */
void vf_bus_return_error(GDBusMethodInvocation *invocation, GError *error);

/* Calls @vanished, once, when the unique name leaves the bus, or at once (from the main loop) when
 * it is not there. Ends with vf_bus_unwatch(). */
typedef void (*VfBusVanished)(gpointer data);
guint vf_bus_watch(GDBusConnection *connection, const char *unique_name, VfBusVanished vanished,
                   gpointer data);
void vf_bus_unwatch(guint id);

/* Whether the bus passes a reply on. Made before the reply is sent, because the bus may have
 * refused it before the next line is reached; then always followed by vf_bus_delivered_async(). */
typedef struct VfBusDelivery VfBusDelivery;
VfBusDelivery *vf_bus_delivery_new(GDBusConnection *connection);

/* Right after the reply to @unique_name was sent, in the same thread: takes @self and completes
 * when the bus has dealt with it. TRUE when it was passed on and @unique_name is still there; FALSE
 * also when the bus refused it, as it does for descriptors to a connection that takes none, and
 * when none was sent, because the caller wants none. */
void vf_bus_delivered_async(VfBusDelivery *self, const char *unique_name,
                            GAsyncReadyCallback callback, gpointer data);
gboolean vf_bus_delivered_finish(GAsyncResult *result);

G_END_DECLS
