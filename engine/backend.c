/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "backend.h"

void
vf_backend_free(VfBackend *self)
{
    self->class->free(self);
}

gboolean
vf_backend_get_info(VfBackend *self, VfBackendInfo *info, GError **error)
{
    *info = (VfBackendInfo){0};
    return self->class->get_info(self, info, error);
}

gboolean
vf_backend_get_state(VfBackend *self, VfMigrationState *state, GError **error)
{
    return self->class->get_state(self, state, error);
}

gboolean
vf_backend_set_state(VfBackend *self, VfMigrationState from, VfMigrationState to, GError **error)
{
    return self->class->set_state(self, from, to, error);
}

VfReadResult
vf_backend_read(VfBackend *self, void *buffer, gsize size, gsize *n, GError **error)
{
    *n = 0;
    return self->class->read(self, buffer, size, n, error);
}

gboolean
vf_backend_write(VfBackend *self, const void *buffer, gsize size, GError **error)
{
    return self->class->write(self, buffer, size, error);
}

void
vf_backend_want_reinit(VfBackend *self)
{
    if (self->class->want_reinit)
        self->class->want_reinit(self);
}

gboolean
vf_backend_get_precopy_info(VfBackend *self, VfPrecopyInfo *info, GError **error)
{
    *info = (VfPrecopyInfo){0};
    return self->class->get_precopy_info(self, info, error);
}

int
vf_backend_get_poll_fd(VfBackend *self)
{
    return self->class->get_poll_fd(self);
}

const char *
vf_backend_state_name(VfMigrationState state)
{
    static const char *const names[VF_N_STATES] = {
        [VF_STATE_ERROR] = "ERROR",       [VF_STATE_STOP] = "STOP",
        [VF_STATE_RUNNING] = "RUNNING",   [VF_STATE_STOP_COPY] = "STOP_COPY",
        [VF_STATE_RESUMING] = "RESUMING", [VF_STATE_RUNNING_P2P] = "RUNNING_P2P",
        [VF_STATE_PRE_COPY] = "PRE_COPY", [VF_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
    };

    return (guint)state < VF_N_STATES ? names[state] : "(unknown)";
}

char **
vf_backend_flag_names(guint flags)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    if (flags & VF_BACKEND_STOP_COPY)
        g_strv_builder_add(names, "stop-copy");
    if (flags & VF_BACKEND_P2P)
        g_strv_builder_add(names, "p2p");
    if (flags & VF_BACKEND_PRE_COPY)
        g_strv_builder_add(names, "pre-copy");
    return g_strv_builder_end(names);
}
