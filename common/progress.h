/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where a migration is. A worker says it to the daemon, the daemon to the bus (Job.Progress) and to
 * the next daemon, each some of the fields: their names and types are here and nowhere else. */
typedef struct {
    guint64 done;  /* bytes of state */
    guint64 total; /* the best estimate; at least done */
    guint64 rate;  /* bytes a second, over the last second */
    guint32 round; /* pre-copy rounds so far */
    guint64 dirty; /* bytes changed and not yet moved */
    guint64 initial_left;
    gboolean has_expected_downtime;
    guint64 expected_downtime;   /* microseconds */
    const guint64 *device_bytes; /* in the job's order; whose it is says who has filled it */
    gsize n_devices;
} VfProgress;

typedef enum {
    VF_PROGRESS_DONE = 1 << 0,
    VF_PROGRESS_TOTAL = 1 << 1,
    VF_PROGRESS_RATE = 1 << 2,
    VF_PROGRESS_ROUND = 1 << 3,
    VF_PROGRESS_DIRTY = 1 << 4,
    VF_PROGRESS_INITIAL_LEFT = 1 << 5,
    VF_PROGRESS_EXPECTED_DOWNTIME = 1 << 6, /* absent while unknown */
    VF_PROGRESS_DEVICES = 1 << 7,
} VfProgressField;

/* `progress` of docs/mover-control.md */
#define VF_PROGRESS_SAID 0xff
/* the detail of Job.Progress, whose arguments are done and total */
#define VF_PROGRESS_DETAIL                                                                         \
    (VF_PROGRESS_RATE | VF_PROGRESS_ROUND | VF_PROGRESS_DIRTY | VF_PROGRESS_INITIAL_LEFT |         \
     VF_PROGRESS_EXPECTED_DOWNTIME)
/* what is worth something to the next daemon; each device's bytes are with the device */
#define VF_PROGRESS_KEPT                                                                           \
    (VF_PROGRESS_DONE | VF_PROGRESS_TOTAL | VF_PROGRESS_ROUND | VF_PROGRESS_DIRTY |                \
     VF_PROGRESS_INITIAL_LEFT)

/* @fields: VfProgressField. */
void vf_progress_fill(const VfProgress *self, guint fields, GVariantDict *dict);

/* Of @fields what is there, and of its type; the others stay as they are in @self. The first key
 * that is not, or NULL: static. @devices (nullable without VF_PROGRESS_DEVICES): backs
 * device_bytes, unref it later. */
const char *vf_progress_parse(VfProgress *self, guint fields, GVariantDict *dict,
                              GVariant **devices);
