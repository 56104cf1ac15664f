/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What a worker says on stderr, of which it has no need but when something is wrong: each line, cut
 * off at 500 characters and made fit for print, is a line of the daemon's log, with the job's
 * field. So many that nobody else's are kept out: 100 at once and 2 a second after that; how many
 * more there were is said, too, and no more than 64 KiB a second are read, of what the worker has
 * written to a pipe that does not make it wait. Until the end of @stream. */
#define VF_MOVER_LOG_LINES 100
void vf_mover_log_follow(GInputStream *stream, const char *program, const char *verb,
                         const char *job);

G_END_DECLS
