/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "follow.h"

#include "names.h"
#include "progress.h"

#define JOB_INTERFACE VF_BUS_NAME ".Job"
/* Other jobs of the daemon may talk while ours is not named yet. */
#define BACKLOG_MAX 4096
/* A daemon that is restarted is back sooner, with the job at the same path. */
#define RESTART_SECONDS 30
/* One that was stopped is not, until somebody calls it. */
#define STOPPED_SECONDS 2

typedef struct {
    char *path;
    char *signal;
    GVariant *parameters;
} Event;

struct VfFollow {
    VfBus *bus;
    VfView *view;
    VferryJob *job;
    char *path;
    GQueue backlog; /* of Event, until the job is known */
    guint subscription;
    guint watch;
    guint absence;  /* until the daemon is given up */
    guint awaiting; /* and before that, until it is called */
    gboolean done;
    gboolean timed_out;
    VfJobEnd end;
};

static void
event_free(gpointer data)
{
    Event *event = data;

    g_free(event->path);
    g_free(event->signal);
    g_variant_unref(event->parameters);
    g_free(event);
}

static void
handle_progress(VfFollow *self, GVariant *parameters)
{
    g_autoptr(GVariant) detail = NULL;
    const char *phase;
    g_auto(GVariantDict) dict = {0};
    VfProgress progress = {0};

    if (!self->view || !g_variant_is_of_type(parameters, G_VARIANT_TYPE("(tta{sv})")))
        return;
    g_variant_get(parameters, "(tt@a{sv})", &progress.done, &progress.total, &detail);
    g_variant_dict_init(&dict, detail);
    (void)vf_progress_parse(&progress, VF_PROGRESS_DETAIL, &dict, NULL);
    if (g_variant_lookup(detail, "phase", "&s", &phase))
        vf_view_phase(self->view, phase);
    vf_view_progress(self->view, &(VfBar){.done = progress.done,
                                          .total = progress.total,
                                          .rate = progress.rate,
                                          .round = progress.round,
                                          .dirty = progress.dirty});
}

static void
set_end(VfFollow *self, const char *result, const char *error, const char *message)
{
    g_free(self->end.result);
    g_free(self->end.error);
    g_free(self->end.message);
    self->end.result = g_strdup(result);
    self->end.error = error && error[0] ? g_strdup(error) : NULL;
    self->end.message = message && message[0] ? g_strdup(message) : NULL;
    self->done = TRUE;
}

static void
handle_completed(VfFollow *self, GVariant *parameters)
{
    const char *result, *error, *message;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sssa{sv})")))
        return;
    g_clear_pointer(&self->end.statistics, g_variant_unref);
    g_variant_get(parameters, "(&s&s&s@a{sv})", &result, &error, &message, &self->end.statistics);
    set_end(self, result, error, message);
}

static void
handle(VfFollow *self, const char *signal, GVariant *parameters)
{
    const char *phase;

    if (g_str_equal(signal, "Progress")) {
        handle_progress(self, parameters);
    } else if (g_str_equal(signal, "Completed")) {
        handle_completed(self, parameters);
    } else if (self->view && g_str_equal(signal, "PhaseChanged") &&
               g_variant_is_of_type(parameters, G_VARIANT_TYPE("(s)"))) {
        g_variant_get(parameters, "(&s)", &phase);
        vf_view_phase(self->view, phase);
    }
}

static void
on_signal(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
          const char *signal, GVariant *parameters, gpointer follow)
{
    VfFollow *self = follow;
    Event *event;

    if (self->path) {
        if (g_str_equal(path, self->path))
            handle(self, signal, parameters);
        return;
    }
    if (g_queue_get_length(&self->backlog) >= BACKLOG_MAX)
        event_free(g_queue_pop_head(&self->backlog));
    event = g_new0(Event, 1);
    event->path = g_strdup(path);
    event->signal = g_strdup(signal);
    event->parameters = g_variant_ref(parameters);
    g_queue_push_tail(&self->backlog, event);
}

/* Whether it comes is seen when it appears: where the bus starts nothing, it may be started by
 * somebody else. */
static gboolean
on_absent(gpointer follow)
{
    VfFollow *self = follow;

    self->awaiting = 0;
    g_dbus_connection_call(vf_bus_get_connection(self->bus), "org.freedesktop.DBus",
                           "/org/freedesktop/DBus", "org.freedesktop.DBus", "StartServiceByName",
                           g_variant_new("(su)", VF_BUS_NAME, 0), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                           NULL, NULL, NULL);
    return G_SOURCE_REMOVE;
}

static gboolean
on_absent_for_long(gpointer follow)
{
    VfFollow *self = follow;

    self->absence = 0;
    g_clear_handle_id(&self->awaiting, g_source_remove);
    self->done = TRUE;
    return G_SOURCE_REMOVE;
}

static void
on_vanished(GDBusConnection *connection, const char *name, gpointer follow)
{
    VfFollow *self = follow;

    if (!connection) {
        self->done = TRUE; /* the bus has gone, or ssh */
    } else if (!self->absence) {
        self->absence = g_timeout_add_seconds(RESTART_SECONDS, on_absent_for_long, self);
        self->awaiting = g_timeout_add_seconds(STOPPED_SECONDS, on_absent, self);
    }
}

VfFollow *
vf_follow_new(VfBus *bus, VfView *view)
{
    VfFollow *self = g_new0(VfFollow, 1);

    self->bus = bus;
    self->view = view;
    g_queue_init(&self->backlog);
    self->subscription = g_dbus_connection_signal_subscribe(
        vf_bus_get_connection(bus), VF_BUS_NAME, JOB_INTERFACE, NULL, NULL, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
    return self;
}

void
vf_follow_free(VfFollow *self)
{
    g_dbus_connection_signal_unsubscribe(vf_bus_get_connection(self->bus), self->subscription);
    if (self->watch > 0)
        g_bus_unwatch_name(self->watch);
    g_clear_handle_id(&self->absence, g_source_remove);
    g_clear_handle_id(&self->awaiting, g_source_remove);
    if (self->job)
        g_signal_handlers_disconnect_by_data(self->job, self);
    g_clear_object(&self->job);
    g_queue_clear_full(&self->backlog, event_free);
    g_free(self->path);
    g_free(self->end.result);
    g_free(self->end.error);
    g_free(self->end.message);
    g_clear_pointer(&self->end.statistics, g_variant_unref);
    g_free(self);
}

/* The end without its Completed signal: it was over before we looked. */
static void
on_result(VferryJob *job, GParamSpec *pspec, VfFollow *self)
{
    const char *result = vferry_job_get_result(job);
    GVariant *error = vferry_job_get_error(job);
    const char *name = NULL, *message = NULL;

    if (self->end.result || !result || result[0] == '\0')
        return;
    if (error && g_variant_is_of_type(error, G_VARIANT_TYPE("(ss)")))
        g_variant_get(error, "(&s&s)", &name, &message);
    set_end(self, result, name, message);
}

static gboolean
take_job(VfFollow *self, GError **error)
{
    VferryJob *job = vferry_job_proxy_new_sync(vf_bus_get_connection(self->bus),
                                               G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, VF_BUS_NAME,
                                               self->path, NULL, error);

    if (!job)
        return FALSE;
    if (self->job)
        g_signal_handlers_disconnect_by_data(self->job, self);
    g_clear_object(&self->job);
    self->job = job;
    g_signal_connect(self->job, "notify::result", G_CALLBACK(on_result), self);
    return TRUE;
}

/* What it said while nobody was there to pass it on is in its properties. */
static void
on_appeared(GDBusConnection *connection, const char *name, const char *owner, gpointer follow)
{
    VfFollow *self = follow;

    if (!self->absence)
        return; /* it was there all the time */
    g_clear_handle_id(&self->absence, g_source_remove);
    g_clear_handle_id(&self->awaiting, g_source_remove);
    if (!take_job(self, NULL) || !vferry_job_get_result(self->job)) {
        self->done = TRUE; /* it is back without the job */
        return;
    }
    on_result(self->job, NULL, self);
}

gboolean
vf_follow_set_job(VfFollow *self, const char *path, GError **error)
{
    Event *event;

    self->path = g_strdup(path);
    if (!take_job(self, error))
        return FALSE;
    self->watch = g_bus_watch_name_on_connection(vf_bus_get_connection(self->bus), VF_BUS_NAME,
                                                 G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared,
                                                 on_vanished, self, NULL);
    while ((event = g_queue_pop_head(&self->backlog))) {
        if (g_str_equal(event->path, path))
            handle(self, event->signal, event->parameters);
        event_free(event);
    }
    on_result(self->job, NULL, self);
    if (self->view && vferry_job_get_phase(self->job))
        vf_view_phase(self->view, vferry_job_get_phase(self->job));
    return TRUE;
}

VferryJob *
vf_follow_get_job(VfFollow *self)
{
    return self->job;
}

static gboolean
on_timeout(gpointer follow)
{
    ((VfFollow *)follow)->timed_out = TRUE;
    return G_SOURCE_CONTINUE;
}

const VfJobEnd *
vf_follow_run(VfFollow *self, const gboolean *stop, guint timeout_ms)
{
    guint timer = timeout_ms > 0 ? g_timeout_add(timeout_ms, on_timeout, self) : 0;
    gint64 deadline;

    self->timed_out = FALSE;
    while (!self->done && !self->timed_out && !*stop)
        (void)g_main_context_iteration(NULL, TRUE);
    if (timer > 0)
        g_source_remove(timer);

    /* the property arrives before the signal where the daemon sets it first; the signal has the
     * statistics */
    deadline = g_get_monotonic_time() + G_USEC_PER_SEC / 2;
    while (self->end.result && !self->end.statistics && g_get_monotonic_time() < deadline)
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(5000);
    return &self->end;
}
