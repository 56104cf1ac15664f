/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domain-view.h"
#include "attach.h"

VfExit
vf_cmd_domain_show_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(VferryDomain) domain = NULL;

    if (!vf_cli_parse(cli, "domain show", NULL, &argc, &argv, 1, 1))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    domain = vf_domain_find(bus, argv[1], &error);
    if (!domain)
        return vf_bus_report(bus, error, NULL);
    return vf_domain_view_show(cli, bus, domain);
}
