/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "parameter.h"

/* How two values of one parameter relate. */

typedef enum {
    VF_RELATION_SAME,      /* the two values are one */
    VF_RELATION_FITS,      /* they differ, and the rule lets a device with @destination have the
                              state of one with @source */
    VF_RELATION_DIFFERS,   /* it does not */
    VF_RELATION_UNDECIDED, /* only the device can say */
} VfRelation;

/* By the parameter's comparison rule; both values canonical. A parameter that holds the version is
 * compared by vf_model_relate(), which knows what each version loads. */
VfRelation vf_rule_relate(const VfParameter *parameter, const char *source,
                          const char *destination);

/* The order of two canonical values: less than, equal to, greater than 0. FALSE when they have
 * none: strings, and sets and bitmasks neither of which contains the other. A number by size, an
 * enum by the order of its allowed values, a bool no before yes, a set and a bitmask by inclusion.
 */
gboolean vf_rule_order(const VfParameter *parameter, const char *a, const char *b, int *order);

/* The allowed value of a number that is nearest to @value: with @above the least of those not below
 * it, else the greatest of those not above it. FALSE when there is none. */
gboolean vf_rule_nearest_number(const VfParameter *parameter, gint64 value, gboolean above,
                                gint64 *found);

/* Of the values that a device can be given, and with which it can have the state of one with
 * @source, canonical, the nearest: itself when it is allowed; of words the first. NULL when there
 * is none. Free with g_free(). */
char *vf_rule_nearest(const VfParameter *parameter, const char *source);

/* Whether the rule can be used with the type: superset with set and bitmask, at-least and at-most
 * with int, size, enum and bool, same-major with string, the others with all. */
gboolean vf_rule_suits(VfCompareRule rule, VfParameterType type);
