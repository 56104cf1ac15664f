/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "message.h"
#include "cancel.h"

/* Where the destination's side of a job waits for its source among strangers. */

#define VF_RECEPTION_GUESTS_MAX 16
#define VF_RECEPTION_HELLO_MS 5000

/* Accepts at @listener until a connection says the right hello: the @job's, whole within
 * @hello_ms. Everyone else is closed without an answer, and so is the longest-waiting when there
 * are too many. -1 with PEER when @timeout_ms have passed, or CANCELLED. The fd is the caller's;
 * @peer gets its address. */
int vf_reception_wait(int listener, const char *job, guint hello_ms, guint64 timeout_ms,
                      VfCancel *cancel, VfHello *hello, char **peer, GError **error);
