/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "domain-view.h"

#include <glib/gi18n-lib.h>

#include "attach.h"
#include "table.h"
#include "text-view.h"

static void
device_free(gpointer data)
{
    VfDomainViewDevice *self = data;

    g_free(self->guest_address);
    g_free(self->host_address);
    g_free(self->path);
    g_free(self->id);
    g_free(self->model);
    g_strfreev(self->reasons);
    g_free(self);
}

static VfDomainViewDevice *
device_new(VfBus *bus, GVariant *element)
{
    VfDomainViewDevice *self = g_new0(VfDomainViewDevice, 1);
    g_autoptr(VferryDevice) device = NULL;
    const char *model;

    if (!g_variant_lookup(element, "guest-address", "s", &self->guest_address))
        self->guest_address = g_strdup("");
    if (!g_variant_lookup(element, "host-address", "s", &self->host_address))
        self->host_address = g_strdup("");
    (void)g_variant_lookup(element, "migrates", "b", &self->migrates);
    if (!g_variant_lookup(element, "reasons", "^as", &self->reasons))
        self->reasons = g_new0(char *, 1);
    if (!g_variant_lookup(element, "device", "o", &self->path))
        return self;
    device = vf_bus_get_device(bus, self->path, NULL);
    self->id = device ? g_strdup(vferry_device_get_id(device)) : NULL;
    model = self->id ? vferry_device_get_model(device) : NULL;
    self->model = model && *model ? g_strdup(model) : NULL;
    return self;
}

static GVariant *
get_devices(VferryDomain *domain)
{
    GVariant *devices = vferry_domain_get_devices(domain);

    return devices && g_variant_is_of_type(devices, G_VARIANT_TYPE("aa{sv}")) ? devices : NULL;
}

GPtrArray *
vf_domain_view_list_devices(VfBus *bus, VferryDomain *domain)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(device_free);
    GVariant *devices = get_devices(domain);
    gsize n = devices ? g_variant_n_children(devices) : 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) element = g_variant_get_child_value(devices, i);

        g_ptr_array_add(list, device_new(bus, element));
    }
    return list;
}

/* --- the table of all --- */

/* "yes", "no", or how many of them do. */
static char *
format_migrates(guint n, guint migrating)
{
    if (n == 0)
        return NULL;
    if (migrating == 0 || migrating == n)
        return g_strdup(migrating > 0 ? _("yes") : _("no"));
    return g_strdup_printf(_("%u of %u"), migrating, n);
}

static void
add_devices(VfTable *table, GVariant *devices)
{
    gsize n = devices ? g_variant_n_children(devices) : 0;
    g_autoptr(GString) addresses = g_string_new(NULL);
    g_autofree char *migrates = NULL;
    guint migrating = 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) element = g_variant_get_child_value(devices, i);
        const char *address = "?";
        gboolean does = FALSE;

        (void)g_variant_lookup(element, "host-address", "&s", &address);
        (void)g_variant_lookup(element, "migrates", "b", &does);
        g_string_append_printf(addresses, "%s%s", i > 0 ? ", " : "", address);
        migrating += does;
    }
    migrates = format_migrates((guint)n, migrating);
    vf_table_add(table, addresses->str);
    vf_table_add_styled(table, migrates, migrating == n ? VF_STYLE_PLAIN : VF_STYLE_WARN);
}

char *
vf_domain_view_format(GPtrArray *domains, gboolean colour)
{
    const char *titles[] = {_("DOMAIN"),  _("UUID"),     _("DRIVER"), _("STATE"),
                            _("DEVICES"), _("MIGRATES"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);

    for (guint i = 0; i < domains->len; i++) {
        VferryDomain *domain = g_ptr_array_index(domains, i);

        vf_table_add(table, vferry_domain_get_name(domain));
        vf_table_add(table, vferry_domain_get_uuid(domain));
        vf_table_add(table, vferry_domain_get_driver(domain));
        vf_table_add(table, vferry_domain_get_state(domain));
        add_devices(table, get_devices(domain));
    }
    return vf_table_format(table, colour);
}

/* --- one --- */

JsonNode *
vf_domain_view_json(VfBus *bus, VferryDomain *domain)
{
    g_autoptr(GPtrArray) devices = vf_domain_view_list_devices(bus, domain);
    JsonNode *node = vf_json_from_proxy(G_DBUS_PROXY(domain));
    JsonObject *object = json_node_get_object(node);
    JsonArray *array = devices->len > 0 ? json_object_get_array_member(object, "devices") : NULL;

    for (guint i = 0; i < devices->len; i++) {
        const VfDomainViewDevice *device = devices->pdata[i];
        JsonObject *element = json_array_get_object_element(array, i);

        vf_json_set_text(element, "id", device->id);
        vf_json_set_text(element, "model", device->model);
    }
    return node;
}

static void
print_devices(GPtrArray *devices, gboolean colour)
{
    const char *titles[] = {_("IN THE GUEST"), _("HERE"),     _("DEVICE"),
                            _("MODEL"),        _("MIGRATES"), NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *text = NULL;

    for (guint i = 0; i < devices->len; i++) {
        const VfDomainViewDevice *device = devices->pdata[i];

        vf_table_add(table, device->guest_address);
        vf_table_add(table, device->host_address);
        vf_table_add(table, device->id);
        vf_table_add(table, device->model);
        vf_table_add_styled(table, device->migrates ? _("yes") : _("no"),
                            device->migrates ? VF_STYLE_PLAIN : VF_STYLE_WARN);
    }
    text = vf_table_format(table, colour);
    g_print("\n%s", text);
    for (guint i = 0; i < devices->len; i++) {
        const VfDomainViewDevice *device = devices->pdata[i];

        for (char **reason = device->reasons; *reason; reason++) {
            g_autofree char *line = g_strdup_printf("%s: %s", device->guest_address, *reason);
            g_autofree char *clean = vf_text_printable(line);

            g_print("%s\n", clean);
        }
    }
}

static void
print_one(VfBus *bus, VferryDomain *domain, gboolean colour)
{
    g_autoptr(GPtrArray) devices = vf_domain_view_list_devices(bus, domain);
    const char *job = vferry_domain_get_job(domain);
    const struct {
        const char *label, *text;
    } lines[] = {
        {_("domain"), vferry_domain_get_name(domain)},
        {_("UUID"), vferry_domain_get_uuid(domain)},
        {_("hypervisor driver"), vferry_domain_get_driver(domain)},
        {_("state"), vferry_domain_get_state(domain)},
        {_("job"), g_strcmp0(job, "/") == 0 ? NULL : job},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        if (lines[i].text && *lines[i].text)
            vf_table_print_label(lines[i].label, lines[i].text, colour);
    if (devices->len > 0)
        print_devices(devices, colour);
}

VfExit
vf_domain_view_show(const VfCli *cli, VfBus *bus, VferryDomain *domain)
{
    g_autoptr(GError) error = NULL;

    if (!cli->json)
        print_one(bus, domain, cli->colour);
    else if (!vf_json_print(vf_domain_view_json(bus, domain), &error))
        return vf_exit_report(error, NULL, NULL);
    return VF_EXIT_DONE;
}
