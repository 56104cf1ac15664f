/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mdev.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "facts.h"
#include "helper.h"
#include "io.h"
#include "number.h"
#include "record-reader.h"
#include "steps.h"
#include "sysfs.h"
#include "uuid.h"

#define HELPER_DEADLINE_MS 10000
#define APPEAR_DEADLINE_MS 10000
/* `remove` returns at once unless somebody has the device open; then it is known to be stuck. */
#define REMOVE_DEADLINE_MS 5000

#define VF_TYPE_MDEV (vf_mdev_get_type())
G_DECLARE_FINAL_TYPE(VfMdev, vf_mdev, VF, MDEV, VfMaking)

struct _VfMdev {
    VfMaking parent_instance;
    VfRegistry *registry; /* NULL when only to be removed */
    gboolean reserved;
    gboolean may_exist; /* a create may have reached the kernel */

    /* while it is being created */
    VfDevice *device;
    guint next_setting;
};

G_DEFINE_FINAL_TYPE(VfMdev, vf_mdev, VF_TYPE_MAKING)

static void
unreserve(VfMdev *self)
{
    const VfPlan *plan = vf_making_get_plan(VF_MAKING(self));

    if (self->reserved)
        vf_parent_unreserve(plan->parent, plan->type);
    self->reserved = FALSE;
}

static void
vf_mdev_finalize(GObject *object)
{
    VfMdev *self = VF_MDEV(object);

    unreserve(self);
    g_clear_object(&self->registry);
    g_clear_object(&self->device);
    G_OBJECT_CLASS(vf_mdev_parent_class)->finalize(object);
}

static void
vf_mdev_init(VfMdev *self)
{
}

/* --- creating --- */

static char *
format_inode(VfMdev *self)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, vf_making_get_inode(VF_MAKING(self)));
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
    g_autofree char *answer = vf_helper_run_finish(result, &error);
    guint64 inode;

    if (answer && vf_number_parse_u64(answer, "inode", 1, G_MAXUINT64, &inode, &error))
        vf_making_set_inode(VF_MAKING(step->mdev), inode);
    /* somebody else's device of that name, or nothing: not ours to remove */
    if (g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_BUSY) ||
        g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_NO_ROOM))
        step->mdev->may_exist = FALSE;
    vf_steps_done(step->steps, error);
}

static void
write_create(VfSteps *steps, gpointer data)
{
    VfMdev *self = data;
    const VfPlan *plan = vf_making_get_plan(data);
    const char *const arguments[] = {"mdev-create", vf_parent_get_sysfs_path(plan->parent),
                                     plan->type, plan->id, NULL};
    GError *error = NULL;
    int record = vf_io_dup(vf_record_get_fd(vf_making_get_record(data)), &error);

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
                _("device %s was removed, and another one is in its place"),
                vf_making_get_id(VF_MAKING(self)));
}

static void
on_appeared(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Step *step = data;
    VfMdev *self = step->mdev;
    GError *error = NULL;

    self->device = vf_registry_wait_finish(VF_REGISTRY(source), result, &error);
    /* from here on available_instances counts it */
    unreserve(self);
    if (self->device && vf_device_get_inode(self->device) != vf_making_get_inode(VF_MAKING(self))) {
        g_clear_object(&self->device);
        set_replaced(self, &error);
    }
    vf_steps_done(step->steps, error);
}

static void
wait_for_it(VfSteps *steps, gpointer data)
{
    VfMdev *self = data;

    vf_registry_wait_async(self->registry, vf_making_get_id(data), APPEAR_DEADLINE_MS,
                           vf_steps_get_cancellable(steps), on_appeared, step_new(self, steps));
}

static void write_next(Step *step);

static void
on_written(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Step *step = data;
    const VfPlan *plan = vf_making_get_plan(VF_MAKING(step->mdev));
    const VfSetting *setting = plan->settings->pdata[step->mdev->next_setting++];
    GError *error = NULL;

    g_free(vf_helper_run_finish(result, &error));
    if (error) {
        g_prefix_error(&error, _("parameter “%s”: "), setting->parameter);
        vf_steps_done(step->steps, error);
        return;
    }
    write_next(g_steal_pointer(&step));
}

/* Takes @taken. */
static void
write_next(Step *taken)
{
    g_autofree Step *step = taken;
    VfMdev *self = step->mdev;
    const VfPlan *plan = vf_making_get_plan(VF_MAKING(self));

    if (self->next_setting == plan->settings->len) {
        vf_steps_done(step->steps, NULL);
    } else {
        const VfSetting *setting = plan->settings->pdata[self->next_setting];
        g_autofree char *inode = format_inode(self);
        const char *const arguments[] = {"write-attribute",
                                         vf_making_get_sysfs_path(VF_MAKING(self)),
                                         inode,
                                         setting->attribute,
                                         setting->text,
                                         NULL};

        vf_helper_run_async(arguments, -1, HELPER_DEADLINE_MS, NULL, on_written,
                            g_steal_pointer(&step));
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
    const char *driver = vf_parent_get_driver(vf_making_get_plan(source)->parent);
    GError *error = NULL;
    g_autoptr(VfFacts) facts = vf_facts_read_mdev(vf_making_get_sysfs_path(source), driver,
                                                  vf_registry_get_models(self->registry), &error);

    if (facts && facts->inode != vf_making_get_inode(source))
        set_replaced(self, &error);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_steal_pointer(&facts), (GDestroyNotify)vf_facts_free);
}

static void
on_read_back(GObject *source, GAsyncResult *result, gpointer data)
{
    VfMdev *self = VF_MDEV(source);
    VfMaking *making = VF_MAKING(source);
    GError *error = NULL;
    g_autoptr(VfFacts) facts = g_task_propagate_pointer(G_TASK(result), &error);

    /* it was first read when it appeared, before it was configured */
    vf_registry_refresh_device(self->registry, self->device);
    if (facts)
        vf_plan_check(vf_making_get_plan(making), facts, &error);
    g_prefix_error(&error, _("read back from %s: "), vf_making_get_id(making));
    vf_steps_done(data, error);
}

static void
read_back(VfSteps *steps, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(data, NULL, on_read_back, steps);

    g_task_run_in_thread(task, read_back_in_thread);
}

static const VfStepFunc create_steps[] = {write_create, wait_for_it, configure, read_back};

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

static void
create(VfMaking *self, GTask *task)
{
    vf_steps_run(create_steps, G_N_ELEMENTS(create_steps), self, g_task_get_cancellable(task),
                 on_created, task);
}

/* --- removing --- */

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

/* The inode of the device that a record says was made; 0 when it does not say which that is. */
static guint64
find_inode(GPtrArray *entries, const char *sysfs_path, const char *uuid)
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
    g_prefix_error(&error, _("cannot remove %s: "), vf_making_get_id(VF_MAKING(self)));
    g_task_return_error(task, error);
}

/* Takes @task. */
static void
remove_made(VfMdev *self, GTask *task)
{
    VfMaking *making = VF_MAKING(self);
    g_autofree char *inode = format_inode(self);
    const char *const arguments[] = {"mdev-remove", vf_making_get_sysfs_path(making),
                                     vf_making_get_type_id(making), inode, NULL};

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
    VfMaking *making = g_task_get_source_object(task);
    const char *path = vf_making_get_sysfs_path(making);
    const char *uuid = vf_making_get_id(making);
    g_autoptr(GPtrArray) entries = vf_record_reader_finish(result, NULL);

    vf_making_set_inode(making, entries ? find_inode(entries, path, uuid) : 0);
    if (vf_making_get_inode(making)) {
        remove_made(VF_MDEV(making), task);
    } else if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        remove_nothing(VF_MDEV(making), task);
    } else {
        g_task_return_new_error(task, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                                _("cannot remove %s: whether it was made here is not known"), uuid);
        g_object_unref(task);
    }
}

static void
remove_it(VfMaking *making, GTask *task)
{
    VfMdev *self = VF_MDEV(making);

    g_clear_object(&self->device);
    if (!self->may_exist)
        remove_nothing(self, task);
    else if (vf_making_get_inode(making))
        remove_made(self, task);
    else
        vf_record_reader_async(vf_making_get_record(making), on_record_read, task);
}

static void
vf_mdev_class_init(VfMdevClass *class)
{
    VfMakingClass *making_class = VF_MAKING_CLASS(class);

    making_class->kind = "mdev";
    making_class->create = create;
    making_class->remove = remove_it;
    G_OBJECT_CLASS(class)->finalize = vf_mdev_finalize;
}

/* --- the table --- */

static VfMaking *
reserve(VfRegistry *registry, VfPlan *taken, GError **error)
{
    g_autoptr(VfPlan) plan = taken;
    g_autofree char *path = NULL;
    VfMdev *self;

    if (!vf_parent_reserve(plan->parent, plan->type, error))
        return NULL;
    if (!plan->id)
        plan->id = g_uuid_string_random();
    path = g_build_filename(vf_parent_get_sysfs_path(plan->parent), plan->id, NULL);
    self = g_object_new(VF_TYPE_MDEV, NULL);
    self->registry = g_object_ref(registry);
    self->reserved = TRUE;
    vf_making_set_plan(VF_MAKING(self), g_steal_pointer(&plan), path);
    return VF_MAKING(self);
}

static VfMaking *
new_for_removal(const VfMade *made)
{
    VfMdev *self = g_object_new(VF_TYPE_MDEV, NULL);

    self->may_exist = TRUE;
    vf_making_set_made(VF_MAKING(self), made);
    return VF_MAKING(self);
}

static VfMaking *
find(GPtrArray *entries, GVariant *create)
{
    const char *parent, *type, *text;
    g_autofree char *uuid = NULL;
    g_autofree char *path = NULL;

    if (!g_variant_lookup(create, "parent", "&s", &parent) ||
        !g_variant_lookup(create, "type", "&s", &type) ||
        !g_variant_lookup(create, "uuid", "&s", &text))
        return NULL;
    uuid = vf_uuid_normalize(text, "uuid", NULL);
    if (!uuid)
        return NULL;
    path = g_build_filename(parent, uuid, NULL);
    return new_for_removal(&(VfMade){uuid, path, type, find_inode(entries, path, uuid)});
}

const VfProvider vf_mdev_provider = {
    .kind = VF_PROVIDER_FIRST,
    .get_types = vf_parent_get_types,
    .reserve = reserve,
    .find = find,
    .new_for_removal = new_for_removal,
};
