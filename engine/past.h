/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* What a mover says in the record of what it does to the devices, so that the next one knows what a
 * device in RUNNING means: docs/migration-stream.md, "Records". None of these lines waits for the
 * disk. After a crash of the host they say nothing: its devices begin anew. */

/* From here on: which device is touched, moves, and was reset. */
void vf_past_watch(VfSession *session);

/* The subject is about to be asked to move: `touched`, as of a first device. */
gboolean vf_past_touch_subject(VfSession *session, GError **error);

/* What the record says of a dead mover's devices, or its subject; from here on it says which was
 * reset. Without @touched_only every one counts as touched, whether it is on record or not, and a
 * damaged record is as an empty one. */
gboolean vf_past_recall(VfSession *session, gboolean touched_only, GError **error);

/* A device that was reset answers with errors of any kind: says in @error what was behind them. */
void vf_past_explain(VfSession *session, GError *error);

/* All devices are about to be set running: `returning` or `starting`. After the commit who cannot
 * say so leaves them stopped: one that runs with the guest's state would be taken for reset, and a
 * source's be stopped under its guest (vf_devices_stop_reset()). */
gboolean vf_past_mark(VfSession *session, const char *event, GError **error);
/* Before it a source runs again, whether that can be written or not. */
void vf_past_mark_returning(VfSession *session);
