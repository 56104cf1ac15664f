/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "consumer.h"
#include "report.h"
#include "requirement.h"

/* What can supply a requirement, best first, and why the rest cannot. Namespace
 * https://vferry.org/ns/offers/1, at most 16 MiB. */

/* Text is GRefString: offers of one host and one kind share it. */
typedef struct {
    char *host;        /* its id; nullable: of a document that could not be read */
    char *name;        /* nullable: the host's */
    char *kind;        /* "mdev", "pci", "vfio-user" */
    char *id;          /* "<parent>/<type>", or the device's */
    char *how;         /* "create", "use": a device that is there and idle */
    char *type;        /* nullable */
    guint64 left;      /* how many more */
    VfVerdict verdict; /* never INCOMPATIBLE */
    char *code;        /* nullable: of what makes it UNKNOWN */
    char *reason;      /* nullable: the sentence to it, for people */
    GPtrArray *values; /* list (value.h): what is known of it; shared, not to be changed */
} VfOffer;

typedef struct {
    char *host;        /* nullable: a document that could not be read, a peer that did not answer */
    char *name;        /* nullable */
    char *where;       /* nullable: file or peer */
    char *id;          /* nullable: of the offer or device; NULL: the whole host */
    char *code;        /* VF_REPORT_CODE_..., or one of the two below */
    VfVerdict verdict; /* what comparing alone says: a busy device may well be identical */
    char *reason;      /* a sentence */
} VfRefusal;

#define VF_OFFERS_CODE_UNREADABLE "unreadable"   /* the document, or the peer's answer */
#define VF_OFFERS_CODE_UNREACHABLE "unreachable" /* the peer */
/* of an offer: it has to migrate together with others, and may lack the P2P states for that */
#define VF_OFFERS_CODE_P2P_UNKNOWN "p2p-unknown"

typedef struct {
    char *consumer;             /* nullable: anybody; vf_consumer_format() */
    VfRequirement *requirement; /* nullable */
    guint64 hosts;              /* how many were asked */
    guint64 fitting;            /* how many offers fit, also those beyond the limit */
    guint64 fitting_hosts;      /* how many hosts have one */
    GPtrArray *offers;          /* of VfOffer, best first: identical, superset, unknown, then more
                                   left, then host name, host id and id */
    GPtrArray *refusals;        /* of VfRefusal, by host name, host id, where and id */
} VfOffers;

VfOffers *vf_offers_new(VfRequirement *requirement, const VfConsumer *consumer);
void vf_offers_free(VfOffers *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfOffers, vf_offers_free)

/* Text is copied. The verdict is UNKNOWN. */
VfRefusal *vf_refusal_new(const char *host, const char *where, const char *code,
                          const char *reason);
void vf_refusal_free(VfRefusal *self);
void vf_offer_free(VfOffer *self);

/* Whether @a goes before (< 0) or behind @b. */
int vf_offer_compare(const VfOffer *a, const VfOffer *b);

/* Takes ownership. */
void vf_offers_take_refusal(VfOffers *self, VfRefusal *refusal);

/* Sorts the offers and drops those beyond @limit (0: none). */
void vf_offers_keep_best(VfOffers *self, guint limit);

/* Sorts both lists and drops the offers beyond @limit (0: none). */
void vf_offers_sort(VfOffers *self, guint limit);

/* @size -1: NUL-terminated. @where names the document in errors; NULL: "offers". INVALID_XML,
 * LIMIT_EXCEEDED. */
VfOffers *vf_offers_parse(const char *text, gssize size, const char *where, GError **error);

/* Free with g_free(). */
char *vf_offers_format(const VfOffers *self);
