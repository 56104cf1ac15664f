/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Text that goes into or comes out of XML, a log or a terminal. */

/* UTF-8 without control characters and XML's two non-characters, at most @max bytes.
 * INVALID_ARGUMENT names @what and the rule. */
gboolean vf_text_check(const char *text, const char *what, gsize max, GError **error);

/* @text with U+FFFD for everything that vf_text_check() refuses. Free with g_free(). */
char *vf_text_clean(const char *text);

/* At most @max bytes of that, whole characters: for messages. Free with g_free(). */
char *vf_text_excerpt(const char *text, gsize max);

/* All of it with leading and trailing white space removed and any other run of it made one space.
 * Free with g_free(). */
char *vf_text_collapse(const char *text);

/* One to 128 of A-Z a-z 0-9 . : _ - : ids of devices, parents and hosts as the kernel names them.
 * INVALID_ARGUMENT. */
gboolean vf_text_check_id(const char *text, const char *what, GError **error);

/* A relative path of sysfs attributes: segments of A-Z a-z 0-9 . : _ + - joined by '/', none of
 * them "." or "..", at most 255 bytes. INVALID_ARGUMENT. */
gboolean vf_text_check_attribute(const char *text, const char *what, GError **error);

/* For g_ptr_array_sort() and qsort(), of arrays of texts. */
int vf_text_compare(gconstpointer a, gconstpointer b);
