/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "error.h"

G_BEGIN_DECLS

/* How one side of a migration ended. */

typedef enum {
    VF_RESULT_NONE, /* it still runs */
    VF_RESULT_COMPLETED,
    VF_RESULT_FAILED,
    VF_RESULT_CANCELLED,
    VF_RESULT_IN_DOUBT,
} VfResult;

typedef enum {
    VF_DEVICE_OUTCOME_UNKNOWN,
    VF_DEVICE_OUTCOME_RUNNING,
    VF_DEVICE_OUTCOME_STOPPED,
    VF_DEVICE_OUTCOME_NEEDS_RESET,
} VfDeviceOutcome;

typedef struct {
    VfResult result;
    GError *error;        /* VFERRY_ERROR; NULL only for COMPLETED */
    GArray *devices;      /* of VfDeviceOutcome, in the job's order; may be shorter */
    GVariant *statistics; /* a{sv}, never NULL; as Job.Completed says */
    gboolean
        untouched; /* says a mover: it failed before any device was asked to change its state */
} VfOutcome;

/* Takes @error, which may be of any domain and NULL only with COMPLETED. */
VfOutcome *vf_outcome_new(VfResult result, GError *error);
/* CANCELLED for the error of that code, else FAILED. */
VfOutcome *vf_outcome_new_for_error(GError *error);
VfOutcome *vf_outcome_copy(const VfOutcome *self);
void vf_outcome_free(VfOutcome *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfOutcome, vf_outcome_free)

VfDeviceOutcome vf_outcome_get_device(const VfOutcome *self, guint index);

/* "", "completed", "failed", "cancelled", "in-doubt" */
const char *vf_result_to_string(VfResult result);
gboolean vf_result_from_string(const char *text, VfResult *result);
/* "unknown", "running", "stopped", "failed-needs-reset" */
const char *vf_device_outcome_to_string(VfDeviceOutcome outcome);
gboolean vf_device_outcome_from_string(const char *text, VfDeviceOutcome *outcome);

/* Floating (sssasa{sv}), without @untouched; @variant of another type, or of no known words, gives
 * NULL. */
GVariant *vf_outcome_to_variant(const VfOutcome *outcome);
VfOutcome *vf_outcome_from_variant(GVariant *variant);

G_END_DECLS
