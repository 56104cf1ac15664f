/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Waits for an asynchronous call while signals of the bus and of the user are still served:
 *
 *     g_autoptr(VfWait) wait = vf_wait_new();
 *     vferry_manager_call_finish(manager, …, vf_wait_ready, wait);
 *     vferry_manager_call_finish_finish(manager, &outcome, vf_wait_end(wait), error);
 *
 * The time limit is the call's own. */
typedef struct {
    GAsyncResult *result;
} VfWait;

VfWait *vf_wait_new(void);
void vf_wait_free(VfWait *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfWait, vf_wait_free)

/* A GAsyncReadyCallback. */
void vf_wait_ready(GObject *source, GAsyncResult *result, gpointer self);

/* Runs the main context until the call has ended. The result stays the wait's. */
GAsyncResult *vf_wait_end(VfWait *self);
