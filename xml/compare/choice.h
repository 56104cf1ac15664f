/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "capabilities.h"
#include "compare.h"
#include "consumer.h"

/* A requirement against a whole host, or a part of it: what of it comes closest. Whether there is
 * room is another question (find.h). */

typedef struct {
    const char *object; /* id of the offer or device, its document's; NULL: there is none of the
                           requirement's model */
    const char *how;    /* "create" or "use"; NULL: the same */
    VfReport *report;   /* of that one */
} VfChoice;

void vf_choice_clear(VfChoice *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfChoice, vf_choice_clear)

/* The best of the offers and idle devices. @consumer nullable: anybody; one that cannot use what is
 * compared is a line of the report. */
VfChoice vf_choice_of_host(const VfRequirement *requirement, const VfCapabilities *capabilities,
                           const VfConsumer *consumer);

/* A PCI function may be both, under one id. */
typedef enum {
    VF_CHOICE_OF_DEVICE = 1 << 0,
    VF_CHOICE_OF_PARENT = 1 << 1, /* or one of its offers */
    VF_CHOICE_OF_ANY = VF_CHOICE_OF_DEVICE | VF_CHOICE_OF_PARENT,
} VfChoiceOf;

/* A device, whatever its state, the best of a parent's offers, or the one of these whose id @id is.
 * FALSE and NOT_FOUND when there is no such thing. */
gboolean vf_choice_of_object(const VfRequirement *requirement, const VfCapabilities *capabilities,
                             const char *id, VfChoiceOf of, const VfConsumer *consumer,
                             VfChoice *choice, GError **error);
