/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "exit.h"

typedef struct VfCli VfCli;

/* One for each verb; the run function is in cmd-<name>.c. */
typedef struct {
    const char *name;      /* one word or two, "domain list" */
    const char *arguments; /* for the usage line; translated when shown */
    const char *summary;
    VfExit (*run)(VfCli *cli, int argc, char **argv);
} VfCommand;

/* What every verb is given. */
struct VfCli {
    const VfCommand *commands; /* all verbs */
    char *host;                /* --host: the daemon to talk to; NULL: this host's */
    char **hosts;         /* --host, as often as it was given, of verbs that ask many; nullable */
    gboolean json;        /* --json */
    gboolean colour;      /* standard output is a terminal that wants colour */
    gboolean interactive; /* somebody can be asked */
};

VfExit vf_cmd_baseline_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_cancel_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_capabilities_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_compare_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_create_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_domain_attach_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_domain_check_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_domain_list_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_domain_migrate_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_domain_show_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_explain_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_find_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_jobs_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_list_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_migrate_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_models_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_monitor_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_probe_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_remove_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_resolve_run(VfCli *cli, int argc, char **argv);
VfExit vf_cmd_show_run(VfCli *cli, int argc, char **argv);

/* The whole tool: global options, then the verb, one of @commands; the last has no name. */
VfExit vf_cli_main(const VfCommand *commands, int argc, char **argv);

/* Takes @verb's options (@entries, ending in {NULL}, or NULL) and the common ones out of @argv, and
 * checks that between @min and @max arguments are left behind argv[0]. `--help` prints and exits
 * with 0. FALSE with a message on stderr. */
gboolean vf_cli_parse(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc,
                      char ***argv, int min, int max);

/* The same for a verb without a JSON form. */
gboolean vf_cli_parse_plain(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc,
                            char ***argv, int min, int max);

/* The same for a verb whose --host may be repeated. */
gboolean vf_cli_parse_hosts(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc,
                            char ***argv, int min, int max);

/* "vferryctl: <message>" and how to get help, on stderr. Returns VF_EXIT_INPUT. */
VfExit vf_cli_usage(const char *verb, const char *format, ...) G_GNUC_PRINTF(2, 3);
