/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mdev.h"

#include <glib/gi18n-lib.h>

#include "compare.h"
#include "error.h"
#include "facts.h"
#include "helper.h"
#include "io.h"
#include "names.h"
#include "number.h"
#include "record-reader.h"
#include "steps.h"
#include "sysfs.h"
#include "uuid.h"

#define PROVIDER "mdev"
#define HELPER_DEADLINE_MS 10000
#define APPEAR_DEADLINE_MS 10000
/* `remove` returns at once unless somebody has the device open; then it is known to be stuck. */
#define REMOVE_DEADLINE_MS 5000

struct _VfMdev {
    GObject parent_instance;
    VfRegistry *registry;
    VfParent *parent; /* NULL when only to be removed */
    VfMdevPlan *plan; /* the same */
    char *type;
    char *uuid;
    char *path;    /* in sysfs, where it is or will be */
    guint64 inode; /* of what is there, 0 while it is not known */
    gboolean reserved;
    gboolean may_exist; /* a create may have reached the kernel */

    /* while it is being created */
    VfLedger *ledger;
    VfRecord *record;
    VfDevice *device;
    guint next_setting;
};

G_DEFINE_FINAL_TYPE(VfMdev, vf_mdev, G_TYPE_OBJECT)

void
vf_mdev_plan_free(VfMdevPlan *self)
{
    g_object_unref(self->parent);
    g_clear_pointer(&self->settings, g_ptr_array_unref);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_clear_pointer(&self->overridden, vf_report_free);
    g_free(self->type);
    g_free(self->uuid);
    g_free(self);
}

static void
unreserve(VfMdev *self)
{
    if (self->reserved)
        vf_parent_unreserve(self->parent, self->type);
    self->reserved = FALSE;
}

static void
vf_mdev_finalize(GObject *object)
{
    VfMdev *self = VF_MDEV(object);

    unreserve(self);
    g_clear_object(&self->registry);
    g_clear_object(&self->parent);
    g_clear_object(&self->ledger);
    g_clear_object(&self->device);
    g_clear_pointer(&self->plan, vf_mdev_plan_free);
    g_free(self->type);
    g_free(self->uuid);
    g_free(self->path);
    G_OBJECT_CLASS(vf_mdev_parent_class)->finalize(object);
}

static void
vf_mdev_class_init(VfMdevClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_mdev_finalize;
}

static void
vf_mdev_init(VfMdev *self)
{
}

VfMdev *
vf_mdev_new(VfRegistry *registry, VfMdevPlan *plan)
{
    VfMdev *self = g_object_new(VF_TYPE_MDEV, NULL);

    self->registry = g_object_ref(registry);
    self->parent = g_object_ref(plan->parent);
    self->plan = plan;
    self->type = g_strdup(plan->type);
    self->uuid = g_strdup(plan->uuid);
    self->path = g_build_filename(vf_parent_get_sysfs_path(self->parent), plan->uuid, NULL);
    self->reserved = TRUE;
    return self;
}

VfMdev *
vf_mdev_new_for_removal(const char *sysfs_path, const char *uuid, const char *type, guint64 inode)
{
    VfMdev *self = g_object_new(VF_TYPE_MDEV, NULL);

    self->path = g_strdup(sysfs_path);
    self->uuid = g_strdup(uuid);
    self->type = g_strdup(type);
    self->inode = inode;
    self->may_exist = TRUE;
    return self;
}

/* What a record says at @event of @uuid, or NULL. */
static GVariant *
find_line(GPtrArray *entries, const char *event, const char *uuid)
{
    for (guint i = 0; i < entries->len; i++) {
        const VfRecordEntry *entry = entries->pdata[i];
        const char *of = "";

        if (g_str_equal(entry->event, event) &&
            g_variant_lookup(entry->details, "uuid", "&s", &of) && g_str_equal(of, uuid))
            return entry->details;
    }
    return NULL;
}

guint64
vf_mdev_find_made(GPtrArray *entries, const char *sysfs_path, const char *uuid)
{
    GVariant *create = find_line(entries, "create", uuid);
    GVariant *created = find_line(entries, "created", uuid);
    vf_autofd int dir = -1;
    gboolean wished = TRUE;
    guint64 inode = 0;

    if (created) {
        g_variant_lookup(created, "inode", "t", &inode); /* that of 0.1.0 has none */
        return inode;
    }
    if (!create || !g_variant_lookup(create, "wished", "b", &wished) || wished)
        return 0;
    dir = vf_sysfs_open_dir(sysfs_path, NULL);
    return dir < 0 ? 0 : vf_sysfs_get_inode(dir);
}

const VfReport *
vf_mdev_get_overridden(VfMdev *self)
{
    return self->plan ? self->plan->overridden : NULL;
}

const char *
vf_mdev_get_uuid(VfMdev *self)
{
    return self->uuid;
}

const char *
vf_mdev_get_sysfs_path(VfMdev *self)
{
    return self->path;
}

guint64
vf_mdev_get_inode(VfMdev *self)
{
    return self->inode;
}

const char *
vf_mdev_get_type_id(VfMdev *self)
{
    return self->type;
}

/* --- creating --- */

static void
on_appended(GObject *source, GAsyncResult *result, gpointer data)
{
    GError *error = NULL;

    vf_ledger_append_finish(VF_LEDGER(source), result, &error);
    vf_steps_done(data, error);
}

static void
announce(VfSteps *steps, gpointer data)
{
    VfMdev *self = data;
    g_auto(GVariantDict) details = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&details, "provider", "s", PROVIDER);
    g_variant_dict_insert(&details, "parent", "s", vf_parent_get_sysfs_path(self->parent));
    g_variant_dict_insert(&details, "type", "s", self->type);
    g_variant_dict_insert(&details, "uuid", "s", self->uuid);
    g_variant_dict_insert(&details, "wished", "b", self->plan->wished);
    if (self->plan->overridden) {
        g_autofree char *report = vf_report_format(self->plan->overridden);
        g_variant_dict_insert(&details, "report", "s", report);
    }
    vf_ledger_append_async(self->ledger, self->record, "create", g_variant_dict_end(&details),
                           on_appended, steps);
}

typedef struct {
    VfMdev *mdev;
    VfSteps *steps;
} Step;

static Step *
step_new(VfMdev *mdev, VfSteps *steps)
{
    Step *step = g_new0(Step, 1);

    step->mdev = mdev;
    step->steps = steps;
    return step;
}

static void
on_written_create(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Step *step = data;
    GError *error = NULL;
    g_autofree char *inode = vf_helper_run_finish(result, &error);

    if (inode)
        vf_number_parse_u64(inode, "inode", 1, G_MAXUINT64, &step->mdev->inode, &error);
    /* somebody else's device of that name, or nothing: not ours to remove */
    if (g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_BUSY) ||
        g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM))
        step->mdev->may_exist = FALSE;
    vf_steps_done(step->steps, error);
}

static void
create(VfSteps *steps, gpointer data)
{
    VfMdev *self = data;
    const char *const arguments[] = {"mdev-create", vf_parent_get_sysfs_path(self->parent),
                                     self->type, self->uuid, NULL};
    GError *error = NULL;
    int record = vf_io_dup(vf_record_get_fd(self->record), &error);

    if (record < 0) {
        vf_steps_done(steps, error);
        return;
    }
    self->may_exist = TRUE;
    vf_helper_run_async(arguments, record, HELPER_DEADLINE_MS, vf_steps_get_cancellable(steps),
                        on_written_create, step_new(self, steps));
}

static void
set_replaced(VfMdev *self, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                _("device %s was removed, and another one is in its place"), self->uuid);
}

static void
on_appeared(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Step *step = data;
    GError *error = NULL;

    VfMdev *self = step->mdev;

    self->device = vf_registry_wait_finish(VF_REGISTRY(source), result, &error);
    /* from here on available_instances counts it */
    unreserve(self);
    if (self->device && vf_device_get_inode(self->device) != self->inode) {
        g_clear_object(&self->device);
        set_replaced(self, &error);
    }
    vf_steps_done(step->steps, error);
}

static void
wait_for_it(VfSteps *steps, gpointer data)
{
    VfMdev *self = data;

    vf_registry_wait_async(self->registry, self->uuid, APPEAR_DEADLINE_MS,
                           vf_steps_get_cancellable(steps), on_appeared, step_new(self, steps));
}

static void write_next(Step *step);

static void
on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Step *step = data;
    const VfSetting *setting = step->mdev->plan->settings->pdata[step->mdev->next_setting++];
    GError *error = NULL;

    g_free(vf_helper_run_finish(result, &error));
    if (error) {
        g_prefix_error(&error, _("parameter “%s”: "), setting->parameter);
        vf_steps_done(step->steps, error);
        return;
    }
    write_next(g_steal_pointer(&step));
}

static void
write_next(Step *step)
{
    VfMdev *self = step->mdev;
    const VfSetting *setting;

    if (self->next_setting == self->plan->settings->len) {
        VfSteps *steps = step->steps;

        g_free(step);
        vf_steps_done(steps, NULL);
        return;
    }
    setting = self->plan->settings->pdata[self->next_setting];
    {
        g_autofree char *inode = g_strdup_printf("%" G_GUINT64_FORMAT, self->inode);
        const char *const arguments[] = {"write-attribute",  self->path,    inode,
                                         setting->attribute, setting->text, NULL};
        vf_helper_run_async(arguments, -1, HELPER_DEADLINE_MS, NULL, on_written, step);
    }
}

static void
configure(VfSteps *steps, gpointer data)
{
    write_next(step_new(data, steps));
}

static void
read_back_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    VfMdev *self = source;
    GError *error = NULL;
    g_autoptr(VfFacts) facts = vf_facts_read_mdev(self->path, vf_parent_get_driver(self->parent),
                                                  vf_registry_get_models(self->registry), &error);

    if (facts && facts->inode != self->inode)
        set_replaced(self, &error);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_steal_pointer(&facts), (GDestroyNotify)vf_facts_free);
}

static gboolean
check_given(VfRequirement *requirement, const VfFacts *facts, GError **error)
{
    GPtrArray *values = facts->values;

    if (!facts->model || !vf_model_is(facts->model, requirement->model)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE, _("it is a %s, not a %s"),
                    facts->model ? facts->model->id : "?", requirement->model);
        return FALSE;
    }
    for (guint i = 0; i < requirement->values->len; i++) {
        const VfValue *wanted = requirement->values->pdata[i];
        const VfValue *is = vf_value_list_find(values, wanted->name);

        if (is && g_strcmp0(is->value, wanted->value) == 0)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE, _("%s is %s, not %s"),
                    wanted->name, is && is->value ? is->value : "?", wanted->value);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_facts(VfMdev *self, const VfFacts *facts, GError **error)
{
    g_autoptr(VfReport) report = NULL;

    if (!self->plan->requirement)
        return TRUE;
    if (self->plan->partial)
        return check_given(self->plan->requirement, facts, error);
    report = vf_compare_requirement(self->plan->requirement, facts->model, facts->values, NULL);
    /* what it is must not be worse than what somebody has seen and taken */
    if (self->plan->overridden && vf_report_can_override(report) &&
        vf_report_covers(self->plan->overridden, report))
        return TRUE;
    return vf_report_check(report, error);
}

static void
on_read_back(GObject *source, GAsyncResult *result, gpointer data)
{
    VfMdev *self = VF_MDEV(source);
    GError *error = NULL;
    g_autoptr(VfFacts) facts = g_task_propagate_pointer(G_TASK(result), &error);

    /* it was first read when it appeared, before it was configured */
    vf_registry_refresh_device(self->registry, self->device);
    if (facts)
        check_facts(self, facts, &error);
    g_prefix_error(&error, _("read back from %s: "), self->uuid);
    vf_steps_done(data, error);
}

static void
read_back(VfSteps *steps, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(data, NULL, on_read_back, steps);

    g_task_run_in_thread(task, read_back_in_thread);
}

static const VfStepFunc create_steps[] = {announce, create, wait_for_it, configure, read_back};

static void
on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfMdev *self = g_task_get_source_object(task);
    GError *error = NULL;

    if (vf_steps_finish(result, &error))
        g_task_return_pointer(task, g_object_ref(self->device), g_object_unref);
    else
        g_task_return_error(task, error);
}

void
vf_mdev_create_async(VfMdev *self, VfLedger *ledger, VfRecord *record, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, cancellable, callback, data);

    g_task_set_source_tag(task, vf_mdev_create_async);
    g_task_set_check_cancellable(task, FALSE);
    g_set_object(&self->ledger, ledger);
    self->record = record;
    vf_steps_run(create_steps, G_N_ELEMENTS(create_steps), self, cancellable, on_created, task);
}

VfDevice *
vf_mdev_create_finish(VfMdev *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

/* --- removing --- */

static void
on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    VfMdev *self = g_task_get_source_object(task);
    GError *error = NULL;
    g_autofree char *nothing = vf_helper_run_finish(result, &error);

    if (nothing) {
        self->may_exist = FALSE;
        unreserve(self);
        g_task_return_boolean(task, TRUE);
        return;
    }
    g_prefix_error(&error, _("cannot remove %s: "), self->uuid);
    g_task_return_error(task, error);
}

/* Takes @task. */
static void
remove_made(VfMdev *self, GTask *task)
{
    g_autofree char *inode = g_strdup_printf("%" G_GUINT64_FORMAT, self->inode);
    const char *const arguments[] = {"mdev-remove", self->path, self->type, inode, NULL};

    vf_helper_run_async(arguments, -1, REMOVE_DEADLINE_MS, NULL, on_removed, task);
}

/* Takes @task. */
static void
remove_nothing(VfMdev *self, GTask *task)
{
    unreserve(self);
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

/* Whoever was to make it has not said whether it did. If it still does, it takes it back. */
static void
on_record_read(GObject *source, GAsyncResult *result, gpointer data)
{
    GTask *task = data;
    VfMdev *self = g_task_get_source_object(task);
    g_autoptr(GPtrArray) entries = vf_record_reader_finish(result, NULL);

    self->inode = entries ? vf_mdev_find_made(entries, self->path, self->uuid) : 0;
    if (self->inode) {
        remove_made(self, task);
    } else if (!g_file_test(self->path, G_FILE_TEST_EXISTS)) {
        remove_nothing(self, task);
    } else {
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                                _("cannot remove %s: whether it was made here is not known"),
                                self->uuid);
        g_object_unref(task);
    }
}

void
vf_mdev_remove_async(VfMdev *self, GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, NULL, callback, data);

    g_task_set_source_tag(task, vf_mdev_remove_async);
    g_clear_object(&self->device);
    if (!self->may_exist)
        remove_nothing(self, task);
    else if (self->inode)
        remove_made(self, task);
    else
        vf_record_reader_async(self->record, on_record_read, task);
}

gboolean
vf_mdev_remove_finish(VfMdev *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
