/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cancel.h"
#include "tls.h"

/* Where the source's side of a job gets through to its destination, maybe among strangers. */

/* A channel whose handshake is over, each attempt within @handshake_ms. A destination that hangs up
 * before had somebody else to let in: it is called again until @timeout_ms have passed. NULL with
 * PEER, INVALID_ARGUMENT or CANCELLED. */
VfChannel *vf_caller_reach(const char *address, guint16 port, VfTls *tls, guint handshake_ms,
                           guint timeout_ms, VfCancel *cancel, GError **error);
