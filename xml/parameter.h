/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The schema of one parameter of a model, and, where a descriptor says it, how its value is read
 * from a device and given to a new one. Immutable once it is part of a model; owned by it. */

typedef enum {
    VF_PARAMETER_BOOL,   /* yes, no */
    VF_PARAMETER_INT,    /* decimal, G_MININT64 to G_MAXINT64 */
    VF_PARAMETER_STRING, /* UTF-8 without control characters */
    VF_PARAMETER_ENUM,   /* one of the allowed values, whose order in the descriptor is kept */
    VF_PARAMETER_SIZE,   /* bytes, decimal, 0 to G_MAXINT64 */
} VfParameterType;

/* How the source's value and the destination's must relate. Only EQUAL and IGNORE are decided by
 * this version; what needs another rule is `unknown`. */
typedef enum {
    VF_COMPARE_EQUAL,
    VF_COMPARE_SUPERSET,
    VF_COMPARE_AT_LEAST,
    VF_COMPARE_AT_MOST,
    VF_COMPARE_SAME_MAJOR,
    VF_COMPARE_FIRMWARE, /* only the device can say */
    VF_COMPARE_IGNORE,
} VfCompareRule;

typedef enum {
    VF_READER_NONE,      /* the value is always unread */
    VF_READER_TYPE_NAME, /* the mdev type's id decides: type_values */
    VF_READER_ATTRIBUTE, /* reader_attribute has it as text */
} VfReaderKind;

typedef enum {
    VF_APPLIER_NONE,      /* what the type or the hardware gives */
    VF_APPLIER_ATTRIBUTE, /* written to applier_attribute after the device was created, before it is
                             opened */
} VfApplierKind;

typedef struct {
    char *glob;  /* as GPatternSpec: * and ? */
    char *value; /* canonical */
} VfTypeValue;

typedef struct {
    char *name;
    VfParameterType type;
    VfCompareRule compare;
    char *unit;        /* nullable; for people only */
    char *description; /* nullable; English */

    /* NULL: any value of the type that is in the range. Canonical; ascending for INT and SIZE, else
     * as written. */
    char **allowed;
    /* INT and SIZE: min <= value <= max and (value - min) is a multiple of step (>= 1). Without an
     * <allowed min, max, step> in the descriptor the whole range of the type. */
    gint64 min, max;
    guint64 step;

    VfReaderKind reader;
    GPtrArray *
        type_values; /* of VfTypeValue, as written, the first match counts; NULL unless TYPE_NAME */
    char
        *reader_attribute; /* relative to the device's sysfs directory, e.g. "testdev/state_size" */

    VfApplierKind applier;
    char *applier_attribute; /* relative to the device's sysfs directory */
} VfParameter;

void vf_parameter_free(VfParameter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfParameter, vf_parameter_free)

/* @text in the one spelling that a value of this type has; INVALID_ARGUMENT when it is none. Free
 * with g_free(). */
char *vf_parameter_canonicalize(const VfParameter *self, const char *text, GError **error);

/* The same, and the value must be allowed. The error names parameter, value and what is allowed. */
char *vf_parameter_check_value(const VfParameter *self, const char *text, GError **error);

/* What an attribute in sysfs says as a canonical value (a bool may be 1, 0, Y, N, y, n there), and
 * a canonical value as what is written to an attribute (a bool as 1 or 0). DEVICE when the
 * attribute's text is no value of the type. A value outside the allowed ones is returned: the
 * device has it, whatever the descriptor says. Free with g_free(). */
char *vf_parameter_decode_attribute(const VfParameter *self, const char *text, GError **error);
char *vf_parameter_encode_attribute(const VfParameter *self, const char *value);

/* The value that the mdev type @type gives, or NULL when the type does not say. Stays the
 * parameter's. */
const char *vf_parameter_value_from_type(const VfParameter *self, const char *type);

/* "1, 2", "4096 to 268435456 in steps of 4096", "yes, no", "any text": for messages. Free with
 * g_free(). */
char *vf_parameter_describe_allowed(const VfParameter *self);

/* The names in XML. to_string never fails for a valid value; from_string is FALSE for an unknown
 * name. */
const char *vf_parameter_type_to_string(VfParameterType type);
gboolean vf_parameter_type_from_string(const char *text, VfParameterType *type);
const char *vf_parameter_compare_to_string(VfCompareRule rule);
gboolean vf_parameter_compare_from_string(const char *text, VfCompareRule *rule);
