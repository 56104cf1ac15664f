/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "registry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <glib/gi18n-lib.h>

#include "config-space.h"
#include "error.h"
#include "facts.h"
#include "io.h"
#include "log.h"
#include "names.h"
#include "sysfs.h"
#include "uuid.h"
#include "value.h"

/* The mdev core links mdev_type only after it has bound the driver, mdev_device_create() in
 * drivers/vfio/mdev/mdev_core.c, and sends no event for it. */
#define INCOMPLETE_RETRY_MS 20
#define INCOMPLETE_RETRIES 100
/* Some drivers give the instance back only after the last reference to the mdev has gone,
 * mdev_device_release() in the same file. */
#define SETTLE_MS 250
#define UNREAD_SECONDS 1

struct _VfRegistry {
    GObject parent;

    VfUdev *udev;
    VfModels *models;
    GHashTable *devices; /* id -> VfDevice */
    GHashTable *parents; /* id -> VfParent */
    GPtrArray *waits;    /* of GTask, task data Wait */
    GHashTable *configs; /* VfDevice -> Config */
    GHashTable *unread;  /* sysfs path or parent's id -> Unread, what could not be looked at */

    guint unread_source;
    guint refresh_source; /* room of all parents, once for a burst of events */
    guint settle_source;
    guint incomplete_source;
    guint incomplete_tries;
};

typedef struct {
    char *id;
    GSource *timeout;
    GSource *cancelled; /* NULL without a cancellable */
} Wait;

/* What a function's configuration space said last. */
typedef struct {
    GPtrArray *values; /* list (xml/value.h) */
    gboolean reading;
    gboolean again; /* something has happened since that began */
} Config;

typedef struct {
    const char *subsystem; /* static */
    char *name;
    char *path;
} Unread;

G_DEFINE_TYPE(VfRegistry, vf_registry, G_TYPE_OBJECT)

static void
clear_source(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void
wait_free(gpointer data)
{
    Wait *wait = data;

    g_free(wait->id);
    clear_source(&wait->timeout);
    clear_source(&wait->cancelled);
    g_free(wait);
}

/* Takes the task out of the list with a reference; the caller returns its result. */
static GTask *
take_wait(VfRegistry *self, GTask *task)
{
    Wait *wait = g_task_get_task_data(task);

    g_object_ref(task);
    clear_source(&wait->timeout);
    clear_source(&wait->cancelled);
    g_ptr_array_remove(self->waits, task);
    return task;
}

static void
complete_waits(VfRegistry *self, VfDevice *device)
{
    const char *id = vf_device_get_id(device);

    if (!vf_device_is_complete(device))
        return;
    for (guint i = self->waits->len; i > 0; i--) {
        Wait *wait = g_task_get_task_data(self->waits->pdata[i - 1]);
        g_autoptr(GTask) task = NULL;

        if (!g_str_equal(wait->id, id))
            continue;
        task = take_wait(self, self->waits->pdata[i - 1]);
        g_task_return_pointer(task, g_object_ref(device), g_object_unref);
    }
}

static void
refresh_parents(VfRegistry *self)
{
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(self);

    for (guint i = 0; i < parents->len; i++)
        vf_parent_refresh(parents->pdata[i]);
}

static gboolean
on_refresh(gpointer data)
{
    VfRegistry *self = data;

    self->refresh_source = 0;
    refresh_parents(self);
    return G_SOURCE_REMOVE;
}

static void
unread_free(gpointer data)
{
    Unread *unread = data;

    g_free(unread->name);
    g_free(unread->path);
    g_free(unread);
}

/* As if it changed now. */
static gboolean
on_unread(gpointer data)
{
    VfRegistry *self = data;
    g_autoptr(GHashTable) all = g_steal_pointer(&self->unread);
    GHashTableIter iter;
    gpointer value;

    self->unread_source = 0;
    self->unread = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unread_free);
    g_hash_table_iter_init(&iter, all);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Unread *unread = value;

        vf_registry_handle(
            self, &(VfUdevEvent){"change", unread->subsystem, unread->name, unread->path, NULL});
    }
    return G_SOURCE_REMOVE;
}

/* Who sends us more descriptors than we can close may leave us none: what we cannot look at has not
 * gone, and not stayed away either. FALSE when @error (NULL: there is none) says what it is. */
static gboolean
look_later(VfRegistry *self, const char *subsystem, const char *name, const char *path,
           const GError *error)
{
    Unread *unread;

    if (!vf_sysfs_is_unread(error))
        return FALSE;
    if (self->unread_source == 0) {
        g_warning("%s cannot be looked at, and will be again: %s", path, error->message);
        self->unread_source = g_timeout_add_seconds(UNREAD_SECONDS, on_unread, self);
    }
    unread = g_new0(Unread, 1);
    unread->subsystem = subsystem;
    unread->name = g_strdup(name);
    unread->path = g_strdup(path);
    g_hash_table_replace(self->unread, g_strdup(path), unread);
    return TRUE;
}

static gboolean on_settle(gpointer data);

static void
queue_refresh(VfRegistry *self, gboolean settle)
{
    if (self->refresh_source == 0)
        self->refresh_source = g_idle_add(on_refresh, self);
    if (settle && self->settle_source == 0)
        self->settle_source = g_timeout_add(SETTLE_MS, on_settle, self);
}

static void
drop_parent(VfRegistry *self, const char *id)
{
    g_autoptr(VfParent) parent = NULL;
    VfParent *found = g_hash_table_lookup(self->parents, id);

    if (!found)
        return;
    parent = g_object_ref(found);
    g_hash_table_remove(self->parents, id);
    vf_log_parent(G_LOG_LEVEL_MESSAGE, id, "parent %s is gone", id);
    g_signal_emit_by_name(self, "parent-removed", parent);
}

static VfParent *
add_parent(VfRegistry *self, const char *id)
{
    g_autoptr(GError) error = NULL;
    VfParent *parent = vf_parent_new(id, self->models, &error);

    if (!parent) {
        if (!look_later(self, "mdev_bus", id, id, error))
            g_debug("%s", error->message);
        return NULL;
    }
    g_hash_table_insert(self->parents, g_strdup(id), parent);
    vf_log_parent(G_LOG_LEVEL_MESSAGE, id, "parent %s at %s", id, vf_parent_get_sysfs_path(parent));
    g_signal_emit_by_name(self, "parent-added", parent);
    return parent;
}

/* Looks whether @id is a parent now, whatever the event said: it may be late. */
static VfParent *
check_parent(VfRegistry *self, const char *id)
{
    g_autoptr(GError) error = NULL;
    const char *kind = vf_parent_kind_of(id, &error);
    VfParent *parent = g_hash_table_lookup(self->parents, id);

    if (look_later(self, "mdev_bus", id, id, error))
        return parent;
    if (parent && g_strcmp0(vf_parent_get_kind(parent), kind) != 0) {
        drop_parent(self, id);
        parent = NULL;
    }
    if (!parent)
        return kind ? add_parent(self, id) : NULL;
    queue_refresh(self, FALSE);
    return parent;
}

static void
remove_device(VfRegistry *self, const char *id)
{
    g_autoptr(VfDevice) device = NULL;
    VfDevice *found = g_hash_table_lookup(self->devices, id);

    if (!found)
        return;
    device = g_object_ref(found);
    g_hash_table_remove(self->devices, id);
    g_hash_table_remove(self->configs, device);
    vf_device_set_gone(device);
    vf_log_device(G_LOG_LEVEL_MESSAGE, id, "device %s is gone", id);
    g_signal_emit_by_name(self, "device-removed", device);
    check_parent(self, vf_device_get_parent_id(device));
}

static gboolean
is_pci(VfDevice *device)
{
    return g_str_equal(vf_device_get_kind(device), "pci");
}

static VfFacts *
read_mdev(VfRegistry *self, const char *path, const char *parent_id, GError **error)
{
    VfParent *parent = g_hash_table_lookup(self->parents, parent_id);

    return vf_facts_read_mdev(path, parent ? vf_parent_get_driver(parent) : "", self->models,
                              error);
}

static VfFacts *
read_facts(VfRegistry *self, VfDevice *device, GError **error)
{
    const char *path = vf_device_get_sysfs_path(device);

    return is_pci(device) ? vf_facts_read_pci(path, self->models, error)
                          : read_mdev(self, path, vf_device_get_parent_id(device), error);
}

/* --- configuration space --- */

static void
config_free(gpointer data)
{
    Config *config = data;

    g_ptr_array_unref(config->values);
    g_free(config);
}

static Config *
need_config(VfRegistry *self, VfDevice *device)
{
    Config *config = g_hash_table_lookup(self->configs, device);

    if (!config) {
        config = g_new0(Config, 1);
        config->values = vf_value_list_new();
        g_hash_table_insert(self->configs, g_object_ref(device), config);
    }
    return config;
}

/* @facts do not know what is read there; it stays what it was until it is read again. */
static void
take_facts(VfRegistry *self, VfDevice *device, const VfFacts *facts)
{
    const Config *config = g_hash_table_lookup(self->configs, device);

    for (guint i = 0; config && i < config->values->len; i++) {
        const VfValue *value = config->values->pdata[i];
        const VfValue *fact = vf_value_list_find(facts->values, value->name);

        if (fact && !fact->value)
            vf_value_list_set(facts->values, value->name, value->value, value->evidence);
    }
    vf_device_update(device, facts);
}

typedef struct {
    GWeakRef registry;
    VfDevice *device;
} ConfigRequest;

static void on_config(GObject *source, GAsyncResult *result, gpointer data);

static void
start_config(VfRegistry *self, VfDevice *device)
{
    ConfigRequest *request = g_new0(ConfigRequest, 1);

    g_weak_ref_init(&request->registry, self);
    request->device = g_object_ref(device);
    vf_config_space_read_async(vf_device_get_sysfs_path(device), vf_device_get_model(device),
                               on_config, request);
}

/* Whatever it has become, its values are read anew, one time after the other. */
static void
read_config(VfRegistry *self, VfDevice *device)
{
    VfModel *model = vf_device_get_model(device);
    Config *config;

    if (!is_pci(device) || !model || !vf_config_space_wanted(model))
        return;
    config = need_config(self, device);
    if (config->reading) {
        config->again = TRUE;
        return;
    }
    config->reading = TRUE;
    start_config(self, device);
}

static gboolean update_device(VfRegistry *self, VfDevice *device);

static void
take_config(VfRegistry *self, VfDevice *device, GPtrArray *values)
{
    Config *config = g_hash_table_lookup(self->configs, device);
    gboolean again;

    if (!config) /* it has gone */
        return;
    again = config->again;
    config->reading = config->again = FALSE;
    g_ptr_array_unref(config->values);
    config->values = g_ptr_array_ref(values);
    update_device(self, device);
    if (again)
        read_config(self, device);
}

static void
on_config(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree ConfigRequest *request = data;
    g_autoptr(VfDevice) device = request->device;
    g_autoptr(VfRegistry) self = g_weak_ref_get(&request->registry);
    g_autoptr(GPtrArray) values = vf_config_space_read_finish(result);

    g_weak_ref_clear(&request->registry);
    if (self)
        take_config(self, device, values);
}

/* FALSE when it has gone already, or another one is in its place; the event that says so follows.
 */
static gboolean
update_device(VfRegistry *self, VfDevice *device)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfFacts) facts = read_facts(self, device, &error);

    if (!facts) {
        g_debug("%s", error->message);
        return FALSE;
    }
    if (!vf_device_is_of(device, facts))
        return FALSE;
    take_facts(self, device, facts);
    return TRUE;
}

static gboolean
wants_retry(VfDevice *device)
{
    /* an unbound one gets a bind event when it is time to look again */
    return !vf_device_is_complete(device) && vf_device_get_driver(device)[0];
}

static gboolean
on_incomplete(gpointer data)
{
    VfRegistry *self = data;
    g_autoptr(GPtrArray) devices = vf_registry_list_devices(self);
    gboolean any = FALSE;

    for (guint i = 0; i < devices->len; i++) {
        VfDevice *device = devices->pdata[i];

        if (!wants_retry(device))
            continue;
        update_device(self, device);
        complete_waits(self, device);
        any |= wants_retry(device);
    }
    if (any && ++self->incomplete_tries < INCOMPLETE_RETRIES)
        return G_SOURCE_CONTINUE;
    self->incomplete_source = 0;
    return G_SOURCE_REMOVE;
}

static void
after_change(VfRegistry *self, VfDevice *device)
{
    complete_waits(self, device);
    queue_refresh(self, FALSE);
    if (!wants_retry(device))
        return;
    self->incomplete_tries = 0;
    if (self->incomplete_source == 0)
        self->incomplete_source = g_timeout_add(INCOMPLETE_RETRY_MS, on_incomplete, self);
}

static void
announce_device(VfRegistry *self, VfDevice *device)
{
    const char *id = vf_device_get_id(device);

    g_hash_table_insert(self->devices, g_strdup(id), g_object_ref(device));
    vf_log_device(G_LOG_LEVEL_MESSAGE, id, "device %s at %s", id, vf_device_get_sysfs_path(device));
    g_signal_emit_by_name(self, "device-added", device);
    after_change(self, device);
}

/* Whether @device is not at @path any more, where @facts (NULL: @error) are what is there now. */
static gboolean
has_left(VfDevice *device, const char *path, const VfFacts *facts, gboolean told,
         const GError *error)
{
    if (!facts)
        return told || g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    return !g_str_equal(vf_device_get_sysfs_path(device), path) ||
           !vf_device_is_of(device, facts) || (told && facts->leaving);
}

/* Looks what is there under the UUID now. @told: an event says that it was removed, which may be
 * late, and the one that came after it be known already. Until that event comes, what the kernel
 * has begun to remove is there. */
static void
check_mdev(VfRegistry *self, const char *id, const char *path, gboolean told)
{
    g_autofree char *parent_path = g_path_get_dirname(path);
    g_autofree char *parent_id = g_path_get_basename(parent_path);
    VfDevice *device = g_hash_table_lookup(self->devices, id);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfFacts) facts = NULL;

    if (!device)
        check_parent(self, parent_id);
    facts = read_mdev(self, path, parent_id, &error);
    if (device && has_left(device, path, facts, told, error)) {
        remove_device(self, id);
        device = NULL;
    }
    look_later(self, VF_SUBSYSTEM_MDEV, id, path, error);
    if (device && facts) {
        vf_device_update(device, facts);
        after_change(self, device);
    } else if (!device && facts && !facts->leaving) {
        g_autoptr(VfDevice) added = vf_device_new(id, "mdev", path, parent_id);

        vf_device_update(added, facts);
        announce_device(self, added);
    }
}

static void
handle_mdev(VfRegistry *self, const VfUdevEvent *event)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *id = vf_uuid_normalize(event->name, "mdev", &error);
    gboolean told = g_str_equal(event->action, "remove");

    if (!id) {
        g_warning("%s", error->message);
        return;
    }
    check_mdev(self, id, event->sysfs_path, told);
    if (told)
        queue_refresh(self, TRUE);
}

static void
add_function(VfRegistry *self, const char *id, const char *path, const VfFacts *facts)
{
    g_autoptr(VfDevice) device = vf_device_new(id, "pci", path, facts->physfn);

    if (facts->physfn[0])
        check_parent(self, facts->physfn);
    vf_device_update(device, facts);
    announce_device(self, device);
    read_config(self, device);
}

/* Looks what the function is now: a device while a VFIO driver is bound to it, and another device
 * after each time one was bound. Every event about it comes here, those of an unbinding or a
 * removal too: they may be late, and the function bound again. */
static void
check_function(VfRegistry *self, const char *id, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfFacts) facts = vf_facts_read_pci(path, self->models, &error);
    gboolean is_device = facts && facts->vfio_dev[0];
    VfDevice *device = g_hash_table_lookup(self->devices, id);

    if (look_later(self, VF_SUBSYSTEM_PCI, id, path, error))
        return;
    if (device && (!is_device || !vf_device_is_of(device, facts) ||
                   !g_str_equal(vf_device_get_sysfs_path(device), path))) {
        remove_device(self, id);
        device = NULL;
    }
    if (device) {
        take_facts(self, device, facts);
        read_config(self, device);
        after_change(self, device);
    } else if (is_device) {
        add_function(self, id, path, facts);
    }
}

static void
handle_pci(VfRegistry *self, const VfUdevEvent *event)
{
    check_parent(self, event->name);
    check_function(self, event->name, event->sysfs_path);
}

/* By its bus; VFIO has drivers for others too (platform, ap, fsl-mc, …). */
static gboolean
is_function(const char *path)
{
    g_autofree char *link = g_build_filename(path, "subsystem", NULL);
    g_autofree char *subsystem = vf_sysfs_read_link(AT_FDCWD, link, NULL);

    return g_strcmp0(subsystem, VF_SUBSYSTEM_PCI) == 0;
}

/* .../<mdev or function>/vfio-dev/vfioN */
static void
handle_vfio_dev(VfRegistry *self, const VfUdevEvent *event)
{
    g_autofree char *class_dir = g_path_get_dirname(event->sysfs_path);
    g_autofree char *device_dir = g_path_get_dirname(class_dir);
    g_autofree char *id = g_path_get_basename(device_dir);
    VfDevice *device = g_hash_table_lookup(self->devices, id);

    if (device ? is_pci(device) : is_function(device_dir))
        check_function(self, id, device_dir);
    else if (device)
        check_mdev(self, id, device_dir, FALSE);
}

void
vf_registry_handle(VfRegistry *self, const VfUdevEvent *event)
{
    g_debug("%s %s (%s)%s%s", event->action, event->sysfs_path, event->subsystem,
            event->mdev_state ? " MDEV_STATE=" : "", event->mdev_state ? event->mdev_state : "");
    if (g_str_equal(event->subsystem, VF_SUBSYSTEM_MDEV))
        handle_mdev(self, event);
    else if (g_str_equal(event->subsystem, VF_SUBSYSTEM_VFIO_DEV))
        handle_vfio_dev(self, event);
    else if (g_str_equal(event->subsystem, VF_SUBSYSTEM_PCI))
        handle_pci(self, event);
    else
        check_parent(self, event->name);
}

static void
on_event(VfUdev *udev, const VfUdevEvent *event, VfRegistry *self)
{
    vf_registry_handle(self, event);
}

static void
remove_gone(VfRegistry *self)
{
    g_autoptr(GPtrArray) devices = vf_registry_list_devices(self);

    for (guint i = 0; i < devices->len; i++)
        if (!g_file_test(vf_device_get_sysfs_path(devices->pdata[i]), G_FILE_TEST_IS_DIR)) {
            remove_device(self, vf_device_get_id(devices->pdata[i]));
            queue_refresh(self, TRUE);
        }
}

/* After a removal was announced, which comes before the directory goes. */
static gboolean
on_settle(gpointer data)
{
    VfRegistry *self = data;

    self->settle_source = 0;
    remove_gone(self);
    refresh_parents(self);
    return G_SOURCE_REMOVE;
}

static void
on_overrun(VfUdev *udev, VfRegistry *self)
{
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(self);
    g_autoptr(GError) error = NULL;

    remove_gone(self);
    for (guint i = 0; i < parents->len; i++)
        check_parent(self, vf_parent_get_id(parents->pdata[i]));
    if (!vf_udev_enumerate(self->udev, &error))
        g_warning("%s", error->message);
}

VfRegistry *
vf_registry_new(VfUdev *udev, VfModels *models)
{
    VfRegistry *self = g_object_new(VF_TYPE_REGISTRY, NULL);

    self->models = models;
    if (!udev)
        return self;
    self->udev = g_object_ref(udev);
    g_signal_connect_object(udev, "event", G_CALLBACK(on_event), self, 0);
    g_signal_connect_object(udev, "overrun", G_CALLBACK(on_overrun), self, 0);
    return self;
}

gboolean
vf_registry_start(VfRegistry *self, GError **error)
{
    return !self->udev || vf_udev_enumerate(self->udev, error);
}

void
vf_registry_refresh_device(VfRegistry *self, VfDevice *device)
{
    const char *path = vf_device_get_sysfs_path(device);

    if (vf_device_is_gone(device))
        return;
    if (is_pci(device))
        check_function(self, vf_device_get_id(device), path);
    else
        check_mdev(self, vf_device_get_id(device), path, FALSE);
}

const VfModels *
vf_registry_get_models(VfRegistry *self)
{
    return self->models;
}

VfDevice *
vf_registry_find_device(VfRegistry *self, const char *id)
{
    return g_hash_table_lookup(self->devices, id);
}

VfDevice *
vf_registry_find_this_device(VfRegistry *self, const char *id, guint64 inode)
{
    VfDevice *device = vf_registry_find_device(self, id);

    return device && vf_device_get_inode(device) == inode ? device : NULL;
}

VfParent *
vf_registry_find_parent(VfRegistry *self, const char *id)
{
    return g_hash_table_lookup(self->parents, id);
}

static gint
compare_ids(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
list_sorted(GHashTable *table)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_object_unref);
    guint n;
    g_autofree gpointer *ids = g_hash_table_get_keys_as_array(table, &n);

    qsort(ids, n, sizeof *ids, compare_ids);
    for (guint i = 0; i < n; i++)
        g_ptr_array_add(list, g_object_ref(g_hash_table_lookup(table, ids[i])));
    return list;
}

GPtrArray *
vf_registry_list_devices(VfRegistry *self)
{
    return list_sorted(self->devices);
}

GPtrArray *
vf_registry_list_parents(VfRegistry *self)
{
    return list_sorted(self->parents);
}

static const char *
describe_missing(VfDevice *device)
{
    if (!device)
        return _("it did not appear");
    if (!vf_device_get_driver(device)[0])
        return _("no driver was bound to it");
    if (!vf_device_get_vfio_dev(device)[0])
        return _("its driver made no VFIO device");
    return _("its type did not become known");
}

static gboolean
on_wait_timeout(gpointer data)
{
    VfRegistry *self = g_task_get_source_object(data);
    g_autoptr(GTask) task = take_wait(self, data);
    Wait *wait = g_task_get_task_data(task);

    g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                            _("device %s is not ready: %s"), wait->id,
                            describe_missing(g_hash_table_lookup(self->devices, wait->id)));
    return G_SOURCE_REMOVE;
}

static gboolean
on_wait_cancelled(GCancellable *cancellable, gpointer data)
{
    g_autoptr(GTask) task = take_wait(g_task_get_source_object(data), data);
    Wait *wait = g_task_get_task_data(task);

    g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                            _("the wait for device %s was cancelled"), wait->id);
    return G_SOURCE_REMOVE;
}

static GSource *
attach(GSource *source, GSourceFunc callback, GTask *task)
{
    g_source_set_callback(source, callback, task, NULL);
    g_source_attach(source, g_task_get_context(task));
    return source;
}

void
vf_registry_wait_async(VfRegistry *self, const char *id, guint timeout_ms,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(self, NULL, callback, data);
    VfDevice *device = g_hash_table_lookup(self->devices, id);
    Wait *wait = g_new0(Wait, 1);

    g_task_set_source_tag(task, vf_registry_wait_async);
    g_task_set_task_data(task, wait, wait_free);
    wait->id = g_strdup(id);
    if (device && vf_device_is_complete(device)) {
        g_task_return_pointer(task, g_object_ref(device), g_object_unref);
        return;
    }
    wait->timeout = attach(g_timeout_source_new(timeout_ms), on_wait_timeout, task);
    if (cancellable)
        wait->cancelled =
            attach(g_cancellable_source_new(cancellable), G_SOURCE_FUNC(on_wait_cancelled), task);
    g_ptr_array_add(self->waits, g_steal_pointer(&task));
}

VfDevice *
vf_registry_wait_finish(VfRegistry *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void
vf_registry_finalize(GObject *object)
{
    VfRegistry *self = VF_REGISTRY(object);

    g_clear_handle_id(&self->unread_source, g_source_remove);
    g_clear_handle_id(&self->refresh_source, g_source_remove);
    g_clear_handle_id(&self->settle_source, g_source_remove);
    g_clear_handle_id(&self->incomplete_source, g_source_remove);
    g_hash_table_unref(self->devices);
    g_hash_table_unref(self->parents);
    g_hash_table_unref(self->configs);
    g_hash_table_unref(self->unread);
    g_ptr_array_unref(self->waits);
    g_clear_object(&self->udev);
    vf_models_free(self->models);
    G_OBJECT_CLASS(vf_registry_parent_class)->finalize(object);
}

static void
vf_registry_class_init(VfRegistryClass *class)
{
    GType type = G_TYPE_FROM_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = vf_registry_finalize;
    g_signal_new("device-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                 VF_TYPE_DEVICE);
    g_signal_new("device-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                 VF_TYPE_DEVICE);
    g_signal_new("parent-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                 VF_TYPE_PARENT);
    g_signal_new("parent-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                 VF_TYPE_PARENT);
}

static void
vf_registry_init(VfRegistry *self)
{
    self->devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
    self->parents = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
    self->waits = g_ptr_array_new_with_free_func(g_object_unref);
    self->configs = g_hash_table_new_full(NULL, NULL, g_object_unref, config_free);
    self->unread = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unread_free);
}
