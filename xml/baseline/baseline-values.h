/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "baseline-supply.h"

/* The values of one parameter that a baseline tries. */

/* Of a parameter no more are tried. What is left out then is what the fewest can supply. */
#define VF_VALUES_MAX 1024

/* What a class can supply of the parameter; classes with the same share one. */
typedef struct {
    const VfModel *model;
    const VfParameter *parameter; /* NULL: the class's model does not have it */
    const VfValue *known;         /* NULL: not known of such a device */
    gboolean settable;
    char *fixed; /* nullable: the known value, canonical, of what cannot be set */
} VfFacet;

typedef struct {
    const VfPool *pool;
    const VfParameter *parameter; /* the one whose order counts: of the schema that most have */
    GPtrArray *facets;            /* of VfFacet */
} VfValuesQuery;

/* Canonical values, the best first: at least every one at which the answer of a facet or of a
 * constraint changes, what facets have in common, and what a version says. @bounded becomes TRUE
 * when there were more. Free with g_ptr_array_unref(). */
GPtrArray *vf_values_collect(const VfValuesQuery *query, gboolean *bounded);

/* Whether @a is better (< 0) than @b: the later version, the larger number, the later value of an
 * enum, yes, more words or bits, the later text where digits count as numbers; with at-most the
 * other way round; of same-major the later major version, then the earlier of them. */
int vf_values_compare(const VfModel *model, const VfParameter *parameter, const char *a,
                      const char *b);
