/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cross.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <signal.h>

#include "await-guest.h"
#include "names.h"
#include "outcome-view.h"
#include "text-view.h"
#include "wait.h"

#define ASK_TIMES 4

static gboolean
begin(VfCrossing *self, GError **error)
{
    g_autoptr(VfWait) wait = vf_wait_new();
    const char *devices[] = {self->subject_path, NULL};

    vferry_manager_call_begin(vf_bus_get_manager(self->here), devices, self->begin_options,
                              vf_bus_get_call_flags(self->here), vf_bus_get_timeout(self->here),
                              NULL, vf_wait_ready, wait);
    return vferry_manager_call_begin_finish(vf_bus_get_manager(self->here), &self->job_uuid,
                                            &self->cookie, vf_wait_end(wait), error);
}

static gboolean
prepare(VfCrossing *self, GError **error)
{
    g_autoptr(VfWait) wait = vf_wait_new();

    vferry_manager_call_prepare(vf_bus_get_manager(self->there), self->cookie,
                                self->prepare_options, vf_bus_get_call_flags(self->there),
                                vf_bus_get_timeout(self->there), NULL, vf_wait_ready, wait);
    return vferry_manager_call_prepare_finish(vf_bus_get_manager(self->there), &self->lease_path,
                                              &self->answer, &self->secret, vf_wait_end(wait),
                                              error);
}

static gboolean
perform(VfCrossing *self, char **job_path, GError **error)
{
    g_autoptr(VfWait) wait = vf_wait_new();

    vferry_manager_call_perform(vf_bus_get_manager(self->here), self->job_uuid, self->answer,
                                self->secret, self->perform_options,
                                vf_bus_get_call_flags(self->here), vf_bus_get_timeout(self->here),
                                NULL, vf_wait_ready, wait);
    return vferry_manager_call_perform_finish(vf_bus_get_manager(self->here), job_path,
                                              vf_wait_end(wait), error);
}

/* Nothing in it can hurt: the daemon refuses when a source is attached or the devices run there. */
static gboolean
release(VfCrossing *self, GError **error)
{
    g_autoptr(VfWait) wait = vf_wait_new();
    g_autoptr(VferryLease) lease = vferry_lease_proxy_new_sync(
        vf_bus_get_connection(self->there),
        G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START | G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES,
        VF_BUS_NAME, self->lease_path, NULL, error);

    if (!lease)
        return FALSE;
    vferry_lease_call_release(lease, g_variant_new("a{sv}", NULL),
                              vf_bus_get_call_flags(self->there), vf_bus_get_timeout(self->there),
                              NULL, vf_wait_ready, wait);
    return vferry_lease_call_release_finish(lease, vf_wait_end(wait), error);
}

/* After a failure nothing shall be left there; when we cannot see to it, say what will. */
static void
undo(VfCrossing *self)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;

    if (!self->lease_path)
        return;
    /* a lease that is gone was undone by the daemon itself */
    self->undone = release(self, &error) || vf_bus_is_gone(error);
    /* busy: the source is there, so that the end of its job will be heard */
    if (self->undone || g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_BUSY))
        return;
    message = vf_exit_message(error);
    g_printerr(
        _("vferryctl: What was prepared at %s could not be released now (%s); the daemon there "
          "undoes it when its deadline has passed.\n"),
        vf_bus_get_label(self->there), message);
}

/* For the person only; a device that cannot be shown is no reason to stop. */
static void
show_lease(VfCrossing *self)
{
    g_autoptr(VferryLease) lease = vferry_lease_proxy_new_sync(
        vf_bus_get_connection(self->there), G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, VF_BUS_NAME,
        self->lease_path, NULL, NULL);
    const char *const *devices = lease ? vferry_lease_get_devices(lease) : NULL;

    self->created = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; devices && devices[i]; i++) {
        g_autoptr(VferryDevice) device = vf_bus_get_device(self->there, devices[i], NULL);
        const char *id = device ? vferry_device_get_id(device) : NULL;
        const char *model = device ? vferry_device_get_model(device) : NULL;
        g_autofree char *parameters = NULL;

        if (!id)
            continue;
        parameters = vf_text_parameters(vferry_device_get_parameters(device));
        g_ptr_array_add(self->created, g_strdup(id));
        vf_view_line(self->view, _("preparing"), _("%s: created %s (%s, %s)"),
                     vf_bus_get_label(self->there), id, model ? model : "-", parameters);
    }
}

static void
on_cancelled(GObject *job, GAsyncResult *result, gpointer migration)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;

    if (vferry_job_call_cancel_finish(VFERRY_JOB(job), result, &error))
        return;
    message = vf_exit_message(error);
    g_printerr(_("\nvferryctl: Cannot cancel: %s\n"), message);
}

static gboolean
on_interrupt(gpointer migration)
{
    VfCrossing *self = migration;
    VferryJob *job = self->follow ? vf_follow_get_job(self->follow) : NULL;

    if (++self->interrupts > 1) {
        self->abandoned = TRUE;
        return G_SOURCE_CONTINUE;
    }
    g_printerr(_("\nvferryctl: Cancelling; press Ctrl-C again to leave the job alone.\n"));
    if (job)
        vferry_job_call_cancel(job, g_variant_new("a{sv}", NULL), vf_bus_get_call_flags(self->here),
                               vf_bus_get_timeout(self->here), NULL, on_cancelled, self);
    return G_SOURCE_CONTINUE;
}

static gboolean
ask_once(VfCrossing *self, VfBus *bus, char **outcome, GError **error)
{
    VferryManager *manager = vf_bus_get_manager(bus);
    gboolean source = bus == self->here;
    g_autoptr(VfWait) wait = vf_wait_new();
    GVariant *none = g_variant_new("a{sv}", NULL);

    (source ? vferry_manager_call_confirm
            : vferry_manager_call_finish)(manager, self->job_uuid, none, vf_bus_get_call_flags(bus),
                                          vf_bus_get_timeout(bus), NULL, vf_wait_ready, wait);
    return (source ? vferry_manager_call_confirm_finish
                   : vferry_manager_call_finish_finish)(manager, outcome, vf_wait_end(wait), error);
}

/* The other side's own word; NULL when it cannot be had. A daemon that ends before it answers may
 * be restarted, and both calls may be repeated: the bus starts it. */
static char *
ask_outcome(VfCrossing *self, VfBus *bus)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *message = NULL;
    char *outcome = NULL;

    for (guint i = 0; i < ASK_TIMES; i++) {
        g_clear_error(&error);
        if (ask_once(self, bus, &outcome, &error))
            return outcome;
        if (!g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
            break;
    }
    message = vf_exit_message(error);
    vf_view_end_bar(self->view, FALSE);
    g_printerr(_("vferryctl: %s cannot be asked how it ended: %s\n"), vf_bus_get_label(bus),
               message);
    return NULL;
}

static char *
find_state(GVariant *devices)
{
    gsize n = g_variant_n_children(devices);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) device = g_variant_get_child_value(devices, i);
        const char *state = NULL;

        if (g_variant_lookup(device, "state", "&s", &state) && !g_str_equal(state, "running"))
            return g_strdup(state);
    }
    return NULL;
}

/* Afresh: Devices emits no change, so that the proxy has what it was at the start. */
static char *
ask_state(VfCrossing *self)
{
    VferryJob *job = vf_follow_get_job(self->follow);
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) devices = NULL;

    if (!job)
        return NULL;
    reply = g_dbus_connection_call_sync(
        vf_bus_get_connection(self->here), VF_BUS_NAME,
        g_dbus_proxy_get_object_path(G_DBUS_PROXY(job)), "org.freedesktop.DBus.Properties", "Get",
        g_variant_new("(ss)", VF_BUS_NAME ".Job", "Devices"), G_VARIANT_TYPE("(v)"),
        G_DBUS_CALL_FLAGS_NO_AUTO_START, vf_bus_get_timeout(self->here), NULL, NULL);
    if (!reply)
        return NULL;
    g_variant_get(reply, "(v)", &devices);
    return g_variant_is_of_type(devices, G_VARIANT_TYPE("aa{sv}")) ? find_state(devices) : NULL;
}

/* The job has ended at the source: what does each side say, and is there anything to clean up? */
static VfExit
conclude(VfCrossing *self, const VfJobEnd *end)
{
    if (!self->abandoned) {
        /* A destination that the source never reached would wait for it until the deadline of the
         * lease. */
        if (vf_outcome_is_over(end->result))
            undo(self);
        self->destination_outcome = ask_outcome(self, self->there);
        self->source_outcome = ask_outcome(self, self->here);
        self->source_state = ask_state(self);
        /* Finish comes back when what was created is gone */
        self->undone = self->undone || vf_outcome_is_over(self->destination_outcome);
    }
    if (!self->source_outcome)
        self->source_outcome = g_strdup(end->result);
    return vf_outcome_report(self, end);
}

static VfExit
follow_job(VfCrossing *self, const char *job_path)
{
    g_autoptr(GError) error = NULL;
    static const VfJobEnd nothing = {0};

    if (!vf_follow_set_job(self->follow, job_path, &error)) {
        (void)vf_bus_report(self->here, error, NULL);
        return conclude(self, &nothing);
    }
    /* pressed while Perform was on its way */
    if (self->interrupts == 1)
        vferry_job_call_cancel(vf_follow_get_job(self->follow), g_variant_new("a{sv}", NULL),
                               vf_bus_get_call_flags(self->here), vf_bus_get_timeout(self->here),
                               NULL, on_cancelled, self);
    return conclude(self, vf_follow_run(self->follow, &self->abandoned, 0));
}

static VfExit
fail_at(VfCrossing *self, VfBus *bus, const GError *error)
{
    undo(self);
    return vf_outcome_report_error(self, bus, error);
}

static VfExit
stop_before_perform(VfCrossing *self)
{
    g_autoptr(GError) error = g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                                  _("Cancelled before anything moved"));

    return fail_at(self, self->here, error);
}

/* No answer to Perform is not a no. */
static gboolean
may_have_begun(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_TIMED_OUT) ||
           error->domain == G_IO_ERROR;
}

static VfExit
run_calls(VfCrossing *self)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *job_path = NULL;
    VfBus *who;

    if (!begin(self, &error))
        return vf_outcome_report_error(self, self->here, error);
    if (self->interrupts > 0)
        return stop_before_perform(self);
    if (!prepare(self, &error))
        return vf_outcome_report_error(self, self->there, error);
    show_lease(self);
    if (self->guest && self->interrupts == 0 && !vf_await_guest(self, &who, &error))
        return fail_at(self, who, error);
    if (self->interrupts > 0)
        return stop_before_perform(self);
    if (perform(self, &job_path, &error))
        return follow_job(self, job_path);
    if (!may_have_begun(error))
        return fail_at(self, self->here, error);
    (void)vf_bus_report(self->here, error, NULL);
    return vf_outcome_report(self, &(const VfJobEnd){0});
}

VfExit
vf_cross(VfCrossing *self)
{
    guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, self);
    guint terminate = g_unix_signal_add(SIGTERM, on_interrupt, self);
    VfExit status;

    self->view = vf_view_new(self->cli);
    self->follow = vf_follow_new(self->here, self->view);
    status = run_calls(self);
    g_source_remove(interrupt);
    g_source_remove(terminate);
    return status;
}
