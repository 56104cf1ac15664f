/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "bus.h"
#include "json.h"
#include "names.h"

VfExit
vf_cmd_remove_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GDBusProxy) device = NULL;
    g_autoptr(JsonObject) object = NULL;

    if (!vf_cli_parse(cli, "remove", NULL, &argc, &argv, 1, 1))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    device = vf_bus_find(bus, argv[1], VF_KIND_DEVICE, &error);
    if (!device)
        return vf_bus_report(bus, error, NULL);
    if (!vferry_device_call_remove_sync(VFERRY_DEVICE(device), g_variant_new("a{sv}", NULL),
                                        vf_bus_get_call_flags(bus), vf_bus_get_timeout(bus), NULL,
                                        &error))
        return vf_bus_report(bus, error, VF_ACTION_MANAGE);
    if (!cli->json) {
        g_print(_("removed %s\n"), vferry_device_get_id(VFERRY_DEVICE(device)));
        return VF_EXIT_DONE;
    }
    object = json_object_new();
    json_object_set_string_member(object, "id", vferry_device_get_id(VFERRY_DEVICE(device)));
    json_object_set_boolean_member(object, "removed", TRUE);
    if (!vf_json_print(json_node_init_object(json_node_alloc(), object), &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}
