/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "cross.h"
#include "attach.h"
#include "migrate-options.h"
#include "names.h"
#include "number.h"

#define WAIT_SECONDS 120
#define WAIT_SECONDS_MAX 3000
/* Between what the destination has prepared and Perform lies more than the waiting. */
#define LEASE_SECONDS 120

typedef struct {
    VfMigrateOptions common;
    VfDomainWish wish; /* its driver is the common one */
    char *monitor;
    char *start;
    char *wait;
} Options;

static void
clear_options(Options *options)
{
    vf_migrate_options_clear(&options->common);
    vf_domain_wish_clear(&options->wish);
    g_free(options->monitor);
    g_free(options->start);
    g_free(options->wait);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

static gboolean
parse_options(VfCli *cli, Options *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        {"qmp", 'q', 0, G_OPTION_ARG_FILENAME, &options->wish.monitor,
         N_("Instead of DOMAIN: the socket at which its QEMU has a QMP monitor"), N_("PATH")},
        {"name", 'n', 0, G_OPTION_ARG_STRING, &options->wish.name,
         N_("What to call the guest (default: as its hypervisor does)"), N_("NAME")},
        {"peer-start", 's', 0, G_OPTION_ARG_STRING, &options->start,
         N_("What starts the guest at the destination, for its shell (default: somebody else)"),
         N_("COMMAND")},
        {"peer-qmp", 'Q', 0, G_OPTION_ARG_FILENAME, &options->monitor,
         N_("The socket of its monitor there (default: COMMAND attaches the guest, too)"),
         N_("PATH")},
        {"wait", 'w', 0, G_OPTION_ARG_STRING, &options->wait,
         N_("Give COMMAND, or somebody else, so long (default: 120)"), N_("SECONDS")},
        {NULL},
    };

    if (!vf_migrate_options_parse(&options->common, cli, "domain migrate", entries, argc, argv, 1,
                                  2))
        return FALSE;
    options->wish.driver = g_strdup(options->common.driver);
    if (*argc == (options->wish.monitor ? 2 : 3))
        return TRUE;
    (void)vf_cli_usage("domain migrate", _("Which guest, and where to? Name a domain, or its "
                                           "monitor with --qmp, and then the destination"));
    return FALSE;
}

static VfCrossingGuest *
make_guest(const Options *options, GError **error)
{
    guint64 seconds = WAIT_SECONDS;
    VfCrossingGuest *guest;

    if (options->wait &&
        !vf_number_parse_u64(options->wait, "--wait", 1, WAIT_SECONDS_MAX, &seconds, error))
        return NULL;
    guest = g_new0(VfCrossingGuest, 1);
    guest->start = g_strdup(options->start);
    guest->monitor = g_strdup(options->monitor);
    guest->wait_seconds = (guint)seconds;
    return guest;
}

/* Both sides have the guest's driver, and the lease stays for as long as we wait. */
static void
complete_prepare_options(VfCrossing *self)
{
    g_auto(GVariantDict) dict = {0};

    g_variant_dict_init(&dict, self->prepare_options);
    g_variant_dict_insert(&dict, "driver", "s", self->guest->driver);
    g_variant_dict_insert(&dict, "deadline", "u", self->guest->wait_seconds + LEASE_SECONDS);
    g_variant_unref(self->prepare_options);
    self->prepare_options = g_variant_ref_sink(g_variant_dict_end(&dict));
}

static gboolean
open_guest(VfCrossing *self, const char *argument, const Options *options, GError **error)
{
    g_autoptr(VferryDomain) domain = vf_domain_open(self->here, argument, &options->wish, error);

    if (!domain)
        return FALSE;
    self->subject_path = g_strdup(g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)));
    vf_crossing_guest_set_domain(self->guest, self->here, domain);
    complete_prepare_options(self);
    return TRUE;
}

VfExit
vf_cmd_domain_migrate_run(VfCli *cli, int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(VfCrossing) self = g_new0(VfCrossing, 1);
    g_autoptr(GError) error = NULL;

    if (!parse_options(cli, &options, &argc, &argv))
        return VF_EXIT_INPUT;
    self->cli = cli;
    self->guest = make_guest(&options, &error);
    if (!self->guest || !vf_migrate_options_apply(&options.common, self, argv[argc - 1], &error))
        return vf_exit_report(error, NULL, NULL);

    self->here = vf_bus_new(cli, cli->host, &error);
    self->there = self->here ? vf_bus_new(cli, argv[argc - 1], &error) : NULL;
    if (!self->there)
        return vf_exit_report(error, NULL, NULL);
    if (!vf_migrate_options_check_here(&options.common, self->here, &error) ||
        !open_guest(self, options.wish.monitor ? NULL : argv[1], &options, &error))
        return vf_bus_report(self->here, error, VF_ACTION_MIGRATE);
    if (!vf_migrate_options_check_there(&options.common, self->there, &error))
        return vf_bus_report(self->there, error, NULL);

    return vf_cross(self);
}
