/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "follow.h"
#include "json.h"
#include "names.h"

#define WAIT_MS 60000

static VfExit
report(const VfCli *cli, VferryJob *job, const VfJobEnd *end)
{
    g_autoptr(GError) error = NULL;
    gboolean cancelled = g_strcmp0(end->result, "cancelled") == 0;
    g_autoptr(JsonObject) object = NULL;

    if (!cli->json && !end->result)
        g_printerr(
            _("vferryctl: The job has not ended yet; “vferryctl show %s” tells how it is.\n"),
            vferry_job_get_uuid(job));
    else if (!cli->json && cancelled)
        g_print(_("cancelled; the device stays at its source\n"));
    else if (!cli->json)
        g_print(_("it ended before: %s\n"), end->result);
    if (cli->json) {
        object = json_object_new();
        json_object_set_string_member(object, "job", vferry_job_get_uuid(job));
        json_object_set_string_member(object, "result", end->result ? end->result : "unknown");
        if (!vf_json_print(json_node_init_object(json_node_alloc(), object), &error))
            return vf_exit_report(error, NULL, NULL);
    }
    if (!end->result || g_strcmp0(end->result, "in-doubt") == 0)
        return VF_EXIT_UNKNOWN;
    return cancelled ? VF_EXIT_DONE : VF_EXIT_FAILED;
}

VfExit
vf_cmd_cancel_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(VferryJob) job = NULL;
    g_autoptr(VfFollow) follow = NULL;
    const gboolean never = FALSE;

    if (!vf_cli_parse(cli, "cancel", NULL, &argc, &argv, 1, 1))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    job = vf_bus_find_job(bus, argv[1], NULL, &error);
    if (!job)
        return vf_bus_report(bus, error, NULL);

    /* what GDBusObjectManagerClient gave us is not followed any more; its path is still good */
    follow = vf_follow_new(bus, NULL);
    if (!vf_follow_set_job(follow, g_dbus_proxy_get_object_path(G_DBUS_PROXY(job)), &error) ||
        !vferry_job_call_cancel_sync(vf_follow_get_job(follow), g_variant_new("a{sv}", NULL),
                                     vf_bus_get_call_flags(bus), vf_bus_get_timeout(bus), NULL,
                                     &error))
        return vf_bus_report(bus, error, VF_ACTION_MIGRATE);
    return report(cli, job, vf_follow_run(follow, &never, WAIT_MS));
}
