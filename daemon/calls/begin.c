/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "begin.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "answer.h"
#include "bus-peer.h"
#include "error.h"
#include "job-log.h"
#include "names.h"
#include "cookie.h"
#include "options.h"
#include "uuid.h"

struct _VfBegin {
    GObject parent_instance;
    const VfContext *context;
    VfJobs *jobs;
    VfLoans *loans;
    VfDomains *domains;
    VfSourceDevices *devices;
    guint pending_ms;
    GHashTable *pending; /* uuid -> Pending: begun, not yet performed */
};

G_DEFINE_FINAL_TYPE(VfBegin, vf_begin, G_TYPE_OBJECT)

typedef struct {
    VfBegin *begin;
    VfJob *job;
    gboolean begun; /* the cookie is out */
    guint timer;
    guint watch;
} Pending;

static void
pending_free(gpointer data)
{
    Pending *pending = data;

    g_clear_handle_id(&pending->timer, g_source_remove);
    g_clear_handle_id(&pending->watch, vf_bus_unwatch);
    g_object_unref(pending->job);
    g_free(pending);
}

static void
drop_pending(Pending *pending)
{
    VfBegin *self = pending->begin;
    g_autoptr(VfJob) job = g_object_ref(pending->job);
    VfDriver *driver = vf_context_find_driver(self->context, vf_job_get_driver_name(job));

    g_hash_table_remove(self->pending, vf_job_get_uuid(job));
    if (driver)
        vf_driver_drop(driver, job);
    vf_job_forget(job);
    vf_source_devices_release(self->devices, job);
}

static void
vf_begin_finalize(GObject *object)
{
    VfBegin *self = VF_BEGIN(object);

    g_hash_table_unref(self->pending);
    g_object_unref(self->jobs);
    g_object_unref(self->loans);
    g_object_unref(self->domains);
    g_object_unref(self->devices);
    G_OBJECT_CLASS(vf_begin_parent_class)->finalize(object);
}

static void
vf_begin_class_init(VfBeginClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_begin_finalize;
}

static void
vf_begin_init(VfBegin *self)
{
    self->pending = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pending_free);
}

/* --- Begin --- */

typedef struct {
    VfBegin *begin;
    VferryManager *manager;
    GDBusMethodInvocation *invocation;
    VfJob *job;
} Call;

static void
call_free(Call *call)
{
    g_object_unref(call->begin);
    g_object_unref(call->manager);
    g_object_unref(call->job);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

static gboolean
check_device(VfBegin *self, VfJob *job, VfDevice *device, GError **error)
{
    const VfTouch touch = {.id = vf_device_get_id(device),
                           .inode = vf_device_get_inode(device),
                           .lent = vf_job_get_domain(job) == NULL,
                           .domain = vf_job_get_domain(job)};

    if (vf_job_get_n_devices(job) == VF_JOB_DEVICES_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("a job has at most %d devices"), VF_JOB_DEVICES_MAX);
        return FALSE;
    }
    for (guint i = 0; i < vf_job_get_n_devices(job); i++)
        if (vf_job_get_device(job, i)->device == device) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                        _("device %s is named twice"), vf_device_get_id(device));
            return FALSE;
        }
    if (!vf_device_check_stays(device, error))
        return FALSE;
    if (!vf_device_get_model(device)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_UNKNOWN,
                    _("no model is known for device %s: no descriptor matches it"),
                    vf_device_get_id(device));
        return FALSE;
    }
    return vf_uses_check(self->context->uses, &touch, error);
}

static gboolean
add_device(VfBegin *self, VfJob *job, VfDevice *device, GError **error)
{
    VfJobDevice *entry;
    VfLoan *loan;

    if (!check_device(self, job, device, error))
        return FALSE;
    /* what it is now, not when it appeared: once it is in use, drivers keep it so. That its model
     * has gone with its type is for check_models() to say. */
    vf_registry_refresh_device(self->context->registry, device);
    if (vf_device_is_gone(device)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("device %s has gone"),
                    vf_device_get_id(device));
        return FALSE;
    }
    loan = vf_loans_find(self->loans, device);
    if (vf_job_get_holder(job) == VF_HOLDER_LENDER && !loan) {
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
            _("device %s is not lent: lend it first (Device.Lend). Its state is in the open "
              "device, and opening it here would reset it"),
            vf_device_get_id(device));
        return FALSE;
    }
    if (loan && !vf_loan_use(loan, vf_job_get_uuid(job), error))
        return FALSE;
    entry = vf_job_add_device(job, vf_device_get_id(device), device);
    entry->loan = loan ? g_object_ref(loan) : NULL;
    return TRUE;
}

/* Of @paths, which may also be one of a domain, and is of nothing else. */
static VfDomain *
find_domain(VfBegin *self, const char *const *paths, GError **error)
{
    VfDomain *domain = NULL;

    for (const char *const *path = paths; *path; path++) {
        if (!g_str_has_prefix(*path, VF_PATH_DOMAIN))
            continue;
        domain = vf_domains_find(self->domains, *path);
        if (paths[1]) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                        _("a job is about bare devices or about one domain: %s stands beside "
                          "others"),
                        *path);
            return NULL;
        }
        if (!domain)
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no domain %s"),
                        *path);
    }
    return domain;
}

static gboolean
check_migrates(VfDomain *domain, const VfDomainDevice *device, GError **error)
{
    g_autofree char *reasons = device->migrates ? NULL : g_strjoinv("; ", device->reasons);

    if (device->migrates)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("device %s (%s here) of domain %s cannot migrate: %s"), device->guest_address,
                device->host_address, vf_domain_get_label(domain), reasons);
    return FALSE;
}

/* Those that are known here; one that does not migrate keeps the others here, too. */
static GPtrArray *
list_domain_devices(VfDomain *domain, GError **error)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(g_object_unref);

    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);

        if (!check_migrates(domain, device, error))
            return NULL;
        if (device->device)
            g_ptr_array_add(devices, g_object_ref(device->device));
    }
    if (devices->len > 0)
        return g_steal_pointer(&devices);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("domain %s has no device that is known here"), vf_domain_get_label(domain));
    return NULL;
}

static GPtrArray *
list_bare_devices(VfBegin *self, const char *const *paths, GError **error)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(g_object_unref);

    if (!paths[0]) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("no device is named"));
        return NULL;
    }
    for (const char *const *path = paths; *path; path++) {
        VfDevice *device = vf_objects_find_device(self->context->objects, *path);

        if (!device) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no device %s"),
                        *path);
            return NULL;
        }
        g_ptr_array_add(devices, g_object_ref(device));
    }
    return g_steal_pointer(&devices);
}

/* What is taken meanwhile, vf_source_devices_release() gives back. */
static gboolean
add_subject(VfBegin *self, VfJob *job, const char *const *paths, const char *driver_name,
            GError **error)
{
    g_autoptr(GError) mistake = NULL;
    VfDomain *domain = find_domain(self, paths, &mistake);
    g_autoptr(GPtrArray) devices = NULL;
    VfSubject subject = {.domain = domain};
    VfDriver *driver;

    if (mistake) {
        g_propagate_error(error, g_steal_pointer(&mistake));
        return FALSE;
    }
    devices = domain ? list_domain_devices(domain, error) : list_bare_devices(self, paths, error);
    if (!devices)
        return FALSE;
    if (!domain)
        subject =
            (VfSubject){.devices = (VfDevice *const *)devices->pdata, .n_devices = devices->len};
    driver = vf_context_choose_driver(self->context, driver_name, &subject, error);
    if (!driver || !vf_driver_check_operation(driver, vf_job_get_operation(job), error) ||
        (domain && !vf_domain_use(domain, vf_job_get_uuid(job), error)))
        return FALSE;
    vf_job_set_driver_name(job, vf_driver_get_name(driver));
    vf_job_set_domain(job, domain);
    vf_job_set_holder(job, vf_driver_get_holder(driver, job));
    for (guint i = 0; i < devices->len; i++)
        if (!add_device(self, job, devices->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* Who removes an mdev that is open takes its mdev_type away at once, and waits for whoever has it
 * open only then: mdev_device_remove_common(), drivers/vfio/mdev/mdev_core.c. */
static gboolean
check_models(VfJob *job, GError **error)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);

        if (vf_device_get_model(device->device) && !vf_device_is_gone(device->device))
            continue;
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
            _("device %s is being removed, or has changed: its model is not known any more"),
            device->ref);
        return FALSE;
    }
    return TRUE;
}

/* Its driver has asked what the guest has, perhaps for the second time. */
static gboolean
check_domain(VfJob *job, VfDomain *domain, GError **error)
{
    guint n = 0;

    if (!vf_domain_check_stays(domain, error))
        return FALSE;
    for (guint i = 0; i < vf_domain_get_n_devices(domain); i++) {
        const VfDomainDevice *device = vf_domain_get_device(domain, i);
        const VfTouch touch = {.id = device->host_address, .inode = device->inode};

        if (!check_migrates(domain, device, error))
            return FALSE;
        if (device->device)
            n += vf_job_has_device(job, &touch) ? 1 : VF_JOB_DEVICES_MAX;
    }
    if (n == vf_job_get_n_devices(job))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                _("domain %s has other devices now than when it was attached: begin again"),
                vf_domain_get_label(domain));
    return FALSE;
}

static char *
make_cookie(VfBegin *self, VfJob *job)
{
    g_autoptr(VfMigration) cookie =
        vf_migration_new(vf_job_get_uuid(job), vf_context_get_host_id(self->context));

    g_strfreev(cookie->features);
    cookie->features = g_strdupv((char **)vf_job_get_features(job));
    if (vf_job_get_operation(job) != VF_JOB_MIGRATE)
        cookie->operation = g_strdup(vf_job_operation_to_string(vf_job_get_operation(job)));
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        const VfJobDevice *device = vf_job_get_device(job, i);
        g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(
            vf_device_get_model(device->device), vf_device_get_values(device->device));
        VfMigrationDevice *entry = vf_migration_add_device(cookie, device->ref, requirement);

        entry->has_estimate = device->has_estimate;
        entry->stop_copy_bytes = device->estimate;
    }
    return vf_migration_format(cookie);
}

static void
on_begun(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    VfBegin *self = call->begin;
    Pending *pending = g_hash_table_lookup(self->pending, vf_job_get_uuid(call->job));
    g_autofree char *cookie = NULL;
    GError *error = NULL;

    vf_driver_call_finish(VF_DRIVER(source), result, &error);
    if (!error && !pending)
        error = g_error_new(VFERRY_ERROR, VFERRY_ERROR_CANCELLED, _("the caller left the bus"));
    if (!error && vf_job_get_domain(call->job))
        check_domain(call->job, vf_job_get_domain(call->job), &error);
    if (!error)
        check_models(call->job, &error);
    if (error) {
        if (pending)
            drop_pending(pending);
        vf_bus_return_error(call->invocation, error);
        return;
    }
    pending->begun = TRUE;
    vf_job_save(call->job); /* from here on its caller counts on it */
    cookie = make_cookie(self, call->job);
    vferry_manager_complete_begin(call->manager, call->invocation, vf_job_get_uuid(call->job),
                                  cookie);
}

static void
on_caller_vanished(gpointer data)
{
    drop_pending(data);
}

static gboolean
on_pending_expired(gpointer data)
{
    Pending *pending = data;

    pending->timer = 0;
    vf_job_log(pending->job, G_LOG_LEVEL_MESSAGE, "job %s was begun and never performed",
               vf_job_get_uuid(pending->job));
    drop_pending(pending);
    return G_SOURCE_REMOVE;
}

static Pending *
add_pending(VfBegin *self, VfJob *job)
{
    Pending *pending = g_new0(Pending, 1);
    gint64 age = g_get_monotonic_time() - vf_job_get_times(job)->start_monotonic;
    gint64 left = (gint64)self->pending_ms - age / 1000;

    pending->begin = self;
    pending->job = g_object_ref(job);
    pending->timer = g_timeout_add((guint)MAX(left, 0), on_pending_expired, pending);
    g_hash_table_insert(self->pending, (gpointer)vf_job_get_uuid(job), pending);
    pending->watch =
        vf_bus_watch(self->context->connection, vf_job_get_owner(job), on_caller_vanished, pending);
    return pending;
}

/* A restore begins at the other side, with Prepare. */
static gboolean
take_operation(VfJob *job, const char *name, GError **error)
{
    VfJobOperation operation;

    if (vf_job_operation_from_string(name, &operation) && operation != VF_JOB_RESTORE) {
        vf_job_set_operation(job, operation);
        return TRUE;
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “operation” is “%.100s”, but must be “migrate”, “rehearse” or “save”"),
                name);
    return FALSE;
}

static VfJob *
new_job(VfBegin *self, GDBusMethodInvocation *invocation, const char *const *paths,
        GVariant *options_dict, GError **error)
{
    static const char *const common[] = {"driver", "operation", NULL};
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    g_autofree char *uuid = g_uuid_string_random();
    g_autoptr(VfJob) job = vf_job_new(VF_JOB_SOURCE, uuid,
                                      vf_gate_get_sender_uid(self->context->gate, sender), sender);
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    g_autofree char *driver_name = vf_options_take_string(options, "driver", NULL);
    g_autofree char *operation = vf_options_take_string(options, "operation", "migrate");

    if (!vf_options_check(options, error) || !take_operation(job, operation, error) ||
        !add_subject(self, job, paths, driver_name, error) ||
        !vf_context_take_driver_options(
            job, vf_context_find_driver(self->context, vf_job_get_driver_name(job)), options_dict,
            common, error) ||
        !vf_jobs_reserve(self->jobs, job, 0, error)) {
        vf_source_devices_release(self->devices, job);
        return NULL;
    }
    return g_steal_pointer(&job);
}

static gboolean
on_begin(VferryManager *manager, GDBusMethodInvocation *invocation, const char *const *devices,
         GVariant *options, gpointer data)
{
    VfBegin *self = data;
    GError *error = NULL;
    g_autoptr(VfJob) job = new_job(self, invocation, devices, options, &error);
    Call *call;

    if (!job) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    add_pending(self, job);
    call = g_new0(Call, 1);
    call->begin = g_object_ref(self);
    call->manager = g_object_ref(manager);
    call->invocation = invocation;
    call->job = g_object_ref(job);
    vf_driver_call_async(vf_context_find_driver(self->context, vf_job_get_driver_name(job)),
                         VF_DRIVER_BEGIN, job, NULL, on_begun, call);
    return TRUE;
}

/* --- what begins again, and what is performed --- */

void
vf_begin_resume(VfBegin *self, VfJob *job)
{
    vf_jobs_reserve(self->jobs, job, 0, NULL); /* promised by the last daemon */
    add_pending(self, job)->begun = TRUE;
}

VfJob *
vf_begin_find(VfBegin *self, const char *uuid)
{
    const Pending *pending = g_hash_table_lookup(self->pending, uuid);

    return pending && pending->begun ? pending->job : NULL;
}

void
vf_begin_take(VfBegin *self, VfJob *job)
{
    g_hash_table_remove(self->pending, vf_job_get_uuid(job));
}

VfBegin *
vf_begin_new(const VfContext *context, VfJobs *jobs, VfLoans *loans, VfDomains *domains,
             VfSourceDevices *devices, guint pending_ms)
{
    VfBegin *self = g_object_new(VF_TYPE_BEGIN, NULL);

    self->context = context;
    self->jobs = g_object_ref(jobs);
    self->loans = g_object_ref(loans);
    self->domains = g_object_ref(domains);
    self->devices = g_object_ref(devices);
    self->pending_ms = pending_ms;
    g_signal_connect_object(vf_objects_get_manager(context->objects), "handle-begin",
                            G_CALLBACK(on_begin), self, 0);
    return self;
}
