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
#include "settings.h"
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
    char *type;
    char *model; /* id; NULL when nothing is known about the type */
    char *uuid;
    gboolean wished;            /* somebody named that UUID */
    char *path;                 /* in sysfs, where it is or will be */
    guint64 inode;              /* of what is there, 0 while it is not known */
    VfRequirement *requirement; /* NULL when nothing is known about the type */
    gboolean partial;           /* it names only what somebody asked for */
    VfReport *overridden;       /* NULL: the type fits */
    gboolean reserved;
    gboolean may_exist; /* a create may have reached the kernel */

    /* while it is being created */
    VfLedger *ledger;
    VfRecord *record;
    VfDevice *device;
    GPtrArray *settings; /* of VfSetting */
    guint next_setting;
};

G_DEFINE_FINAL_TYPE(VfMdev, vf_mdev, G_TYPE_OBJECT)

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
    g_clear_pointer(&self->settings, g_ptr_array_unref);
    g_clear_pointer(&self->requirement, vf_requirement_unref);
    g_clear_pointer(&self->overridden, vf_report_free);
    g_free(self->type);
    g_free(self->model);
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

/* --- choosing --- */

typedef struct {
    VfParent *parent;
    VfParentType *type;
    VfReport *report;
} Candidate;

static void
candidate_free(gpointer data)
{
    Candidate *self = data;

    g_object_unref(self->parent);
    vf_parent_type_unref(self->type);
    g_clear_pointer(&self->report, vf_report_free);
    g_free(self);
}

/* Fitting ones first, identical before superset, then the emptiest. */
static int
candidate_rank(const Candidate *self)
{
    switch (self->report->verdict) {
    case VF_VERDICT_IDENTICAL:
        return 0;
    case VF_VERDICT_SUPERSET:
        return 1;
    case VF_VERDICT_UNKNOWN:
        return 2;
    case VF_VERDICT_INCOMPATIBLE:
    default:
        return 3;
    }
}

static int
candidate_compare(gconstpointer a, gconstpointer b)
{
    const Candidate *left = *(Candidate *const *)a;
    const Candidate *right = *(Candidate *const *)b;
    int rank = candidate_rank(left) - candidate_rank(right);
    guint64 room_left = vf_parent_type_left(left->type);
    guint64 room_right = vf_parent_type_left(right->type);

    return rank ? rank : room_left == room_right ? 0 : room_left > room_right ? -1 : 1;
}

static void
add_candidate(GPtrArray *candidates, VfParent *parent, VfParentType *type,
              VfRequirement *requirement)
{
    Candidate *candidate = g_new0(Candidate, 1);
    g_auto(GStrv) settable = vf_model_settable_names(type->model);

    candidate->parent = g_object_ref(parent);
    candidate->type = vf_parent_type_ref(type);
    candidate->report = vf_compare_requirement(requirement, type->model, type->values, settable);
    g_ptr_array_add(candidates, candidate);
}

/* Every type of the requirement's model that the wish allows; @named: a parent or type of that name
 * exists. */
static GPtrArray *
collect(VfRegistry *registry, VfRequirement *requirement, const VfMdevWish *wish, gboolean *named)
{
    GPtrArray *candidates = g_ptr_array_new_with_free_func(candidate_free);
    g_autoptr(GPtrArray) parents = vf_registry_list_parents(registry);

    for (guint i = 0; i < parents->len; i++) {
        VfParent *parent = parents->pdata[i];
        GPtrArray *types = vf_parent_get_types(parent);

        if (wish->parent && !g_str_equal(wish->parent, vf_parent_get_id(parent)))
            continue;
        for (guint j = 0; j < types->len; j++) {
            VfParentType *type = types->pdata[j];

            if (wish->type && !g_str_equal(wish->type, type->type))
                continue;
            *named = TRUE;
            if (type->model && vf_model_is(type->model, requirement->model))
                add_candidate(candidates, parent, type, requirement);
        }
    }
    g_ptr_array_sort(candidates, candidate_compare);
    return candidates;
}

/* Virtual functions are made all at once, for everybody, by writing sriov_numvfs. */
static gboolean
check_creates(VfParent *parent, GError **error)
{
    if (g_str_equal(vf_parent_get_kind(parent), "mdev"))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("parent %s is an SR-IOV physical function, and vferry neither makes virtual "
                  "functions nor prepares those that exist"),
                vf_parent_get_id(parent));
    return FALSE;
}

/* A wish that no type of the model meets. */
static void
explain_wish(VfRegistry *registry, const VfRequirement *requirement, const VfMdevWish *wish,
             gboolean named, GError **error)
{
    const char *where = wish->parent ? wish->parent : _("this host");
    VfParent *parent = wish->parent ? vf_registry_find_parent(registry, wish->parent) : NULL;

    if (parent && !check_creates(parent, error))
        return;
    if (wish->parent && !parent)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("there is no parent “%s” here"),
                    wish->parent);
    else if (!named)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("%s has no type “%s”"), where,
                    wish->type ? wish->type : "*");
    else if (wish->type)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                    _("type “%s” is not of the source's model, %s"), wish->type,
                    requirement->model);
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                    _("%s has no type of the source's model, %s"), where, requirement->model);
}

/* Why nothing was chosen: the best candidate's own reasons. */
static void
explain(VfRegistry *registry, GPtrArray *candidates, VfRequirement *requirement,
        const VfMdevWish *wish, gboolean named, GError **error)
{
    g_autoptr(VfReport) report = NULL;
    g_autoptr(GPtrArray) nothing = NULL;
    const Candidate *best = candidates->len ? candidates->pdata[0] : NULL;

    if (best) {
        vf_report_check(best->report, error);
        g_prefix_error(error, "%s, %s: ", vf_parent_get_id(best->parent), best->type->type);
        return;
    }
    if (wish->parent || wish->type) {
        explain_wish(registry, requirement, wish, named, error);
        return;
    }
    nothing = vf_value_list_new();
    report = vf_compare_requirement(requirement, NULL, nothing, NULL);
    vf_report_check(report, error);
}

/* Whether it is good enough for the wish. */
static gboolean
is_acceptable(const Candidate *candidate, const VfMdevWish *wish)
{
    return vf_report_check(candidate->report, NULL) ||
           (wish->override && vf_report_can_override(candidate->report));
}

/* What was chosen although it does not fit remembers why it does not. */
static VfMdev *
mark(VfMdev *self, Candidate *candidate, const VfMdevWish *wish)
{
    if (vf_report_check(candidate->report, NULL))
        return self;
    self->overridden = g_steal_pointer(&candidate->report);
    self->overridden->override = g_strdup(wish->override);
    return self;
}

static VfMdev *
new_for(VfRegistry *registry, VfParent *parent, const VfParentType *type,
        VfRequirement *requirement, char *uuid, gboolean wished)
{
    VfMdev *self = g_object_new(VF_TYPE_MDEV, NULL);

    self->registry = g_object_ref(registry);
    self->parent = g_object_ref(parent);
    self->type = g_strdup(type->type);
    self->model = type->model ? g_strdup(type->model->id) : NULL;
    self->uuid = uuid;
    self->wished = wished;
    self->path = g_build_filename(vf_parent_get_sysfs_path(self->parent), uuid, NULL);
    self->requirement = requirement ? vf_requirement_ref(requirement) : NULL;
    self->reserved = TRUE;
    return self;
}

static char *
choose_uuid(VfRegistry *registry, const char *wish, GError **error)
{
    g_autofree char *uuid = wish ? vf_uuid_normalize(wish, "uuid", error) : g_uuid_string_random();

    if (!uuid)
        return NULL;
    if (!vf_registry_find_device(registry, uuid))
        return g_steal_pointer(&uuid);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY, _("there is a device %s already"), uuid);
    return NULL;
}

VfMdev *
vf_mdev_choose(VfRegistry *registry, VfRequirement *requirement, const VfMdevWish *wish,
               GError **error)
{
    gboolean named = FALSE;
    g_autoptr(GPtrArray) candidates = collect(registry, requirement, wish, &named);
    g_autofree char *uuid = choose_uuid(registry, wish->uuid, error);
    g_autoptr(GError) no_room = NULL;

    if (!uuid)
        return NULL;
    for (guint i = 0; i < candidates->len; i++) {
        Candidate *candidate = candidates->pdata[i];

        if (!is_acceptable(candidate, wish))
            continue;
        g_clear_error(&no_room);
        if (vf_parent_reserve(candidate->parent, candidate->type->type, &no_room))
            return mark(new_for(registry, candidate->parent, candidate->type, requirement,
                                g_steal_pointer(&uuid), wish->uuid != NULL),
                        candidate, wish);
    }
    if (no_room)
        g_propagate_error(error, g_steal_pointer(&no_room));
    else
        explain(registry, candidates, requirement, wish, named, error);
    return NULL;
}

/* Whether a device of @type is, or can be made, what @value asks for. */
static gboolean
check_wanted(const VfParentType *type, const VfValue *value, GError **error)
{
    const VfParameter *parameter =
        type->model ? vf_model_find_parameter(type->model, value->name) : NULL;
    g_autofree char *canonical = NULL;
    const char *given;

    if (!parameter) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("type “%s” has no parameter “%s” that is known here"), type->type,
                    value->name);
        return FALSE;
    }
    canonical = vf_parameter_check_value(parameter, value->value, error);
    if (!canonical)
        return FALSE;
    given = vf_reader_value_from_type(&parameter->reader, type->type);
    if (given ? g_str_equal(given, canonical) : parameter->applier != VF_APPLIER_NONE)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE,
                _("type “%s” has %s=%s and cannot have %s=%s"), type->type, value->name,
                given ? given : "?", value->name, canonical);
    return FALSE;
}

static gboolean
check_all_wanted(const VfParentType *type, GPtrArray *values, GError **error)
{
    for (guint i = 0; i < values->len; i++)
        if (!check_wanted(type, values->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* The values in their one spelling, as a requirement of the type's model. */
static VfRequirement *
wanted_requirement(const VfParentType *type, GPtrArray *values)
{
    VfRequirement *requirement =
        type->model ? vf_requirement_new(type->model->id, type->model->digest) : NULL;

    for (guint i = 0; requirement && i < values->len; i++) {
        const VfValue *value = values->pdata[i];
        g_autofree char *canonical = vf_parameter_check_value(
            vf_model_find_parameter(type->model, value->name), value->value, NULL);

        vf_value_list_set(requirement->values, value->name, canonical, NULL);
    }
    return requirement;
}

static gboolean
is_wanted(const VfParentType *type, const char *what)
{
    return g_str_equal(type->type, what) || (type->model && g_str_equal(type->model->id, what));
}

static gpointer
copy_type(gconstpointer type, gpointer data)
{
    return vf_parent_type_ref((VfParentType *)type);
}

VfMdev *
vf_mdev_choose_at(VfRegistry *registry, VfParent *parent, const char *what, GPtrArray *values,
                  const char *uuid_wish, GError **error)
{
    g_autoptr(GPtrArray) types = g_ptr_array_copy(vf_parent_get_types(parent), copy_type, NULL);
    g_autofree char *uuid =
        check_creates(parent, error) ? choose_uuid(registry, uuid_wish, error) : NULL;
    g_autoptr(GError) why = NULL;

    for (guint i = 0; uuid && i < types->len; i++) {
        const VfParentType *type = types->pdata[i];
        g_autoptr(VfRequirement) requirement = NULL;
        VfMdev *self;

        if (!is_wanted(type, what))
            continue;
        /* that one which fits is used up says more than why others do not fit */
        if (!check_all_wanted(type, values, why ? NULL : &why))
            continue;
        g_clear_error(&why);
        if (!vf_parent_reserve(parent, type->type, &why))
            continue;
        requirement = wanted_requirement(type, values);
        self =
            new_for(registry, parent, type, requirement, g_steal_pointer(&uuid), uuid_wish != NULL);
        self->partial = TRUE;
        return self;
    }
    if (why)
        g_propagate_error(error, g_steal_pointer(&why));
    else if (uuid)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("parent %s has no type “%.200s”, nor one of a model of that id"),
                    vf_parent_get_id(parent), what);
    return NULL;
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
    return self->overridden;
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
    g_variant_dict_insert(&details, "wished", "b", self->wished);
    if (self->overridden) {
        g_autofree char *report = vf_report_format(self->overridden);
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
    const VfSetting *setting = step->mdev->settings->pdata[step->mdev->next_setting++];
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

    if (self->next_setting == self->settings->len) {
        VfSteps *steps = step->steps;

        g_free(step);
        vf_steps_done(steps, NULL);
        return;
    }
    setting = self->settings->pdata[self->next_setting];
    {
        g_autofree char *inode = g_strdup_printf("%" G_GUINT64_FORMAT, self->inode);
        const char *const arguments[] = {"write-attribute",  self->path,    inode,
                                         setting->attribute, setting->text, NULL};
        vf_helper_run_async(arguments, -1, HELPER_DEADLINE_MS, NULL, on_written, step);
    }
}

/* The values to write: what somebody asked for and nothing else, or what makes it what a
 * requirement asks for, with all that the source does not have switched off. */
static GPtrArray *
values_to_give(VfMdev *self, const VfParentType *type)
{
    g_auto(GStrv) settable = NULL;

    if (self->partial)
        return g_ptr_array_ref(self->requirement->values);
    settable = vf_model_settable_names(type->model);
    return vf_compare_values_to_give(self->requirement, type->model, type->values, settable);
}

static void
configure(VfSteps *steps, gpointer data)
{
    VfMdev *self = data;
    const VfParentType *type = vf_parent_find_offer(self->parent, self->type, self->model);
    g_autoptr(GPtrArray) values = NULL;
    GError *error = NULL;

    if (!self->requirement) {
        vf_steps_done(steps, NULL);
        return;
    }
    if (type && type->model) {
        values = values_to_give(self, type);
        self->settings = vf_settings_plan(type->model, values, !self->partial, &error);
    } else {
        error = g_error_new(VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, _("%s has no type “%s” any more"),
                            vf_parent_get_id(self->parent), self->type);
    }
    self->next_setting = 0;
    if (self->settings)
        write_next(step_new(self, steps));
    else
        vf_steps_done(steps, error);
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

    if (!self->requirement)
        return TRUE;
    if (self->partial)
        return check_given(self->requirement, facts, error);
    report = vf_compare_requirement(self->requirement, facts->model, facts->values, NULL);
    /* what it is must not be worse than what somebody has seen and taken */
    if (self->overridden && vf_report_can_override(report) &&
        vf_report_covers(self->overridden, report))
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
