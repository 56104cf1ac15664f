/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "daemon.h"

#include "authority.h"
#include "gate.h"
#include "host-id.h"
#include "manager-object.h"
#include "model-folders.h"
#include "names.h"
#include "objects.h"
#include "providers.h"
#include "registry.h"
#include "service.h"
#include "udev.h"

struct _VfDaemon {
    GObject parent;

    GDBusConnection *connection;
    VfRegistry *registry;
    VfGate *gate;
    VfObjects *objects;
    GPtrArray *drivers;
    VfService *service;
    guint name;
};

G_DEFINE_TYPE(VfDaemon, vf_daemon, G_TYPE_OBJECT)

static VfModels *
load_models(void)
{
    g_auto(GStrv) directories = vf_models_default_directories();
    VfModels *models = vf_models_load((const char *const *)directories);

    for (guint i = 0; i < models->problems->len; i++) {
        const VfModelsProblem *problem = models->problems->pdata[i];

        g_warning("%s:%u: %s", problem->file, problem->line, problem->message);
    }
    for (guint i = 0; i < models->ignored->len; i++)
        g_message("%s", ((const VfModelsProblem *)models->ignored->pdata[i])->message);
    g_message("%u models", models->models->len);
    return models;
}

static gboolean
make_registry(VfDaemon *self, GError **error)
{
    g_autoptr(VfUdev) udev = vf_udev_new(error);

    if (!udev)
        return FALSE;
    self->registry = vf_registry_new(udev, load_models());
    return TRUE;
}

static void
on_closed(GDBusConnection *connection, gboolean remote_vanished, GError *error, VfDaemon *self)
{
    g_warning("the bus has gone%s%s", error ? ": " : "", error ? error->message : "");
    g_signal_emit_by_name(self, "finished", FALSE);
}

static gboolean
connect_bus(VfDaemon *self, GError **error)
{
    g_autoptr(VfAuthority) authority =
        vf_authority_new(VF_AUTHORITY_DEADLINE_MS, VF_AUTHORITY_DEADLINE_INTERACTIVE_MS);

    self->connection = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    if (!self->connection)
        return FALSE;
    /* messages come in from now on, and may bring descriptors */
    self->gate = vf_gate_new(self->connection, authority);
    g_dbus_connection_set_exit_on_close(self->connection, FALSE);
    g_signal_connect_object(self->connection, "closed", G_CALLBACK(on_closed), self, 0);
    return TRUE;
}

static gboolean
start_objects(VfDaemon *self, GError **error)
{
    g_autofree char *host_id = vf_host_read_id(VF_HOST_MACHINE_ID, error);
    g_autoptr(VferryManager) manager = NULL;

    if (!host_id)
        return FALSE;
    self->objects = vf_objects_new(self->registry, self->gate, error);
    if (!self->objects)
        return FALSE;
    manager = vf_manager_object_new(self->objects, self->registry, host_id);
    return vf_objects_export(self->objects, self->connection, manager, error);
}

/* The service is there before the first device is, so that none is exported without its methods. */
static gboolean
start_service(VfDaemon *self, GError **error)
{
    g_autoptr(GPtrArray) providers = vf_providers_new();

    self->service = vf_service_new(self->connection, self->registry, self->gate, self->objects,
                                   self->drivers, providers, error);
    if (!self->service || !vf_registry_start(self->registry, error))
        return FALSE;
    vf_objects_show(self->objects, self->connection);
    return vf_service_start(self->service, error);
}

static void
on_name_acquired(GDBusConnection *connection, const char *name, gpointer data)
{
    g_message("vferryd %s is %s on the bus", PACKAGE_VERSION, name);
}

static void
on_name_lost(GDBusConnection *connection, const char *name, gpointer data)
{
    if (!connection)
        return; /* on_closed() says so */
    g_warning("another process has, or the bus policy denies, the name %s", name);
    g_signal_emit_by_name(data, "finished", FALSE);
}

gboolean
vf_daemon_start(VfDaemon *self, GError **error)
{
    if (!connect_bus(self, error) || !make_registry(self, error) || !start_objects(self, error) ||
        !start_service(self, error))
        return FALSE;
    self->name =
        g_bus_own_name_on_connection(self->connection, VF_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                     on_name_acquired, on_name_lost, self, NULL);
    return TRUE;
}

void
vf_daemon_stop(VfDaemon *self)
{
    g_clear_handle_id(&self->name, g_bus_unown_name);
    if (self->service)
        vf_service_stop(self->service);
    g_clear_object(&self->service);
    g_clear_object(&self->objects);
    g_clear_object(&self->gate);
    g_clear_object(&self->registry);
    if (self->connection && !g_dbus_connection_is_closed(self->connection))
        (void)g_dbus_connection_flush_sync(self->connection, NULL, NULL);
}

VfDaemon *
vf_daemon_new(GPtrArray *drivers)
{
    VfDaemon *self = g_object_new(VF_TYPE_DAEMON, NULL);

    self->drivers = g_ptr_array_ref(drivers);
    return self;
}

static void
vf_daemon_finalize(GObject *object)
{
    VfDaemon *self = VF_DAEMON(object);

    vf_daemon_stop(self);
    g_clear_object(&self->connection);
    g_clear_pointer(&self->drivers, g_ptr_array_unref);
    G_OBJECT_CLASS(vf_daemon_parent_class)->finalize(object);
}

static void
vf_daemon_class_init(VfDaemonClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_daemon_finalize;
    g_signal_new("finished", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
}

static void
vf_daemon_init(VfDaemon *self)
{
}
