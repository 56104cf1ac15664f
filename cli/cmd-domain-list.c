/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "domain-view.h"
#include "terminal.h"

static JsonNode *
format_json(VfBus *bus, GPtrArray *domains)
{
    g_autoptr(JsonObject) object = json_object_new();
    JsonArray *array = json_array_new();

    for (guint i = 0; i < domains->len; i++)
        json_array_add_element(array, vf_domain_view_json(bus, domains->pdata[i]));
    json_object_set_array_member(object, "domains", array);
    return json_node_init_object(json_node_alloc(), object);
}

VfExit
vf_cmd_domain_list_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GPtrArray) domains = NULL;
    g_autofree char *text = NULL;

    if (!vf_cli_parse(cli, "domain list", NULL, &argc, &argv, 0, 0))
        return VF_EXIT_INPUT;
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    domains = vf_bus_list(bus, "org.vferry1.Domain", "Name", &error);
    if (!domains)
        return vf_bus_report(bus, error, NULL);
    if (cli->json) {
        if (!vf_json_print(format_json(bus, domains), &error))
            return vf_exit_report(error, NULL, NULL);
        return VF_EXIT_DONE;
    }
    text = vf_domain_view_format(domains, cli->colour);
    if (domains->len > 0)
        g_print("%s", text);
    else if (vf_terminal_is_smart())
        g_print("%s\n", _("There are no domains."));
    return VF_EXIT_DONE;
}
