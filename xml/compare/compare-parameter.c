/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "compare-parameter.h"

#include <string.h>

#include "rule.h"

static const struct {
    const char *code;
    VfVerdict verdict;
} results[] = {
    [VF_PAIR_NOTHING] = {NULL, VF_VERDICT_IDENTICAL},
    [VF_PAIR_MATCHES] = {VF_REPORT_CODE_MATCHES, VF_VERDICT_IDENTICAL},
    [VF_PAIR_FITS] = {VF_REPORT_CODE_FITS, VF_VERDICT_SUPERSET},
    [VF_PAIR_OFF] = {VF_REPORT_CODE_OFF, VF_VERDICT_IDENTICAL},
    [VF_PAIR_CAN_BE_SET] = {VF_REPORT_CODE_CAN_BE_SET, VF_VERDICT_IDENTICAL},
    [VF_PAIR_IGNORED] = {VF_REPORT_CODE_IGNORED, VF_VERDICT_IDENTICAL},
    [VF_PAIR_VALUE_DIFFERS] = {VF_REPORT_CODE_VALUE_DIFFERS, VF_VERDICT_INCOMPATIBLE},
    [VF_PAIR_VALUE_INVALID] = {VF_REPORT_CODE_VALUE_INVALID, VF_VERDICT_INCOMPATIBLE},
    [VF_PAIR_VALUE_NOT_ALLOWED] = {VF_REPORT_CODE_VALUE_NOT_ALLOWED, VF_VERDICT_INCOMPATIBLE},
    [VF_PAIR_VALUE_UNREAD] = {VF_REPORT_CODE_VALUE_UNREAD, VF_VERDICT_UNKNOWN},
    [VF_PAIR_PARAMETER_UNKNOWN] = {VF_REPORT_CODE_PARAMETER_UNKNOWN, VF_VERDICT_INCOMPATIBLE},
    [VF_PAIR_PARAMETER_MISSING] = {VF_REPORT_CODE_PARAMETER_MISSING, VF_VERDICT_UNKNOWN},
    [VF_PAIR_FIRMWARE_DECIDES] = {VF_REPORT_CODE_FIRMWARE_DECIDES, VF_VERDICT_UNKNOWN},
};

/* --- values in their one spelling: these tests may miss one, and then it is only made anew */

static gboolean
is_plain_number(const char *text, gboolean sign)
{
    const char *digits = text + (sign && text[0] == '-');
    gsize length = strspn(digits, "0123456789");

    if (length < 1 || length > 18 || digits[length] != '\0')
        return FALSE;
    return digits[0] != '0' || (length == 1 && digits == text);
}

static gboolean
is_plain_bitmask(const char *text)
{
    gsize length = g_str_has_prefix(text, "0x") ? strspn(text + 2, "0123456789abcdef") : 0;

    return length >= 1 && length <= 16 && text[2 + length] == '\0' &&
           (text[2] != '0' || length == 1);
}

static gboolean
is_plain_text(const char *text)
{
    gsize length = 0;

    while (text[length] >= ' ' && text[length] <= '~')
        length++;
    return text[length] == '\0' && length <= VF_VALUE_TEXT_MAX;
}

/* The words in order, each once. */
static gboolean
is_plain_set(const char *text)
{
    const char *word = text;
    gsize length = strcspn(word, " ");

    if (!is_plain_text(text))
        return FALSE;
    while (word[length] == ' ') {
        const char *next = word + length + 1;
        gsize next_length = strcspn(next, " ");
        int order = memcmp(word, next, MIN(length, next_length));
        if (length == 0 || next_length == 0 || order > 0 || (order == 0 && length >= next_length))
            return FALSE;
        word = next;
        length = next_length;
    }
    return TRUE;
}

static gboolean
is_plain(VfParameterType type, const char *text)
{
    switch (type) {
    case VF_PARAMETER_BOOL:
        return g_str_equal(text, "yes") || g_str_equal(text, "no");
    case VF_PARAMETER_INT:
    case VF_PARAMETER_SIZE:
        return is_plain_number(text, type == VF_PARAMETER_INT);
    case VF_PARAMETER_BITMASK:
        return is_plain_bitmask(text);
    case VF_PARAMETER_SET:
        return is_plain_set(text);
    case VF_PARAMETER_STRING:
    case VF_PARAMETER_ENUM:
    default:
        return is_plain_text(text);
    }
}

/* NULL when @text is no value of the parameter's type. */
static const char *
canonicalize(const VfParameter *parameter, const char *text, char **owned)
{
    if (is_plain(parameter->type, text))
        return text;
    *owned = vf_parameter_canonicalize(parameter, text, NULL);
    return *owned;
}

/* --- deciding */

gboolean
vf_pair_is_version(const VfPair *self)
{
    return self->model->version_parameter &&
           g_str_equal(self->model->version_parameter, self->name);
}

static VfRelation
relate(const VfPair *self, const char *destination)
{
    VfRelation relation = vf_rule_relate(self->parameter, self->source, destination);

    if (relation == VF_RELATION_DIFFERS && vf_pair_is_version(self) &&
        vf_model_version_loads(self->model, destination, self->source))
        return VF_RELATION_FITS;
    return relation;
}

/* What it has now does not count. */
static VfPairResult
decide_settable(VfPair *self)
{
    self->destination = NULL;
    self->given = self->source;
    if (!self->wanted)
        return VF_PAIR_OFF;
    if (vf_parameter_allows(self->parameter, self->source))
        return VF_PAIR_CAN_BE_SET;
    g_free(self->owned[1]);
    self->owned[1] = vf_rule_nearest(self->parameter, self->source);
    self->destination = self->given = self->owned[1];
    return self->owned[1] ? VF_PAIR_FITS : VF_PAIR_VALUE_NOT_ALLOWED;
}

static VfPairResult
decide_fixed(VfPair *self)
{
    if (!self->destination)
        return VF_PAIR_VALUE_UNREAD;
    /* what is no value of the type cannot be what the source has */
    if (!self->given)
        return VF_PAIR_VALUE_DIFFERS;
    switch (relate(self, self->destination)) {
    case VF_RELATION_SAME:
        return self->wanted ? VF_PAIR_MATCHES : VF_PAIR_OFF;
    case VF_RELATION_FITS:
        return VF_PAIR_FITS;
    case VF_RELATION_UNDECIDED:
        return VF_PAIR_FIRMWARE_DECIDES;
    case VF_RELATION_DIFFERS:
    default:
        return VF_PAIR_VALUE_DIFFERS;
    }
}

static VfPairResult
decide(VfPair *self)
{
    const VfParameter *parameter = self->parameter;
    const char *wanted = self->wanted ? self->wanted->value : NULL;
    const char *known = self->known ? self->known->value : NULL;

    /* what the destination has, or is made with */
    if (known) {
        self->given = canonicalize(parameter, known, &self->owned[1]);
        self->destination = self->given ?: known;
    } else if (self->settable) {
        self->given = parameter->init;
    }

    /* what the source has: what is no value of the type is shown as it is */
    self->source = wanted;
    if (parameter->compare == VF_COMPARE_IGNORE)
        return self->wanted ? VF_PAIR_IGNORED : VF_PAIR_NOTHING;
    if (wanted && !canonicalize(parameter, wanted, &self->owned[0]))
        return VF_PAIR_VALUE_INVALID;
    if (self->owned[0])
        self->source = self->owned[0];
    if (parameter->compare == VF_COMPARE_FIRMWARE)
        return VF_PAIR_FIRMWARE_DECIDES;
    if (!self->wanted)
        self->source = parameter->off;
    if (!self->source && self->settable && self->wanted)
        self->given = NULL; /* it would have to be set, and to what is not known */
    if (!self->source)
        return self->wanted ? VF_PAIR_VALUE_UNREAD : VF_PAIR_PARAMETER_MISSING;

    return self->settable ? decide_settable(self) : decide_fixed(self);
}

void
vf_pair_decide(VfPair *self)
{
    if (self->parameter) {
        self->result = decide(self);
        return;
    }
    self->source = self->wanted->value;
    self->result = VF_PAIR_PARAMETER_UNKNOWN;
}

void
vf_pair_clear(VfPair *self)
{
    g_free(self->owned[0]);
    g_free(self->owned[1]);
}

const char *
vf_pair_code(const VfPair *self)
{
    return results[self->result].code;
}

VfVerdict
vf_pair_verdict(const VfPair *self)
{
    return results[self->result].verdict;
}

/* What nobody checks, what nobody could read, and what only trying tells: the load may fail, and
 * then the source runs on. Never what is known to be refused by the device. */
gboolean
vf_pair_overridable(const VfPair *self)
{
    if (self->result == VF_PAIR_VALUE_DIFFERS)
        return !self->parameter->enforced;
    return vf_pair_verdict(self) == VF_VERDICT_UNKNOWN;
}
