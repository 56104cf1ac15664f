/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <signal.h>
#include <stdio.h>

#include "error.h"

gboolean
vf_output_print(const char *text, GError **error)
{
    gboolean ended = g_str_has_suffix(text, "\n");

    if (fputs(text, stdout) != EOF && (ended || fputc('\n', stdout) != EOF) && fflush(stdout) == 0)
        return TRUE;
    /* as every other program ends: GSocket ignores SIGPIPE for the whole process, gio/gsocket.c */
    if (errno == EPIPE) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("Cannot write to standard output"));
}
