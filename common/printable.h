/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What somebody else wrote, before it goes into a log, an error or a terminal here. */

/* At most @max characters of @text, '?' in place of each that is not for print: control characters
 * can reprogram a terminal, line and paragraph separators end a line of a log for some readers, and
 * those of Unicode's bidirectional algorithm can make a line read as another one. Invalid UTF-8 is
 * made valid. Free with g_free(). */
char *vf_printable(const char *text, gsize max);

/* Whether @text is 1 to @max visible ASCII characters, as every name, address and number is. */
gboolean vf_printable_is_word(const char *text, gsize max);
