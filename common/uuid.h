/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A lower-case UUID in the 8-4-4-4-12 form; mdev cores lower-case what they are given. Free with
 * g_free(). */
char *vf_uuid_normalize(const char *text, const char *what, GError **error);
