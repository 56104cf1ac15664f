/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "attach.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "io.h"
#include "qmp-socket.h"
#include "wait.h"

#define PREFIX_MIN 4

/* --- names --- */

const char *
vf_domain_get_label(VferryDomain *domain)
{
    const char *name = vferry_domain_get_name(domain);
    const char *uuid = vferry_domain_get_uuid(domain);

    if (name && *name)
        return name;
    return uuid && *uuid ? uuid : g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain));
}

/* The better of two matches hides the worse: who gives a whole name means no beginning. */
typedef enum {
    MATCH_NONE,
    MATCH_PREFIX,
    MATCH_NAME,
    MATCH_UUID, /* says more than a name; or the path */
} Match;

static Match
match(VferryDomain *domain, const char *text)
{
    const char *name = vferry_domain_get_name(domain);
    const char *uuid = vferry_domain_get_uuid(domain);
    gsize size = strlen(text);

    if (g_str_equal(text, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain))) ||
        (uuid && *uuid && g_ascii_strcasecmp(uuid, text) == 0))
        return MATCH_UUID;
    if (name && *name && g_str_equal(name, text))
        return MATCH_NAME;
    if (size >= PREFIX_MIN && ((name && g_str_has_prefix(name, text)) ||
                               (uuid && g_ascii_strncasecmp(uuid, text, size) == 0)))
        return MATCH_PREFIX;
    return MATCH_NONE;
}

VferryDomain *
vf_domain_find(VfBus *bus, const char *name, GError **error)
{
    g_autoptr(GPtrArray) domains = vf_bus_list(bus, "org.vferry1.Domain", "Name", error);
    VferryDomain *found = NULL, *other = NULL;
    Match best = MATCH_NONE;

    if (!domains)
        return NULL;
    for (guint i = 0; i < domains->len; i++) {
        Match how = match(domains->pdata[i], name);

        if (how == MATCH_NONE || how < best)
            continue;
        other = how == best ? found : NULL;
        found = domains->pdata[i];
        best = how;
    }
    if (found && !other)
        return g_object_ref(found);
    if (found)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("“%s” could be %s or %s: give more of it"), name, vf_domain_get_label(other),
                    vf_domain_get_label(found));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("there is no domain “%s” (“vferryctl domain list” shows them, “--qmp” "
                      "attaches another)"),
                    name);
    return NULL;
}

VferryDomain *
vf_domain_load(VfBus *bus, const char *path, GError **error)
{
    g_autoptr(VferryDomain) domain = vferry_domain_proxy_new_sync(
        vf_bus_get_connection(bus), G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, VFERRY_BUS_NAME, path,
        NULL, error);

    if (!domain || vferry_domain_get_driver(domain)) /* which each has */
        return g_steal_pointer(&domain);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("%s has just vanished"), path);
    return NULL;
}

/* --- handing over --- */

static GVariant *
attach_options(const VfDomainAttach *how, gint handle)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "driver", "s",
                          how->driver ? how->driver : VF_DOMAIN_DRIVER_DEFAULT);
    g_variant_dict_insert(&dict, "qmp", "h", handle);
    if (how->name)
        g_variant_dict_insert(&dict, "name", "s", how->name);
    if (how->lease)
        g_variant_dict_insert(&dict, "lease", "o", how->lease);
    return g_variant_dict_end(&dict);
}

static gboolean
check_bus(VfBus *bus, GError **error)
{
    GDBusCapabilityFlags flags = g_dbus_connection_get_capabilities(vf_bus_get_connection(bus));

    if (vf_bus_is_remote(bus) || !(flags & G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("no descriptor crosses from one host to another: give --qmp to vferryctl at "
                      "%s, or name a domain that is attached there"),
                    vf_bus_get_label(bus));
    else if (!vf_bus_has_feature(bus, "domains"))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("the daemon takes no guests: it is too old, or has no driver that can"));
    else
        return TRUE;
    return FALSE;
}

char *
vf_domain_attach(VfBus *bus, const VfDomainAttach *how, GError **error)
{
    vf_autofd int fd = vf_qmp_socket_connect(how->monitor, error);
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
    g_autoptr(VfWait) wait = vf_wait_new();
    char *path = NULL;
    gint handle;

    if (fd < 0 || !check_bus(bus, error))
        return NULL;
    if (how->lease && !g_variant_is_object_path(how->lease)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("“%.200s” is no object path of a lease"), how->lease);
        return NULL;
    }
    handle = g_unix_fd_list_append(list, fd, error);
    if (handle < 0)
        return NULL;
    vferry_manager_call_attach_domain(vf_bus_get_manager(bus), attach_options(how, handle),
                                      vf_bus_get_call_flags(bus), vf_bus_get_timeout(bus), list,
                                      NULL, vf_wait_ready, wait);
    if (!vferry_manager_call_attach_domain_finish(vf_bus_get_manager(bus), &path, NULL,
                                                  vf_wait_end(wait), error))
        return NULL;
    return path;
}

gboolean
vf_domain_detach(VfBus *bus, VferryDomain *domain, GError **error)
{
    g_autoptr(VfWait) wait = vf_wait_new();
    GError *local = NULL;

    vferry_domain_call_detach(domain, g_variant_new("a{sv}", NULL), vf_bus_get_call_flags(bus),
                              vf_bus_get_timeout(bus), NULL, vf_wait_ready, wait);
    if (vferry_domain_call_detach_finish(domain, vf_wait_end(wait), &local))
        return TRUE;
    if (vf_bus_is_gone(local)) {
        g_error_free(local);
        return TRUE;
    }
    g_propagate_error(error, local);
    return FALSE;
}

/* --- what a user names --- */

void
vf_domain_wish_clear(VfDomainWish *self)
{
    g_free(self->monitor);
    g_free(self->name);
    g_free(self->driver);
}

VferryDomain *
vf_domain_open(VfBus *bus, const char *argument, const VfDomainWish *wish, GError **error)
{
    const VfDomainAttach how = {
        .monitor = wish->monitor, .driver = wish->driver, .name = wish->name};
    g_autofree char *path = NULL;

    if (argument)
        return vf_domain_find(bus, argument, error);
    path = vf_domain_attach(bus, &how, error);
    return path ? vf_domain_load(bus, path, error) : NULL;
}
