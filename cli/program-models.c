/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "program-models.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "xml/text/json-strict.h"
#include "xml/driver-info/driver-info.h"

#define PATIENCE_SECONDS 10

typedef struct {
    const char *program;
    guint seconds;
    gint64 deadline; /* monotonic */
    GPid pid;
    int output;
} Run;

static int
milliseconds_left(const Run *self)
{
    gint64 left = (self->deadline - g_get_monotonic_time()) / 1000;

    return (int)CLAMP(left, 0, G_MAXINT);
}

static gboolean
fail(const Run *self, VferryError code, GError **error, const char *message)
{
    g_set_error(error, VFERRY_ERROR, code, "%s: %s", self->program, message);
    return FALSE;
}

static gboolean
start(Run *self, GError **error)
{
    const char *argv[] = {self->program, "--print-migration-info-json", NULL};
    g_autoptr(GError) cause = NULL;

    /* a name with a slash is a path; any other is looked for as a shell would */
    if (g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                                 G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, NULL, NULL,
                                 &self->pid, NULL, &self->output, NULL, &cause))
        return TRUE;
    return fail(self, VFERRY_ERROR_NOT_FOUND, error, cause->message);
}

/* FALSE at the end, on an error and when the time is over. */
static gboolean
read_some(const Run *self, GString *text)
{
    struct pollfd poller = {.fd = self->output, .events = POLLIN};
    char buffer[4096];
    int ready = poll(&poller, 1, milliseconds_left(self));
    ssize_t n = ready > 0 ? read(self->output, buffer, sizeof buffer) : ready;

    if (n < 0 && errno == EINTR)
        return TRUE;
    if (n <= 0)
        return FALSE;
    g_string_append_len(text, buffer, n);
    return text->len <= VF_JSON_STRICT_SIZE_MAX;
}

/* FALSE when the time is over; whoever has closed its output ends soon. */
static gboolean
reap(const Run *self, int *status)
{
    while (waitpid(self->pid, status, WNOHANG) == 0) {
        if (milliseconds_left(self) == 0)
            return FALSE;
        g_usleep(1000);
    }
    return TRUE;
}

static void
end(const Run *self, gboolean reaped)
{
    close(self->output);
    if (reaped)
        return;
    kill(self->pid, SIGKILL);
    while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static gboolean
check_end(const Run *self, gboolean reaped, int status, const GString *text, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *late = NULL;

    if (text->len > VF_JSON_STRICT_SIZE_MAX)
        return fail(self, VFERRY_ERROR_LIMIT_EXCEEDED, error, _("it has printed too much"));
    if (!reaped) {
        late = g_strdup_printf(_("it has not said what it can do in %u s, and was ended"),
                               self->seconds);
        return fail(self, VFERRY_ERROR_FAILED, error, late);
    }
    if (g_spawn_check_wait_status(status, &cause))
        return TRUE;
    return fail(self, VFERRY_ERROR_FAILED, error, cause->message);
}

GPtrArray *
vf_program_read_models_within(const char *program, guint seconds, GError **error)
{
    Run self = {program, seconds, 0, 0, -1};
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean reaped;
    int status = 0;

    self.deadline = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    if (!start(&self, error))
        return NULL;
    while (read_some(&self, text))
        continue;
    reaped = text->len <= VF_JSON_STRICT_SIZE_MAX && reap(&self, &status);
    end(&self, reaped);
    if (!check_end(&self, reaped, status, text, error))
        return NULL;
    return vf_migration_info_parse_program(text->str, (gssize)text->len, program, error);
}

GPtrArray *
vf_program_read_models(const char *program, GError **error)
{
    return vf_program_read_models_within(program, PATIENCE_SECONDS, error);
}
