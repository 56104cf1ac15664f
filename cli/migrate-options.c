/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "migrate-options.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "number.h"
#include "uuid.h"

/* as the daemon has them */
#define PRECOPY_SECONDS_MAX (7 * 24 * 3600)
#define DOWNTIME_MS_MAX (24 * 3600 * 1000)

void
vf_migrate_options_clear(VfMigrateOptions *self)
{
    g_free(self->address);
    g_free(self->parent);
    g_free(self->type);
    g_free(self->uuid);
    g_free(self->driver);
    g_free(self->downtime_limit);
    g_free(self->precopy_max);
    g_free(self->override);
}

gboolean
vf_migrate_options_parse(VfMigrateOptions *self, VfCli *cli, const char *verb,
                         const GOptionEntry *more, int *argc, char ***argv, int min, int max)
{
    const GOptionEntry common[] = {
        {"address", 'a', 0, G_OPTION_ARG_STRING, &self->address,
         N_("Where the destination listens for the data (default: the host of ssh://)"),
         N_("ADDRESS")},
        {"parent", 'p', 0, G_OPTION_ARG_STRING, &self->parent,
         N_("What to create the device on there"), N_("ID")},
        {"type", 't', 0, G_OPTION_ARG_STRING, &self->type,
         N_("What type of device to create there (default: one that fits)"), N_("TYPE")},
        {"driver", 'd', 0, G_OPTION_ARG_STRING, &self->driver,
         N_("Hypervisor driver (default: the one that can)"), N_("NAME")},
        {"downtime-limit", 0, 0, G_OPTION_ARG_STRING, &self->downtime_limit,
         N_("Stop the device when the rest takes so long (default: 300)"), N_("MS")},
        {"precopy-max", 0, 0, G_OPTION_ARG_STRING, &self->precopy_max,
         N_("Stop the device after so long, or fail when its initial bytes are not loaded there "
            "(default: 300)"),
         N_("SECONDS")},
        {"no-switchover-ack", 0, 0, G_OPTION_ARG_NONE, &self->no_switchover_ack,
         N_("Stop it then although they are not loaded"), NULL},
        {"override", 0, 0, G_OPTION_ARG_STRING, &self->override,
         N_("Go on although the comparison does not say yes, where no device checks it"),
         N_("REASON")},
        {NULL},
    };
    g_autoptr(GArray) entries = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));

    for (const GOptionEntry *entry = more; entry->long_name; entry++)
        g_array_append_val(entries, *entry);
    g_array_append_vals(entries, common, G_N_ELEMENTS(common) - 1);
    return vf_cli_parse(cli, verb, (const GOptionEntry *)entries->data, argc, argv, min, max);
}

static void
insert_string(GVariantDict *dict, const char *key, const char *value)
{
    if (value)
        g_variant_dict_insert(dict, key, "s", value);
}

static gboolean
insert_number(GVariantDict *dict, const char *key, const char *text, const char *what, guint64 min,
              guint64 max, GError **error)
{
    guint64 value;

    if (!text)
        return TRUE;
    if (!vf_number_parse_u64(text, what, min, max, &value, error))
        return FALSE;
    g_variant_dict_insert(dict, key, "u", (guint32)value);
    return TRUE;
}

static GVariant *
make_begin_options(const VfMigrateOptions *options)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    insert_string(&dict, "driver", options->driver);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static GVariant *
make_perform_options(const VfMigrateOptions *options, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    if (!insert_number(&dict, "downtime-limit-ms", options->downtime_limit, "--downtime-limit", 1,
                       DOWNTIME_MS_MAX, error) ||
        !insert_number(&dict, "precopy-max-seconds", options->precopy_max, "--precopy-max", 1,
                       PRECOPY_SECONDS_MAX, error))
        return NULL;
    if (options->no_switchover_ack)
        g_variant_dict_insert(&dict, "switchover-ack", "b", FALSE);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

/* What ssh calls the host need not be what it listens at, but where the name resolves it is the
 * best guess. Free with g_free(). */
static char *
guess_address(const VfAddress *destination, GError **error)
{
    g_autoptr(GResolver) resolver = g_resolver_get_default();
    g_autoptr(GError) reason = NULL;
    GList *addresses = NULL;
    char *address;

    if (destination->host)
        addresses = g_resolver_lookup_by_name(resolver, destination->host, NULL, &reason);
    if (!addresses) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("Cannot tell where “%s” listens for the data (%s): give its --address"),
                    destination->text, reason ? reason->message : _("it names no host"));
        return NULL;
    }
    address = g_inet_address_to_string(addresses->data);
    g_resolver_free_addresses(addresses);
    return address;
}

static GVariant *
make_prepare_options(const VfMigrateOptions *options, const char *destination, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(VfAddress) parsed = vf_address_parse(destination, error);
    g_autofree char *address = g_strdup(options->address);
    g_autoptr(GInetAddress) numeric = address ? g_inet_address_new_from_string(address) : NULL;
    g_autofree char *uuid = NULL;

    if (!parsed)
        return NULL;
    if (address && !numeric) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("--address is “%.200s”, but must be an IPv4 or IPv6 address"), address);
        return NULL;
    }
    if (options->uuid && !(uuid = vf_uuid_normalize(options->uuid, "--uuid", error)))
        return NULL;
    /* last: it may ask a name server */
    if (!address && !(address = guess_address(parsed, error)))
        return NULL;
    insert_string(&dict, "address", address);
    insert_string(&dict, "driver", options->driver);
    insert_string(&dict, "parent", options->parent);
    insert_string(&dict, "type", options->type);
    insert_string(&dict, "uuid", uuid);
    insert_string(&dict, "override", options->override);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

gboolean
vf_migrate_options_apply(const VfMigrateOptions *self, VfCrossing *crossing,
                         const char *destination, GError **error)
{
    /* only what a shell would take apart is quoted, so that the usual line stays readable */
    crossing->destination_quoted = strpbrk(destination, " \t\n'\"\\$`;&|<>()*?[]#~!{}")
                                       ? g_shell_quote(destination)
                                       : g_strdup(destination);
    crossing->begin_options = make_begin_options(self);
    crossing->perform_options = make_perform_options(self, error);
    if (!crossing->perform_options)
        return FALSE;
    crossing->prepare_options = make_prepare_options(self, destination, error);
    return crossing->prepare_options != NULL;
}

gboolean
vf_migrate_options_check_here(const VfMigrateOptions *self, VfBus *here, GError **error)
{
    if (!self->no_switchover_ack || vf_bus_has_feature(here, "switchover-ack"))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("the daemon here is too old for --no-switchover-ack"));
    return FALSE;
}

gboolean
vf_migrate_options_check_there(const VfMigrateOptions *self, VfBus *there, GError **error)
{
    if (!self->override || vf_bus_has_feature(there, "override"))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("the daemon there is too old for --override"));
    return FALSE;
}
