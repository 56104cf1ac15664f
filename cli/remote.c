/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "remote.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>

#include "error.h"
#include "number.h"

#define TIMEOUT_STATUS 124 /* timeout(1) */
#define KILL_SECONDS 2     /* between SIGTERM and SIGKILL */
#define GRACE_SECONDS 15   /* for ssh's login, and for its death */

/* One step and its number of seconds; its status is a line of standard output. Our end of standard
 * input is how we stay in touch: when it closes, or we do, timeout(1) gets SIGTERM and passes it on
 * to the process group that it has made. What is left of that after a failure has no use any more;
 * nor does timeout(1) pass a signal on that comes while it forks. An ssh that is killed leaves its
 * command running. */
static const char step_function[] =
    "step() { "
    "timeout -k %d \"$1\" sh -c \"$2\" 3<&- >&2 & c=$!; "
    "{ read -r _ <&3; kill \"$c\"; } 2>/dev/null & r=$!; "
    "wait \"$c\" 2>/dev/null; s=$?; kill \"$r\" 2>/dev/null; wait \"$r\" 2>/dev/null; "
    "[ \"$s\" = 0 ] || kill -s KILL -- \"-$c\" 2>/dev/null; "
    "echo \"$s\"; return \"$s\"; }";

typedef struct {
    GSubprocess *process;
    GDataInputStream *output;
    GCancellable *cancellable;
    gboolean reading;
    gboolean ended; /* its output has */
    gboolean late;
    const VfRemoteStep *steps;
    gsize n_steps;
    gint64 begun; /* when the step that runs did; monotonic */
    VfRemoteEnd *end;
} Run;

void
vf_remote_ignore_interrupt(gpointer data)
{
    (void)signal(SIGINT, SIG_IGN);
}

static char *
format_script(const char *const *environment, const VfRemoteStep *steps, gsize n_steps)
{
    GString *script = g_string_new("exec 3<&0 </dev/null; ");

    for (const char *const *pair = environment; *pair; pair++) {
        g_autofree char *quoted = g_shell_quote(*pair);

        g_string_append_printf(script, "export %s; ", quoted);
    }
    g_string_append_printf(script, step_function, KILL_SECONDS);
    for (gsize i = 0; i < n_steps; i++) {
        g_autofree char *quoted = g_shell_quote(steps[i].command);

        g_string_append_printf(script, "%sstep %u %s", i == 0 ? "; " : " && ", steps[i].seconds,
                               quoted);
    }
    return g_string_free(script, FALSE);
}

/* ssh gives it to the user's shell, whichever that is. */
static char **
format_command(const VfAddress *where, gboolean batch, const char *script)
{
    g_autofree char *quoted = g_shell_quote(script);
    g_autofree char *command = g_strdup_printf("exec sh -c %s", quoted);
    const char *const local[] = {"sh", "-c", script, NULL};

    return where->host ? vf_address_get_command(where, batch, command) : g_strdupv((char **)local);
}

/* The command may have ended so by itself. */
static gboolean
is_timeout(const Run *self, guint64 status)
{
    gint64 seconds = (g_get_monotonic_time() - self->begun) / G_USEC_PER_SEC;

    return (status == TIMEOUT_STATUS || status == 128 + SIGKILL) &&
           seconds >= self->steps[self->end->step].seconds;
}

/* TRUE when another line may come. */
static gboolean
take_status(Run *self, const char *line)
{
    guint64 status;

    if (!vf_number_parse_u64(line, "status", 0, 255, &status, NULL))
        return TRUE; /* a chatty login */
    self->end->status = (int)status;
    if (is_timeout(self, status))
        self->end->what = VF_REMOTE_TIMED_OUT;
    else if (status > 0)
        self->end->what = VF_REMOTE_FAILED;
    else if (++self->end->step == self->n_steps)
        self->end->what = VF_REMOTE_DONE;
    else
        self->begun = g_get_monotonic_time();
    return self->end->what == VF_REMOTE_LOST;
}

static void
on_line(GObject *source, GAsyncResult *result, gpointer data)
{
    Run *self = data;
    g_autofree char *line = g_data_input_stream_read_line_finish(self->output, result, NULL, NULL);

    self->reading = FALSE;
    if (line && take_status(self, line)) {
        self->reading = TRUE;
        g_data_input_stream_read_line_async(self->output, G_PRIORITY_DEFAULT, self->cancellable,
                                            on_line, self);
        return;
    }
    self->ended = TRUE;
}

static gboolean
on_late(gpointer data)
{
    ((Run *)data)->late = TRUE;
    return G_SOURCE_CONTINUE;
}

/* Until its output has ended, or @seconds have passed. FALSE: @stop said so. */
static gboolean
wait_for_end(Run *self, guint seconds, gboolean (*stop)(gpointer), gpointer data)
{
    guint timer = g_timeout_add_seconds(seconds, on_late, self);
    gboolean stopped = FALSE;

    self->late = FALSE;
    while (!self->ended && !self->late && !(stopped = stop && stop(data)))
        (void)g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    return !stopped;
}

/* Also ssh, when something in the background holds its streams. */
static void
finish(Run *self)
{
    g_cancellable_cancel(self->cancellable);
    g_subprocess_force_exit(self->process);
    while (self->reading)
        (void)g_main_context_iteration(NULL, TRUE);
    (void)g_subprocess_wait(self->process, NULL, NULL);
    if (self->end->what == VF_REMOTE_LOST && g_subprocess_get_if_exited(self->process))
        self->end->status = g_subprocess_get_exit_status(self->process);
}

gboolean
vf_remote_run(const VfAddress *where, gboolean batch, const char *const *environment,
              const VfRemoteStep *steps, gsize n_steps, gboolean (*stop)(gpointer), gpointer data,
              VfRemoteEnd *end, GError **error)
{
    g_autofree char *script = format_script(environment, steps, n_steps);
    g_auto(GStrv) argv = format_command(where, batch, script);
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) output = NULL;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Run self = {.end = end,
                .cancellable = cancellable,
                .reading = TRUE,
                .steps = steps,
                .n_steps = n_steps,
                .begun = g_get_monotonic_time()};
    guint seconds = GRACE_SECONDS;

    g_subprocess_launcher_set_child_setup(launcher, vf_remote_ignore_interrupt, NULL, NULL);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, error);
    if (!process)
        return FALSE;
    *end = (VfRemoteEnd){.what = VF_REMOTE_LOST};
    for (gsize i = 0; i < n_steps; i++)
        seconds += steps[i].seconds + KILL_SECONDS;
    output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    self.process = process;
    self.output = output;
    g_data_input_stream_read_line_async(output, G_PRIORITY_DEFAULT, cancellable, on_line, &self);
    if (!wait_for_end(&self, seconds, stop, data)) {
        (void)g_output_stream_close(g_subprocess_get_stdin_pipe(process), NULL, NULL);
        (void)wait_for_end(&self, KILL_SECONDS + 1, NULL, NULL);
        end->what = VF_REMOTE_STOPPED;
    } else if (self.late) {
        end->what = VF_REMOTE_TIMED_OUT;
    }
    finish(&self);
    return TRUE;
}
