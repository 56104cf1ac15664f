/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What came with a signal (a{sv}) as words for people: "state lent", "done 1 MiB  rate 61 MiB/s".
 * An a{sv} in it is opened up, what is empty is left out, and nothing in it can command a terminal.
 * Free with g_free(). */
char *vf_describe_details(GVariant *details);

/* One property or argument called @key; "" when there is nothing to say. Free with g_free(). */
char *vf_describe_value(const char *key, GVariant *value);
