/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A connection to the socket at @path, where a QEMU has its monitor, made as the user: to have it
 * is what shows the daemon that the user may. Blocking, closed on exec. -1 and an error that says
 * what is wrong with @path: NOT_FOUND, INVALID_ARGUMENT, BUSY. */
int vf_qmp_socket_connect(const char *path, GError **error);
