/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "helper.h"

#include <errno.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "spawn.h"

#define PROGRAM "vferry-helper"

/* An answer is a path or a message: what is longer is none. */
#define REPLY_MAX 65536

typedef struct {
    GTask *task; /* NULL once it is answered */
    char *what;  /* for messages */
    guint deadline_ms;
    guint timer;
    GCancellable *abandon; /* by the deadline: nobody reads what it says */
    GSubprocess *process;
    char *reply; /* REPLY_MAX bytes */
} Call;

static void
call_free(Call *self)
{
    g_clear_object(&self->task);
    if (self->timer)
        g_source_remove(self->timer);
    g_object_unref(self->abandon);
    g_clear_object(&self->process);
    g_free(self->reply);
    g_free(self->what);
    g_free(self);
}

static VferryError
code_of(int errnum)
{
    switch (errnum) {
    case EBUSY:
    case EEXIST:
    case EAGAIN:
        return VFERRY_ERROR_BUSY;
    case ENOSPC:
    case EUSERS: /* mdev core, when a type has no instance left */
        return VFERRY_ERROR_NO_ROOM;
    case ENOENT:
    case ENODEV:
        return VFERRY_ERROR_NOT_FOUND;
    default:
        return VFERRY_ERROR_DEVICE;
    }
}

static void
answer(Call *call, gsize size)
{
    g_autoptr(GVariant) reply = NULL;
    const char *message;
    const char *value;
    int errnum;

    if (g_utf8_validate_len(call->reply, size, NULL))
        reply = g_variant_parse(VF_HELPER_REPLY_TYPE, call->reply, call->reply + size, NULL, NULL);
    if (!reply) {
        g_task_return_new_error(call->task, VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                _("%s %s ended without an answer"), PROGRAM, call->what);
        return;
    }
    g_variant_get(reply, "(i&s&s)", &errnum, &message, &value);
    if (errnum == 0)
        g_task_return_pointer(call->task, g_strdup(value), g_free);
    else
        g_task_return_new_error(call->task, VFERRY_ERROR, code_of(errnum), "%s", message);
}

static void
answer_late(Call *call)
{
    g_task_return_new_error(call->task, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                            _("%s: the kernel has not finished after %u ms"), call->what,
                            call->deadline_ms);
    g_clear_object(&call->task);
}

/* Its pipe must break: that is how it learns to take back what it makes from now on. */
static void
abandon(Call *call)
{
    g_autoptr(GError) error = NULL;

    g_message("%s %s is not waited for any more", PROGRAM, call->what);
    if (!g_input_stream_close(g_subprocess_get_stdout_pipe(call->process), NULL, &error))
        g_warning("%s %s: %s", PROGRAM, call->what, error->message);
}

static void
on_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GError) error = NULL;
    gsize size;

    (void)g_input_stream_read_all_finish(G_INPUT_STREAM(source), result, &size, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        /* in this order: whoever hears that it failed may count on its being taken back */
        abandon(call);
        if (call->task)
            answer_late(call);
    } else if (error) {
        g_task_return_error(call->task, g_steal_pointer(&error));
    } else {
        answer(call, size);
    }
    call_free(call);
}

static gboolean
on_deadline(gpointer data)
{
    Call *call = data;

    call->timer = 0;
    g_cancellable_cancel(call->abandon);
    if (!call->process) /* it does not even start, and may not for long */
        answer_late(call);
    return G_SOURCE_REMOVE;
}

/* Not g_subprocess_communicate(): cancelled, it returns while a read of the pipe is still pending,
 * and a stream with a pending read cannot be closed. */
static void
on_spawned(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    g_autoptr(GError) error = NULL;

    call->process = vf_spawn_finish(result, &error);
    if (call->process) {
        call->reply = g_malloc(REPLY_MAX);
        g_input_stream_read_all_async(g_subprocess_get_stdout_pipe(call->process), call->reply,
                                      REPLY_MAX, G_PRIORITY_DEFAULT, call->abandon, on_reply, call);
        return;
    }
    if (call->task)
        g_task_return_error(call->task, g_steal_pointer(&error));
    call_free(call);
}

void
vf_helper_run_async(const char *const *arguments, int fd, guint deadline_ms,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    Call *call = g_new0(Call, 1);
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_auto(GStrv) words = NULL;

    g_strv_builder_add(argv, PROGRAM);
    g_strv_builder_addv(argv, (const char **)arguments);
    words = g_strv_builder_end(argv);
    call->task = g_task_new(NULL, cancellable, callback, data);
    g_task_set_source_tag(call->task, vf_helper_run_async);
    /* a write that was made is reported as made: the caller has to know what exists */
    g_task_set_check_cancellable(call->task, FALSE);
    call->what = g_strjoinv(" ", (char **)arguments);
    call->deadline_ms = deadline_ms;
    call->abandon = g_cancellable_new();
    call->timer = g_timeout_add(deadline_ms, on_deadline, call);
    vf_spawn_async((const char *const *)words, fd, G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, on_spawned,
                   call);
}

char *
vf_helper_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
