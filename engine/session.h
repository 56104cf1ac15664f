/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cancel.h"
#include "devices.h"
#include "message.h"
#include "meter.h"
#include "record.h"
#include "stream.h"
#include "session-subject.h"
#include "tls.h"

#define VF_SESSION_DECISION_SECONDS 300

/* What both sides of a session share. A session runs in one thread from its beginning to its
 * outcome; the sequence and who may run at every point of it is docs/migration-stream.md. */

typedef struct {
    char *job;
    guint8 key[VF_TLS_KEY_SIZE]; /* gone once the connection is up */
    char **features;
    char *address;
    guint peer_patience_ms; /* VF_STREAM_PATIENCE_MS, except in tests */
    guint decision_seconds; /* how long to wait for COMMIT or STARTED before in-doubt */
    /* source */
    guint16 port;
    guint downtime_limit_ms;
    guint precopy_max_seconds;
    gboolean switchover_ack; /* fail when they have passed and initial bytes are not loaded */
    /* destination */
    guint16 port_min;
    guint16 port_max;
    guint accept_seconds;
    guint64 size_max;
} VfSessionConfig;

/* Called in the session's thread. */
typedef struct {
    void (*listening)(const char *address, guint16 port, gpointer data);
    void (*attached)(const char *peer_address, gpointer data);
    void (*phase)(const char *phase, gpointer data);
    gpointer data;
} VfSessionEvents;

typedef struct {
    VfSessionConfig config;
    VfSessionEvents events;
    VfDevices *devices;
    const VfSessionSubject *subject; /* NULL: the devices are all there is; else there are none */
    VfRecord *record;
    VfCancel *cancel;
    VfMeter *meter;
    gboolean committed; /* a dead mover has (vf_past_recall()) */
    gboolean touched;   /* the subject: it was asked to move, here or by a dead worker */
    gint64 switchover;  /* monotonic, when that phase began; 0: it has not */
    VfChannel
        *channel; /* one that is up already, for tests and the benchmark; no request sets it */
} VfSession;

typedef enum {
    VF_SESSION_COMPLETED,
    VF_SESSION_FAILED,
    VF_SESSION_CANCELLED,
    VF_SESSION_IN_DOUBT,
} VfSessionEndKind;

typedef struct {
    VfSessionEndKind kind;
    GError *error;        /* set unless completed */
    char **device_states; /* see vf_devices_describe() */
    GVariant *statistics; /* a{sv} */
    gboolean untouched;   /* it failed before any device was asked to change its state */
} VfSessionEnd;

/* Takes ownership of devices and record. */
VfSession *vf_session_new(VfDevices *devices, VfRecord *record);
void vf_session_free(VfSession *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VfSession, vf_session_free)

gboolean vf_session_wants(const VfSession *self, const char *feature);
/* As many as its subject wants. */
guint32 vf_session_get_lanes(const VfSession *self);
/* TLS for this job, and in *@lane for its lane, of which the keys are different; NULL when it has
 * none. The key is gone from the configuration afterwards. */
VfTls *vf_session_make_tls(VfSession *self, VfRole role, VfTls **lane, GError **error);
/* What the subject says of itself; NULL without @error when there is nothing to say. */
GVariant *vf_session_introduce(VfSession *self, GError **error);
/* @other: what the other side's says; NULL: nothing. */
gboolean vf_session_meet(VfSession *self, GVariant *other, GError **error);
/* Of each device, or of the subject, see vf_devices_describe(). Free with g_strfreev(). */
char **vf_session_describe(const VfSession *self);
/* Its devices, or the subject, run here. At a source only before the decision, or when somebody has
 * made another one. */
gboolean vf_session_give_back(VfSession *self, GError **error);
/* The same at a destination, after the decision. */
gboolean vf_session_run(VfSession *self, GError **error);
void vf_session_set_phase(VfSession *self, const char *phase);
gboolean vf_session_append(VfSession *self, const char *event, GError **error);
/* Of what has happened whether the record can say so or not: one that cannot makes this side in
 * doubt after a crash, and is a warning. */
void vf_session_note(VfSession *self, const char *event);

void vf_session_end_clear(VfSessionEnd *end);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VfSessionEnd, vf_session_end_clear)
/* completed, failed, cancelled, in-doubt. Static. */
const char *vf_session_end_name(VfSessionEndKind kind);
/* CANCELLED is cancelled, everything else failed. Takes ownership of @error. */
void vf_session_end_fail(VfSessionEnd *end, GError *error);
/* Takes ownership of @error, which becomes the reason of an IN_DOUBT one. */
void vf_session_end_doubt(VfSessionEnd *end, GError *error, const char *what);
