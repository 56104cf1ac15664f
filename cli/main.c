/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "cli.h"

static const VfCommand commands[] = {
    {"list", "", N_("List the devices of a host"), vf_cmd_list_run},
    {"show", N_("OBJECT"), N_("Show a device, parent, lease, job, model or domain"),
     vf_cmd_show_run},
    {"capabilities", "", N_("Print what a host has and can make, as XML"), vf_cmd_capabilities_run},
    {"find", N_("REQUIREMENT|DEVICE [FILE|DIRECTORY…]"), N_("Find hosts that can take a device"),
     vf_cmd_find_run},
    {"compare", N_("REQUIREMENT|DEVICE [FILE|DIRECTORY…]"),
     N_("Compare a device with what hosts have, parameter by parameter"), vf_cmd_compare_run},
    {"baseline", N_("[FILE|DIRECTORY…]"),
     N_("Say what all of some hosts can take from one another"), vf_cmd_baseline_run},
    {"explain", N_("DEVICE|MODEL"), N_("Say what decides where a device can go"),
     vf_cmd_explain_run},
    {"models", N_("list | show ID | check FILE…"),
     N_("Look at the descriptors of this host, or check some"), vf_cmd_models_run},
    {"create", N_("PARENT TYPE [NAME=VALUE…]"), N_("Create a device of a type or model"),
     vf_cmd_create_run},
    {"remove", N_("DEVICE"), N_("Remove a device that was created"), vf_cmd_remove_run},
    {"probe", N_("DEVICE"), N_("Open a device, which resets it, to learn what it can do"),
     vf_cmd_probe_run},
    {"migrate", N_("DEVICE DESTINATION"), N_("Move a device to another host"), vf_cmd_migrate_run},
    {"domain list", "", N_("List the guests whose devices are known here"), vf_cmd_domain_list_run},
    {"domain show", N_("DOMAIN"), N_("Show a guest and its devices"), vf_cmd_domain_show_run},
    {"domain attach", "", N_("Hand over a guest by its QEMU's monitor"), vf_cmd_domain_attach_run},
    {"domain check", N_("[DOMAIN] [DESTINATION]"), N_("Say what speaks against moving a guest"),
     vf_cmd_domain_check_run},
    {"domain migrate", N_("[DOMAIN] DESTINATION"), N_("Move a guest to another host"),
     vf_cmd_domain_migrate_run},
    {"jobs", "", N_("List the migrations of a host"), vf_cmd_jobs_run},
    {"cancel", N_("JOB"), N_("Cancel a migration before it is committed"), vf_cmd_cancel_run},
    {"resolve", N_("JOB [DESTINATION]"), N_("Decide a migration that is in doubt"),
     vf_cmd_resolve_run},
    {"monitor", "", N_("Print what happens as it happens"), vf_cmd_monitor_run},
    {NULL},
};

int
main(int argc, char **argv)
{
    return (int)vf_cli_main(commands, argc, argv);
}
