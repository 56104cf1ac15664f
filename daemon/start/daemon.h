/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The parts, made and wired in order: bus, registry, gate, objects, then what leases and jobs add.
 * The name is taken last, when everything that exists is on the bus. */
#define VF_TYPE_DAEMON (vf_daemon_get_type())
G_DECLARE_FINAL_TYPE(VfDaemon, vf_daemon, VF, DAEMON, GObject)

/* Signal: "finished"(gboolean success): the name or the bus is lost. */
/* @drivers: of VfDriver (driver.h). */
VfDaemon *vf_daemon_new(GPtrArray *drivers);

/* Connects to the system bus ($DBUS_SYSTEM_BUS_ADDRESS in tests), looks at the host and asks for
 * the name. */
gboolean vf_daemon_start(VfDaemon *self, GError **error);

/* Gives the name back and takes everything off the bus. */
void vf_daemon_stop(VfDaemon *self);

G_END_DECLS
