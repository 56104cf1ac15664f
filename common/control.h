/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Messages between the daemon and its worker processes: one SOCK_SEQPACKET datagram each, a
 * serialised GVariant of type (sa{sv}), a verb and its arguments, with file descriptors beside it
 * (SCM_RIGHTS). The receiver trusts nothing: size, normal form and the number of descriptors are
 * checked. docs/mover-control.md has the verbs. */

#define VF_CONTROL_SIZE_MAX 65536
/* A record and the devices of a job. */
#define VF_CONTROL_FDS_MAX 17
/* SO_SNDBUF of the worker's end, whatever net.core.wmem_default is. The kernel doubles it and
 * counts at least 512 bytes for a message: fewer than 512 wait for a daemon that does not read, and
 * one of VF_CONTROL_SIZE_MAX fits. */
#define VF_CONTROL_ROOM (128 * 1024)
/* Of what a worker says in prose: characters. */
#define VF_CONTROL_TEXT_MAX 1024

typedef struct {
    char *verb;
    GVariantDict *args;
    int fds[VF_CONTROL_FDS_MAX]; /* close-on-exec; closed with the message unless stolen */
    guint n_fds;
} VfControlMessage;

void vf_control_message_free(VfControlMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfControlMessage, vf_control_message_free)

/* The next untaken descriptor, which the caller owns now, or -1. */
int vf_control_message_steal_fd(VfControlMessage *message, guint index);

/* A connected pair, both ends close-on-exec; @theirs holds no more than VF_CONTROL_ROOM allows. */
gboolean vf_control_pair(int *ours, int *theirs, GError **error);

/* Consumes a floating @args (a{sv}, or NULL for none). The fds stay the caller's. Never blocks when
 * @fd is non-blocking: EAGAIN is BUSY. EPIPE is PEER. */
gboolean vf_control_send(int fd, const char *verb, GVariant *args, const int *fds, guint n_fds,
                         GError **error);

/* One message; NULL without @error at the end of the conversation; NULL with G_IO_ERROR_WOULD_BLOCK
 * on a non-blocking @fd with nothing to read. */
VfControlMessage *vf_control_receive(int fd, GError **error);
