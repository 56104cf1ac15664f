/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gi18n-lib.h>

#include "mover.h"
#include "vfio.h"

#define CONTROL_FD 3

static gboolean
is_control_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* The bytes of a peer are read in this process: it keeps nothing that it was not given for its job.
 */
static gboolean
confine(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return FALSE;
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return FALSE;
#endif
    return close_range(CONTROL_FD + 1, ~0U, 0) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR;
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
    if (!confine()) {
        fprintf(stderr, "vferry-mover: %s\n", g_strerror(errno));
        return EXIT_FAILURE;
    }
    return vf_mover_run(CONTROL_FD, adopt_vfio, NULL);
}
