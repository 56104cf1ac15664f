/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "monitor.h"

#include <string.h>
#include <sys/socket.h>

#include <json-glib/json-glib.h>

#include "io.h"

#define GREETING                                                                                   \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 10}, "             \
    "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define ROOM 65536

struct VfMonitor {
    const VfMonitorRow *rows[2];
    int fd;
    GThread *thread;
    GMutex lock; /* of what follows */
    GHashTable *counts;
    GHashTable *set;
    VfMonitorAsked asked;
    gpointer data;
};

void
vf_monitor_say(VfMonitor *self, const char *text)
{
    (void)!send(self->fd, text, strlen(text), MSG_NOSIGNAL); /* whoever does not read has gone */
}

/* What a parser says that was in the middle of something else (qobject/json-parser.c). */
static void
complain(VfMonitor *self)
{
    vf_monitor_say(self, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, "
                         "stray '\\uFFFD'\"}}\r\n");
}

static const char *
find_answer(VfMonitor *self, const char *command, guint nth)
{
    const char *answer = g_hash_table_lookup(self->set, command);

    for (guint i = 0; i < 2 && !answer; i++)
        for (const VfMonitorRow *row = self->rows[i]; row && row->command; row++)
            if (g_str_equal(row->command, command)) {
                answer = row->answer;
                if (nth-- == 0)
                    break;
            }
    return answer;
}

/* FALSE: it hangs up. */
static gboolean
answer(VfMonitor *self, const char *command, gint64 id, int fd)
{
    g_autofree char *text = NULL;
    const char *words, *last;
    guint nth;

    g_mutex_lock(&self->lock);
    nth = GPOINTER_TO_UINT(g_hash_table_lookup(self->counts, command));
    g_hash_table_insert(self->counts, g_strdup(command), GUINT_TO_POINTER(nth + 1));
    g_mutex_unlock(&self->lock);
    if (self->asked)
        self->asked(self, command, id, fd, self->data);
    g_mutex_lock(&self->lock);
    words = find_answer(self, command, nth);
    words = words ? words : g_str_equal(command, "qmp_capabilities") ? "{}" : "?";
    last = strrchr(words, '\n') ? strrchr(words, '\n') + 1 : words;
    text = g_strndup(words, (gsize)(last - words));
    vf_monitor_say(self, text);
    g_free(text);
    text = *last == '!' || *last == '?'
               ? g_strdup_printf("{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}, "
                                 "\"id\": %" G_GINT64_FORMAT "}\r\n",
                                 *last == '?' ? "CommandNotFound" : "GenericError", last + 1, id)
               : g_strdup_printf("{\"return\": %s, \"id\": %" G_GINT64_FORMAT "}\r\n", last, id);
    if (*last && *last != 'x')
        vf_monitor_say(self, text);
    nth = *last == 'x';
    g_mutex_unlock(&self->lock);
    if (nth)
        shutdown(self->fd, SHUT_RDWR);
    return !nth;
}

static gboolean
take_line(VfMonitor *self, const char *line, int fd)
{
    g_autoptr(JsonNode) node = json_from_string(line, NULL);
    JsonObject *question = node ? json_node_get_object(node) : NULL;
    JsonObject *arguments;
    g_autofree char *command = NULL;

    if (!question) {
        complain(self);
        return TRUE;
    }
    arguments = json_object_has_member(question, "arguments")
                    ? json_object_get_object_member(question, "arguments")
                    : NULL;
    command = g_strdup(json_object_get_string_member(question, "execute"));
    for (guint i = 0; i < 2 && g_str_has_prefix(command, "qom-"); i++) {
        const char *key = i == 0 ? "path" : "property";
        char *longer;

        if (!json_object_has_member(arguments, key))
            continue;
        longer = g_strconcat(command, " ", json_object_get_string_member(arguments, key), NULL);
        g_free(command);
        command = longer;
    }
    return answer(self, command, json_object_get_int_member(question, "id"), fd);
}

static gssize
hear(int from, char *at, gsize size, int *fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {at, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    gssize n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);

    if (n > 0 && message.msg_controllen > 0) {
        vf_io_clear_fd(fd);
        memcpy(fd, CMSG_DATA(&control.header), sizeof *fd);
    }
    return n;
}

/* Of a line, or of half a one that is given up. */
static char *
find_end(char *text, gsize size)
{
    for (char *at = text; at < text + size; at++)
        if (*at == '\n' || *at == '\xff')
            return at;
    return NULL;
}

static gpointer
work(gpointer data)
{
    VfMonitor *self = data;
    g_autofree char *line = g_malloc0(ROOM + 1);
    vf_autofd int fd = -1;
    gsize have = 0;
    gssize n;

    while ((n = hear(self->fd, line + have, ROOM - have, &fd)) > 0) {
        char *end;

        have += (gsize)n;
        while ((end = find_end(line, have))) {
            gboolean reset = *end != '\n';

            *end++ = '\0';
            if (reset)
                complain(self);
            else if (*line && !take_line(self, line, fd))
                return NULL;
            have -= (gsize)(end - line);
            memmove(line, end, have);
        }
    }
    return NULL;
}

VfMonitor *
vf_monitor_new(const VfMonitorRow *rows, const VfMonitorRow *more, int *fd)
{
    VfMonitor *self = g_new0(VfMonitor, 1);
    int pair[2];

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    *fd = pair[0];
    self->fd = pair[1];
    self->rows[0] = rows;
    self->rows[1] = more;
    g_mutex_init(&self->lock);
    self->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    vf_monitor_say(self, GREETING);
    self->thread = g_thread_new("monitor", work, self);
    return self;
}

void
vf_monitor_free(VfMonitor *self)
{
    shutdown(self->fd, SHUT_RDWR);
    g_thread_join(self->thread);
    vf_io_clear_fd(&self->fd);
    g_hash_table_unref(self->counts);
    g_hash_table_unref(self->set);
    g_mutex_clear(&self->lock);
    g_free(self);
}

guint
vf_monitor_count(VfMonitor *self, const char *command)
{
    guint n;

    g_mutex_lock(&self->lock);
    n = GPOINTER_TO_UINT(g_hash_table_lookup(self->counts, command));
    g_mutex_unlock(&self->lock);
    return n;
}

void
vf_monitor_follow(VfMonitor *self, VfMonitorAsked asked, gpointer data)
{
    self->asked = asked;
    self->data = data;
}

void
vf_monitor_set(VfMonitor *self, const char *command, const char *answer)
{
    g_mutex_lock(&self->lock);
    g_hash_table_insert(self->set, g_strdup(command), g_strdup(answer));
    g_mutex_unlock(&self->lock);
}
