/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qmp-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "error.h"
#include "io.h"

static gboolean
refuse(VferryError code, const char *path, const char *why, GError **error)
{
    g_set_error(error, VFERRY_ERROR, (gint)code, _("Cannot open the monitor “%.200s”: %s"), path,
                why);
    return FALSE;
}

/* connect(2) says ECONNREFUSED of a file that is no socket, too. */
static gboolean
check_file(const char *path, GError **error)
{
    struct stat st;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        g_autofree char *rule = g_strdup_printf(
            _("the path of a socket has at most %d bytes (unix(7)), and this has "
              "%d; name it from the directory that it is in"),
            (int)sizeof(((struct sockaddr_un *)0)->sun_path) - 1, (int)strlen(path));

        return refuse(VFERRY_ERROR_INVALID_ARGUMENT, path, rule, error);
    }
    if (stat(path, &st) < 0)
        return refuse(errno == ENOENT ? VFERRY_ERROR_NOT_FOUND : VFERRY_ERROR_INVALID_ARGUMENT,
                      path, g_strerror(errno), error);
    if (!S_ISSOCK(st.st_mode))
        return refuse(VFERRY_ERROR_INVALID_ARGUMENT, path, _("it is not a socket"), error);
    return TRUE;
}

static const char *
explain(int number)
{
    if (number == ECONNREFUSED)
        return _("nobody listens at it");
    if (number == EAGAIN)
        return _("too many wait for it already");
    if (number == EPROTOTYPE)
        return _("it is a socket of another type than a monitor's");
    return g_strerror(number);
}

int
vf_qmp_socket_connect(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    vf_autofd int fd = -1;

    if (!check_file(path, error))
        return -1;
    /* without blocking: one whose backlog is full would hold us for as long as it likes */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        fcntl(fd, F_SETFL, 0) < 0) {
        (void)refuse(errno == EAGAIN ? VFERRY_ERROR_BUSY : VFERRY_ERROR_INVALID_ARGUMENT, path,
                     explain(errno), error);
        return -1;
    }
    return vf_io_steal_fd(&fd);
}
