/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "bus.h"
#include "json.h"
#include "names.h"
#include "text-view.h"

VfExit
vf_cmd_probe_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GDBusProxy) device = NULL;
    g_autoptr(VferryDevice) probed = NULL;
    g_autofree char *migration = NULL;

    if (!vf_cli_parse(cli, "probe", NULL, &argc, &argv, 1, 1))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    device = vf_bus_find(bus, argv[1], VF_KIND_DEVICE, &error);
    if (!device)
        return vf_bus_report(bus, error, NULL);
    if (!vferry_device_call_probe_sync(VFERRY_DEVICE(device), g_variant_new("a{sv}", NULL),
                                       vf_bus_get_call_flags(bus), vf_bus_get_timeout(bus), NULL,
                                       &error))
        return vf_bus_report(bus, error, VF_ACTION_MANAGE);
    /* read again: PropertiesChanged may come after the answer */
    probed = vf_bus_get_device(bus, g_dbus_proxy_get_object_path(device), &error);
    if (!probed)
        return vf_bus_report(bus, error, NULL);
    if (cli->json) {
        if (!vf_json_print(vf_json_from_proxy(G_DBUS_PROXY(probed)), &error))
            return vf_exit_report(error, NULL, NULL);
        return VF_EXIT_DONE;
    }
    migration = vf_text_migration(vferry_device_get_migration(probed),
                                  vferry_device_get_migration_source(probed));
    g_print(_("%s migrates: %s\n"), vferry_device_get_id(probed), migration);
    return VF_EXIT_DONE;
}
