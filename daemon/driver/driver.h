/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "driver-host.h"
#include "job.h"
#include "loan.h"
#include "subject.h"

G_BEGIN_DECLS

/* The contract of a hypervisor driver: one way to run a migration. The daemon owns what is promised
 * and recorded (leases, loans, records, jobs); a driver does the work on one host and reports to
 * the VfJob.
 *
 * Drivers implement the functions below and call none of them; the daemon calls vf_driver_*(),
 * which checks that there is an implementation (else NOT_SUPPORTED), ends a call at its deadline,
 * reports a failure without a reason as the bug that it is, and puts the driver's name before the
 * message of every asynchronous function and of `adopt`.
 *
 * Each asynchronous function owns the task that it gets and returns a boolean to it exactly once,
 * from the main loop, without ever blocking it. The task's cancellable is cancelled at the deadline
 * or when the caller gives up. What a function has started belongs to the job's driver data, and
 * `drop` ends all of it. */
#define VF_TYPE_DRIVER (vf_driver_get_type())
G_DECLARE_DERIVABLE_TYPE(VfDriver, vf_driver, VF, DRIVER, GObject)

typedef void (*VfDriverJobFunc)(VfDriver *self, VfJob *job, GTask *task);

struct _VfDriverClass {
    GObjectClass parent_class;
    const char *name;
    /* VF_JOB_OPERATION_BIT() of each that it can; only to migrate when nothing is said. A save has
     * no peer: `perform` sends to nobody. Nor has a restore: `listen` begins to load, which it
     * reports as attached, and leaves the channel without endpoints. At the end of a rehearsal the
     * source runs, and the destination never did. */
    guint operations;

    /* Once, when all that the daemon has exists and before it is on the bus; connects to what the
     * driver watches, and waits for nothing. @host is there until `stop`. FALSE: the driver is
     * offered to nobody, none of its other functions is called, the domains that it has added go,
     * and its jobs of an earlier daemon are judged by their records. NULL: there is nothing to
     * start. */
    gboolean (*start)(VfDriver *self, VfDriverHost *host, GError **error);
    /* The end of this process, of one that has started: the jobs' work goes on. Jobs and attached
     * domains are there still, and their driver data is freed after this. NULL: nothing. */
    void (*stop)(VfDriver *self);

    /* Whether this driver is one for @subject: a domain of its own, or one bare device, when the
     * caller names no driver; each of a job's is asked for. NULL: never. */
    gboolean (*claims)(VfDriver *self, const VfSubject *subject);
    /* Who has a source's devices open while the job runs; NULL: the daemon. Of a job with a domain
     * it is the hypervisor. */
    VfHolder (*get_holder)(VfDriver *self, VfJob *job);

    /* Options of its own (a{sv}) for Begin, Prepare and Perform; NULL: there are none. Those of
     * AttachDomain `attach` checks, all of them. */
    gboolean (*check_options)(VfDriver *self, GVariant *options, GError **error);

    /* Opens a device that nobody here uses, asks what it can, and closes it. Sets the device's
     * migration flags. */
    void (*probe)(VfDriver *self, VfDevice *device, GTask *task);

    /* A lender's fd: is it this device, and can it migrate? Sets the device's migration flags. */
    void (*lend)(VfDriver *self, VfLoan *loan, GTask *task);

    /* What somebody hands over is a guest of this hypervisor, and the caller may: fills in @domain,
     * from its options and descriptors, whose meaning is the driver's. Its devices are those that
     * the guest really has, whatever its hypervisor says: nobody else may touch them from then on.
     * @incoming: at a destination, the job that waits for this guest, which `place` and `listen`
     * have served; else NULL. What it starts belongs to the domain's driver data. NULL: it takes
     * none. */
    void (*attach)(VfDriver *self, VfDomain *domain, VfJob *incoming, GTask *task);
    /* Lets go of a domain that was attached, at once, or whose `attach` has failed, or is under
     * way: it may have no name, and no driver data. The guest runs on. Required with `attach`. */
    void (*detach)(VfDriver *self, VfDomain *domain);

    VfDriverJobFunc
        begin; /* source: may it migrate now; fills the estimates and the job's features */
    VfDriverJobFunc
        place; /* destination: opens the devices, which exist; NULL: there is nothing to open yet */
    VfDriverJobFunc listen; /* destination: after that; fills the channel's endpoints */
    VfDriverJobFunc
        perform;            /* source: returns when it is under way; the end is vf_job_complete() */
    VfDriverJobFunc finish; /* destination, after the end: clean up; may be repeated */
    VfDriverJobFunc confirm; /* source, after the end: clean up; may be repeated */
    VfDriverJobFunc run;     /* an in-doubt job: the devices run on this side */
    VfDriverJobFunc discard; /* an in-doubt job: this side never runs them. Fails when one runs
                                after all; nothing is let go of before the decision is on record */

    /* Asks the work to stop; its end comes as vf_job_complete(). */
    void (*cancel)(VfDriver *self, VfJob *job);
    /* The loaded devices' fds, running, in the job's order. */
    gboolean (*adopt)(VfDriver *self, VfJob *job, GUnixFDList *fds, GError **error);
    /* Forgets the job: processes, sockets and fds of it go at once, without a report. Required. The
     * end of this process is no such thing: the driver data goes with it, and the work goes on.
     * Devices are closed with vf_job_close_fd(), and who has to know waits for that. */
    void (*drop)(VfDriver *self, VfJob *job);
    /* Goes on with a job of an earlier daemon, from what it put into vf_job_get_kept() and
     * vf_job_set_driver_state(); a domain of it has gone. FALSE when that is not whole: `drop`
     * follows. NULL: a restart of the daemon ends this driver's jobs. */
    gboolean (*restore)(VfDriver *self, VfJob *job, GError **error);
};

const char *vf_driver_get_name(VfDriver *self);

/* NOT_SUPPORTED, with both names. */
gboolean vf_driver_check_operation(VfDriver *self, VfJobOperation operation, GError **error);

/* FALSE: from now on vf_driver_check_started() says why, and the rest refuses with that, and calls
 * none of the driver's functions. */
gboolean vf_driver_start(VfDriver *self, VfDriverHost *host, GError **error);
void vf_driver_stop(VfDriver *self);
/* NOT_SUPPORTED with what came of it when it did not start. */
gboolean vf_driver_check_started(VfDriver *self, GError **error);

/* FALSE also puts the first bare device that it does not claim into *@unclaimed. */
gboolean vf_driver_claims(VfDriver *self, const VfSubject *subject, VfDevice **unclaimed);
VfHolder vf_driver_get_holder(VfDriver *self, VfJob *job);
gboolean vf_driver_check_options(VfDriver *self, GVariant *options, GError **error);

typedef enum {
    VF_DRIVER_BEGIN,
    VF_DRIVER_PLACE,
    VF_DRIVER_LISTEN,
    VF_DRIVER_PERFORM,
    VF_DRIVER_FINISH,
    VF_DRIVER_CONFIRM,
    VF_DRIVER_RUN,
    VF_DRIVER_DISCARD,
} VfDriverVerb;

/* One that has no `place` has nothing to do there. */
void vf_driver_call_async(VfDriver *self, VfDriverVerb operation, VfJob *job,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean vf_driver_call_finish(VfDriver *self, GAsyncResult *result, GError **error);

void vf_driver_probe_async(VfDriver *self, VfDevice *device, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer data);
gboolean vf_driver_probe_finish(VfDriver *self, GAsyncResult *result, GError **error);

void vf_driver_lend_async(VfDriver *self, VfLoan *loan, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer data);
gboolean vf_driver_lend_finish(VfDriver *self, GAsyncResult *result, GError **error);

gboolean vf_driver_can_attach(VfDriver *self);
void vf_driver_attach_async(VfDriver *self, VfDomain *domain, VfJob *incoming,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
gboolean vf_driver_attach_finish(VfDriver *self, GAsyncResult *result, GError **error);
void vf_driver_detach(VfDriver *self, VfDomain *domain);

gboolean vf_driver_cancel(VfDriver *self, VfJob *job, GError **error);
/* Free with g_object_unref(). */
GUnixFDList *vf_driver_adopt(VfDriver *self, VfJob *job, GError **error);
void vf_driver_drop(VfDriver *self, VfJob *job);
gboolean vf_driver_can_restore(VfDriver *self);
gboolean vf_driver_restore(VfDriver *self, VfJob *job, GError **error);

/* Tests only: another deadline for every call on a job, and for each device where it grows with
 * them; 0 restores the own ones. */
void vf_driver_set_deadline(VfDriver *self, guint milliseconds);

G_END_DECLS
