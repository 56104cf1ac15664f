/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover-log.h"

#include <string.h>

#include "log.h"
#include "printable.h"

#define TEXT_MAX 500
#define LINES_PER_SECOND 2
#define BYTES_PER_SECOND 65536

typedef struct {
    GInputStream *stream;
    const char *program; /* static */
    char *verb;
    char *job;
    char buffer[4096];
    GString *line;    /* as far as it has come */
    guint lines_left; /* may be written now */
    guint left_out;   /* lines, since the last that was written */
    gint64 earned;    /* when some were added to lines_left */
    gint64 second;    /* when it began … */
    gsize bytes;      /* … and what was read in it */
} Log;

static void
log_free(Log *self)
{
    g_object_unref(self->stream);
    g_string_free(self->line, TRUE);
    g_free(self->verb);
    g_free(self->job);
    g_free(self);
}

static void
say(Log *self, const char *text)
{
    vf_log(G_LOG_LEVEL_MESSAGE, VF_ABOUT(.job = self->job), "%s %s: %s", self->program, self->verb,
           text);
}

static void
say_left_out(Log *self)
{
    g_autofree char *text = NULL;

    if (self->left_out == 0)
        return;
    text = g_strdup_printf("%u more lines are left out", self->left_out);
    self->left_out = 0;
    say(self, text);
}

static void
end_line(Log *self)
{
    g_autofree char *text = vf_printable(self->line->str, TEXT_MAX);
    gint64 now = g_get_monotonic_time();
    gint64 lines = (now - self->earned) * LINES_PER_SECOND / G_USEC_PER_SEC;

    g_string_truncate(self->line, 0);
    if (!*text)
        return;
    if (lines > 0) {
        self->lines_left = (guint)MIN(VF_MOVER_LOG_LINES, self->lines_left + lines);
        self->earned = now;
    }
    if (self->lines_left == 0) {
        self->left_out++;
        return;
    }
    self->lines_left--;
    say_left_out(self);
    say(self, text);
}

/* What is beyond a line's end is not kept: a character has four bytes at most. */
static void
take(Log *self, const char *bytes, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            end_line(self);
        else if (self->line->len < (gsize)4 * (TEXT_MAX + 1))
            g_string_append_c(self->line, bytes[i] ? bytes[i] : '?');
    }
}

static void on_read(GObject *source, GAsyncResult *result, gpointer data);

static gboolean
read_on(gpointer data)
{
    Log *self = data;

    g_input_stream_read_async(self->stream, self->buffer, sizeof self->buffer, G_PRIORITY_LOW, NULL,
                              on_read, self);
    return G_SOURCE_REMOVE;
}

static void
on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    Log *self = data;
    gssize n = g_input_stream_read_finish(G_INPUT_STREAM(source), result, NULL);
    gint64 now = g_get_monotonic_time();

    if (n <= 0) {
        end_line(self);
        say_left_out(self);
        log_free(self);
        return;
    }
    take(self, self->buffer, (gsize)n);
    if (now - self->second >= G_USEC_PER_SEC) {
        self->second = now;
        self->bytes = 0;
    }
    self->bytes += (gsize)n;
    if (self->bytes > BYTES_PER_SECOND)
        g_timeout_add_seconds(1, read_on, self);
    else
        read_on(self);
}

void
vf_mover_log_follow(GInputStream *stream, const char *program, const char *verb, const char *job)
{
    Log *self = g_new0(Log, 1);

    self->stream = g_object_ref(stream);
    self->program = program;
    self->verb = g_strdup(verb);
    self->job = g_strdup(job);
    self->line = g_string_new(NULL);
    self->lines_left = VF_MOVER_LOG_LINES;
    self->earned = self->second = g_get_monotonic_time();
    read_on(self);
}
