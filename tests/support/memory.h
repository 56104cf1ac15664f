/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

/* A device in memory, for tests and benchmarks: the kernel's states and arcs, a state of any size
 * whose pages change while it runs, pre-copy, and faults on demand. The device outlives its
 * backends, as a device outlives a process that has it open; and it is in shared memory, so that
 * what a killed child did to it can be seen. */
typedef struct VfMemory VfMemory;

#define VF_MEMORY_PAGE 4096
#define VF_MEMORY_NEVER G_MAXUINT64

/* A reset takes it to RUNNING from wherever it is, without its state; the stream that was open is
 * dead. */
typedef enum {
    VF_MEMORY_RESET_NEVER,
    VF_MEMORY_RESET_ENTERED, /* in the change of state itself, which succeeds all the same */
    VF_MEMORY_RESET_ASKED,   /* between two steps: once it was asked so many times, in that state */
    VF_MEMORY_RESET_LEAVING, /* in the change of state, before anything else: from RUNNING then */
    VF_MEMORY_RESET_MOVED,   /* after so many bytes of its stream in that state */
    VF_MEMORY_RESET_READ,    /* with the last byte of it */
} VfMemoryResetMoment;

typedef struct {
    VfMemoryResetMoment moment;
    VfMigrationState state; /* STOP: with somebody's state in it */
    guint64 count;          /* of questions, or bytes */
    gboolean unsaid;        /* a dead stream ends, and swallows, as if it were not */
} VfMemoryReset;

typedef struct {
    guint flags;
    guint64 size;           /* bytes of state, rounded up to pages */
    guint64 seed;           /* of what is in it; 0: zeros */
    guint64 stop_only;      /* bytes at the end that pre-copy does not move */
    guint64 dirty_per_read; /* bytes that change with each read while it runs */
    guint64 dirty_max;      /* after so many it changes no more; 0: always */
    gboolean no_trailer;    /* no checksum of the whole behind the state: for benchmarks */
    gsize read_max;         /* bytes that one read gives at most; 0: as many as asked for */
    guint slow_us;          /* for each read and write */
    guint slow_final_us;    /* for RESUMING -> STOP */
    int hold_fd; /* a write waits until it is readable, or its other end closed; 0: none */
    /* initial bytes appear anew, all of them, so many times, for who wants to hear of it: when it
     * is seen that none is left, after it was seen so many times before, or in PRE_COPY_P2P */
    guint reinit_times;
    guint reinit_after;
    gboolean reinit_quiet;
    /* faults */
    gboolean mute;           /* what it can is EIO */
    guint64 fail_read_at;    /* EIO from this byte of the stream on; 0: never */
    guint64 fail_write_at;   /* the same */
    guint refuse;            /* bit 1 << state: entering it is EIO */
    guint refuse_times;      /* 0: always */
    gboolean error_on_fault; /* a refusal leaves the device in ERROR */
    gboolean fail_final;     /* RESUMING -> STOP is EINVAL */
    guint die_entering;      /* bit 1 << state: SIGKILL to this process before it is entered */
    guint die_entered;       /* and after */
    VfMemoryReset reset;
} VfMemoryOptions;

VfMemory *vf_memory_new(const VfMemoryOptions *options);
void vf_memory_free(VfMemory *self);

/* The device as a fresh one, without a state of anybody's, at a destination. */
void vf_memory_clear(VfMemory *self);
void vf_memory_reset(VfMemory *self);
gboolean vf_memory_was_reset(VfMemory *self);

/* From here on it is noticed when @a and @b run with the state at the same time. */
void vf_memory_link(VfMemory *a, VfMemory *b);
gboolean vf_memory_both_ran(VfMemory *self);

VfBackend *vf_memory_open(VfMemory *self);

VfMigrationState vf_memory_get_state(VfMemory *self);
/* Runs, or could send to others, with somebody's state in it. */
gboolean vf_memory_is_live(VfMemory *self);
/* Changed at least once while it was moved. */
guint64 vf_memory_get_dirtied(VfMemory *self);
gboolean vf_memory_equal(VfMemory *a, VfMemory *b);
int vf_memory_get_fd(VfMemory *self);
