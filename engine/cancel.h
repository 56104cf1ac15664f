/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Whether a session may still be called off, decided once and for all between two threads: either
 * the call comes first, and vf_cancel_promise() or vf_cancel_close() fails, or the session does,
 * and the call has no effect. */
typedef struct VfCancel VfCancel;

typedef enum {
    VF_CANCEL_ASKED,    /* somebody asked; until the promise */
    VF_CANCEL_ORPHANED, /* the daemon is gone; until the end */
} VfCancelReason;

VfCancel *vf_cancel_new(void);
void vf_cancel_free(VfCancel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfCancel, vf_cancel_free)

/* From any thread. FALSE when it is too late. */
gboolean vf_cancel_trigger(VfCancel *self, VfCancelReason reason);

/* A destination that has said it is ready must not leave for the asking, but it must when nobody
 * holds its devices any more. FALSE when it was called off before. */
gboolean vf_cancel_promise(VfCancel *self);

/* The commit is about to be made, or has come. FALSE when it was called off before. */
gboolean vf_cancel_close(VfCancel *self);

gboolean vf_cancel_is_set(VfCancel *self);

/* CANCELLED, and why, when it was called off. */
gboolean vf_cancel_set_error_if_cancelled(VfCancel *self, GError **error);

/* Readable from the moment it is called off. */
int vf_cancel_get_fd(VfCancel *self);
