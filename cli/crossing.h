/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "follow.h"
#include "crossing-guest.h"

/* A migration as the client that holds both connections sees it. */
typedef struct {
    VfCli *cli;
    VfBus *here;  /* the source */
    VfBus *there; /* the destination */
    VfView *view;
    VfFollow *follow;

    /* what the user wants */
    GVariant *begin_options;
    GVariant *prepare_options;
    GVariant *perform_options;
    char *destination_quoted; /* as it was given, for a shell */

    char *subject_path;     /* a device, or a domain */
    VfCrossingGuest *guest; /* the domain, and who starts it there; NULL: a bare device */

    /* what came of it */
    char *job_uuid;
    char *cookie;
    char *lease_path;
    char *answer;
    GVariant *secret;
    GPtrArray *created; /* of char *: ids of the devices at the destination */
    gboolean undone;    /* the destination says that nothing is left there */
    char *source_outcome;
    char *destination_outcome;
    char *source_state; /* of the first device that does not run at the source; NULL: all run, or
                           nobody knows */

    guint interrupts;   /* Ctrl-C so often */
    gboolean abandoned; /* twice: leave the job alone */
} VfCrossing;

void vf_crossing_free(VfCrossing *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCrossing, vf_crossing_free)
