/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "cross.h"
#include "migrate-options.h"

VfExit
vf_cmd_migrate_run(VfCli *cli, int argc, char **argv)
{
    g_auto(VfMigrateOptions) options = {0};
    const GOptionEntry entries[] = {
        {"uuid", 'u', 0, G_OPTION_ARG_STRING, &options.uuid, N_("UUID of the new device there"),
         N_("UUID")},
        {NULL},
    };
    g_autoptr(VfCrossing) self = g_new0(VfCrossing, 1);
    g_autoptr(GDBusProxy) proxy = NULL;
    g_autoptr(GError) error = NULL;

    if (!vf_migrate_options_parse(&options, cli, "migrate", entries, &argc, &argv, 2, 2))
        return VF_EXIT_INPUT;
    self->cli = cli;
    if (!vf_migrate_options_apply(&options, self, argv[2], &error))
        return vf_exit_report(error, NULL, NULL);

    self->here = vf_bus_new(cli, cli->host, &error);
    if (!self->here)
        return vf_exit_report(error, NULL, NULL);
    proxy = vf_bus_find(self->here, argv[1], VF_KIND_DEVICE, &error);
    if (!proxy || !vf_migrate_options_check_here(&options, self->here, &error))
        return vf_bus_report(self->here, error, NULL);
    self->subject_path = g_strdup(g_dbus_proxy_get_object_path(proxy));
    self->there = vf_bus_new(cli, argv[2], &error);
    if (!self->there)
        return vf_exit_report(error, NULL, NULL);
    if (!vf_migrate_options_check_there(&options, self->there, &error))
        return vf_bus_report(self->there, error, NULL);

    return vf_cross(self);
}
