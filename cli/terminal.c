/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

gboolean
vf_terminal_is_smart(void)
{
    return isatty(STDOUT_FILENO) && g_strcmp0(g_getenv("TERM"), "dumb") != 0;
}

gboolean
vf_terminal_has_colour(void)
{
    const char *no_color = g_getenv("NO_COLOR");

    return (!no_color || no_color[0] == '\0') && vf_terminal_is_smart();
}

gboolean
vf_terminal_is_interactive(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

guint
vf_terminal_width(void)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

const char *
vf_terminal_begin(VfStyle style, gboolean colour)
{
    static const char *const sequences[] = {
        [VF_STYLE_PLAIN] = "",        [VF_STYLE_BOLD] = "\033[1m",  [VF_STYLE_DIM] = "\033[2m",
        [VF_STYLE_GOOD] = "\033[32m", [VF_STYLE_WARN] = "\033[33m", [VF_STYLE_BAD] = "\033[31m",
    };

    return colour ? sequences[style] : "";
}

const char *
vf_terminal_end(VfStyle style, gboolean colour)
{
    return colour && style != VF_STYLE_PLAIN ? "\033[0m" : "";
}

VfStyle
vf_terminal_style_of(const char *state)
{
    static const struct {
        const char *state;
        VfStyle style;
    } styles[] = {
        {"idle", VF_STYLE_GOOD},
        {"completed", VF_STYLE_GOOD},
        {"migrating", VF_STYLE_WARN},
        {"stopped", VF_STYLE_WARN},
        {"cancelled", VF_STYLE_WARN},
        {"stuck", VF_STYLE_BAD},
        {"in-doubt", VF_STYLE_BAD},
        {"failed", VF_STYLE_BAD},
        {"failed-needs-reset", VF_STYLE_BAD},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(styles); i++)
        if (strcmp(styles[i].state, state) == 0)
            return styles[i].style;
    return VF_STYLE_PLAIN;
}
