/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "closers.h"

G_BEGIN_DECLS

/* The descriptors that messages bring. GDBus closes those of a message with it, in its own thread
 * or on the main loop, whoever answers it, and all of the daemon would wait for the close. So they
 * are taken out of every message on arrival, whatever it is: closed by @closers, but for those of
 * a method that takes some, which are kept with the message until somebody asks for them or the
 * message ends; of a message that brings more than its method takes, none is kept. As long as
 * @connection lives. */
#define VF_ARRIVALS_MAX 4
void vf_arrivals_watch(GDBusConnection *connection, VfClosers *closers);

/* Main loop only: whether @message brought one that nobody has taken. Its close is @uid's. */
gboolean vf_arrivals_has_fd(GDBusMessage *message);
void vf_arrivals_set_uid(GDBusMessage *message, guint32 uid);
/* The caller's now; -1: there is none. @index: that of a handle in the message. */
int vf_arrivals_take_fd(GDBusMessage *message, guint index);

G_END_DECLS
