/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "baseline-values.h"

/* One parameter of a baseline: what a requirement can say of it, the best first, and which classes
 * can supply each. A set of classes is an array of bits. */

typedef struct {
    const char *text; /* nullable: a requirement that does not have the parameter, or an unread
                         value */
    gboolean unread;
    gboolean proven; /* there is a class that surely can supply it */
    guint64 *fits;   /* the classes that surely can */
    guint64 *may;    /* these, and those of which it is not known */
} VfAxisChoice;

typedef struct {
    const char *name;
    const VfParameter *parameter; /* of the schema that most hosts have */
    GPtrArray *facets;            /* of VfFacet */
    guint *facet_of;              /* by class */
    GPtrArray *values;            /* of char * */
    GArray *choices;              /* of VfAxisChoice */
    gboolean bounded;             /* there were more values than are tried */
    gboolean proven;              /* there is a choice that is */
    const char **given; /* what a class of a facet then has, nullable; by facet, then by choice */
    GStringChunk *texts;
} VfAxis;

VfAxis *vf_axis_new(const VfPool *pool, const char *name);
void vf_axis_free(VfAxis *self);

static inline const VfAxisChoice *
vf_axis_choice(const VfAxis *self, guint i)
{
    return &g_array_index(self->choices, VfAxisChoice, i);
}

static inline const VfFacet *
vf_axis_facet(const VfAxis *self, guint class_index)
{
    return self->facets->pdata[self->facet_of[class_index]];
}

/* Whether a choice is an answer. What nobody surely can supply is a guess, and to leave a parameter
 * open that some host has a value of only hides that others have another one. */
static inline gboolean
vf_axis_offers(const VfAxis *self, guint choice)
{
    const VfAxisChoice *one = vf_axis_choice(self, choice);
    return one->unread ? !self->proven : one->proven;
}

/* What a class would have with a choice, as far as it is known. */
static inline const char *
vf_axis_given(const VfAxis *self, guint class_index, guint choice)
{
    return self->given[(gsize)self->facet_of[class_index] * self->choices->len + choice];
}

/* The place of the choice, -1 when there is none; @text NULL: that the requirement does not have
 * it. */
int vf_axis_find(const VfAxis *self, const char *text);

static inline guint
vf_class_words(const VfPool *pool)
{
    return pool->classes->len / 64 + 1;
}

static inline gboolean
vf_class_is_in(const guint64 *set, guint i)
{
    return (set[i / 64] >> (i % 64)) & 1;
}

static inline void
vf_class_put_in(guint64 *set, guint i)
{
    set[i / 64] |= G_GUINT64_CONSTANT(1) << (i % 64);
}
