/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "printable.h"

#include <string.h>

static gboolean
is_harmless(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);

    return g_unichar_isprint(c) && type != G_UNICODE_FORMAT && type != G_UNICODE_LINE_SEPARATOR &&
           type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

char *
vf_printable(const char *text, gsize max)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *clean = g_string_new(NULL);
    gsize n = 0;

    for (const char *at = valid; *at && n < max; at = g_utf8_next_char(at), n++) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(clean, is_harmless(c) ? c : '?');
    }
    return g_string_free(clean, FALSE);
}

gboolean
vf_printable_is_word(const char *text, gsize max)
{
    gsize n = strlen(text);

    for (gsize i = 0; i < n; i++)
        if (!g_ascii_isgraph(text[i]))
            return FALSE;
    return n >= 1 && n <= max;
}
