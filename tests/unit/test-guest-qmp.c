/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "error.h"
#include "io.h"
#include "monitor.h"
#include "qmp.h"

#define GREETING                                                                                   \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 13, \"minor\": 0, \"major\": 10}, "            \
    "\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define MS 20

/* What a QEMU would say is written before it is asked: numbers of questions are known. */
typedef struct {
    VfQmp *qmp;
    int peer;
    GString *events;
} Play;

static void
on_event(const char *name, JsonObject *data, gpointer user_data)
{
    GString *events = user_data;

    g_string_append_printf(events, "%s(%s) ", name,
                           data && json_object_has_member(data, "status")
                               ? json_object_get_string_member(data, "status")
                               : "");
}

static void
say(Play *play, const char *text)
{
    g_assert_true(vf_io_write_all(play->peer, text, strlen(text), NULL));
}

static Play *
play_new(const char *said)
{
    Play *play = g_new0(Play, 1);
    g_autoptr(GError) error = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    play->events = g_string_new(NULL);
    play->peer = pair[1];
    play->qmp = vf_qmp_new(pair[0], on_event, play->events, &error);
    g_assert_no_error(error);
    if (said)
        say(play, said);
    return play;
}

static void
play_free(Play *play)
{
    vf_qmp_free(play->qmp);
    vf_io_clear_fd(&play->peer);
    g_string_free(play->events, TRUE);
    g_free(play);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Play, play_free)

/* Greeted, as question 1. */
static Play *
play_begin(void)
{
    Play *play = play_new(GREETING "{\"return\": {}, \"id\": 1}\r\n");
    g_autoptr(GError) error = NULL;
    char line[256] = "";

    g_assert_true(vf_qmp_greet(play->qmp, 1000, &error));
    g_assert_no_error(error);
    g_assert_cmpint(recv(play->peer, line, sizeof line - 1, 0), >, 0);
    g_assert_cmpstr(line, ==,
                    "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},"
                    "\"id\":1}\n");
    return play;
}

static char *
heard(Play *play)
{
    char line[4096];
    gssize n = recv(play->peer, line, sizeof line, MSG_DONTWAIT);

    return g_strndup(line, n > 0 ? (gsize)n : 0);
}

static void
test_greet(void)
{
    g_autoptr(Play) play = play_begin();
    const VfQmpVersion *version = vf_qmp_get_version(play->qmp);

    g_assert_cmpuint(version->major, ==, 10);
    g_assert_cmpuint(version->minor, ==, 0);
    g_assert_cmpuint(version->micro, ==, 13);
    g_assert_true(vf_qmp_has_oob(play->qmp));
}

static void
test_call(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = NULL;
    g_autofree char *line = NULL;
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "uri", "tcp:\"x\"");
    say(play, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"setup\"}, \"timestamp\": {}}\n"
              "{\n  \"return\": {\n    \"status\": \"a}b\\\"{\"\n  },\n  \"id\": 2\n}\n"
              "{\"event\": \"STOP\"}");
    answer = vf_qmp_call(play->qmp, "migrate", arguments, 1000, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(answer), "status"), ==,
                    "a}b\"{");
    g_assert_cmpstr(play->events->str, ==, "MIGRATION(setup) ");
    g_assert_true(vf_qmp_listen(play->qmp, 0, &error));
    g_assert_cmpstr(play->events->str, ==, "MIGRATION(setup) STOP() ");
    line = heard(play);
    g_assert_cmpstr(
        line, ==, "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"tcp:\\\"x\\\"\"},\"id\":2}\n");
}

/* Whoever has more to do than to wait takes the answer later, in any order. */
static void
test_later(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = NULL;
    guint64 first = vf_qmp_send(play->qmp, "a", NULL, VF_QMP_IN_TURN, -1, &error);
    guint64 second = vf_qmp_send(play->qmp, "b", NULL, VF_QMP_OUT_OF_BAND, -1, &error);

    g_assert_no_error(error);
    g_assert_true(vf_qmp_take(play->qmp, first, 0, &answer, &error));
    g_assert_null(answer);
    say(play, "{\"return\": [], \"id\": 3}{\"return\": 7, \"id\": 2}");
    g_assert_true(vf_qmp_take(play->qmp, first, 1000, &answer, &error));
    g_assert_cmpint(json_node_get_int(answer), ==, 7);
    g_clear_pointer(&answer, json_node_unref);
    g_assert_true(vf_qmp_take(play->qmp, second, 0, &answer, &error));
    g_assert_true(JSON_NODE_HOLDS_ARRAY(answer));
}

static void
test_descriptor(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char bytes[256];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    vf_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int got;

    g_assert_cmpuint(vf_qmp_send(play->qmp, "getfd", NULL, VF_QMP_IN_TURN, null, &error), ==, 2);
    g_assert_no_error(error);
    g_assert_cmpint(recvmsg(play->peer, &message, MSG_CMSG_CLOEXEC), >, 0);
    g_assert_cmpint(control.header.cmsg_type, ==, SCM_RIGHTS);
    memcpy(&got, CMSG_DATA(&control.header), sizeof got);
    g_assert_cmpint(fcntl(got, F_GETFL) & O_ACCMODE, ==, O_RDWR);
    vf_io_clear_fd(&got);
}

static void
test_refusals(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;

    say(play,
        "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no \\u001b[1mway\"}}"
        "{\"id\": 3, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"what\"}}"
        "{\"id\": 4, \"return\": {}}");
    g_assert_null(vf_qmp_call(play->qmp, "migrate", NULL, 1000, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "migrate: QEMU 10.0 refuses: no ?[1mway");
    g_clear_error(&error);
    g_assert_null(vf_qmp_call(play->qmp, "detach", NULL, 1000, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    /* that was no end */
    json_node_unref(vf_qmp_call(play->qmp, "stop", NULL, 1000, &error));
    g_assert_no_error(error);
}

static void
test_silence(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;

    g_assert_null(vf_qmp_call(play->qmp, "stop", NULL, MS, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_cmpstr(error->message, ==, "QEMU has not answered “stop” for 20 ms");
    g_clear_error(&error);
    say(play, "{\"return\": {}, \"id\": 2}"); /* late: it still may */
    g_assert_true(vf_qmp_listen(play->qmp, 0, &error));
    g_assert_no_error(error);
    for (guint i = 0; i < VF_QMP_WAITING_MAX - 1; i++)
        g_assert_cmpuint(vf_qmp_send(play->qmp, "x", NULL, VF_QMP_IN_TURN, -1, &error), >, 0);
    g_assert_cmpuint(vf_qmp_send(play->qmp, "x", NULL, VF_QMP_IN_TURN, -1, &error), ==, 0);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
}

/* Each ends the conversation, and is said again to whoever asks later. */
static void
test_broken(void)
{
    static const struct {
        const char *said;
        const char *message;
    } cases[] = {
        {"SSH-2.0-OpenSSH\r\n", "*does not speak QMP*0x53*"},
        {"[1]", "*does not speak QMP*"},
        {"{\"return\": {}, \"id\": 9}", "*nobody asked*"},
        {"{\"return\": {}}", "*nobody asked*"},
        {"{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}",
         "*nobody asked: “JSON parse error”*"},
        {"{\"hello\": 1}", "*neither an answer nor an event*"},
        {GREETING, "*greets twice*"},
        {"{\"event\": \"A\" \"data\": {}}", "*QMP*"},
        {"{\"event\": \"A\", \"event\": \"B\"}", "*there twice*"},
        {"{\"event\": \"\xff\"}", "*not UTF-8*"},
        {"{]", "*QMP*"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
         "*more than 32 levels*"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Play) play = play_begin();
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) again = NULL;

        say(play, cases[i].said);
        g_assert_false(vf_qmp_listen(play->qmp, MS, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        g_test_message("%s", error->message);
        g_assert_true(g_pattern_match_simple(cases[i].message, error->message));
        g_assert_null(vf_qmp_call(play->qmp, "stop", NULL, 1000, &again));
        g_assert_cmpstr(again->message, ==, error->message);
    }
}

static void
test_no_qmp(void)
{
    g_autoptr(Play) silent = play_new(NULL);
    g_autoptr(Play) old = play_new("{\"QMP\": {\"version\": {\"qemu\": {\"major\": -1}}}}");
    g_autoptr(Play) gone = play_new(GREETING);
    g_autoptr(GError) error = NULL;
    vf_autofd int file = open("/dev/null", O_RDWR | O_CLOEXEC);

    g_assert_false(vf_qmp_greet(silent->qmp, MS, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "somebody else has this monitor"));
    g_clear_error(&error);
    g_assert_false(vf_qmp_greet(old->qmp, MS, &error));
    g_assert_nonnull(strstr(error->message, "which version it is"));
    g_clear_error(&error);
    vf_io_clear_fd(&gone->peer);
    g_assert_false(vf_qmp_greet(gone->qmp, MS, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_clear_error(&error);
    g_assert_null(vf_qmp_new(vf_io_steal_fd(&file), NULL, NULL, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
}

/* Numbers that json-glib would change the sign of; libvirt sets max-bandwidth to one of 19 digits.
 */
static void
test_large_numbers(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = NULL;
    JsonObject *numbers;

    say(play, "{\"id\": 2, \"return\": {\"a\": 9223372036853727232, \"b\": 18446744073709551615, "
              "\"c\": -9223372036854775809, \"d\": \"18446744073709551615\"}}");
    answer = vf_qmp_call(play->qmp, "query-migrate-parameters", NULL, 1000, &error);
    g_assert_no_error(error);
    numbers = json_node_get_object(answer);
    g_assert_cmpint(json_object_get_int_member(numbers, "a"), ==, 9223372036853727232);
    g_assert_cmpfloat_with_epsilon(json_object_get_double_member(numbers, "b"),
                                   1.8446744073709551e19, 1e6);
    g_assert_cmpfloat_with_epsilon(json_object_get_double_member(numbers, "c"),
                                   -9.2233720368547758e18, 1e6);
    g_assert_cmpstr(json_object_get_string_member(numbers, "d"), ==, "18446744073709551615");
}

typedef struct {
    int fd;
    const char *text;
    gboolean unread; /* what was written when the reader went */
} Flood;

static gpointer
flood(gpointer data)
{
    Flood *self = data;
    gsize size = strlen(self->text);

    while (send(self->fd, self->text, size, MSG_NOSIGNAL) > 0)
        continue;
    return NULL;
}

/* Neither a message without end nor events without end keep anybody longer than it wants. */
static void
test_flood(void)
{
    static const char *const texts[] = {"{\"event\": \"A\"}\r\n", "          "};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Play) play = play_begin();
        g_autoptr(GError) error = NULL;
        Flood self = {.fd = play->peer, .text = texts[i]};
        GThread *thread = g_thread_new("flood", flood, &self);
        gint64 began = g_get_monotonic_time();

        g_assert_null(vf_qmp_call(play->qmp, "stop", NULL, MS, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        /* a busy machine may take its time, but not for ever */
        g_assert_cmpint(g_get_monotonic_time() - began, <, 30 * G_USEC_PER_SEC);
        shutdown(play->peer, SHUT_RDWR);
        g_thread_join(thread);
    }
}

static void
test_endless_message(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;
    Flood self = {.fd = play->peer,
                  .text = "{\"a\":{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    GThread *thread = g_thread_new("flood", flood, &self);

    while (vf_qmp_listen(play->qmp, 1000, &error))
        continue;
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "more than 4194304 bytes"));
    shutdown(play->peer, SHUT_RDWR);
    g_thread_join(thread);
}

/* It has gone between two commands. */
static void
test_gone(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;

    vf_io_clear_fd(&play->peer);
    g_assert_cmpuint(vf_qmp_send(play->qmp, "stop", NULL, VF_QMP_IN_TURN, -1, &error), ==, 0);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "cannot be written to"));
    g_clear_error(&error);
    g_assert_false(vf_qmp_listen(play->qmp, 0, &error));
    g_assert_nonnull(strstr(error->message, "cannot be written to"));
}

/* A QEMU that is killed before it has read what it was told: unix(7) says ECONNRESET then. */
static void
test_killed(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;

    g_assert_null(vf_qmp_call(play->qmp, "stop", NULL, MS, &error));
    g_clear_error(&error);
    vf_io_clear_fd(&play->peer);
    g_assert_false(vf_qmp_listen(play->qmp, 1000, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_cmpstr(error->message, ==, "QEMU has closed its monitor");
}

/* It does not read: what is said to it waits for a while, and then it is over. */
static void
test_deaf(void)
{
    g_autoptr(Play) play = play_begin();
    g_autoptr(GError) error = NULL;
    g_autofree char *long_text = g_strnfill(8 * 1024 * 1024, 'x');
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, "text", long_text);
    g_assert_cmpuint(vf_qmp_send(play->qmp, "x", arguments, VF_QMP_IN_TURN, -1, &error), ==, 0);
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "has not read its monitor"));
}

/* --- a connection that is not new --- */

#define VERSION "{\"qemu\": {\"micro\": 3, \"minor\": 1, \"major\": 11}, \"package\": \"\"}"

static const VfMonitorRow resumed[] = {{"query-version", VERSION}, {"stop", "{}"}, {NULL, NULL}};

/* Answers as a monitor with pretty=on does. */
static void
answer_prettily(VfMonitor *monitor, const char *command, gint64 id, int fd, gpointer data)
{
    g_autofree char *text = g_strdup_printf("{\r\n    \"return\": {\r\n        \"qemu\": {\r\n"
                                            "            \"micro\": 3,\r\n"
                                            "            \"minor\": 1,\r\n"
                                            "            \"major\": 11\r\n        }\r\n    },\r\n"
                                            "    \"id\": %" G_GINT64_FORMAT "\r\n}\r\n",
                                            id);

    if (g_str_equal(command, "query-version"))
        vf_monitor_say(monitor, text);
}

/* What nobody has read, or has read half of, and what somebody has left half said. */
static void
test_resume(void)
{
    static const struct {
        const char *said; /* by QEMU */
        const char *told; /* to it */
        gboolean pretty;
    } cases[] = {
        {"", ""},
        {"{\"event\": \"STOP\"}\r\n{\"return\": {}, \"id\": 3}\r\n", ""},
        {"turn\": {\"a\": \"}{\\\"\"}, \"id\": 7}\r\n", ""},
        {"{\"a\": 1}, \"id\": 7}\r\n{\"event\": \"STOP\"}\r\n", ""},
        {"{\"error\": {\"desc\": \"no\"}, \"id\": 4}\r\n\r\nxyz\n", ""},
        {"\xff\xfe\n", ""},
        {"", "{\"execute\": \"st"},
        {"", "{\"execute\": \"stop\", \"id\": 5"},
        {"", "{\"execute\": \"stop\", \"id\": 5, \"arguments\": {\"a\": \"\\"},
        {"{\"return\": {}, \"id\": 3}\r\n", "{", TRUE},
        {"{\r\n    \"event\": \"STOP\"\r\n}\r\n", "", TRUE},
        /* from the middle, where another bracket may stand first */
        {"    \"a\": 1\r\n    }\r\n}\r\n", "", TRUE},
        {"{\r\n        \"a\": 1\r\n    }\r\n}\r\n{\r\n    \"event\": \"STOP\"\r\n}\r\n", "", TRUE},
        {"}\r\n", "", TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        int fd;
        g_autoptr(VfMonitor) monitor = vf_monitor_new(resumed, NULL, &fd);
        g_autoptr(VfQmp) qmp = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) answer = NULL;
        g_autoptr(GString) events = g_string_new(NULL);

        if (cases[i].pretty) {
            vf_monitor_set(monitor, "query-version", "");
            vf_monitor_follow(monitor, answer_prettily, NULL);
        }
        vf_monitor_say(monitor, cases[i].said);
        g_assert_true(vf_io_write_all(fd, cases[i].told, strlen(cases[i].told), NULL));
        qmp = vf_qmp_new(fd, on_event, events, &error);
        vf_qmp_resume(qmp, i % 2, 5000, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(vf_qmp_get_version(qmp)->major, ==, 11);
        g_assert_cmpint(vf_qmp_has_oob(qmp), ==, i % 2);
        vf_monitor_say(monitor,
                       "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\r\n");
        answer = vf_qmp_call(qmp, "stop", NULL, 5000, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(vf_monitor_count(monitor, "stop"), ==, 1);
        g_assert_cmpstr(events->str, ==, "MIGRATION(active) ");
    }
}

/* Numbers are new ones: what comes for those of another process is nobody's answer. */
static void
test_resume_numbers(void)
{
    gint64 ids[2] = {0};

    for (guint i = 0; i < 2; i++) {
        g_autoptr(Play) play = play_new(NULL);
        g_autofree char *line = NULL;
        const char *id;

        g_assert_false(vf_qmp_resume(play->qmp, FALSE, MS, NULL));
        line = heard(play);
        g_assert_true(g_str_has_prefix(line, "\xff\n{\"execute\":\"query-version\""));
        id = strstr(line, "\"id\":");
        g_assert_nonnull(id);
        ids[i] = g_ascii_strtoll(id + 5, NULL, 10);
        g_assert_cmpint(ids[i], >, 0);
    }
    g_assert_cmpint(ids[0], !=, ids[1]);
}

static void
test_resume_broken(void)
{
    static const struct {
        const char *version; /* what it answers */
        const char *message;
    } cases[] = {
        {"", "has not answered over a connection that is not new for 20 ms"},
        {"!no", "has not answered"},
        {"x", "closed its monitor"},
        {"{\"qemu\": {\"major\": 10}}", "which version it is"},
        {"{}", "which version it is"},
        {"7", "which version it is"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const VfMonitorRow rows[] = {{"query-version", cases[i].version}, {NULL, NULL}};
        int fd;
        g_autoptr(VfMonitor) monitor G_GNUC_UNUSED = vf_monitor_new(rows, NULL, &fd);
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) again = NULL;
        g_autoptr(VfQmp) qmp = vf_qmp_new(fd, NULL, NULL, &error);

        g_assert_false(vf_qmp_resume(qmp, FALSE, i < 2 ? MS : 5000, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].message));
        g_assert_null(vf_qmp_call(qmp, "stop", NULL, 1000, &again));
        g_assert_cmpstr(again->message, ==, error->message);
    }
}

/* More than anybody has left unread: in lines, in a line without end, in a message without end. */
static void
test_resume_flood(void)
{
    static const char *const texts[] = {
        "{\"return\": {}, \"id\": 3, \"filler\": "
        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\r\n",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "{\n    \"x\": "
        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Play) play = play_new(NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) much = g_string_new(NULL);
        Flood self = {.fd = play->peer};
        GThread *thread;

        while (much->len < 65536)
            g_string_append(much, texts[i]);
        self.text = much->str;
        thread = g_thread_new("flood", flood, &self);
        g_assert_false(vf_qmp_resume(play->qmp, FALSE, 60000, &error));
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
        g_assert_nonnull(strstr(error->message, "more than 16777216 bytes"));
        shutdown(play->peer, SHUT_RDWR);
        g_thread_join(thread);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest/qmp/greet", test_greet);
    g_test_add_func("/guest/qmp/call", test_call);
    g_test_add_func("/guest/qmp/later", test_later);
    g_test_add_func("/guest/qmp/descriptor", test_descriptor);
    g_test_add_func("/guest/qmp/refusals", test_refusals);
    g_test_add_func("/guest/qmp/silence", test_silence);
    g_test_add_func("/guest/qmp/broken", test_broken);
    g_test_add_func("/guest/qmp/no-qmp", test_no_qmp);
    g_test_add_func("/guest/qmp/large-numbers", test_large_numbers);
    g_test_add_func("/guest/qmp/flood", test_flood);
    g_test_add_func("/guest/qmp/endless-message", test_endless_message);
    g_test_add_func("/guest/qmp/gone", test_gone);
    g_test_add_func("/guest/qmp/killed", test_killed);
    g_test_add_func("/guest/qmp/deaf", test_deaf);
    g_test_add_func("/guest/qmp/resume", test_resume);
    g_test_add_func("/guest/qmp/resume-numbers", test_resume_numbers);
    g_test_add_func("/guest/qmp/resume-broken", test_resume_broken);
    g_test_add_func("/guest/qmp/resume-flood", test_resume_flood);
    return g_test_run();
}
