/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How far a job is: the arguments of Job.Progress. */
typedef struct {
    guint64 done;
    guint64 total;
    guint64 rate; /* bytes per second */
    guint round;
    guint64 dirty;
    gboolean ended; /* nothing moves any more: no remaining time */
} VfBar;

/* One line of at most @width - 1 columns, without its end: the phase, a bar whose own width depends
 * on @width alone, and as much of amount, rate, remaining time, round and dirty bytes as fits, in
 * this order. @utf8: the terminal shows more than ASCII. Free with g_free(). */
char *vf_bar_format(const char *phase, const VfBar *progress, guint width, gboolean utf8);

/* Microseconds until the rest is moved at the present rate; -1 when nobody knows. */
gint64 vf_bar_remaining(const VfBar *progress);
