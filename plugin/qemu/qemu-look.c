/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qemu-look.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "mover.h"

#define LOOK_DEADLINE_MS 20000
#define DEVICES_TYPE G_VARIANT_TYPE("a(ssas)")

typedef struct {
    VfQemuMonitor *monitor;
    VfDomain *domain; /* nullable */
    gboolean running;
    gboolean migrating;
} Look;

static void
look_free(gpointer data)
{
    Look *look = data;

    g_clear_object(&look->domain);
    vf_qemu_monitor_unref(look->monitor);
    g_free(look);
}

static gboolean
lacks(const char *what, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("what the worker says of the guest has no valid “%s”"), what);
    return FALSE;
}

static void
set_devices(VfDomain *domain, GVariant *list)
{
    GPtrArray *devices = vf_domain_devices_new();
    const char *guest_address, *host_address;
    GVariantIter iter;
    char **reasons;

    g_variant_iter_init(&iter, list);
    while (g_variant_iter_loop(&iter, "(&s&s^as)", &guest_address, &host_address, &reasons))
        vf_domain_devices_add(devices, guest_address, host_address, !reasons[0],
                              (const char *const *)reasons);
    vf_domain_take_devices(domain, devices);
}

static gboolean
take_guest(Look *look, GVariant *guest, GError **error)
{
    static const struct {
        const char *word;
        VfDomainState state;
    } states[] = {{"running", VF_DOMAIN_RUNNING},
                  {"incoming", VF_DOMAIN_INCOMING},
                  {"moved", VF_DOMAIN_PAUSED},
                  {"moving", VF_DOMAIN_PAUSED},
                  {"paused", VF_DOMAIN_PAUSED}};
    g_autoptr(GVariant) devices = g_variant_lookup_value(guest, "vfio-devices", DEVICES_TYPE);
    const char *word, *name, *uuid;
    VfDomainState state = VF_DOMAIN_UNKNOWN;

    if (!devices)
        return lacks("vfio-devices", error);
    if (!g_variant_lookup(guest, "migrating", "b", &look->migrating))
        return lacks("migrating", error);
    if (!g_variant_lookup(guest, "name", "&s", &name) ||
        !g_variant_lookup(guest, "uuid", "&s", &uuid))
        return lacks("name", error);
    if (!g_variant_lookup(guest, "run-state", "&s", &word))
        return lacks("run-state", error);
    for (gsize i = 0; i < G_N_ELEMENTS(states); i++)
        if (g_str_equal(states[i].word, word))
            state = states[i].state;
    if (state == VF_DOMAIN_UNKNOWN)
        return lacks("run-state", error);
    look->running = state == VF_DOMAIN_RUNNING;
    if (!look->domain)
        return TRUE;
    if (!*vf_domain_get_name(look->domain))
        vf_domain_set_name(look->domain, name);
    vf_domain_set_uuid(look->domain, uuid);
    vf_domain_set_state(look->domain, state);
    set_devices(look->domain, devices);
    return TRUE;
}

static void
on_looked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    Look *look = g_task_get_task_data(task);
    GError *error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish(result, &error);
    g_autoptr(GVariant) guest = NULL;

    if (reply) {
        guest = g_variant_lookup_value(reply->args, "guest", G_VARIANT_TYPE_VARDICT);
        look->monitor->answered = TRUE;
        g_variant_lookup(reply->args, "oob", "b", &look->monitor->oob);
        if (!guest)
            lacks("guest", &error);
        else
            take_guest(look, guest, &error);
    }
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

void
vf_qemu_look_async(VfQemuMonitor *monitor, VfDomain *domain, GAsyncReadyCallback callback,
                   gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, callback, data);
    Look *look = g_new0(Look, 1);

    look->monitor = vf_qemu_monitor_ref(monitor);
    look->domain = domain ? g_object_ref(domain) : NULL;
    g_task_set_source_tag(task, vf_qemu_look_async);
    g_task_set_task_data(task, look, look_free);
    vf_mover_call_async(VF_MOVER_PROGRAM_GUEST, "look", vf_qemu_monitor_make_args(monitor),
                        &monitor->fd, 1, LOOK_DEADLINE_MS, NULL, on_looked, task);
}

gboolean
vf_qemu_look_finish(GAsyncResult *result, gboolean *running, gboolean *migrating, GError **error)
{
    const Look *look = g_task_get_task_data(G_TASK(result));

    *running = look->running;
    if (migrating)
        *migrating = look->migrating;
    return g_task_propagate_boolean(G_TASK(result), error);
}
