/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover-reply.h"

#include "io.h"

void
vf_mover_reply_free(VfMoverReply *self)
{
    g_clear_pointer(&self->outcome, vf_outcome_free);
    g_strfreev(self->flags);
    g_free(self->state);
    g_clear_pointer(&self->args, g_variant_unref);
    vf_io_close_in_thread(&self->fd, NULL, NULL);
    g_free(self);
}
