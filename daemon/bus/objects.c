/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "objects.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "device-object.h"
#include "error.h"
#include "model-merge.h"
#include "io.h"
#include "lookup.h"
#include "model-object.h"
#include "names.h"
#include "parent-object.h"

struct _VfObjects {
    GObject parent;

    VfRegistry *registry;
    VfGate *gate;
    GDBusObjectManagerServer *server;
    VferryManager *manager;
    guint64 run; /* random: a path of an earlier daemon never means anything today */
    guint64 counter;
    GHashTable
        *entries; /* VfDevice, VfParent, or a skeleton of vf_objects_add() -> VfLookupEntry */
    GHashTable *expected; /* prefix and id -> path */
};

G_DEFINE_FINAL_TYPE(VfObjects, vf_objects, G_TYPE_OBJECT)

static void
entry_free(gpointer data)
{
    VfLookupEntry *entry = data;

    g_free(entry->path);
    g_free(entry->id);
    g_object_unref(entry->subject);
    g_object_unref(entry->skeleton);
    g_free(entry);
}

static char *
choose_path(VfObjects *self, const char *prefix, const char *id)
{
    g_autofree char *key = g_strconcat(prefix, id, NULL);
    gpointer old = NULL, path = NULL;

    if (g_hash_table_steal_extended(self->expected, key, &old, &path)) {
        g_free(old);
        return path;
    }
    return g_strdup_printf("%s%016" G_GINT64_MODIFIER "x_%" G_GUINT64_FORMAT, prefix, self->run,
                           ++self->counter);
}

static VfLookupEntry *
add_entry(VfObjects *self, const char *prefix, const char *id, GObject *subject,
          GDBusInterfaceSkeleton *skeleton)
{
    VfLookupEntry *entry = g_new0(VfLookupEntry, 1);

    entry->path = choose_path(self, prefix, id);
    entry->id = g_strdup(id);
    entry->prefix = prefix;
    entry->subject = g_object_ref(subject);
    entry->skeleton = g_object_ref(skeleton);
    g_hash_table_insert(self->entries, subject, entry);
    return entry;
}

static void
export_entry(VfObjects *self, const VfLookupEntry *entry, VfGateOwnerFunc owner, gpointer data)
{
    g_autoptr(GDBusObjectSkeleton) object = g_dbus_object_skeleton_new(entry->path);

    vf_gate_guard(self->gate, entry->skeleton, owner, data);
    g_dbus_object_skeleton_add_interface(object, entry->skeleton);
    g_dbus_object_manager_server_export(self->server, object);
}

static void
remove_entry(VfObjects *self, gpointer subject)
{
    const VfLookupEntry *entry = g_hash_table_lookup(self->entries, subject);

    if (!entry)
        return;
    g_dbus_object_manager_server_unexport(self->server, entry->path);
    g_hash_table_remove(self->entries, subject);
}

static VfLookupEntry *
find_by_path(VfObjects *self, const char *prefix, const char *path)
{
    GHashTableIter iter;
    gpointer value;

    if (!g_str_has_prefix(path, prefix))
        return NULL;
    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        VfLookupEntry *entry = value;

        if (g_str_equal(entry->path, path))
            return entry;
    }
    return NULL;
}

static const char *
get_path(VfObjects *self, gpointer subject)
{
    const VfLookupEntry *entry = subject ? g_hash_table_lookup(self->entries, subject) : NULL;

    return entry ? entry->path : "/";
}

static void
set_parent(VfObjects *self, VferryDevice *skeleton, VfDevice *device)
{
    VfParent *parent = vf_registry_find_parent(self->registry, vf_device_get_parent_id(device));

    vf_device_object_set_parent(skeleton, get_path(self, parent));
}

static void
on_device_added(VfRegistry *registry, VfDevice *device, VfObjects *self)
{
    g_autoptr(VferryDevice) skeleton = vf_device_object_new(device);
    const VfLookupEntry *entry = add_entry(self, VF_PATH_DEVICE, vf_device_get_id(device),
                                           G_OBJECT(device), G_DBUS_INTERFACE_SKELETON(skeleton));

    set_parent(self, skeleton, device);
    g_signal_emit_by_name(self, "device-exported", device, skeleton);
    export_entry(self, entry, NULL, NULL);
}

static void
on_device_removed(VfRegistry *registry, VfDevice *device, VfObjects *self)
{
    remove_entry(self, device);
}

/* The devices of a parent that comes or goes point to it, or to nothing. */
static void
sync_children(VfObjects *self, VfParent *parent)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const VfLookupEntry *entry = value;

        if (VF_IS_DEVICE(entry->subject) &&
            g_str_equal(vf_device_get_parent_id(VF_DEVICE(entry->subject)),
                        vf_parent_get_id(parent)))
            set_parent(self, VFERRY_DEVICE(entry->skeleton), VF_DEVICE(entry->subject));
    }
}

/* --- what drivers say: comes and goes with their parents --- */

static VfLookupEntry *
find_model(VfObjects *self, const char *id)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        VfLookupEntry *entry = value;

        if (VFERRY_IS_MODEL(entry->skeleton) && g_str_equal(entry->id, id))
            return entry;
    }
    return NULL;
}

static gboolean
is_current(const VfLookupEntry *entry, GPtrArray *models)
{
    const char *digest = vferry_model_get_digest(VFERRY_MODEL(entry->skeleton));

    if (!g_str_equal(vferry_model_get_source(VFERRY_MODEL(entry->skeleton)),
                     VF_MODEL_SOURCE_KERNEL))
        return TRUE;
    for (guint i = 0; i < models->len; i++) {
        const VfModel *model = models->pdata[i];
        if (g_str_equal(model->digest, digest))
            return TRUE;
    }
    return FALSE;
}

static void
drop_outdated(VfObjects *self, GPtrArray *models)
{
    g_autoptr(GPtrArray) outdated = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const VfLookupEntry *entry = value;

        if (VFERRY_IS_MODEL(entry->skeleton) && !is_current(entry, models))
            g_ptr_array_add(outdated, entry->subject);
    }
    for (guint i = 0; i < outdated->len; i++)
        remove_entry(self, outdated->pdata[i]);
}

/* A model that a descriptor has, too, stays the descriptor's object: one object for one id. */
static void
sync_kernel_models(VfObjects *self)
{
    g_autoptr(GPtrArray) models = vf_host_models_of_kernel(self->registry);

    drop_outdated(self, models);
    for (guint i = 0; i < models->len; i++) {
        VfModel *model = models->pdata[i];
        g_autoptr(VferryModel) skeleton =
            find_model(self, model->id) ? NULL : vf_model_object_new(model);

        if (skeleton)
            (void)vf_objects_add(self, VF_PATH_MODEL, model->id,
                                 G_DBUS_INTERFACE_SKELETON(skeleton), NULL, NULL);
    }
}

static void
on_offers(VfParent *parent, GParamSpec *pspec, VfObjects *self)
{
    sync_kernel_models(self);
}

static void
on_parent_added(VfRegistry *registry, VfParent *parent, VfObjects *self)
{
    g_autoptr(VferryParent) skeleton = vf_parent_object_new(parent);
    const VfLookupEntry *entry = add_entry(self, VF_PATH_PARENT, vf_parent_get_id(parent),
                                           G_OBJECT(parent), G_DBUS_INTERFACE_SKELETON(skeleton));

    g_signal_emit_by_name(self, "parent-exported", parent, skeleton);
    export_entry(self, entry, NULL, NULL);
    sync_children(self, parent);
    sync_kernel_models(self);
    g_signal_connect_object(parent, "notify::offers", G_CALLBACK(on_offers), self, 0);
}

static void
on_parent_removed(VfRegistry *registry, VfParent *parent, VfObjects *self)
{
    remove_entry(self, parent);
    sync_children(self, parent);
    sync_kernel_models(self);
}

/* The descriptors are read once, when the daemon starts. */
static void
add_models(VfObjects *self)
{
    const VfModels *models = vf_registry_get_models(self->registry);

    for (guint i = 0; i < models->models->len; i++) {
        VfModel *model = models->models->pdata[i];
        g_autoptr(VferryModel) skeleton = vf_model_object_new(model);

        (void)vf_objects_add(self, VF_PATH_MODEL, model->id, G_DBUS_INTERFACE_SKELETON(skeleton),
                             NULL, NULL);
    }
}

static void
follow_registry(VfObjects *self)
{
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(self->registry);
    g_autoptr(GPtrArray) devices = vf_registry_list_devices(self->registry);

    for (guint i = 0; i < parents->len; i++)
        on_parent_added(self->registry, parents->pdata[i], self);
    for (guint i = 0; i < devices->len; i++)
        on_device_added(self->registry, devices->pdata[i], self);
    g_signal_connect_object(self->registry, "parent-added", G_CALLBACK(on_parent_added), self, 0);
    g_signal_connect_object(self->registry, "parent-removed", G_CALLBACK(on_parent_removed), self,
                            0);
    g_signal_connect_object(self->registry, "device-added", G_CALLBACK(on_device_added), self, 0);
    g_signal_connect_object(self->registry, "device-removed", G_CALLBACK(on_device_removed), self,
                            0);
}

VferryManager *
vf_objects_get_manager(VfObjects *self)
{
    return self->manager;
}

const char *
vf_objects_get_device_path(VfObjects *self, VfDevice *device)
{
    return get_path(self, device);
}

VfDevice *
vf_objects_find_device(VfObjects *self, const char *object_path)
{
    const VfLookupEntry *entry = find_by_path(self, VF_PATH_DEVICE, object_path);

    return entry ? VF_DEVICE(entry->subject) : NULL;
}

VfParent *
vf_objects_find_parent(VfObjects *self, const char *object_path)
{
    const VfLookupEntry *entry = find_by_path(self, VF_PATH_PARENT, object_path);

    return entry ? VF_PARENT(entry->subject) : NULL;
}

void
vf_objects_expect(VfObjects *self, const char *prefix, const char *id, const char *path)
{
    if (g_variant_is_object_path(path) && g_str_has_prefix(path, prefix) &&
        !strchr(path + strlen(prefix), '/') && !find_by_path(self, prefix, path))
        g_hash_table_insert(self->expected, g_strconcat(prefix, id, NULL), g_strdup(path));
}

const char *
vf_objects_add(VfObjects *self, const char *prefix, const char *id,
               GDBusInterfaceSkeleton *skeleton, VfGateOwnerFunc owner, gpointer data)
{
    const VfLookupEntry *entry = add_entry(self, prefix, id, G_OBJECT(skeleton), skeleton);

    export_entry(self, entry, owner, data);
    return entry->path;
}

GDBusInterfaceSkeleton *
vf_objects_find(VfObjects *self, const char *prefix, const char *object_path)
{
    const VfLookupEntry *entry = find_by_path(self, prefix, object_path);

    return entry ? entry->skeleton : NULL;
}

void
vf_objects_remove(VfObjects *self, GDBusInterfaceSkeleton *skeleton)
{
    remove_entry(self, skeleton);
}

const char *
vf_objects_lookup(VfObjects *self, const char *id, GError **error)
{
    return vf_lookup(self->entries, id, error);
}

VfObjects *
vf_objects_new(VfRegistry *registry, VfGate *gate, GError **error)
{
    g_autoptr(VfObjects) self = g_object_new(VF_TYPE_OBJECTS, NULL);

    if (!vf_io_random(&self->run, sizeof self->run, error))
        return NULL;
    self->registry = g_object_ref(registry);
    self->gate = g_object_ref(gate);
    self->server = g_dbus_object_manager_server_new(VF_OBJECT_ROOT);
    return g_steal_pointer(&self);
}

gboolean
vf_objects_export(VfObjects *self, GDBusConnection *connection, VferryManager *manager,
                  GError **error)
{
    if (!vf_gate_export(self->gate, connection, G_DBUS_INTERFACE_SKELETON(manager), VF_OBJECT_ROOT,
                        error))
        return FALSE;
    self->manager = g_object_ref(manager);
    add_models(self);
    follow_registry(self);
    return TRUE;
}

void
vf_objects_show(VfObjects *self, GDBusConnection *connection)
{
    g_dbus_object_manager_server_set_connection(self->server, connection);
}

static void
vf_objects_finalize(GObject *object)
{
    VfObjects *self = VF_OBJECTS(object);

    if (self->server)
        g_dbus_object_manager_server_set_connection(self->server, NULL);
    if (self->manager)
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(self->manager));
    g_hash_table_unref(self->entries);
    g_hash_table_unref(self->expected);
    g_clear_object(&self->server);
    g_clear_object(&self->manager);
    g_clear_object(&self->gate);
    g_clear_object(&self->registry);
    G_OBJECT_CLASS(vf_objects_parent_class)->finalize(object);
}

static void
vf_objects_class_init(VfObjectsClass *class)
{
    GType type = G_TYPE_FROM_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = vf_objects_finalize;
    g_signal_new("device-exported", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                 VF_TYPE_DEVICE, VFERRY_TYPE_DEVICE);
    g_signal_new("parent-exported", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                 VF_TYPE_PARENT, VFERRY_TYPE_PARENT);
}

static void
vf_objects_init(VfObjects *self)
{
    self->entries = g_hash_table_new_full(NULL, NULL, NULL, entry_free);
    self->expected = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}
