/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where a migration is, as Job.Progress says it. */
typedef struct {
    guint64 done;  /* bytes of device state */
    guint64 total; /* the best estimate; at least done */
    guint64 rate;  /* bytes per second */
    guint32 round; /* pre-copy rounds so far */
    guint64 dirty; /* bytes changed and not yet moved */
    guint64 initial_left;
    gboolean has_expected_downtime;
    guint64 expected_downtime;   /* microseconds */
    const guint64 *device_bytes; /* in the job's order; valid during the call */
    gsize n_devices;
} VfProgress;
