/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "crossing.h"

void
vf_crossing_free(VfCrossing *self)
{
    g_clear_pointer(&self->follow, vf_follow_free);
    g_clear_pointer(&self->view, vf_view_free);
    g_clear_pointer(&self->guest,
                    vf_crossing_guest_free); /* before the connections that it looks at */
    g_clear_pointer(&self->here, vf_bus_free);
    g_clear_pointer(&self->there, vf_bus_free);
    g_clear_pointer(&self->begin_options, g_variant_unref);
    g_clear_pointer(&self->prepare_options, g_variant_unref);
    g_clear_pointer(&self->perform_options, g_variant_unref);
    g_clear_pointer(&self->secret, g_variant_unref);
    g_clear_pointer(&self->created, g_ptr_array_unref);
    g_free(self->destination_quoted);
    g_free(self->subject_path);
    g_free(self->job_uuid);
    g_free(self->cookie);
    g_free(self->lease_path);
    g_free(self->answer);
    g_free(self->source_outcome);
    g_free(self->destination_outcome);
    g_free(self->source_state);
    g_free(self);
}
