/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "device.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "value.h"

struct _VfDevice {
    GObject parent;

    /* identity */
    char *id;
    char *kind;
    char *sysfs_path;
    guint64 inode; /* from the first facts on */
    char *parent_id;

    /* what sysfs says */
    char *driver;
    char *type_name;
    char *vfio_dev;
    int iommu_group;
    int numa_node;
    VfModel *model;
    GPtrArray *values;
    gboolean gone;

    /* what leases, loans and jobs say */
    VfDeviceState state;
    char **migration;
    char *migration_source;
};

enum {
    PROP_0,
    PROP_DRIVER,
    PROP_TYPE_NAME,
    PROP_VFIO_DEV,
    PROP_IOMMU_GROUP,
    PROP_NUMA_NODE,
    PROP_MODEL_ID,
    PROP_VALUES,
    PROP_STATE,
    PROP_MIGRATION,
    PROP_GONE,
    N_PROPS,
};

G_DEFINE_TYPE(VfDevice, vf_device, G_TYPE_OBJECT)

static void
set_string(VfDevice *self, char **field, const char *value, const char *property)
{
    if (g_str_equal(*field, value))
        return;
    g_free(*field);
    *field = g_strdup(value);
    g_object_notify(G_OBJECT(self), property);
}

static void
set_int(VfDevice *self, int *field, int value, const char *property)
{
    if (*field == value)
        return;
    *field = value;
    g_object_notify(G_OBJECT(self), property);
}

/* A driver's own description is read anew each time, and mostly says the same. */
static gboolean
is_same_model(const VfModel *a, const VfModel *b)
{
    return a == b ||
           (a && b && g_str_equal(a->digest, b->digest) && g_str_equal(a->source, b->source));
}

static void
set_model(VfDevice *self, VfModel *model)
{
    if (is_same_model(self->model, model))
        return;
    g_clear_pointer(&self->model, vf_model_unref);
    self->model = model ? vf_model_ref(model) : NULL;
    g_object_notify(G_OBJECT(self), "model-id");
}

static gboolean
values_equal(GPtrArray *a, GPtrArray *b)
{
    if (a->len != b->len)
        return FALSE;
    for (guint i = 0; i < a->len; i++) {
        const VfValue *left = a->pdata[i], *right = b->pdata[i];

        if (!g_str_equal(left->name, right->name) || g_strcmp0(left->value, right->value) != 0 ||
            g_strcmp0(left->evidence, right->evidence) != 0)
            return FALSE;
    }
    return TRUE;
}

static void
set_values(VfDevice *self, GPtrArray *values)
{
    if (values_equal(self->values, values))
        return;
    g_ptr_array_unref(self->values);
    self->values = g_ptr_array_ref(values);
    g_object_notify(G_OBJECT(self), "values");
}

const char *
vf_device_state_to_string(VfDeviceState state)
{
    static const char *const names[] = {
        [VF_DEVICE_UNKNOWN] = "unknown", [VF_DEVICE_IDLE] = "idle",
        [VF_DEVICE_OPEN] = "open",       [VF_DEVICE_LEASED] = "leased",
        [VF_DEVICE_LENT] = "lent",       [VF_DEVICE_MIGRATING] = "migrating",
        [VF_DEVICE_STOPPED] = "stopped", [VF_DEVICE_FAILED_NEEDS_RESET] = "failed-needs-reset",
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(names) == VF_DEVICE_FAILED_NEEDS_RESET + 1);

    g_return_val_if_fail((guint)state < G_N_ELEMENTS(names), names[VF_DEVICE_UNKNOWN]);
    return names[state];
}

const char *
vf_device_get_id(VfDevice *self)
{
    return self->id;
}

const char *
vf_device_get_kind(VfDevice *self)
{
    return self->kind;
}

const char *
vf_device_get_sysfs_path(VfDevice *self)
{
    return self->sysfs_path;
}

guint64
vf_device_get_inode(VfDevice *self)
{
    return self->inode;
}

const char *
vf_device_get_uuid(VfDevice *self)
{
    return g_str_equal(self->kind, "mdev") ? self->id : "";
}

const char *
vf_device_get_address(VfDevice *self)
{
    return g_str_equal(self->kind, "pci") ? self->id : "";
}

const char *
vf_device_get_parent_id(VfDevice *self)
{
    return self->parent_id;
}

const char *
vf_device_get_driver(VfDevice *self)
{
    return self->driver;
}

/* mdev_device_remove_common() takes its mdev_type away before it waits for whoever has it open
 * (drivers/vfio/mdev/mdev_core.c). */
gboolean
vf_device_check_stays(VfDevice *self, GError **error)
{
    if (!g_str_equal(self->kind, "mdev") || *vf_device_get_type_name(self))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                _("device %s is being removed: it goes when whoever has it open closes it"),
                self->id);
    return FALSE;
}

const char *
vf_device_get_type_name(VfDevice *self)
{
    return self->type_name;
}

const char *
vf_device_get_vfio_dev(VfDevice *self)
{
    return self->vfio_dev;
}

int
vf_device_get_iommu_group(VfDevice *self)
{
    return self->iommu_group;
}

int
vf_device_get_numa_node(VfDevice *self)
{
    return self->numa_node;
}

VfModel *
vf_device_get_model(VfDevice *self)
{
    return self->model;
}

const char *
vf_device_get_model_id(VfDevice *self)
{
    return self->model ? self->model->id : "";
}

const char *
vf_device_get_model_source(VfDevice *self)
{
    return self->model ? self->model->source : "";
}

GPtrArray *
vf_device_get_values(VfDevice *self)
{
    return self->values;
}

VfDeviceState
vf_device_get_state(VfDevice *self)
{
    return self->state;
}

gboolean
vf_device_is_gone(VfDevice *self)
{
    return self->gone;
}

gboolean
vf_device_is_complete(VfDevice *self)
{
    return self->driver[0] && self->vfio_dev[0] &&
           (self->type_name[0] || !g_str_equal(self->kind, "mdev"));
}

gboolean
vf_device_is_of(VfDevice *self, const VfFacts *facts)
{
    return self->inode == facts->inode;
}

void
vf_device_set_state(VfDevice *self, VfDeviceState state)
{
    if (self->state == state)
        return;
    self->state = state;
    g_object_notify(G_OBJECT(self), "state");
}

/* What a probe found holds for as long as the device is bound; debugfs may say less, and does. */
static void
set_migration_from_debugfs(VfDevice *self, const char *const *flags)
{
    const char *source = flags ? "debugfs" : "unknown";
    static const char *const none[] = {NULL};

    if (g_str_equal(self->migration_source, "probe") ||
        (g_str_equal(self->migration_source, source) &&
         g_strv_equal((const char *const *)self->migration, flags ? flags : none)))
        return;
    vf_device_set_migration(self, flags, source);
}

void
vf_device_set_migration(VfDevice *self, const char *const *flags, const char *source)
{
    static const char *const none[] = {NULL};

    g_strfreev(self->migration);
    self->migration = g_strdupv((char **)(flags ? flags : none));
    g_free(self->migration_source);
    self->migration_source = g_strdup(source);
    g_object_notify(G_OBJECT(self), "migration");
}

const char *const *
vf_device_get_migration(VfDevice *self)
{
    return (const char *const *)self->migration;
}

const char *
vf_device_get_migration_source(VfDevice *self)
{
    return self->migration_source;
}

void
vf_device_update(VfDevice *self, const VfFacts *facts)
{
    g_object_freeze_notify(G_OBJECT(self));
    set_string(self, &self->driver, facts->driver, "driver");
    set_string(self, &self->type_name, facts->type_name, "type-name");
    set_string(self, &self->vfio_dev, facts->vfio_dev, "vfio-dev");
    set_int(self, &self->iommu_group, facts->iommu_group, "iommu-group");
    set_int(self, &self->numa_node, facts->numa_node, "numa-node");
    set_model(self, facts->model);
    set_values(self, facts->values);
    set_migration_from_debugfs(self, (const char *const *)facts->migration);
    self->inode = facts->inode;
    g_object_thaw_notify(G_OBJECT(self));
}

void
vf_device_set_gone(VfDevice *self)
{
    if (self->gone)
        return;
    self->gone = TRUE;
    g_object_notify(G_OBJECT(self), "gone");
}

VfDevice *
vf_device_new(const char *id, const char *kind, const char *sysfs_path, const char *parent_id)
{
    VfDevice *self = g_object_new(VF_TYPE_DEVICE, NULL);

    self->id = g_strdup(id);
    self->kind = g_strdup(kind);
    self->sysfs_path = g_strdup(sysfs_path);
    self->parent_id = g_strdup(parent_id);
    return self;
}

static void
vf_device_get_property(GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
    VfDevice *self = VF_DEVICE(object);

    switch (prop_id) {
    case PROP_DRIVER:
        g_value_set_string(value, self->driver);
        break;
    case PROP_TYPE_NAME:
        g_value_set_string(value, self->type_name);
        break;
    case PROP_VFIO_DEV:
        g_value_set_string(value, self->vfio_dev);
        break;
    case PROP_IOMMU_GROUP:
        g_value_set_int(value, self->iommu_group);
        break;
    case PROP_NUMA_NODE:
        g_value_set_int(value, self->numa_node);
        break;
    case PROP_MODEL_ID:
        g_value_set_string(value, vf_device_get_model_id(self));
        break;
    case PROP_VALUES:
        g_value_set_boxed(value, self->values);
        break;
    case PROP_STATE:
        g_value_set_uint(value, self->state);
        break;
    case PROP_MIGRATION:
        g_value_set_boxed(value, self->migration);
        break;
    case PROP_GONE:
        g_value_set_boolean(value, self->gone);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, prop_id, pspec);
    }
}

static void
vf_device_finalize(GObject *object)
{
    VfDevice *self = VF_DEVICE(object);

    g_free(self->id);
    g_free(self->kind);
    g_free(self->sysfs_path);
    g_free(self->parent_id);
    g_free(self->driver);
    g_free(self->type_name);
    g_free(self->vfio_dev);
    g_clear_pointer(&self->model, vf_model_unref);
    g_ptr_array_unref(self->values);
    g_strfreev(self->migration);
    g_free(self->migration_source);
    G_OBJECT_CLASS(vf_device_parent_class)->finalize(object);
}

static void
vf_device_class_init(VfDeviceClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;
    GParamSpec *props[N_PROPS] = {
        [PROP_DRIVER] = g_param_spec_string("driver", NULL, NULL, "", flags),
        [PROP_TYPE_NAME] = g_param_spec_string("type-name", NULL, NULL, "", flags),
        [PROP_VFIO_DEV] = g_param_spec_string("vfio-dev", NULL, NULL, "", flags),
        [PROP_IOMMU_GROUP] = g_param_spec_int("iommu-group", NULL, NULL, -1, G_MAXINT, -1, flags),
        [PROP_NUMA_NODE] = g_param_spec_int("numa-node", NULL, NULL, -1, G_MAXINT, -1, flags),
        [PROP_MODEL_ID] = g_param_spec_string("model-id", NULL, NULL, "", flags),
        [PROP_VALUES] = g_param_spec_boxed("values", NULL, NULL, G_TYPE_PTR_ARRAY, flags),
        [PROP_STATE] = g_param_spec_uint("state", NULL, NULL, VF_DEVICE_UNKNOWN,
                                         VF_DEVICE_FAILED_NEEDS_RESET, VF_DEVICE_UNKNOWN, flags),
        [PROP_MIGRATION] = g_param_spec_boxed("migration", NULL, NULL, G_TYPE_STRV, flags),
        [PROP_GONE] = g_param_spec_boolean("gone", NULL, NULL, FALSE, flags),
    };

    object_class->get_property = vf_device_get_property;
    object_class->finalize = vf_device_finalize;
    g_object_class_install_properties(object_class, N_PROPS, props);
}

static void
vf_device_init(VfDevice *self)
{
    self->driver = g_strdup("");
    self->type_name = g_strdup("");
    self->vfio_dev = g_strdup("");
    self->iommu_group = -1;
    self->numa_node = -1;
    self->values = vf_value_list_new();
    self->migration = g_new0(char *, 1);
    self->migration_source = g_strdup("unknown");
}
