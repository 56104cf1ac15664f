/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "restart.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "job-keep.h"
#include "kept.h"
#include "lease-keep.h"
#include "log.h"
#include "verdict.h"

/* A lease of the last daemon, whose job is not found yet. */
static VfKept *
steal_lease(GPtrArray *leases, const char *job_uuid)
{
    for (guint i = 0; i < leases->len; i++) {
        g_autofree char *uuid = vf_lease_keep_read_job(leases->pdata[i]);

        if (g_str_equal(uuid, job_uuid))
            return g_ptr_array_steal_index(leases, i);
    }
    return NULL;
}

/* The descriptor shares the open file, and so the lock, with the mover. */
static gboolean
take_record(VfJob *job, VfKept *kept)
{
    int fd = vf_kept_take(kept, VF_JOB_KEPT_RECORD);

    if (fd >= 0)
        vf_job_take_record(job, vf_record_new_from_fd(fd));
    return fd >= 0;
}

static VfLoan *
find_loan(const VfRestart *self, const VfJobDevice *device)
{
    VfLoan *loan = device->device ? vf_loans_find(self->loans, device->device) : NULL;

    return loan && g_strcmp0(vf_loan_get_id(loan), device->kept_loan) == 0 ? loan : NULL;
}

/* One that is over has no claim to a loan, and may do without. */
static gboolean
take_loans(const VfRestart *self, VfJob *job, GError **error)
{
    VfResult result = vf_job_get_result(job);
    gboolean needed = result == VF_RESULT_NONE || result == VF_RESULT_IN_DOUBT;

    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);
        VfLoan *loan = device->kept_loan ? find_loan(self, device) : NULL;

        if (loan && needed && !vf_loan_use(loan, vf_job_get_uuid(job), error))
            return FALSE;
        device->loan = loan ? g_object_ref(loan) : NULL;
        if (loan || !device->kept_loan || !needed)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("device %s is not lent any more"), device->ref);
        return FALSE;
    }
    return TRUE;
}

static void
release_loans(const VfRestart *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);

        if (device->loan)
            vf_loans_release(self->loans, device->loan, vf_job_get_uuid(job));
        g_clear_object(&device->loan);
    }
}

static VfOutcome *
make_outcome(VfJob *job, GPtrArray *entries, gboolean completed, VfDeviceOutcome state)
{
    VfOutcome *outcome = vf_outcome_new(
        completed ? VF_RESULT_COMPLETED : VF_RESULT_CANCELLED,
        completed ? NULL
                  : g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                        _("it was resolved while vferryd was restarted")));

    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfDeviceOutcome its =
            vf_verdict_was_reset(entries, i) ? VF_DEVICE_OUTCOME_NEEDS_RESET : state;

        g_array_append_val(outcome->devices, its);
    }
    return outcome;
}

/* A decision that was carried out, or is on record, when the last daemon ended counts: another one
 * on top of it could make two sides run. */
static void
settle_doubt(VfJob *job)
{
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;
    g_autoptr(GPtrArray) entries = NULL;
    gboolean completed;

    if (vf_job_is_in_doubt(job))
        entries = vf_record_read(vf_job_get_record(job), NULL);
    if (!entries) /* damaged: what was answered, or is to run, is in the description, too */
        return;
    switch (vf_verdict(vf_job_get_role(job), entries)) {
    case VF_RECORD_COMPLETED:
        completed = TRUE;
        break;
    case VF_RECORD_RETURNED:
    case VF_RECORD_DISCARDED:
        completed = FALSE;
        break;
    case VF_RECORD_EMPTY:
    case VF_RECORD_UNCOMMITTED:
    case VF_RECORD_IN_DOUBT:
    default:
        return;
    }
    vf_job_resolve_doubt(job, make_outcome(job, entries, completed,
                                           completed == source ? VF_DEVICE_OUTCOME_STOPPED
                                                               : VF_DEVICE_OUTCOME_RUNNING));
}

static gboolean
resume_source(const VfRestart *self, VfJob *job, VfDriver *driver, GError **error)
{
    /* what is settled has no use for its loans any more */
    settle_doubt(job);
    if (!take_loans(self, job, error) ||
        (vf_job_get_record(job) && !vf_driver_restore(driver, job, error))) {
        release_loans(self, job);
        return FALSE;
    }
    if (vf_job_get_record(job)) {
        vf_source_devices_resume(self->source_devices, job);
        vf_jobs_add(self->jobs, job);
    } else {
        vf_begin_resume(self->begin, job);
    }
    return TRUE;
}

static gboolean
check_devices(VfJob *job, GError **error)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (!vf_job_get_device(job, i)->device) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                        _("what was made for %s is not here any more"),
                        vf_job_get_device(job, i)->ref);
            return FALSE;
        }
    return TRUE;
}

/* One that ended while Prepare was being answered has no lease in the store, and what was begun for
 * it may still come. */
static gboolean
is_undone(VfJob *job)
{
    VfRecord *record = vf_job_get_record(job);
    g_autoptr(GPtrArray) entries = record ? vf_record_read(record, NULL) : NULL;

    return !entries || vf_verdict(VF_JOB_DESTINATION, entries) == VF_RECORD_RETURNED;
}

/* Without its lease only the memory of one that is over is left. Of a rehearsal nothing stays. */
static gboolean
resume_destination(const VfRestart *self, VfJob *job, VfDriver *driver, GPtrArray *leases,
                   GError **error)
{
    VfKept *kept = steal_lease(leases, vf_job_get_uuid(job));
    VfResult result = vf_job_get_result(job);
    gboolean stays = result == VF_RESULT_COMPLETED && vf_job_get_operation(job) != VF_JOB_REHEARSE;
    VfLease *lease;

    if (!kept && !stays &&
        (result == VF_RESULT_NONE || result == VF_RESULT_IN_DOUBT || !is_undone(job))) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                            _("its lease is missing, or was not ready yet"));
        return FALSE;
    }
    settle_doubt(job);
    if ((result == VF_RESULT_NONE && !check_devices(job, error)) ||
        !vf_driver_restore(driver, job, error)) {
        if (kept)
            vf_kept_forget(kept);
        g_clear_pointer(&kept, vf_kept_free);
        return FALSE;
    }
    lease = kept ? vf_leases_resume(self->leases, job, kept) : NULL;
    vf_jobs_add(self->jobs, job);
    if (lease && vf_lease_get_state(lease) != VF_LEASE_ADOPTED) /* “over” is not said yet */
        vf_jobs_hold(self->jobs, job);
    return TRUE;
}

static gboolean
resume_job(const VfRestart *self, VfJob *job, GPtrArray *leases, GError **error)
{
    VfDriver *driver =
        vf_context_choose_driver(self->context, vf_job_get_driver_name(job), NULL, error);
    gboolean source = vf_job_get_role(job) == VF_JOB_SOURCE;

    if (!driver)
        return FALSE;
    if (!(source ? resume_source(self, job, driver, error)
                 : resume_destination(self, job, driver, leases, error))) {
        vf_job_set_driver_data(job, NULL, NULL); /* not dropped, which kills: it sees end of file */
        return FALSE;
    }
    if (vf_job_get_record(job))
        vf_recovery_leave(self->recovery, vf_job_get_uuid(job), vf_job_get_role(job));
    return TRUE;
}

/* One without a path was begun, and not performed: there is no record of it yet. */
static VfJob *
read_job(const VfRestart *self, VfKept *kept, GError **error)
{
    g_autoptr(GVariant) state = vf_kept_read(kept, error);
    g_autoptr(VfJob) job = state ? vf_job_keep_parse(state, self->context->registry, error) : NULL;

    if (!job || take_record(job, kept) || !*vf_job_get_path(job))
        return g_steal_pointer(&job);
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("its record is missing"));
    return NULL;
}

/* Takes @kept. */
static void
resume(const VfRestart *self, VfKept *kept, GPtrArray *leases)
{
    g_autofree char *uuid = g_strdup(vf_kept_get_id(kept));
    g_autoptr(GError) error = NULL;
    g_autoptr(VfJob) job = read_job(self, kept, &error);

    if (job)
        vf_job_keep_follow(job, kept); /* after the record, which is in the store already */
    if (job && resume_job(self, job, leases, &error))
        return;
    vf_log_job(G_LOG_LEVEL_WARNING, uuid,
               "job %s of the last daemon cannot go on here, its record decides: %s", uuid,
               error->message);
    vf_kept_forget(kept);
    if (!job)
        vf_kept_free(kept);
}

static void
resume_all(const VfRestart *self, const char *kind, GPtrArray *leases)
{
    g_autoptr(GPtrArray) all = vf_kept_list(self->context->store, kind);

    while (all->len > 0)
        resume(self, g_ptr_array_steal_index(all, all->len - 1), leases);
}

void
vf_restart(const VfRestart *self)
{
    g_autoptr(GPtrArray) leases = vf_kept_list(self->context->store, VF_KEPT_LEASE);

    vf_loans_restore(self->loans);
    resume_all(self, VF_KEPT_SOURCE, leases);
    resume_all(self, VF_KEPT_DESTINATION, leases);
    for (guint i = 0; i < leases->len; i++) {
        vf_log_lease(G_LOG_LEVEL_WARNING, vf_kept_get_id(leases->pdata[i]),
                     "lease %s of the last daemon has no job that goes on: it is let go",
                     vf_kept_get_id(leases->pdata[i]));
        vf_kept_forget(leases->pdata[i]);
    }
    vf_fd_store_remove_rest(self->context->store);
}
