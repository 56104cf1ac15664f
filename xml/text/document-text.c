/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "document-text.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "text.h"

/* libxml2 compares each attribute of a tag with all before it. */
#define TAG_SIZE_MAX 49152 /* whatever a document of ours may have in one */
#define TAG_ATTRIBUTES_MAX 256

typedef struct {
    const char *where;
    long line; /* of the error */
} Check;

gboolean
vf_document_set_error(GError **error, VferryError code, const char *where, long line,
                      const char *message)
{
    g_autofree char *clean = vf_text_collapse(message);

    if (line > 0)
        g_set_error(error, VFERRY_ERROR, code, "%s:%ld: %s", where, line, clean);
    else
        g_set_error(error, VFERRY_ERROR, code, "%s: %s", where, clean);
    return FALSE;
}

gboolean
vf_document_namespaces_enter(VfDocumentNamespaces *self, guint depth, guint n)
{
    self->in_force[depth] = n + (depth > 0 ? self->in_force[depth - 1] : 0);
    return self->in_force[depth] <= VF_DOCUMENT_NAMESPACES_MAX;
}

static gboolean
fail(Check *check, GError **error, long line, const char *message)
{
    check->line = line;
    return vf_document_set_error(error, VFERRY_ERROR_INVALID_XML, check->where, line, message);
}

/* What ends an attribute's value, outside of one what begins it or ends the tag. */
static const char *
find_any(const char *p, const char *limit, char quote)
{
    if (quote != '\0')
        return memchr(p, quote, (gsize)(limit - p));
    while (p < limit && *p != '"' && *p != '\'' && *p != '>')
        p++;
    return p < limit ? p : NULL;
}

/* The end of the tag that begins at @p, or NULL when it has none before @limit. Counts the quotes,
 * two for each attribute. */
static const char *
find_tag_end(const char *p, const char *limit, guint *quotes)
{
    char quote = '\0';

    for (; (p = find_any(p, limit, quote)) != NULL; p++) {
        if (*p == '>' && quote == '\0')
            return p;
        quote = quote != '\0' ? '\0' : *p;
        (*quotes)++;
    }
    return NULL;
}

static const char *
skip_past(const char *p, const char *end, const char *closing)
{
    const char *found = g_strstr_len(p, end - p, closing);
    return found ? found + strlen(closing) : end;
}

static guint
count_lines(const char *from, const char *to)
{
    guint n = 1;

    for (; from < to; from++)
        if (*from == '\n')
            n++;
    return n;
}

/* What is behind a '<' that begins no ordinary tag: NULL for a document type. */
static const char *
skip_special(const char *p, const char *end)
{
    if (g_str_has_prefix(p, "<!--"))
        return skip_past(p + 4, end, "-->");
    if (g_str_has_prefix(p, "<![CDATA["))
        return skip_past(p + 9, end, "]]>");
    if (g_str_has_prefix(p, "<?"))
        return skip_past(p + 2, end, "?>");
    return g_str_has_prefix(p, "<!DOCTYPE") ? NULL : p;
}

/* What libxml2 would take too long for, or only see when it is late, is refused in the text. */
static gboolean
check_markup(Check *check, const char *text, gsize size, GError **error)
{
    const char *end = text + size;
    const char *p = text;

    while ((p = memchr(p, '<', (gsize)(end - p))) != NULL) {
        const char *start = p;
        const char *limit = MIN(end, p + TAG_SIZE_MAX);
        guint quotes = 0;

        if (p[1] == '!' || p[1] == '?') {
            p = skip_special(p, end);
            if (!p)
                return fail(check, error, count_lines(text, start),
                            _("a document type declaration is not accepted"));
            if (p != start)
                continue;
        }
        p = find_tag_end(p + 1, limit, &quotes);
        if (!p && limit < end)
            return fail(check, error, count_lines(text, start),
                        _("a tag is longer than 49152 bytes"));
        if (quotes > 2 * TAG_ATTRIBUTES_MAX)
            return fail(check, error, count_lines(text, start),
                        _("a tag has more than 256 attributes"));
        p = p ? p + 1 : end;
    }
    return TRUE;
}

/* XML 1.0, production [23] XMLDecl: the encoding is named before the first "?>". */
static gboolean
check_encoding(Check *check, const char *text, gsize size, GError **error)
{
    static const char usual[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    g_autoptr(GRegex) regex = NULL;
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *name = NULL;
    g_autofree char *message = NULL;
    const char *end;

    if (!g_str_has_prefix(text, "<?xml") || g_str_has_prefix(text, usual))
        return TRUE;
    end = g_strstr_len(text, (gssize)size, "?>");
    if (!end)
        return TRUE;
    regex = g_regex_new("\\sencoding\\s*=\\s*[\"']([^\"']*)[\"']", 0, 0, NULL);
    if (!g_regex_match_full(regex, text, end - text, 0, 0, &match, NULL))
        return TRUE;
    name = g_match_info_fetch(match, 1);
    if (g_ascii_strcasecmp(name, "UTF-8") == 0)
        return TRUE;
    message = g_strdup_printf(_("the encoding is “%.40s”, but must be UTF-8"), name);
    return fail(check, error, 1, message);
}

gboolean
vf_document_size_check(gsize size, gsize size_max, const char *where, GError **error)
{
    g_autofree char *message = NULL;

    if (size <= size_max)
        return TRUE;
    message = g_strdup_printf(_("the document has %zu bytes, but at most %zu are accepted"), size,
                              size_max);
    return vf_document_set_error(error, VFERRY_ERROR_LIMIT_EXCEEDED, where, 0, message);
}

gboolean
vf_document_text_check(const char **text, gsize *size, gsize size_max, const char *where,
                       guint *line, GError **error)
{
    Check check = {where, 0};
    gboolean good;

    if (*size >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
        *text += 3;
        *size -= 3;
    }
    good =
        vf_document_size_check(*size, size_max, where, error) &&
        (g_utf8_validate_len(*text, *size, NULL) ||
         fail(&check, error, 0, _("the text is not UTF-8, the only encoding that is accepted"))) &&
        check_encoding(&check, *text, *size, error) && check_markup(&check, *text, *size, error);
    if (!good && line)
        *line = (guint)MAX(check.line, 0);
    return good;
}
