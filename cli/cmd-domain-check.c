/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "check-domain.h"
#include "attach.h"
#include "names.h"

VfExit
vf_cmd_domain_check_run(VfCli *cli, int argc, char **argv)
{
    g_auto(VfDomainWish) wish = {0};
    gboolean refused = FALSE;
    const GOptionEntry entries[] = {
        {"qmp", 'q', 0, G_OPTION_ARG_FILENAME, &wish.monitor,
         N_("Instead of DOMAIN: the socket at which its QEMU has a QMP monitor"), N_("PATH")},
        {"driver", 'd', 0, G_OPTION_ARG_STRING, &wish.driver,
         N_("Hypervisor driver (default: qemu)"), N_("NAME")},
        {"refused", 'r', 0, G_OPTION_ARG_NONE, &refused,
         N_("Show every refusal of the destination, not only the closest"), NULL},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) here = NULL;
    g_autoptr(VfBus) there = NULL;
    g_autoptr(VferryDomain) domain = NULL;
    g_autoptr(VfCheck) check = vf_check_new();
    VfExit status;
    const char *peer;
    int named;

    if (!vf_cli_parse(cli, "domain check", entries, &argc, &argv, 0, 2))
        return VF_EXIT_INPUT;
    named = wish.monitor ? 0 : 1;
    if (argc - 1 < named || argc - 2 > named)
        return vf_cli_usage("domain check", _("Which guest? Name a domain, or its monitor with "
                                              "--qmp, and then at most one destination"));
    peer = argc - 1 > named ? argv[named + 1] : NULL;
    here = vf_bus_new(cli, cli->host, &error);
    there = here && peer ? vf_bus_new(cli, peer, &error) : NULL;
    if (error)
        return vf_exit_report_unanswered(error);
    /* attached, it goes with us */
    domain = vf_domain_open(here, named ? argv[1] : NULL, &wish, &error);
    if (!domain) {
        status = vf_bus_report(here, error, VF_ACTION_MIGRATE);
        return status == VF_EXIT_FAILED ? VF_EXIT_INPUT : status; /* 1 would be an answer */
    }
    if (!vf_check_domain(&(const VfCheckDomain){here, there, domain, refused}, check, &error))
        return vf_exit_report_unanswered(error);
    return vf_check_report(check, cli, vf_domain_get_label(domain),
                           there ? vf_bus_get_label(there) : NULL);
}
