/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "parent.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "facts.h"
#include "io.h"
#include "kernel-models.h"
#include "log.h"
#include "names.h"
#include "read-values.h"
#include "sysfs.h"

struct _VfParent {
    GObject parent;

    char *id;
    const char *kind; /* static */
    char *sysfs_path;
    char *driver;
    int numa_node;
    GPtrArray *types; /* sorted by type id */
    const VfModels *models;
};

enum { PROP_0, PROP_DRIVER, PROP_OFFERS };

G_DEFINE_TYPE(VfParent, vf_parent, G_TYPE_OBJECT)

static void
type_clear(gpointer data)
{
    VfParentType *type = data;

    g_free(type->type);
    g_free(type->name);
    g_free(type->device_api);
    g_clear_pointer(&type->model, vf_model_unref);
    g_free(type->description);
    g_ptr_array_unref(type->values);
}

VfParentType *
vf_parent_type_ref(VfParentType *type)
{
    return g_rc_box_acquire(type);
}

void
vf_parent_type_unref(VfParentType *type)
{
    g_rc_box_release_full(type, type_clear);
}

static VfParentType *
find_type(VfParent *self, const char *id)
{
    for (guint i = 0; i < self->types->len; i++) {
        VfParentType *type = self->types->pdata[i];
        if (g_str_equal(type->type, id))
            return type;
    }
    return NULL;
}

static gint
compare_types(gconstpointer a, gconstpointer b)
{
    const VfParentType *const *left = a, *const *right = b;

    int order = strcmp((*left)->type, (*right)->type);

    if (order || !(*left)->model || !(*right)->model)
        return order;
    return strcmp((*left)->model->id, (*right)->model->id);
}

static gboolean
is_pci(VfParent *self)
{
    return g_str_equal(self->kind, "pci");
}

static int
open_types(VfParent *self, GError **error)
{
    vf_autofd int dir_fd = vf_sysfs_open_dir(self->sysfs_path, error);

    return dir_fd < 0 ? -1 : vf_sysfs_open_subdir(dir_fd, VF_SYSFS_MDEV_TYPES, error);
}

/* A driver that does not say how many are left offers none. */
static guint64
read_available(VfParent *self, int type_fd, const char *id)
{
    g_autoptr(GError) error = NULL;
    guint64 available;

    if (vf_sysfs_read_u64(type_fd, VF_SYSFS_AVAILABLE, G_MAXUINT64, &available, &error))
        return available;
    if (!g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND))
        vf_log_parent(G_LOG_LEVEL_WARNING, self->id, "%s: type %s: %s", self->id, id,
                      error->message);
    return 0;
}

static GPtrArray *
read_values(VfParent *self, const VfModel *model, int type_fd, const char *id)
{
    vf_autofd int dir_fd = vf_sysfs_open_dir(self->sysfs_path, NULL);
    const VfReading reading = {id, NULL, -1, dir_fd, -1, type_fd};

    return vf_reading_of_type(&reading, model);
}

static void
add_type(VfParent *self, int type_fd, const char *id, VfModel *model, gboolean shared)
{
    VfParentType *type = g_rc_box_new0(VfParentType);

    type->type = g_strdup(id);
    type->name = vf_sysfs_read(type_fd, VF_SYSFS_NAME, NULL);
    if (!type->name)
        type->name = g_strdup(id);
    type->device_api = vf_sysfs_read(type_fd, VF_SYSFS_DEVICE_API, NULL);
    if (!type->device_api)
        type->device_api = g_strdup("");
    type->model = model ? vf_model_ref(model) : NULL;
    type->shared = shared;
    type->values = model ? read_values(self, model, type_fd, id) : vf_value_list_new();
    g_ptr_array_add(self->types, type);
}

/* Once for each model that the driver names; else once, with the descriptor's or with none. */
static void
add_models(VfParent *self, int type_fd, const char *id, VfKernelLayout layout, const char *text)
{
    g_autofree char *where = g_strconcat(self->id, "/", id, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) models = layout == VF_KERNEL_LAYOUT_NONE
                                      ? NULL
                                      : vf_kernel_models_parse(layout, text, where, &error);

    for (guint i = 0; models && i < models->len; i++)
        add_type(self, type_fd, id, models->pdata[i], models->len > 1);
    if (models)
        return;
    if (error)
        vf_log_parent(G_LOG_LEVEL_WARNING, self->id, "%s", error->message);
    add_type(self, type_fd, id,
             error ? NULL : vf_models_find_for_mdev(self->models, self->driver, id), FALSE);
}

static void
add_types(VfParent *self, int type_fd, const char *id, guint64 reserved)
{
    g_autofree char *text = NULL;
    VfKernelLayout layout = vf_kernel_models_read(type_fd, &text);
    guint first = self->types->len;

    add_models(self, type_fd, id, layout, text);
    for (guint i = first; i < self->types->len; i++) {
        VfParentType *type = self->types->pdata[i];

        type->description = g_strdup(text);
        type->reserved = reserved;
    }
    g_ptr_array_sort(self->types, compare_types);
}

static void
drop_types(VfParent *self, const char *id)
{
    for (guint i = self->types->len; i > 0; i--)
        if (g_str_equal(((VfParentType *)self->types->pdata[i - 1])->type, id))
            g_ptr_array_remove_index(self->types, i - 1);
}

/* A driver's files may come after the type, with an event of their own. */
static gboolean
is_described_otherwise(const VfParentType *type, int type_fd)
{
    g_autofree char *text = NULL;

    vf_kernel_models_read(type_fd, &text);
    return g_strcmp0(type->description, text) != 0;
}

/* Whether it has changed. */
static gboolean
refresh_available(VfParent *self, int type_fd, const char *id)
{
    guint64 available = read_available(self, type_fd, id);
    gboolean changed = FALSE;

    for (guint i = 0; i < self->types->len; i++) {
        VfParentType *type = self->types->pdata[i];

        if (!g_str_equal(type->type, id))
            continue;
        changed |= type->available != available;
        type->available = available;
    }
    return changed;
}

/* Whether anything about it has changed. @describe: what the driver says of it, too. */
static gboolean
refresh_type(VfParent *self, int types_fd, const char *id, gboolean describe)
{
    vf_autofd int type_fd = vf_sysfs_open_subdir(types_fd, id, NULL);
    const VfParentType *type = find_type(self, id);
    guint64 reserved = type ? type->reserved : 0;

    if (type_fd < 0)
        return FALSE;
    if (type && (!describe || !is_described_otherwise(type, type_fd)))
        return refresh_available(self, type_fd, id);
    drop_types(self, id);
    add_types(self, type_fd, id, reserved);
    refresh_available(self, type_fd, id);
    return TRUE;
}

static gboolean
drop_vanished(VfParent *self, const char *const *names)
{
    gboolean changed = FALSE;

    for (guint i = self->types->len; i > 0; i--) {
        const VfParentType *type = self->types->pdata[i - 1];

        if (g_strv_contains(names, type->type))
            continue;
        g_ptr_array_remove_index(self->types, i - 1);
        changed = TRUE;
    }
    return changed;
}

const char *
vf_parent_get_id(VfParent *self)
{
    return self->id;
}

const char *
vf_parent_get_kind(VfParent *self)
{
    return self->kind;
}

const char *
vf_parent_get_sysfs_path(VfParent *self)
{
    return self->sysfs_path;
}

const char *
vf_parent_get_driver(VfParent *self)
{
    return self->driver;
}

int
vf_parent_get_numa_node(VfParent *self)
{
    return self->numa_node;
}

GPtrArray *
vf_parent_get_types(VfParent *self)
{
    return self->types;
}

const VfParentType *
vf_parent_find_type(VfParent *self, const char *id)
{
    return find_type(self, id);
}

const VfParentType *
vf_parent_find_offer(VfParent *self, const char *type, const char *model)
{
    for (guint i = 0; i < self->types->len; i++) {
        const VfParentType *offer = self->types->pdata[i];

        if (g_str_equal(offer->type, type) &&
            (!model || (offer->model && g_str_equal(offer->model->id, model))))
            return offer;
    }
    return NULL;
}

char *
vf_parent_offer_id(VfParent *self, const VfParentType *type)
{
    return g_strconcat(self->id, "/", type->type, type->shared ? "/" : NULL,
                       type->shared ? type->model->id : NULL, NULL);
}

guint64
vf_parent_type_left(const VfParentType *type)
{
    return type->available > type->reserved ? type->available - type->reserved : 0;
}

static void
refresh_driver(VfParent *self)
{
    vf_autofd int dir_fd = vf_sysfs_open_dir(self->sysfs_path, NULL);
    g_autofree char *driver = dir_fd < 0 ? NULL : vf_facts_read_driver(dir_fd);

    if (!driver || g_str_equal(driver, self->driver))
        return;
    g_free(self->driver);
    self->driver = g_steal_pointer(&driver);
    g_object_notify(G_OBJECT(self), "driver");
}

static void
refresh_types(VfParent *self, gboolean describe)
{
    vf_autofd int types_fd = open_types(self, NULL);
    g_auto(GStrv) names = types_fd < 0 ? NULL : vf_sysfs_list(types_fd, NULL);
    gboolean changed = FALSE;

    if (!names)
        return; /* it is going away, and its own event says so */
    for (guint i = 0; names[i]; i++)
        changed |= refresh_type(self, types_fd, names[i], describe);
    changed |= drop_vanished(self, (const char *const *)names);
    if (changed)
        g_object_notify(G_OBJECT(self), "offers");
}

void
vf_parent_refresh(VfParent *self)
{
    if (is_pci(self))
        refresh_driver(self);
    else
        refresh_types(self, TRUE);
}

/* All entries of a type share its room. */
static void
add_reserved(VfParent *self, const char *id, gint64 number)
{
    for (guint i = 0; i < self->types->len; i++) {
        VfParentType *type = self->types->pdata[i];

        if (g_str_equal(type->type, id))
            type->reserved += (guint64)number;
    }
    g_object_notify(G_OBJECT(self), "offers");
}

gboolean
vf_parent_reserve(VfParent *self, const char *type_id, GError **error)
{
    g_autofree char *id = g_strdup(type_id); /* of a type that the refresh may take away */
    VfParentType *type;

    /* no more than the room: who chose has the rest in hand */
    if (!is_pci(self))
        refresh_types(self, FALSE);
    type = find_type(self, id);
    if (!type) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("%s has no type “%s”"), self->id,
                    id);
        return FALSE;
    }
    if (vf_parent_type_left(type) == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM,
                    _("%s has no “%s” left: %" PRIu64 " available, %" PRIu64 " of them reserved"),
                    self->id, id, type->available, type->reserved);
        return FALSE;
    }
    add_reserved(self, id, 1);
    return TRUE;
}

void
vf_parent_unreserve(VfParent *self, const char *type_id)
{
    VfParentType *type = find_type(self, type_id);

    if (!type)
        return; /* the driver has taken the type away, and its reservations with it */
    g_return_if_fail(type->reserved > 0);
    add_reserved(self, type_id, -1);
}

/* dev_driver_string(), drivers/base/core.c: what the mdev core puts before the '-' of a type's id
 */
static char *
read_driver_string(int dir_fd)
{
    g_autofree char *driver = vf_facts_read_driver(dir_fd);

    if (driver[0])
        return g_steal_pointer(&driver);
    g_free(driver);
    driver = vf_sysfs_read_link(dir_fd, "subsystem", NULL);
    return driver ? g_steal_pointer(&driver) : g_strdup("");
}

static gboolean
is_mdev_parent(const char *name, GError **error)
{
    vf_autofd int class_fd = vf_sysfs_open_dir(VF_SYSFS_MDEV_PARENTS, error);

    return class_fd >= 0 && vf_sysfs_exists(class_fd, name);
}

/* sriov_totalvfs is there on PFs alone; a driver may have set it to 0. */
static gboolean
is_physical_function(const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(VF_SYSFS_PCI_DEVICES, name, NULL);
    vf_autofd int dir_fd = vf_sysfs_open_dir(path, error);
    guint64 total;

    return dir_fd >= 0 &&
           vf_sysfs_read_u64(dir_fd, VF_SYSFS_SRIOV_TOTAL, G_MAXUINT16, &total, error) && total > 0;
}

const char *
vf_parent_kind_of(const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!name[0] || name[0] == '.' || strchr(name, '/'))
        return NULL;
    if (is_mdev_parent(name, &local))
        return "mdev";
    if (!vf_sysfs_is_unread(local)) {
        g_clear_error(&local);
        if (is_physical_function(name, &local))
            return "pci";
    }
    if (vf_sysfs_is_unread(local))
        g_propagate_error(error, g_steal_pointer(&local));
    return NULL;
}

static char *
resolve(const char *kind, const char *name)
{
    g_autofree char *link = g_build_filename(
        g_str_equal(kind, "pci") ? VF_SYSFS_PCI_DEVICES : VF_SYSFS_MDEV_PARENTS, name, NULL);
    char path[PATH_MAX];

    return realpath(link, path) ? g_strdup(path) : NULL;
}

VfParent *
vf_parent_new(const char *name, const VfModels *models, GError **error)
{
    g_autoptr(VfParent) self = g_object_new(VF_TYPE_PARENT, NULL);
    g_autoptr(GError) local = NULL;
    const char *kind = vf_parent_kind_of(name, &local);
    g_autofree char *path = kind ? resolve(kind, name) : NULL;
    vf_autofd int dir_fd = path ? vf_sysfs_open_dir(path, &local) : -1;

    if (vf_sysfs_is_unread(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    if (dir_fd < 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("“%s” is neither an mdev parent nor an SR-IOV physical function"), name);
        return NULL;
    }
    self->id = g_strdup(name);
    self->kind = kind;
    self->sysfs_path = g_steal_pointer(&path);
    self->driver = is_pci(self) ? vf_facts_read_driver(dir_fd) : read_driver_string(dir_fd);
    self->numa_node = vf_facts_read_numa_node(dir_fd);
    self->models = models;
    vf_parent_refresh(self);
    return g_steal_pointer(&self);
}

static void
vf_parent_get_property(GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
    if (prop_id == PROP_OFFERS)
        g_value_set_boxed(value, VF_PARENT(object)->types);
    else if (prop_id == PROP_DRIVER)
        g_value_set_string(value, VF_PARENT(object)->driver);
    else
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, prop_id, pspec);
}

static void
vf_parent_finalize(GObject *object)
{
    VfParent *self = VF_PARENT(object);

    g_free(self->id);
    g_free(self->sysfs_path);
    g_free(self->driver);
    g_ptr_array_unref(self->types);
    G_OBJECT_CLASS(vf_parent_parent_class)->finalize(object);
}

static void
vf_parent_class_init(VfParentClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

    object_class->get_property = vf_parent_get_property;
    object_class->finalize = vf_parent_finalize;
    g_object_class_install_property(object_class, PROP_DRIVER,
                                    g_param_spec_string("driver", NULL, NULL, "", flags));
    g_object_class_install_property(
        object_class, PROP_OFFERS,
        g_param_spec_boxed("offers", NULL, NULL, G_TYPE_PTR_ARRAY, flags));
}

static void
vf_parent_init(VfParent *self)
{
    self->types = g_ptr_array_new_with_free_func((GDestroyNotify)vf_parent_type_unref);
    self->numa_node = -1;
}
