/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef enum {
    VF_STYLE_PLAIN,
    VF_STYLE_BOLD,
    VF_STYLE_DIM,
    VF_STYLE_GOOD,
    VF_STYLE_WARN,
    VF_STYLE_BAD,
} VfStyle;

/* Standard output is a terminal that understands more than lines. */
gboolean vf_terminal_is_smart(void);

/* As above, and nobody asked for no colour (https://no-color.org). */
gboolean vf_terminal_has_colour(void);

/* Somebody can answer a question: standard input and standard error are a terminal. */
gboolean vf_terminal_is_interactive(void);

/* Columns now, 80 when nobody knows. */
guint vf_terminal_width(void);

/* Escape sequences that begin and end @style; "" when @colour is FALSE. */
const char *vf_terminal_begin(VfStyle style, gboolean colour);
const char *vf_terminal_end(VfStyle style, gboolean colour);

/* How a device's state or a job's result looks. */
VfStyle vf_terminal_style_of(const char *state);
