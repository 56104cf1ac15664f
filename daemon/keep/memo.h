/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A value in a memory file that outlives its writer, whenever that is killed: there are two places,
 * each with a number and a checksum; a new value goes to the older one, and a reader takes the
 * newest that is whole. So the file can be given away once and written ever after. */

#define VF_MEMO_SIZE_MAX 65536 /* of one value, with its head */

/* -1 and FAILED. */
int vf_memo_new(const char *name, GError **error);

/* Takes a floating @value (a{sv}). Does not block: it is memory. */
gboolean vf_memo_write(int fd, GVariant *value, GError **error);

/* a{sv}. NULL and FAILED when nothing whole is in it. */
GVariant *vf_memo_read(int fd, GError **error);

G_END_DECLS
