/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <signal.h>

#include "domain-view.h"
#include "attach.h"
#include "names.h"
#include "presence.h"

static gboolean
on_interrupt(gpointer interrupted)
{
    *(gboolean *)interrupted = TRUE;
    return G_SOURCE_CONTINUE;
}

/* A guest that we hold, and the user who may say that it is enough. */
typedef struct {
    VfBus *bus;
    VferryDomain *domain;
    VfPresence *presence;
    char *label; /* the proxy forgets it with the daemon */
    gboolean interrupted;
} Hold;

/* The end of our connection would do, but not before we have ended. */
static VfExit
detach(const Hold *self)
{
    g_autoptr(GError) error = NULL;

    if (vf_domain_detach(self->bus, self->domain, &error)) {
        g_printerr(_("vferryctl: %s is detached.\n"), self->label);
        return VF_EXIT_DONE;
    }
    /* a job has it, and lets it go at its end */
    return vf_bus_report(self->bus, error, NULL);
}

static VfExit
hold(const Hold *self)
{
    VfLoss loss;

    while ((loss = vf_presence_get_loss(self->presence)) == VF_LOSS_NONE && !self->interrupted)
        (void)g_main_context_iteration(NULL, TRUE);
    if (loss == VF_LOSS_NONE)
        return detach(self);
    if (loss == VF_LOSS_OBJECT) {
        g_printerr(_("vferryctl: %s has gone.\n"), self->label);
        return VF_EXIT_DONE;
    }
    g_printerr(loss == VF_LOSS_DAEMON
                   ? _("vferryctl: The daemon has ended, and %s is attached no longer.\n")
                   : _("vferryctl: The connection to the daemon has ended, and %s is attached no "
                       "longer.\n"),
               self->label);
    return VF_EXIT_INPUT;
}

/* Who has read what we print may end us: that is expected from then on. */
static VfExit
show_and_hold(const VfCli *cli, Hold *self)
{
    guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, &self->interrupted);
    guint terminate = g_unix_signal_add(SIGTERM, on_interrupt, &self->interrupted);
    VfExit status = vf_domain_view_show(cli, self->bus, self->domain);

    if (cli->interactive)
        g_printerr(_("vferryctl: It is attached until the guest or this program ends (Ctrl-C).\n"));
    if (status == VF_EXIT_DONE)
        status = hold(self);
    g_source_remove(interrupt);
    g_source_remove(terminate);
    return status;
}

static VfExit
attach(VfCli *cli, VfBus *bus, const VfDomainAttach *how)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = vf_domain_attach(bus, how, &error);
    g_autoptr(VfPresence) presence = path ? vf_presence_new(bus, path) : NULL;
    g_autoptr(VferryDomain) domain = path ? vf_domain_load(bus, path, &error) : NULL;
    g_autofree char *label = domain ? g_strdup(vf_domain_get_label(domain)) : NULL;

    if (!domain)
        return vf_bus_report(bus, error, VF_ACTION_MIGRATE);
    if (how->lease)
        return vf_domain_view_show(cli, bus, domain);
    return show_and_hold(
        cli, &(Hold){.bus = bus, .domain = domain, .presence = presence, .label = label});
}

VfExit
vf_cmd_domain_attach_run(VfCli *cli, int argc, char **argv)
{
    g_auto(VfDomainWish) wish = {0};
    g_autofree char *lease = NULL;
    const GOptionEntry entries[] = {
        {"qmp", 'q', 0, G_OPTION_ARG_FILENAME, &wish.monitor,
         N_("The socket at which its QEMU has a QMP monitor"), N_("PATH")},
        {"name", 'n', 0, G_OPTION_ARG_STRING, &wish.name,
         N_("What to call the guest (default: as its hypervisor does)"), N_("NAME")},
        {"lease", 'l', 0, G_OPTION_ARG_STRING, &lease,
         N_("It waits for a migration, with the devices of this lease"), N_("LEASE")},
        {"driver", 'd', 0, G_OPTION_ARG_STRING, &wish.driver,
         N_("Hypervisor driver (default: qemu)"), N_("NAME")},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autofree char *lease_path = NULL; /* of one that is given by its id */

    if (!vf_cli_parse(cli, "domain attach", entries, &argc, &argv, 0, 0))
        return VF_EXIT_INPUT;
    if (!wish.monitor)
        return vf_cli_usage("domain attach", _("Which guest? Name its monitor with --qmp"));
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    if (lease && *lease != '/' && !(lease_path = vf_bus_lookup(bus, lease, &error)))
        return vf_bus_report(bus, error, NULL);
    return attach(cli, bus,
                  &(const VfDomainAttach){.monitor = wish.monitor,
                                          .driver = wish.driver,
                                          .name = wish.name,
                                          .lease = lease_path ? lease_path : lease});
}
