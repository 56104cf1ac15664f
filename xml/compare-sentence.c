/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "compare-parameter.h"

/* "ports=2", "state-size=4096 bytes" */
static char *
show(const VfPair *pair, const char *value)
{
    const char *unit = pair->parameter != NULL ? pair->parameter->unit : NULL;

    return g_strconcat(pair->name, "=", value, unit != NULL ? " " : NULL, unit, NULL);
}

static char *
sentence_matches(const VfPair *pair)
{
    g_autofree char *shown = show(pair, pair->source);
    return g_strdup_printf(_("Both have %s."), shown);
}

static char *
sentence_can_be_set(const VfPair *pair)
{
    g_autofree char *shown = show(pair, pair->source);
    return g_strdup_printf(_("The destination can be given %s."), shown);
}

static char *
sentence_off(const VfPair *pair)
{
    g_autofree char *shown = show(pair, pair->source);

    if (pair->settable)
        return g_strdup_printf(_("The source does not have %s; the destination can be given %s, "
                                 "which switches it off."),
                               pair->name, shown);
    return g_strdup_printf(
        _("The source does not have %s; the destination has it switched off, with %s."), pair->name,
        shown);
}

static char *
sentence_fits(const VfPair *pair)
{
    g_autofree char *left = show(pair, pair->source);
    g_autofree char *right = show(pair, pair->destination);

    if (pair->wanted == NULL)
        return g_strdup_printf(_("The source does not have %s; the destination has %s, and fits."),
                               pair->name, right);
    if (pair->settable)
        return g_strdup_printf(_("The source has %s; the destination can be given %s, which fits."),
                               left, right);
    return g_strdup_printf(_("The source has %s, the destination has %s, which fits."), left,
                           right);
}

/* Of two values of a parameter that both sides have. */
static char *
sentence_rule(const VfPair *pair, const char *left, const char *right)
{
    if (vf_pair_is_version(pair))
        return g_strdup_printf(_("The source has %s, the destination has %s, which does not load "
                                 "the state of the former."),
                               left, right);
    switch (pair->parameter->compare) {
    case VF_COMPARE_SUPERSET:
        return g_strdup_printf(_("The source has %s, the destination has %s; the destination must "
                                 "have all that the source has."),
                               left, right);
    case VF_COMPARE_AT_LEAST:
        return g_strdup_printf(
            _("The source has %s, the destination has %s; the destination must not have less."),
            left, right);
    case VF_COMPARE_AT_MOST:
        return g_strdup_printf(
            _("The source has %s, the destination has %s; the destination must not have more."),
            left, right);
    case VF_COMPARE_SAME_MAJOR:
        return g_strdup_printf(_("The source has %s, the destination has %s; they must be equal up "
                                 "to the first dot."),
                               left, right);
    case VF_COMPARE_EQUAL:
    case VF_COMPARE_FIRMWARE:
    case VF_COMPARE_IGNORE:
    default:
        return g_strdup_printf(_("The source has %s, the destination has %s; they must be equal, "
                                 "since the state of one cannot be loaded by the other."),
                               left, right);
    }
}

static char *
sentence_differs(const VfPair *pair)
{
    g_autofree char *left = show(pair, pair->source);
    g_autofree char *right = show(pair, pair->destination);

    if (pair->wanted == NULL)
        return g_strdup_printf(
            _("The source does not have %s; the destination has %s, which is not switched off."),
            pair->name, right);
    return sentence_rule(pair, left, right);
}

static char *
sentence_invalid(const VfPair *pair)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *canonical = vf_parameter_canonicalize(pair->parameter, pair->source, &error);

    return g_strdup_printf(_("The destination cannot understand the source's value: %s."),
                           error != NULL ? error->message : canonical);
}

static char *
sentence_not_allowed(const VfPair *pair)
{
    g_autofree char *shown = show(pair, pair->source);
    g_autofree char *allowed = vf_parameter_describe_allowed(pair->parameter);

    return g_strdup_printf(_("The source has %s; the destination allows %s."), shown, allowed);
}

static char *
sentence_unread(const VfPair *pair)
{
    if (pair->source == NULL && pair->destination == NULL && !pair->settable)
        return g_strdup_printf(_("The value of %s could be read neither at the source nor at the "
                                 "destination."),
                               pair->name);
    if (pair->source == NULL)
        return g_strdup_printf(_("The value of %s could not be read at the source."), pair->name);
    if (pair->wanted == NULL)
        return g_strdup_printf(_("The source does not have %s; whether the destination has it "
                                 "switched off could not be read."),
                               pair->name);
    return g_strdup_printf(
        _("The source has %s=%s; the value at the destination could not be read."), pair->name,
        pair->source);
}

static char *
sentence_firmware(const VfPair *pair)
{
    return g_strdup_printf(
        _("Whether %s fits only the device itself can say (source %s, destination %s)."),
        pair->name, pair->source ?: "?", pair->given ?: "?");
}

char *
vf_pair_sentence(const VfPair *self)
{
    switch (self->result) {
    case VF_PAIR_MATCHES:
        return sentence_matches(self);
    case VF_PAIR_FITS:
        return sentence_fits(self);
    case VF_PAIR_OFF:
        return sentence_off(self);
    case VF_PAIR_CAN_BE_SET:
        return sentence_can_be_set(self);
    case VF_PAIR_IGNORED:
        return g_strdup_printf(_("%s does not matter."), self->name);
    case VF_PAIR_VALUE_DIFFERS:
        return sentence_differs(self);
    case VF_PAIR_VALUE_INVALID:
        return sentence_invalid(self);
    case VF_PAIR_VALUE_NOT_ALLOWED:
        return sentence_not_allowed(self);
    case VF_PAIR_VALUE_UNREAD:
        return sentence_unread(self);
    case VF_PAIR_PARAMETER_UNKNOWN:
        return g_strdup_printf(
            _("The source has %s=%s; the destination does not know this parameter."), self->name,
            self->source ?: "?");
    case VF_PAIR_PARAMETER_MISSING:
        return g_strdup_printf(
            _("The destination has the parameter %s, which the source does not know."), self->name);
    case VF_PAIR_FIRMWARE_DECIDES:
        return sentence_firmware(self);
    case VF_PAIR_NOTHING:
    default:
        return g_strdup("");
    }
}
