/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "baseline-axis.h"
#include "requirement.h"

/* The search for the best requirement that hosts can supply: choices are made parameter by
 * parameter, the best first, and taken back when too few hosts are left. What is found has been
 * compared with every host; the bound limits only how much is tried. */

/* So many choices are tried by one search. */
#define VF_SEARCH_STEPS 4096

typedef struct {
    const VfPool *pool;
    const char *model_id;
    GPtrArray *axes;      /* of VfAxis: the version first, then by name */
    gboolean constraints; /* a schema has some */
    guint64 *live;        /* the classes that migrate at all */
    guint reachable;      /* hosts that have one */
    gboolean bounded;     /* not everything was tried: values that were too many, or a search that
                             came to its bound */
} VfSpace;

VfSpace *vf_space_new(const VfPool *pool, const char *model_id);
void vf_space_free(VfSpace *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfSpace, vf_space_free)

typedef struct {
    gboolean lenient;         /* not known to fit is enough */
    const VfVersion *version; /* nullable: the requirement names it and has its values */
    guint hosts;              /* so many must be able to supply it */
} VfSpaceQuery;

/* The best requirement; NULL: there is none. */
VfRequirement *vf_space_search(VfSpace *self, const VfSpaceQuery *query);

/* How many hosts can supply one and the same requirement, as far as is known, at most.
 * @requirement: one that so many can, though not the best; NULL when there is none. */
guint vf_space_most(VfSpace *self, VfRequirement **requirement);

/* How many hosts have a member of @classes; 0 when they are fewer than @needed. */
guint vf_space_hosts(const VfPool *pool, const guint64 *classes, guint needed);
