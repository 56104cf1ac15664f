/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "outcome.h"

G_BEGIN_DECLS

/* What a mover said at its end. */
typedef struct {
    VfOutcome *outcome;
    char **flags;           /* of stop-copy, p2p, pre-copy; never NULL */
    gboolean has_data_size; /* the kernel could say */
    guint64 data_size;
    char *state;    /* of the device, the uAPI's name in lower case; "" when not said */
    int fd;         /* of "open": the device; else -1 */
    GVariant *args; /* all that it said, a{sv}: what is a program's own is for who asked it, and
                       nobody has looked at it */
} VfMoverReply;

void vf_mover_reply_free(VfMoverReply *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfMoverReply, vf_mover_reply_free)

G_END_DECLS
