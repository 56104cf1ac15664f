/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "service.h"

#include "begin.h"
#include "context.h"
#include "device-calls.h"
#include "domains.h"
#include "end.h"
#include "jobs.h"
#include "leases.h"
#include "loans.h"
#include "manager-object.h"
#include "model-calls.h"
#include "names.h"
#include "perform.h"
#include "prepare.h"
#include "recovery.h"
#include "restart.h"

#define CONFIG_FILE "vferry.conf"
#define STUCK_RETRY_MS 1000
#define RECORD_RETRY_MS 1000

struct _VfService {
    GObject parent_instance;
    VfContext context; /* what the parts below see; it lives as long as they */
    VfConfigFile *config;
    VfJobs *jobs;
    VfLoans *loans;
    VfLeases *leases;
    VfDomains *domains;
    VfSourceDevices *source_devices;
    VfBegin *begin;
    VfPrepare *prepare;
    VfPerform *perform;
    VfEnd *end;
    VfRecovery *recovery;
    VfDeviceCalls *device_calls;
    VfModelCalls *model_calls;
};

G_DEFINE_FINAL_TYPE(VfService, vf_service, G_TYPE_OBJECT)

static void
vf_service_finalize(GObject *object)
{
    VfService *self = VF_SERVICE(object);

    g_clear_object(&self->model_calls);
    g_clear_object(&self->device_calls);
    g_clear_object(&self->recovery);
    g_clear_object(&self->end);
    g_clear_object(&self->perform);
    g_clear_object(&self->prepare);
    g_clear_object(&self->begin);
    g_clear_object(&self->source_devices);
    g_clear_object(&self->domains);
    g_clear_object(&self->leases);
    g_clear_object(&self->loans);
    g_clear_object(&self->jobs);
    g_clear_object(&self->context.ledger);
    g_clear_object(&self->context.store);
    g_clear_object(&self->context.uses);
    g_clear_object(&self->context.objects);
    g_clear_object(&self->context.gate);
    g_clear_object(&self->context.registry);
    g_clear_object(&self->context.connection);
    g_clear_pointer(&self->context.drivers, g_ptr_array_unref);
    g_clear_pointer(&self->context.providers, g_ptr_array_unref);
    g_clear_pointer(&self->config, vf_config_file_free);
    G_OBJECT_CLASS(vf_service_parent_class)->finalize(object);
}

static void
vf_service_class_init(VfServiceClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_service_finalize;
}

static void
vf_service_init(VfService *self)
{
}

static void
on_device_removed(VfRegistry *registry, VfDevice *device, VfService *self)
{
    vf_ledger_forget_created(self->context.ledger, vf_device_get_id(device),
                             vf_device_get_inode(device));
}

VfService *
vf_service_new(GDBusConnection *connection, VfRegistry *registry, VfGate *gate, VfObjects *objects,
               GPtrArray *drivers, GPtrArray *providers, GError **error)
{
    g_autoptr(VfService) self = g_object_new(VF_TYPE_SERVICE, NULL);
    const char *state_dir = g_getenv(VF_ENV_STATE_DIR);
    const char *config_dir = g_getenv(VF_ENV_CONFIG_DIR);
    g_autofree char *config_file =
        g_build_filename(config_dir && *config_dir ? config_dir : VF_SYSCONFDIR, CONFIG_FILE, NULL);

    self->context.connection = g_object_ref(connection);
    self->context.registry = g_object_ref(registry);
    self->context.gate = g_object_ref(gate);
    self->context.objects = g_object_ref(objects);
    self->context.uses = vf_uses_new();
    self->context.drivers = g_ptr_array_ref(drivers);
    self->context.providers = g_ptr_array_ref(providers);
    self->config = vf_config_file_load(config_file, error);
    self->context.config = self->config;
    if (!self->config)
        return NULL;
    self->context.store = vf_fd_store_new();
    self->context.ledger = vf_ledger_new(state_dir && *state_dir ? state_dir : VF_STATEDIR, error);
    if (!self->context.ledger)
        return NULL;
    self->jobs = vf_jobs_new(&self->context, VF_JOBS_MEMORY_MS);
    self->loans = vf_loans_new(&self->context);
    self->leases = vf_leases_new(&self->context, STUCK_RETRY_MS);
    self->domains = vf_domains_new(&self->context, self->jobs, self->leases);
    self->source_devices =
        vf_source_devices_new(&self->context, self->jobs, self->loans, self->domains);
    self->begin = vf_begin_new(&self->context, self->jobs, self->loans, self->domains,
                               self->source_devices, VF_BEGIN_PENDING_MS);
    self->prepare = vf_prepare_new(&self->context, self->jobs, self->leases);
    self->perform = vf_perform_new(&self->context, self->jobs, self->begin, self->source_devices);
    self->end = vf_end_new(&self->context, self->jobs, self->leases, self->source_devices);
    self->recovery = vf_recovery_new(&self->context, self->jobs, self->leases, self->source_devices,
                                     RECORD_RETRY_MS);
    self->device_calls = vf_device_calls_new(&self->context);
    self->model_calls = vf_model_calls_new(&self->context);
    g_signal_connect_object(registry, "device-removed", G_CALLBACK(on_device_removed), self, 0);
    return g_steal_pointer(&self);
}

/* Those that went while no daemon ran, whatever has their UUID now. */
static void
forget_gone(VfService *self)
{
    g_auto(GStrv) uuids = vf_ledger_list_created(self->context.ledger);

    for (char **uuid = uuids; *uuid; uuid++) {
        guint64 inode = vf_ledger_get_created_inode(self->context.ledger, *uuid);

        if (!vf_registry_find_this_device(self->context.registry, *uuid, inode))
            vf_ledger_forget_created(self->context.ledger, *uuid, inode);
    }
}

/* Before the jobs of the last daemon, which they go on with. */
static void
start_drivers(VfService *self)
{
    VferryManager *manager = vf_objects_get_manager(self->context.objects);
    gboolean attaches = FALSE;
    guint operations = 0;

    for (guint i = 0; i < self->context.drivers->len; i++) {
        VfDriver *driver = self->context.drivers->pdata[i];
        g_autoptr(GError) error = NULL;

        if (!vf_driver_start(driver, vf_domains_get_host(self->domains), &error)) {
            g_warning("driver “%s” does not start, and is not offered: %s",
                      vf_driver_get_name(driver), error->message);
            vf_domains_end_all_of(self->domains, driver);
            continue;
        }
        attaches = attaches || vf_driver_can_attach(driver);
        for (VfJobOperation each = VF_JOB_REHEARSE; each <= VF_JOB_RESTORE; each++)
            if (vf_driver_check_operation(driver, each, NULL))
                operations |= VF_JOB_OPERATION_BIT(each);
    }
    if (attaches)
        vf_manager_object_announce(manager, "domains");
    for (VfJobOperation operation = VF_JOB_REHEARSE; operation <= VF_JOB_RESTORE; operation++)
        if (operations & VF_JOB_OPERATION_BIT(operation))
            vf_manager_object_announce(manager, vf_job_operation_to_string(operation));
}

gboolean
vf_service_start(VfService *self, GError **error)
{
    start_drivers(self);
    vf_restart(&(VfRestart){.context = &self->context,
                            .jobs = self->jobs,
                            .loans = self->loans,
                            .leases = self->leases,
                            .begin = self->begin,
                            .source_devices = self->source_devices,
                            .recovery = self->recovery});
    forget_gone(self);
    return vf_recovery_start(self->recovery, error);
}

void
vf_service_stop(VfService *self)
{
    for (guint i = 0; i < self->context.drivers->len; i++)
        vf_driver_stop(self->context.drivers->pdata[i]);
}
