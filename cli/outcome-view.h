/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "crossing.h"

/* What is said at the end of a migration: where the device runs now, what it cost, or why not and
 * what to type next. */

/* @outcome is "failed" or "cancelled": nothing will come of it any more on that side. NULL
 * (unknown) is not. */
gboolean vf_outcome_is_over(const char *outcome);

/* After the job. @end is what the source's job said. */
VfExit vf_outcome_report(VfCrossing *self, const VfJobEnd *end);

/* A call at @bus failed and no job runs. */
VfExit vf_outcome_report_error(VfCrossing *self, VfBus *bus, const GError *error);

/* Both sides' words together: "completed", "failed", "cancelled", "in-doubt", or "unknown". Static.
 */
const char *vf_outcome_combine(const char *source, const char *destination);
