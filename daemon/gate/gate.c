/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "gate.h"

#include <glib/gi18n-lib.h>

#include "arrivals.h"
#include "error.h"
#include "log.h"
#include "names.h"
#include "senders.h"

#define UID_UNKNOWN ((guint32)-1)

/* Calls that wait, each with its message. */
typedef struct {
    guint calls;
    gsize bytes;
} Amount;

/* For polkit, which may ask a person first. The bus lets a connection wait for 128 answers, see
 * max_replies_per_connection in dbus-daemon(1); so that others never keep root out, the two of all
 * the others and of root together are below that. */
static const Amount MAX_OF_CALLER = {40, 64 << 20}; /* a user; for the bus: a unique name */
static const Amount MAX_OF_USERS = {80, 128 << 20}; /* root is none of them */
/* For the bus to say whose they are, which takes it no time. */
static const Amount MAX_UNKNOWN = {1024, 256 << 20};

struct _VfGate {
    GObject parent;

    GDBusConnection *connection;
    VfClosers *closers;
    VfAuthority *authority;
    VfSenders *senders;
    GMainContext *context;
    GPtrArray *waiting; /* of Call: for polkit, or for the bus */
};

G_DEFINE_TYPE(VfGate, vf_gate, G_TYPE_OBJECT)

/* Of one skeleton, which owns it through its signal handler. */
typedef struct {
    VfGate *gate;
    VfGateOwnerFunc owner;
    gpointer owner_data;
} Guard;

/* A method call between its arrival and its handler. */
typedef struct {
    VfGate *gate;
    GDBusInterfaceSkeleton *skeleton;
    GDBusMethodInvocation *invocation; /* consumed by whoever answers it */
    gsize size;                        /* of its arguments */
    guint32 uid;                       /* UID_UNKNOWN while it waits for the bus */
    VfGateOwnerFunc owner;
    gpointer owner_data;
} Call;

static void
guard_free(gpointer data, GClosure *closure)
{
    Guard *guard = data;

    g_object_unref(guard->gate);
    g_free(guard);
}

static void
call_free(Call *call)
{
    g_object_unref(call->gate);
    g_object_unref(call->skeleton);
    g_free(call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

static const char *
get_annotation(GDBusMethodInvocation *invocation, const char *name)
{
    const GDBusMethodInfo *info = g_dbus_method_invocation_get_method_info(invocation);

    return info ? g_dbus_annotation_info_lookup(info->annotations, name) : NULL;
}

static char *
describe_method(GDBusMethodInvocation *invocation)
{
    return g_strconcat(g_dbus_method_invocation_get_interface_name(invocation), ".",
                       g_dbus_method_invocation_get_method_name(invocation), NULL);
}

static void
refuse(Call *call, const GError *error)
{
    GDBusMethodInvocation *invocation = g_steal_pointer(&call->invocation);
    const char *sender = g_dbus_method_invocation_get_sender(invocation);
    const char *action = get_annotation(invocation, VF_ANNOTATION_ACTION);
    g_autofree char *method = describe_method(invocation);

    vf_log(G_LOG_LEVEL_INFO, VF_ABOUT(.sender = sender, .action = action),
           "%s is refused to %s: %s", method, sender, error->message);
    g_dbus_method_invocation_return_gerror(invocation, error);
}

/* --- what waits --- */

static const char *
get_sender(const Call *call)
{
    return g_dbus_method_invocation_get_sender(call->invocation);
}

static void
count(Amount *amount, const Call *call)
{
    amount->calls++;
    amount->bytes += call->size;
}

static gboolean
has_room(const Amount *used, const Call *call, const Amount *max)
{
    return used->calls < max->calls && used->bytes + call->size <= max->bytes;
}

static gboolean
check_caller(const Call *call, const Amount *used, GError **error)
{
    g_autofree char *who = call->uid == UID_UNKNOWN ? g_strdup(get_sender(call))
                                                    : g_strdup_printf("uid %u", call->uid);

    if (has_room(used, call, &MAX_OF_CALLER))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                _("%u calls of %s with %zu MiB wait to be authorised already, and no more than %u "
                  "with %zu MiB may: try again later"),
                used->calls, who, used->bytes >> 20, MAX_OF_CALLER.calls,
                MAX_OF_CALLER.bytes >> 20);
    return FALSE;
}

static gboolean
check_all(const Call *call, const Amount *used, GError **error)
{
    const Amount *max = call->uid == UID_UNKNOWN ? &MAX_UNKNOWN : &MAX_OF_USERS;

    if (call->uid == 0 || has_room(used, call, max))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                _("%u calls of all users with %zu MiB wait to be authorised already, and no more "
                  "than %u with %zu MiB may: try again later"),
                used->calls, used->bytes >> 20, max->calls, max->bytes >> 20);
    return FALSE;
}

/* Those whose user is known and the others are counted by themselves. */
static gboolean
check_room(const Call *call, GError **error)
{
    const GPtrArray *waiting = call->gate->waiting;
    gboolean known = call->uid != UID_UNKNOWN;
    Amount of_caller = {0}, of_all = {0};

    for (guint i = 0; i < waiting->len; i++) {
        const Call *other = waiting->pdata[i];

        if (known ? other->uid == call->uid
                  : other->uid == UID_UNKNOWN && g_str_equal(get_sender(other), get_sender(call)))
            count(&of_caller, other);
        if (known ? other->uid != UID_UNKNOWN && other->uid != 0 : other->uid == UID_UNKNOWN)
            count(&of_all, other);
    }
    return check_caller(call, &of_caller, error) && check_all(call, &of_all, error);
}

static gboolean
start_waiting(Call *call)
{
    g_autoptr(GError) error = NULL;

    if (!check_room(call, &error)) {
        refuse(call, error);
        return FALSE;
    }
    g_ptr_array_add(call->gate->waiting, call);
    return TRUE;
}

static void
stop_waiting(Call *call)
{
    g_ptr_array_remove_fast(call->gate->waiting, call);
}

/* --- from the arrival to the handler --- */

static gboolean
is_exported(Call *call)
{
    return g_dbus_interface_skeleton_get_connection(call->skeleton) != NULL;
}

/* What GDBusInterfaceSkeleton itself does after a yes, gio/gdbusinterfaceskeleton.c; but it would
 * have to keep one of its few worker threads waiting until then. */
static void
dispatch(Call *call)
{
    GDBusMethodInvocation *invocation = g_steal_pointer(&call->invocation);

    if (!is_exported(call)) {
        g_dbus_method_invocation_return_error(invocation, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND,
                                              _("%s has gone"),
                                              g_dbus_method_invocation_get_object_path(invocation));
        return;
    }
    g_dbus_interface_skeleton_get_vtable(call->skeleton)
        ->method_call(g_dbus_method_invocation_get_connection(invocation),
                      g_dbus_method_invocation_get_sender(invocation),
                      g_dbus_method_invocation_get_object_path(invocation),
                      g_dbus_method_invocation_get_interface_name(invocation),
                      g_dbus_method_invocation_get_method_name(invocation),
                      g_dbus_method_invocation_get_parameters(invocation), invocation,
                      call->skeleton);
}

static void
on_checked(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *method = describe_method(call->invocation);
    const char *sender = get_sender(call);

    stop_waiting(call);
    if (!vf_authority_check_finish(VF_AUTHORITY(source), result, &error)) {
        refuse(call, error);
        return;
    }
    vf_log(G_LOG_LEVEL_MESSAGE,
           VF_ABOUT(.sender = sender,
                    .action = get_annotation(call->invocation, VF_ANNOTATION_ACTION)),
           "%s by %s (uid %u)", method, sender, call->uid);
    dispatch(call);
}

/* On behalf of whoever made the call. */
static void
ask_authority(VfGate *self, GDBusMethodInvocation *invocation, const char *action,
              GAsyncReadyCallback callback, gpointer data)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
    g_autofree char *method = describe_method(invocation);
    const VfAuthorityQuestion question = {
        .sender = g_dbus_method_invocation_get_sender(invocation),
        .action = action,
        .method = method,
        .object = g_dbus_method_invocation_get_object_path(invocation),
        .interactive = (g_dbus_message_get_flags(message) &
                        G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0,
    };

    vf_authority_check_async(self->authority, &question, callback, data);
}

static gboolean
is_owner(Call *call)
{
    return call->owner &&
           g_strcmp0(get_annotation(call->invocation, VF_ANNOTATION_OWNER), "yes") == 0 &&
           is_exported(call) && call->owner(get_sender(call), call->uid, call->owner_data);
}

/* Who sends what lingers brings nothing more before it is closed. */
static gboolean
check_descriptors(const Call *call, GError **error)
{
    GDBusMessage *message = g_dbus_method_invocation_get_message(call->invocation);
    guint n;

    if (!vf_arrivals_has_fd(message))
        return TRUE;
    vf_arrivals_set_uid(message, call->uid);
    n = vf_closers_count(call->gate->closers, call->uid);
    if (n < VF_CLOSERS_OF_USER)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                _("%u descriptors of uid %u are being closed already, which takes long, and no "
                  "more than %d may: try again later"),
                n, call->uid, VF_CLOSERS_OF_USER);
    return FALSE;
}

/* An owner waits for nobody, whoever else does. Takes @call. */
static void
on_known(Call *taken)
{
    g_autoptr(Call) call = taken;
    g_autoptr(GError) error = NULL;

    if (!check_descriptors(call, &error)) {
        refuse(call, error);
    } else if (is_owner(call)) {
        dispatch(call);
    } else if (start_waiting(call)) {
        ask_authority(call->gate, call->invocation,
                      get_annotation(call->invocation, VF_ANNOTATION_ACTION), on_checked, call);
        call = NULL; /* on_checked() has it */
    }
}

static void
on_resolved(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Call) call = data;
    g_autoptr(GError) error = NULL;

    stop_waiting(call);
    if (vf_senders_resolve_finish(VF_SENDERS(source), result, &call->uid, &error))
        on_known(g_steal_pointer(&call));
    else
        refuse(call, error);
}

static gboolean
begin(gpointer data)
{
    g_autoptr(Call) call = data;
    const char *action = get_annotation(call->invocation, VF_ANNOTATION_ACTION);
    const char *sender = get_sender(call);

    if (!action || !sender) {
        g_autofree char *method = describe_method(call->invocation);
        g_autoptr(GError) error =
            g_error_new(VFERRY_ERROR, VFERRY_ERROR_NOT_AUTHORIZED,
                        _("%s is denied: nothing says who may call it"), method);

        refuse(call, error);
        return G_SOURCE_REMOVE;
    }
    call->uid = vf_senders_get_uid(call->gate->senders, sender);
    if (call->uid != UID_UNKNOWN) {
        on_known(g_steal_pointer(&call));
    } else if (start_waiting(call)) {
        vf_senders_resolve_async(call->gate->senders, sender, on_resolved, call);
        call = NULL; /* on_resolved() has it */
    }
    return G_SOURCE_REMOVE;
}

/* Calls may have to wait, public ones included (model-calls.c), and GDBus has parsed their
 * arguments into trees, which take some 160 bytes for each leaf, be it but one letter. A block
 * takes its size. One of each argument: the message keeps the first by itself. */
static void
make_blocks(GVariant *arguments)
{
    gsize n = g_variant_n_children(arguments);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) argument = g_variant_get_child_value(arguments, i);

        (void)g_variant_get_data(argument);
    }
}

/* In a worker thread of GDBus: looks at nothing but what never changes. FALSE: the invocation is
 * ours now. */
static gboolean
on_authorize_method(GDBusInterfaceSkeleton *skeleton, GDBusMethodInvocation *invocation,
                    gpointer data)
{
    const Guard *guard = data;
    g_autoptr(GSource) source = NULL;
    GVariant *arguments = g_dbus_method_invocation_get_parameters(invocation);
    Call *call;

    make_blocks(arguments);
    if (g_strcmp0(get_annotation(invocation, VF_ANNOTATION_ACTION), VF_ACTION_PUBLIC) == 0)
        return TRUE;
    call = g_new0(Call, 1);
    call->gate = g_object_ref(guard->gate);
    call->skeleton = g_object_ref(skeleton);
    call->invocation = invocation;
    call->size = g_variant_get_size(arguments);
    call->uid = UID_UNKNOWN;
    call->owner = guard->owner;
    call->owner_data = guard->owner_data;
    /* not g_main_context_invoke(), which may run it right here while nobody iterates the context */
    source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, begin, call, NULL);
    g_source_attach(source, guard->gate->context);
    return FALSE;
}

void
vf_gate_guard(VfGate *self, GDBusInterfaceSkeleton *skeleton, VfGateOwnerFunc owner,
              gpointer owner_data)
{
    Guard *guard = g_new0(Guard, 1);

    guard->gate = g_object_ref(self);
    guard->owner = owner;
    guard->owner_data = owner_data;
    g_signal_connect_data(skeleton, "g-authorize-method", G_CALLBACK(on_authorize_method), guard,
                          guard_free, 0);
}

gboolean
vf_gate_export(VfGate *self, GDBusConnection *connection, GDBusInterfaceSkeleton *skeleton,
               const char *path, GError **error)
{
    vf_gate_guard(self, skeleton, NULL, NULL);
    return g_dbus_interface_skeleton_export(skeleton, connection, path, error);
}

/* One more action of a call. */
typedef struct {
    char *method;
    char *sender;
    char *action;
} Check;

static void
check_free(gpointer data)
{
    Check *check = data;

    g_free(check->method);
    g_free(check->sender);
    g_free(check->action);
    g_free(check);
}

static void
on_checked_more(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const Check *check = g_task_get_task_data(task);
    GError *error = NULL;

    if (vf_authority_check_finish(VF_AUTHORITY(source), result, &error)) {
        g_task_return_boolean(task, TRUE);
        return;
    }
    vf_log(G_LOG_LEVEL_INFO, VF_ABOUT(.sender = check->sender, .action = check->action),
           "%s is refused to %s: %s", check->method, check->sender, error->message);
    g_task_return_error(task, error);
}

void
vf_gate_check_async(VfGate *self, GDBusMethodInvocation *invocation, const char *action,
                    GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(self, NULL, callback, data);
    Check *check = g_new0(Check, 1);

    check->method = describe_method(invocation);
    check->sender = g_strdup(g_dbus_method_invocation_get_sender(invocation));
    check->action = g_strdup(action);
    g_task_set_source_tag(task, vf_gate_check_async);
    g_task_set_task_data(task, check, check_free);
    ask_authority(self, invocation, action, on_checked_more, task);
}

gboolean
vf_gate_check_finish(VfGate *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

VfClosers *
vf_gate_get_closers(VfGate *self)
{
    return self->closers;
}

guint32
vf_gate_get_sender_uid(VfGate *self, const char *sender)
{
    return vf_senders_get_uid(self->senders, sender);
}

VfGate *
vf_gate_new(GDBusConnection *connection, VfAuthority *authority)
{
    VfGate *self = g_object_new(VF_TYPE_GATE, NULL);

    self->connection = g_object_ref(connection);
    self->closers = vf_closers_new();
    vf_arrivals_watch(connection, self->closers);
    self->senders = vf_senders_new(connection);
    self->authority = g_object_ref(authority);
    return self;
}

static void
vf_gate_finalize(GObject *object)
{
    VfGate *self = VF_GATE(object);

    g_clear_object(&self->authority);
    g_clear_object(&self->senders);
    vf_closers_unref(self->closers);
    g_clear_object(&self->connection);
    g_ptr_array_unref(self->waiting);
    g_main_context_unref(self->context);
    G_OBJECT_CLASS(vf_gate_parent_class)->finalize(object);
}

static void
vf_gate_class_init(VfGateClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_gate_finalize;
}

static void
vf_gate_init(VfGate *self)
{
    self->context = g_main_context_ref_thread_default();
    self->waiting = g_ptr_array_new();
}
