/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "steps.h"

#include <glib/gi18n-lib.h>

#include "error.h"

struct VfSteps {
    const VfStepFunc *steps;
    gsize n_steps;
    gsize next;
    gpointer data;
    GTask *task;
};

static void
finish(VfSteps *self, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&self->task);

    g_free(self);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

void
vf_steps_done(VfSteps *self, GError *error)
{
    GCancellable *cancellable = g_task_get_cancellable(self->task);

    if (error || self->next == self->n_steps) {
        finish(self, error);
    } else if (g_cancellable_is_cancelled(cancellable)) {
        finish(self, g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("cancelled")));
    } else {
        VfStepFunc step = self->steps[self->next++];

        step(self, self->data);
    }
}

void
vf_steps_run(const VfStepFunc *steps, gsize n_steps, gpointer data, GCancellable *cancellable,
             GAsyncReadyCallback callback, gpointer callback_data)
{
    VfSteps *self = g_new0(VfSteps, 1);

    self->steps = steps;
    self->n_steps = n_steps;
    self->data = data;
    self->task = g_task_new(NULL, cancellable, callback, callback_data);
    g_task_set_source_tag(self->task, vf_steps_run);
    /* a cancelled run still reports the error of the step that noticed */
    g_task_set_check_cancellable(self->task, FALSE);
    vf_steps_done(self, NULL);
}

gboolean
vf_steps_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

GCancellable *
vf_steps_get_cancellable(VfSteps *self)
{
    return g_task_get_cancellable(self->task);
}
