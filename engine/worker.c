/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "worker.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n-lib.h>

#include "error.h"

#define CONTROL_FD 3
#define PROGRESS_MS 125 /* at most ten a second, with the last one beside them */

typedef struct {
    char *verb;
    GVariant *args; /* owned; NULL for none */
    int fd;         /* borrowed, or -1 */
} Message;

typedef struct {
    int fd;
    GMainContext *context;
    GMainLoop *loop;
    GQueue outbox; /* of Message: what did not fit into the socket yet */
    guint out_watch;
    guint in_watch;
    guint timer;
    gboolean gone; /* the daemon is */
    const VfWorker *kind;
    VfRequest *request;
    VfRequestResult *result;
    GThread *thread;
    VfProgress shown;
} Worker;

/* A message of the session's thread, on its way to this thread. */
typedef struct {
    Worker *worker;
    Message *message;
} Letter;

static void
message_free(gpointer data)
{
    Message *message = data;

    g_free(message->verb);
    g_clear_pointer(&message->args, g_variant_unref);
    g_free(message);
}

static Message *
message_new(const char *verb, GVariant *args, int fd)
{
    Message *message = g_new0(Message, 1);

    message->verb = g_strdup(verb);
    message->args = g_variant_ref_sink(args);
    message->fd = fd;
    return message;
}

static void quit_when_done(Worker *self);

/* The daemon is gone for good: what the session does now is decided by how far it is. */
static void
lose_daemon(Worker *self)
{
    if (self->kind->leaves)
        _exit(EXIT_SUCCESS);
    self->gone = TRUE;
    g_queue_clear_full(&self->outbox, message_free);
    if (self->request && self->request->session)
        vf_cancel_trigger(self->request->session->cancel, VF_CANCEL_ORPHANED);
    quit_when_done(self);
}

/* FALSE: not now. */
static gboolean
deliver(Worker *self, Message *message)
{
    g_autoptr(GError) error = NULL;

    if (vf_control_send(self->fd, message->verb, message->args, &message->fd,
                        message->fd >= 0 ? 1 : 0, &error))
        return TRUE;
    if (g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_BUSY))
        return FALSE;
    if (!g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_PEER))
        g_warning("%s", error->message);
    return TRUE; /* its end of file will be seen, too */
}

static gboolean
flush_outbox(int fd, GIOCondition condition, gpointer data)
{
    Worker *self = data;
    Message *message;

    while ((message = g_queue_peek_head(&self->outbox))) {
        if (!deliver(self, message))
            return G_SOURCE_CONTINUE;
        g_queue_pop_head(&self->outbox);
        message_free(message);
    }
    self->out_watch = 0;
    quit_when_done(self);
    return G_SOURCE_REMOVE;
}

/* Takes ownership of @message. */
static void
post(Worker *self, Message *message)
{
    if (self->gone || (self->out_watch == 0 && deliver(self, message))) {
        message_free(message);
        return;
    }
    g_queue_push_tail(&self->outbox, message);
    if (self->out_watch == 0)
        self->out_watch = g_unix_fd_add(self->fd, G_IO_OUT, flush_outbox, self);
}

static gboolean
on_letter(gpointer data)
{
    Letter *letter = data;

    post(letter->worker, g_steal_pointer(&letter->message));
    return G_SOURCE_REMOVE;
}

/* From its thread. Letters are read in the order in which they were sent. */
static void
send_letter(Worker *self, const char *verb, GVariant *args)
{
    Letter *letter = g_new0(Letter, 1);
    g_autoptr(GSource) source = g_idle_source_new();

    letter->worker = self;
    letter->message = message_new(verb, args, -1);
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, on_letter, letter, g_free);
    g_source_attach(source, self->context);
}

static GVariant *
one_entry(const char *key, GVariant *value)
{
    GVariant *entry =
        g_variant_new_dict_entry(g_variant_new_string(key), g_variant_new_variant(value));

    return g_variant_new_array(G_VARIANT_TYPE("{sv}"), &entry, 1);
}

static void
on_phase(const char *phase, gpointer data)
{
    send_letter(data, "phase", one_entry("phase", g_variant_new_string(phase)));
}

static void
on_attached(const char *address, gpointer data)
{
    send_letter(data, "attached", one_entry("peer-address", g_variant_new_string(address)));
}

static void
on_listening(const char *address, guint16 port, gpointer data)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "address", "s", address);
    g_variant_dict_insert(&dict, "port", "q", port);
    send_letter(data, "listening", g_variant_dict_end(&dict));
}

/* Old progress is worth nothing: while the daemon does not read, none is queued. */
static void
show_progress(Worker *self)
{
    VfSession *session = self->request->session;
    guint n = vf_devices_get_count(session->devices);
    g_autofree guint64 *devices = g_new0(guint64, n);
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    VfProgress now;

    vf_meter_get(session->meter, &now, devices);
    if (self->gone || self->out_watch != 0 ||
        (now.done == self->shown.done && now.total == self->shown.total &&
         now.rate == self->shown.rate && now.dirty == self->shown.dirty))
        return;
    self->shown = now;
    vf_progress_fill(&now, VF_PROGRESS_SAID, &dict);
    post(self, message_new("progress", g_variant_dict_end(&dict), -1));
}

static gboolean
on_timer(gpointer data)
{
    show_progress(data);
    return G_SOURCE_CONTINUE;
}

/* The last message; the process ends when it is out, or nobody is there to take it. */
static gboolean
on_done(gpointer data)
{
    Worker *self = data;

    g_clear_handle_id(&self->timer, g_source_remove);
    g_thread_join(g_steal_pointer(&self->thread));
    if (self->request && self->request->session && self->result->end.statistics)
        show_progress(self);
    post(self, message_new("result", vf_request_result_to_variant(self->result), self->result->fd));
    quit_when_done(self);
    return G_SOURCE_REMOVE;
}

static void
quit_when_done(Worker *self)
{
    if (!self->thread && g_queue_is_empty(&self->outbox))
        g_main_loop_quit(self->loop);
}

static gpointer
work(gpointer data)
{
    Worker *self = data;
    g_autoptr(GSource) source = g_idle_source_new();

    vf_request_result_obtain(self->result, self->request);
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, on_done, self, NULL);
    g_source_attach(source, self->context);
    return NULL;
}

static gboolean
confine(Worker *self, GError **error)
{
    VfSession *session = self->request->session;
    gsize size = 0;

    if (self->kind->keeps && !vf_confine_drop_capabilities(error))
        return FALSE;
    if (!self->kind->confine)
        return TRUE;
    return (!session || !session->record || vf_record_get_size(session->record, &size, error)) &&
           self->kind->confine(self->request->verb->needs, size, error);
}

/* The one request, which is begun or refused. */
static void
take_request(Worker *self, VfControlMessage *message)
{
    GError *error = NULL;

    self->request = vf_request_parse(self->kind->verbs, self->kind->n_verbs, message,
                                     self->kind->adopt, self->kind->data, &error);
    if (!self->request || !confine(self, &error)) {
        vf_request_result_fail(self->result, error);
        self->result->end.untouched = TRUE;
        post(self, message_new("result", vf_request_result_to_variant(self->result), -1));
        quit_when_done(self);
        return;
    }
    if (self->request->session)
        self->request->session->events = (VfSessionEvents){
            .listening = on_listening, .attached = on_attached, .phase = on_phase, .data = self};
    if (self->request->verb->moves)
        self->timer = g_timeout_add(PROGRESS_MS, on_timer, self);
    self->thread = g_thread_new("session", work, self);
}

static void
take_message(Worker *self, VfControlMessage *message)
{
    const VfVerb *verb = self->request ? self->request->verb : NULL;

    if (!verb)
        take_request(self, message);
    else if (g_str_equal(message->verb, "cancel") && self->request->session)
        vf_cancel_trigger(self->request->session->cancel, VF_CANCEL_ASKED);
    else if (!g_str_equal(message->verb, "cancel") &&
             (!self->thread || !verb->hear || !verb->hear(self->request, message)))
        g_warning("message “%.40s” is not known, or not now", message->verb);
}

static gboolean
on_control(int fd, GIOCondition condition, gpointer data)
{
    Worker *self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfControlMessage) message = vf_control_receive(fd, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return G_SOURCE_CONTINUE;
    if (message) {
        take_message(self, message);
        return G_SOURCE_CONTINUE;
    }
    if (error)
        g_warning("%s", error->message);
    self->in_watch = 0;
    lose_daemon(self);
    return G_SOURCE_REMOVE;
}

int
vf_worker_run(int control_fd, const VfWorker *worker)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(VfRequestResult) result = vf_request_result_new();
    g_autoptr(GError) error = NULL;
    Worker self = {.kind = worker,
                   .fd = control_fd,
                   .context = g_main_context_default(),
                   .loop = loop,
                   .outbox = G_QUEUE_INIT,
                   .result = result};

    if (!g_unix_set_fd_nonblocking(control_fd, TRUE, &error)) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    self.in_watch = g_unix_fd_add(control_fd, G_IO_IN | G_IO_HUP, on_control, &self);
    g_main_loop_run(loop);
    g_clear_handle_id(&self.in_watch, g_source_remove);
    g_clear_handle_id(&self.out_watch, g_source_remove);
    g_clear_pointer(&self.request, vf_request_free);
    return 0;
}

static gboolean
is_control_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* GLib's own writer opens a socket to the journal, and the time zone, which the sandbox does not
 * allow; the journal takes the level from the front of a line, too (sd-daemon(3)). */
static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    const VfWorker *worker = data;
    guint priority = level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? LOG_ERR
                     : level & G_LOG_LEVEL_WARNING                      ? LOG_WARNING
                     : level & G_LOG_LEVEL_MESSAGE                      ? LOG_NOTICE
                                                                        : LOG_DEBUG;

    for (gsize i = 0; i < n_fields && priority <= LOG_NOTICE; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            fprintf(stderr, "<%u>%s: %s\n", priority, worker->program,
                    (const char *)fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

static void
print_usage(const VfWorker *worker, FILE *to)
{
    fprintf(to,
            _("%s is started by vferryd, with its control socket as descriptor %d; it is not for "
              "people.\n"),
            worker->program, CONTROL_FD);
}

int
vf_worker_main(int argc, char **argv, const VfWorker *worker)
{
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, LOCALEDIR);
    if (argc == 2 && g_str_equal(argv[1], "--version")) {
        printf("%s %s\n", worker->program, PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && g_str_equal(argv[1], "--help")) {
        print_usage(worker, stdout);
        return EXIT_SUCCESS;
    }
    if (argc != 1 || !is_control_socket(CONTROL_FD)) {
        print_usage(worker, stderr);
        return 3;
    }
    g_log_set_writer_func(write_log, (gpointer)worker, NULL);
    if (!vf_confine_process(CONTROL_FD, worker->keeps, &error)) {
        g_critical("%s", error->message);
        return EXIT_FAILURE;
    }
    return vf_worker_run(CONTROL_FD, worker);
}
