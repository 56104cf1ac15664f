/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How fast state moves while it is being moved, as opposed to how much was moved in a second in
 * which there may have been nothing to do; and what that says of the downtime to come. */
typedef struct {
    guint64 bytes[2]; /* the half second being filled, the one before */
    guint64 busy_us[2];
    gint64 turned; /* monotonic time */
} VfPace;

/* Less than this says nothing about a link's or device's speed. */
#define VF_PACE_SAMPLE_MIN (1024 * 1024)
/* Assumed until then. */
#define VF_PACE_RATE_UNKNOWN (100 * 1000 * 1000)

/* @bytes took @busy_us, now. */
void vf_pace_add(VfPace *self, guint64 bytes, guint64 busy_us, gint64 now);
guint64 vf_pace_get_rate(const VfPace *self);

/* A term in bytes, which a faster link makes shorter, and one in time, which nothing does.
 * Microseconds. */
guint64 vf_pace_predict(const VfPace *self, guint64 bytes, guint64 time_us);
