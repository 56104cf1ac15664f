/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "objects.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "device-object.h"
#include "error.h"
#include "host-models.h"
#include "io.h"
#include "manager-object.h"
#include "model-object.h"
#include "names.h"
#include "parent-object.h"

#define PREFIX_MIN 4
#define CANDIDATES_SHOWN 8

struct _VfObjects {
    GObject parent;

    VfRegistry *registry;
    VfGate *gate;
    GDBusObjectManagerServer *server;
    VferryManager *manager;
    guint64 run; /* random: a path of an earlier daemon never means anything today */
    guint64 counter;
    GHashTable *entries;  /* VfDevice, VfParent, or a skeleton of vf_objects_add() -> Entry */
    GHashTable *expected; /* prefix and id -> path */
};

/* One object on the bus. */
typedef struct {
    char *path;
    char *id;
    const char *prefix;
    GObject *subject;
    GDBusInterfaceSkeleton *skeleton;
} Entry;

G_DEFINE_TYPE(VfObjects, vf_objects, G_TYPE_OBJECT)

static void
entry_free(gpointer data)
{
    Entry *entry = data;

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

static Entry *
add_entry(VfObjects *self, const char *prefix, const char *id, GObject *subject,
          GDBusInterfaceSkeleton *skeleton)
{
    Entry *entry = g_new0(Entry, 1);

    entry->path = choose_path(self, prefix, id);
    entry->id = g_strdup(id);
    entry->prefix = prefix;
    entry->subject = g_object_ref(subject);
    entry->skeleton = g_object_ref(skeleton);
    g_hash_table_insert(self->entries, subject, entry);
    return entry;
}

static void
export_entry(VfObjects *self, const Entry *entry, VfGateOwnerFunc owner, gpointer data)
{
    g_autoptr(GDBusObjectSkeleton) object = g_dbus_object_skeleton_new(entry->path);

    vf_gate_guard(self->gate, entry->skeleton, owner, data);
    g_dbus_object_skeleton_add_interface(object, entry->skeleton);
    g_dbus_object_manager_server_export(self->server, object);
}

static void
remove_entry(VfObjects *self, gpointer subject)
{
    const Entry *entry = g_hash_table_lookup(self->entries, subject);

    if (!entry)
        return;
    g_dbus_object_manager_server_unexport(self->server, entry->path);
    g_hash_table_remove(self->entries, subject);
}

static Entry *
find_by_path(VfObjects *self, const char *prefix, const char *path)
{
    GHashTableIter iter;
    gpointer value;

    if (!g_str_has_prefix(path, prefix))
        return NULL;
    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Entry *entry = value;

        if (g_str_equal(entry->path, path))
            return entry;
    }
    return NULL;
}

static const char *
get_path(VfObjects *self, gpointer subject)
{
    const Entry *entry = subject ? g_hash_table_lookup(self->entries, subject) : NULL;

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
    const Entry *entry = add_entry(self, VF_PATH_DEVICE, vf_device_get_id(device), G_OBJECT(device),
                                   G_DBUS_INTERFACE_SKELETON(skeleton));

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
        const Entry *entry = value;

        if (VF_IS_DEVICE(entry->subject) &&
            g_str_equal(vf_device_get_parent_id(VF_DEVICE(entry->subject)),
                        vf_parent_get_id(parent)))
            set_parent(self, VFERRY_DEVICE(entry->skeleton), VF_DEVICE(entry->subject));
    }
}

/* --- what drivers say: comes and goes with their parents --- */

static Entry *
find_model(VfObjects *self, const char *id)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Entry *entry = value;

        if (VFERRY_IS_MODEL(entry->skeleton) && g_str_equal(entry->id, id))
            return entry;
    }
    return NULL;
}

static gboolean
is_current(const Entry *entry, GPtrArray *models)
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
        const Entry *entry = value;

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
    const Entry *entry = add_entry(self, VF_PATH_PARENT, vf_parent_get_id(parent), G_OBJECT(parent),
                                   G_DBUS_INTERFACE_SKELETON(skeleton));

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

const char *
vf_objects_get_parent_path(VfObjects *self, VfParent *parent)
{
    return get_path(self, parent);
}

VfDevice *
vf_objects_find_device(VfObjects *self, const char *object_path)
{
    const Entry *entry = find_by_path(self, VF_PATH_DEVICE, object_path);

    return entry ? VF_DEVICE(entry->subject) : NULL;
}

VfParent *
vf_objects_find_parent(VfObjects *self, const char *object_path)
{
    const Entry *entry = find_by_path(self, VF_PATH_PARENT, object_path);

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
    const Entry *entry = add_entry(self, prefix, id, G_OBJECT(skeleton), skeleton);

    export_entry(self, entry, owner, data);
    return entry->path;
}

void
vf_objects_remove(VfObjects *self, GDBusInterfaceSkeleton *skeleton)
{
    remove_entry(self, skeleton);
}

/* A lease and the job that it is for may have one id: devices come first, then parents, jobs,
 * leases, models. */
static guint
rank(const Entry *entry)
{
    static const char *const order[] = {VF_PATH_DEVICE, VF_PATH_PARENT, VF_PATH_JOB, VF_PATH_LEASE,
                                        VF_PATH_MODEL};
    guint i = 0;

    while (i < G_N_ELEMENTS(order) && !g_str_equal(entry->prefix, order[i]))
        i++;
    return i;
}

/* Where the kernel links it from, beside its place in /sys/devices. */
static gboolean
is_linked_from(const Entry *entry, const char *directory)
{
    if (VF_IS_DEVICE(entry->subject))
        return g_str_equal(directory, vf_device_get_address(VF_DEVICE(entry->subject))[0]
                                          ? VF_SYSFS_PCI_DEVICES
                                          : VF_SYSFS_MDEV_BUS_DEVICES);
    return VF_IS_PARENT(entry->subject) && (g_str_equal(directory, VF_SYSFS_PCI_DEVICES) ||
                                            g_str_equal(directory, VF_SYSFS_MDEV_PARENTS));
}

static gboolean
has_sysfs_path(const Entry *entry, const char *path)
{
    if (VF_IS_DEVICE(entry->subject))
        return g_str_equal(vf_device_get_sysfs_path(VF_DEVICE(entry->subject)), path);
    return VF_IS_PARENT(entry->subject) &&
           g_str_equal(vf_parent_get_sysfs_path(VF_PARENT(entry->subject)), path);
}

/* @path is compared as text, never followed: it is the caller's, and following it would tell him
 * what root can see. A PF may be a device and a parent: then it is the device. */
static const Entry *
find_by_sysfs_path(VfObjects *self, const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    const Entry *found = NULL;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Entry *entry = value;
        gboolean linked = g_str_equal(entry->id, name) && is_linked_from(entry, directory);

        if ((linked || has_sysfs_path(entry, path)) && (!found || rank(entry) < rank(found)))
            found = entry;
    }
    return found;
}

static gint
compare_entries(gconstpointer a, gconstpointer b)
{
    const Entry *const *left = a, *const *right = b;
    int order = strcmp((*left)->id, (*right)->id);

    return order ? order : (gint)rank(*left) - (gint)rank(*right);
}

/* Sorted; exact matches alone where there are any. */
static GPtrArray *
find_by_id(VfObjects *self, const char *id)
{
    GPtrArray *exact = g_ptr_array_new(), *prefixed = g_ptr_array_new();
    g_autofree char *lower = g_ascii_strdown(id, -1); /* UUIDs and PCI addresses */
    gboolean allow_prefix = strlen(id) >= PREFIX_MIN;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, self->entries);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Entry *entry = value;

        if (g_str_equal(entry->id, id) || g_str_equal(entry->id, lower))
            g_ptr_array_add(exact, entry);
        else if (allow_prefix &&
                 (g_str_has_prefix(entry->id, id) || g_str_has_prefix(entry->id, lower)))
            g_ptr_array_add(prefixed, entry);
    }
    if (exact->len > 0) {
        g_ptr_array_unref(prefixed);
        prefixed = exact;
    } else {
        g_ptr_array_unref(exact);
    }
    g_ptr_array_sort(prefixed, compare_entries);
    return prefixed;
}

static char *
list_candidates(GPtrArray *found)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < found->len && i < CANDIDATES_SHOWN; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", ((Entry *)found->pdata[i])->id);
    if (found->len > CANDIDATES_SHOWN)
        g_string_append(text, ", …");
    return g_string_free(text, FALSE);
}

const char *
vf_objects_lookup(VfObjects *self, const char *id, GError **error)
{
    const Entry *by_path = id[0] == '/' ? find_by_sysfs_path(self, id) : NULL;
    g_autoptr(GPtrArray) found = id[0] == '/' ? g_ptr_array_new() : find_by_id(self, id);
    g_autofree char *candidates = NULL;

    if (by_path)
        return by_path->path;
    if (found->len == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("nothing here has the id, sysfs path or PCI address “%.200s”, nor an id that "
                      "begins with it (at least %d characters)"),
                    id, PREFIX_MIN);
        return NULL;
    }
    if (g_str_equal(((Entry *)found->pdata[0])->id, ((Entry *)found->pdata[found->len - 1])->id))
        return ((Entry *)found->pdata[0])->path;
    candidates = list_candidates(found);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("“%.200s” may be any of %s"),
                id, candidates);
    return NULL;
}

VfObjects *
vf_objects_new(GDBusConnection *connection, VfRegistry *registry, VfGate *gate, const char *host_id,
               GError **error)
{
    g_autoptr(VfObjects) self = g_object_new(VF_TYPE_OBJECTS, NULL);

    if (!vf_io_random(&self->run, sizeof self->run, error))
        return NULL;
    self->registry = g_object_ref(registry);
    self->gate = g_object_ref(gate);
    self->server = g_dbus_object_manager_server_new(VF_OBJECT_ROOT);
    self->manager = vf_manager_object_new(self, registry, host_id);
    if (!vf_gate_export(gate, connection, G_DBUS_INTERFACE_SKELETON(self->manager), VF_OBJECT_ROOT,
                        error))
        return NULL;
    g_dbus_object_manager_server_set_connection(self->server, connection);
    add_models(self);
    follow_registry(self);
    return g_steal_pointer(&self);
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
vf_objects_class_init(VfObjectsClass *klass)
{
    GType type = G_TYPE_FROM_CLASS(klass);

    G_OBJECT_CLASS(klass)->finalize = vf_objects_finalize;
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
