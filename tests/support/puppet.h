/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* vf-puppet: a worker in the frame of engine/worker.h whose subject does what a test says. With its
 * request comes, behind the record, one end of a socket (SOCK_SEQPACKET) on which it asks one thing
 * at a time and waits for the answer, as another worker would of a hypervisor. It says who it is,
 * wants to hear the same of the other side, and sends VF_PUPPET_BYTES over a lane. */

#define VF_PUPPET_BYTES 100000

typedef enum {
    VF_PUPPET_MOVE,
    VF_PUPPET_CHECK_STILL,
    VF_PUPPET_GIVE_BACK,
    VF_PUPPET_LOAD,
    VF_PUPPET_RUN,
    VF_PUPPET_LOOK, /* a request of its own: `look` */
    VF_PUPPET_N_QUESTIONS,
} VfPuppetQuestion; /* one byte on the wire */

typedef struct {
    guint64 question;
    guint64 yes;  /* FALSE: not yet, where that is an answer, or else it cannot be done */
    guint64 done; /* of MOVE: bytes */
    guint64 rest;
} VfPuppetAnswer;
