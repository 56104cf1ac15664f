/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Text for people. What comes from a bus or from ssh may come from a host that we do not trust with
 * this terminal. */

/* Valid UTF-8 without control characters: each becomes \xNN, except that a newline stays. Free with
 * g_free(). */
char *vf_text_printable(const char *text);

/* Columns that @text takes on a terminal. */
guint vf_text_width(const char *text);

/* "96 B", "1.2 MiB", "256 MiB". Free with g_free(). */
char *vf_text_bytes(guint64 bytes);

/* "61 MiB/s". Free with g_free(). */
char *vf_text_rate(guint64 bytes_per_second);

/* "850 µs", "41 ms", "1.2 s", "3 min 20 s", "2 h 5 min". Free with g_free(). */
char *vf_text_duration(guint64 microseconds);

/* Local date and time of microseconds since the epoch; "-" for 0. Free with g_free(). */
char *vf_text_time(guint64 microseconds);

/* "ports=2,size=4K" in order of names, of an a{sv} or a{ss}, or of a table of strings; "-" when
 * empty. Free with g_free(). */
char *vf_text_parameters(GVariant *parameters);
char *vf_text_values(GHashTable *values);

/* "stop-copy, p2p", "none", or "unknown" when @source says that nobody looked. Free with g_free().
 */
char *vf_text_migration(const char *const *flags, const char *source);

/* "SysfsPath" and "downtime-stop" become "sysfs_path" and "downtime_stop". Free with g_free(). */
char *vf_text_to_snake(const char *name);
