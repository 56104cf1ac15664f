/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command channel of a test guest: takes requests from the rig over a virtio serial port, runs
 * them as shell commands, several at a time, and sends back what they print and how they end.
 *
 * Every message is a frame: u32 length of the rest, u8 type, u32 id, payload; little endian. The
 * rig chooses ids. tests/kernel/rig/agent.py is the other end.
 *
 *   to the guest   E  start: u32 deadline in ms (0: none), u32 output limit in bytes, u8 flags,
 *                     user NUL, command NUL, first bytes of standard input
 *                  I  more standard input; an empty one closes it
 *                  K  u32 signal, to the command's whole process group
 *                  P  ping; answered by P
 *   to the rig     H  hello, once the agent listens: u32 protocol version
 *                  O  standard output      R  standard error
 *                  X  the end: u8 how, u8 whether output was cut at the limit, u32 value, text
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>
#include <glib.h>

#define PROTOCOL_VERSION 1
#define FRAME_HEADER 5
#define MAX_FRAME (64u << 20)
#define CHUNK (64u << 10)
/* Output of processes that outlive their shell is not waited for longer than this. */
#define DRAIN_MS 100
/* A killed command that the kernel does not let go of is reported, not waited for. */
#define UNKILLABLE_MS 3000

enum {
    FLAG_KEEP_STDIN = 1,
};

enum how {
    HOW_EXITED = 0,
    HOW_SIGNALLED = 1,
    HOW_DEADLINE = 2,
    HOW_NOT_STARTED = 3,
};

typedef struct {
    int port;
    GMainLoop *loop;
    GByteArray *received;
    GHashTable *commands;
} Agent;

/* One of a command's two output pipes. */
typedef struct {
    int fd;
    guint source;
    guint8 type;
} Output;

typedef struct {
    Agent *agent;
    guint32 id;
    GPid pid;
    guint64 limit;
    gboolean cut;
    gboolean reaped;
    gboolean late;
    int status;
    Output outputs[2];
    int input;
    guint input_source;
    gboolean keep_input;
    GByteArray *pending_input;
    guint child_source;
    guint deadline_source;
    guint drain_source;
} Command;

typedef struct {
    guint32 deadline_ms;
    guint32 limit;
    guint8 flags;
    const char *user;
    const char *line;
    const guint8 *input;
    gsize input_size;
} Request;

/* What runs between fork and exec. */
typedef struct {
    const struct passwd *user;
} Identity;

static guint32
get_u32(const guint8 *bytes)
{
    guint32 value = 0;

    memcpy(&value, bytes, sizeof value);
    return GUINT32_FROM_LE(value);
}

/* The rig always reads; a port nobody is connected to any more has nobody to tell. */
static void
port_write(int port, const guint8 *bytes, gsize size)
{
    while (size > 0) {
        ssize_t written = write(port, bytes, size);

        if (written > 0) {
            bytes += written;
            size -= (gsize)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = port, .events = POLLOUT};

            (void)poll(&wait, 1, 100);
        } else if (written == 0 || errno != EINTR) {
            return;
        }
    }
}

static void
send_frame(Agent *agent, guint8 type, guint32 id, const guint8 *payload, gsize size)
{
    guint8 header[4 + FRAME_HEADER];
    guint32 length = GUINT32_TO_LE((guint32)(FRAME_HEADER + size));

    id = GUINT32_TO_LE(id);
    memcpy(header, &length, sizeof length);
    header[4] = type;
    memcpy(header + 5, &id, sizeof id);
    port_write(agent->port, header, sizeof header);
    port_write(agent->port, payload, size);
}

static void
send_end(Agent *agent, guint32 id, enum how how, gboolean cut, guint32 value, const char *text)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    guint8 flags[2] = {(guint8)how, cut ? 1 : 0};

    value = GUINT32_TO_LE(value);
    g_byte_array_append(payload, flags, sizeof flags);
    g_byte_array_append(payload, (const guint8 *)&value, sizeof value);
    g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
    send_frame(agent, 'X', id, payload->data, payload->len);
}

static void
source_clear(guint *source)
{
    if (*source != 0)
        g_source_remove(*source);
    *source = 0;
}

static void
output_close(Output *output)
{
    source_clear(&output->source);
    if (output->fd >= 0)
        close(output->fd);
    output->fd = -1;
}

static void
input_close(Command *command)
{
    source_clear(&command->input_source);
    if (command->input >= 0)
        close(command->input);
    command->input = -1;
}

static void
command_free(gpointer data)
{
    Command *command = data;

    output_close(&command->outputs[0]);
    output_close(&command->outputs[1]);
    input_close(command);
    source_clear(&command->child_source);
    source_clear(&command->deadline_source);
    source_clear(&command->drain_source);
    g_byte_array_unref(command->pending_input);
    g_free(command);
}

static void
command_end(Command *command)
{
    Agent *agent = command->agent;

    if (command->late)
        send_end(agent, command->id, HOW_DEADLINE, command->cut, 0,
                 command->reaped ? "" : "killed, and the kernel does not let it go");
    else if (WIFSIGNALED(command->status))
        send_end(agent, command->id, HOW_SIGNALLED, command->cut,
                 (guint32)WTERMSIG(command->status), "");
    else
        send_end(agent, command->id, HOW_EXITED, command->cut,
                 (guint32)WEXITSTATUS(command->status), "");
    g_hash_table_remove(agent->commands, GUINT_TO_POINTER(command->id));
}

static gboolean
on_drained(gpointer data)
{
    Command *command = data;

    command->drain_source = 0;
    command_end(command);
    return G_SOURCE_REMOVE;
}

static void
forward(Command *command, guint8 type, const guint8 *bytes, gsize size)
{
    gsize allowed = MIN((guint64)size, command->limit);

    command->limit -= allowed;
    command->cut = command->cut || allowed < size;
    if (allowed > 0)
        send_frame(command->agent, type, command->id, bytes, allowed);
}

static gboolean
on_output(int fd, GIOCondition condition, gpointer data)
{
    Command *command = data;
    Output *output = command->outputs[0].fd == fd ? &command->outputs[0] : &command->outputs[1];
    guint8 bytes[CHUNK];
    ssize_t size = read(fd, bytes, sizeof bytes);

    (void)condition;
    if (size > 0) {
        forward(command, output->type, bytes, (gsize)size);
        return G_SOURCE_CONTINUE;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;

    output->source = 0;
    output_close(output);
    if (command->reaped && command->outputs[0].fd < 0 && command->outputs[1].fd < 0)
        command_end(command);
    return G_SOURCE_REMOVE;
}

static gboolean
on_input(int fd, GIOCondition condition, gpointer data)
{
    Command *command = data;
    GByteArray *pending = command->pending_input;
    ssize_t written = 0;

    (void)condition;
    if (pending->len > 0)
        written = write(fd, pending->data, MIN(pending->len, CHUNK));
    if (written > 0)
        g_byte_array_remove_range(pending, 0, (guint)written);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
        /* The command reads no more; that is its own business. */
        g_byte_array_set_size(pending, 0);
        command->keep_input = FALSE;
    }
    if (pending->len > 0)
        return G_SOURCE_CONTINUE;

    command->input_source = 0;
    if (!command->keep_input)
        input_close(command);
    return G_SOURCE_REMOVE;
}

static void
input_start(Command *command)
{
    if (command->input >= 0 && command->input_source == 0)
        command->input_source = g_unix_fd_add(command->input, G_IO_OUT, on_input, command);
}

static void
on_child(GPid pid, int status, gpointer data)
{
    Command *command = data;

    (void)pid;
    command->child_source = 0;
    command->reaped = TRUE;
    command->status = status;
    source_clear(&command->deadline_source);
    source_clear(&command->drain_source);
    if (command->outputs[0].fd < 0 && command->outputs[1].fd < 0)
        command_end(command);
    else
        command->drain_source = g_timeout_add(DRAIN_MS, on_drained, command);
}

static gboolean
on_deadline(gpointer data)
{
    Command *command = data;

    command->deadline_source = 0;
    command->late = TRUE;
    kill(-command->pid, SIGKILL);
    command->drain_source = g_timeout_add(UNKILLABLE_MS, on_drained, command);
    return G_SOURCE_REMOVE;
}

/* Runs in the child: a process group to kill it by, and the user it shall be. */
static void
become(gpointer data)
{
    const Identity *identity = data;
    const struct passwd *user = identity->user;

    if (setsid() < 0 || initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0)
        _exit(126);
}

static char **
environment_of(const struct passwd *user)
{
    char **environment = g_new0(char *, 7);

    environment[0] = g_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
    environment[1] = g_strdup_printf("HOME=%s", user->pw_dir);
    environment[2] = g_strdup_printf("USER=%s", user->pw_name);
    environment[3] = g_strdup_printf("LOGNAME=%s", user->pw_name);
    environment[4] = g_strdup("LANG=C.UTF-8");
    environment[5] = g_strdup("SYSTEMD_PAGER=cat");
    return environment;
}

static void
command_watch(Command *command, const Request *request)
{
    for (guint i = 0; i < G_N_ELEMENTS(command->outputs); i++) {
        Output *output = &command->outputs[i];

        g_unix_set_fd_nonblocking(output->fd, TRUE, NULL);
        output->source = g_unix_fd_add(output->fd, G_IO_IN | G_IO_HUP, on_output, command);
    }
    g_unix_set_fd_nonblocking(command->input, TRUE, NULL);
    g_byte_array_append(command->pending_input, request->input, (guint)request->input_size);
    input_start(command);
    command->child_source = g_child_watch_add(command->pid, on_child, command);
    if (request->deadline_ms > 0)
        command->deadline_source = g_timeout_add(request->deadline_ms, on_deadline, command);
}

static void
command_start(Agent *agent, guint32 id, const Request *request)
{
    const char *argv[] = {"/bin/bash", "-c", request->line, NULL};
    g_auto(GStrv) environment = NULL;
    g_autoptr(GError) error = NULL;
    Identity identity = {getpwnam(request->user)};
    Command *command;

    if (identity.user == NULL) {
        g_autofree char *text = g_strdup_printf("there is no user '%s'", request->user);

        send_end(agent, id, HOW_NOT_STARTED, FALSE, 0, text);
        return;
    }
    environment = environment_of(identity.user);
    command = g_new0(Command, 1);
    command->agent = agent;
    command->id = id;
    command->limit = request->limit;
    command->keep_input = (request->flags & FLAG_KEEP_STDIN) != 0;
    command->pending_input = g_byte_array_new();
    command->outputs[0] = (Output){.fd = -1, .type = 'O'};
    command->outputs[1] = (Output){.fd = -1, .type = 'R'};
    command->input = -1;
    if (!g_spawn_async_with_pipes(identity.user->pw_dir, (char **)argv, environment,
                                  G_SPAWN_DO_NOT_REAP_CHILD, become, &identity, &command->pid,
                                  &command->input, &command->outputs[0].fd, &command->outputs[1].fd,
                                  &error)) {
        send_end(agent, id, HOW_NOT_STARTED, FALSE, 0, error->message);
        command_free(command);
        return;
    }
    g_hash_table_insert(agent->commands, GUINT_TO_POINTER(id), command);
    command_watch(command, request);
}

/* Takes a NUL-terminated string off the front. */
static const char *
take_string(const guint8 **bytes, gsize *size)
{
    const guint8 *start = *bytes;
    const guint8 *end = memchr(start, '\0', *size);

    if (end == NULL)
        return NULL;
    *size -= (gsize)(end - start) + 1;
    *bytes = end + 1;
    return (const char *)start;
}

static void
handle_start(Agent *agent, guint32 id, const guint8 *payload, gsize size)
{
    Request request = {0};

    if (size < 9) {
        send_end(agent, id, HOW_NOT_STARTED, FALSE, 0, "the request is shorter than its header");
        return;
    }
    request.deadline_ms = get_u32(payload);
    request.limit = get_u32(payload + 4);
    request.flags = payload[8];
    payload += 9;
    size -= 9;
    request.user = take_string(&payload, &size);
    request.line = request.user != NULL ? take_string(&payload, &size) : NULL;
    if (request.line == NULL) {
        send_end(agent, id, HOW_NOT_STARTED, FALSE, 0, "the request lacks a user or a command");
        return;
    }
    request.input = payload;
    request.input_size = size;
    command_start(agent, id, &request);
}

static void
handle_frame(Agent *agent, guint8 type, guint32 id, const guint8 *payload, gsize size)
{
    Command *command = g_hash_table_lookup(agent->commands, GUINT_TO_POINTER(id));

    switch (type) {
    case 'E':
        handle_start(agent, id, payload, size);
        break;
    case 'I':
        if (command == NULL)
            break;
        if (size == 0)
            command->keep_input = FALSE;
        g_byte_array_append(command->pending_input, payload, (guint)size);
        input_start(command);
        break;
    case 'K':
        if (command != NULL && !command->reaped && size == 4)
            kill(-command->pid, (int)get_u32(payload));
        break;
    case 'P':
        send_frame(agent, 'P', id, payload, size);
        break;
    default:
        g_warning("a frame of unknown type 0x%02x was ignored", type);
    }
}

static void
handle_received(Agent *agent)
{
    GByteArray *received = agent->received;

    while (received->len >= 4) {
        guint32 length = get_u32(received->data);

        if (length < FRAME_HEADER || length > MAX_FRAME)
            g_error("a frame of %u bytes; frames have %d to %u", length, FRAME_HEADER, MAX_FRAME);
        if (received->len - 4 < length)
            return;
        handle_frame(agent, received->data[4], get_u32(received->data + 5), received->data + 9,
                     length - FRAME_HEADER);
        g_byte_array_remove_range(received, 0, 4 + length);
    }
}

static gboolean on_port(int fd, GIOCondition condition, gpointer data);

static gboolean
on_port_again(gpointer data)
{
    Agent *agent = data;

    g_unix_fd_add(agent->port, G_IO_IN | G_IO_HUP, on_port, agent);
    return G_SOURCE_REMOVE;
}

static gboolean
on_port(int fd, GIOCondition condition, gpointer data)
{
    Agent *agent = data;
    guint8 bytes[CHUNK];
    ssize_t size = read(fd, bytes, sizeof bytes);

    (void)condition;
    if (size > 0) {
        g_byte_array_append(agent->received, bytes, (guint)size);
        handle_received(agent);
        return G_SOURCE_CONTINUE;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    /* Nobody is connected; the port stays readable-with-nothing, so look again later. */
    g_timeout_add(100, on_port_again, agent);
    return G_SOURCE_REMOVE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GByteArray) received = g_byte_array_new();
    g_autoptr(GHashTable) commands =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, command_free);
    guint32 version = GUINT32_TO_LE(PROTOCOL_VERSION);
    Agent agent = {.port = -1, .loop = loop, .received = received, .commands = commands};

    if (argc != 2) {
        g_printerr("usage: rig-agent PORT\n");
        return 3;
    }
    /* A command that reads no more must not end the agent. */
    signal(SIGPIPE, SIG_IGN);
    agent.port = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (agent.port < 0) {
        g_printerr("rig-agent: %s cannot be opened: %s\n", argv[1], g_strerror(errno));
        return 1;
    }
    g_unix_fd_add(agent.port, G_IO_IN | G_IO_HUP, on_port, &agent);
    send_frame(&agent, 'H', 0, (const guint8 *)&version, sizeof version);
    g_main_loop_run(loop);
    return 0;
}
