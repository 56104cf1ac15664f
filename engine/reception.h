/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cancel.h"
#include "tls.h"

/* Where the destination's side of a job waits for its source among strangers. */

#define VF_RECEPTION_STRANGERS_MAX 16
#define VF_RECEPTION_HANDSHAKE_MS 5000

/* Accepts at @listener until a connection has the key of @tls, proven within @handshake_ms.
 * Everyone else learns at most that it has not, and costs a place among VF_RECEPTION_STRANGERS_MAX
 * for a while. NULL with PEER when @timeout_ms have passed, or CANCELLED. @peer gets the right
 * one's address: free with g_free(). */
VfChannel *vf_reception_wait(int listener, VfTls *tls, guint handshake_ms, guint64 timeout_ms,
                             VfCancel *cancel, char **peer, GError **error);
