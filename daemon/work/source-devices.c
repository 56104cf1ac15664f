/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "source-devices.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "log.h"
#include "provider.h"

struct _VfSourceDevices {
    GObject parent_instance;
    const VfContext *context;
    VfLoans *loans;
    VfDomains *domains;
    GHashTable *leaving; /* Ids of devices that are being removed after their guests */
};

G_DEFINE_FINAL_TYPE(VfSourceDevices, vf_source_devices, G_TYPE_OBJECT)

static void
vf_source_devices_finalize(GObject *object)
{
    VfSourceDevices *self = VF_SOURCE_DEVICES(object);

    g_hash_table_unref(self->leaving);
    g_object_unref(self->loans);
    g_object_unref(self->domains);
    G_OBJECT_CLASS(vf_source_devices_parent_class)->finalize(object);
}

static void
vf_source_devices_class_init(VfSourceDevicesClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_source_devices_finalize;
}

static void
vf_source_devices_init(VfSourceDevices *self)
{
    self->leaving = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void
vf_source_devices_release(VfSourceDevices *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);

        if (device->loan)
            vf_loans_release(self->loans, device->loan, vf_job_get_uuid(job));
    }
    vf_domains_release(self->domains, job);
}

/* --- while the job runs --- */

/* What the driver does not say is as it was before the job: with whoever lent it. */
static void
set_device_state(const VfJobDevice *device)
{
    switch (device->state) {
    case VF_DEVICE_OUTCOME_STOPPED:
        vf_device_set_state(device->device, VF_DEVICE_STOPPED);
        break;
    case VF_DEVICE_OUTCOME_NEEDS_RESET:
        vf_device_set_state(device->device, VF_DEVICE_FAILED_NEEDS_RESET);
        break;
    case VF_DEVICE_OUTCOME_RUNNING:
    case VF_DEVICE_OUTCOME_UNKNOWN:
    default:
        vf_device_set_state(device->device, device->loan ? VF_DEVICE_LENT : VF_DEVICE_UNKNOWN);
        break;
    }
}

static void
set_device_states(VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device)
            set_device_state(vf_job_get_device(job, i));
}

static void
on_moved_on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!vf_ledger_append_finish(VF_LEDGER(source), result, &error))
        g_warning("%s", error->message);
}

static void
set_moved_on(VfJob *job, guint index)
{
    VfLedger *ledger = g_object_get_data(G_OBJECT(job), "ledger");
    GVariantDict details;

    vf_job_get_device(job, index)->moved_on = TRUE;
    g_variant_dict_init(&details, NULL);
    g_variant_dict_insert(&details, "device", "u", index);
    vf_ledger_append_async(ledger, vf_job_get_record(job), "moved-on", g_variant_dict_end(&details),
                           on_moved_on_recorded, NULL);
}

/* Its holder has it again, or has lent it anew, or another job has it: nothing of it is this job's
 * any more. A daemon that has nothing but the record knows it, too. */
static void
on_moved_on(VfDevice *device, GParamSpec *spec, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device == device)
            set_moved_on(job, i);
    g_signal_handlers_disconnect_by_func(device, on_moved_on, job);
    vf_job_save(job);
}

/* What becomes of the devices that a job left behind stopped. */
static void
follow_devices(VfJob *job, VfLedger *ledger)
{
    if (vf_job_get_operation(job) == VF_JOB_REHEARSE)
        return;
    g_object_set_data(G_OBJECT(job), "ledger", ledger);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);

        if (device->device && !device->moved_on)
            g_signal_connect_object(device->device, "notify::state", G_CALLBACK(on_moved_on), job,
                                    0);
    }
}

static void
on_job_completed(VfJob *job, VfSourceDevices *self)
{
    VfResult result = vf_job_get_result(job);

    set_device_states(job);
    if (result == VF_RESULT_COMPLETED)
        follow_devices(job, self->context->ledger);
    /* In doubt, the fd with the state is kept for Resolve. Otherwise a lender that has left, or
     * leaves, takes the loan along: nobody need confirm for that. */
    if (result != VF_RESULT_IN_DOUBT)
        vf_source_devices_release(self, job);
}

void
vf_source_devices_follow(VfSourceDevices *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        vf_device_set_state(vf_job_get_device(job, i)->device, VF_DEVICE_MIGRATING);
    g_signal_connect_object(job, "completed", G_CALLBACK(on_job_completed), self, 0);
}

/* --- after a restart --- */

/* Of a job that is over only as long as nobody has begun anything with the device since. */
static void
resume_device_state(VfJob *job, const VfJobDevice *device)
{
    VfResult result = vf_job_get_result(job);
    gboolean last = device->loan ? !vf_loan_get_user(device->loan)
                                 : vf_device_get_state(device->device) == VF_DEVICE_UNKNOWN;

    if (result == VF_RESULT_NONE)
        vf_device_set_state(device->device, VF_DEVICE_MIGRATING);
    else if (result == VF_RESULT_IN_DOUBT ||
             (result == VF_RESULT_COMPLETED && last && !device->moved_on))
        set_device_state(device);
}

void
vf_source_devices_resume(VfSourceDevices *self, VfJob *job)
{
    g_signal_connect_object(job, "completed", G_CALLBACK(on_job_completed), self, 0);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device)
            resume_device_state(job, vf_job_get_device(job, i));
    if (vf_job_get_result(job) == VF_RESULT_COMPLETED)
        follow_devices(job, self->context->ledger);
}

/* A mover that went on without the daemon that had begun it left the loan to nobody. */
static void
take_loans(VfSourceDevices *self, VfJob *job)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *device = vf_job_get_device(job, i);
        VfLoan *loan = device->device ? vf_loans_find(self->loans, device->device) : NULL;

        if (loan && vf_loan_use(loan, vf_job_get_uuid(job), NULL))
            device->loan = g_object_ref(loan);
    }
}

static void
on_recovered(VfJob *job, VfSourceDevices *self)
{
    VfResult result = vf_job_get_result(job);

    if (result == VF_RESULT_IN_DOUBT)
        take_loans(self, job);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->loan && result != VF_RESULT_IN_DOUBT)
            set_device_state(vf_job_get_device(job, i));
    if (result != VF_RESULT_IN_DOUBT)
        vf_source_devices_release(self, job);
    if (result == VF_RESULT_COMPLETED)
        follow_devices(job, self->context->ledger);
}

void
vf_source_devices_recover(VfSourceDevices *self, VfJob *job)
{
    g_signal_connect_object(job, "completed", G_CALLBACK(on_recovered), self, 0);
}

/* --- when the guest has left --- */

static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfSourceDevices *self = user;

    if (!g_hash_table_contains(self->leaving, touch->id))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                _("device %s has left this host, and is being removed"), touch->id);
    return FALSE;
}

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    VfMaking *making = VF_MAKING(source);
    const char *id = vf_making_get_id(making);
    g_autoptr(VfSourceDevices) self = data;
    g_autoptr(GError) error = NULL;

    g_hash_table_remove(self->leaving, id);
    if (vf_making_remove_finish(making, result, &error))
        vf_log_device(G_LOG_LEVEL_MESSAGE, id, "%s has left this host and is removed", id);
    else /* the kernel goes on with it by itself as soon as the holder closes the device */
        vf_log_device(G_LOG_LEVEL_MESSAGE, id,
                      "%s has left this host and goes when its holder closes it: %s", id,
                      error->message);
}

/* One that vferry made. */
static void
remove_device(VfSourceDevices *self, VfDevice *device)
{
    const VfProvider *provider =
        vf_provider_find(self->context->providers, vf_device_get_kind(device));
    const VfMade made = {.id = vf_device_get_id(device),
                         .sysfs_path = vf_device_get_sysfs_path(device),
                         .type =
                             vf_ledger_find_created(self->context->ledger, vf_device_get_id(device),
                                                    vf_device_get_inode(device)),
                         .inode = vf_device_get_inode(device)};
    g_autoptr(VfMaking) making = NULL;

    if (!made.type || !provider)
        return;
    making = provider->new_for_removal(&made);
    g_hash_table_add(self->leaving, g_strdup(made.id));
    vf_making_remove_async(making, on_removed, g_object_ref(self));
}

void
vf_source_devices_clean_up(VfSourceDevices *self, VfJob *job)
{
    if (vf_job_get_operation(job) == VF_JOB_REHEARSE) /* nobody has left */
        return;
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        VfJobDevice *entry = vf_job_get_device(job, i);
        VfDevice *device = entry->device;
        const VfTouch touch = {
            .id = entry->id, .inode = entry->inode, .domain = vf_job_get_domain(job)};

        if (entry->moved_on || (entry->loan && vf_loan_get_user(entry->loan)))
            continue;
        if (entry->loan)
            vf_loans_end(self->loans, entry->loan);
        g_clear_object(&entry->loan);
        vf_job_save(job);
        if (device && !vf_device_is_gone(device) &&
            vf_uses_check(self->context->uses, &touch, NULL))
            remove_device(self, device);
    }
}

static void
on_job_expired(VfJobs *jobs, VfJob *job, VfSourceDevices *self)
{
    if (vf_job_get_role(job) == VF_JOB_SOURCE && vf_job_get_result(job) == VF_RESULT_COMPLETED)
        vf_source_devices_clean_up(self, job); /* nobody confirmed */
}

VfSourceDevices *
vf_source_devices_new(const VfContext *context, VfJobs *jobs, VfLoans *loans, VfDomains *domains)
{
    VfSourceDevices *self = g_object_new(VF_TYPE_SOURCE_DEVICES, NULL);

    self->context = context;
    self->loans = g_object_ref(loans);
    self->domains = g_object_ref(domains);
    vf_uses_add(context->uses, check_use, self);
    g_signal_connect_object(jobs, "expired", G_CALLBACK(on_job_expired), self, 0);
    return self;
}
