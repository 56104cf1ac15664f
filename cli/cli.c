/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cli.h"

#include <glib/gi18n-lib.h>
#include <locale.h>
#include <string.h>

#include "names.h"
#include "output.h"
#include "terminal.h"
#include "text-view.h"

static const VfCommand *
find_command(const VfCli *cli, const char *name)
{
    for (const VfCommand *command = cli->commands; command->name; command++)
        if (g_str_equal(command->name, name))
            return command;
    return NULL;
}

/* What argv[1], or argv[1] and argv[2] together, name; *@words is how many of them. */
static const VfCommand *
choose_command(const VfCli *cli, int argc, char *const *argv, int *words)
{
    const VfCommand *command = find_command(cli, argv[1]);
    g_autofree char *both = NULL;

    *words = 1;
    if (command || argc < 3)
        return command;
    *words = 2;
    both = g_strdup_printf("%s %s", argv[1], argv[2]);
    return find_command(cli, both);
}

/* Of nothing, gettext() would give the head of the catalogue. */
static const char *
arguments_of(const VfCommand *command)
{
    return command->arguments[0] ? _(command->arguments) : "";
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
    const VfCommand *command = find_command(cli, verb);
    g_autoptr(GOptionContext) context = g_option_context_new(arguments_of(command));
    g_autofree char *name = g_strdup_printf("vferryctl %s", verb);
    g_autoptr(GError) error = NULL;

    g_set_prgname(name);
    g_option_context_set_summary(context, _(command->summary));
    if (entries)
        g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    add_common(context, cli, takes);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        (void)vf_cli_usage(verb, "%s", error->message);
        return FALSE;
    }
    drop_separator(argc, *argv);
    if (*argc - 1 < min)
        (void)vf_cli_usage(verb, _("Something is missing: %s"), arguments_of(command));
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

gboolean
vf_cli_parse_hosts(VfCli *cli, const char *verb, const GOptionEntry *entries, int *argc,
                   char ***argv, int min, int max)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    if (!parse(cli, verb, entries, TAKES_JSON | TAKES_HOSTS, argc, argv, min, max))
        return FALSE;
    if (!cli->host)
        return TRUE;
    /* one that stands before the verb is the first */
    g_strv_builder_add(builder, cli->host);
    for (char **host = cli->hosts; host && *host; host++)
        g_strv_builder_add(builder, *host);
    g_strfreev(cli->hosts);
    cli->hosts = g_strv_builder_end(builder);
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
    return g_strdup_printf("%s %s", command->name, arguments_of(command));
}

/* Those whose names begin with @prefix. */
static char *
describe_commands(const VfCli *cli, const char *prefix)
{
    GString *text = g_string_new(_("Commands:"));
    guint widest = 0;

    for (const VfCommand *command = cli->commands; command->name; command++) {
        g_autofree char *usage = describe_usage(command);

        widest = MAX(widest, vf_text_width(usage));
    }
    for (const VfCommand *command = cli->commands; command->name; command++) {
        g_autofree char *usage = describe_usage(command);

        if (!g_str_has_prefix(command->name, prefix))
            continue;
        g_string_append_printf(text, "\n  %s%*s%s", usage, (int)(widest + 2 - vf_text_width(usage)),
                               "", _(command->summary));
    }
    g_string_append(text, _("\n\n“vferryctl COMMAND --help” tells more. vferryctl(1) has it all."));
    return g_string_free(text, FALSE);
}

static gboolean
parse_global(VfCli *cli, gboolean *version, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(_("COMMAND [ARGUMENT…]"));
    g_autofree char *description = describe_commands(cli, "");
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

/* No command is called so; the first of two words may be of several. */
static VfExit
refuse_command(const VfCli *cli, int argc, char *const *argv)
{
    g_autofree char *prefix = g_strdup_printf("%s ", argv[1]);
    g_autofree char *description = describe_commands(cli, prefix);

    if (!strstr(description, prefix))
        return vf_cli_usage(NULL, _("There is no command “%s”"), argv[1]);
    if (argc > 2 && (g_str_equal(argv[2], "--help") || g_str_equal(argv[2], "-h"))) {
        g_print("%s\n", description);
        return VF_EXIT_DONE;
    }
    if (argc > 2)
        return vf_cli_usage(argv[1], _("There is no command “%s %s”"), argv[1], argv[2]);
    return vf_cli_usage(argv[1], _("“%s” needs a second word"), argv[1]);
}

VfExit
vf_cli_main(const VfCommand *commands, int argc, char **argv)
{
    const char *directory = g_getenv(VF_ENV_LOCALE_DIR);
    g_autoptr(GError) error = NULL;
    g_autofree char **rest = g_memdup2(argv, sizeof(char *) * ((gsize)argc + 1));
    char **args = rest;
    gboolean version = FALSE;
    VfCli cli = {.commands = commands};
    const VfCommand *command;
    VfExit status;
    int words;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, directory ? directory : LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_set_prgname("vferryctl");
    cli.colour = vf_terminal_has_colour();
    cli.interactive = vf_terminal_is_interactive();

    if (!parse_global(&cli, &version, &argc, &args, &error)) {
        status = vf_cli_usage(NULL, "%s", error->message);
    } else if (version) {
        g_print("vferryctl %s\n", PACKAGE_VERSION);
        status = VF_EXIT_DONE;
    } else if (argc < 2) {
        status = vf_cli_usage(NULL, _("Which command?"));
    } else {
        command = choose_command(&cli, argc, args, &words);
        status = command ? command->run(&cli, argc - words, args + words)
                         : refuse_command(&cli, argc, args);
    }
    if (status < VF_EXIT_INPUT && !vf_output_finish(&error)) {
        g_printerr("vferryctl: %s\n", error->message);
        status = VF_EXIT_INPUT;
    }
    g_free(cli.host);
    g_strfreev(cli.hosts);
    return status;
}
