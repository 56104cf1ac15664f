/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider.h"

G_BEGIN_DECLS

/* Which offer of this host a device is made from, whoever makes it, and what is written to make it
 * what it has to be. @providers: of const VfProvider. */

typedef struct {
    const char *parent; /* Id; NULL: any */
    const char *type;   /* id; NULL: the one that fits best */
    const char *uuid;   /* NULL: whatever the provider names it */
    const char
        *override; /* why also what vf_report_can_override() is good enough; NULL: it is not */
} VfWish;

/* The best of all parents. Reserves room. INCOMPATIBLE or UNKNOWN name the parameter and both
 * values; NO_ROOM when something fits but is used up; NOT_FOUND for a parent or type that does not
 * exist; BUSY for a UUID that does. */
VfMaking *vf_choose(GPtrArray *providers, VfRegistry *registry, VfRequirement *requirement,
                    const VfWish *wish, GError **error);

/* For a device that somebody wants, and not a state: @what is a type of @parent, or the id of a
 * model that one of its types has; @values (list, value.h) what it must be, the rest is as the
 * driver makes it. NOT_FOUND, INCOMPATIBLE, INVALID_ARGUMENT, NO_ROOM; NOT_SUPPORTED where vferry
 * makes no devices. */
VfMaking *vf_choose_at(GPtrArray *providers, VfRegistry *registry, VfParent *parent,
                       const char *what, GPtrArray *values, const char *uuid, GError **error);

G_END_DECLS
