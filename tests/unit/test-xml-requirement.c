/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-compare.h"
#include "xml/model/model-make.h"

#define REQUIREMENT(content)                                                                       \
    "<requirement xmlns='https://vferry.org/ns/requirement/1'>" content "</requirement>"
#define MODEL "<model id='kernel.org/mtty'/>"
#define SIXTEEN_GS "gggggggggggggggg"
#define SIXTY_FOUR_GS SIXTEEN_GS SIXTEEN_GS SIXTEEN_GS SIXTEEN_GS

static void
test_requirement(void)
{
    g_autoptr(VfModel) model = shipped("vferry.org-testdev.xml");
    g_autoptr(GPtrArray) known = vf_model_values_from_type(model, "vferry_testdev-1");
    g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(model, known);
    g_autofree char *text = vf_requirement_format(requirement);
    g_autofree char *expected =
        g_strdup_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<requirement xmlns=\"https://vferry.org/ns/requirement/1\">\n"
                        "  <model id=\"vferry.org/testdev\" digest=\"%s\"/>\n"
                        "  <parameter name=\"banks\" value=\"1\" evidence=\"mdev-type\"/>\n"
                        "  <parameter name=\"state-size\"/>\n"
                        "</requirement>\n",
                        model->digest);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRequirement) again = vf_requirement_parse(text, -1, NULL, &error);
    g_autofree char *twice = NULL;

    g_assert_no_error(error);
    assert_valid(text, "requirement");
    g_assert_cmpstr(text, ==, expected);
    twice = vf_requirement_format(again);
    g_assert_cmpstr(text, ==, twice);
    g_assert_null(vf_value_list_find(again->values, "state-size")->value);
}

static void
test_values(void)
{
    g_autoptr(GPtrArray) values = vf_value_list_new();

    vf_value_list_set(values, "b", "1", NULL);
    vf_value_list_set(values, "a", "2", NULL);
    vf_value_list_set(values, "b", "3", "read again");
    g_assert_cmpuint(values->len, ==, 2);
    g_assert_cmpstr(((const VfValue *)values->pdata[0])->name, ==, "a");
    g_assert_cmpstr(vf_value_list_find(values, "b")->value, ==, "3");
    g_assert_cmpstr(vf_value_list_find(values, "b")->evidence, ==, "read again");
    g_assert_null(vf_value_list_find(values, "c"));
}

/* What does not matter is not asked for. */
static void
test_requirement_ignored(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) model =
        vf_model_parse("<model xmlns='https://vferry.org/ns/model/1' id='a.b/c'><match/>"
                       "<parameter name='n' type='int' compare='equal'/>"
                       "<parameter name='i' type='int' compare='ignore'/></model>",
                       -1, NULL, &error);
    g_autoptr(GPtrArray) known = vf_value_list_new();
    g_autoptr(VfRequirement) requirement = NULL;

    g_assert_no_error(error);
    vf_value_list_set(known, "n", "1", NULL);
    vf_value_list_set(known, "i", "2", NULL);
    requirement = vf_requirement_new_for_device(model, known);
    g_assert_cmpuint(requirement->values->len, ==, 1);
    g_assert_cmpstr(vf_value_list_find(requirement->values, "n")->value, ==, "1");
}

static void
test_requirement_order(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRequirement) requirement =
        vf_requirement_parse(REQUIREMENT("<parameter name='z' value='&lt;&#38;ä&quot;'/>"
                                         "<later/><parameter name='a' value='' new='1'/>" MODEL),
                             -1, NULL, &error);
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    text = vf_requirement_format(requirement);
    g_assert_cmpstr(text, ==,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<requirement xmlns=\"https://vferry.org/ns/requirement/1\">\n"
                    "  <model id=\"kernel.org/mtty\"/>\n"
                    "  <parameter name=\"a\" value=\"\"/>\n"
                    "  <parameter name=\"z\" value=\"&lt;&amp;ä&quot;\"/>\n"
                    "</requirement>\n");
    assert_valid(text, "requirement");
}

static void
test_bad_requirements(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"<requirement/>", "in the namespace https://vferry.org/ns/requirement/1"},
        {REQUIREMENT(""), "the element <model> is missing"},
        {REQUIREMENT(MODEL MODEL), "at most 1"},
        {REQUIREMENT("<model/>"), "“id” is missing"},
        {REQUIREMENT("<model id='x'/>"), "the model id is “x”"},
        {REQUIREMENT("<model id='a.b/c' digest='sha256:00'/>"), "digest is “sha256:00”"},
        {REQUIREMENT("<model id='a.b/c' digest='sha256:" SIXTY_FOUR_GS "'/>"),
         "hexadecimal digits"},
        {REQUIREMENT(MODEL "<parameter value='1'/>"), "“name” is missing"},
        {REQUIREMENT(MODEL "<parameter name='a b'/>"), "name is “a b”"},
        {REQUIREMENT(MODEL "<parameter name='n' value='a&#10;b'/>"), "without control characters"},
        {REQUIREMENT(MODEL "<parameter name='n'/>\n<parameter name='n'/>"),
         "cookie:2: <parameter>: the parameter “n” is there twice"},
        {REQUIREMENT(MODEL "<version required='yes'/>"), "<version>: this element is required"},
        {REQUIREMENT(MODEL "<parameter name='n'><range required='yes'/></parameter>"),
         "<range>: this element is required"},
        {REQUIREMENT(MODEL "ports=2"), "text is not accepted"},
    };
    g_autofree char *large = g_strnfill(1024 * 1024 + 1, ' ');
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(vf_requirement_parse(cases[i].text, -1, "cookie", &error));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
    g_assert_null(vf_requirement_parse(large, -1, NULL, &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED,
                 "requirement: the document has 1048577 bytes");
}

/* What is off is as if it were not there, whatever its spelling; what is unread may be on. */
static void
test_requirement_off(void)
{
    static const struct {
        const char *known, *expected;
    } cases[] = {
        {"queues=4; rss=no; tags=", "queues=4; "},
        {"queues=01; rss=yes; tags=b a", "rss=yes; tags=b a; "},
        {"queues=1; rss; tags=", "rss; "},
        {"queues=x; rss=no; tags=", "queues=x; "},
        {"rss=no", "queues; tags; "},
    };
    g_autoptr(VfModel) model =
        model_of("a.b/c", "<match/><parameter name='rss' type='bool' compare='equal' off='no'/>"
                          "<parameter name='queues' type='int' compare='equal' off='1'/>"
                          "<parameter name='tags' type='set' compare='superset' off=''/>"
                          "<parameter name='why' type='string' compare='ignore'/>");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) known = values_of(cases[i].known);
        g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(model, known);
        g_autofree char *text = text_of(requirement->values);
        g_assert_cmpstr(text, ==, cases[i].expected);
    }
}

static void
test_requirement_version(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfRequirement) requirement =
        vf_requirement_parse(REQUIREMENT("<model id='a.b/c' version='4GB-v1'/>"), -1, NULL, &error);
    g_autoptr(VfRequirement) again = NULL;
    g_autofree char *text = NULL;

    g_assert_no_error(error);
    g_assert_cmpstr(requirement->version, ==, "4GB-v1");
    text = vf_requirement_format(requirement);
    assert_valid(text, "requirement");
    g_assert_cmpstr(text, ==,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<requirement xmlns=\"https://vferry.org/ns/requirement/1\">\n"
                    "  <model id=\"a.b/c\" version=\"4GB-v1\"/>\n"
                    "</requirement>\n");
    again = vf_requirement_parse(text, -1, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->version, ==, "4GB-v1");
}

/* A source expands a version itself, so that the destination need not know it. */
static void
test_requirement_from_version(void)
{
    static const struct {
        const char *version, *expected;
    } cases[] = {{"1", ""}, {"2", "filter=32; "}, {"3", "filter=64; rss=yes; "}};
    g_autoptr(VfModel) model = model_of(
        "a.b/c", "<match/><parameter name='filter' type='int' compare='equal' off='0'/>"
                 "<parameter name='rss' type='bool' compare='equal' off='no'/>"
                 "<versions><version name='1'><value parameter='filter'>0</value></version>"
                 "<version name='2'><value parameter='filter'>32</value></version>"
                 "<version name='3'><value parameter='filter'>64</value>"
                 "<value parameter='rss'>yes</value></version></versions>");
    g_autoptr(VfModel) opaque =
        model_of("a.b/c", "<match/><parameter name='format' type='enum' compare='equal'><allowed>"
                          "<value>x</value></allowed></parameter>"
                          "<versions parameter='format'><version name='x'/></versions>");
    g_autoptr(VfRequirement) requirement = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfRequirement) one =
            vf_requirement_new_for_version(model, cases[i].version, NULL);
        g_autofree char *values = text_of(one->values);
        g_assert_cmpstr(values, ==, cases[i].expected);
        g_assert_null(one->version);
        g_assert_cmpstr(one->digest, ==, model->digest);
    }
    requirement = vf_requirement_new_for_version(opaque, "x", NULL);
    text = text_of(requirement->values);
    g_assert_cmpstr(text, ==, "format=x; ");
    g_assert_cmpstr(vf_value_list_find(requirement->values, "format")->evidence, ==, "version");
    g_assert_null(vf_requirement_new_for_version(model, "4", &error));
    assert_error(&error, VFERRY_ERROR_NOT_FOUND, "the model a.b/c has no version “4”");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/requirement/document", test_requirement);
    g_test_add_func("/xml/requirement/values", test_values);
    g_test_add_func("/xml/requirement/ignored", test_requirement_ignored);
    g_test_add_func("/xml/requirement/order", test_requirement_order);
    g_test_add_func("/xml/requirement/bad", test_bad_requirements);
    g_test_add_func("/xml/requirement/off", test_requirement_off);
    g_test_add_func("/xml/requirement/version", test_requirement_version);
    g_test_add_func("/xml/requirement/from-version", test_requirement_from_version);
    return g_test_run();
}
