/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "model.h"
#include "report.h"

/* The comparison of one parameter: what decides, without a word of it for people, and, as long as
 * the values are in their one spelling, without an allocation. */

typedef enum {
    VF_PAIR_NOTHING, /* neither side has anything to say */
    VF_PAIR_MATCHES,
    VF_PAIR_FITS,
    VF_PAIR_OFF,
    VF_PAIR_CAN_BE_SET,
    VF_PAIR_IGNORED,
    VF_PAIR_VALUE_DIFFERS,
    VF_PAIR_VALUE_INVALID,
    VF_PAIR_VALUE_NOT_ALLOWED,
    VF_PAIR_VALUE_UNREAD,
    VF_PAIR_PARAMETER_UNKNOWN,
    VF_PAIR_PARAMETER_MISSING,
    VF_PAIR_FIRMWARE_DECIDES,
} VfPairResult;

typedef struct {
    /* the question; nothing of it is owned */
    const char *name;
    const VfModel *model;
    const VfParameter *parameter; /* NULL: the destination does not know it */
    const VfValue *wanted;        /* NULL: the requirement does not have it */
    const VfValue *known;         /* NULL: not known of this destination */
    gboolean settable;            /* the destination can be given any allowed value */

    /* the answer; the texts live as long as the pair, the model and the lists do */
    VfPairResult result;
    const char *source;      /* nullable: unread, or not there and not as if it were off */
    const char *destination; /* nullable: unread, not there, or to be set */
    const char *given;       /* nullable: what the destination would have, as far as it is known */
    char *owned[2];
} VfPair;

/* Answers. */
void vf_pair_decide(VfPair *self);
void vf_pair_clear(VfPair *self);

/* Whether the parameter has the version of a device, one of a model with opaque versions. */
gboolean vf_pair_is_version(const VfPair *self);

/* The report's code; NULL for NOTHING. */
const char *vf_pair_code(const VfPair *self);
VfVerdict vf_pair_verdict(const VfPair *self);
gboolean vf_pair_overridable(const VfPair *self);
