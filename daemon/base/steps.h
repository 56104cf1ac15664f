/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A long operation as a table: asynchronous steps, one after another, the first error ends it. What
 * steps leave behind is undone by whoever owns it (a lease), in one way, whatever the reason: there
 * are no undo steps here. */
typedef struct VfSteps VfSteps;

/* Starts one step; it, or a callback of what it started, calls vf_steps_done() exactly once. */
typedef void (*VfStepFunc)(VfSteps *steps, gpointer data);

/* @steps must outlive the run (a static const table). Between steps @cancellable is looked at.
 * @data stays the caller's and must live until @callback. */
void vf_steps_run(const VfStepFunc *steps, gsize n_steps, gpointer data, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer callback_data);
gboolean vf_steps_finish(GAsyncResult *result, GError **error);

/* Takes @error; NULL goes on with the next step. */
void vf_steps_done(VfSteps *self, GError *error);

/* For the operations that a step starts. */
GCancellable *vf_steps_get_cancellable(VfSteps *self);

G_END_DECLS
