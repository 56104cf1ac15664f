/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A QEMU's monitor, in a thread of its own: it answers what is asked of it out of a table, each
 * question of the same name out of its next row, and out of the last one for ever. */
typedef struct VfMonitor VfMonitor;

/* A command's name, for qom-list and qom-get with a space and what it is about ("qom-get PATH
 * PROPERTY"). @answer: JSON; "!words": it refuses with them; "": no answer; "x": it hangs up. Lines
 * before the last one are said first, as they are. */
typedef struct {
    const char *command;
    const char *answer;
} VfMonitorRow;

/* Of @rows, which end with one without a command, the first half of a table that has more of them:
 * what neither has is CommandNotFound. @fd gets the client's end. */
VfMonitor *vf_monitor_new(const VfMonitorRow *rows, const VfMonitorRow *more, int *fd);
void vf_monitor_free(VfMonitor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfMonitor, vf_monitor_free)

/* How often it was asked that. */
guint vf_monitor_count(VfMonitor *self, const char *command);

/* Called in its thread before it answers; @fd came along, -1: none; it stays the monitor's. */
typedef void (*VfMonitorAsked)(VfMonitor *self, const char *command, gint64 id, int fd,
                               gpointer data);
void vf_monitor_follow(VfMonitor *self, VfMonitorAsked asked, gpointer data);

/* From any thread: what it answers from now on, before its table. */
void vf_monitor_set(VfMonitor *self, const char *command, const char *answer);
void vf_monitor_say(VfMonitor *self, const char *text);
