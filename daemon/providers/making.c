/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "making.h"

typedef struct {
    char *id;
    char *sysfs_path;
    char *type;
    guint64 inode;
    VfPlan *plan;
    VfRecord *record; /* not owned */
} VfMakingPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(VfMaking, vf_making, G_TYPE_OBJECT)

static VfMakingPrivate *
get_private(VfMaking *self)
{
    return vf_making_get_instance_private(self);
}

static void
vf_making_finalize(GObject *object)
{
    VfMakingPrivate *private = get_private(VF_MAKING(object));

    g_clear_pointer(&private->plan, vf_plan_free);
    g_free(private->id);
    g_free(private->sysfs_path);
    g_free(private->type);
    G_OBJECT_CLASS(vf_making_parent_class)->finalize(object);
}

static void
vf_making_class_init(VfMakingClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_making_finalize;
}

static void
vf_making_init(VfMaking *self)
{
}

void
vf_making_set_made(VfMaking *self, const VfMade *made)
{
    VfMakingPrivate *private = get_private(self);

    private->id = g_strdup(made->id);
    private->sysfs_path = g_strdup(made->sysfs_path);
    private->type = g_strdup(made->type);
    private->inode = made->inode;
}

void
vf_making_set_plan(VfMaking *self, VfPlan *plan, const char *sysfs_path)
{
    vf_making_set_made(self,
                       &(VfMade){.id = plan->id, .sysfs_path = sysfs_path, .type = plan->type});
    get_private(self)->plan = plan;
}

void
vf_making_set_inode(VfMaking *self, guint64 inode)
{
    get_private(self)->inode = inode;
}

const VfPlan *
vf_making_get_plan(VfMaking *self)
{
    return get_private(self)->plan;
}

VfRecord *
vf_making_get_record(VfMaking *self)
{
    return get_private(self)->record;
}

const char *
vf_making_get_id(VfMaking *self)
{
    return get_private(self)->id;
}

const char *
vf_making_get_sysfs_path(VfMaking *self)
{
    return get_private(self)->sysfs_path;
}

const char *
vf_making_get_type_id(VfMaking *self)
{
    return get_private(self)->type;
}

guint64
vf_making_get_inode(VfMaking *self)
{
    return get_private(self)->inode;
}

const char *
vf_making_get_kind(VfMaking *self)
{
    return VF_MAKING_GET_CLASS(self)->kind;
}

const VfReport *
vf_making_get_overridden(VfMaking *self)
{
    const VfPlan *plan = get_private(self)->plan;

    return plan ? plan->overridden : NULL;
}

static void
on_announced(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    VfMaking *self = g_task_get_source_object(task);
    GError *error = NULL;

    if (vf_ledger_append_finish(VF_LEDGER(source), result, &error)) {
        VF_MAKING_GET_CLASS(self)->create(self, task);
        return;
    }
    g_task_return_error(task, error);
    g_object_unref(task);
}

void
vf_making_create_async(VfMaking *self, VfLedger *ledger, VfRecord *record,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    VfMakingPrivate *private = get_private(self);
    const VfPlan *plan = private->plan;
    GTask *task = g_task_new(self, cancellable, callback, data);
    g_auto(GVariantDict) details = G_VARIANT_DICT_INIT(NULL);

    g_task_set_source_tag(task, vf_making_create_async);
    g_task_set_check_cancellable(task, FALSE);
    private->record = record;
    g_variant_dict_insert(&details, "provider", "s", vf_making_get_kind(self));
    g_variant_dict_insert(&details, "parent", "s", vf_parent_get_sysfs_path(plan->parent));
    g_variant_dict_insert(&details, "type", "s", private->type);
    g_variant_dict_insert(&details, "uuid", "s", private->id);
    g_variant_dict_insert(&details, "wished", "b", plan->wished);
    if (plan->overridden) {
        g_autofree char *report = vf_report_format(plan->overridden);
        g_variant_dict_insert(&details, "report", "s", report);
    }
    vf_ledger_append_async(ledger, record, "create", g_variant_dict_end(&details), on_announced,
                           task);
}

VfDevice *
vf_making_create_finish(VfMaking *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

void
vf_making_remove_async(VfMaking *self, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, NULL, callback, data);

    g_task_set_source_tag(task, vf_making_remove_async);
    VF_MAKING_GET_CLASS(self)->remove(self, task);
}

gboolean
vf_making_remove_finish(VfMaking *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
vf_making_note_created(VfMaking *self, VfRegistry *registry, VfLedger *ledger)
{
    const VfMakingPrivate *private = get_private(self);

    if (vf_registry_find_this_device(registry, private->id, private->inode))
        vf_ledger_note_created(ledger, private->id, private->type, private->inode);
}
