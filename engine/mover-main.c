/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <syslog.h>

#include <glib.h>
#include <glib/gi18n-lib.h>

#include "confine.h"
#include "worker.h"
#include "vfio.h"

#define CONTROL_FD 3

static gboolean
is_control_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* GLib's own writer opens a socket to the journal, and the time zone, which the sandbox does not
 * allow; the journal takes the level from the front of a line, too (sd-daemon(3)). */
static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    guint priority = level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? LOG_ERR
                     : level & G_LOG_LEVEL_WARNING                      ? LOG_WARNING
                     : level & G_LOG_LEVEL_MESSAGE                      ? LOG_NOTICE
                                                                        : LOG_DEBUG;

    for (gsize i = 0; i < n_fields && priority <= LOG_NOTICE; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            fprintf(stderr, "<%u>vferry-mover: %s\n", priority, (const char *)fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

static VfBackend *
adopt_vfio(int fd, gpointer data)
{
    return vf_vfio_new(fd);
}

static void
print_usage(FILE *to)
{
    fprintf(to,
            _("vferry-mover is started by vferryd, with its control socket as descriptor %d; "
              "it is not for people.\n"),
            CONTROL_FD);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, LOCALEDIR);
    if (argc == 2 && g_str_equal(argv[1], "--version")) {
        printf("vferry-mover %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && g_str_equal(argv[1], "--help")) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (argc != 1 || !is_control_socket(CONTROL_FD)) {
        print_usage(stderr);
        return 3;
    }
    g_log_set_writer_func(write_log, NULL, NULL);
    if (!vf_confine_process(CONTROL_FD, &error)) {
        g_critical("%s", error->message);
        return EXIT_FAILURE;
    }
    return vf_worker_run(CONTROL_FD, adopt_vfio, NULL, vf_confine_to);
}
