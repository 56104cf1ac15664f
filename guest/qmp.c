/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "io.h"
#include "json-get.h"
#include "json-strict.h"
#include "printable.h"

#define WHERE "QMP"
#define READ_SIZE (64 * 1024)
#define WRITE_MS 5000
#define HEAR_MS 50
/* Bytes that a process before this one may have left unread. */
#define LEFT_MAX (16 * 1024 * 1024)
/* Never part of JSON: QEMU's parser drops what it was in the middle of (qobject/json-lexer.c), and
 * says so in an answer to nobody. */
#define RESET "\xff\n"
#define WORDS_MAX 400 /* characters of what it says, in a message of ours */

struct VfQmp {
    int fd;
    VfQmpEventFunc event;
    gpointer user_data;

    GByteArray *bytes; /* that have come and are not taken */
    gsize scanned;     /* of these, with what follows as their state */
    guint depth;
    gboolean in_string;
    gboolean escaped;
    gsize left; /* bytes that were dropped in vf_qmp_resume() */

    gboolean greeted;
    VfQmpVersion version;
    gboolean oob;

    guint64 last;        /* number given to a question */
    GHashTable *answers; /* number -> JsonObject, or NULL before it has come */
    guint n_events;
    GError *broken; /* what ended it */
};

static void
answer_free(gpointer answer)
{
    g_clear_pointer((JsonObject **)&answer, json_object_unref);
}

void
vf_qmp_free(VfQmp *self)
{
    vf_io_clear_fd(&self->fd);
    g_byte_array_unref(self->bytes);
    g_hash_table_unref(self->answers);
    g_clear_error(&self->broken);
    g_free(self);
}

static gboolean
is_connected_unix_stream(int fd)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof domain;
    struct ucred peer;
    socklen_t peer_size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getpeername(fd, &(struct sockaddr){0}, &(socklen_t){sizeof(struct sockaddr)}) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0;
}

VfQmp *
vf_qmp_new(int fd, VfQmpEventFunc event, gpointer user_data, GError **error)
{
    vf_autofd int taken = fd;
    VfQmp *self;

    if (!is_connected_unix_stream(fd)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                            _("the descriptor for QMP is no connected unix stream socket"));
        return NULL;
    }
    self = g_new0(VfQmp, 1);
    self->fd = vf_io_steal_fd(&taken);
    self->event = event;
    self->user_data = user_data;
    self->bytes = g_byte_array_new();
    self->answers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, answer_free);
    return self;
}

/* --- what it says --- */

static gboolean break_off(VfQmp *self, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gboolean
break_off(VfQmp *self, GError **error, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    self->broken = g_error_new_valist(VFERRY_ERROR, VFERRY_ERROR_PEER, format, values);
    va_end(values);
    g_propagate_error(error, g_error_copy(self->broken));
    return FALSE;
}

/* Where the first message ends; 0: it has not ended yet. A monitor with pretty=on writes one over
 * many lines, so that it is its brackets that tell. */
static gsize
find_end(VfQmp *self)
{
    for (; self->scanned < self->bytes->len; self->scanned++) {
        guint8 c = self->bytes->data[self->scanned];

        if (self->escaped) {
            self->escaped = FALSE;
        } else if (self->in_string) {
            self->escaped = c == '\\';
            self->in_string = c != '"';
        } else if (c == '"') {
            self->in_string = TRUE;
        } else if (c == '{' || c == '[') {
            self->depth++;
        } else if ((c == '}' || c == ']') && (self->depth == 0 || --self->depth == 0)) {
            return self->scanned + 1;
        }
    }
    return 0;
}

/* NULL without @error: there is none yet. */
static JsonNode *
next_message(VfQmp *self, GError **error)
{
    static const VfJsonLimits limits = {
        .size = VF_QMP_SIZE_MAX, .depth = VF_QMP_DEPTH_MAX, .large_numbers = TRUE};
    g_autoptr(GError) cause = NULL;
    gsize begin = 0, end;
    JsonNode *node;

    while (self->scanned == 0 && begin < self->bytes->len &&
           strchr(" \t\r\n", self->bytes->data[begin]))
        begin++;
    if (begin > 0)
        g_byte_array_remove_range(self->bytes, 0, (guint)begin);
    if (self->bytes->len > 0 && self->bytes->data[0] != '{') {
        break_off(self, error, _("it does not speak QMP: its message begins with byte %#x"),
                  self->bytes->data[0]);
        return NULL;
    }
    end = find_end(self);
    if (MAX(end, self->scanned) > VF_QMP_SIZE_MAX) {
        break_off(self, error, _("a QMP message has more than %d bytes"), VF_QMP_SIZE_MAX);
        return NULL;
    }
    if (end == 0)
        return NULL;
    node = vf_json_strict_parse_within((const char *)self->bytes->data, (gssize)end, WHERE, &limits,
                                       &cause);
    g_byte_array_remove_range(self->bytes, 0, (guint)end);
    self->scanned = 0;
    if (!node)
        break_off(self, error, "%s", cause->message);
    return node;
}

/* @qemu: nullable. */
static gboolean
take_version(VfQmp *self, JsonObject *qemu, GError **error)
{
    guint64 numbers[3];

    if (!qemu || !vf_json_get_u64(qemu, "major", &numbers[0]) ||
        !vf_json_get_u64(qemu, "minor", &numbers[1]) ||
        !vf_json_get_u64(qemu, "micro", &numbers[2]) ||
        MAX(MAX(numbers[0], numbers[1]), numbers[2]) > G_MAXUINT16)
        return break_off(self, error, _("QEMU does not say which version it is"));
    self->version = (VfQmpVersion){(guint)numbers[0], (guint)numbers[1], (guint)numbers[2]};
    return TRUE;
}

static gboolean
take_greeting(VfQmp *self, JsonObject *greeting, GError **error)
{
    JsonObject *version = vf_json_get_object(greeting, "version");
    JsonArray *offered = vf_json_get_array(greeting, "capabilities");

    if (self->greeted)
        return break_off(self, error, _("QEMU greets twice"));
    if (!take_version(self, version ? vf_json_get_object(version, "qemu") : NULL, error))
        return FALSE;
    for (guint i = 0; offered && i < json_array_get_length(offered); i++) {
        JsonNode *name = json_array_get_element(offered, i);

        if (JSON_NODE_HOLDS_VALUE(name) && g_strcmp0(json_node_get_string(name), "oob") == 0)
            self->oob = TRUE;
    }
    self->greeted = TRUE;
    return TRUE;
}

static gboolean
take_answer(VfQmp *self, JsonObject *message, GError **error)
{
    guint64 number = 0;
    gpointer known = NULL;

    if (!vf_json_get_u64(message, "id", &number) ||
        !g_hash_table_lookup_extended(self->answers, &number, NULL, &known) || known) {
        JsonObject *refusal = vf_json_get_object(message, "error");
        const char *words = refusal ? vf_json_get_string(refusal, "desc") : NULL;
        g_autofree char *shown = vf_printable(words ? words : "", WORDS_MAX);

        return break_off(self, error, _("QEMU answers what nobody asked: “%s”"), shown);
    }
    g_hash_table_insert(self->answers, g_memdup2(&number, sizeof number), json_object_ref(message));
    return TRUE;
}

static gboolean
take_message(VfQmp *self, JsonObject *message, GError **error)
{
    JsonObject *greeting = vf_json_get_object(message, "QMP");
    const char *event = vf_json_get_string(message, "event");

    if (greeting)
        return take_greeting(self, greeting, error);
    if (json_object_has_member(message, "return") || vf_json_get_object(message, "error"))
        return take_answer(self, message, error);
    if (!event)
        return break_off(self, error, _("a QMP message is neither an answer nor an event"));
    self->n_events++;
    if (self->event)
        self->event(event, vf_json_get_object(message, "data"), self->user_data);
    return TRUE;
}

static gboolean
read_more(VfQmp *self, GError **error)
{
    guint8 *room;
    guint had = self->bytes->len;
    gssize n;

    g_byte_array_set_size(self->bytes, had + READ_SIZE);
    room = self->bytes->data + had;
    /* The flags of the file may be somebody else's, too. */
    do
        n = recv(self->fd, room, READ_SIZE, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    g_byte_array_set_size(self->bytes, had + (guint)MAX(n, 0));
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))
        return TRUE;
    /* the latter when it had not read all that it was told */
    if (n == 0 || errno == ECONNRESET)
        return break_off(self, error, _("QEMU has closed its monitor"));
    return break_off(self, error, _("QEMU's monitor cannot be read: %s"), g_strerror(errno));
}

/* Whether @wanted (an answer, or, 0, the greeting) has come. */
static gboolean
has_come(const VfQmp *self, guint64 wanted)
{
    return wanted == 0 ? self->greeted : g_hash_table_lookup(self->answers, &wanted) != NULL;
}

#define NOTHING G_MAXUINT64 /* numbers of questions fit into a gint64 */

/* Until @wanted has come, with NOTHING the first event, or @ms have passed and what was there
 * already is heard. Who talks without end is heard for HEAR_MS longer, and no more. */
static gboolean
hear(VfQmp *self, guint64 wanted, guint ms, GError **error)
{
    gint64 until = g_get_monotonic_time() + (gint64)ms * 1000;
    guint n_events = self->n_events;

    if (self->broken) {
        g_propagate_error(error, g_error_copy(self->broken));
        return FALSE;
    }
    for (;;) {
        struct pollfd poller = {.fd = self->fd, .events = POLLIN};
        g_autoptr(JsonNode) message = next_message(self, error);
        gint64 left = until - g_get_monotonic_time();

        if (self->broken || (message && !take_message(self, json_node_get_object(message), error)))
            return FALSE;
        if ((wanted != NOTHING && has_come(self, wanted)) || left < -HEAR_MS * 1000)
            return TRUE;
        if (message)
            continue;
        if (wanted == NOTHING && self->n_events > n_events)
            until = MIN(until, g_get_monotonic_time());
        left = until - g_get_monotonic_time();
        if (poll(&poller, 1, (int)((MAX(left, 0) + 999) / 1000)) > 0) {
            if (!read_more(self, error))
                return FALSE;
        } else if (left <= 0) {
            return TRUE;
        }
    }
}

/* --- what is said to it --- */

gboolean
vf_qmp_greet(VfQmp *self, guint ms, GError **error)
{
    g_autoptr(JsonNode) answer = NULL;
    JsonObject *arguments;

    if (!hear(self, 0, ms, error))
        return FALSE;
    if (!self->greeted)
        return break_off(self, error,
                         _("nothing greets within %u ms: somebody else has this monitor (QEMU "
                           "serves one connection at a time), has spoken over this connection "
                           "already, or it is no QMP"),
                         ms);
    arguments = json_object_new();
    if (self->oob) {
        JsonArray *enable = json_array_new();

        json_array_add_string_element(enable, "oob");
        json_object_set_array_member(arguments, "enable", enable);
    }
    answer = vf_qmp_call(self, "qmp_capabilities", arguments, ms, error);
    return answer != NULL;
}

const VfQmpVersion *
vf_qmp_get_version(const VfQmp *self)
{
    return &self->version;
}

gboolean
vf_qmp_has_oob(const VfQmp *self)
{
    return self->oob;
}

static gboolean
write_all(VfQmp *self, const char *text, gsize size, int fd, GError **error)
{
    gint64 until = g_get_monotonic_time() + WRITE_MS * 1000;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};

    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    while (size > 0) {
        struct iovec part = {(char *)text, size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        struct pollfd poller = {.fd = self->fd, .events = POLLOUT};
        gint64 left = until - g_get_monotonic_time();
        gssize n;

        if (fd >= 0) {
            message.msg_control = &control;
            message.msg_controllen = sizeof control;
        }
        n = sendmsg(self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            text += n;
            size -= (gsize)n;
            fd = -1; /* it went with the first byte */
        } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            return break_off(self, error, _("QEMU's monitor cannot be written to: %s"),
                             g_strerror(errno));
        } else if (left <= 0) {
            return break_off(self, error, _("QEMU has not read its monitor for %d ms"), WRITE_MS);
        } else {
            poll(&poller, 1, (int)(left / 1000));
        }
    }
    return TRUE;
}

guint64
vf_qmp_send(VfQmp *self, const char *command, JsonObject *arguments, VfQmpTurn turn, int fd,
            GError **error)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    JsonObject *question = json_object_new();
    guint64 number = self->last + 1;

    json_node_take_object(node, question);
    json_object_set_string_member(question, turn == VF_QMP_OUT_OF_BAND ? "exec-oob" : "execute",
                                  command);
    if (arguments)
        json_object_set_object_member(question, "arguments", arguments);
    json_object_set_int_member(question, "id", (gint64)number);
    if (self->broken) {
        g_propagate_error(error, g_error_copy(self->broken));
        return 0;
    }
    if (turn == VF_QMP_OUT_OF_BAND && !self->oob) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("QEMU %u.%u takes no command out of band over this monitor"),
                    self->version.major, self->version.minor);
        return 0;
    }
    if (g_hash_table_size(self->answers) >= VF_QMP_WAITING_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("%d commands wait for QEMU's answer already"), VF_QMP_WAITING_MAX);
        return 0;
    }
    text = json_to_string(node, FALSE);
    line = g_strconcat(text, "\n", NULL);
    if (!write_all(self, line, strlen(line), fd, error))
        return 0;
    self->last = number;
    g_hash_table_insert(self->answers, g_memdup2(&number, sizeof number), NULL);
    return number;
}

gboolean
vf_qmp_take(VfQmp *self, guint64 question, guint ms, JsonNode **answer, GError **error)
{
    JsonObject *message;
    JsonObject *refusal;

    *answer = NULL;
    if (!has_come(self, question) && !hear(self, question, ms, error))
        return FALSE;
    message = g_hash_table_lookup(self->answers, &question);
    if (!message)
        return TRUE;
    refusal = vf_json_get_object(message, "error");
    if (refusal) {
        const char *words = vf_json_get_string(refusal, "desc");
        g_autofree char *shown = vf_printable(words ? words : "", WORDS_MAX);

        g_set_error(error, VFERRY_ERROR,
                    g_strcmp0(vf_json_get_string(refusal, "class"), "CommandNotFound") == 0
                        ? VFERRY_ERROR_NOT_SUPPORTED
                        : VFERRY_ERROR_FAILED,
                    _("QEMU %u.%u refuses: %s"), self->version.major, self->version.minor, shown);
    } else {
        *answer = json_node_ref(json_object_get_member(message, "return"));
    }
    g_hash_table_remove(self->answers, &question);
    return *answer != NULL;
}

JsonNode *
vf_qmp_call(VfQmp *self, const char *command, JsonObject *arguments, guint ms, GError **error)
{
    guint64 question = vf_qmp_send(self, command, arguments, VF_QMP_IN_TURN, -1, error);
    JsonNode *answer = NULL;

    if (question == 0)
        return NULL;
    if (!vf_qmp_take(self, question, ms, &answer, error)) {
        g_prefix_error(error, "%s: ", command);
        return NULL;
    }
    if (!answer)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("QEMU has not answered “%s” for %u ms"), command, ms);
    return answer;
}

/* --- a connection that is not new --- */

/* QEMU writes a message in one line, and with pretty=on in lines of which only the first and the
 * last begin with a bracket; no string has a line's end in it. So the next message, whatever was
 * cut off before it, is found by its lines. The size of the first whole one; 0: there is none. */
static gsize
find_line_end(const VfQmp *self)
{
    const guint8 *bytes = self->bytes->data;
    const guint8 *end = self->bytes->len ? memchr(bytes, '\n', self->bytes->len) : NULL;

    if (!end || bytes[0] != '{' || strchr("\r\n", bytes[1]) == NULL)
        return end ? (gsize)(end - bytes) + 1 : 0;
    for (const guint8 *next = end + 1; next < bytes + self->bytes->len; next = end + 1) {
        end = memchr(next, '\n', (gsize)(bytes + self->bytes->len - next));
        if (!end)
            break;
        if (*next == '}')
            return (gsize)(end - bytes) + 1;
    }
    return 0;
}

/* The answer to @question; NULL: not yet, or with @error never. */
static JsonObject *
take_old(VfQmp *self, guint64 question, GError **error)
{
    static const VfJsonLimits limits = {
        .size = VF_QMP_SIZE_MAX, .depth = VF_QMP_DEPTH_MAX, .large_numbers = TRUE};
    gsize size;

    while ((size = find_line_end(self)) > 0) {
        g_autoptr(JsonNode) node = vf_json_strict_parse_within((const char *)self->bytes->data,
                                                               (gssize)size, WHERE, &limits, NULL);
        JsonObject *message = node ? json_node_get_object(node) : NULL;
        guint64 number;

        g_byte_array_remove_range(self->bytes, 0, (guint)size);
        self->left += size;
        if (message && json_object_has_member(message, "return") &&
            vf_json_get_u64(message, "id", &number) && number == question)
            return json_object_ref(message);
    }
    if (self->left + self->bytes->len > LEFT_MAX)
        break_off(self, error, _("more than %d bytes that nobody has read come from QEMU"),
                  LEFT_MAX);
    return NULL;
}

static JsonObject *
await_old(VfQmp *self, guint64 question, guint ms, GError **error)
{
    gint64 until = g_get_monotonic_time() + (gint64)ms * 1000;
    gint64 left = 0;

    do {
        struct pollfd poller = {.fd = self->fd, .events = POLLIN};
        JsonObject *message = take_old(self, question, error);

        if (message || self->broken)
            return message;
        left = until - g_get_monotonic_time();
        if (poll(&poller, 1, (int)((MAX(left, 0) + 999) / 1000)) > 0 && !read_more(self, error))
            return NULL;
    } while (left > 0);
    break_off(self, error, _("QEMU has not answered over a connection that is not new for %u ms"),
              ms);
    return NULL;
}

gboolean
vf_qmp_resume(VfQmp *self, gboolean oob, guint ms, GError **error)
{
    g_autoptr(JsonObject) message = NULL;
    JsonObject *version = NULL;
    guint32 base = 0;
    guint64 question;

    /* not the numbers of whoever spoke before */
    if (!vf_io_random(&base, sizeof base, error))
        return FALSE;
    self->last = (guint64)base << 24;
    self->oob = oob;
    self->greeted = TRUE;
    if (!write_all(self, RESET, strlen(RESET), -1, error))
        return FALSE;
    question = vf_qmp_send(self, "query-version", NULL, VF_QMP_IN_TURN, -1, error);
    if (question == 0)
        return FALSE;
    message = await_old(self, question, ms, error);
    if (!message)
        return FALSE;
    g_hash_table_remove(self->answers, &question);
    version = vf_json_get_object(message, "return");
    return take_version(self, version ? vf_json_get_object(version, "qemu") : NULL, error);
}

gboolean
vf_qmp_listen(VfQmp *self, guint ms, GError **error)
{
    return hear(self, NOTHING, ms, error);
}
