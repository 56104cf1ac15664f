/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cancel.h"
#include "tls.h"

/* Where the destination's side of a job waits for its source among strangers. */

#define VF_RECEPTION_STRANGERS_MAX 16
#define VF_RECEPTION_HANDSHAKE_MS 5000

/* Somebody who is here already, and is heard meanwhile: when @fd is readable, and once a second.
 * FALSE with @error ends the wait. */
typedef struct {
    int fd;
    gboolean (*hear)(gpointer data, GError **error);
    gpointer data;
} VfReceptionBeside;

/* Accepts at @listener until a connection has the key of @tls, proven within @handshake_ms.
 * Everyone else learns at most that it has not, and costs a place among VF_RECEPTION_STRANGERS_MAX
 * for a while. NULL with PEER when @timeout_ms have passed, CANCELLED, or what @beside (nullable)
 * says. @peer gets the right one's address: free with g_free(). */
VfChannel *vf_reception_wait(int listener, VfTls *tls, guint handshake_ms, guint64 timeout_ms,
                             VfCancel *cancel, const VfReceptionBeside *beside, char **peer,
                             GError **error);
