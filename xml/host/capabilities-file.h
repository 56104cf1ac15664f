/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Capabilities documents in files. */

/* The capabilities documents that @path names: itself, or, of a directory, what ends with ".xml" in
 * it, sorted; what is in its sub-directories is not looked at. An array of text, never empty; free
 * with g_ptr_array_unref(). NOT_FOUND, NOT_AUTHORIZED, FAILED. */
GPtrArray *vf_capabilities_list_files(const char *path, GError **error);

/* The whole file into @buffer, NUL behind it. One that is too large for a document is read no
 * further than that: LIMIT_EXCEEDED; NOT_FOUND, NOT_AUTHORIZED, FAILED. */
gboolean vf_capabilities_file_read(const char *path, GString *buffer, GError **error);
