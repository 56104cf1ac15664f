/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What a script learns from the exit status; vferryctl(1). */
typedef enum {
    VF_EXIT_DONE = 0,         /* done, or it fits */
    VF_EXIT_FAILED = 1,       /* failed, or it does not fit */
    VF_EXIT_UNKNOWN = 2,      /* cannot be known, or in doubt */
    VF_EXIT_INPUT = 3,        /* usage, input or output, or no way to the daemon */
    VF_EXIT_UNAUTHORIZED = 4, /* polkit or the bus says no */
} VfExit;

VfExit vf_exit_from_error(const GError *error);

/* "vferryctl: <where>: <message>" on stderr. A refusal names @action, the polkit action that was
 * needed, and what an administrator does to grant it. @where and @action may be NULL. */
VfExit vf_exit_report(const GError *error, const char *where, const char *action);

/* The same for a question that got no answer: a status of 1 would be one, "does not fit". */
VfExit vf_exit_report_unanswered(const GError *error);

/* The message without the bus error's name in front, safe for a terminal. Free with g_free(). */
char *vf_exit_message(const GError *error);

/* "org.vferry1.Error.Busy", or of whoever else failed. Free with g_free(). */
char *vf_exit_error_name(const GError *error);
