/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a stream runs over: bytes in order, both ways, over a connected socket. Nothing here waits.
 * One thread reads; one at a time writes, ends or flushes, and it may be another. */
typedef struct VfChannel VfChannel;

typedef enum {
    VF_CHANNEL_DONE,
    VF_CHANNEL_WAIT, /* not now: poll the fd */
    VF_CHANNEL_END,  /* the peer has said that nothing more comes */
    VF_CHANNEL_ERROR,
} VfChannelResult;

typedef struct {
    VfChannelResult (*read)(VfChannel *self, void *data, gsize size, gsize *n, GError **error);
    VfChannelResult (*write)(VfChannel *self, const void *data, gsize size, gsize *n,
                             GError **error);
    VfChannelResult (*flush)(VfChannel *self, GError **error);
    void (*end)(VfChannel *self);
    void (*give_up)(VfChannel *self);
    gsize (*get_unread)(VfChannel *self);
    gsize (*get_unsent)(VfChannel *self);
    void (*free)(VfChannel *self);
} VfChannelClass;

/* For implementations, which begin with it. */
struct VfChannel {
    const VfChannelClass *class;
    int fd;
};

/* No protection at all: for tests and the benchmark. Nothing that a mover can be asked for leads
 * here. Takes ownership of @fd. */
VfChannel *vf_channel_new_plain(int fd);

void vf_channel_free(VfChannel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfChannel, vf_channel_free)

int vf_channel_get_fd(VfChannel *self);

/* DONE with at least one byte in @n, WAIT, END, or ERROR with PEER. */
VfChannelResult vf_channel_read(VfChannel *self, void *data, gsize size, gsize *n, GError **error);

/* DONE: @n bytes, at least one, were taken, and go out now or with vf_channel_flush(). WAIT: none
 * were. ERROR with PEER. */
VfChannelResult vf_channel_write(VfChannel *self, const void *data, gsize size, gsize *n,
                                 GError **error);

/* DONE when all that was taken has gone into the socket; WAIT; ERROR with PEER. */
VfChannelResult vf_channel_flush(VfChannel *self, GError **error);

/* No more will be written: the peer is told, behind all that was, with the next flush. */
void vf_channel_end(VfChannel *self);

/* What was taken and has not gone out never will, and nothing after it. */
void vf_channel_give_up(VfChannel *self);

/* Bytes that can be read, or may turn out to, although the fd is not readable. */
gsize vf_channel_get_unread(VfChannel *self);

/* Bytes that were taken and have not gone into the socket. */
gsize vf_channel_get_unsent(VfChannel *self);

/* For implementations: PEER, and why the socket does not work any more. */
gboolean vf_channel_broken(GError **error, int errnum);
