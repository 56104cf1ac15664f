/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How far a session is: written by its thread, read by any. done never falls; total is done and
 * what is still expected, never falls before the end, and is done at the end. */
typedef struct VfProgress VfProgress;

typedef struct {
    guint64 done;
    guint64 total;
    guint64 rate; /* bytes a second, over the last second */
    guint round;
    guint64 dirty;
    guint64 initial_left;
    gboolean has_expected_downtime;
    guint64 expected_downtime; /* microseconds */
} VfProgressSnapshot;

VfProgress *vf_progress_new(guint n_devices);
void vf_progress_free(VfProgress *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfProgress, vf_progress_free)

void vf_progress_add(VfProgress *self, guint device, guint64 bytes);
/* What is still expected beyond what was added so far. */
void vf_progress_set_rest(VfProgress *self, guint64 bytes);
void vf_progress_set_precopy(VfProgress *self, guint round, guint64 dirty, guint64 initial_left);
void vf_progress_set_expected_downtime(VfProgress *self, guint64 microseconds);
/* Nothing more comes. */
void vf_progress_complete(VfProgress *self);

/* @devices (nullable): room for the bytes of each device. */
void vf_progress_get(VfProgress *self, VfProgressSnapshot *snapshot, guint64 *devices);
guint64 vf_progress_get_device(VfProgress *self, guint device);
