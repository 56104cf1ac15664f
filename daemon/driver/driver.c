/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "driver.h"

#include <gio/gunixfdlist.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "options.h"

typedef struct {
    guint deadline_ms;
    gboolean started;
    char *failure; /* why it did not start; NULL: it did, or was not asked to */
} VfDriverPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(VfDriver, vf_driver, G_TYPE_OBJECT)

/* Devices are opened and inspected one after the other, in ten seconds each. */
#define DEVICE_MS 10000

static const struct {
    const char *name;
    gsize offset;
    guint deadline_ms;
    guint device_ms; /* more, for each device */
} operations[] = {
    [VF_DRIVER_BEGIN] = {"begin", G_STRUCT_OFFSET(VfDriverClass, begin), 10000, DEVICE_MS},
    [VF_DRIVER_PLACE] = {"place", G_STRUCT_OFFSET(VfDriverClass, place), 10000, DEVICE_MS},
    [VF_DRIVER_LISTEN] = {"listen", G_STRUCT_OFFSET(VfDriverClass, listen), 20000, 0},
    [VF_DRIVER_PERFORM] = {"perform", G_STRUCT_OFFSET(VfDriverClass, perform), 20000, 0},
    [VF_DRIVER_FINISH] = {"finish", G_STRUCT_OFFSET(VfDriverClass, finish), 20000, 0},
    [VF_DRIVER_CONFIRM] = {"confirm", G_STRUCT_OFFSET(VfDriverClass, confirm), 20000, 0},
    [VF_DRIVER_RUN] = {"run", G_STRUCT_OFFSET(VfDriverClass, run), 60000, 0},
    [VF_DRIVER_DISCARD] = {"discard", G_STRUCT_OFFSET(VfDriverClass, discard), 50000, DEVICE_MS},
};
#define ATTACH_DEADLINE_MS 20000
#define LEND_DEADLINE_MS 20000
#define PROBE_DEADLINE_MS 20000

static void
vf_driver_finalize(GObject *object)
{
    VfDriverPrivate *private = vf_driver_get_instance_private(VF_DRIVER(object));

    g_free(private->failure);
    G_OBJECT_CLASS(vf_driver_parent_class)->finalize(object);
}

static void
place_nothing(VfDriver *self, VfJob *job, GTask *task)
{
    g_task_return_boolean(task, TRUE);
    g_object_unref(task);
}

static void
vf_driver_class_init(VfDriverClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_driver_finalize;
    class->name = "?";
    class->operations = VF_JOB_OPERATION_BIT(VF_JOB_MIGRATE);
    class->place = place_nothing;
}

static void
vf_driver_init(VfDriver *self)
{
}

static GError *
silent_failure(const char *name)
{
    return g_error_new(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                       _("“%s” failed without saying why; this is a bug in the driver"), name);
}

const char *
vf_driver_get_name(VfDriver *self)
{
    return VF_DRIVER_GET_CLASS(self)->name;
}

gboolean
vf_driver_check_operation(VfDriver *self, VfJobOperation operation, GError **error)
{
    if (VF_DRIVER_GET_CLASS(self)->operations & VF_JOB_OPERATION_BIT(operation))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("driver “%s” does not know the operation “%s”"), vf_driver_get_name(self),
                vf_job_operation_to_string(operation));
    return FALSE;
}

gboolean
vf_driver_start(VfDriver *self, VfDriverHost *host, GError **error)
{
    VfDriverPrivate *private = vf_driver_get_instance_private(self);
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    g_autoptr(GError) local = NULL;

    private->started = !class->start || class->start(self, host, &local);
    if (private->started)
        return TRUE;
    if (!local)
        local = silent_failure("start");
    private->failure = g_strdup(local->message);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

void
vf_driver_stop(VfDriver *self)
{
    VfDriverPrivate *private = vf_driver_get_instance_private(self);
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);

    if (private->started && class->stop)
        class->stop(self);
    private->started = FALSE;
}

gboolean
vf_driver_check_started(VfDriver *self, GError **error)
{
    const VfDriverPrivate *private = vf_driver_get_instance_private(self);

    if (!private->failure)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED, _("driver “%s” did not start: %s"),
                vf_driver_get_name(self), private->failure);
    return FALSE;
}

gboolean
vf_driver_claims(VfDriver *self, const VfSubject *subject, VfDevice **unclaimed)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    gboolean able = class->claims && vf_driver_check_started(self, NULL);

    if (subject->domain)
        return able && class->claims(self, subject);
    for (guint i = 0; i < subject->n_devices; i++) {
        const VfSubject one = {.devices = &subject->devices[i], .n_devices = 1};

        if (able && class->claims(self, &one))
            continue;
        *unclaimed = subject->devices[i];
        return FALSE;
    }
    return TRUE;
}

VfHolder
vf_driver_get_holder(VfDriver *self, VfJob *job)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);

    return class->get_holder && vf_driver_check_started(self, NULL) ? class->get_holder(self, job)
                                                                    : VF_HOLDER_DAEMON;
}

gboolean
vf_driver_check_options(VfDriver *self, GVariant *options, GError **error)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    g_autoptr(VfOptions) rest = vf_options_new(options);

    if (!vf_driver_check_started(self, error))
        return FALSE;
    return class->check_options ? class->check_options(self, options, error)
                                : vf_options_end(rest, error);
}

static gboolean
check_able(VfDriver *self, const char *name, gboolean implemented, GError **error)
{
    if (!vf_driver_check_started(self, error))
        return FALSE;
    if (!implemented)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED, _("driver “%s” has no “%s”"),
                    vf_driver_get_name(self), name);
    return implemented;
}

/* A call under way. The outer task answers the daemon, once; the inner one is the implementation's,
 * and may still come back after the deadline. */
typedef struct {
    GTask *outer; /* NULL once answered */
    GCancellable *cancellable;
    const char *name;
    guint deadline_ms;
    guint timer;
    gulong chain;
} Call;

static void
call_answer(Call *call, GError *error)
{
    g_autoptr(GTask) outer = g_steal_pointer(&call->outer);

    g_clear_handle_id(&call->timer, g_source_remove);
    /* not g_cancellable_disconnect(), which waits for the very handler that may have led here */
    if (call->chain)
        g_signal_handler_disconnect(g_task_get_cancellable(outer), call->chain);
    call->chain = 0;
    if (error)
        g_task_return_error(outer, error);
    else
        g_task_return_boolean(outer, TRUE);
}

static void
on_inner(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    VfDriver *self = VF_DRIVER(source);
    GError *error = NULL;
    gboolean done = g_task_propagate_boolean(G_TASK(result), &error);

    if (!done && !error)
        error = silent_failure(call->name);
    g_prefix_error(&error, _("driver “%s”: "), vf_driver_get_name(self));
    if (call->outer)
        call_answer(call, error);
    else
        g_clear_error(&error);
    g_object_unref(call->cancellable);
    g_free(call);
}

static gboolean
on_deadline(gpointer data)
{
    Call *call = data;
    VfDriver *self = g_task_get_source_object(call->outer);

    call->timer = 0;
    g_cancellable_cancel(call->cancellable);
    call_answer(call, g_error_new(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                  _("driver “%s”: “%s” took longer than %u ms"),
                                  vf_driver_get_name(self), call->name, call->deadline_ms));
    return G_SOURCE_REMOVE;
}

static void
on_outer_cancelled(GCancellable *cancellable, gpointer data)
{
    g_cancellable_cancel(data);
}

/* The implementation's task, or NULL when the call is answered already. */
static GTask *
call_new(VfDriver *self, const char *name, gboolean implemented, guint deadline_ms,
         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    GTask *outer = g_task_new(self, cancellable, callback, data);
    GError *error = NULL;
    GTask *inner;
    Call *call;

    g_task_set_source_tag(outer, call_new);
    g_task_set_check_cancellable(outer, FALSE);
    if (!check_able(self, name, implemented, &error)) {
        g_task_return_error(outer, error);
        g_object_unref(outer);
        return NULL;
    }
    call = g_new0(Call, 1);
    call->outer = outer;
    call->name = name;
    call->cancellable = g_cancellable_new();
    call->deadline_ms = deadline_ms;
    call->timer = g_timeout_add(call->deadline_ms, on_deadline, call);
    if (cancellable)
        call->chain = g_signal_connect_object(cancellable, "cancelled",
                                              G_CALLBACK(on_outer_cancelled), call->cancellable, 0);
    if (g_cancellable_is_cancelled(cancellable))
        g_cancellable_cancel(call->cancellable);
    inner = g_task_new(self, call->cancellable, on_inner, call);
    g_task_set_source_tag(inner, call_new);
    g_task_set_check_cancellable(inner, FALSE);
    return inner;
}

static guint
deadline_of(VfDriver *self, VfDriverVerb operation, VfJob *job)
{
    const VfDriverPrivate *private = vf_driver_get_instance_private(self);
    guint n = vf_job_get_n_devices(job);

    if (private->deadline_ms)
        return private->deadline_ms * (operations[operation].device_ms ? n + 1 : 1);
    return operations[operation].deadline_ms + n * operations[operation].device_ms;
}

void
vf_driver_call_async(VfDriver *self, VfDriverVerb operation, VfJob *job, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
    VfDriverJobFunc implementation =
        G_STRUCT_MEMBER(VfDriverJobFunc, VF_DRIVER_GET_CLASS(self), operations[operation].offset);
    g_autoptr(GTask) task =
        call_new(self, operations[operation].name, implementation != NULL,
                 deadline_of(self, operation, job), cancellable, callback, data);

    if (task)
        implementation(self, job, g_object_ref(task));
}

gboolean
vf_driver_call_finish(VfDriver *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
vf_driver_probe_async(VfDriver *self, VfDevice *device, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer data)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    g_autoptr(GTask) task = call_new(self, "probe", class->probe != NULL, PROBE_DEADLINE_MS,
                                     cancellable, callback, data);

    if (task)
        class->probe(self, device, g_object_ref(task));
}

gboolean
vf_driver_probe_finish(VfDriver *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
vf_driver_lend_async(VfDriver *self, VfLoan *loan, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer data)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    g_autoptr(GTask) task =
        call_new(self, "lend", class->lend != NULL, LEND_DEADLINE_MS, cancellable, callback, data);

    if (task)
        class->lend(self, loan, g_object_ref(task));
}

gboolean
vf_driver_lend_finish(VfDriver *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

gboolean
vf_driver_can_attach(VfDriver *self)
{
    return VF_DRIVER_GET_CLASS(self)->attach && vf_driver_check_started(self, NULL);
}

void
vf_driver_attach_async(VfDriver *self, VfDomain *domain, VfJob *incoming, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer data)
{
    const VfDriverPrivate *private = vf_driver_get_instance_private(self);
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    g_autoptr(GTask) task =
        call_new(self, "attach", class->attach != NULL,
                 private->deadline_ms ? private->deadline_ms : ATTACH_DEADLINE_MS, cancellable,
                 callback, data);

    if (task)
        class->attach(self, domain, incoming, g_object_ref(task));
}

gboolean
vf_driver_attach_finish(VfDriver *self, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

void
vf_driver_detach(VfDriver *self, VfDomain *domain)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);

    if (check_able(self, "detach", class->detach != NULL, NULL))
        class->detach(self, domain);
}

gboolean
vf_driver_cancel(VfDriver *self, VfJob *job, GError **error)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);

    if (!check_able(self, "cancel", class->cancel != NULL, error))
        return FALSE;
    class->cancel(self, job);
    return TRUE;
}

GUnixFDList *
vf_driver_adopt(VfDriver *self, VfJob *job, GError **error)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    g_autoptr(GError) local = NULL;

    if (!check_able(self, "adopt", class->adopt != NULL, error))
        return NULL;
    if (class->adopt(self, job, fds, &local))
        return g_steal_pointer(&fds);
    if (!local)
        local = silent_failure("adopt");
    g_propagate_prefixed_error(error, g_steal_pointer(&local), _("driver “%s”: "), class->name);
    return NULL;
}

void
vf_driver_drop(VfDriver *self, VfJob *job)
{
    if (vf_driver_check_started(self, NULL))
        VF_DRIVER_GET_CLASS(self)->drop(self, job);
}

gboolean
vf_driver_can_restore(VfDriver *self)
{
    return VF_DRIVER_GET_CLASS(self)->restore != NULL;
}

gboolean
vf_driver_restore(VfDriver *self, VfJob *job, GError **error)
{
    VfDriverClass *class = VF_DRIVER_GET_CLASS(self);

    return check_able(self, "restore", class->restore != NULL, error) &&
           class->restore(self, job, error);
}

void
vf_driver_set_deadline(VfDriver *self, guint milliseconds)
{
    VfDriverPrivate *private = vf_driver_get_instance_private(self);

    private->deadline_ms = milliseconds;
}
