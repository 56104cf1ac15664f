/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A model's id is `<domain>/<path>`, ASCII, at most 255 bytes, for example kernel.org/mtty:
 *   domain   labels of a-z, 0-9 and '-', which neither begin nor end with '-', joined by '.', at
 * least two of them path     one or more segments joined by '/', each of A-Z a-z 0-9 . _ + - and
 * %XX; neither "." nor ".." %XX (upper-case hexadecimal) stands for one byte of the UTF-8 text of a
 * character outside that set, and for nothing else, so that one name has one spelling: `GRID
 * P40-2B` is GRID%20P40-2B. A parameter's name is one such segment. */

#define VF_MODEL_ID_MAX 255
#define VF_MODEL_ID_SEGMENT_MAX 128

/* INVALID_ARGUMENT with the id and the rule that it breaks. */
gboolean vf_model_id_check(const char *id, GError **error);

/* One path segment, or a parameter's name; @what names it in the error. */
gboolean vf_model_id_check_segment(const char *segment, const char *what, GError **error);

/* A free name (UTF-8, not empty) as a segment. "." and ".." become %2E and %2E%2E, the one case in
 * which an unreserved character is escaped. NULL and INVALID_ARGUMENT when it is not UTF-8 or too
 * long. Free with g_free(). */
char *vf_model_id_escape_segment(const char *name, GError **error);
