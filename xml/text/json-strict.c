/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "json-strict.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "text.h"

#define DIGITS "0123456789"
#define DIGITS_MAX 18
#define LARGE_DIGITS_MAX 99
#define MESSAGE_MAX 200 /* the parser quotes the document */

/* --- the characters, before the parser sees them --- */

typedef struct {
    const char *where;
    const VfJsonLimits *limits;
    char *p;
    guint line;
    guint depth;
    gboolean ended; /* the root has been closed */
} Scan;

static gboolean fail(const Scan *self, VferryError code, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
fail(const Scan *self, VferryError code, GError **error, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, VFERRY_ERROR, code, "%s:%u: %s", self->where, self->line, message);
    return FALSE;
}

/* Names in what follows are printed by others: as much of @text as helps, without control
 * characters. */
static gboolean
fail_at(const Scan *self, const char *rule, GError **error)
{
    g_autofree char *cut = g_utf8_substring(self->p, 0, MIN(g_utf8_strlen(self->p, -1), 20));
    g_autofree char *shown = vf_text_clean(cut);

    return fail(self, VFERRY_ERROR_INVALID_ARGUMENT, error, _("at “%s”: %s"), shown, rule);
}

/* The number of the escape at @p, "\\u00e4"; 0 when there is none. */
static guint
escaped_unit(const char *p)
{
    guint unit = 0;

    if (p[0] != '\\' || p[1] != 'u' || strspn(p + 2, DIGITS "abcdefABCDEF") < 4)
        return 0;
    for (guint i = 2; i < 6; i++)
        unit = unit * 16 + (guint)g_ascii_xdigit_value(p[i]);
    return unit;
}

/* RFC 8259, section 7: a character beyond U+FFFF is a pair. Moves behind the first of it. */
static gboolean
scan_pair(Scan *self, GError **error)
{
    guint first = escaped_unit(self->p);
    guint second = escaped_unit(self->p + 6);

    if (first < 0xd800 || first > 0xdfff)
        return TRUE;
    if (first > 0xdbff || second < 0xdc00 || second > 0xdfff)
        return fail_at(self, _("\\u names half a character"), error);
    self->p += 6;
    return TRUE;
}

static gboolean
scan_escape(Scan *self, GError **error)
{
    if (self->p[1] == '\0' || !strchr("\"\\/bfnrtu", self->p[1]))
        return fail_at(self, _("a string has no such escape"), error);
    if (self->p[1] == 'u' && strspn(self->p + 2, DIGITS "abcdefABCDEF") < 4)
        return fail_at(self, _("\\u needs four hexadecimal digits"), error);
    if (g_str_has_prefix(self->p, "\\u0000"))
        return fail_at(self, _("a string does not have the character U+0000"), error);
    if (self->p[1] == 'u' && !scan_pair(self, error))
        return FALSE;
    self->p += 2;
    return TRUE;
}

/* @self->p is at the opening quote, and afterwards behind the closing one. */
static gboolean
scan_string(Scan *self, GError **error)
{
    self->p++;
    while (*self->p != '"') {
        if (*self->p == '\0')
            return fail_at(self, _("a string is not closed"), error);
        if ((guchar)*self->p < ' ')
            return fail_at(self, _("a string has no control characters"), error);
        if (*self->p != '\\')
            self->p++;
        else if (!scan_escape(self, error))
            return FALSE;
    }
    self->p++;
    return TRUE;
}

/* "-12", "0.5", "1e-3" */
static gboolean
is_number(const char *word, guint digits_max)
{
    const char *p = word + (word[0] == '-');
    gsize digits = strspn(p, DIGITS);
    gboolean whole = p[digits] == '\0';

    if (digits == 0 || (p[0] == '0' && digits > 1) || (whole && digits > digits_max))
        return FALSE;
    p += digits;
    if (*p == '.') {
        digits = strspn(++p, DIGITS);
        p += digits;
    }
    if (digits > 0 && (*p == 'e' || *p == 'E')) {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        digits = strspn(p, DIGITS);
        p += digits;
    }
    return digits > 0 && *p == '\0';
}

/* "18446744073709551615" becomes "1.84467440737095e+19" where it stands. @digits: at least 19. */
static void
make_double(char *digits, gsize n)
{
    g_autofree char *text =
        g_strdup_printf("%c.%.*se+%02" G_GSIZE_FORMAT, digits[0], (int)(n - 6), digits + 1, n - 1);

    memcpy(digits, text, n);
}

static gboolean
scan_word(Scan *self, GError **error)
{
    gsize length = strcspn(self->p, " \t\r\n{}[]:,\"");
    g_autofree char *word = g_strndup(self->p, length);
    gboolean large = self->limits->large_numbers;

    if (large && strspn(word + (word[0] == '-'), DIGITS) + (word[0] == '-') == length &&
        length > DIGITS_MAX && is_number(word, LARGE_DIGITS_MAX) &&
        !g_ascii_string_to_signed(word, 10, G_MININT64, G_MAXINT64, NULL, NULL))
        make_double(self->p + (word[0] == '-'), length - (word[0] == '-'));
    else if (!g_str_equal(word, "true") && !g_str_equal(word, "false") &&
             !g_str_equal(word, "null") && !is_number(word, large ? LARGE_DIGITS_MAX : DIGITS_MAX))
        return fail_at(self,
                       _("there must be true, false, null, a text in double quotes or a decimal "
                         "number (a whole one of at most 18 digits)"),
                       error);
    self->p += length;
    return TRUE;
}

static gboolean
scan_bracket(Scan *self, GError **error)
{
    gboolean opens = *self->p == '{' || *self->p == '[';

    if (opens && self->depth == self->limits->depth)
        return fail(self, VFERRY_ERROR_LIMIT_EXCEEDED, error, _("more than %u levels"),
                    self->limits->depth);
    if (!opens && self->depth == 0)
        return fail_at(self, _("nothing is open here"), error);
    self->depth += opens ? 1 : -1;
    self->ended = self->depth == 0;
    self->p++;
    return TRUE;
}

static gboolean
scan_next(Scan *self, GError **error)
{
    if (strchr(" \t\r\n", *self->p)) {
        self->line += *self->p++ == '\n';
        return TRUE;
    }
    if (self->ended)
        return fail_at(self, _("nothing may follow the document"), error);
    if (strchr("{}[]", *self->p))
        return scan_bracket(self, error);
    if (self->depth == 0)
        return fail_at(self, _("the document must be an object"), error);
    if (*self->p == '"')
        return scan_string(self, error);
    if (*self->p != ':' && *self->p != ',')
        return scan_word(self, error);
    self->p++;
    return TRUE;
}

/* May change numbers in @text (make_double()). */
static gboolean
scan(char *text, const char *where, const VfJsonLimits *limits, GError **error)
{
    Scan self = {where, limits, text, 1, 0, FALSE};

    while (*self.p != '\0')
        if (!scan_next(&self, error))
            return FALSE;
    return self.ended || fail(&self, VFERRY_ERROR_INVALID_ARGUMENT, error, _("it ends too early"));
}

/* --- the parser --- */

typedef struct {
    GHashTable *seen; /* "address of the object, name" */
    char *twice;      /* the first member that was there before */
} Members;

static void
on_member(JsonParser *parser, JsonObject *object, const char *name, Members *members)
{
    char *key = g_strdup_printf("%p %s", (void *)object, name);

    if (!g_hash_table_add(members->seen, key) && !members->twice)
        members->twice = g_strdup(name);
}

JsonNode *
vf_json_strict_parse_within(const char *text, gssize size, const char *where,
                            const VfJsonLimits *limits, GError **error)
{
    gsize length = size < 0 ? strlen(text) : (gsize)size;
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GError) cause = NULL;
    g_autofree char *copy = NULL;
    g_autofree char *twice = NULL;
    g_autofree char *shown = NULL;
    Members members = {seen, NULL};
    gboolean parsed;
    JsonNode *root;

    if (length > limits->size) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("%s: more than %zu bytes of JSON"), where, limits->size);
        return NULL;
    }
    if (!g_utf8_validate(text, (gssize)length, NULL)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("%s: it is not UTF-8"),
                    where);
        return NULL;
    }
    copy = g_strndup(text, length);
    if (!scan(copy, where, limits, error))
        return NULL;

    g_signal_connect(parser, "object-member", G_CALLBACK(on_member), &members);
    parsed = json_parser_load_from_data(parser, copy, -1, &cause);
    twice = members.twice;
    if (!parsed) {
        shown = vf_text_excerpt(cause->message, MESSAGE_MAX);
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, "%s: %s", where, shown);
        return NULL;
    }
    if (twice) {
        shown = vf_text_excerpt(twice, 60);
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("%s: the member “%.60s” is there twice"), where, shown);
        return NULL;
    }

    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("%s: the document must be an object"), where);
        return NULL;
    }
    return json_parser_steal_root(parser);
}

JsonNode *
vf_json_strict_parse(const char *text, gssize size, const char *where, GError **error)
{
    static const VfJsonLimits limits = {VF_JSON_STRICT_SIZE_MAX, VF_JSON_STRICT_DEPTH_MAX, FALSE};

    return vf_json_strict_parse_within(text, size, where, &limits, error);
}
