/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "capabilities.h"
#include "consumer.h"
#include "fleet.h"
#include "offers.h"
#include "requirement.h"

/* Who can supply a requirement. Nothing here fails because of what a host has: what does not fit is
 * a refusal with its reason. */

#define VF_FIND_LIMIT_DEFAULT 100

typedef struct {
    VfRequirement *requirement;
    const VfConsumer *consumer; /* nullable: anybody */
    guint devices;              /* how many devices migrate together, this one included; 0 is 1 */
    guint limit;                /* keep so many offers, the best; 0: all */
    gboolean all_refusals; /* every one; FALSE: for each host without an offer, the one that came
                              closest */
} VfFindQuery;

/* One host, e.g. this one. */
VfOffers *vf_find_in_capabilities(const VfFindQuery *query, const VfCapabilities *capabilities);

/* A fleet in memory. */
VfOffers *vf_find_in_fleet(const VfFindQuery *query, const VfFleet *fleet);

/* A fleet in one pass, which keeps no more than the answer. */
typedef struct VfFinder VfFinder;

/* The query is copied. */
VfFinder *vf_finder_new(const VfFindQuery *query);
void vf_finder_free(VfFinder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfFinder, vf_finder_free)

void vf_finder_add(VfFinder *self, const VfCapabilities *capabilities, const char *where);

/* As vf_capabilities_stream_read() and ..._read_file(); a document with an error adds nothing but
 * a refusal that says so (VF_OFFERS_CODE_UNREADABLE). */
gboolean vf_finder_add_text(VfFinder *self, const char *text, gssize size, const char *where,
                            GError **error);
gboolean vf_finder_add_file(VfFinder *self, const char *path, GError **error);

/* A host that could not be asked. */
void vf_finder_add_unreachable(VfFinder *self, const char *peer, const char *reason);

/* Sorted; the finder then has nothing any more. */
VfOffers *vf_finder_finish(VfFinder *self);
