/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "spawn.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "names.h"

#define CHILD_FD 3

typedef struct {
    char **argv;
    int fd;
    GSubprocessFlags flags;
} Request;

static void
request_free(gpointer data)
{
    Request *self = data;

    g_strfreev(self->argv);
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

static char *
program_path(const char *name)
{
    const char *dir = g_getenv(VF_ENV_LIBEXEC_DIR);

    return g_build_filename(dir && *dir ? dir : VF_LIBEXECDIR, name, NULL);
}

static void
spawn_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Request *request = data;
    /* Ours is /dev/null, and a child that opened its own would take a lock of whatever stands
     * before open(2) (umockdev does) after fork(2), which another thread of ours may have held. */
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(request->flags | G_SUBPROCESS_FLAGS_STDIN_INHERIT);
    g_autofree char *path = program_path(request->argv[0]);
    g_autoptr(GError) error = NULL;
    GSubprocess *process;

    if (request->fd >= 0)
        g_subprocess_launcher_take_fd(launcher, vf_io_steal_fd(&request->fd), CHILD_FD);
    g_free(request->argv[0]);
    request->argv[0] = g_strdup(path);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)request->argv, &error);
    if (process)
        g_task_return_pointer(task, process, g_object_unref);
    else
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_FAILED, _("cannot start %s: %s"),
                                path, error->message);
}

void
vf_spawn_async(const char *const *argv, int fd, GSubprocessFlags flags, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    Request *request = g_new0(Request, 1);

    request->argv = g_strdupv((char **)argv);
    request->fd = fd;
    request->flags = flags;
    g_task_set_source_tag(task, vf_spawn_async);
    /* a process that was started is always handed over: dropping it here would leave it alone */
    g_task_set_check_cancellable(task, FALSE);
    g_task_set_task_data(task, request, request_free);
    g_task_run_in_thread(task, spawn_in_thread);
}

GSubprocess *
vf_spawn_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
