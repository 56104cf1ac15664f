/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A document on standard output, ended by a newline: UTF-8 in every locale, which g_print() is not.
 * When nobody reads any more the process ends as other tools do, by SIGPIPE (which GLib ignores):
 * this is for the last thing that a verb does. FALSE when it could not be written. */
gboolean vf_output_print(const char *text, GError **error);

/* After the last thing that was printed, whichever way: the same of all of it. What went wrong with
 * g_print() before shows only here. */
gboolean vf_output_finish(GError **error);
