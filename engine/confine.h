/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A worker's sandbox. The bytes of another host are read in this process, so before the first of
 * them comes it has given up what its job does not need. */

/* What a request may need beyond the descriptors that it was given. */
typedef enum {
    VF_CONFINE_OPEN = 1 << 0,   /* to look devices up and open them */
    VF_CONFINE_DEVICE = 1 << 1, /* to ask and change the state of VFIO devices */
    VF_CONFINE_STREAM = 1 << 2, /* to ask what is left of it in pre-copy */
    VF_CONFINE_RECORD = 1 << 3, /* to append to the record, on disk */
    VF_CONFINE_CONNECT = 1 << 4,
    VF_CONFINE_LISTEN = 1 << 5,
    VF_CONFINE_MONITOR = 1 << 7, /* to speak over a socket that it was given */
    /* and what those of vferry-mover do */
    VF_CONFINE_SETTLE = VF_CONFINE_DEVICE | VF_CONFINE_RECORD,
    VF_CONFINE_SEND = VF_CONFINE_SETTLE | VF_CONFINE_STREAM | VF_CONFINE_CONNECT,
    VF_CONFINE_RECEIVE = VF_CONFINE_SETTLE | VF_CONFINE_STREAM | VF_CONFINE_LISTEN,
} VfConfineNeed;

/* At the start, before a request is known: no new privileges, no capabilities but those of @keeps
 * that it has (1 << CAP_…), not dumpable, nothing open beyond @control_fd, limits on what may be
 * used up. FAILED. */
gboolean vf_confine_process(int control_fd, guint64 keeps, GError **error);

/* Those, too, of this thread, for good. FAILED. */
gboolean vf_confine_drop_capabilities(GError **error);

/* Once the request is known: only the system calls that @needs (VfConfineNeed) take, for every
 * thread and for good, and no file can be made shorter than @record_size: what the record says
 * stays. An attempt at another one ends the process with SIGSYS. Files cannot be looked up any
 * more, except with VF_CONFINE_OPEN. FAILED, also when the kernel cannot do it. A build with
 * AddressSanitizer stays without: its leak check traces the process. */
gboolean vf_confine_to(guint needs, gsize record_size, GError **error);
