/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "control.h"
#include "guest-look.h"
#include "lane.h"
#include "session.h"

G_BEGIN_DECLS

#define VF_GUEST_SIDE_RATE "avail-switchover-bandwidth" /* QEMU's name for it, from 8.2 on */

/* One side of a guest's crossing: the subject of a session (session-subject.h) whose data QEMU
 * moves. QEMU's end of the lane is handed to it as a descriptor (getfd), so that it needs no
 * address, no key and no file of its own; what it writes there comes out at the other QEMU. */
typedef struct {
    VfSession *session; /* not owned */
    VfSessionSubject subject;
    VfGuest *guest; /* NULL at a destination until somebody brings it */
    VfGuestPast past;
    VfGuestLook *seen;
    const char *state; /* VfSessionSubject.describe */
    VfLane *lane;
    int lane_ends[2];    /* ours until the lane has it, and QEMU's until it has it; -1 */
    char **known;        /* capabilities of this QEMU */
    char **were_on;      /* of them, when it was looked at */
    char **capabilities; /* that both sides have, and are switched on */
    guint step;
    gint64 begun; /* monotonic, when QEMU began to move it, or to wait for it */
    const VfGuestPatience *patience;
    gboolean over; /* QEMU says `completed`; whether it stands still is being asked */

    /* source */
    guint64 bandwidth;      /* bytes a second; 0: no limit */
    JsonObject *parameters; /* that it had before; NULL: none were set */
    gint64 looked;          /* when it was asked last how far it is */
    guint n_events;         /* at that time */
    gboolean wonders;       /* why the guest has stopped */
    gboolean paused;        /* it was for something else, or it runs again */
    gboolean switchover;    /* it stands still for good */
    guint64 rate;           /* bytes a second, the most that was seen */
    gboolean tells_rate;    /* QEMU */
    gboolean rate_told;

    /* destination */
    GMutex lock; /* of the next ones, which the thread of the messages fills in */
    GCond told;
    int brought;       /* the monitor's descriptor; -1 */
    gboolean met;      /* the source is there, and that was looked for */
    gint64 asked_time; /* since when the kernel's word is waited for */
    gboolean asking;   /* the kernel */
    gboolean verdict;
    GError *refusal; /* of the kernel, as whoever asked it says; NULL with a verdict: it accepts */
    /* destination, without it */
    gboolean ask_kernel;
    gboolean waits; /* QEMU did for a guest when it was brought: what it has may be ended */
    gboolean asked; /* `migrate-incoming` was, and not refused: what it has is this guest */
} VfGuestSide;

/* Makes the subject of @session, which ends before it does. @patience outlives both. */
VfGuestSide *vf_guest_side_new(VfSession *session, const VfSessionSubject *subject,
                               const VfGuestPatience *patience);
void vf_guest_side_free(VfGuestSide *self);

/* The two sockets of its lane, before the sandbox closes. FAILED. */
gboolean vf_guest_side_make_lane(VfGuestSide *self, GError **error);

/* The functions of either side. */
const VfSessionSubject *vf_guest_source_get_subject(void);
const VfSessionSubject *vf_guest_destination_get_subject(void);

/* Takes @fd, the monitor's. */
gboolean vf_guest_side_connect(VfGuestSide *self, int fd, GError **error);

/* --- for the two sides --- */

/* What the guest is, and what QEMU can; the run state that it must have. Once: it stays so. NULL on
 * error. Stays the side's. */
const VfGuestLook *vf_guest_side_look(VfGuestSide *self, VfRunState wanted, GError **error);
/* Capabilities that are switched on: those of ours that both know. */
gboolean vf_guest_side_agree(VfGuestSide *self, GVariant *other, GError **error);
void vf_guest_side_take_lane(gpointer data, VfChannel *channel);
const char *vf_guest_side_describe(gpointer data);

/* Whether it is time to ask again how far QEMU is: something has happened, or a while has passed.
 * Waits for that for a moment. */
gboolean vf_guest_side_wait(VfGuestSide *self, guint ms, gboolean *again, GError **error);
/* Once it is over. @state is left alone when the answer has not come yet, and that is asked on;
 * else what comes next is to look again from the beginning. */
gboolean vf_guest_side_ask_run_state(VfGuestSide *self, VfRunState *state, GError **error);
/* Why it did not work: what QEMU says, and behind that what became of the lane. */
gboolean vf_guest_side_fail(VfGuestSide *self, const VfMigrateInfo *info, GError **error);

/* The next of the questions that come before the data, and its answer when it is there. *@done: all
 * of them have been answered. */
gboolean vf_guest_side_prepare(VfGuestSide *self, gboolean source, gboolean *done, GError **error);
/* What comes then, `migrate` or `migrate-incoming`: to be called again until `begun`. */
gboolean vf_guest_side_begin(VfGuestSide *self, const char *command, GError **error);

/* The source's QEMU, when the guest stays: what was set there before is so again, and it keeps no
 * descriptor of ours. */
void vf_guest_side_leave(VfGuestSide *self);

G_END_DECLS
