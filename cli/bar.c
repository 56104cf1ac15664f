/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bar.h"

#include <glib/gi18n-lib.h>

#include "text-view.h"

#define LABEL_WIDTH 12
#define BAR_MAX 30
#define BAR_MIN 8
#define GAP 2
/* "1023 MiB of 1023 MiB", "1023 MiB/s", "59 min 59 s left": the bar leaves room for them whether or
 * not they are there, so that its own width is that of the terminal alone */
#define TAIL_WIDTH (GAP + 20 + GAP + 10 + GAP + 16)

gint64
vf_bar_remaining(const VfBar *progress)
{
    double left;

    if (progress->ended || progress->rate == 0 || progress->total < progress->done)
        return -1;
    left = (double)(progress->total - progress->done) / (double)progress->rate;
    return left < 1e9 ? (gint64)(left * G_USEC_PER_SEC) : -1;
}

/* Whole seconds: more is never known. */
static char *
format_left(gint64 remaining)
{
    g_autofree char *text = NULL;

    if (remaining < G_USEC_PER_SEC)
        return g_strdup(_("<1 s left"));
    if (remaining < 10 * G_USEC_PER_SEC)
        text = g_strdup_printf(_("%u s"), (guint)(remaining / G_USEC_PER_SEC));
    else
        text = vf_text_duration((guint64)remaining);
    return g_strdup_printf(_("%s left"), text);
}

static void
add_pieces(GPtrArray *pieces, const VfBar *progress)
{
    gint64 remaining = vf_bar_remaining(progress);
    g_autofree char *done = vf_text_bytes(progress->done);
    g_autofree char *total = vf_text_bytes(progress->total);
    g_autofree char *dirty = vf_text_bytes(progress->dirty);

    g_ptr_array_add(pieces, progress->total > progress->done
                                ? g_strdup_printf(_("%s of %s"), done, total)
                                : g_strdup(done));
    if (progress->rate > 0)
        g_ptr_array_add(pieces, vf_text_rate(progress->rate));
    if (remaining > 0)
        g_ptr_array_add(pieces, format_left(remaining));
    if (progress->round > 0)
        g_ptr_array_add(pieces, g_strdup_printf(_("round %u, %s dirty"), progress->round, dirty));
}

/* As many pieces as fit into @room columns. */
static GString *
join_pieces(GPtrArray *pieces, guint room)
{
    GString *text = g_string_new(NULL);
    guint used = 0;

    for (guint i = 0; i < pieces->len; i++) {
        const char *piece = g_ptr_array_index(pieces, i);
        guint width = GAP + vf_text_width(piece);

        if (used + width > room)
            break;
        g_string_append_printf(text, "%*s%s", GAP, "", piece);
        used += width;
    }
    return text;
}

char *
vf_bar_format(const char *phase, const VfBar *progress, guint width, gboolean utf8)
{
    GString *line = g_string_new(phase);
    guint label = vf_text_width(phase);
    guint room = width > LABEL_WIDTH + 1 ? width - LABEL_WIDTH - 1 : 0;
    guint bar = room > TAIL_WIDTH ? CLAMP(room - TAIL_WIDTH, BAR_MIN, BAR_MAX) : BAR_MIN;
    double share = progress->total > 0 ? (double)progress->done / (double)progress->total : 0;
    guint filled = (guint)(CLAMP(share, 0, 1) * bar);
    g_autoptr(GPtrArray) pieces = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) tail = NULL;

    if (label < LABEL_WIDTH)
        g_string_append_printf(line, "%*s", (int)(LABEL_WIDTH - label), "");
    add_pieces(pieces, progress);
    tail = join_pieces(pieces, room > bar ? room - bar : 0);
    for (guint i = 0; room >= bar && i < bar; i++)
        g_string_append(line, utf8 ? (i < filled ? "━" : "─") : (i < filled ? "=" : "-"));
    g_string_append(line, tail->str);
    /* too narrow even for the name of the phase */
    if (vf_text_width(line->str) >= width)
        g_string_truncate(line, 0);
    return g_string_free(line, FALSE);
}
