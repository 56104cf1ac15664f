/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define DEADLINE_MS 10000

static inline gboolean
on_deadline(gpointer data)
{
    g_error("not within %d ms", DEADLINE_MS);
    return G_SOURCE_REMOVE;
}

/* Runs the main loop until @condition holds; the test fails when it does not in time. */
#define wait_until(condition)                                                                      \
    G_STMT_START                                                                                   \
    {                                                                                              \
        guint deadline_ = g_timeout_add(DEADLINE_MS, on_deadline, NULL);                           \
        while (!(condition))                                                                       \
            g_main_context_iteration(NULL, TRUE);                                                  \
        g_source_remove(deadline_);                                                                \
    }                                                                                              \
    G_STMT_END

/* What is due now is done. */
static inline void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}
