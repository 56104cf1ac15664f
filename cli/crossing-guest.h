/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "presence.h"

/* The guest of a migration, at both its hosts. */
typedef struct {
    VferryDomain *domain; /* at the source */
    VfPresence *presence; /* of it */
    char *label;          /* what to call it */
    char *driver;         /* of both sides */

    /* what the user wants at the destination */
    char *start;        /* command that starts its hypervisor there; NULL: somebody does */
    char *monitor;      /* the socket of its monitor there; NULL: whoever starts it attaches it */
    guint wait_seconds; /* for the command, or for somebody */
} VfCrossingGuest;

void vf_crossing_guest_free(VfCrossingGuest *self);

/* The guest is @domain, of the daemon at @here. Takes a reference. */
void vf_crossing_guest_set_domain(VfCrossingGuest *self, VfBus *here, VferryDomain *domain);
