/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cli.h"

#include <glib/gi18n-lib.h>
#include <locale.h>

#include "names.h"
#include "terminal.h"
#include "text.h"

static const VfCommand commands[] = {
    {"list", "", N_("List the devices of a host"), vf_cmd_list_run},
    {"show", N_("OBJECT"), N_("Show a device, parent, lease, job or model"), vf_cmd_show_run},
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
    {"jobs", "", N_("List the migrations of a host"), vf_cmd_jobs_run},
    {"cancel", N_("JOB"), N_("Cancel a migration before it is committed"), vf_cmd_cancel_run},
    {"resolve", N_("JOB [DESTINATION]"), N_("Decide a migration that is in doubt"),
     vf_cmd_resolve_run},
    {"monitor", "", N_("Print what happens as it happens"), vf_cmd_monitor_run},
};

static const VfCommand *
find_command(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

VfExit
vf_cli_usage(const char *verb, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("vferryctl: %s\n", message);
    if (verb)
        g_printerr(_("Try “vferryctl %s --help”.\n"), verb);
    else
        g_printerr(_("Try “vferryctl --help”.\n"));
    return VF_EXIT_INPUT;
}

/* What of the common options a verb has. */
typedef enum {
    TAKES_JSON = 1 << 0,
    TAKES_HOSTS = 1 << 1, /* --host may be repeated */
} Takes;

static void
add_common(GOptionContext *context, VfCli *cli, Takes takes)
{
    const GOptionEntry host[] = {
        {"host", 'H', 0, G_OPTION_ARG_STRING, &cli->host,
         N_("Talk to the daemon there: ssh://[user@]host[:port] or a D-Bus address"),
         N_("ADDRESS")},
        {NULL},
    };
    const GOptionEntry hosts[] = {
        {"host", 'H', 0, G_OPTION_ARG_STRING_ARRAY, &cli->hosts,
         N_("Ask the daemon there, too; may be repeated, and all are asked at once"),
         N_("ADDRESS")},
        {NULL},
    };
    const GOptionEntry json[] = {
        {"json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON for programs"), NULL},
        {NULL},
    };

    g_option_context_add_main_entries(context, takes & TAKES_HOSTS ? hosts : host, GETTEXT_PACKAGE);
    if (takes & TAKES_JSON)
        g_option_context_add_main_entries(context, json, GETTEXT_PACKAGE);
}

static gboolean
parse_options(VfCli *cli, const char *verb, const GOptionEntry *entries, Takes takes, int *argc,
              char ***argv, GError **error)
{
    const VfCommand *command = find_command(verb);
    g_autoptr(GOptionContext) context = g_option_context_new(_(command->arguments));
    g_autofree char *name = g_strdup_printf("vferryctl %s", verb);

    g_set_prgname(name);
    g_option_context_set_summary(context, _(command->summary));
    if (entries)
        g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    add_common(context, cli, takes);
    return g_option_context_parse(context, argc, argv, error);
}

/* What GOption leaves behind. A "--" that ended the options is among it. */
static void
drop_separator(int *argc, char **argv)
{
    if (*argc < 2 || g_strcmp0(argv[1], "--") != 0)
        return;
    for (int i = 1; i + 1 < *argc; i++)
        argv[i] = argv[i + 1];
    argv[--*argc] = NULL;
}

static gboolean
parse(VfCli *cli, const char *verb, const GOptionEntry *entries, Takes takes, int *argc,
      char ***argv, int min, int max)
{
    g_autoptr(GError) error = NULL;

    if (!parse_options(cli, verb, entries, takes, argc, argv, &error)) {
        (void)vf_cli_usage(verb, "%s", error->message);
        return FALSE;
    }
    drop_separator(argc, *argv);
    if (*argc - 1 < min)
        (void)vf_cli_usage(verb, _("Something is missing: %s"), _(find_command(verb)->arguments));
    else if (*argc - 1 > max)
        (void)vf_cli_usage(verb, _("“%s” is too much"), (*argv)[max + 1]);
    else
        return TRUE;
    return FALSE;
}

gboolean
vf_cli_parse(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc, char ***argv,
             int min, int max)
{
    return parse(cli, verb, entries, TAKES_JSON, argc, argv, min, max);
}

/* One that stands before the verb is the first. */
static void
merge_hosts(VfCli *cli)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    if (!cli->host)
        return;
    g_strv_builder_add(builder, cli->host);
    for (char **host = cli->hosts; host && *host; host++)
        g_strv_builder_add(builder, *host);
    g_strfreev(cli->hosts);
    cli->hosts = g_strv_builder_end(builder);
}

gboolean
vf_cli_parse_hosts(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc,
                   char ***argv, int min, int max)
{
    if (!parse(cli, verb, entries, TAKES_JSON | TAKES_HOSTS, argc, argv, min, max))
        return FALSE;
    merge_hosts(cli);
    return TRUE;
}

gboolean
vf_cli_parse_plain(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc,
                   char ***argv, int min, int max)
{
    if (!parse(cli, verb, entries, 0, argc, argv, min, max))
        return FALSE;
    if (!cli->json)
        return TRUE;
    (void)vf_cli_usage(verb, _("“%s” has no --json"), verb);
    return FALSE;
}

static char *
describe_usage(const VfCommand *command)
{
    return g_strdup_printf("%s %s", command->name,
                           command->arguments[0] ? _(command->arguments) : "");
}

static char *
describe_commands(void)
{
    GString *text = g_string_new(_("Commands:"));
    guint widest = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *usage = describe_usage(&commands[i]);

        widest = MAX(widest, vf_text_width(usage));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *usage = describe_usage(&commands[i]);

        g_string_append_printf(text, "\n  %s%*s%s", usage, (int)(widest + 2 - vf_text_width(usage)),
                               "", _(commands[i].summary));
    }
    g_string_append(text, _("\n\n“vferryctl COMMAND --help” tells more. vferryctl(1) has it all."));
    return g_string_free(text, FALSE);
}

static gboolean
parse_global(VfCli *cli, gboolean *version, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(_("COMMAND [ARGUMENT…]"));
    g_autofree char *description = describe_commands();
    const GOptionEntry entries[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, version, N_("Print the version"), NULL},
        {NULL},
    };

    g_option_context_set_summary(context, _("Ferries VFIO devices between hosts."));
    g_option_context_set_description(context, description);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    add_common(context, cli, TAKES_JSON);
    return g_option_context_parse(context, argc, argv, error);
}

static void
init_locale(void)
{
    const char *directory = g_getenv(VF_ENV_LOCALE_DIR);

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, directory ? directory : LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
}

static VfExit
run_verb(VfCli *cli, int argc, char **argv)
{
    const VfCommand *command;

    if (argc < 2)
        return vf_cli_usage(NULL, _("Which command?"));
    command = find_command(argv[1]);
    if (!command)
        return vf_cli_usage(NULL, _("There is no command “%s”"), argv[1]);
    return command->run(cli, argc - 1, argv + 1);
}

VfExit
vf_cli_main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char **rest = g_memdup2(argv, sizeof(char *) * ((gsize)argc + 1));
    char **args = rest;
    gboolean version = FALSE;
    VfCli cli = {0};
    VfExit status;

    init_locale();
    g_set_prgname("vferryctl");
    cli.colour = vf_terminal_has_colour();
    cli.interactive = vf_terminal_is_interactive();
    if (!parse_global(&cli, &version, &argc, &args, &error)) {
        status = vf_cli_usage(NULL, "%s", error->message);
    } else if (version) {
        g_print("vferryctl %s\n", PACKAGE_VERSION);
        status = VF_EXIT_DONE;
    } else {
        status = run_verb(&cli, argc, args);
    }
    g_free(cli.host);
    g_strfreev(cli.hosts);
    return status;
}
