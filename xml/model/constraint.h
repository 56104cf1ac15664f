/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "parameter.h"

/* What must hold between parameters: when all conditions of `when` hold, all of `then` must. */

typedef enum {
    VF_CONDITION_IS,
    VF_CONDITION_IS_NOT,
    VF_CONDITION_AT_LEAST,
    VF_CONDITION_AT_MOST,
    VF_CONDITION_HAS, /* a set has all these words, a bitmask all these bits */
} VfConditionTest;

typedef struct {
    char *parameter;
    VfConditionTest test;
    char *value; /* canonical, of the parameter's type */
} VfCondition;

typedef struct {
    char *description; /* nullable; English: what a person is told who breaks it */
    GPtrArray *when;   /* of VfCondition; empty: always */
    GPtrArray *then;   /* of VfCondition, at least one */
} VfConstraint;

typedef enum {
    VF_TRUTH_NO,
    VF_TRUTH_YES,
    VF_TRUTH_UNKNOWN, /* a value that it depends on is not known */
} VfTruth;

VfConstraint *vf_constraint_new(void);
VfConstraint *vf_constraint_copy(const VfConstraint *self);
void vf_constraint_free(VfConstraint *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfConstraint, vf_constraint_free)

void vf_condition_free(VfCondition *self);

/* The value of a parameter for a check, canonical; NULL: not known. */
typedef const char *(*VfConstraintLookup)(const VfParameter *parameter, gpointer data);

/* @parameters: of VfParameter, sorted by name; it has every parameter that the constraint names. */
VfTruth vf_constraint_check(const VfConstraint *self, GPtrArray *parameters,
                            VfConstraintLookup lookup, gpointer data);

/* Whether any values of @parameters satisfy all of @constraints (of VfConstraint): looks at the
 * values at which a condition can change, at most @steps combinations. UNKNOWN when that was not
 * enough to tell. */
VfTruth vf_constraint_satisfiable(GPtrArray *constraints, GPtrArray *parameters, guint steps);

/* "queues at-least 3": for messages. Free with g_free(). */
char *vf_condition_describe(const VfCondition *self);

const char *vf_condition_test_to_string(VfConditionTest test);
gboolean vf_condition_test_from_string(const char *text, VfConditionTest *test);
