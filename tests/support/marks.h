/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Lines of engine/past.c in a record, between those that decide. */
static inline gboolean
vf_is_mark(const char *event)
{
    static const char *const marks[] = {"touched", "moved", "reset", "returning", "starting", NULL};

    return g_strv_contains(marks, event);
}
