/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pace.h"
#include "session.h"

/* The source's side while its devices still run: moves their state in rounds, until the destination
 * has loaded all initial bytes and what is left fits the downtime limit, or the time limit has
 * passed. A device may find more initial bytes until it is stopped. */
typedef struct VfPrecopy VfPrecopy;

/* @rtt_us: measured by the hello. */
VfPrecopy *vf_precopy_new(VfSession *session, VfStream *stream, guint64 rtt_us);
void vf_precopy_free(VfPrecopy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfPrecopy, vf_precopy_free)

/* Returns with the devices in PRE_COPY, or PRE_COPY_P2P when they have that, and about to be
 * stopped; or at once when none has it or it is not @allowed. @repeats: the destination can say
 * again that initial bytes are loaded. LIMIT_EXCEEDED when the time limit has passed and they are
 * not, unless the session does without. */
gboolean vf_precopy_run(VfPrecopy *self, gboolean allowed, gboolean repeats, GError **error);

/* One frame from the device to the peer. @read says how it went; FALSE is an error. */
gboolean vf_precopy_move(VfPrecopy *self, guint index, VfReadResult *read, GError **error);

/* An INITIAL_LOADED, which may also come later than pre-copy has lasted. PEER when it is anything
 * else. */
gboolean vf_precopy_take(VfPrecopy *self, const VfFrame *frame, GError **error);

/* The best that is known of what is still to come. */
guint64 vf_precopy_estimate_rest(VfPrecopy *self);
guint vf_precopy_get_rounds(VfPrecopy *self);
/* When the devices began to stop, in monotonic time; 0 when they have not, or had no pre-copy. */
gint64 vf_precopy_get_end(VfPrecopy *self);
/* Whether they were stopped without the initial bytes being loaded, and how many of them. */
gboolean vf_precopy_get_unloaded(VfPrecopy *self, guint64 *bytes);
