/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "bus.h"
#include "json.h"
#include "table.h"
#include "text-view.h"

/* NULL (a dash in the table) for what nobody has looked at. */
static const char *
known(const char *text)
{
    return g_strcmp0(text, "unknown") == 0 ? NULL : text;
}

static char *
format_devices(GPtrArray *devices, gboolean colour)
{
    const char *titles[] = {_("DEVICE"), _("MODEL"),    _("PARAMETERS"),
                            _("STATE"),  _("MIGRATES"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);

    for (guint i = 0; i < devices->len; i++) {
        VferryDevice *device = g_ptr_array_index(devices, i);
        const char *state = known(vferry_device_get_state(device));
        g_autofree char *parameters = vf_text_parameters(vferry_device_get_parameters(device));
        g_autofree char *migration =
            known(vferry_device_get_migration_source(device))
                ? vf_text_migration(vferry_device_get_migration(device), NULL)
                : NULL;

        vf_table_add(table, vferry_device_get_id(device));
        vf_table_add(table, vferry_device_get_model(device));
        vf_table_add(table, parameters);
        vf_table_add_styled(table, state, vf_terminal_style_of(state ? state : ""));
        vf_table_add(table, migration);
    }
    return vf_table_format(table, colour);
}

static char *
format_parents(GPtrArray *parents, gboolean colour)
{
    const char *titles[] = {_("PARENT"), _("TYPE"), _("MODEL"), _("PARAMETERS"), _("LEFT"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);

    for (guint i = 0; i < parents->len; i++) {
        VferryParent *parent = g_ptr_array_index(parents, i);
        g_autoptr(GPtrArray) offers = vferry_parent_list_offers(parent);

        /* a physical function of SR-IOV, which has virtual functions instead */
        if (offers->len == 0) {
            vf_table_add(table, vferry_parent_get_id(parent));
            for (guint j = 0; j < 4; j++)
                vf_table_add(table, NULL);
        }
        for (guint j = 0; j < offers->len; j++) {
            VferryOffer *offer = g_ptr_array_index(offers, j);
            g_autofree char *parameters = vf_text_values(vferry_offer_get_parameters(offer));
            g_autofree char *left =
                g_strdup_printf("%" G_GUINT64_FORMAT, vferry_offer_get_left(offer));

            vf_table_add(table, vferry_parent_get_id(parent));
            vf_table_add(table, vferry_offer_get_type_id(offer));
            vf_table_add(table, vferry_offer_get_model(offer));
            vf_table_add(table, parameters);
            vf_table_add(table, left);
        }
    }
    return vf_table_format(table, colour);
}

static char *
format_leases(GPtrArray *leases, gboolean colour)
{
    const char *titles[] = {_("LEASE"), _("JOB"), _("STATE"), _("OWNER"), _("UNTIL"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);

    for (guint i = 0; i < leases->len; i++) {
        VferryLease *lease = g_ptr_array_index(leases, i);
        const char *state = vferry_lease_get_state(lease);
        g_autofree char *owner = g_strdup_printf("%u", vferry_lease_get_owner_uid(lease));
        g_autofree char *until = vf_text_time(vferry_lease_get_deadline(lease));

        vf_table_add(table, vferry_lease_get_id(lease));
        vf_table_add(table, vferry_lease_get_job_uuid(lease));
        vf_table_add_styled(table, state, vf_terminal_style_of(state ? state : ""));
        vf_table_add(table, owner);
        vf_table_add(table, until);
    }
    return vf_table_format(table, colour);
}

/* What can be listed; the first is the default. */
static const struct {
    const char *name;
    const char *interface;
    const char *nothing;
    char *(*format)(GPtrArray *proxies, gboolean colour);
} kinds[] = {
    {"devices", "org.vferry1.Device", N_("There are no devices."), format_devices},
    {"parents", "org.vferry1.Parent", N_("Devices can be created on nothing here."),
     format_parents},
    {"leases", "org.vferry1.Lease", N_("There are no leases."), format_leases},
};

static void
print_hint(GPtrArray *proxies)
{
    for (guint i = 0; i < proxies->len; i++) {
        VferryDevice *device = g_ptr_array_index(proxies, i);

        if (!VFERRY_IS_DEVICE(device) || known(vferry_device_get_migration_source(device)))
            continue;
        g_print("\n%s\n", _("A dash under MIGRATES: nobody has looked. “vferryctl probe DEVICE” "
                            "does; it opens the device, which resets it."));
        return;
    }
}

VfExit
vf_cmd_list_run(VfCli *cli, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GPtrArray) proxies = NULL;
    g_autofree char *text = NULL;
    gboolean parents = FALSE, leases = FALSE;
    guint kind;
    const GOptionEntry entries[] = {
        {"parents", 'p', 0, G_OPTION_ARG_NONE, &parents,
         N_("What devices can be created on, and how many more"), NULL},
        {"leases", 'l', 0, G_OPTION_ARG_NONE, &leases, N_("Devices that are held for a migration"),
         NULL},
        {NULL},
    };

    if (!vf_cli_parse(cli, "list", entries, &argc, &argv, 0, 0))
        return VF_EXIT_INPUT;
    if (parents && leases)
        return vf_cli_usage("list", _("--parents and --leases are two lists: choose one"));
    kind = parents ? 1 : leases ? 2 : 0;

    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    proxies = vf_bus_list(bus, kinds[kind].interface, "Id", &error);
    if (!proxies)
        return vf_bus_report(bus, error, NULL);
    if (cli->json) {
        if (!vf_json_print(vf_json_from_list(kinds[kind].name, proxies), &error))
            return vf_exit_report(error, NULL, NULL);
        return VF_EXIT_DONE;
    }
    text = kinds[kind].format(proxies, cli->colour);
    g_print("%s", proxies->len > 0 ? text : "");
    if (proxies->len > 0 && vf_terminal_is_smart())
        print_hint(proxies);
    else if (vf_terminal_is_smart())
        g_print("%s\n", _(kinds[kind].nothing));
    return VF_EXIT_DONE;
}
