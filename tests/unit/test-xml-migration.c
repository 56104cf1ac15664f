/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/crossing/cookie.h"

#include "test-xml.h"
#include "xml/crossing/answer.h"

#define JOB "0a0b0c0d-1111-4222-8333-444444444444"
#define HOST "11111111-2222-4333-8444-555555555555"
#define MIGRATION(content)                                                                         \
    "<migration xmlns='https://vferry.org/ns/migration/1' job='" JOB "' source='" HOST             \
    "'>" content "</migration>"
#define STREAM "<stream min='1' max='1'/>"
#define REQUIREMENT                                                                                \
    "<requirement xmlns='https://vferry.org/ns/requirement/1'><model id='a.b/c'/></requirement>"
#define ANSWER(attributes, content)                                                                \
    "<answer xmlns='https://vferry.org/ns/answer/1' job='" JOB "' destination='" HOST              \
    "' " attributes ">" content "</answer>"
#define WITH(content) ANSWER("expires='1'", content)
#define CHANNEL "<channel address='::1' port='1'/>"
#define ENDPOINT "<endpoint kind='tcp' address='::1' port='1'/>"
#define VERSION "<stream version='1'/>"
#define DEVICE "<device ref='a' as='b'/>"

static void
test_cookie(void)
{
    g_autoptr(VfMigration) cookie = vf_migration_new(JOB, HOST);
    g_autoptr(VfRequirement) requirement = vf_requirement_new("kernel.org/mtty", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMigration) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *twice = NULL;
    VfMigrationDevice *device;

    vf_value_list_set(requirement->values, "ports", "2", VF_EVIDENCE_MDEV_TYPE);
    cookie->stream_max = 2;
    g_strfreev(cookie->features);
    cookie->features = g_strsplit("pre-copy", " ", -1);
    device = vf_migration_add_device(cookie, "83b8f4f2", requirement);
    device->has_estimate = TRUE;
    device->stop_copy_bytes = 96;
    vf_migration_add_device(cookie, "0000:06:0d.1", requirement);
    text = vf_migration_format(cookie);
    assert_valid(text, "migration");
    again = vf_migration_parse(text, -1, NULL, &error);
    g_assert_no_error(error);
    twice = vf_migration_format(again);
    g_assert_cmpstr(text, ==, twice);
    g_assert_cmpstr(again->job, ==, JOB);
    g_assert_cmpstr(again->source, ==, HOST);
    g_assert_cmpuint(again->stream_min, ==, 1);
    g_assert_cmpuint(again->stream_max, ==, 2);
    g_assert_cmpstr(again->features[0], ==, "pre-copy");
    device = again->devices->pdata[0];
    g_assert_cmpuint(device->stop_copy_bytes, ==, 96);
    g_assert_cmpstr(vf_value_list_find(device->requirement->values, "ports")->value, ==, "2");
    device = again->devices->pdata[1];
    g_assert_false(device->has_estimate);
    g_assert_cmpstr(device->ref, ==, "0000:06:0d.1");
}

static void
test_cookie_text(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMigration) cookie = vf_migration_parse(
        MIGRATION(STREAM "<device ref='a'><later/>" REQUIREMENT "<estimate seconds='1'/></device>"),
        -1, NULL, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = vf_migration_format(cookie);
    g_assert_cmpstr(text, ==,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<migration xmlns=\"https://vferry.org/ns/migration/1\" job=\"" JOB
                    "\" source=\"" HOST
                    "\">\n  <stream min=\"1\" max=\"1\"/>\n  <device ref=\"a\">\n"
                    "    <requirement xmlns=\"https://vferry.org/ns/requirement/1\">\n"
                    "      <model id=\"a.b/c\"/>\n    </requirement>\n  </device>\n</migration>\n");
}

/* What is not to migrate is required to be understood: an older reader refuses it, and does not
 * migrate. */
static void
test_operation(void)
{
    static const char *const words[] = {"rehearse", "save"};

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autoptr(VfMigration) cookie = vf_migration_new(JOB, HOST);
        g_autoptr(VfRequirement) requirement = vf_requirement_new("kernel.org/mtty", NULL);
        g_autoptr(VfMigration) again = NULL;
        g_autofree char *text = NULL;
        g_autofree char *element =
            g_strdup_printf("<operation kind=\"%s\" required=\"yes\"/>", words[i]);

        vf_migration_add_device(cookie, "a", requirement);
        cookie->operation = g_strdup(words[i]);
        text = vf_migration_format(cookie);
        assert_valid(text, "migration");
        g_assert_nonnull(strstr(text, element));
        again = vf_migration_parse(text, -1, NULL, NULL);
        g_assert_cmpstr(again->operation, ==, words[i]);
    }
}

static void
test_bad_cookies(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"<migration xmlns='https://vferry.org/ns/migration/2'/>", "migration/1"},
        {"<migration xmlns='https://vferry.org/ns/migration/1' job='1' source='" HOST "'/>",
         "job is “1”"},
        {"<migration xmlns='https://vferry.org/ns/migration/1' job='" JOB "'/>",
         "“source” is missing"},
        {MIGRATION(STREAM), "the element <device> is missing"},
        {MIGRATION("<device ref='a'>" REQUIREMENT "</device>"), "the element <stream> is missing"},
        {MIGRATION("<stream min='0' max='1'/>"), "min is “0”"},
        {MIGRATION("<stream min='2' max='1'/>"), "max is “1”, but must be a number from 2"},
        {MIGRATION("<stream min='1' max='4294967296'/>"), "max is “4294967296”"},
        {MIGRATION("<stream min='1' max='1' features='A'/>"), "features is “A”"},
        {MIGRATION(STREAM "<operation required='yes'/>"), "“kind” is missing"},
        {MIGRATION(STREAM "<operation kind='migrate' required='yes'/>"),
         "kind is “migrate”, but must be rehearse or save"},
        {MIGRATION(STREAM "<operation kind='save'/><operation kind='save'/>"), "<operation>"},
        {MIGRATION(STREAM "<device ref='a'/>"), "the element <requirement> is missing"},
        {MIGRATION(STREAM "<device ref='a'><requirement/></device>"),
         "the element <requirement> is missing"},
        {MIGRATION(STREAM "<device ref='../a'>" REQUIREMENT "</device>"), "ref is “../a”"},
        {MIGRATION(STREAM "<device>" REQUIREMENT "</device>"), "“ref” is missing"},
        {MIGRATION(STREAM "<device ref='a'>" REQUIREMENT "</device><device ref='a'>" REQUIREMENT
                          "</device>"),
         "the device “a” is there twice"},
        {MIGRATION(STREAM "<device ref='a'>" REQUIREMENT
                          "<estimate stop-copy-bytes='x'/></device>"),
         "stop-copy-bytes is “x”"},
        {MIGRATION(STREAM "<device ref='a'>" REQUIREMENT "<group required='yes'/></device>"),
         "<group>: this element is required"},
    };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(vf_migration_parse(cases[i].text, -1, NULL, &error));
        g_assert_true(g_str_has_prefix(error->message, "migration:1: "));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

static void
test_too_many_devices(void)
{
    g_autoptr(VfMigration) cookie = vf_migration_new(JOB, HOST);
    g_autoptr(VfRequirement) requirement = vf_requirement_new("a.b/c", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i <= VF_MIGRATION_DEVICES_MAX; i++) {
        g_autofree char *ref = g_strdup_printf("%u", i);
        vf_migration_add_device(cookie, ref, requirement);
    }
    text = vf_migration_format(cookie);
    g_assert_null(vf_migration_parse(text, -1, NULL, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "at most 256");
}

static void
assert_answer_round_trip(const char *address)
{
    g_autoptr(VfAnswer) answer = vf_answer_new(JOB, HOST);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfAnswer) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *twice = NULL;
    const VfEndpoint *endpoint;

    answer->expires = G_GINT64_CONSTANT(1795261200000000);
    g_ptr_array_add(answer->endpoints, vf_endpoint_new_tcp(address, 49300));
    vf_answer_add_device(answer, "83b8f4f2", "4f1c0000");
    text = vf_answer_format(answer);
    assert_valid(text, "answer");
    again = vf_answer_parse(text, -1, NULL, &error);
    g_assert_no_error(error);
    twice = vf_answer_format(again);
    g_assert_cmpstr(text, ==, twice);
    g_assert_cmpint(again->expires, ==, answer->expires);
    g_assert_cmpuint(again->endpoints->len, ==, 1);
    endpoint = again->endpoints->pdata[0];
    g_assert_cmpint(endpoint->kind, ==, VF_ENDPOINT_TCP);
    g_assert_cmpstr(endpoint->address, ==, address);
    g_assert_cmpuint(endpoint->port, ==, 49300);
    g_assert_nonnull(strstr(text, "<channel ")); /* which 0.1.0 reads */
    g_assert_cmpuint(again->stream_version, ==, 1);
    g_assert_cmpuint(g_strv_length(again->features), ==, 0);
    g_assert_cmpstr(((const VfAnswerDevice *)again->devices->pdata[0])->as, ==, "4f1c0000");
}

static void
test_answer(void)
{
    assert_answer_round_trip("10.77.0.2");
    assert_answer_round_trip("::1");
    assert_answer_round_trip("fe80::1%eth0");
}

/* Those of a kind that nobody knows are somebody else's. */
static void
test_endpoints(void)
{
    static const char text[] = WITH(
        "<endpoint kind='rdma' address='::1' port='1'/><endpoint kind='unix' path='/run/x'/>"
        "<endpoint kind='file' path='/srv/1'/><endpoint kind='tcp' address='10.0.0.1' port='2'/>"
        "<endpoint kind='tcp' address='::1' port='1'/>" VERSION DEVICE);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfAnswer) answer = vf_answer_parse(text, -1, NULL, &error);
    g_autofree char *again = NULL;

    g_assert_no_error(error);
    assert_valid(text, "answer");
    g_assert_cmpuint(answer->endpoints->len, ==, 4);
    g_assert_cmpstr(vf_endpoint_find(answer->endpoints, VF_ENDPOINT_UNIX)->path, ==, "/run/x");
    g_assert_cmpstr(vf_endpoint_find(answer->endpoints, VF_ENDPOINT_FILE)->path, ==, "/srv/1");
    g_assert_cmpstr(vf_endpoint_find(answer->endpoints, VF_ENDPOINT_TCP)->address, ==, "10.0.0.1");
    again = vf_answer_format(answer);
    assert_valid(again, "answer");
    g_assert_null(strstr(again, "<channel "));
}

static void
test_bad_answers(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {ANSWER("", ""), "“expires” is missing"},
        {ANSWER("expires='0'", ""), "expires is “0”"},
        {ANSWER("expires='9223372036854775808'", ""), "expires is “9223372036854775808”"},
        {WITH(VERSION DEVICE), "the element <endpoint> is missing"},
        {WITH(CHANNEL DEVICE), "the element <stream> is missing"},
        {WITH(CHANNEL VERSION), "the element <device> is missing"},
        {WITH(CHANNEL CHANNEL VERSION DEVICE), "at most 1"},
        {WITH("<channel address='::1' port='0'/>"), "port is “0”"},
        {WITH("<channel address='::1' port='65536'/>"), "port is “65536”"},
        {WITH("<channel address='example.org' port='1'/>"), "address is “example.org”"},
        {WITH("<channel address='' port='1'/>"), "address is “”"},
        {WITH("<channel address='10.0.0.1%eth0' port='1'/>"), "address is “10.0.0.1%eth0”"},
        {WITH("<channel address='fe80::1%' port='1'/>"), "address is “fe80::1%”"},
        {WITH("<channel address='/run/x' port='1'/>"), "address is “/run/x”"},
        {WITH(CHANNEL ENDPOINT VERSION DEVICE), "only one of them counts"},
        {WITH("<endpoint/>" VERSION DEVICE), "“kind” is missing"},
        {WITH("<endpoint kind='rdma' address='::1'/>" VERSION DEVICE), "of a kind that is known"},
        {WITH("<endpoint kind='tcp' address='::1' port='0'/>"), "port is “0”"},
        {WITH("<endpoint kind='unix'/>"), "“path” is missing"},
        {WITH("<endpoint kind='file' path='images/1'/>"), "path is “images/1”"},
        {WITH("<endpoint kind='file' path='/srv/../etc/x'/>"), "path is “/srv/../etc/x”"},
        {WITH("<endpoint kind='unix' path='/run//x'/>"), "path is “/run//x”"},
        {WITH("<endpoint kind='rdma'><x required='yes'/></endpoint>"), "this element is required"},
        {WITH(CHANNEL "<stream version='0'/>"), "version is “0”"},
        {WITH(CHANNEL VERSION "<device ref='a'/>"), "“as” is missing"},
        {WITH(CHANNEL VERSION DEVICE DEVICE), "the device “a” is there twice"},
        {WITH(CHANNEL VERSION DEVICE "<device ref='c' as='b'/>"),
         "two devices become the device “b”"},
        {WITH(CHANNEL VERSION DEVICE "<key required='yes'/>"), "<key>: this element is required"},
    };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(vf_answer_parse(cases[i].text, -1, NULL, &error));
        g_assert_true(g_str_has_prefix(error->message, "answer:1: "));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/migration/cookie", test_cookie);
    g_test_add_func("/xml/migration/cookie-text", test_cookie_text);
    g_test_add_func("/xml/migration/operation", test_operation);
    g_test_add_func("/xml/migration/bad-cookies", test_bad_cookies);
    g_test_add_func("/xml/migration/too-many-devices", test_too_many_devices);
    g_test_add_func("/xml/migration/answer", test_answer);
    g_test_add_func("/xml/migration/endpoints", test_endpoints);
    g_test_add_func("/xml/migration/bad-answers", test_bad_answers);
    return g_test_run();
}
