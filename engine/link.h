/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cancel.h"

/* TCP, to and from numeric addresses only: no name is looked up here. All fds are close-on-exec and
 * non-blocking. */

/* -1 with PEER after @timeout_ms or a refusal, CANCELLED, or INVALID_ARGUMENT. */
int vf_link_connect(const char *address, guint16 port, guint timeout_ms, VfCancel *cancel,
                    GError **error);

/* Binds the first free port of the range; 0-0 lets the kernel choose. -1 with NO_ROOM when all are
 * taken. */
int vf_link_listen(const char *address, guint16 port_min, guint16 port_max, guint16 *port,
                   GError **error);

/* The next connection, or -1 without waiting. @peer gets its address: free with g_free(). */
int vf_link_accept(int listener, char **peer);
