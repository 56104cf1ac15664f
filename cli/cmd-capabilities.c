/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bus.h"
#include "output.h"

VfExit
vf_cmd_capabilities_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autofree char *xml = NULL;

    if (!vf_cli_parse_plain(cli, "capabilities", NULL, &argc, &argv, 0, 0))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    if (!vferry_manager_call_get_capabilities_sync(
            vf_bus_get_manager(bus), g_variant_new("a{sv}", NULL), G_DBUS_CALL_FLAGS_NONE,
            vf_bus_get_timeout(bus), &xml, NULL, &error))
        return vf_bus_report(bus, error, NULL);
    if (!vf_output_print(xml, &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}
