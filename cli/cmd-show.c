/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "bus.h"
#include "domain-view.h"
#include "json.h"
#include "output.h"
#include "table.h"
#include "text-view.h"

typedef enum {
    AS_TEXT,
    AS_BYTES,
    AS_RATE,
    AS_TIME,
    AS_DURATION,
    AS_PARAMETERS,
    AS_LIST,
    AS_ERROR,
    AS_SOURCE, /* of what is unknown until somebody asks for it */
} Form;

/* What is shown of each kind of object, in this order; a property that is empty is left out. */
static const struct {
    const char *interface;
    const char *property;
    const char *label;
    Form form;
} fields[] = {
    {"org.vferry1.Device", "Id", N_("device"), AS_TEXT},
    {"org.vferry1.Device", "Kind", N_("kind"), AS_TEXT},
    {"org.vferry1.Device", "Model", N_("model"), AS_TEXT},
    {"org.vferry1.Device", "ModelSource", N_("model known from"), AS_TEXT},
    {"org.vferry1.Device", "Parameters", N_("parameters"), AS_PARAMETERS},
    {"org.vferry1.Device", "State", N_("state"), AS_TEXT},
    {"org.vferry1.Device", "Migration", N_("migrates"), AS_LIST},
    {"org.vferry1.Device", "MigrationSource", N_("migration known from"), AS_SOURCE},
    {"org.vferry1.Device", "SysfsPath", N_("sysfs path"), AS_TEXT},
    {"org.vferry1.Device", "Driver", N_("kernel driver"), AS_TEXT},
    {"org.vferry1.Device", "IommuGroup", N_("IOMMU group"), AS_TEXT},
    {"org.vferry1.Device", "NumaNode", N_("NUMA node"), AS_TEXT},
    {"org.vferry1.Device", "VfioDev", N_("VFIO device"), AS_TEXT},
    {"org.vferry1.Parent", "Id", N_("parent"), AS_TEXT},
    {"org.vferry1.Parent", "Kind", N_("kind"), AS_TEXT},
    {"org.vferry1.Parent", "SysfsPath", N_("sysfs path"), AS_TEXT},
    {"org.vferry1.Parent", "Driver", N_("kernel driver"), AS_TEXT},
    {"org.vferry1.Parent", "NumaNode", N_("NUMA node"), AS_TEXT},
    {"org.vferry1.Model", "Id", N_("model"), AS_TEXT},
    {"org.vferry1.Model", "Description", N_("description"), AS_TEXT},
    {"org.vferry1.Model", "NotMigratable", N_("not migratable"), AS_TEXT},
    {"org.vferry1.Model", "Aliases", N_("also called"), AS_LIST},
    {"org.vferry1.Model", "Source", N_("known from"), AS_TEXT},
    {"org.vferry1.Model", "Digest", N_("digest"), AS_TEXT},
    {"org.vferry1.Model", "Versions", N_("versions"), AS_LIST},
    {"org.vferry1.Lease", "Id", N_("lease"), AS_TEXT},
    {"org.vferry1.Lease", "JobUuid", N_("job"), AS_TEXT},
    {"org.vferry1.Lease", "State", N_("state"), AS_TEXT},
    {"org.vferry1.Lease", "Deadline", N_("until"), AS_TIME},
    {"org.vferry1.Lease", "OwnerUid", N_("owner's uid"), AS_TEXT},
    {"org.vferry1.Job", "Uuid", N_("job"), AS_TEXT},
    {"org.vferry1.Job", "Operation", N_("operation"), AS_TEXT},
    {"org.vferry1.Job", "Role", N_("role"), AS_TEXT},
    {"org.vferry1.Job", "Override", N_("overridden because"), AS_TEXT},
    {"org.vferry1.Job", "Phase", N_("phase"), AS_TEXT},
    {"org.vferry1.Job", "Result", N_("result"), AS_TEXT},
    {"org.vferry1.Job", "Error", N_("error"), AS_ERROR},
    {"org.vferry1.Job", "BytesDone", N_("moved"), AS_BYTES},
    {"org.vferry1.Job", "BytesTotal", N_("of"), AS_BYTES},
    {"org.vferry1.Job", "Rate", N_("rate"), AS_RATE},
    {"org.vferry1.Job", "ExpectedDowntime", N_("expected downtime"), AS_DURATION},
    {"org.vferry1.Job", "Downtime", N_("downtime"), AS_DURATION},
    {"org.vferry1.Job", "StartTime", N_("started"), AS_TIME},
    {"org.vferry1.Job", "StartedByUid", N_("started by uid"), AS_TEXT},
    {"org.vferry1.Job", "Peer", N_("peer's host id"), AS_TEXT},
};

static char *
format_number(guint64 number, Form form)
{
    if (number == 0)
        return NULL;
    if (form == AS_BYTES)
        return vf_text_bytes(number);
    if (form == AS_RATE)
        return vf_text_rate(number);
    return form == AS_TIME ? vf_text_time(number) : vf_text_duration(number);
}

static char *
format_text(GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_variant_dup_string(value, NULL);
    /* -1 is "none" or "unknown" for groups and nodes */
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_INT32) && g_variant_get_int32(value) < 0)
        return NULL;
    return g_variant_print(value, FALSE);
}

/* NULL when there is nothing to show. The daemon may be of another version: types are checked. */
static char *
format_value(GVariant *value, Form form)
{
    g_autofree const char **list = NULL;
    const char *name, *message;

    switch (form) {
    case AS_PARAMETERS:
        return g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT) ? vf_text_parameters(value)
                                                                   : NULL;
    case AS_LIST:
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY))
            return NULL;
        list = g_variant_get_strv(value, NULL);
        return g_strjoinv(", ", (char **)list);
    case AS_ERROR:
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE("(ss)")))
            return NULL;
        g_variant_get(value, "(&s&s)", &name, &message);
        return name[0] ? g_strdup_printf("%s (%s)", message, name) : NULL;
    case AS_BYTES:
    case AS_RATE:
    case AS_TIME:
    case AS_DURATION:
        return g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64)
                   ? format_number(g_variant_get_uint64(value), form)
                   : NULL;
    case AS_SOURCE:
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
            return NULL;
        if (g_str_equal(g_variant_get_string(value, NULL), "unknown"))
            return g_strdup(_("nothing yet (“vferryctl probe” looks, which resets the device)"));
        return g_variant_dup_string(value, NULL);
    case AS_TEXT:
    default:
        return format_text(value);
    }
}

static void
print_offers(VferryParent *parent, gboolean colour)
{
    g_autoptr(GPtrArray) offers = vferry_parent_list_offers(parent);

    for (guint i = 0; i < offers->len; i++) {
        VferryOffer *offer = g_ptr_array_index(offers, i);
        g_autofree char *parameters = vf_text_values(vferry_offer_get_parameters(offer));
        const char *model = vferry_offer_get_model(offer);
        g_autofree char *text =
            g_strdup_printf(_("%s: %s, %s, %" PRIu64 " left"), vferry_offer_get_type_id(offer),
                            model ? model : "-", parameters, vferry_offer_get_left(offer));

        vf_table_print_label(i == 0 ? _("offers") : "", text, colour);
    }
}

static char *
format_range(gint64 min, gint64 max, guint64 step)
{
    if (min == max)
        return g_strdup_printf("%" PRId64, min);
    if (step == 1)
        return g_strdup_printf(_("%" PRId64 " to %" PRId64), min, max);
    return g_strdup_printf(_("%" PRId64 " to %" PRId64 " in steps of %" PRIu64), min, max, step);
}

static gboolean
is_bounded(VferryParameter *parameter)
{
    GVariant *ranges = vferry_parameter_get_ranges(parameter);
    gint64 max = G_MAXINT64;
    guint64 step = 1;

    if (g_variant_n_children(ranges) == 0)
        return FALSE;
    (void)vferry_parameter_get_range(parameter, NULL, &max, &step);
    return g_variant_n_children(ranges) > 1 || max != G_MAXINT64 || step != 1;
}

/* "4096 to 65536 in steps of 4096", "1, 2", "any string". */
static char *
format_allowed(VferryParameter *parameter)
{
    const char *const *values = vferry_parameter_get_allowed(parameter);
    guint64 mask = vferry_parameter_get_mask(parameter);
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    GVariantIter iter;
    gint64 min, max;
    guint64 step;

    g_variant_iter_init(&iter, vferry_parameter_get_ranges(parameter));
    while (is_bounded(parameter) && g_variant_iter_next(&iter, "(xxt)", &min, &max, &step))
        g_ptr_array_add(parts, format_range(min, max, step));
    for (const char *const *value = values; value && *value; value++)
        g_ptr_array_add(parts, g_strdup(*value));
    if (mask != G_MAXUINT64)
        g_ptr_array_add(parts, g_strdup_printf(_("bits of 0x%" PRIx64), mask));
    if (parts->len == 0)
        return g_strdup_printf(_("any %s"), vferry_parameter_get_value_type(parameter));
    g_ptr_array_add(parts, NULL);
    return g_strjoinv(", ", (char **)parts->pdata);
}

static void
print_parameters(VferryModel *model, gboolean colour)
{
    g_autoptr(GPtrArray) parameters = vferry_model_list_parameters(model);

    for (guint i = 0; i < parameters->len; i++) {
        VferryParameter *parameter = g_ptr_array_index(parameters, i);
        const char *unit = vferry_parameter_get_unit(parameter);
        const char *description = vferry_parameter_get_description(parameter);
        g_autofree char *allowed = format_allowed(parameter);
        g_autofree char *text = g_strdup_printf(
            "%s: %s%s%s (%s)%s%s", vferry_parameter_get_name(parameter), allowed, unit ? " " : "",
            unit ? unit : "", vferry_parameter_get_compare(parameter), description ? "  " : "",
            description ? description : "");

        vf_table_print_label(i == 0 ? _("parameters") : "", text, colour);
    }
}

static void
print_interface(GDBusProxy *proxy, gboolean colour)
{
    const char *interface = g_dbus_proxy_get_interface_name(proxy);

    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autoptr(GVariant) value = NULL;
        g_autofree char *text = NULL;

        if (!g_str_equal(fields[i].interface, interface))
            continue;
        value = g_dbus_proxy_get_cached_property(proxy, fields[i].property);
        text = value ? format_value(value, fields[i].form) : NULL;
        if (text && text[0])
            vf_table_print_label(_(fields[i].label), text, colour);
    }
    if (VFERRY_IS_PARENT(proxy))
        print_offers(VFERRY_PARENT(proxy), colour);
    if (VFERRY_IS_MODEL(proxy))
        print_parameters(VFERRY_MODEL(proxy), colour);
}

static VfExit
show_xml(VfBus *bus, GDBusProxy *proxy)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = NULL;
    const char *xml;

    if (!VFERRY_IS_DEVICE(proxy) && !VFERRY_IS_MODEL(proxy))
        return vf_cli_usage("show", _("--xml is for devices and models"));
    reply = g_dbus_proxy_call_sync(proxy, "GetXml", g_variant_new("(a{sv})", NULL),
                                   G_DBUS_CALL_FLAGS_NONE, vf_bus_get_timeout(bus), NULL, &error);
    if (!reply)
        return vf_bus_report(bus, error, NULL);
    g_variant_get(reply, "(&s)", &xml);
    if (!vf_output_print(xml, &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}

VfExit
vf_cmd_show_run(VfCli *cli, int argc, char **argv)
{
    gboolean xml = FALSE;
    const GOptionEntry entries[] = {
        {"xml", 'x', 0, G_OPTION_ARG_NONE, &xml,
         N_("Print a device or model as in the capabilities"), NULL},
        {NULL},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBus) bus = NULL;
    g_autoptr(GDBusProxy) proxy = NULL;

    if (!vf_cli_parse(cli, "show", entries, &argc, &argv, 1, 1))
        return VF_EXIT_INPUT;
    if (xml && cli->json)
        return vf_cli_usage("show", _("--xml and --json are two forms: choose one"));
    bus = vf_bus_new(cli, cli->host, &error);
    if (!bus)
        return vf_exit_report(error, NULL, NULL);
    proxy = vf_bus_find(bus, argv[1], VF_KIND_ANY, &error);
    if (!proxy)
        return vf_bus_report(bus, error, NULL);
    if (xml)
        return show_xml(bus, proxy);
    if (VFERRY_IS_DOMAIN(proxy))
        return vf_domain_view_show(cli, bus, VFERRY_DOMAIN(proxy));
    if (!cli->json)
        print_interface(proxy, cli->colour);
    else if (!vf_json_print(vf_json_from_proxy(proxy), &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}
