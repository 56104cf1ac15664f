/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "model-calls.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "baseline.h"
#include "bus-peer.h"
#include "choice.h"
#include "document.h"
#include "error.h"
#include "find.h"
#include "inventory.h"
#include "model-id.h"
#include "options.h"

#define RUNNING_MAX 2
#define CALLS_MAX 64            /* those that run included */
#define CALLS_OF_ONE_MAX 8      /* of one caller */
#define BYTES_MAX (96 << 20)    /* of all their documents */
#define BASELINE_MAX (24 << 20) /* a bus with its usual limits takes messages of 32 MiB */
#define LIMIT_MAX 10000

typedef struct Call Call;

/* In a thread. Fills @answer's texts. */
typedef gboolean (*Work)(Call *call, GError **error);

struct Call {
    VfModelCalls *self;
    GDBusMethodInvocation *invocation; /* its parameters are the documents */
    gsize size;                        /* of the documents */
    Work work;
    gboolean about_host;  /* this one */
    VfCapabilities *host; /* NULL: not asked about, or not begun */
    VfConsumer *consumer;
    char *object; /* Compare: an id */
    VfChoiceOf object_is;
    guint32 limit;
    gboolean refusals;
    char *model;   /* Baseline */
    char *verdict; /* the answer, with @text; NULL: @text alone */
    char *text;
};

struct _VfModelCalls {
    GObject parent_instance;
    const VfContext *context;
    GQueue waiting; /* of Call */
    GPtrArray *running;
    gsize bytes;
};

G_DEFINE_FINAL_TYPE(VfModelCalls, vf_model_calls, G_TYPE_OBJECT)

static void
call_free(gpointer data)
{
    Call *call = data;

    g_clear_pointer(&call->host, vf_capabilities_free);
    g_clear_pointer(&call->consumer, vf_consumer_free);
    g_clear_object(&call->self);
    g_free(call->object);
    g_free(call->model);
    g_free(call->verdict);
    g_free(call->text);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

static void
vf_model_calls_finalize(GObject *object)
{
    VfModelCalls *self = VF_MODEL_CALLS(object);

    g_ptr_array_unref(self->running);
    G_OBJECT_CLASS(vf_model_calls_parent_class)->finalize(object);
}

static void
vf_model_calls_class_init(VfModelCallsClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_model_calls_finalize;
}

static void
vf_model_calls_init(VfModelCalls *self)
{
    g_queue_init(&self->waiting);
    self->running = g_ptr_array_new();
}

/* --- the queue --- */

static guint
count_of(const VfModelCalls *self, const char *sender)
{
    guint n = 0;

    for (const GList *item = self->waiting.head; item; item = item->next)
        n += g_str_equal(
            g_dbus_method_invocation_get_sender(((const Call *)item->data)->invocation), sender);
    for (guint i = 0; i < self->running->len; i++)
        n += g_str_equal(g_dbus_method_invocation_get_sender(
                             ((const Call *)self->running->pdata[i])->invocation),
                         sender);
    return n;
}

static gboolean
check_room(const VfModelCalls *self, const Call *call, GError **error)
{
    const char *sender = g_dbus_method_invocation_get_sender(call->invocation);
    guint all = self->waiting.length + self->running->len;

    if (all < CALLS_MAX && count_of(self, sender) < CALLS_OF_ONE_MAX &&
        self->bytes + call->size <= BYTES_MAX)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                _("%u such calls of %zu MiB are being answered: try again later"), all,
                self->bytes >> 20);
    return FALSE;
}

static void start_next(VfModelCalls *self);

static void
reply(Call *call)
{
    if (call->verdict)
        g_dbus_method_invocation_return_value(call->invocation,
                                              g_variant_new("(ss)", call->verdict, call->text));
    else
        g_dbus_method_invocation_return_value(call->invocation, g_variant_new("(s)", call->text));
}

static void
on_worked(GObject *source, GAsyncResult *result, gpointer data)
{
    VfModelCalls *self = VF_MODEL_CALLS(source);
    g_autoptr(Call) call = data;
    GError *error = NULL;

    g_ptr_array_remove_fast(self->running, call);
    self->bytes -= call->size;
    if (g_task_propagate_boolean(G_TASK(result), &error))
        reply(call);
    else
        vf_bus_return_error(call->invocation, error);
    start_next(self);
}

static void
work_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Call *call = data;
    GError *error = NULL;

    if (call->work(call, &error))
        g_task_return_boolean(task, TRUE);
    else
        g_task_return_error(task, error);
}

/* The host as it is when the question's turn comes. */
static void
start_next(VfModelCalls *self)
{
    const VfContext *context = self->context;

    while (self->running->len < RUNNING_MAX && self->waiting.length > 0) {
        Call *call = g_queue_pop_head(&self->waiting);
        g_autoptr(GTask) task = g_task_new(self, NULL, on_worked, call);

        g_ptr_array_add(self->running, call);
        if (call->about_host)
            call->host = vf_inventory_build(context->registry, vf_context_get_host_id(context));
        g_task_set_task_data(task, call, NULL);
        g_task_run_in_thread(task, work_in_thread);
    }
}

/* Takes @call, and @error when the call was refused already. */
static gboolean
enqueue(Call *call, GError *error)
{
    VfModelCalls *self = call->self;

    if (error || !check_room(self, call, &error)) {
        vf_bus_return_error(call->invocation, error);
        call_free(call);
        return TRUE;
    }
    self->bytes += call->size;
    g_queue_push_tail(&self->waiting, call);
    start_next(self);
    return TRUE;
}

static Call *
call_new(VfModelCalls *self, GDBusMethodInvocation *invocation, Work work)
{
    Call *call = g_new0(Call, 1);

    call->self = g_object_ref(self);
    call->invocation = invocation;
    call->size = g_variant_get_size(g_dbus_method_invocation_get_parameters(invocation));
    call->work = work;
    return call;
}

/* The first argument. */
static VfRequirement *
parse_requirement(const Call *call, GError **error)
{
    const char *text;

    g_variant_get_child(g_dbus_method_invocation_get_parameters(call->invocation), 0, "&s", &text);
    return vf_requirement_parse(text, -1, NULL, error);
}

static gboolean
take_consumer(Call *call, VfOptions *options, GError **error)
{
    g_autofree char *text = vf_options_take_string(options, "consumer", NULL);

    call->consumer = text ? vf_consumer_parse(text, error) : NULL;
    return !text || call->consumer;
}

/* --- Compare --- */

static gboolean
compare(Call *call, GError **error)
{
    g_autoptr(VfRequirement) requirement = parse_requirement(call, error);
    g_auto(VfChoice) choice = {0};

    if (!requirement)
        return FALSE;
    if (!call->object)
        choice = vf_choice_of_host(requirement, call->host, call->consumer);
    else if (!vf_choice_of_object(requirement, call->host, call->object, call->object_is,
                                  call->consumer, &choice, error))
        return FALSE;
    call->verdict = g_strdup(vf_report_verdict_to_string(choice.report->verdict));
    call->text = vf_report_format(choice.report);
    return TRUE;
}

static gboolean
find_object(Call *call, const char *path, GError **error)
{
    VfObjects *objects = call->self->context->objects;
    VfDevice *device = vf_objects_find_device(objects, path);
    VfParent *parent = device ? NULL : vf_objects_find_parent(objects, path);

    call->object_is = device ? VF_CHOICE_OF_DEVICE : VF_CHOICE_OF_PARENT;
    if (device)
        call->object = g_strdup(vf_device_get_id(device));
    else if (parent)
        call->object = g_strdup(vf_parent_get_id(parent));
    else
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                    _("there is no device or parent “%s”"), path);
    return call->object != NULL;
}

static gboolean
take_compare_options(Call *call, GVariant *dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    g_autoptr(GVariant) object =
        vf_options_take_value(options, "object", G_VARIANT_TYPE_OBJECT_PATH);

    return take_consumer(call, options, error) && vf_options_end(options, error) &&
           (!object || find_object(call, g_variant_get_string(object, NULL), error));
}

static gboolean
on_compare(VferryManager *manager, GDBusMethodInvocation *invocation, const char *requirement,
           GVariant *options, VfModelCalls *self)
{
    Call *call = call_new(self, invocation, compare);
    GError *error = NULL;

    call->about_host = TRUE;
    take_compare_options(call, options, &error);
    return enqueue(call, error);
}

/* --- Find --- */

static gboolean
find(Call *call, GError **error)
{
    g_autoptr(VfRequirement) requirement = parse_requirement(call, error);
    g_autoptr(VfOffers) offers = NULL;

    if (!requirement)
        return FALSE;
    offers = vf_find_in_capabilities(&(VfFindQuery){.requirement = requirement,
                                                    .consumer = call->consumer,
                                                    .limit = call->limit,
                                                    .all_refusals = call->refusals},
                                     call->host);
    call->text = vf_offers_format(offers);
    return TRUE;
}

static gboolean
take_find_options(Call *call, GVariant *dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);
    gboolean limited = g_variant_lookup(dict, "limit", "u", &call->limit);

    call->refusals = vf_options_take_boolean(options, "refusals", TRUE);
    (void)vf_options_take_u32(options, "limit", 0);
    if (!take_consumer(call, options, error) || !vf_options_end(options, error))
        return FALSE;
    if (!limited || (call->limit >= 1 && call->limit <= LIMIT_MAX))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("option “limit” is %u, not between 1 and %d"), call->limit, LIMIT_MAX);
    return FALSE;
}

static gboolean
on_find(VferryManager *manager, GDBusMethodInvocation *invocation, const char *requirement,
        GVariant *options, VfModelCalls *self)
{
    Call *call = call_new(self, invocation, find);
    GError *error = NULL;

    call->about_host = TRUE;
    take_find_options(call, options, &error);
    return enqueue(call, error);
}

/* --- Baseline --- */

static VfFleet *
read_documents(const Call *call, GError **error)
{
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    g_autoptr(GVariant) documents =
        g_variant_get_child_value(g_dbus_method_invocation_get_parameters(call->invocation), 0);
    gsize n = g_variant_n_children(documents);

    for (gsize i = 0; i < n; i++) {
        g_autofree char *where = g_strdup_printf("capabilities[%zu]", i);
        const char *text;

        g_variant_get_child(documents, i, "&s", &text);
        if (!vf_fleet_add_text(fleet, text, -1, where, error))
            return NULL;
    }
    return g_steal_pointer(&fleet);
}

static gboolean
find_baseline(Call *call, GError **error)
{
    g_autoptr(VfFleet) fleet = read_documents(call, error);
    g_autoptr(VfBaseline) baseline = fleet ? vf_baseline_of_fleet(fleet, call->model, error) : NULL;

    if (!baseline)
        return FALSE;
    call->verdict = baseline->verdict == VF_BASELINE_CONFLICT
                        ? g_strdup("")
                        : vf_requirement_format(baseline->requirement);
    call->text = vf_baseline_format(baseline);
    return TRUE;
}

static gboolean
take_baseline_options(Call *call, gsize n, GVariant *dict, GError **error)
{
    g_autoptr(VfOptions) options = vf_options_new(dict);

    call->model = vf_options_take_string(options, "model", NULL);
    if (!vf_options_end(options, error) || (call->model && !vf_model_id_check(call->model, error)))
        return FALSE;
    if (n == 0)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                    _("there is no document of a host"));
    else if (call->size > BASELINE_MAX)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("the documents are larger than %d MiB together"), BASELINE_MAX >> 20);
    else
        return TRUE;
    return FALSE;
}

static gboolean
on_baseline(VferryManager *manager, GDBusMethodInvocation *invocation,
            const char *const *capabilities, GVariant *options, VfModelCalls *self)
{
    Call *call = call_new(self, invocation, find_baseline);
    GError *error = NULL;

    take_baseline_options(call, g_strv_length((char **)capabilities), options, &error);
    return enqueue(call, error);
}

VfModelCalls *
vf_model_calls_new(const VfContext *context)
{
    VfModelCalls *self = g_object_new(VF_TYPE_MODEL_CALLS, NULL);
    VferryManager *manager = vf_objects_get_manager(context->objects);

    self->context = context;
    g_signal_connect_object(manager, "handle-compare", G_CALLBACK(on_compare), self, 0);
    g_signal_connect_object(manager, "handle-baseline", G_CALLBACK(on_baseline), self, 0);
    g_signal_connect_object(manager, "handle-find", G_CALLBACK(on_find), self, 0);
    return self;
}
