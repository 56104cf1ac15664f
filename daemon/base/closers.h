/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Closes the descriptors that strangers sent: any close may take as long as its sender likes (a
 * socket that lingers, FUSE_FLUSH), so each is done in a thread, and these are bounded: a user has
 * 16, all together 256. What has none waits, behind what the same user sent before: who sends
 * descriptors that linger waits for himself. Devices of our own are not closed here
 * (vf_io_close_in_thread()), and so do not wait for anybody. For any thread; never waits. */
typedef struct VfClosers VfClosers;

/* Whose descriptor that is, nobody knows: all of these are one user's. */
#define VF_CLOSERS_UNKNOWN ((guint32)-1)
#define VF_CLOSERS_OF_USER 16
#define VF_CLOSERS_MAX 256

VfClosers *vf_closers_new(void);
VfClosers *vf_closers_ref(VfClosers *self);
/* What is being closed, or waits for that, goes on. */
void vf_closers_unref(VfClosers *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfClosers, vf_closers_unref)

/* Takes *@fd, unless that is negative. */
void vf_closers_add(VfClosers *self, guint32 uid, int *fd);

/* How many of that user are not closed yet. */
guint vf_closers_count(VfClosers *self, guint32 uid);

G_END_DECLS
