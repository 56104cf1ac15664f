/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "bus.h"
#include "json.h"
#include "names.h"
#include "uuid.h"

/* "name=value" arguments as a{sv} of strings; NULL with a message. */
static GVariant *
parse_parameters(char **arguments)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    for (guint i = 0; arguments[i]; i++) {
        const char *equals = strchr(arguments[i], '=');
        g_autofree char *name = equals ? g_strndup(arguments[i], equals - arguments[i]) : NULL;

        if (!name || name[0] == '\0' || !g_utf8_validate(arguments[i], -1, NULL)) {
            (void)vf_cli_usage("create", _("“%s” is no parameter: it must be NAME=VALUE"),
                               arguments[i]);
            return NULL;
        }
        if (g_variant_dict_contains(&dict, name)) {
            (void)vf_cli_usage("create", _("the parameter “%s” is there twice"), name);
            return NULL;
        }
        g_variant_dict_insert(&dict, name, "s", equals + 1);
    }
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static GVariant *
make_options(const char *uuid, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *normal = uuid ? vf_uuid_normalize(uuid, "--uuid", error) : NULL;

    if (uuid && !normal)
        return NULL;
    if (normal)
        g_variant_dict_insert(&dict, "uuid", "s", normal);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

VfExit
vf_cmd_create_run(VfCli *cli, int argc, char **argv)
{
    g_autofree char *uuid = NULL;
    const GOptionEntry entries[] = {
        {"uuid", 'u', 0, G_OPTION_ARG_STRING, &uuid,
         N_("UUID of the new device (default: a random one)"), N_("UUID")},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GVariant) parameters = NULL;
    g_autoptr(GVariant) options = NULL;
    g_autoptr(GDBusProxy) parent = NULL;
    g_autoptr(VferryDevice) device = NULL;
    g_autofree char *path = NULL;

    if (!vf_cli_parse(cli, "create", entries, &argc, &argv, 2, G_MAXINT - 1))
        return VF_EXIT_INPUT;
    parameters = parse_parameters(argv + 3);
    if (!parameters)
        return VF_EXIT_INPUT;
    options = make_options(uuid, &error);
    if (!options)
        return vf_exit_report(error, NULL, NULL);

    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    parent = vf_bus_find(bus, argv[1], VF_KIND_PARENT, &error);
    if (!parent)
        return vf_bus_report(bus, error, NULL);
    if (!vferry_parent_call_create_device_sync(VFERRY_PARENT(parent), argv[2], parameters, options,
                                               vf_bus_get_call_flags(bus), vf_bus_get_timeout(bus),
                                               &path, NULL, &error))
        return vf_bus_report(bus, error, VF_ACTION_MANAGE);

    /* a program gets the whole device, a person or a shell its id alone */
    device = vf_bus_get_device(bus, path, &error);
    if (!device)
        return vf_bus_report(bus, error, NULL);
    if (!cli->json)
        g_print("%s\n", vferry_device_get_id(device));
    else if (!vf_json_print(vf_json_from_proxy(G_DBUS_PROXY(device)), &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}
