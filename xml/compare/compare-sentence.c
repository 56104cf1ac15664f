/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "compare-sentence.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* A report is made for every offer that is looked at, so its sentences are put together by hand:
 * printf() and the search for a translation would take most of the time. The formats know %s and
 * %1$s alone, which msgfmt checks in every translation. */

typedef enum {
    MATCHES,
    CAN_BE_SET,
    OFF_CAN_BE_SET,
    OFF,
    FITS,
    FITS_OFF,
    FITS_CAN_BE_SET,
    IGNORED,
    DIFFERS_EQUAL,
    DIFFERS_SUPERSET,
    DIFFERS_AT_LEAST,
    DIFFERS_AT_MOST,
    DIFFERS_SAME_MAJOR,
    DIFFERS_VERSION,
    DIFFERS_OFF,
    INVALID,
    NOT_ALLOWED,
    UNREAD,
    UNREAD_SOURCE,
    UNREAD_DESTINATION,
    UNREAD_OFF,
    UNKNOWN_PARAMETER,
    MISSING_PARAMETER,
    FIRMWARE,
    N_FORMATS
} Format;

G_STATIC_ASSERT(N_FORMATS <= VF_SENTENCES_MAX);

static const char *const formats[N_FORMATS] = {
    [MATCHES] = N_("Both have %s."),
    [CAN_BE_SET] = N_("The destination can be given %s."),
    [OFF_CAN_BE_SET] = N_("The source does not have %s; the destination can be given %s, which "
                          "switches it off."),
    [OFF] = N_("The source does not have %s; the destination has it switched off, with %s."),
    [FITS] = N_("The source has %s, the destination has %s, which fits."),
    [FITS_OFF] = N_("The source does not have %s; the destination has %s, which fits."),
    [FITS_CAN_BE_SET] = N_("The source has %s; the destination can be given %s, which fits."),
    [IGNORED] = N_("%s does not matter."),
    [DIFFERS_EQUAL] = N_("The source has %s, the destination has %s; they must be equal, since the "
                         "state of one cannot be loaded by the other."),
    [DIFFERS_SUPERSET] = N_("The source has %s, the destination has %s; the destination must have "
                            "all that the source has."),
    [DIFFERS_AT_LEAST] =
        N_("The source has %s, the destination has %s; the destination must not have less."),
    [DIFFERS_AT_MOST] =
        N_("The source has %s, the destination has %s; the destination must not have more."),
    [DIFFERS_SAME_MAJOR] = N_("The source has %s, the destination has %s; they must be equal up to "
                              "the first dot."),
    [DIFFERS_VERSION] = N_("The source has %s, the destination has %s, which does not load the "
                           "state of the former."),
    [DIFFERS_OFF] =
        N_("The source does not have %s; the destination has %s, which is not switched off."),
    [INVALID] = N_("The destination cannot understand the source's value: %s."),
    [NOT_ALLOWED] = N_("The source has %s; the destination allows %s."),
    [UNREAD] = N_("The value of %s could be read neither at the source nor at the destination."),
    [UNREAD_SOURCE] = N_("The value of %s could not be read at the source."),
    [UNREAD_DESTINATION] = N_("The source has %s; the value at the destination could not be read."),
    [UNREAD_OFF] = N_("The source does not have %s; whether the destination has it switched off "
                      "could not be read."),
    [UNKNOWN_PARAMETER] = N_("The source has %s; the destination does not know this parameter."),
    [MISSING_PARAMETER] =
        N_("The destination has the parameter %s, which the source does not know."),
    [FIRMWARE] = N_("Whether %s fits only the device itself can say (source %s, destination %s)."),
};

/* What takes the place of one %s: its pieces, one behind the other. */
typedef struct {
    const char *pieces[5];
    guint n;
} Argument;

static Argument
plain(const char *text)
{
    return (Argument){{text}, 1};
}

/* "ports=2", "state-size=4096 bytes" */
static Argument
show(const VfPair *pair, const char *value)
{
    const char *unit = pair->parameter ? pair->parameter->unit : NULL;
    const char *shown = value ? value : "?";

    return (Argument){{pair->name, "=", shown, " ", unit}, unit != NULL && value ? 5 : 3};
}

/* The argument that @p, at a '%', stands for, counted from 0, and behind it. */
static const char *
parse_directive(const char *p, guint *next, guint *index)
{
    if (g_ascii_isdigit(p[1]) && p[2] == '$') {
        *index = (guint)(p[1] - '1');
        return p + 4;
    }
    *index = (*next)++;
    return p + MIN(strlen(p), 2);
}

/* @buffer NULL: only says how long it will be. */
static gsize
expand(const char *format, const Argument *arguments, guint n, char *buffer)
{
    gsize length = 0;
    guint next = 0;

    while (*format != '\0') {
        gsize run = strcspn(format, "%");
        guint index;
        if (buffer)
            memcpy(buffer + length, format, run);
        length += run;
        format += run;
        if (*format == '\0')
            break;
        format = parse_directive(format, &next, &index);
        for (guint i = 0; index < n && i < arguments[index].n; i++) {
            gsize size = strlen(arguments[index].pieces[i]);
            if (buffer)
                memcpy(buffer + length, arguments[index].pieces[i], size);
            length += size;
        }
    }
    return length;
}

static char *
make(VfSentences *cache, Format format, const Argument *arguments, guint n)
{
    gsize length;
    char *text;

    if (!cache->translated[format])
        cache->translated[format] = _(formats[format]);
    length = expand(cache->translated[format], arguments, n, NULL);
    text = g_malloc(length + 1);
    expand(cache->translated[format], arguments, n, text);
    text[length] = '\0';
    return text;
}

static char *
make_one(VfSentences *cache, Format format, Argument argument)
{
    return make(cache, format, &argument, 1);
}

static char *
make_two(VfSentences *cache, Format format, Argument first, Argument second)
{
    const Argument arguments[] = {first, second};
    return make(cache, format, arguments, 2);
}

static Format
format_differs(const VfPair *pair)
{
    if (vf_pair_is_version(pair))
        return DIFFERS_VERSION;
    switch (pair->parameter->compare) {
    case VF_COMPARE_SUPERSET:
        return DIFFERS_SUPERSET;
    case VF_COMPARE_AT_LEAST:
        return DIFFERS_AT_LEAST;
    case VF_COMPARE_AT_MOST:
        return DIFFERS_AT_MOST;
    case VF_COMPARE_SAME_MAJOR:
        return DIFFERS_SAME_MAJOR;
    case VF_COMPARE_EQUAL:
    case VF_COMPARE_FIRMWARE:
    case VF_COMPARE_IGNORE:
    default:
        return DIFFERS_EQUAL;
    }
}

/* Of two values: what the source has not is named, not shown. */
static char *
make_both(const VfPair *pair, VfSentences *cache, Format both, Format off)
{
    if (!pair->wanted)
        return make_two(cache, off, plain(pair->name), show(pair, pair->destination));
    return make_two(cache, both, show(pair, pair->source), show(pair, pair->destination));
}

static char *
make_invalid(const VfPair *pair, VfSentences *cache)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *canonical = vf_parameter_canonicalize(pair->parameter, pair->source, &error);

    return make_one(cache, INVALID, plain(error ? error->message : canonical));
}

static char *
make_not_allowed(const VfPair *pair, VfSentences *cache)
{
    g_autofree char *allowed = vf_parameter_describe_allowed(pair->parameter);
    return make_two(cache, NOT_ALLOWED, show(pair, pair->source), plain(allowed));
}

static char *
make_unread(const VfPair *pair, VfSentences *cache)
{
    if (!pair->source && !pair->destination && !pair->settable)
        return make_one(cache, UNREAD, plain(pair->name));
    if (!pair->source)
        return make_one(cache, UNREAD_SOURCE, plain(pair->name));
    if (!pair->wanted)
        return make_one(cache, UNREAD_OFF, plain(pair->name));
    return make_one(cache, UNREAD_DESTINATION, show(pair, pair->source));
}

static char *
make_firmware(const VfPair *pair, VfSentences *cache)
{
    const Argument arguments[] = {plain(pair->name), plain(pair->source ?: "?"),
                                  plain(pair->given ?: "?")};
    return make(cache, FIRMWARE, arguments, 3);
}

char *
vf_pair_sentence(const VfPair *self, VfSentences *cache)
{
    switch (self->result) {
    case VF_PAIR_MATCHES:
        return make_one(cache, MATCHES, show(self, self->source));
    case VF_PAIR_FITS:
        return make_both(self, cache, self->settable ? FITS_CAN_BE_SET : FITS, FITS_OFF);
    case VF_PAIR_OFF:
        return make_two(cache, self->settable ? OFF_CAN_BE_SET : OFF, plain(self->name),
                        show(self, self->source));
    case VF_PAIR_CAN_BE_SET:
        return make_one(cache, CAN_BE_SET, show(self, self->source));
    case VF_PAIR_IGNORED:
        return make_one(cache, IGNORED, plain(self->name));
    case VF_PAIR_VALUE_DIFFERS:
        return make_both(self, cache, format_differs(self), DIFFERS_OFF);
    case VF_PAIR_VALUE_INVALID:
        return make_invalid(self, cache);
    case VF_PAIR_VALUE_NOT_ALLOWED:
        return make_not_allowed(self, cache);
    case VF_PAIR_VALUE_UNREAD:
        return make_unread(self, cache);
    case VF_PAIR_PARAMETER_UNKNOWN:
        return make_one(cache, UNKNOWN_PARAMETER, show(self, self->source));
    case VF_PAIR_PARAMETER_MISSING:
        return make_one(cache, MISSING_PARAMETER, plain(self->name));
    case VF_PAIR_FIRMWARE_DECIDES:
        return make_firmware(self, cache);
    case VF_PAIR_NOTHING:
    default:
        return g_strdup("");
    }
}
