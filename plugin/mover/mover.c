/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "mover.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>

#include "control.h"
#include "error.h"
#include "io.h"
#include "log.h"
#include "mover-log.h"
#include "mover-message.h"
#include "mover-order.h"
#include "spawn.h"

/* A mover that has given its result has nothing left to do but exit. */
#define EXIT_SECONDS 5
/* What a mover may say: twice what docs/mover-control.md has it say, and at once more than its
 * socket (VF_CONTROL_ROOM) and its queue hold after a restart of the daemon. Each word costs us a
 * signal on the bus. */
#define WORDS_PER_SECOND 20
#define WORDS_AT_ONCE 1024

struct _VfMover {
    GObject parent_instance;
    const char *program;
    char *socket; /* that it is served at; NULL: it is started here */
    char *verb;
    char *job; /* NULL: of none, or of one that the verb does not say */
    GVariant *args;
    int fds[VF_CONTROL_FDS_MAX];
    guint n_fds;

    int control;
    guint watch;
    guint exit_timer;
    GSubprocess *process; /* NULL: adopted, or not started yet */
    int pidfd;
    guint pidfd_watch;
    gboolean kill_wanted; /* before there was a process */
    gboolean ended;
    VfMoverOrder order;
    guint words_left;
    gint64 words_time; /* when some were added to it */
    VfMoverReply *reply;
    GError *error;
};

G_DEFINE_FINAL_TYPE(VfMover, vf_mover, G_TYPE_OBJECT)

static void
close_fds(VfMover *self)
{
    for (guint i = 0; i < self->n_fds; i++)
        vf_io_close_in_thread(&self->fds[i], NULL, NULL); /* a lender's may hold any close */
    self->n_fds = 0;
}

static void
vf_mover_finalize(GObject *object)
{
    VfMover *self = VF_MOVER(object);

    close_fds(self);
    vf_io_clear_fd(&self->control);
    vf_io_clear_fd(&self->pidfd);
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_handle_id(&self->pidfd_watch, g_source_remove);
    g_clear_handle_id(&self->exit_timer, g_source_remove);
    g_clear_object(&self->process);
    g_clear_pointer(&self->reply, vf_mover_reply_free);
    g_clear_pointer(&self->args, g_variant_unref);
    g_clear_error(&self->error);
    g_free(self->socket);
    g_free(self->verb);
    g_free(self->job);
    G_OBJECT_CLASS(vf_mover_parent_class)->finalize(object);
}

static void
add_signal(VfMoverClass *class, const char *name, guint n_params, GType first, GType second)
{
    g_signal_new(name, G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                 G_TYPE_NONE, n_params, first, second);
}

static void
vf_mover_class_init(VfMoverClass *class)
{
    G_OBJECT_CLASS(class)->finalize = vf_mover_finalize;
    add_signal(class, "started", 0, G_TYPE_NONE, G_TYPE_NONE);
    add_signal(class, "said", 1, G_TYPE_POINTER, G_TYPE_NONE);
    add_signal(class, "listening", 2, G_TYPE_STRING, G_TYPE_UINT);
    add_signal(class, "attached", 1, G_TYPE_STRING, G_TYPE_NONE);
    add_signal(class, "phase", 1, G_TYPE_STRING, G_TYPE_NONE);
    add_signal(class, "progress", 1, G_TYPE_POINTER, G_TYPE_NONE);
    add_signal(class, "ended", 1, G_TYPE_POINTER, G_TYPE_NONE);
}

static void
vf_mover_init(VfMover *self)
{
    self->control = -1;
    self->pidfd = -1;
    self->words_left = WORDS_AT_ONCE;
    self->words_time = g_get_monotonic_time();
}

VfMover *
vf_mover_new(const char *program, const char *verb, GVariant *args, const int *fds, guint n_fds)
{
    VfMover *self = g_object_new(VF_TYPE_MOVER, NULL);

    g_return_val_if_fail(n_fds <= VF_CONTROL_FDS_MAX, self);
    self->program = program;
    self->verb = g_strdup(verb);
    vf_mover_order_begin(&self->order, self->verb);
    self->args = g_variant_ref_sink(args ? args : g_variant_new("a{sv}", NULL));
    g_variant_lookup(self->args, "job", "s", &self->job);
    for (guint i = 0; i < n_fds && !self->error; i++) {
        self->fds[i] = vf_io_dup(fds[i], &self->error);
        self->n_fds = i + 1;
    }
    return self;
}

VfMover *
vf_mover_new_served(const char *socket, const char *program, const char *verb, GVariant *args,
                    const int *fds, guint n_fds)
{
    VfMover *self = vf_mover_new(program, verb, args, fds, n_fds);

    self->socket = g_strdup(socket);
    return self;
}

VfMover *
vf_mover_adopt(const char *program, const char *verb, int control, int process,
               const VfMoverPast *past)
{
    VfMover *self = g_object_new(VF_TYPE_MOVER, NULL);

    self->program = program;
    self->verb = g_strdup(verb);
    self->job = g_strdup(past->job);
    vf_mover_order_resume(&self->order, self->verb, past->phase);
    self->control = control;
    self->pidfd = process;
    if (past->said) {
        self->reply = g_new0(VfMoverReply, 1);
        self->reply->outcome = past->said;
        self->reply->flags = g_new0(char *, 1);
        self->reply->state = g_strdup("");
        self->reply->fd = -1;
        self->reply->args = g_variant_ref_sink(g_variant_new("a{sv}", NULL)); /* not kept */
    }
    return self;
}

int
vf_mover_get_control(VfMover *self)
{
    return self->control;
}

int
vf_mover_get_process(VfMover *self)
{
    return self->pidfd;
}

static void
take_error(VfMover *self, GError *error)
{
    if (!self->error)
        self->error = error;
    else
        g_error_free(error);
}

static void
emit_ended(VfMover *self)
{
    self->ended = TRUE;
    g_clear_handle_id(&self->watch, g_source_remove);
    g_clear_handle_id(&self->exit_timer, g_source_remove);
    vf_io_clear_fd(&self->control);
    vf_io_clear_fd(&self->pidfd);
    g_signal_emit_by_name(self, "ended", self->reply);
    g_object_unref(self); /* of vf_mover_start() */
}

static gboolean
on_exit_deadline(gpointer data)
{
    VfMover *self = data;

    self->exit_timer = 0;
    g_warning("%s %s did not exit within %d s of its last word", self->program, self->verb,
              EXIT_SECONDS);
    vf_mover_kill(self);
    return G_SOURCE_REMOVE;
}

static void
start_exit_timer(VfMover *self)
{
    if (!self->exit_timer)
        self->exit_timer = g_timeout_add_seconds(EXIT_SECONDS, on_exit_deadline, self);
}

static gboolean
handle_result(VfMover *self, VfControlMessage *message, GError **error)
{
    self->reply = vf_mover_message_parse_result(message, error);
    if (!self->reply)
        return FALSE;
    start_exit_timer(self);
    g_signal_emit_by_name(self, "said", self->reply);
    return TRUE;
}

static gboolean
handle_progress(VfMover *self, VfControlMessage *message, GError **error)
{
    g_autoptr(GVariant) bytes = NULL;
    VfProgress progress;

    if (!vf_mover_message_parse_progress(message, &progress, &bytes, error))
        return FALSE;
    g_signal_emit_by_name(self, "progress", &progress);
    return TRUE;
}

static gboolean
handle_listening(VfMover *self, VfControlMessage *message, GError **error)
{
    g_autofree char *address = NULL;
    guint16 port;

    if (!vf_mover_message_parse_listening(message, &address, &port, error))
        return FALSE;
    g_signal_emit_by_name(self, "listening", address, (guint)port);
    return TRUE;
}

static gboolean
handle_attached(VfMover *self, VfControlMessage *message, GError **error)
{
    g_autofree char *address = vf_mover_message_parse_text(message, "peer-address", error);

    if (address)
        g_signal_emit_by_name(self, "attached", address);
    return address != NULL;
}

static gboolean
handle_phase(VfMover *self, VfControlMessage *message, GError **error)
{
    g_autofree char *name = vf_mover_message_parse_text(message, "phase", error);

    if (!name || !vf_mover_order_take_phase(&self->order, name, error))
        return FALSE;
    g_signal_emit_by_name(self, "phase", name);
    return TRUE;
}

static gboolean
count_word(VfMover *self, GError **error)
{
    gint64 now = g_get_monotonic_time();
    gint64 earned = (now - self->words_time) * WORDS_PER_SECOND / G_USEC_PER_SEC;

    if (earned > 0) {
        self->words_left = (guint)MIN(WORDS_AT_ONCE, self->words_left + earned);
        self->words_time = now;
    }
    if (self->words_left == 0) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover has said more than it may: its %d messages are used up, and %d "
                      "a second are added"),
                    WORDS_AT_ONCE, WORDS_PER_SECOND);
        return FALSE;
    }
    self->words_left--;
    return TRUE;
}

/* A mover opens a device and hands it over; it has nothing else to give. */
static gboolean
check_descriptors(VfMover *self, const VfControlMessage *message, GError **error)
{
    guint max = g_str_equal(self->verb, "open") && g_str_equal(message->verb, "result") ? 1 : 0;

    if (message->n_fds <= max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the mover's “%s” message has %u descriptors, and %u may be there"),
                message->verb, message->n_fds, max);
    return FALSE;
}

static const struct {
    const char *word;
    gboolean (*handle)(VfMover *self, VfControlMessage *message, GError **error);
} words[] = {
    {"result", handle_result},     {"progress", handle_progress}, {"listening", handle_listening},
    {"attached", handle_attached}, {"phase", handle_phase},
};

static gboolean
handle(VfMover *self, VfControlMessage *message, GError **error)
{
    const char *word = message->verb;

    if (!count_word(self, error) || !check_descriptors(self, message, error))
        return FALSE;
    if (self->reply) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the mover said “%s” after its result"), word);
        return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(words[i].word, word))
            return vf_mover_order_take(&self->order, word, error) &&
                   words[i].handle(self, message, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, _("the mover said “%s”, which is unknown"),
                word);
    return FALSE;
}

/* One message. FALSE when there is none now, or never again: @ended. */
static gboolean
receive_one(VfMover *self, gboolean *ended)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfControlMessage) message = vf_control_receive(self->control, &error);

    if (message && handle(self, message, &error))
        return TRUE;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return FALSE;
    *ended = TRUE;
    if (error)
        vf_mover_blame(self, g_steal_pointer(&error));
    return FALSE;
}

static void conclude(VfMover *self);

static gboolean
on_control(gint fd, GIOCondition condition, gpointer data)
{
    VfMover *self = data;
    gboolean ended = FALSE;

    receive_one(self, &ended);
    if (!ended)
        return G_SOURCE_CONTINUE;
    self->watch = 0; /* what is left is its exit */
    if (self->socket)
        conclude(self);
    else
        start_exit_timer(self);
    return G_SOURCE_REMOVE;
}

static void
describe_exit(VfMover *self)
{
    if (self->socket)
        take_error(self, g_error_new(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                     _("%s has hung up without a result"), self->program));
    else if (!self->process)
        take_error(self, g_error_new_literal(
                             VFERRY_ERROR, VFERRY_ERROR_FAILED,
                             _("the mover ended without a result, while vferryd was restarted")));
    else if (g_subprocess_get_if_signaled(self->process) &&
             g_subprocess_get_term_sig(self->process) == SIGSYS)
        /* engine/confine.h */
        take_error(self, g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                             _("the mover was killed by its sandbox: it tried a "
                                               "system call that its job does not take")));
    else if (g_subprocess_get_if_signaled(self->process))
        take_error(self,
                   g_error_new(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                               _("the mover was killed by signal %d (%s) before it gave a result"),
                               g_subprocess_get_term_sig(self->process),
                               g_strsignal(g_subprocess_get_term_sig(self->process))));
    else
        take_error(self, g_error_new(VFERRY_ERROR, VFERRY_ERROR_FAILED,
                                     _("the mover exited with status %d without a result"),
                                     g_subprocess_get_exit_status(self->process)));
}

static void
conclude(VfMover *self)
{
    gboolean silent = FALSE;

    /* what it said with its last breath */
    while (self->watch && receive_one(self, &silent))
        continue;
    if (!self->reply) {
        describe_exit(self);
        /* that we killed one is no news: vf_mover_blame() has said why, or somebody wanted it */
        if (!self->kill_wanted)
            vf_log_event(VF_EVENT_MOVER_CRASHED, VF_ABOUT(.job = self->job), "%s %s: %s",
                         self->program, self->verb, self->error->message);
    }
    emit_ended(self);
}

static void
on_exited(GObject *source, GAsyncResult *result, gpointer data)
{
    VfMover *self = data;

    g_subprocess_wait_finish(self->process, result, NULL);
    conclude(self);
}

static gboolean
on_pidfd(gint fd, GIOCondition condition, gpointer data)
{
    VfMover *self = data;

    self->pidfd_watch = 0;
    conclude(self);
    return G_SOURCE_REMOVE;
}

/* A pid that is not reaped yet is nobody else's. */
static void
open_pidfd(VfMover *self)
{
    const char *pid = g_subprocess_get_identifier(self->process);

    if (pid)
        self->pidfd = pidfd_open((pid_t)g_ascii_strtoll(pid, NULL, 10), 0);
    if (!g_subprocess_get_identifier(self->process))
        vf_io_clear_fd(&self->pidfd);
}

static void
on_spawned(GObject *source, GAsyncResult *result, gpointer data)
{
    VfMover *self = data;
    g_autoptr(GError) error = NULL;

    self->process = vf_spawn_finish(result, &error);
    if (!self->process) {
        take_error(self, g_steal_pointer(&error));
        emit_ended(self);
        return;
    }
    vf_mover_log_follow(g_subprocess_get_stdout_pipe(self->process), self->program, self->verb,
                        self->job);
    open_pidfd(self);
    if (self->kill_wanted) {
        vf_mover_kill(self);
    } else {
        /* a fresh socket pair has room for one message of any size that we allow, so that BUSY is
         * an error, too */
        if (!vf_control_send(self->control, self->verb, self->args, self->fds, self->n_fds,
                             &error)) {
            take_error(self, g_steal_pointer(&error));
            vf_mover_kill(self);
        }
        close_fds(self);
    }
    g_signal_emit_by_name(self, "started");
    self->watch = g_unix_fd_add(self->control, G_IO_IN, on_control, self);
    g_subprocess_wait_async(self->process, NULL, on_exited, self);
}

static gboolean
fail_later(gpointer data)
{
    emit_ended(data);
    return G_SOURCE_REMOVE;
}

/* Never waits: where no more connections are taken it is told so. */
static gboolean
connect_to(VfMover *self, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (g_strlcpy(address.sun_path, self->socket, sizeof address.sun_path) >=
        sizeof address.sun_path) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED, _("%s is no path of a socket"),
                    self->socket);
        return FALSE;
    }
    self->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->control < 0 ||
        connect(self->control, (const struct sockaddr *)&address, sizeof address) < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "%s", self->socket);
    return TRUE;
}

static gboolean
start_served(VfMover *self)
{
    if (!connect_to(self, &self->error) || !vf_control_send(self->control, self->verb, self->args,
                                                            self->fds, self->n_fds, &self->error))
        return FALSE;
    close_fds(self);
    self->watch = g_unix_fd_add(self->control, G_IO_IN, on_control, self);
    return TRUE;
}

void
vf_mover_start(VfMover *self)
{
    const char *const argv[] = {self->program, NULL};
    vf_autofd int theirs = -1;

    g_object_ref(self); /* until "ended" */
    if (self->socket) {
        if (self->error || !start_served(self))
            g_idle_add(fail_later, self);
        return;
    }
    if (self->pidfd >= 0) {
        self->watch = g_unix_fd_add(self->control, G_IO_IN, on_control, self);
        self->pidfd_watch = g_unix_fd_add(self->pidfd, G_IO_IN, on_pidfd, self);
        if (self->reply)
            start_exit_timer(self);
        return;
    }
    if (self->error || !vf_control_pair(&self->control, &theirs, &self->error) ||
        !g_unix_set_fd_nonblocking(self->control, TRUE, &self->error)) {
        g_idle_add(fail_later, self);
        return;
    }
    vf_spawn_async(argv, vf_io_steal_fd(&theirs),
                   G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, NULL,
                   on_spawned, self);
}

void
vf_mover_cancel(VfMover *self)
{
    gboolean there = self->process || self->pidfd >= 0;
    g_autoptr(GError) error = NULL;

    if (self->control >= 0 && there && !self->reply &&
        !vf_control_send(self->control, "cancel", NULL, NULL, 0, &error)) {
        g_debug("cannot cancel the mover: %s", error->message); /* it is about to end anyway */
    } else if (!there && !self->ended) { /* it has not been asked for anything yet */
        take_error(self, g_error_new_literal(VFERRY_ERROR, VFERRY_ERROR_CANCELLED,
                                             _("cancelled on request")));
        vf_mover_kill(self);
    }
}

gboolean
vf_mover_tell(VfMover *self, const char *word, GVariant *args, const int *fds, guint n_fds,
              GError **error)
{
    gboolean there = self->process || self->pidfd >= 0 || self->socket;

    if (self->control >= 0 && there && !self->reply)
        return vf_control_send(self->control, word, args, fds, n_fds, error);
    g_variant_unref(g_variant_ref_sink(args));
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, _("%s does not work on it"), self->program);
    return FALSE;
}

void
vf_mover_kill(VfMover *self)
{
    self->kill_wanted = TRUE;
    if (self->ended)
        return;
    if (self->socket && self->control >= 0)
        shutdown(self->control, SHUT_RDWR); /* which it takes for our end, and so is its own */
    else if (self->process)
        g_subprocess_force_exit(self->process);
    else if (self->pidfd >= 0)
        (void)pidfd_send_signal(self->pidfd, SIGKILL, NULL, 0); /* fails only when it has gone */
}

/* Said at once: an error behind a result reaches nobody, and one before it is only a job's. */
void
vf_mover_blame(VfMover *self, GError *error)
{
    vf_log_event(VF_EVENT_MOVER_BROKE_PROTOCOL, VF_ABOUT(.job = self->job),
                 "%s %s has broken its protocol and is killed: %s", self->program, self->verb,
                 error->message);
    take_error(self, error);
    g_clear_handle_id(&self->watch, g_source_remove); /* what else it has said is nothing */
    vf_mover_kill(self);
}

const GError *
vf_mover_get_error(VfMover *self)
{
    return self->error;
}

typedef struct {
    VfMover *mover;
    guint timer;
    gulong handler;
    guint deadline_ms;
    gboolean late;
} Call;

static void
call_free(gpointer data)
{
    Call *call = data;

    g_clear_handle_id(&call->timer, g_source_remove);
    g_clear_signal_handler(&call->handler, call->mover);
    g_object_unref(call->mover);
    g_free(call);
}

static GError *
call_error(VfMover *mover, const Call *call)
{
    if (call->late)
        return g_error_new(VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                           _("the mover's “%s” took longer than %u ms"), mover->verb,
                           call->deadline_ms);
    return g_error_copy(mover->error);
}

static void
on_call_ended(VfMover *mover, VfMoverReply *reply, gpointer data)
{
    g_autoptr(GTask) task = data;
    Call *call = g_task_get_task_data(task);

    g_clear_signal_handler(&call->handler, mover);
    g_clear_handle_id(&call->timer, g_source_remove);
    if (call->late || !reply)
        g_task_return_error(task, call_error(mover, call));
    else
        g_task_return_pointer(task, g_steal_pointer(&mover->reply),
                              (GDestroyNotify)vf_mover_reply_free);
}

static gboolean
on_call_deadline(gpointer data)
{
    Call *call = g_task_get_task_data(data);

    call->timer = 0;
    call->late = TRUE;
    vf_mover_kill(call->mover);
    return G_SOURCE_REMOVE;
}

void
vf_mover_call_async(const char *program, const char *verb, GVariant *args, const int *fds,
                    guint n_fds, guint deadline_ms, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer data)
{
    vf_mover_call_this_async(vf_mover_new(program, verb, args, fds, n_fds), deadline_ms,
                             cancellable, callback, data);
}

void
vf_mover_call_this_async(VfMover *mover, guint deadline_ms, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    Call *call = g_new0(Call, 1);

    g_task_set_source_tag(task, vf_mover_call_this_async);
    g_task_set_check_cancellable(task, FALSE);
    g_task_set_task_data(task, call, call_free);
    call->mover = mover;
    call->deadline_ms = deadline_ms;
    call->handler = g_signal_connect(call->mover, "ended", G_CALLBACK(on_call_ended), task);
    call->timer = g_timeout_add(deadline_ms, on_call_deadline, task);
    vf_mover_start(call->mover);
}

VfMoverReply *
vf_mover_call_finish(GAsyncResult *result, GError **error)
{
    g_autoptr(VfMoverReply) reply = vf_mover_call_finish_reply(result, error);

    if (!reply || !reply->outcome->error)
        return g_steal_pointer(&reply);
    g_propagate_error(error, g_error_copy(reply->outcome->error));
    return NULL;
}

VfMoverReply *
vf_mover_call_finish_reply(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
