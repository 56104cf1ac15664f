/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "error.h"
#include "passenger.h"
#include "memory.h"
#include "proxy.h"
#include "session.h"

/* Both sides of a session with a proxy between them: as threads, or as two processes of their own
 * that may be killed. Records are real files. */

#define VF_PAIR_DEVICES_MAX 4
#define VF_PAIR_JOB "0d5f3b2e-7c41-4d0a-9f6e-2f1c6a3b9d10"

typedef struct VfPair VfPair;

typedef struct {
    guint n_devices;              /* 0: one, or, with @guest, none */
    const VfPassengerPlan *guest; /* a subject that somebody else moves */
    VfMemoryOptions source;
    VfMemoryOptions destination;
    guint faulty; /* the one device that has the faults in the options */
    VfProxyPlan plan;
    gboolean processes;
    gboolean no_precopy_at_source;
    gboolean no_precopy_at_destination;
    gboolean no_reinit_at_source; /* as a mover of before it */
    gboolean no_reinit_at_destination;
    gboolean no_switchover_ack;
    /* as threads: the destination's device takes nothing until the source's side says this phase,
     * or has ended */
    const char *hold_until;
    guint downtime_limit_ms;   /* 0: 300 */
    guint precopy_max_seconds; /* 0: more than any machine needs */
    guint64 size_max;          /* 0: no limit */
    guint patience_ms;         /* 0: 1500 */
    gboolean wrong_key;
    gboolean wrong_job;
    gboolean blind_source; /* the record cannot be written any more when the plan calls */
    gboolean blind_destination;
    void (*look)(VfPair *pair); /* when the proxy's plan calls */
    /* asked of a side then */
    struct {
        gboolean wanted;
        VfRole whom;
        VfCancelReason reason;
    } cancel;
    gboolean kill; /* with processes: the side cancel.whom, when the plan calls */
} VfPairSetup;

typedef struct {
    gboolean crashed; /* with processes: no outcome */
    VfSessionEndKind kind;
    VferryError code;
    char *message;
    char *device_states; /* joined with commas */
    char *events;        /* of the record, joined with commas */
    char *marks;         /* the same, of engine/past.c */
    char *phases;        /* as processes: none */
    VfProgress progress;
    guint64 downtime; /* microseconds; 0 when it is not in the statistics */
    guint64 bytes;
    guint64 unloaded; /* G_MAXUINT64 when it is not in the statistics */
} VfPairSide;

struct VfPair {
    guint n_devices;
    VfPassenger *guest; /* NULL: there is none */
    VfMemory *source_devices[VF_PAIR_DEVICES_MAX];
    VfMemory *destination_devices[VF_PAIR_DEVICES_MAX];
    VfPairSide sides[2]; /* by VfRole */
    gboolean acted;
    guint aborts[2];
    guint initial_ends;
    guint initial_loadeds;
    GBytes *records[2]; /* of VF_PROXY_RELAY: what came from either side */
};

VfPair *vf_pair_run(const VfPairSetup *setup);
void vf_pair_free(VfPair *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfPair, vf_pair_free)

/* How much slower than by itself the tests run here, from VFERRY_TEST_SLOW; 1 without. These tests
 * wait more than they work: under valgrind this is the most. */
#define VF_PAIR_SLOWNESS_MAX 4
guint vf_pair_slowness(void);
