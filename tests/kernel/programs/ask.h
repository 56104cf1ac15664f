/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What vferryd does with vferry-accept: one question, a deadline, and the answer as a line. */

typedef struct {
    const char *socket; /* NULL: the program is started here */
    guint deadline_ms;
    gboolean powerless; /* it is started without CAP_SYS_PTRACE */
} AskWay;

/* Takes a floating @args. Prints "<outcome> <code> <state> <asked|untouched> <message>", "-" for
 * what the answer does not have, or "late" when none has come by the deadline: then the process is
 * killed, or its connection closed. Whether there was an answer. */
gboolean ask(const AskWay *way, const char *verb, GVariant *args, int fd, GError **error);
