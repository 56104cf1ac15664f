/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "await-guest.h"

#include <glib/gi18n-lib.h>

#include "answer.h"
#include "domain-view.h"
#include "attach.h"
#include "error.h"
#include "remote.h"

#define ATTACH_SECONDS 60

/* --- what is said --- */

/* What attaches it there, to be pasted into a shell. @quiet: its output is of no use. */
static char *
format_attach(VfCrossing *crossing)
{
    const VfCrossingGuest *self = crossing->guest;
    g_autofree char *monitor = self->monitor ? g_shell_quote(self->monitor) : g_strdup(_("SOCKET"));
    g_autofree char *quoted = g_shell_quote(self->driver);
    gboolean usual = g_str_equal(self->driver, VF_DOMAIN_DRIVER_DEFAULT);

    return g_strdup_printf("vferryctl domain attach --lease %s --qmp %s%s%s", crossing->lease_path,
                           monitor, usual ? "" : " --driver ", usual ? "" : quoted);
}

static void
tell(VfCrossing *crossing, const char *label, const char *text)
{
    if (crossing->cli->json)
        g_printerr("vferryctl: %s\n", text);
    else
        vf_view_line(crossing->view, label, "%s", text);
}

static const char *
find_guest_address(GPtrArray *devices, const char *ref)
{
    for (guint i = 0; i < devices->len; i++) {
        const VfDomainViewDevice *device = devices->pdata[i];

        if (g_strcmp0(device->id, ref) == 0)
            return device->guest_address;
    }
    return "?";
}

/* To whoever starts it. */
static void
tell_what_to_start(VfCrossing *crossing, const VfAnswer *answer)
{
    g_autoptr(GPtrArray) devices =
        vf_domain_view_list_devices(crossing->here, crossing->guest->domain);
    g_autofree char *command = format_attach(crossing);
    g_autofree char *first =
        g_strdup_printf(_("%s: start the guest there, stopped and waiting for a migration, with"),
                        vf_bus_get_label(crossing->there));
    g_autofree char *last = g_strdup_printf(_("and attach it there: %s"), command);

    tell(crossing, _("waiting"), first);
    for (guint i = 0; i < answer->devices->len; i++) {
        const VfAnswerDevice *device = answer->devices->pdata[i];
        g_autofree char *line =
            g_strdup_printf(_("%s at %s (here %s)"), device->as,
                            find_guest_address(devices, device->ref), device->ref);

        tell(crossing, "", line);
    }
    tell(crossing, "", last);
}

/* --- whether to go on --- */

static gboolean
must_stop(gpointer data)
{
    VfCrossing *crossing = data;

    return crossing->interrupts > 0 ||
           vf_presence_get_loss(crossing->guest->presence) != VF_LOSS_NONE;
}

static gboolean
set_stopped(VfCrossing *crossing, VfBus **who, GError **error)
{
    *who = crossing->here;
    if (crossing->interrupts > 0)
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                            _("Cancelled before anything moved"));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED, _("domain %s has gone"),
                    crossing->guest->label);
    return FALSE;
}

/* --- we start it --- */

static char **
format_environment(VfCrossing *crossing, const VfAnswer *answer)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(GString) devices = g_string_new("VFERRY_DEVICES=");
    g_autofree char *job = g_strdup_printf("VFERRY_JOB=%s", crossing->job_uuid);
    g_autofree char *lease = g_strdup_printf("VFERRY_LEASE=%s", crossing->lease_path);

    for (guint i = 0; i < answer->devices->len; i++) {
        const VfAnswerDevice *device = answer->devices->pdata[i];

        g_string_append_printf(devices, "%s%s=%s", i > 0 ? " " : "", device->ref, device->as);
    }
    g_strv_builder_add_many(builder, job, lease, devices->str, NULL);
    return g_strv_builder_end(builder);
}

static gboolean
set_failed(const VfRemoteEnd *end, const VfRemoteStep *steps, GError **error)
{
    const char *what = end->step == 0 ? _("the command that starts the guest")
                                      : _("attaching the guest, which may still wait there,");

    if (end->what == VF_REMOTE_TIMED_OUT)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("%s did not come back within %u s, and was ended"), what,
                    steps[end->step].seconds);
    else if (end->what == VF_REMOTE_LOST)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("ssh ended (status %d) before %s did"), end->status, what);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, _("%s failed with exit status %d"),
                    what, end->status);
    return FALSE;
}

/* No descriptor crosses to another host: there its own vferryctl opens the monitor. */
static gboolean
attach_here(VfCrossing *crossing, GError **error)
{
    const VfDomainAttach how = {.monitor = crossing->guest->monitor,
                                .driver = crossing->guest->driver,
                                .lease = crossing->lease_path};
    g_autofree char *path = vf_domain_attach(crossing->there, &how, error);

    return path != NULL;
}

static gboolean
start(VfCrossing *crossing, const VfAnswer *answer, VfBus **who, GError **error)
{
    const VfCrossingGuest *self = crossing->guest;
    gboolean remote = vf_bus_is_remote(crossing->there);
    g_auto(GStrv) environment = format_environment(crossing, answer);
    g_autofree char *attach = format_attach(crossing);
    g_autofree char *quiet = g_strdup_printf("%s >/dev/null", attach);
    const VfRemoteStep steps[] = {{self->start, self->wait_seconds}, {quiet, ATTACH_SECONDS}};
    VfRemoteEnd end;

    tell(crossing, _("starting"), self->start);
    if (!vf_remote_run(vf_bus_get_address(crossing->there), !crossing->cli->interactive,
                       (const char *const *)environment, steps, remote && self->monitor ? 2 : 1,
                       must_stop, crossing, &end, error))
        return FALSE;
    if (end.what == VF_REMOTE_STOPPED)
        return set_stopped(crossing, who, error);
    if (end.what != VF_REMOTE_DONE)
        return set_failed(&end, steps, error);
    return remote || !self->monitor || attach_here(crossing, error);
}

/* --- somebody attaches it --- */

static gboolean
on_timeout(gpointer timed_out)
{
    *(gboolean *)timed_out = TRUE;
    return G_SOURCE_CONTINUE;
}

/* The proxy of @interface among @objects whose string property @key is @value. */
static GDBusProxy *
find_proxy(GList *objects, const char *interface, const char *key, const char *value)
{
    for (GList *each = objects; each; each = each->next) {
        g_autoptr(GDBusInterface) proxy = g_dbus_object_get_interface(each->data, interface);
        g_autoptr(GVariant) property =
            proxy ? g_dbus_proxy_get_cached_property(G_DBUS_PROXY(proxy), key) : NULL;

        if (property && g_strcmp0(g_variant_get_string(property, NULL), value) == 0)
            return G_DBUS_PROXY(proxy); /* the object keeps it */
    }
    return NULL;
}

/* One daemon may have both sides, and then two jobs of one UUID. */
static gboolean
is_attached(GDBusObjectManager *manager, const char *job_uuid)
{
    g_autolist(GDBusObject) objects = g_dbus_object_manager_get_objects(manager);

    for (GList *each = objects; each; each = each->next) {
        g_autoptr(GDBusInterface) job = g_dbus_object_get_interface(each->data, "org.vferry1.Job");

        if (job && g_strcmp0(vferry_job_get_uuid(VFERRY_JOB(job)), job_uuid) == 0 &&
            g_strcmp0(vferry_job_get_role(VFERRY_JOB(job)), "destination") == 0 &&
            find_proxy(objects, "org.vferry1.Domain", "Job",
                       g_dbus_object_get_object_path(each->data)))
            return TRUE;
    }
    return FALSE;
}

static void
set_not_attached(VfCrossing *crossing, VfLoss loss, GError **error)
{
    if (loss == VF_LOSS_NONE)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("nobody has attached a guest to lease %s within %u s"), crossing->lease_path,
                    crossing->guest->wait_seconds);
    else if (loss == VF_LOSS_OBJECT)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("lease %s has gone before a guest was attached to it"), crossing->lease_path);
    else
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                            _("the daemon there has gone before a guest was attached"));
}

static gboolean
wait_for_somebody(VfCrossing *crossing, VfBus **who, GError **error)
{
    g_autoptr(VfPresence) lease = vf_presence_new(crossing->there, crossing->lease_path);
    g_autoptr(GDBusObjectManager) objects = vf_bus_get_objects(crossing->there, error);
    gboolean timed_out = FALSE;
    gboolean attached;
    guint timer;

    if (!objects)
        return FALSE;
    timer = g_timeout_add_seconds(crossing->guest->wait_seconds, on_timeout, &timed_out);
    while (!(attached = is_attached(objects, crossing->job_uuid)) && !timed_out &&
           !must_stop(crossing) && vf_presence_get_loss(lease) == VF_LOSS_NONE)
        (void)g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    if (attached)
        return TRUE;
    if (must_stop(crossing))
        return set_stopped(crossing, who, error);
    set_not_attached(crossing, vf_presence_get_loss(lease), error);
    return FALSE;
}

gboolean
vf_await_guest(VfCrossing *crossing, VfBus **who, GError **error)
{
    const VfCrossingGuest *self = crossing->guest;
    g_autoptr(VfAnswer) answer = vf_answer_parse(crossing->answer, -1, NULL, error);

    *who = crossing->there;
    if (!answer)
        return FALSE;
    if (self->start && !start(crossing, answer, who, error))
        return FALSE;
    if (!self->start)
        tell_what_to_start(crossing, answer);
    return (self->start && self->monitor) || wait_for_somebody(crossing, who, error);
}
