/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-id.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "text.h"

#define DOMAIN_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define HEX_DIGITS "0123456789ABCDEF"

static gboolean
is_unreserved(char c)
{
    return g_ascii_isalnum(c) || (c != '\0' && strchr("._+-", c));
}

static gboolean
fail(GError **error, const char *what, const char *text, const char *rule)
{
    g_autofree char *shown = vf_text_excerpt(text, 80);

    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("%s is “%.80s”: %s"), what,
                shown, rule);
    return FALSE;
}

static const char *
domain_rule(const char *domain)
{
    g_auto(GStrv) labels = g_strsplit(domain, ".", -1);

    if (g_strv_length(labels) < 2)
        return _("the part before the first “/” must be a domain with at least one dot");
    for (guint i = 0; labels[i] != NULL; i++) {
        gsize n = strlen(labels[i]);
        if (n == 0 || n > 63 || strspn(labels[i], DOMAIN_CHARACTERS) != n || labels[i][0] == '-' ||
            labels[i][n - 1] == '-')
            return _("the domain must be labels of a-z, 0-9 and inner “-” joined by dots");
    }
    return NULL;
}

static gboolean
is_escape(const char *p)
{
    return p[0] == '%' && p[1] != '\0' && strchr(HEX_DIGITS, p[1]) && p[2] != '\0' &&
           strchr(HEX_DIGITS, p[2]) != NULL;
}

/* The bytes that a segment stands for, which may be anything; NULL for a wrong character or escape.
 */
static char *
unescape(const char *segment)
{
    g_autoptr(GString) out = g_string_new(NULL);

    while (*segment != '\0') {
        if (is_unreserved(*segment)) {
            g_string_append_c(out, *segment++);
            continue;
        }
        if (!is_escape(segment))
            return NULL;
        g_string_append_c(
            out, (char)(g_ascii_xdigit_value(segment[1]) << 4 | g_ascii_xdigit_value(segment[2])));
        segment += 3;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static gboolean
is_dots(const char *text)
{
    return g_str_equal(text, ".") || g_str_equal(text, "..");
}

/* Without limits and checks: @name is UTF-8 and not empty. */
static char *
escape(const char *name)
{
    GString *out = g_string_new(NULL);

    for (const char *p = name; *p != '\0'; p++)
        if (is_unreserved(*p) && !is_dots(name))
            g_string_append_c(out, *p);
        else
            g_string_append_printf(out, "%%%02X", (guchar)*p);
    return g_string_free(out, FALSE);
}

static const char *
segment_rule(const char *segment)
{
    g_autofree char *name = NULL;
    g_autofree char *again = NULL;

    if (segment[0] == '\0')
        return _("it must not be empty");
    if (strlen(segment) > VF_MODEL_ID_SEGMENT_MAX)
        return _("it must have at most 128 bytes");
    if (is_dots(segment))
        return _("it must not be “.” or “..”");
    name = unescape(segment);
    if (!name)
        return _("it must be of A-Z, a-z, 0-9, “._+-” and %XX (upper-case) for anything else");
    /* an escaped NUL ends @name, and its escaped form is shorter, too */
    again = g_utf8_validate(name, -1, NULL) ? escape(name) : NULL;
    if (!again)
        return _("its %XX must be the bytes of UTF-8 text");
    if (!g_str_equal(again, segment))
        return _("%XX must not stand for NUL or for a character that needs no escape");
    return NULL;
}

static const char *
id_rule(const char *id)
{
    g_auto(GStrv) parts = NULL;
    const char *rule;

    if (strlen(id) > VF_MODEL_ID_MAX)
        return _("a model id must have at most 255 bytes");
    parts = g_strsplit(id, "/", -1);
    if (g_strv_length(parts) < 2)
        return _("a model id must be a domain, “/” and a path");
    rule = domain_rule(parts[0]);
    for (guint i = 1; !rule && parts[i] != NULL; i++)
        rule = segment_rule(parts[i]);
    return rule;
}

gboolean
vf_model_id_check(const char *id, GError **error)
{
    const char *rule = id_rule(id);
    return !rule || fail(error, _("the model id"), id, rule);
}

gboolean
vf_model_id_check_segment(const char *segment, const char *what, GError **error)
{
    const char *rule = segment_rule(segment);
    return !rule || fail(error, what, segment, rule);
}

char *
vf_model_id_escape_segment(const char *name, GError **error)
{
    g_autofree char *segment = NULL;

    if (name[0] == '\0' || !g_utf8_validate(name, -1, NULL)) {
        fail(error, _("the name"), name, _("it must be UTF-8 and not empty"));
        return NULL;
    }
    segment = escape(name);
    if (strlen(segment) > VF_MODEL_ID_SEGMENT_MAX) {
        fail(error, _("the name"), name, _("it must have at most 128 bytes when escaped"));
        return NULL;
    }
    return g_steal_pointer(&segment);
}
