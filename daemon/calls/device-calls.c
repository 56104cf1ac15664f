/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device-calls.h"

#include <glib/gi18n-lib.h>

#include "bus-peer.h"
#include "choose.h"
#include "error.h"
#include "iommu-group.h"
#include "log.h"
#include "options.h"

#define PARAMETERS_MAX 256

struct _VfDeviceCalls {
    GObject parent_instance;
    const VfContext *context;
    GHashTable *busy; /* Ids of the devices that calls under way make, open or remove */
};

G_DEFINE_FINAL_TYPE(VfDeviceCalls, vf_device_calls, G_TYPE_OBJECT)

static void
vf_device_calls_finalize(GObject *object)
{
    VfDeviceCalls *self = VF_DEVICE_CALLS(object);

    g_hash_table_unref(self->busy);
    G_OBJECT_CLASS(vf_device_calls_parent_class)->finalize(object);
}

static void
vf_device_calls_class_init(VfDeviceCallsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_device_calls_finalize;
}

static void
vf_device_calls_init(VfDeviceCalls *self)
{
    self->busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

typedef struct {
    VfDeviceCalls *self;
    GObject *skeleton;
    GDBusMethodInvocation *invocation;
    char *id;         /* of the device */
    VfDevice *device; /* of CreateDevice when it is there */
    VfMaking *making; /* of CreateDevice */
    char *creation;   /* names its record */
    VfRecord *record;
    GError *error;
} Call;

/* Nobody else touches the device until it is answered. */
static Call *
call_new(VfDeviceCalls *self, gpointer skeleton, GDBusMethodInvocation *invocation, const char *id)
{
    Call *call = g_new0(Call, 1);

    call->self = g_object_ref(self);
    call->skeleton = g_object_ref(skeleton);
    call->invocation = invocation;
    call->id = g_strdup(id);
    g_hash_table_add(self->busy, g_strdup(id));
    return call;
}

static void
call_free(Call *call)
{
    g_hash_table_remove(call->self->busy, call->id);
    g_free(call->id);
    g_clear_object(&call->device);
    g_clear_object(&call->making);
    g_free(call->creation);
    g_clear_pointer(&call->record, vf_record_free);
    g_clear_error(&call->error);
    g_object_unref(call->skeleton);
    g_object_unref(call->self);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

/* --- CreateDevice --- */

static void
on_undone(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    g_autoptr(GError) error = NULL;

    if (vf_making_remove_finish(call->making, result, &error))
        vf_ledger_drop_creation(call->self->context->ledger, call->creation);
    else /* its record stays for the next daemon */
        vf_log_device(G_LOG_LEVEL_WARNING, call->id, "%s", error->message);
    vf_bus_return_error(call->invocation, g_steal_pointer(&call->error));
}

static void
on_noted(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;

    vf_ledger_end_creation_finish(VF_LEDGER(source), result);
    vferry_parent_complete_create_device(
        VFERRY_PARENT(call->skeleton), call->invocation,
        vf_objects_get_device_path(call->self->context->objects, call->device));
}

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    VfMaking *making = VF_MAKING(source);

    call->device = vf_making_create_finish(making, result, &call->error);
    if (!call->device) {
        vf_making_remove_async(making, on_undone, call);
        return;
    }
    vf_device_set_state(call->device, VF_DEVICE_UNKNOWN);
    vf_ledger_end_creation_async(call->self->context->ledger, call->creation,
                                 vf_making_get_id(making), vf_making_get_type_id(making),
                                 vf_making_get_inode(making), on_noted, call);
}

/* Before it exists: what a crash leaves behind is known to be ours. */
static void
on_recorded(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    VfLedger *ledger = VF_LEDGER(source);
    GError *error = NULL;

    call->record = vf_ledger_begin_creation_finish(ledger, result, &error);
    if (!call->record) {
        vf_bus_return_error(call->invocation, error);
        return;
    }
    vf_making_create_async(call->making, ledger, call->record, NULL, on_created, call);
    call = NULL;
}

static GPtrArray *
take_parameters(GVariant *dict, GError **error)
{
    g_autoptr(GPtrArray) values = vf_value_list_new();
    GVariantIter iter;
    const char *name;
    GVariant *value;

    if (g_variant_n_children(dict) > PARAMETERS_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED, _("more than %d parameters"),
                    PARAMETERS_MAX);
        return NULL;
    }
    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)) {
            vf_value_list_set(values, name, g_variant_get_string(value, NULL), NULL);
            continue;
        }
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("parameter “%.100s” has type “%s”, but must be “s”"), name,
                    g_variant_get_type_string(value));
        g_variant_unref(value);
        return NULL;
    }
    return g_steal_pointer(&values);
}

static VfMaking *
choose(VfDeviceCalls *self, const char *path, const char *what, GVariant *parameters,
       GVariant *options_dict, GError **error)
{
    const VfContext *context = self->context;
    VfParent *parent = vf_objects_find_parent(context->objects, path);
    g_autoptr(VfOptions) options = vf_options_new(options_dict);
    g_autofree char *uuid = vf_options_take_string(options, "uuid", NULL);
    g_autoptr(GPtrArray) values = NULL;

    if (!vf_options_end(options, error))
        return NULL;
    values = take_parameters(parameters, error);
    if (!values)
        return NULL;
    if (parent)
        return vf_choose_at(context->providers, context->registry, parent, what, values, uuid,
                            error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("the parent has gone"));
    return NULL;
}

static gboolean
on_create_device(VferryParent *skeleton, GDBusMethodInvocation *invocation, const char *what,
                 GVariant *parameters, GVariant *options, VfDeviceCalls *self)
{
    GError *error = NULL;
    g_autoptr(VfMaking) making = choose(self, g_dbus_method_invocation_get_object_path(invocation),
                                        what, parameters, options, &error);
    Call *call;

    /* somebody may have that UUID although there is no such device */
    if (!making ||
        !vf_uses_check(self->context->uses, &(VfTouch){.id = vf_making_get_id(making)}, &error)) {
        vf_bus_return_error(invocation, error);
        return TRUE;
    }
    call = call_new(self, skeleton, invocation, vf_making_get_id(making));
    call->making = g_steal_pointer(&making);
    call->creation = g_uuid_string_random();
    vf_ledger_begin_creation_async(self->context->ledger, call->creation, on_recorded, call);
    return TRUE;
}

/* --- Remove and Probe --- */

static gboolean
check_use(gpointer user, const VfTouch *touch, GError **error)
{
    VfDeviceCalls *self = user;

    if (!g_hash_table_contains(self->busy, touch->id))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("device %s is %s"), touch->id,
                _("being worked on"));
    return FALSE;
}

/* A call on a device that nobody here uses, with all its @options taken, or NULL with the answer
 * given. */
static Call *
start_call(VfDeviceCalls *self, VferryDevice *skeleton, GDBusMethodInvocation *invocation,
           VfOptions *options)
{
    VfDevice *device = vf_objects_find_device(self->context->objects,
                                              g_dbus_method_invocation_get_object_path(invocation));
    GError *error = NULL;
    Call *call;

    if (device)
        vf_registry_refresh_device(self->context->registry, device);
    if (!device || vf_device_is_gone(device))
        g_set_error(&error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("the device has gone"));
    if (error || !vf_options_end(options, &error) ||
        !vf_uses_check_device(self->context->uses, device, &error)) {
        vf_bus_return_error(invocation, error);
        return NULL;
    }
    call = call_new(self, skeleton, invocation, vf_device_get_id(device));
    call->device = g_object_ref(device);
    return call;
}

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    GError *error = NULL;

    if (vf_making_remove_finish(VF_MAKING(source), result, &error)) {
        vferry_device_complete_remove(VFERRY_DEVICE(call->skeleton), call->invocation);
        return;
    }
    g_dbus_method_invocation_return_error(
        call->invocation, VFERRY_ERROR, VFERRY_ERROR_BUSY,
        _("%s; when somebody has it open, the kernel removes it as soon as it is closed"),
        error->message);
    g_error_free(error);
}

static gboolean
on_remove(VferryDevice *skeleton, GDBusMethodInvocation *invocation, GVariant *dict,
          VfDeviceCalls *self)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    Call *call = start_call(self, skeleton, invocation, options);
    const VfProvider *provider;
    g_autoptr(VfMaking) making = NULL;

    if (!call)
        return TRUE;
    provider = vf_provider_find(self->context->providers, vf_device_get_kind(call->device));
    if (!provider) {
        g_dbus_method_invocation_return_error(
            invocation, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
            _("device %s is of kind %s; only an mdev can be removed"),
            vf_device_get_id(call->device), vf_device_get_kind(call->device));
        call_free(call);
        return TRUE;
    }
    making =
        provider->new_for_removal(&(VfMade){.id = vf_device_get_id(call->device),
                                            .sysfs_path = vf_device_get_sysfs_path(call->device),
                                            .type = vf_device_get_type_name(call->device),
                                            .inode = vf_device_get_inode(call->device)});
    vf_making_remove_async(making, on_removed, call);
    return TRUE;
}

static void
on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    GError *error = NULL;

    if (!vf_driver_probe_finish(VF_DRIVER(source), result, &error)) {
        vf_iommu_group_explain(vf_device_get_iommu_group(call->device), &error);
        vf_bus_return_error(call->invocation, error);
        return;
    }
    /* It was opened by its name: what is there still was there then. */
    vf_registry_refresh_device(call->self->context->registry, call->device);
    if (vf_device_is_gone(call->device))
        g_dbus_method_invocation_return_error(call->invocation, VFERRY_ERROR,
                                              VFERRY_ERROR_NOT_FOUND, _("device %s has gone"),
                                              vf_device_get_id(call->device));
    else
        vferry_device_complete_probe(VFERRY_DEVICE(call->skeleton), call->invocation);
}

static gboolean
on_probe(VferryDevice *skeleton, GDBusMethodInvocation *invocation, GVariant *dict,
         VfDeviceCalls *self)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autofree char *name = vf_options_take_string(options, "driver", NULL);
    Call *call = start_call(self, skeleton, invocation, options);
    VfDriver *driver;
    GError *error = NULL;

    if (!call)
        return TRUE;
    driver = vf_context_choose_driver_for(self->context, name, call->device, &error);
    if (driver) {
        vf_driver_probe_async(driver, call->device, NULL, on_probed, call);
        return TRUE;
    }
    vf_bus_return_error(invocation, error);
    call_free(call);
    return TRUE;
}

static void
on_device_exported(VfObjects *objects, VfDevice *device, VferryDevice *skeleton,
                   VfDeviceCalls *self)
{
    g_signal_connect_object(skeleton, "handle-remove", G_CALLBACK(on_remove), self, 0);
    g_signal_connect_object(skeleton, "handle-probe", G_CALLBACK(on_probe), self, 0);
}

static void
on_parent_exported(VfObjects *objects, VfParent *parent, VferryParent *skeleton,
                   VfDeviceCalls *self)
{
    g_signal_connect_object(skeleton, "handle-create-device", G_CALLBACK(on_create_device), self,
                            0);
}

VfDeviceCalls *
vf_device_calls_new(const VfContext *context)
{
    VfDeviceCalls *self = g_object_new(VF_TYPE_DEVICE_CALLS, NULL);

    self->context = context;
    vf_uses_add(context->uses, check_use, self);
    g_signal_connect_object(context->objects, "device-exported", G_CALLBACK(on_device_exported),
                            self, 0);
    g_signal_connect_object(context->objects, "parent-exported", G_CALLBACK(on_parent_exported),
                            self, 0);
    return self;
}
