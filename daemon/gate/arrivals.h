/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "closers.h"

G_BEGIN_DECLS

/* The descriptors that messages bring. GDBus closes those of a message with it, in its own thread
 * or on the main loop, whoever answers it, and all of the daemon would wait for the close. So they
 * are taken out of every message on arrival, whatever it is: closed by @closers, but for the one of
 * a method that takes one, which is kept with the message until somebody asks for it or the message
 * ends. As long as @connection lives. */
void vf_arrivals_watch(GDBusConnection *connection, VfClosers *closers);

/* Main loop only: whether @message brought one that nobody has taken. Its close is @uid's. */
gboolean vf_arrivals_has_fd(GDBusMessage *message);
void vf_arrivals_set_uid(GDBusMessage *message, guint32 uid);
/* The caller's now; -1: there is none. */
int vf_arrivals_take_fd(GDBusMessage *message);

G_END_DECLS
