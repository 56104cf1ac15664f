/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bridge.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "error.h"
#include "io.h"
#include "remote.h"
#include "text-view.h"

#define COMPLAINT_MAX 4096

struct VfBridge {
    GSubprocess *ssh;
    GDBusConnection *connection;
    int log; /* ssh's standard error: a memory file, which never makes it wait for a reader */
};

static gboolean
spawn(VfBridge *self, const VfAddress *address, gboolean batch, int stream, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_auto(GStrv) argv = vf_address_get_command(address, batch, "systemd-stdio-bridge");
    vf_autofd int in = vf_io_dup(stream, error);
    vf_autofd int out = in < 0 ? -1 : vf_io_dup(stream, error);
    vf_autofd int log = out < 0 ? -1 : vf_io_dup(self->log, error);

    if (log < 0)
        return FALSE;
    g_subprocess_launcher_take_stdin_fd(launcher, vf_io_steal_fd(&in));
    g_subprocess_launcher_take_stdout_fd(launcher, vf_io_steal_fd(&out));
    g_subprocess_launcher_take_stderr_fd(launcher, vf_io_steal_fd(&log));
    g_subprocess_launcher_set_child_setup(launcher, vf_remote_ignore_interrupt, NULL, NULL);
    self->ssh = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, error);
    return self->ssh != NULL;
}

/* A socket and no pipes: GDBus offers EXTERNAL only where credentials could be sent. They do not
 * reach the other host, nor does our uid count there: the bridge speaks for the user whom ssh let
 * in (stdio-bridge.c takes any identity, sd_bus_set_anonymous()). */
static gboolean
connect_stream(VfBridge *self, int fd, GError **error)
{
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);
    g_autoptr(GSocketConnection) stream = NULL;

    if (!socket) {
        vf_io_clear_fd(&fd);
        return FALSE;
    }
    stream = g_socket_connection_factory_create_connection(socket);
    self->connection =
        g_dbus_connection_new_sync(G_IO_STREAM(stream), NULL,
                                   G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                       G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                   NULL, NULL, error);
    return self->connection != NULL;
}

static gboolean
open_bridge(VfBridge *self, const VfAddress *address, gboolean batch, GError **error)
{
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    int pair[2];

    self->log = vf_io_memfd("ssh-stderr");
    if (self->log < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("Cannot make a memory file"));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("Cannot make a socket pair"));
    ours = pair[0];
    theirs = pair[1];
    if (!spawn(self, address, batch, theirs, error))
        return FALSE;
    /* our copy must go: otherwise the end of ssh would not end the connection */
    vf_io_clear_fd(&theirs);
    return connect_stream(self, vf_io_steal_fd(&ours), error);
}

VfBridge *
vf_bridge_new(const VfAddress *address, gboolean batch, GError **error)
{
    g_autoptr(VfBridge) self = g_new0(VfBridge, 1);
    g_autofree char *complaint = NULL;
    GError *local = NULL;

    self->log = -1;
    if (open_bridge(self, address, batch, &local))
        return g_steal_pointer(&self);

    /* what ssh says explains more than that the bus does not answer */
    complaint = self->ssh ? vf_bridge_get_complaint(self) : NULL;
    if (complaint) {
        g_clear_error(&local);
        g_set_error(&local, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, _("ssh failed: %s"),
                    complaint);
    }
    g_prefix_error(&local, _("Cannot reach the system bus of %s: "), address->host);
    g_propagate_error(error, local);
    return NULL;
}

void
vf_bridge_free(VfBridge *self)
{
    if (self->connection)
        (void)g_dbus_connection_close_sync(self->connection, NULL, NULL);
    g_clear_object(&self->connection);
    g_clear_object(&self->ssh);
    vf_io_clear_fd(&self->log);
    g_free(self);
}

GDBusConnection *
vf_bridge_get_connection(VfBridge *self)
{
    return self->connection;
}

char *
vf_bridge_get_complaint(VfBridge *self)
{
    char buffer[COMPLAINT_MAX + 1] = "";
    struct stat st = {0};
    off_t start;
    gssize n;

    if (fstat(self->log, &st) < 0 || st.st_size == 0)
        return NULL;
    start = st.st_size > COMPLAINT_MAX ? st.st_size - COMPLAINT_MAX : 0;
    n = pread(self->log, buffer, COMPLAINT_MAX, start);
    if (n <= 0)
        return NULL;
    buffer[n] = '\0';
    g_strdelimit(buffer, "\r", '\n');
    return vf_text_printable(g_strstrip(buffer));
}
