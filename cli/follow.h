/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "view.h"

/* A job from before it exists until it has ended. Subscribes first, so that not even a job shorter
 * than a round trip can end unseen. */
typedef struct VfFollow VfFollow;

/* How it ended. */
typedef struct {
    char *result;  /* completed, failed, cancelled, in-doubt; NULL when we lost sight of it */
    char *error;   /* bus name of an error, or NULL */
    char *message; /* what went wrong, or NULL */
    GVariant *statistics; /* a{sv}, or NULL when it was not seen */
} VfJobEnd;

/* @view may be NULL. Both must outlive the follower. */
VfFollow *vf_follow_new(VfBus *bus, VfView *view);
void vf_follow_free(VfFollow *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfFollow, vf_follow_free)

/* The job to follow; what it said already is caught up with. */
gboolean vf_follow_set_job(VfFollow *self, const char *path, GError **error);

/* NULL before vf_follow_set_job(). Stays the follower's. */
VferryJob *vf_follow_get_job(VfFollow *self);

/* Runs the main context until the job ends, the daemon is gone and does not come back, or the
 * connection is, @stop turns TRUE, or @timeout_ms (0: none) have passed. The end stays the
 * follower's. */
const VfJobEnd *vf_follow_run(VfFollow *self, const gboolean *stop, guint timeout_ms);
