/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cancel.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"

enum { OPEN, PROMISED, CLOSED, ASKED, ORPHANED };

struct VfCancel {
    gint state; /* atomic */
    int fd;
};

VfCancel *
vf_cancel_new(void)
{
    VfCancel *self = g_new0(VfCancel, 1);

    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0)
        g_error("eventfd: %s", g_strerror(errno));
    return self;
}

void
vf_cancel_free(VfCancel *self)
{
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

static gboolean
move(VfCancel *self, gint from, gint to)
{
    return g_atomic_int_compare_and_exchange(&self->state, from, to);
}

gboolean
vf_cancel_trigger(VfCancel *self, VfCancelReason reason)
{
    guint64 one = 1;
    gint to = reason == VF_CANCEL_ORPHANED ? ORPHANED : ASKED;

    if (!move(self, OPEN, to) && !(to == ORPHANED && move(self, PROMISED, to)))
        return FALSE;
    if (write(self->fd, &one, sizeof one) != sizeof one)
        g_error("eventfd: %s", g_strerror(errno)); /* impossible: it is written once */
    return TRUE;
}

gboolean
vf_cancel_promise(VfCancel *self)
{
    return move(self, OPEN, PROMISED);
}

gboolean
vf_cancel_close(VfCancel *self)
{
    return move(self, OPEN, CLOSED) || move(self, PROMISED, CLOSED);
}

gboolean
vf_cancel_is_set(VfCancel *self)
{
    gint state = g_atomic_int_get(&self->state);

    return state == ASKED || state == ORPHANED;
}

gboolean
vf_cancel_set_error_if_cancelled(VfCancel *self, GError **error)
{
    gint state = g_atomic_int_get(&self->state);

    if (state == ASKED)
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("cancelled on request"));
    if (state == ORPHANED)
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                            _("called off because the daemon is gone"));
    return state == ASKED || state == ORPHANED;
}

int
vf_cancel_get_fd(VfCancel *self)
{
    return self->fd;
}
