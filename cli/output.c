/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "output.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

/* As every other program ends: GSocket ignores SIGPIPE for the whole process, gio/gsocket.c. */
static void
end_without_reader(void)
{
    (void)signal(SIGPIPE, SIG_DFL);
    (void)raise(SIGPIPE);
}

gboolean
vf_output_print(const char *text, GError **error)
{
    gboolean ended = g_str_has_suffix(text, "\n");

    if (fputs(text, stdout) != EOF && (ended || fputc('\n', stdout) != EOF) && fflush(stdout) == 0)
        return TRUE;
    if (errno == EPIPE)
        end_without_reader();
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
                _("Cannot write to standard output"), g_strerror(errno));
    clearerr(stdout); /* the caller says it, and vf_output_finish() not again */
    return FALSE;
}

gboolean
vf_output_finish(GError **error)
{
    struct pollfd reader = {.fd = fileno(stdout)};

    if (fflush(stdout) == 0 && !ferror(stdout))
        return TRUE;
    /* which error it was nobody has kept */
    if (poll(&reader, 1, 0) > 0 && reader.revents & POLLERR)
        end_without_reader();
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, _("Cannot write to standard output"));
    return FALSE;
}
