/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "address.h"

/* The system bus of another host, through `ssh … systemd-stdio-bridge`, as the user whom ssh lets
 * in there. */
typedef struct VfBridge VfBridge;

VfBridge *vf_bridge_new(const VfAddress *address, gboolean batch, GError **error);

/* Closes the connection; ssh ends by itself. */
void vf_bridge_free(VfBridge *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfBridge, vf_bridge_free)

/* Stays the bridge's. */
GDBusConnection *vf_bridge_get_connection(VfBridge *self);

/* What ssh had to say, its last lines, or NULL. Free with g_free(). */
char *vf_bridge_get_complaint(VfBridge *self);
