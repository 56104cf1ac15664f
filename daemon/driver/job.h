/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "device.h"
#include "domain.h"
#include "endpoint.h"
#include "kept.h"
#include "loan.h"
#include "operation.h"
#include "outcome.h"
#include "phase.h"
#include "progress.h"
#include "record.h"
#include "uses.h"

G_BEGIN_DECLS

/* One side of one migration: what it is about, where it is, how it ended. A driver does the work
 * and reports here; what follows from a report (records, leases, the bus) is decided by those who
 * listen.
 *
 * Signals: "attached"; "adopted"; "phase-changed"; "progress" (at most ten a second); "completed"
 * (once, and once more when a doubt is resolved); "changed", before those, whenever what the next
 * daemon would have to know is another (job-keep.h), and when one of its devices has gone. */
#define VF_TYPE_JOB (vf_job_get_type())
G_DECLARE_FINAL_TYPE(VfJob, vf_job, VF, JOB, GObject)

#define VF_JOB_PROGRESS_INTERVAL_US (100 * 1000)
#define VF_JOB_SECRET_SIZE 32
#define VF_JOB_KEPT_RECORD "record"
/* As many descriptors as a bus lets one message have, when nobody says otherwise (dbus-daemon's
 * max_message_unix_fds): one Adopt answers with all. VF_CONTROL_FDS_MAX is for one more. */
#define VF_JOB_DEVICES_MAX 16

/* Who has the devices of a job open, and would run them if it came to nothing. */
typedef enum {
    VF_HOLDER_DAEMON,
    VF_HOLDER_LENDER, /* whoever lent them: each device has a loan */
    VF_HOLDER_HYPERVISOR,
} VfHolder;

typedef struct {
    char *ref;     /* its Id at the source */
    char *id;      /* and here, whether it is there or not; NULL at a destination until it is made,
                      and when it was one of another boot */
    guint64 inode; /* vf_device_get_inode(); 0: unknown */
    VfDevice *device; /* NULL when it is not there */
    VfLoan *loan;     /* at the source, when somebody lent it */
    char *kept_loan;  /* its Id, in one that an earlier daemon kept: it is to be found */
    guint64 bytes;
    VfDeviceOutcome state;
    gboolean reset;    /* at the source: found by the driver's run or discard, its state is lost */
    gboolean moved_on; /* at the source: since the end, somebody has gone on with it */
    gboolean has_estimate; /* filled by the driver's begin */
    guint64 estimate;
} VfJobDevice;

/* How the two sides find each other. */
typedef struct {
    char *address;    /* destination: of this host, that the source can reach; NULL at a source */
    guint16 port_min; /* destination: where to listen; 0, 0 mean any port */
    guint16 port_max;
    GPtrArray *endpoints; /* of VfEndpoint: filled by the destination's driver when it listens, and
                             at the source, before perform, by what Perform's caller brings: a path
                             in it must not be opened with more rights than that one has */
    guint8 secret[VF_JOB_SECRET_SIZE];
    guint32 precopy_max_seconds; /* source */
    guint32 downtime_limit_ms;   /* source */
    gboolean switchover_ack;     /* source: the destination must have loaded initial bytes */
    guint64 size_max;            /* destination: bytes that it takes */
} VfJobChannel;

typedef struct {
    gint64 start;           /* microseconds, CLOCK_REALTIME */
    gint64 start_monotonic; /* the same moment; goes on across processes */
    gint64 end_monotonic;   /* of the last outcome; 0: there is none */
} VfJobTimes;

VfJob *vf_job_new(VfJobRole role, const char *uuid, guint32 uid, const char *owner);

VfJobRole vf_job_get_role(VfJob *self);
/* Set before it is on the bus; to migrate when nothing is said. */
VfJobOperation vf_job_get_operation(VfJob *self);
void vf_job_set_operation(VfJob *self, VfJobOperation operation);
const char *vf_job_get_uuid(VfJob *self);
guint32 vf_job_get_uid(VfJob *self);
const char *vf_job_get_owner(VfJob *self); /* unique bus name, "" when only a record knows it */
const VfJobTimes *vf_job_get_times(VfJob *self);
/* Of one that only a record knows: how long ago the clock says. */
void vf_job_set_start_time(VfJob *self, gint64 start);
VfJobChannel *vf_job_get_channel(VfJob *self);

/* On the bus; "" before. */
const char *vf_job_get_path(VfJob *self);
void vf_job_set_path(VfJob *self, const char *path);

/* HostId of the other side; "" where there is none (vf_job_operation_has_peer()). */
const char *vf_job_get_peer(VfJob *self);
void vf_job_set_peer(VfJob *self, const char *host_id);

/* The job's driver, by name; options of the call that the driver is to serve now, a{sv}, as far as
 * the caller's common ones did not use them up. */
const char *vf_job_get_driver_name(VfJob *self);
void vf_job_set_driver_name(VfJob *self, const char *name);
GVariant *vf_job_get_options(VfJob *self);
void vf_job_set_options(VfJob *self, GVariant *options);

/* At a destination: why it goes on although the comparison did not say yes; "" when it did. Set
 * before it is on the bus. */
const char *vf_job_get_override(VfJob *self);
void vf_job_set_override(VfJob *self, const char *reason);

VfHolder vf_job_get_holder(VfJob *self);
void vf_job_set_holder(VfJob *self, VfHolder holder);

/* Stream features that both sides know. */
const char *const *vf_job_get_features(VfJob *self);
void vf_job_set_features(VfJob *self, const char *const *features);

/* The guest that it is about; NULL: bare devices. Those of its devices that are known here are the
 * job's. */
VfDomain *vf_job_get_domain(VfJob *self);
void vf_job_set_domain(VfJob *self, VfDomain *domain);

VfJobDevice *vf_job_add_device(VfJob *self, const char *ref, VfDevice *device);
guint vf_job_get_n_devices(VfJob *self);
VfJobDevice *vf_job_get_device(VfJob *self, guint index);
/* Takes ownership of nothing. */
void vf_job_set_device(VfJob *self, guint index, VfDevice *device);
/* Of one that is not there, perhaps. */
void vf_job_name_device(VfJob *self, guint index, const char *id, guint64 inode);
gboolean vf_job_has_device(VfJob *self, const VfTouch *touch);

/* Shared with the mover; NULL before there is one. Takes ownership. */
VfRecord *vf_job_get_record(VfJob *self);
void vf_job_take_record(VfJob *self, VfRecord *record);

/* What of it outlives this process; the record is put into it. Takes @kept. For
 * vf_job_keep_follow(), which describes every change there, too. */
void vf_job_set_kept(VfJob *self, VfKept *kept);
VfKept *vf_job_get_kept(VfJob *self); /* NULL: nothing of it does */
/* Emits "changed", after a change that the job does not see itself. */
void vf_job_save(VfJob *self);
/* The end of that, for a job that is over. */
void vf_job_forget(VfJob *self);

/* Somebody decided that the devices of this job in doubt run here, and a mover may be at it:
 * whoever comes next has to go through with it. */
gboolean vf_job_get_run_decided(VfJob *self, guint32 *uid);
void vf_job_set_run_decided(VfJob *self, gboolean decided, guint32 uid);

/* What the driver wants to find again with it: a{sv}, or NULL. */
GVariant *vf_job_get_driver_state(VfJob *self);
void vf_job_set_driver_state(VfJob *self, GVariant *state);

/* What the driver keeps for it. */
void vf_job_set_driver_data(VfJob *self, gpointer data, GDestroyNotify destroy);
gpointer vf_job_get_driver_data(VfJob *self);

/* Closes a device of the job's (vf_io_close_in_thread()); takes *@fd. The kernel removes no mdev
 * that is open, and what is open may run: who goes on only when nothing is waits for it. */
void vf_job_close_fd(VfJob *self, int *fd);
void vf_job_wait_closed_async(VfJob *self, GAsyncReadyCallback callback, gpointer data);
void vf_job_wait_closed_finish(VfJob *self, GAsyncResult *result);

/* --- reports of the driver --- */

/* The other side is there and has shown the secret. */
void vf_job_report_attached(VfJob *self);
gboolean vf_job_is_attached(VfJob *self);

/* At a destination that has completed: somebody has the devices now and runs them, without
 * Lease.Adopt: the lease is over, and what was made for it is theirs. */
void vf_job_report_adopted(VfJob *self);

/* A phase before the present one, or a name that is none, is a mistake of the reporter and ignored.
 */
void vf_job_report_phase(VfJob *self, const char *phase);

/* Bytes never fall, the total is never less than what is done. */
void vf_job_report_progress(VfJob *self, const VfProgress *progress);

/* Takes @error: what the job will have come to if it is cancelled from now on. The first one
 * counts.
 */
void vf_job_set_cancel_reason(VfJob *self, GError *error);
const GError *vf_job_get_cancel_reason(VfJob *self); /* NULL: none, or it has been used */

/* Takes @outcome. Only the first counts: one that is in doubt stays so, whoever says what. A
 * rehearsal is never in doubt: it has failed then. */
void vf_job_complete(VfJob *self, VfOutcome *outcome);

/* --- a decision --- */

gboolean vf_job_is_in_doubt(VfJob *self);

/* Takes @outcome: what somebody who may decide has decided, and what is on record. For nobody else;
 * nothing happens to a job that is not in doubt. */
void vf_job_resolve_doubt(VfJob *self, VfOutcome *outcome);

/* --- what it is now --- */

VfJobPhase vf_job_get_phase(VfJob *self);
const char *vf_job_get_phase_name(VfJob *self);
VfResult vf_job_get_result(VfJob *self);
const VfOutcome *vf_job_get_outcome(VfJob *self); /* NULL while it runs */
const VfProgress *vf_job_get_progress(VfJob *self);
guint64 vf_job_get_downtime(VfJob *self); /* microseconds, 0 when unknown */

/* What an earlier daemon knew of it. Takes over what @past has; no signal tells of it. */
typedef struct {
    VfJobTimes times;
    gboolean attached;
    VfJobPhase phase;
    VfProgress progress;
    VfOutcome *outcome; /* NULL: it runs */
} VfJobPast;

void vf_job_set_past(VfJob *self, VfJobPast *past);

/* Until it has ended; an in-doubt job has. */
void vf_job_wait_async(VfJob *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer data);
VfResult vf_job_wait_finish(VfJob *self, GAsyncResult *result);

G_END_DECLS
