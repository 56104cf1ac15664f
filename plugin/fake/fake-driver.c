/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake-driver.h"

#include <fcntl.h>
#include <string.h>

#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "options.h"

/* In the daemon's environment: how the driver starts, and, for callers who cannot say it, the
 * devices of a guest and how long a job takes. */
#define START "VFERRY_FAKE_START"
#define DEVICES "VFERRY_FAKE_DEVICES"
#define DURATION "VFERRY_FAKE_DURATION_MS"
#define FOUND "domain:"
#define FAIL "fail"
#define TICK_MS 20
#define FAKE_PORT 49300
#define BYTES_DEFAULT (1024 * 1024)
#define DURATION_MS_DEFAULT 200
#define DURATION_MS_MAX (10 * 60 * 1000)
#define ENDPOINTS_MAX 3

struct _VfFakeDriver {
    VfDriver parent_instance;
    VfDriverHost *host; /* between start and stop */
    VfDomain *found;    /* at the start; NULL: none was */
};

G_DEFINE_FINAL_TYPE(VfFakeDriver, vf_fake_driver, VF_TYPE_DRIVER)

/* One side of one pretended migration. */
typedef struct {
    VfJob *job; /* not a reference: the job owns this */
    guint timer;
    guint ticks;
    guint n_ticks;
    guint64 bytes;
    VfResult result;
    gboolean open; /* it “has the devices open” */
    gboolean adopts;
} Side;

typedef struct {
    guint64 bytes;
    guint32 duration_ms;
    VfResult result;
    gboolean fail;  /* the call itself fails */
    gboolean hang;  /* the call never comes back */
    gboolean shrug; /* the call fails without an error */
    guint32 endpoints;
    gboolean adopts; /* whoever waited at the destination has the devices when it is over */
} Wishes;

static guint32
get_duration(void)
{
    const char *text = g_getenv(DURATION);

    return text ? (guint32)g_ascii_strtoull(text, NULL, 10) : DURATION_MS_DEFAULT;
}

static gboolean
take_wishes(GVariant *dict, Wishes *wishes, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autofree char *outcome = vf_options_take_string(options, "fake-outcome", "completed");

    wishes->bytes = vf_options_take_u64(options, "fake-bytes", BYTES_DEFAULT);
    wishes->duration_ms = vf_options_take_u32(options, "fake-duration-ms", get_duration());
    wishes->fail = vf_options_take_boolean(options, "fake-fail", FALSE);
    wishes->hang = vf_options_take_boolean(options, "fake-hang", FALSE);
    wishes->shrug = vf_options_take_boolean(options, "fake-shrug", FALSE);
    wishes->endpoints = vf_options_take_u32(options, "fake-endpoints", 1);
    wishes->adopts = vf_options_take_boolean(options, "fake-adopts", FALSE);
    if (!vf_options_end(options, error))
        return FALSE;
    if (!vf_result_from_string(outcome, &wishes->result) || wishes->result == VF_RESULT_NONE)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    "option “fake-outcome” is “%s”, which is none", outcome);
    else if (wishes->duration_ms > DURATION_MS_MAX)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    "option “fake-duration-ms” is %u; it must be at most %d", wishes->duration_ms,
                    DURATION_MS_MAX);
    else if (wishes->endpoints < 1 || wishes->endpoints > ENDPOINTS_MAX)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    "option “fake-endpoints” is %u; it must be 1 to %d", wishes->endpoints,
                    ENDPOINTS_MAX);
    else
        return TRUE;
    return FALSE;
}

static gboolean
check_options(VfDriver *driver, GVariant *options, GError **error)
{
    Wishes wishes;

    return take_wishes(options, &wishes, error);
}

static gboolean
claims(VfDriver *driver, const VfSubject *subject)
{
    return subject->domain != NULL; /* bare devices only when it is named */
}

static VfHolder
get_holder(VfDriver *driver, VfJob *job)
{
    return vf_job_get_domain(job) ? VF_HOLDER_HYPERVISOR : VF_HOLDER_DAEMON;
}

static void
probe(VfDriver *driver, VfDevice *device, GTask *task)
{
    static const char *const flags[] = {"stop-copy", NULL};

    vf_device_set_migration(device, flags, "probe");
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

/* Long after anybody waits for it: the runner must not mind. */
static void
on_hang_cancelled(GCancellable *cancellable, gpointer data)
{
    GTask *task = data;

    g_signal_handlers_disconnect_by_data(cancellable, task);
    g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_CANCELLED, "at last");
    g_object_unref(task);
}

/* FALSE: the call has failed, or hangs, as it was to. */
static gboolean
grant(GTask *task, const Wishes *wishes)
{
    if (wishes->fail)
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "as fake-fail asked");
    else if (wishes->shrug)
        g_task_return_boolean(task, FALSE);
    else if (wishes->hang)
        g_signal_connect(g_task_get_cancellable(task), "cancelled", G_CALLBACK(on_hang_cancelled),
                         g_object_ref(task));
    else
        return TRUE;
    return FALSE;
}

/* --- domains --- */

/* Its devices: some of this host's, and one that no host has. */
static GPtrArray *
list_devices(const char *const *host_addresses)
{
    static const char *const reasons[] = {"its driver has no migration", NULL};
    GPtrArray *devices = vf_domain_devices_new();

    for (guint i = 0; host_addresses[i]; i++) {
        g_autofree char *guest_address = g_strdup_printf("0000:00:%02x.0", i + 2);
        gboolean mute = g_str_has_prefix(host_addresses[i], "mute-");

        vf_domain_devices_add(devices, guest_address, host_addresses[i] + (mute ? 5 : 0), !mute,
                              mute ? reasons : NULL);
    }
    return devices;
}

/* As the environment of a test says. */
static gboolean
start(VfDriver *driver, VfDriverHost *host, GError **error)
{
    VfFakeDriver *self = VF_FAKE_DRIVER(driver);
    const char *how = g_getenv(START);

    self->host = g_object_ref(host);
    if (how && g_str_has_prefix(how, FOUND)) {
        const char *const addresses[] = {how + strlen(FOUND), NULL};

        self->found = vf_domain_new("fake", VF_DOMAIN_UID_NONE, "");
        vf_domain_set_name(self->found, "found");
        vf_domain_set_state(self->found, VF_DOMAIN_RUNNING);
        vf_domain_take_devices(self->found, list_devices(addresses));
        vf_driver_host_add_domain(host, self->found);
    }
    if (!how || !g_str_has_suffix(how, FAIL))
        return TRUE;
    g_clear_object(&self->found);
    g_clear_object(&self->host);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "as %s asked", START);
    return FALSE;
}

static void
stop(VfDriver *driver)
{
    VfFakeDriver *self = VF_FAKE_DRIVER(driver);

    if (self->found)
        vf_driver_host_remove_domain(self->host, self->found);
    g_clear_object(&self->found);
    g_clear_object(&self->host);
}

/* A “monitor” that somebody attached. Nothing is read from it, and its end is the guest's. */
typedef struct {
    VfFakeDriver *driver; /* not a reference: it outlives the domains */
    VfDomain *domain;     /* nor this: the domain owns it */
    int fd;
    guint watch;
} Monitor;

static void
monitor_free(gpointer data)
{
    Monitor *self = data;

    g_clear_handle_id(&self->watch, g_source_remove);
    vf_domain_close_fd(self->domain, &self->fd);
    g_free(self);
}

static gboolean
on_monitor_hung_up(int fd, GIOCondition condition, gpointer data)
{
    Monitor *self = data;
    g_autoptr(VfDomain) domain = g_object_ref(self->domain);

    self->watch = 0;
    if (self->driver->host)
        vf_driver_host_remove_domain(self->driver->host, domain);
    if (vf_domain_get_driver_data(domain) == self) /* a job may still have the domain */
        vf_domain_set_driver_data(domain, NULL, NULL);
    return G_SOURCE_REMOVE;
}

/* As drivers for real hypervisors call it, too. */
static GVariant *
take_monitor(VfOptions *options)
{
    GVariant *handle = vf_options_take_value(options, "fake-monitor", G_VARIANT_TYPE_HANDLE);

    return handle ? handle : vf_options_take_value(options, "qmp", G_VARIANT_TYPE_HANDLE);
}

/* One that waits has what was made for it. */
static char **
get_devices(GVariant *option, VfJob *incoming)
{
    const char *text = g_getenv(DEVICES);
    g_autoptr(GStrvBuilder) made = g_strv_builder_new();

    if (option)
        return g_variant_dup_strv(option, NULL);
    for (guint i = 0; incoming && i < vf_job_get_n_devices(incoming); i++)
        g_strv_builder_add(made, vf_job_get_device(incoming, i)->id);
    if (incoming)
        return g_strv_builder_end(made);
    return text ? g_strsplit(text, " ", -1) : NULL;
}

static gboolean
fill_domain(VfFakeDriver *self, VfDomain *domain, VfJob *incoming, VfOptions *options,
            GError **error)
{
    g_autoptr(GVariant) handle = take_monitor(options);
    g_autoptr(GVariant) devices =
        vf_options_take_value(options, "fake-devices", G_VARIANT_TYPE_STRING_ARRAY);
    g_autofree char *uuid = vf_options_take_string(options, "fake-uuid", "");
    g_auto(GStrv) addresses = get_devices(devices, incoming);
    Monitor *monitor;
    int fd;

    if (!vf_options_end(options, error))
        return FALSE;
    if (!handle) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("option “%s” is needed"),
                    "fake-monitor");
        return FALSE;
    }
    fd = vf_domain_take_fd(domain, g_variant_get_handle(handle), error);
    if (fd < 0)
        return FALSE;
    monitor = g_new0(Monitor, 1);
    monitor->driver = self;
    monitor->domain = domain;
    monitor->fd = fd;
    monitor->watch = g_unix_fd_add(fd, G_IO_HUP, on_monitor_hung_up, monitor);
    vf_domain_set_driver_data(domain, monitor, monitor_free);
    vf_domain_set_name(domain, "fake guest");
    vf_domain_set_uuid(domain, uuid);
    vf_domain_set_state(domain, incoming ? VF_DOMAIN_INCOMING : VF_DOMAIN_RUNNING);
    if (addresses)
        vf_domain_take_devices(domain, list_devices((const char *const *)addresses));
    return TRUE;
}

static void
attach(VfDriver *driver, VfDomain *domain, VfJob *incoming, GTask *task)
{
    g_autoptr(GTask) owned = task;
    g_autoptr(VfOptions) options = vf_options_new(vf_domain_get_options(domain));
    Wishes wishes = {.fail = vf_options_take_boolean(options, "fake-fail", FALSE),
                     .hang = vf_options_take_boolean(options, "fake-hang", FALSE)};
    GError *error = NULL;

    if (!fill_domain(VF_FAKE_DRIVER(driver), domain, incoming, options, &error))
        g_task_return_error(owned, error);
    else if (grant(owned, &wishes))
        g_task_return_boolean(owned, TRUE);
}

static void
detach(VfDriver *driver, VfDomain *domain)
{
    vf_domain_set_driver_data(domain, NULL, NULL);
}

/* --- jobs --- */

static void
side_free(gpointer data)
{
    Side *side = data;

    g_clear_handle_id(&side->timer, g_source_remove);
    g_free(side);
}

static Side *
side_get(VfJob *job)
{
    Side *side = vf_job_get_driver_data(job);

    if (side)
        return side;
    side = g_new0(Side, 1);
    side->job = job;
    vf_job_set_driver_data(job, side, side_free);
    return side;
}

static VfOutcome *
make_outcome(Side *side, VfResult result)
{
    gboolean source = vf_job_get_role(side->job) == VF_JOB_SOURCE;
    gboolean moved =
        result == VF_RESULT_COMPLETED && vf_job_get_operation(side->job) != VF_JOB_REHEARSE;
    gboolean runs_here = source != moved;
    VfDeviceOutcome state = result == VF_RESULT_IN_DOUBT || !runs_here ? VF_DEVICE_OUTCOME_STOPPED
                                                                       : VF_DEVICE_OUTCOME_RUNNING;
    VferryError code = result == VF_RESULT_CANCELLED  ? VFERRY_ERROR_CANCELLED
                       : result == VF_RESULT_IN_DOUBT ? VFERRY_ERROR_IN_DOUBT
                                                      : VFERRY_ERROR_DEVICE;
    VfOutcome *outcome = vf_outcome_new(
        result, result == VF_RESULT_COMPLETED
                    ? NULL
                    : g_error_new_literal(VFERRY_ERROR, (gint)code, "as fake-outcome asked"));

    for (guint i = 0; i < vf_job_get_n_devices(side->job); i++)
        g_array_append_val(outcome->devices, state);
    return outcome;
}

static void
report(Side *side)
{
    static const char *const phases[] = {"pre-copy", "pre-copy", "switchover", "loading",
                                         "committing"};
    guint phase = MIN(side->ticks * (guint)G_N_ELEMENTS(phases) / side->n_ticks,
                      (guint)G_N_ELEMENTS(phases) - 1);
    guint64 done = side->bytes / side->n_ticks * side->ticks;
    const VfProgress progress = {
        .done = side->ticks == side->n_ticks ? side->bytes : done,
        .total = side->bytes,
        .rate = side->bytes * 1000 / (side->n_ticks * TICK_MS),
        .round = side->ticks / 10,
        .device_bytes = &done,
        .n_devices = 1,
    };

    vf_job_report_phase(side->job, phases[phase]);
    vf_job_report_progress(side->job, &progress);
}

static gboolean
on_tick(gpointer data)
{
    Side *side = data;
    g_autoptr(VfJob) job = g_object_ref(side->job);
    gboolean adopts;

    side->ticks++;
    report(side);
    if (side->ticks < side->n_ticks)
        return G_SOURCE_CONTINUE;
    side->timer = 0;
    adopts = side->adopts && side->result == VF_RESULT_COMPLETED;
    vf_job_complete(job, make_outcome(side, side->result));
    if (adopts)
        vf_job_report_adopted(job); /* which drops it */
    return G_SOURCE_REMOVE;
}

static void
start_side(VfJob *job, const Wishes *wishes)
{
    Side *side = side_get(job);

    side->n_ticks = MAX(wishes->duration_ms / TICK_MS, 1);
    side->bytes = wishes->bytes;
    side->result = wishes->result;
    side->open = TRUE;
    side->timer = g_timeout_add(TICK_MS, on_tick, side);
}

/* As grant(), with the options of the call. */
static gboolean
obey(VfJob *job, GTask *task, Wishes *wishes)
{
    GError *error = NULL;

    if (take_wishes(vf_job_get_options(job), wishes, &error))
        return grant(task, wishes);
    g_task_return_error(task, error);
    return FALSE;
}

static void
begin(VfDriver *driver, VfJob *job, GTask *task)
{
    g_autoptr(GTask) owned = task;
    static const char *const features[] = {"pre-copy", NULL};
    Wishes wishes;

    if (!obey(job, owned, &wishes))
        return;
    vf_job_set_features(job, features);
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        vf_job_get_device(job, i)->has_estimate = TRUE;
        vf_job_get_device(job, i)->estimate = wishes.bytes;
    }
    g_task_return_boolean(owned, TRUE);
}

/* There is nobody to attach: the pretended source is there a moment after listen. */
static gboolean
on_attached(gpointer data)
{
    Side *side = data;

    vf_job_report_attached(side->job);
    side->timer = g_timeout_add(TICK_MS, on_tick, side);
    return G_SOURCE_REMOVE;
}

/* As many as it is told, to places where nobody is. */
static void
add_endpoints(VfJobChannel *channel, const Wishes *wishes)
{
    if (wishes->endpoints > 1)
        g_ptr_array_add(channel->endpoints,
                        vf_endpoint_new_path(VF_ENDPOINT_UNIX, "/run/fake/socket"));
    if (wishes->endpoints > 2)
        g_ptr_array_add(channel->endpoints,
                        vf_endpoint_new_path(VF_ENDPOINT_FILE, "/run/fake/file"));
    g_ptr_array_add(channel->endpoints, vf_endpoint_new_tcp(channel->address, FAKE_PORT));
}

static void
place(VfDriver *driver, VfJob *job, GTask *task)
{
    g_autoptr(GTask) owned = task;
    Wishes wishes;

    if (obey(job, owned, &wishes))
        g_task_return_boolean(owned, TRUE);
}

static void
listen(VfDriver *driver, VfJob *job, GTask *task)
{
    g_autoptr(GTask) owned = task;
    Wishes wishes;
    Side *side;

    (void)take_wishes(vf_job_get_options(job), &wishes, NULL); /* place has */
    if (vf_job_operation_has_peer(vf_job_get_operation(job)))
        add_endpoints(vf_job_get_channel(job), &wishes);
    start_side(job, &wishes);
    side = side_get(job);
    side->adopts = wishes.adopts;
    g_clear_handle_id(&side->timer, g_source_remove);
    if (wishes.duration_ms > 0 || vf_job_operation_has_peer(vf_job_get_operation(job)))
        side->timer = g_timeout_add(wishes.duration_ms, on_attached, side);
    else /* a restore of what is here already */
        on_tick(side);
    g_task_return_boolean(owned, TRUE);
}

static void
perform(VfDriver *driver, VfJob *job, GTask *task)
{
    g_autoptr(GTask) owned = task;
    Wishes wishes;

    if (!obey(job, owned, &wishes))
        return;
    start_side(job, &wishes);
    g_task_return_boolean(owned, TRUE);
}

static void
agree(VfDriver *driver, VfJob *job, GTask *task)
{
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void
run(VfDriver *driver, VfJob *job, GTask *task)
{
    Side *side = vf_job_get_driver_data(job);

    if (side && side->open)
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                                _("its state is gone"));
    g_object_unref(task);
}

static void
cancel(VfDriver *driver, VfJob *job)
{
    Side *side = side_get(job);

    g_clear_handle_id(&side->timer, g_source_remove);
    vf_job_complete(job, make_outcome(side, VF_RESULT_CANCELLED));
}

static gboolean
adopt(VfDriver *driver, VfJob *job, GUnixFDList *list, GError **error)
{
    for (guint i = 0; i < vf_job_get_n_devices(job); i++) {
        vf_autofd int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (fd < 0 || g_unix_fd_list_append(list, fd, error) < 0)
            return FALSE;
    }
    return TRUE;
}

static void
drop(VfDriver *driver, VfJob *job)
{
    vf_job_set_driver_data(job, NULL, NULL);
}

static void
vf_fake_driver_class_init(VfFakeDriverClass *class)
{
    VfDriverClass *driver_class = VF_DRIVER_CLASS(class);

    driver_class->name = "fake";
    driver_class->operations =
        VF_JOB_OPERATION_BIT(VF_JOB_MIGRATE) | VF_JOB_OPERATION_BIT(VF_JOB_REHEARSE) |
        VF_JOB_OPERATION_BIT(VF_JOB_SAVE) | VF_JOB_OPERATION_BIT(VF_JOB_RESTORE);
    driver_class->start = start;
    driver_class->stop = stop;
    driver_class->attach = attach;
    driver_class->detach = detach;
    driver_class->check_options = check_options;
    driver_class->claims = claims;
    driver_class->get_holder = get_holder;
    driver_class->probe = probe;
    driver_class->begin = begin;
    driver_class->place = place;
    driver_class->listen = listen;
    driver_class->perform = perform;
    driver_class->finish = agree;
    driver_class->confirm = agree;
    driver_class->run = run;
    driver_class->discard = agree;
    driver_class->cancel = cancel;
    driver_class->adopt = adopt;
    driver_class->drop = drop;
}

static void
vf_fake_driver_init(VfFakeDriver *self)
{
}

VfDriver *
vf_fake_driver_new(void)
{
    return g_object_new(VF_TYPE_FAKE_DRIVER, NULL);
}
