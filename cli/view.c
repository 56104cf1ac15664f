/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "view.h"

#include <string.h>

#include "terminal.h"
#include "text-view.h"

#define LABEL_WIDTH 12
#define REDRAW_US (G_USEC_PER_SEC / 10)

struct VfView {
    gboolean silent;
    gboolean smart;
    gboolean colour;
    gboolean utf8;
    char *phase;       /* as the job says */
    const char *shown; /* what stands before the bar; NULL without one */
    VfBar progress;
    gint64 drawn_at;
    gboolean bar_is_drawn;
};

VfView *
vf_view_new(const VfCli *cli)
{
    VfView *self = g_new0(VfView, 1);

    self->silent = cli->json;
    self->smart = vf_terminal_is_smart();
    self->colour = cli->colour;
    self->utf8 = g_get_charset(NULL);
    return self;
}

void
vf_view_free(VfView *self)
{
    vf_view_end_bar(self, TRUE);
    g_free(self->phase);
    g_free(self);
}

static void
draw(VfView *self)
{
    g_autofree char *line =
        vf_bar_format(self->shown, &self->progress, vf_terminal_width(), self->utf8);

    g_print("\r%s\033[K", line);
    self->bar_is_drawn = TRUE;
    self->drawn_at = g_get_monotonic_time();
}

void
vf_view_end_bar(VfView *self, gboolean keep)
{
    if (self->bar_is_drawn && keep) {
        self->progress.ended = TRUE;
        draw(self);
        g_print("\n");
    } else if (self->bar_is_drawn) {
        g_print("\r\033[K");
    }
    self->bar_is_drawn = FALSE;
    self->shown = NULL;
}

/* Loading and committing are steps of the switchover, on its line. NULL: no bar. */
static const char *
bar_label(const char *phase)
{
    if (strcmp(phase, "pre-copy") == 0)
        return "pre-copy";
    if (strcmp(phase, "preparing") == 0 || strcmp(phase, "finished") == 0)
        return NULL;
    return "switchover";
}

void
vf_view_phase(VfView *self, const char *phase)
{
    const char *label = bar_label(phase);

    if (g_strcmp0(self->phase, phase) == 0)
        return;
    g_free(self->phase);
    self->phase = g_strdup(phase);
    if (self->silent || !label || g_strcmp0(label, self->shown) == 0)
        return;
    if (!self->smart) {
        /* lines cannot be taken back: what the switchover came to has its own, with its name in
         * front */
        if (!g_str_equal(label, "switchover"))
            g_print("%s\n", label);
        self->shown = label;
        return;
    }
    /* whatever the estimate was, this phase has moved what it had to move */
    self->progress.total = self->progress.done;
    vf_view_end_bar(self, TRUE);
    self->shown = label;
}

void
vf_view_progress(VfView *self, const VfBar *progress)
{
    self->progress = *progress;
    if (self->silent || !self->smart || !self->shown)
        return;
    if (!self->bar_is_drawn || g_get_monotonic_time() - self->drawn_at >= REDRAW_US)
        draw(self);
}

static void
print_label(VfView *self, const char *label)
{
    g_autofree char *clean = vf_text_printable(label);
    VfStyle style = label[0] ? VF_STYLE_BOLD : VF_STYLE_PLAIN;
    guint width = vf_text_width(clean);

    if (vf_terminal_style_of(label) != VF_STYLE_PLAIN)
        style = vf_terminal_style_of(label);
    g_print("%s%s%s%*s", vf_terminal_begin(style, self->colour), clean,
            vf_terminal_end(style, self->colour),
            width < LABEL_WIDTH ? (int)(LABEL_WIDTH - width) : 1, "");
}

void
vf_view_line(VfView *self, const char *label, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *clean = NULL;
    va_list args;

    if (self->silent)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    clean = vf_text_printable(text);
    vf_view_end_bar(self, TRUE);
    print_label(self, label);
    g_print("%s\n", clean);
}
