/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wait.h"

VfWait *
vf_wait_new(void)
{
    return g_new0(VfWait, 1);
}

void
vf_wait_free(VfWait *self)
{
    g_clear_object(&self->result);
    g_free(self);
}

void
vf_wait_ready(GObject *source, GAsyncResult *result, gpointer self)
{
    g_set_object(&((VfWait *)self)->result, result);
}

GAsyncResult *
vf_wait_end(VfWait *self)
{
    while (!self->result)
        (void)g_main_context_iteration(NULL, TRUE);
    return self->result;
}
