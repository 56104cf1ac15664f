/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bus.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "bridge.h"

/* Longer than what the daemon gives its own steps comes to, so that its answer arrives: a Prepare
 * that gives up on a device after 20 s has it to remove yet. */
#define TIMEOUT_MS 90000
#define TIMEOUT_ASKED_MS 180000
#define PREFIX_MIN 4

struct VfBus {
    VfAddress *address;
    VfBridge *bridge;
    GDBusConnection *connection;
    VferryManager *manager;
    gboolean interactive;
};

VfBus *
vf_bus_new(const VfCli *cli, const char *address, GError **error)
{
    g_autoptr(VfBus) self = g_new0(VfBus, 1);

    (void)vferry_error_quark();
    self->interactive = cli->interactive;
    self->address = vf_address_parse(address, error);
    if (!self->address)
        return NULL;
    if (self->address->host) {
        self->bridge = vf_bridge_new(self->address, !self->interactive, error);
        if (self->bridge)
            self->connection = g_object_ref(vf_bridge_get_connection(self->bridge));
    } else {
        self->connection = vferry_connect_sync(self->address->bus, NULL, error);
        if (!self->connection)
            g_prefix_error(error, _("Cannot reach the bus %s: "),
                           self->address->bus ? self->address->bus : _("of this system"));
    }
    if (!self->connection)
        return NULL;
    self->manager = vferry_manager_proxy_new_sync(
        self->connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START_AT_CONSTRUCTION, VFERRY_BUS_NAME,
        VFERRY_OBJECT_ROOT, NULL, error);
    return self->manager ? g_steal_pointer(&self) : NULL;
}

void
vf_bus_free(VfBus *self)
{
    g_clear_object(&self->manager);
    g_clear_object(&self->connection);
    g_clear_pointer(&self->bridge, vf_bridge_free);
    g_clear_pointer(&self->address, vf_address_free);
    g_free(self);
}

const char *
vf_bus_get_label(VfBus *self)
{
    return vf_address_get_label(self->address);
}

const VfAddress *
vf_bus_get_address(VfBus *self)
{
    return self->address;
}

gboolean
vf_bus_is_remote(VfBus *self)
{
    return self->address->host != NULL;
}

gboolean
vf_bus_is_gone(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
           g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
}

GDBusConnection *
vf_bus_get_connection(VfBus *self)
{
    return self->connection;
}

VferryManager *
vf_bus_get_manager(VfBus *self)
{
    return self->manager;
}

gboolean
vf_bus_has_feature(VfBus *self, const char *feature)
{
    g_autoptr(GVariant) reply = NULL;
    g_autoptr(GVariant) value = NULL;
    g_autofree const char **features = NULL;

    /* not the proxy's copy: the daemon may have been asleep when it was made */
    reply = g_dbus_connection_call_sync(
        self->connection, VFERRY_BUS_NAME, VFERRY_OBJECT_ROOT, "org.freedesktop.DBus.Properties",
        "Get", g_variant_new("(ss)", VFERRY_BUS_NAME ".Manager", "Features"), G_VARIANT_TYPE("(v)"),
        G_DBUS_CALL_FLAGS_NONE, vf_bus_get_timeout(self), NULL, NULL);
    if (!reply)
        return FALSE;
    g_variant_get(reply, "(v)", &value);
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY))
        return FALSE;
    features = g_variant_get_strv(value, NULL);
    return g_strv_contains(features, feature);
}

GDBusCallFlags
vf_bus_get_call_flags(VfBus *self)
{
    return self->interactive ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                             : G_DBUS_CALL_FLAGS_NONE;
}

int
vf_bus_get_timeout(VfBus *self)
{
    return self->interactive ? TIMEOUT_ASKED_MS : TIMEOUT_MS;
}

char *
vf_bus_lookup(VfBus *self, const char *id, GError **error)
{
    char *path = NULL;

    if (!vferry_manager_call_lookup_sync(self->manager, id, G_DBUS_CALL_FLAGS_NONE, TIMEOUT_MS,
                                         &path, NULL, error))
        return NULL;
    return path;
}

GDBusObjectManager *
vf_bus_get_objects(VfBus *self, GError **error)
{
    return vferry_objects_sync(self->connection, NULL, error);
}

/* Of the one org.vferry1 interface that an object has. */
static const char *
describe_kind(GDBusProxy *proxy)
{
    if (VFERRY_IS_DEVICE(proxy))
        return _("a device");
    if (VFERRY_IS_PARENT(proxy))
        return _("a parent");
    if (VFERRY_IS_LEASE(proxy))
        return _("a lease");
    if (VFERRY_IS_DOMAIN(proxy))
        return _("a domain");
    return VFERRY_IS_MODEL(proxy) ? _("a model") : _("a job");
}

static GDBusProxy *
get_proxy(VfBus *self, const char *path, GError **error)
{
    g_autoptr(GDBusObjectManager) objects = vf_bus_get_objects(self, error);
    g_autoptr(GDBusObject) object = NULL;
    g_autolist(GDBusInterface) interfaces = NULL;

    if (!objects)
        return NULL;
    object = g_dbus_object_manager_get_object(objects, path);
    interfaces = object ? g_dbus_object_get_interfaces(object) : NULL;
    for (GList *l = interfaces; l; l = l->next)
        if (g_str_has_prefix(g_dbus_proxy_get_interface_name(l->data), VFERRY_BUS_NAME "."))
            return g_object_ref(l->data);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("%s has just vanished"), path);
    return NULL;
}

GDBusProxy *
vf_bus_find(VfBus *self, const char *id, VfKind kind, GError **error)
{
    g_autofree char *path = vf_bus_lookup(self, id, error);
    g_autoptr(GDBusProxy) proxy = path ? get_proxy(self, path, error) : NULL;

    if (!proxy)
        return NULL;
    if (kind == VF_KIND_DEVICE && !VFERRY_IS_DEVICE(proxy))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("“%s” is %s, not a device"), id, describe_kind(proxy));
    else if (kind == VF_KIND_PARENT && !VFERRY_IS_PARENT(proxy))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("“%s” is %s, not a parent"), id, describe_kind(proxy));
    else
        return g_steal_pointer(&proxy);
    return NULL;
}

VferryDevice *
vf_bus_get_device(VfBus *self, const char *path, GError **error)
{
    return vferry_device_proxy_new_sync(self->connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                                        VFERRY_BUS_NAME, path, NULL, error);
}

static int
compare_proxies(gconstpointer a, gconstpointer b, gpointer order)
{
    g_autoptr(GVariant) left = g_dbus_proxy_get_cached_property(*(GDBusProxy *const *)a, order);
    g_autoptr(GVariant) right = g_dbus_proxy_get_cached_property(*(GDBusProxy *const *)b, order);

    if (!left || !right || !g_variant_is_of_type(left, g_variant_get_type(right)))
        return 0;
    if (g_variant_is_of_type(left, G_VARIANT_TYPE_STRING))
        return strcmp(g_variant_get_string(left, NULL), g_variant_get_string(right, NULL));
    return g_variant_compare(left, right);
}

GPtrArray *
vf_bus_list(VfBus *self, const char *interface, const char *order, GError **error)
{
    g_autoptr(GDBusObjectManager) manager = vf_bus_get_objects(self, error);
    g_autoptr(GPtrArray) proxies = g_ptr_array_new_with_free_func(g_object_unref);
    g_autolist(GDBusObject) objects = NULL;

    if (!manager)
        return NULL;
    objects = g_dbus_object_manager_get_objects(manager);
    for (GList *l = objects; l; l = l->next) {
        GDBusInterface *proxy = g_dbus_object_get_interface(l->data, interface);

        if (proxy)
            g_ptr_array_add(proxies, proxy);
    }
    g_ptr_array_sort_with_data(proxies, compare_proxies, (gpointer)order);
    return g_steal_pointer(&proxies);
}

static gboolean
id_matches(const char *uuid, const char *id)
{
    if (!uuid)
        return FALSE;
    return g_ascii_strcasecmp(uuid, id) == 0 ||
           (strlen(id) >= PREFIX_MIN && g_ascii_strncasecmp(uuid, id, strlen(id)) == 0);
}

/* FALSE when there are two different migrations. */
static gboolean
pick_job(GPtrArray *jobs, const char *id, const char *role, VferryJob **found, GError **error)
{
    for (guint i = 0; i < jobs->len; i++) {
        VferryJob *job = g_ptr_array_index(jobs, i);
        const char *uuid = vferry_job_get_uuid(job);

        if (!id_matches(uuid, id) || (role && g_strcmp0(vferry_job_get_role(job), role) != 0))
            continue;
        if (*found && g_strcmp0(vferry_job_get_uuid(*found), uuid) != 0) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                        _("“%s” could be %s or %s: give more of it"), id,
                        vferry_job_get_uuid(*found), uuid);
            return FALSE;
        }
        if (!*found || g_strcmp0(vferry_job_get_role(job), "source") == 0)
            *found = job;
    }
    return TRUE;
}

VferryJob *
vf_bus_find_job(VfBus *self, const char *id, const char *role, GError **error)
{
    g_autoptr(GPtrArray) jobs = vf_bus_list(self, "org.vferry1.Job", "StartTime", error);
    VferryJob *found = NULL;

    if (!jobs || !pick_job(jobs, id, role, &found, error))
        return NULL;
    if (found)
        return g_object_ref(found);
    if (role)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("there is no job “%s” in the role “%s” (a finished one is kept for ten "
                      "minutes at most)"),
                    id, role);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("there is no job “%s” (a finished one is kept for ten minutes at most)"), id);
    return NULL;
}

VfExit
vf_bus_report(VfBus *self, const GError *error, const char *action)
{
    VfExit status = vf_exit_report(error, vf_bus_get_label(self), action);
    g_autofree char *complaint = NULL;

    if (self->bridge && g_dbus_connection_is_closed(self->connection))
        complaint = vf_bridge_get_complaint(self->bridge);
    if (complaint)
        g_printerr(_("ssh said: %s\n"), complaint);
    return status;
}
