/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "cross.h"
#include "number.h"
#include "uuid.h"

/* as the daemon has them */
#define PRECOPY_SECONDS_MAX (7 * 24 * 3600)
#define DOWNTIME_MS_MAX (24 * 3600 * 1000)

typedef struct {
    char *address;
    char *parent;
    char *type;
    char *uuid;
    char *driver;
    char *downtime_limit;
    char *precopy_max;
    gboolean no_switchover_ack;
    char *override;
} Options;

static void
clear_options(Options *options)
{
    g_free(options->address);
    g_free(options->parent);
    g_free(options->type);
    g_free(options->uuid);
    g_free(options->driver);
    g_free(options->downtime_limit);
    g_free(options->precopy_max);
    g_free(options->override);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, clear_options)

static gboolean
parse_options(VfCli *cli, Options *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        {"address", 'a', 0, G_OPTION_ARG_STRING, &options->address,
         N_("Where the destination listens for the data (default: the host of ssh://)"),
         N_("ADDRESS")},
        {"parent", 'p', 0, G_OPTION_ARG_STRING, &options->parent,
         N_("What to create the device on there"), N_("ID")},
        {"type", 't', 0, G_OPTION_ARG_STRING, &options->type,
         N_("What type of device to create there (default: one that fits)"), N_("TYPE")},
        {"uuid", 'u', 0, G_OPTION_ARG_STRING, &options->uuid, N_("UUID of the new device there"),
         N_("UUID")},
        {"driver", 'd', 0, G_OPTION_ARG_STRING, &options->driver,
         N_("Hypervisor driver (default: the one that can)"), N_("NAME")},
        {"downtime-limit", 0, 0, G_OPTION_ARG_STRING, &options->downtime_limit,
         N_("Stop the device when the rest takes so long (default: 300)"), N_("MS")},
        {"precopy-max", 0, 0, G_OPTION_ARG_STRING, &options->precopy_max,
         N_("Stop the device after so long, or fail when its initial bytes are not loaded there "
            "(default: 300)"),
         N_("SECONDS")},
        {"no-switchover-ack", 0, 0, G_OPTION_ARG_NONE, &options->no_switchover_ack,
         N_("Stop it then although they are not loaded"), NULL},
        {"override", 0, 0, G_OPTION_ARG_STRING, &options->override,
         N_("Go on although the comparison does not say yes, where no device checks it"),
         N_("REASON")},
        {NULL},
    };

    return vf_cli_parse(cli, "migrate", entries, argc, argv, 2, 2);
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
begin_options(const Options *options)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    insert_string(&dict, "driver", options->driver);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static GVariant *
perform_options(const Options *options, GError **error)
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
prepare_options(const Options *options, const char *destination, GError **error)
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

VfExit
vf_cmd_migrate_run(VfCli *cli, int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(VfCrossing) self = g_new0(VfCrossing, 1);
    g_autoptr(GDBusProxy) proxy = NULL;
    g_autoptr(GError) error = NULL;
    const char *destination;

    if (!parse_options(cli, &options, &argc, &argv))
        return VF_EXIT_INPUT;
    destination = argv[2];
    self->cli = cli;
    /* only what a shell would take apart is quoted, so that the usual line stays readable */
    self->destination_quoted = strpbrk(destination, " \t\n'\"\\$`;&|<>()*?[]#~!{}")
                                   ? g_shell_quote(destination)
                                   : g_strdup(destination);
    self->begin_options = begin_options(&options);
    self->perform_options = perform_options(&options, &error);
    if (!self->perform_options)
        return vf_exit_report(error, NULL, NULL);
    self->prepare_options = prepare_options(&options, destination, &error);
    if (!self->prepare_options)
        return vf_exit_report(error, NULL, NULL);

    self->here = vf_bus_new(cli, cli->host, &error);
    if (!self->here)
        return vf_exit_report(error, NULL, NULL);
    proxy = vf_bus_find(self->here, argv[1], VF_KIND_DEVICE, &error);
    if (!proxy)
        return vf_bus_report(self->here, error, NULL);
    self->device_path = g_strdup(g_dbus_proxy_get_object_path(proxy));
    /* a daemon that does not know an option would refuse it with a worse sentence */
    if (options.no_switchover_ack && !vf_bus_has_feature(self->here, "switchover-ack")) {
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the daemon here is too old for --no-switchover-ack"));
        return vf_bus_report(self->here, error, NULL);
    }
    self->there = vf_bus_new(cli, destination, &error);
    if (!self->there)
        return vf_exit_report(error, NULL, NULL);
    if (options.override && !vf_bus_has_feature(self->there, "override")) {
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the daemon there is too old for --override"));
        return vf_bus_report(self->there, error, NULL);
    }

    return vf_cross(self);
}
