/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Strict decimal numbers: digits only, no sign, no space, nothing behind; @what names the value
 * in the error (VFERRY_ERROR_INVALID_ARGUMENT), which quotes the text and the allowed range. */
gboolean vf_number_parse_u64(const char *text, const char *what, guint64 min, guint64 max,
                             guint64 *value, GError **error);

/* The same with an optional leading '-'. */
gboolean vf_number_parse_i64(const char *text, const char *what, gint64 min, gint64 max,
                             gint64 *value, GError **error);
