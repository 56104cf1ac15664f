/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "text.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* XML 1.0 (5th edition), production [2] Char, and no control characters at all, since these end up
 * in terminals. */
static gboolean
character_allowed(gunichar c)
{
    return !g_unichar_iscntrl(c) && c != 0xfffe && c != 0xffff;
}

static gboolean
fail(GError **error, const char *what, const char *text, const char *rule)
{
    g_autofree char *shown = vf_text_excerpt(text, 60);

    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("%s is “%.60s”, but must be %s"), what, shown, rule);
    return FALSE;
}

gboolean
vf_text_check(const char *text, const char *what, gsize max, GError **error)
{
    g_autofree char *rule = NULL;

    if (strlen(text) > max) {
        rule = g_strdup_printf(_("at most %zu bytes"), max);
        return fail(error, what, text, rule);
    }
    if (!g_utf8_validate(text, -1, NULL))
        return fail(error, what, text, _("UTF-8"));
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
        if (!character_allowed(g_utf8_get_char(p)))
            return fail(error, what, text, _("without control characters"));
    return TRUE;
}

char *
vf_text_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_sized_new(strlen(valid));

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        g_string_append_unichar(out, character_allowed(c) ? c : 0xfffd);
    }
    return g_string_free(out, FALSE);
}

char *
vf_text_excerpt(const char *text, gsize max)
{
    char *clean = vf_text_clean(text);

    if (strlen(clean) > max)
        *g_utf8_find_prev_char(clean, clean + max + 1) = '\0';
    return clean;
}

char *
vf_text_collapse(const char *text)
{
    g_autoptr(GString) words = g_string_sized_new(strlen(text));
    gboolean space = FALSE;

    for (const char *p = text; *p != '\0'; p++) {
        if (strchr(" \t\r\n", *p)) {
            space = TRUE;
            continue;
        }
        if (space && words->len > 0)
            g_string_append_c(words, ' ');
        space = FALSE;
        g_string_append_c(words, *p);
    }
    return vf_text_clean(words->str);
}

gboolean
vf_text_check_id(const char *text, const char *what, GError **error)
{
    gsize n = strspn(text, ALPHANUMERIC ".:_-");

    if (n > 0 && n <= 128 && text[n] == '\0')
        return TRUE;
    return fail(error, what, text, _("1 to 128 letters, digits and characters of “.:_-”"));
}

gboolean
vf_text_check_attribute(const char *text, const char *what, GError **error)
{
    g_auto(GStrv) segments = g_strsplit(text, "/", -1);
    gboolean valid = text[0] != '\0' && strlen(text) <= 255;

    for (guint i = 0; valid && segments[i] != NULL; i++) {
        gsize n = strspn(segments[i], ALPHANUMERIC ".:_+-");
        valid = n > 0 && segments[i][n] == '\0' && !g_str_equal(segments[i], ".") &&
                !g_str_equal(segments[i], "..");
    }
    if (valid)
        return TRUE;
    return fail(error, what, text,
                _("a path relative to the device, of letters, digits and “.:_+-”, without “..”"));
}

int
vf_text_compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}
