/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lease-object.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "error.h"
#include "log.h"
#include "names.h"
#include "options.h"

struct _VfLeaseObject {
    GObject parent_instance;
    const VfContext *context;
    VfLease *lease;
    VferryLease *skeleton;
    gboolean adopting; /* the devices are on their way to somebody, and may not arrive */
};

G_DEFINE_FINAL_TYPE(VfLeaseObject, vf_lease_object, G_TYPE_OBJECT)

static void
vf_lease_object_finalize(GObject *object)
{
    VfLeaseObject *self = VF_LEASE_OBJECT(object);

    g_object_unref(self->skeleton);
    g_object_unref(self->lease);
    G_OBJECT_CLASS(vf_lease_object_parent_class)->finalize(object);
}

static void
vf_lease_object_class_init(VfLeaseObjectClass *class)
{
    static const char *const signals[] = {"renewed", "released", "adopted"};

    G_OBJECT_CLASS(class)->finalize = vf_lease_object_finalize;
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        g_signal_new(signals[i], G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                     G_TYPE_NONE, 0);
}

static void
vf_lease_object_init(VfLeaseObject *self)
{
}

static void
show(VfLease *lease, VfLeaseObject *self)
{
    GPtrArray *devices = vf_lease_get_devices(lease);
    g_autoptr(GPtrArray) paths = g_ptr_array_new();

    if (vf_lease_get_state(lease) == VF_LEASE_GONE)
        return;
    for (guint i = 0; i < devices->len; i++) {
        const char *path = vf_objects_get_device_path(self->context->objects, devices->pdata[i]);

        if (!g_str_equal(path, "/") && !vf_device_is_gone(devices->pdata[i]))
            g_ptr_array_add(paths, (gpointer)path);
    }
    g_ptr_array_add(paths, NULL);
    vferry_lease_set_state(self->skeleton, vf_lease_get_state_name(lease));
    vferry_lease_set_deadline(self->skeleton, (guint64)vf_lease_get_deadline(lease));
    vferry_lease_set_devices(self->skeleton, (const char *const *)paths->pdata);
    g_dbus_interface_skeleton_flush(G_DBUS_INTERFACE_SKELETON(self->skeleton));
}

/* Any connection of the owner's user: it could take over the other one anyway. */
static gboolean
is_owner(const char *sender, guint32 uid, gpointer data)
{
    VfLeaseObject *self = data;

    return uid != (guint32)-1 && uid == vf_job_get_uid(vf_lease_get_job(self->lease));
}

static gboolean
on_renew(VferryLease *skeleton, GDBusMethodInvocation *invocation, guint seconds,
         VfLeaseObject *self)
{
    GError *error = NULL;

    if (!vf_lease_check_renew(self->lease, seconds, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    vf_lease_renew(self->lease, seconds);
    g_signal_emit_by_name(self, "renewed");
    vferry_lease_complete_renew(skeleton, invocation);
    return TRUE;
}

static gboolean
on_release(VferryLease *skeleton, GDBusMethodInvocation *invocation, GVariant *options,
           VfLeaseObject *self)
{
    g_autoptr(VfOptions) taken = vf_options_new(options);
    GError *error = NULL;

    if (!vf_options_end(taken, &error) || !vf_lease_check_release(self->lease, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    vferry_lease_complete_release(skeleton, invocation);
    g_signal_emit_by_name(self, "released");
    return TRUE;
}

static void
on_delivered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(VfLeaseObject) self = data;

    self->adopting = FALSE;
    if (vf_bus_delivered_finish(result)) {
        g_signal_emit_by_name(self, "adopted");
        return;
    }
    vf_log(G_LOG_LEVEL_WARNING, vf_lease_about(self->lease),
           "lease %s: the adopter did not get the devices; they stay here",
           vf_lease_get_id(self->lease));
    vf_lease_set_adopter(self->lease, NULL);
}

static GUnixFDList *
get_fds(VfLeaseObject *self, const char *name, GVariant *options_dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    gboolean again = vf_options_take_boolean(options, "again", FALSE);
    VfJob *job = vf_lease_get_job(self->lease);
    VfDriver *driver;

    if (!vf_options_end(options, error))
        return NULL;
    if (self->adopting) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("lease %s is being adopted"),
                    vf_lease_get_id(self->lease));
        return NULL;
    }
    if (!vf_lease_check_adopt(self->lease, name, again, error))
        return NULL;
    driver = vf_context_choose_driver(self->context, vf_job_get_driver_name(job), NULL, error);
    return driver ? vf_driver_adopt(driver, job, error) : NULL;
}

static gboolean
on_adopt(VferryLease *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *list,
         GVariant *options, VfLeaseObject *self)
{
    GError *error = NULL;
    g_autofree char *sender = g_strdup(g_dbus_method_invocation_get_sender(invocation));
    g_autoptr(GUnixFDList) fds = get_fds(self, sender, options, &error);
    GVariantBuilder handles;
    VfBusDelivery *delivery;

    if (!fds) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    g_variant_builder_init(&handles, G_VARIANT_TYPE("ah"));
    for (int i = 0; i < g_unix_fd_list_get_length(fds); i++)
        g_variant_builder_add(&handles, "h", i);
    self->adopting = TRUE;
    /* before it is sent: should we end now, nobody else gets a copy */
    vf_lease_set_adopter(self->lease, sender);
    delivery = vf_bus_delivery_new(self->context->connection);
    vferry_lease_complete_adopt(skeleton, invocation, fds, g_variant_builder_end(&handles));
    vf_bus_delivered_async(delivery, sender, on_delivered, g_object_ref(self));
    return TRUE;
}

VfLeaseObject *
vf_lease_object_new(const VfContext *context, VfLease *lease)
{
    VfLeaseObject *self = g_object_new(VF_TYPE_LEASE_OBJECT, NULL);
    VfJob *job = vf_lease_get_job(lease);

    self->context = context;
    self->lease = g_object_ref(lease);
    self->skeleton = vferry_lease_skeleton_new();
    vferry_lease_set_id(self->skeleton, vf_lease_get_id(lease));
    vferry_lease_set_job_uuid(self->skeleton, vf_job_get_uuid(job));
    vferry_lease_set_owner_uid(self->skeleton, vf_job_get_uid(job));
    vferry_lease_set_owner_name(self->skeleton, vf_job_get_owner(job));
    show(lease, self);
    g_signal_connect_object(self->skeleton, "handle-renew", G_CALLBACK(on_renew), self, 0);
    g_signal_connect_object(self->skeleton, "handle-release", G_CALLBACK(on_release), self, 0);
    g_signal_connect_object(self->skeleton, "handle-adopt", G_CALLBACK(on_adopt), self, 0);
    g_signal_connect_object(lease, "changed", G_CALLBACK(show), self, 0);
    vf_objects_add(context->objects, VF_PATH_LEASE, vf_lease_get_id(lease),
                   G_DBUS_INTERFACE_SKELETON(self->skeleton), is_owner, self);
    return self;
}

void
vf_lease_object_remove(VfLeaseObject *self)
{
    vf_objects_remove(self->context->objects, G_DBUS_INTERFACE_SKELETON(self->skeleton));
}

const char *
vf_lease_object_get_path(VfLeaseObject *self)
{
    const char *path =
        g_dbus_interface_skeleton_get_object_path(G_DBUS_INTERFACE_SKELETON(self->skeleton));

    return path ? path : "/";
}
