/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "facts.h"
#include "parent.h"
#include "report.h"
#include "requirement.h"
#include "settings.h"

G_BEGIN_DECLS

/* What is to be made, and every write that makes it so: nothing of it is decided while it is made.
 */
typedef struct {
    VfParent *parent;
    char *type;
    char *id;                   /* of the device; NULL until its provider has named it */
    gboolean wished;            /* somebody named that id */
    GPtrArray *settings;        /* of VfSetting, in order */
    VfRequirement *requirement; /* that what is read back meets; NULL when nothing is known about
                                   the type */
    gboolean partial;           /* it names only what somebody asked for */
    VfReport *overridden;       /* NULL: the type fits */
} VfPlan;

void vf_plan_free(VfPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfPlan, vf_plan_free)

/* Whether what was read back is what was planned: INCOMPATIBLE or UNKNOWN. */
gboolean vf_plan_check(const VfPlan *self, const VfFacts *facts, GError **error);

G_END_DECLS
