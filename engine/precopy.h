/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pace.h"
#include "session.h"

/* The source's side while its devices still run: moves their state in rounds, until what is left
 * fits the downtime limit and the destination has loaded all initial bytes, or until the time
 * limit. */
typedef struct VfPrecopy VfPrecopy;

/* @rtt_us: measured by the hello. */
VfPrecopy *vf_precopy_new(VfSession *session, VfStream *stream, guint64 rtt_us);
void vf_precopy_free(VfPrecopy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfPrecopy, vf_precopy_free)

/* Returns with the devices in PRE_COPY, or at once when none has it or it is not @allowed. */
gboolean vf_precopy_run(VfPrecopy *self, gboolean allowed, GError **error);

/* One frame from the device to the peer. @read says how it went; FALSE is an error. */
gboolean vf_precopy_move(VfPrecopy *self, guint index, VfReadResult *read, GError **error);

/* An INITIAL_LOADED, which may also come later than pre-copy has lasted. PEER when it is anything
 * else. */
gboolean vf_precopy_take(VfPrecopy *self, const VfFrame *frame, GError **error);

/* The best that is known of what is still to come. */
guint64 vf_precopy_estimate_rest(VfPrecopy *self);
guint vf_precopy_get_rounds(VfPrecopy *self);
