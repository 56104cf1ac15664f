/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "reader.h"

/* The schema of one parameter of a model, and, where a descriptor says it, how its value is read
 * from a device and given to a new one. Immutable once it is part of a model; owned by it. */

typedef enum {
    VF_PARAMETER_BOOL,    /* yes, no */
    VF_PARAMETER_INT,     /* decimal, G_MININT64 to G_MAXINT64 */
    VF_PARAMETER_STRING,  /* UTF-8 without control characters */
    VF_PARAMETER_ENUM,    /* one of the allowed values, whose order in the descriptor is kept */
    VF_PARAMETER_SIZE,    /* bytes, decimal, 0 to G_MAXINT64 */
    VF_PARAMETER_SET,     /* words without white space, in any order; canonical: sorted, one space
                             between them, each once; "" is the empty set */
    VF_PARAMETER_BITMASK, /* 64 bits; canonical: "0x" and lower-case hexadecimal digits without
                             leading zeros */
} VfParameterType;

/* How the source's value and the destination's must relate. */
typedef enum {
    VF_COMPARE_EQUAL,
    VF_COMPARE_SUPERSET,   /* the destination has all that the source has; SET, BITMASK */
    VF_COMPARE_AT_LEAST,   /* the destination's is not less; INT, SIZE, ENUM by its order, BOOL */
    VF_COMPARE_AT_MOST,    /* the destination's is not more; the same types */
    VF_COMPARE_SAME_MAJOR, /* equal up to the first '.'; STRING */
    VF_COMPARE_FIRMWARE,   /* only the device can say */
    VF_COMPARE_IGNORE,
} VfCompareRule;

typedef enum {
    VF_APPLIER_NONE,      /* what the type or the hardware gives */
    VF_APPLIER_ATTRIBUTE, /* written to applier_attribute after the device was created, before it is
                             opened */
} VfApplierKind;

/* A number fits when min <= it <= max and (it - min) is a multiple of step (>= 1). */
typedef struct {
    gint64 min, max;
    guint64 step;
} VfRange;

typedef struct {
    char *name;
    VfParameterType type;
    VfCompareRule compare;
    gboolean enforced; /* the device refuses a state that breaks the rule; FALSE: nobody checks, the
                          rule is the vendor's word, and may be overridden */
    char *unit;        /* nullable; for people only */
    char *description; /* nullable; English */
    char *init;        /* nullable; canonical: what a new device has */
    char *off; /* nullable; canonical: the value with which a device is as if it did not have
                  the parameter; NULL: it cannot be switched off */

    /* What a device can be given. All absent: any value of the type. */
    char **allowed; /* nullable; canonical; ENUM: all values, in order; SET: the words that it may
                       have; INT and SIZE ascending, besides the ranges */
    GArray *ranges; /* nullable; of VfRange, INT and SIZE, ascending by min */
    guint64 mask;   /* BITMASK: the bits that may be set; G_MAXUINT64: any */

    VfReader reader;

    VfApplierKind applier;
    char *applier_attribute; /* relative to the device's sysfs directory */
    gboolean while_open;     /* can be applied while the device is open, too: it changes the state's
                                representation, not the hardware */
} VfParameter;

void vf_parameter_free(VfParameter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfParameter, vf_parameter_free)

/* @text in the one spelling that a value of this type has; INVALID_ARGUMENT when it is none. Free
 * with g_free(). */
char *vf_parameter_canonicalize(const VfParameter *self, const char *text, GError **error);

/* The same, and the value must be allowed. The error names parameter, value and what is allowed. */
char *vf_parameter_check_value(const VfParameter *self, const char *text, GError **error);

/* What sysfs or udev says, after vf_reader_pick(), as a canonical value, and a canonical value as
 * what is written to an attribute. A bool may be 1, 0, Y, N, y, n there, and is written as 1 or 0;
 * a size may have a suffix K, M, G or T, alone or with B or iB, always powers of 1024; a number and
 * a bitmask may be hexadecimal with 0x; the words of a set have the reader's separator. DEVICE when
 * the text is no value of the type. A value outside the allowed ones is returned: the device has
 * it, whatever the descriptor says. Free with g_free(). */
char *vf_parameter_decode_attribute(const VfParameter *self, const char *text, GError **error);
char *vf_parameter_encode_attribute(const VfParameter *self, const char *value);

/* Whether the value, canonical, can be given to a device. */
gboolean vf_parameter_allows(const VfParameter *self, const char *canonical);

VfParameter *vf_parameter_copy(const VfParameter *self);

/* INT or SIZE. */
gboolean vf_parameter_is_number(const VfParameter *self);
/* The bits of a canonical value of a BITMASK. */
guint64 vf_parameter_bits(const char *canonical);

/* Whether the rule and the type go together is vf_rule_suits() (rule.h). */

/* "1, 2", "4096 to 268435456 in steps of 4096", "yes, no", "any text": for messages. Free with
 * g_free(). */
char *vf_parameter_describe_allowed(const VfParameter *self);

/* The names in XML. to_string never fails for a valid value; from_string is FALSE for an unknown
 * name. */
const char *vf_parameter_type_to_string(VfParameterType type);
gboolean vf_parameter_type_from_string(const char *text, VfParameterType *type);
const char *vf_parameter_compare_to_string(VfCompareRule rule);
gboolean vf_parameter_compare_from_string(const char *text, VfCompareRule *rule);
