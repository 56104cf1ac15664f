/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "channel.h"
#include "memory.h"
#include "session.h"

/* One side of a session by itself, with devices and a record in memory, on a channel that is there
 * already. */

#define VF_SOLO_DEVICES_MAX 4
#define VF_SOLO_JOB "0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10"

typedef struct {
    VfRole role;
    guint n_devices;
    VfMemoryOptions device; /* each the same but for its content */
    gboolean precopy;       /* wanted by this side */
    gboolean reinit;        /* that, too */
    guint patience_ms;      /* 0: the protocol's */
    guint decision_seconds; /* 0: the protocol's */
    guint64 size_max;       /* destination; 0: no limit */
    VfCancel **cancel;      /* where to put a cancel that may be triggered while it runs; or NULL */
} VfSoloSetup;

typedef struct {
    VfSessionEnd end;
    char *events; /* of the record, joined with commas */
    guint n_devices;
    VfMemory *devices[VF_SOLO_DEVICES_MAX];
} VfSolo;

/* Takes ownership of @channel. Blocks until the side is done. */
VfSolo *vf_solo_run(const VfSoloSetup *setup, VfChannel *channel);
void vf_solo_free(VfSolo *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfSolo, vf_solo_free)

/* Whether any device runs with somebody's state in it. */
gboolean vf_solo_is_live(const VfSolo *self);
