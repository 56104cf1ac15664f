/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where a daemon is: on this host's system bus, behind the user's ssh, or on a bus with an address
 * of its own. */
typedef struct {
    char *user; /* of ssh; NULL when ssh's own configuration says */
    char *host; /* of ssh; NULL otherwise */
    guint port; /* of ssh; 0 when ssh's own configuration says */
    char *bus;  /* D-Bus address; NULL otherwise */
    char *text; /* as it was given; NULL for this host */
} VfAddress;

void vf_address_free(VfAddress *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfAddress, vf_address_free)

/* `ssh://[user@]host[:port]` or `unix:…`; NULL is this host. Strict: user and host end up on ssh's
 * command line and must never become options, nor may an address start a program (`unixexec:`).
 * INVALID_ARGUMENT. */
VfAddress *vf_address_parse(const char *text, GError **error);

/* What to call the place in messages: a host name or a bus address. Stays the address's. */
const char *vf_address_get_label(const VfAddress *self);

/* ssh's command line, which runs @command in the user's shell there; @batch: nobody is there to
 * answer its questions. Free with g_strfreev(). */
char **vf_address_get_command(const VfAddress *self, gboolean batch, const char *command);
