/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/model/model.h"

#include "test-xml.h"
#include "xml/model/model-id.h"
#include "xml/model/model-make.h"
#include "xml/model/model-xml.h"
#include "xml/model/settings.h"

#define OPEN "<model xmlns='https://vferry.org/ns/model/1' id='example.org/card'>"
#define MATCH "<match><mdev driver='card' type='card-*'/></match>"
#define INT_OPEN "<parameter name='n' type='int' compare='equal'>"
#define TYPE_MAP "<read><type-name><map type='card-1' value='1'/></type-name></read>"
#define WITH(parameter) OPEN MATCH parameter "</model>"

static char *
shipped(const char *name)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "models", name, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static VfModel *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VfModel *model = vf_model_parse(text, -1, "card.xml", &error);

    g_assert_no_error(error);
    return model;
}

static void
test_ids(void)
{
    static const char *const good[] = {"kernel.org/mtty",
                                       "a.b/c",
                                       "nvidia.com/vgpu/GRID%20P40-2B",
                                       "x-1.example.org/A+b_c.d/e",
                                       "a.b/%C3%A4",
                                       "a.b/%2E",
                                       "a.b/..."};
    static const char *const bad[] = {
        "",          "kernel.org", "mtty",      "/mtty",        "kernel/mtty", "Kernel.org/mtty",
        "-a.org/x",  "a-.org/x",   "a..org/x",  "a.org/",       "a.org//x",    "a.org/x/",
        "a.org/a b", "a.org/%2a",  "a.org/%41", "a.org/%",      "a.org/%4",    "a.org/%00",
        "a.org/%FF", "a.org/ä",    "a.org/.",   "a.org/x/../y", "a.org/x=y",   "https://a.org/x",
        "a.org/%2Ea"};
    g_autofree char *longest = g_strnfill(VF_MODEL_ID_SEGMENT_MAX + 1, 'a');
    g_autofree char *too_long = g_strconcat("a.org/", longest, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(vf_model_id_check(good[i], NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(vf_model_id_check(bad[i], &error));
        assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "the model id is “");
    }
    g_assert_false(vf_model_id_check(too_long, NULL));
}

static void
test_escape(void)
{
    static const char *const names[][2] = {
        {"GRID P40-2B", "GRID%20P40-2B"},
        {"mtty", "mtty"},
        {"100%", "100%25"},
        {"a/b", "a%2Fb"},
        {"ä", "%C3%A4"},
        {".", "%2E"},
        {"..", "%2E%2E"},
        {"...", "..."},
        {"a=b", "a%3Db"},
    };
    g_autofree char *long_name = g_strnfill(43, ' ');

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *segment = vf_model_id_escape_segment(names[i][0], NULL);
        g_assert_cmpstr(segment, ==, names[i][1]);
        g_assert_true(vf_model_id_check_segment(segment, "name", NULL));
    }
    g_assert_null(vf_model_id_escape_segment("", NULL));
    g_assert_null(vf_model_id_escape_segment("\xff", NULL));
    g_assert_null(vf_model_id_escape_segment(long_name, NULL));
    g_assert_false(vf_model_id_check_segment("%7e", "name", NULL));
}

static void
test_shipped(void)
{
    g_autofree char *mtty_text = shipped("kernel.org-mtty.xml");
    g_autofree char *testdev_text = shipped("vferry.org-testdev.xml");
    g_autoptr(VfModel) mtty = parse(mtty_text);
    g_autoptr(VfModel) testdev = parse(testdev_text);
    g_autoptr(GPtrArray) values = vf_model_values_from_type(testdev, "vferry_testdev-stopcopy");
    g_auto(GStrv) settable = vf_model_settable_names(testdev);
    const VfParameter *ports = vf_model_find_parameter(mtty, "ports");

    assert_valid(mtty_text, "model");
    assert_valid(testdev_text, "model");
    g_assert_cmpstr(mtty->id, ==, "kernel.org/mtty");
    g_assert_true(vf_model_matches_mdev(mtty, "mtty", "mtty-2"));
    g_assert_false(vf_model_matches_mdev(mtty, "mtty", "mttyx-2"));
    g_assert_false(vf_model_matches_mdev(mtty, "other", "mtty-2"));
    g_assert_cmpstr(vf_reader_value_from_type(&ports->reader, "mtty-2"), ==, "2");
    g_assert_null(vf_reader_value_from_type(&ports->reader, "mtty-3"));
    g_assert_cmpuint(values->len, ==, 2);
    g_assert_cmpstr(vf_value_list_find(values, "banks")->value, ==, "1");
    g_assert_cmpstr(vf_value_list_find(values, "pre-copy")->value, ==, "no");
    g_assert_cmpstr(vf_value_list_find(values, "banks")->evidence, ==, VF_EVIDENCE_MDEV_TYPE);
    g_assert_cmpuint(g_strv_length(settable), ==, 1);
    g_assert_cmpstr(settable[0], ==, "state-size");
}

static void
test_documentation(void)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "docs", "descriptors.md", NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autoptr(VfModel) model = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    parts = g_strsplit(text, "```", 3);
    g_assert_true(g_str_has_prefix(parts[1], "xml\n"));
    model = parse(parts[1] + strlen("xml\n"));
    assert_valid(parts[1] + strlen("xml\n"), "model");
    g_assert_cmpstr(model->id, ==, "vferry.org/testdev");
}

/* The digest in another implementation: xmllint --c14n of the schema | sha256sum */
static void
test_digest(void)
{
    g_autofree char *text = shipped("kernel.org-mtty.xml");
    g_autoptr(VfModel) mtty = parse(text);
    g_autofree char *expected = g_compute_checksum_for_string(
        G_CHECKSUM_SHA256,
        "<model xmlns=\"https://vferry.org/ns/model/1\" id=\"kernel.org/mtty\">"
        "<description>Serial port card of the Linux mediated device sample</description>"
        "<parameter compare=\"equal\" name=\"ports\" type=\"int\">"
        "<description>Number of serial ports of the card</description>"
        "<allowed><value>1</value><value>2</value></allowed></parameter></model>",
        -1);
    g_autoptr(VfModel) with = parse(WITH(INT_OPEN TYPE_MAP "</parameter>"));
    g_autoptr(VfModel) without = parse(OPEN "<match/>" INT_OPEN "</parameter></model>");
    g_autoptr(VfModel) other = parse(WITH("<parameter name='n' type='int' compare='ignore'/>"));

    g_assert_true(g_str_has_prefix(mtty->digest, "sha256:"));
    g_assert_cmpstr(mtty->digest + 7, ==, expected);
    g_assert_cmpstr(with->digest, ==, without->digest);
    g_assert_cmpstr(with->digest, !=, other->digest);
}

static void
test_canonical(void)
{
    const char *const text =
        WITH("<parameter name='z' type='size' compare='equal' unit='bytes'><read><attribute "
             "path='d/z'/></read>"
             "<apply><attribute path='d/z'/></apply><allowed min='016' max='64'/></parameter>"
             "<parameter name='n' type='int' compare='equal'>" TYPE_MAP
             "<allowed><value>10</value><value>-0</value><value>01</value></allowed></parameter>"
             "<parameter name='e' type='enum' compare='equal'><description> two\n words &amp; "
             "ä</description>"
             "<allowed><value>small</value><value> big one </value></allowed></parameter>");
    g_autoptr(VfModel) first = parse(text);
    g_autofree char *once = vf_model_format(first);
    g_autoptr(VfModel) second = parse(once);
    g_autofree char *twice = vf_model_format(second);

    assert_valid(once, "model");
    g_assert_cmpstr(once, ==, twice);
    g_assert_cmpstr(first->digest, ==, second->digest);
    g_assert_cmpstr(
        once, ==,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<model xmlns=\"https://vferry.org/ns/model/1\" id=\"example.org/card\">\n"
        "  <match>\n    <mdev driver=\"card\" type=\"card-*\"/>\n  </match>\n"
        "  <parameter name=\"e\" type=\"enum\" compare=\"equal\">\n"
        "    <description>two words &amp; ä</description>\n"
        "    <allowed>\n      <value>small</value>\n      <value> big one </value>\n    "
        "</allowed>\n"
        "  </parameter>\n"
        "  <parameter name=\"n\" type=\"int\" compare=\"equal\">\n"
        "    <allowed>\n      <value>0</value>\n      <value>1</value>\n      <value>10</value>\n"
        "    </allowed>\n"
        "    <read>\n      <type-name>\n        <map type=\"card-1\" value=\"1\"/>\n"
        "      </type-name>\n    </read>\n  </parameter>\n"
        "  <parameter name=\"z\" type=\"size\" compare=\"equal\" unit=\"bytes\">\n"
        "    <allowed min=\"16\" max=\"64\" step=\"1\"/>\n"
        "    <read>\n      <attribute path=\"d/z\"/>\n    </read>\n"
        "    <apply>\n      <attribute path=\"d/z\"/>\n    </apply>\n  </parameter>\n</model>\n");
}

static void
test_bad_descriptors(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"<model xmlns='https://vferry.org/ns/model/1'/>", "the attribute “id” is missing"},
        {"<model xmlns='https://vferry.org/ns/model/1' id='card'/>", "the model id is “card”"},
        {"<model id='a.b/c'/>", "in the namespace https://vferry.org/ns/model/1"},
        {OPEN "</model>", "the element <match> is missing"},
        {OPEN "<match><mdev driver='x'/></match></model>", "“type” is missing"},
        {OPEN "<match><mdev type='x'/></match></model>", "“driver” is missing"},
        {OPEN MATCH MATCH "</model>", "at most 1"},
        {WITH("<parameter type='int' compare='equal'/>"), "“name” is missing"},
        {WITH("<parameter name='a=b' type='int' compare='equal'/>"), "name is “a=b”"},
        {WITH("<parameter name='n' type='float' compare='equal'/>"), "type is “float”"},
        {WITH("<parameter name='n' type='int' compare='like'/>"), "compare is “like”"},
        {WITH("<parameter name='n' type='int'/>"), "“compare” is missing"},
        {WITH(INT_OPEN "</parameter>" INT_OPEN "</parameter>"), "the parameter “n” is there twice"},
        {WITH(INT_OPEN "<allowed/></parameter>"), "there must be values"},
        {WITH(INT_OPEN "<allowed min='1'><value>1</value></allowed></parameter>"),
         "there must be values"},
        {WITH(INT_OPEN "<allowed><value>1</value><value>01</value></allowed></parameter>"),
         "the allowed value “1” is there twice"},
        {WITH(INT_OPEN "<allowed><value>one</value></allowed></parameter>"),
         "n is “one”, but must be a whole decimal number"},
        {WITH(INT_OPEN "<allowed min='5' max='4'/></parameter>"), "min is 5, more than max, 4"},
        {WITH(INT_OPEN "<allowed min='5' step='0'/></parameter>"), "step is “0”"},
        {WITH(INT_OPEN "<allowed min='x'/></parameter>"), "min is “x”"},
        {WITH(INT_OPEN "<allowed max='9223372036854775808'/></parameter>"),
         "max is “9223372036854775808”"},
        {WITH("<parameter name='s' type='size' compare='equal'><allowed min='-1'/></parameter>"),
         "min is “-1”"},
        {WITH("<parameter name='s' type='string' compare='equal'><allowed min='1'/></parameter>"),
         "for the types int and size only"},
        {WITH("<parameter name='e' type='enum' compare='equal'/>"),
         "needs a list of allowed values"},
        {WITH("<parameter name='b' type='bool' "
              "compare='equal'><allowed><value>true</value></allowed>"
              "</parameter>"),
         "b is “true”, but must be yes or no"},
        {WITH(INT_OPEN "<allowed><value>2</value></allowed>" TYPE_MAP "</parameter>"),
         "n is “1”, but must be 2"},
        {WITH(INT_OPEN TYPE_MAP "<allowed><value>2</value></allowed></parameter>"),
         "n is “1”, but must be 2"},
        {WITH(INT_OPEN "<read><type-name/></read></parameter>"), "the element <map> is missing"},
        {WITH(INT_OPEN "<read><attribute path='a'/><type-name><map type='x' value='1'/></type-name>"
                       "</read></parameter>"),
         "in one way only"},
        {WITH(INT_OPEN "<read><attribute path='../a'/></read></parameter>"), "path is “../a”"},
        {WITH(INT_OPEN "<read><attribute path='/a'/></read></parameter>"), "path is “/a”"},
        {WITH(INT_OPEN "<read><attribute path='a//b'/></read></parameter>"), "path is “a//b”"},
        {WITH(INT_OPEN "<read><attribute/></read></parameter>"), "“path” is missing"},
        {WITH(INT_OPEN "<apply><attribute path='a'/></apply></parameter>"),
         "must be read from one"},
        {WITH(INT_OPEN TYPE_MAP "<apply><attribute path='a'/></apply></parameter>"),
         "must be read from one"},
        {WITH("\n<later required='yes'/>"), "card.xml:2: <later>: this element is required"},
        {WITH(INT_OPEN "<off required='yes'/></parameter>"), "<off>: this element is required"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(vf_model_parse(cases[i].text, -1, "card.xml", &error));
        g_assert_true(g_str_has_prefix(error->message, "card.xml:"));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

static void
test_unknown_ignored(void)
{
    g_autoptr(VfModel) model =
        parse("<model xmlns='https://vferry.org/ns/model/1' xmlns:x='urn:x' id='a.b/c' later='1'>"
              "<x:note>text</x:note><match><css type='io'/></match><later><if/></later>"
              "<parameter name='n' type='int' compare='equal' later='3'><read><devlink "
              "name='x'/></read><off/>"
              "</parameter></model>");
    const VfParameter *parameter = vf_model_find_parameter(model, "n");

    g_assert_cmpuint(model->matches->len, ==, 0);
    g_assert_cmpint(parameter->reader.kind, ==, VF_READER_NONE);
    g_assert_null(parameter->allowed);
    g_assert_null(parameter->ranges);
}

static void
assert_value(const VfParameter *parameter, const char *text, const char *expected, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = vf_parameter_check_value(parameter, text, &error);

    g_assert_cmpstr(value, ==, expected);
    if (expected == NULL)
        assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, part);
    else
        g_assert_no_error(error);
}

static void
test_values(void)
{
    g_autofree char *text = shipped("vferry.org-testdev.xml");
    g_autoptr(VfModel) model = parse(text);
    g_autoptr(VfModel) any =
        parse(WITH("<parameter name='n' type='int' compare='equal'/>"
                   "<parameter name='s' type='string' compare='equal'/>"
                   "<parameter name='o' type='int' compare='equal'>"
                   "<allowed min='-9223372036854775807' step='2'/></parameter>"));
    const VfParameter *size = vf_model_find_parameter(model, "state-size");
    const VfParameter *flag = vf_model_find_parameter(model, "pre-copy");

    assert_value(size, "4096", "4096", NULL);
    assert_value(size, "004096", "4096", NULL);
    assert_value(size, "8589934592", "8589934592", NULL);
    assert_value(size, "0", NULL,
                 "state-size is “0”, but must be 4096 to 8589934592 in steps of 4096");
    assert_value(size, "4097", NULL, "steps of 4096");
    assert_value(size, "8589938688", NULL, "steps of 4096");
    assert_value(size, "-4096", NULL, "a number of bytes");
    assert_value(size, "4096 ", NULL, "a number of bytes");
    assert_value(size, "4k", NULL, "a number of bytes");
    assert_value(size, "", NULL, "a number of bytes");
    assert_value(size, "99999999999999999999999", NULL, "a number of bytes");
    assert_value(flag, "yes", "yes", NULL);
    assert_value(flag, "1", NULL, "yes or no");
    assert_value(vf_model_find_parameter(any, "n"), "-0", "0", NULL);
    assert_value(vf_model_find_parameter(any, "n"), "-9223372036854775808", "-9223372036854775808",
                 NULL);
    assert_value(vf_model_find_parameter(any, "n"), "9223372036854775808", NULL, "whole decimal");
    assert_value(vf_model_find_parameter(any, "o"), "9223372036854775807", "9223372036854775807",
                 NULL);
    assert_value(vf_model_find_parameter(any, "o"), "0", NULL, "in steps of 2");
    assert_value(vf_model_find_parameter(any, "s"), "", "", NULL);
    assert_value(vf_model_find_parameter(any, "s"), "a\nb", NULL, "control characters");
    assert_value(vf_model_find_parameter(any, "s"), "\xff", NULL, "UTF-8");
}

static void
test_sysfs(void)
{
    g_autofree char *text = shipped("vferry.org-testdev.xml");
    g_autoptr(VfModel) model = parse(text);
    const VfParameter *size = vf_model_find_parameter(model, "state-size");
    const VfParameter *flag = vf_model_find_parameter(model, "pre-copy");
    static const char *const flags[][2] = {{"1", "yes"}, {"Y", "yes"}, {"0", "no"}, {"n", "no"}};
    g_autoptr(GError) error = NULL;
    g_autofree char *odd = vf_parameter_decode_attribute(size, "1", &error);
    g_autofree char *one = vf_parameter_encode_attribute(flag, "yes");
    g_autofree char *zero = vf_parameter_encode_attribute(flag, "no");
    g_autofree char *bytes = vf_parameter_encode_attribute(size, "4096");

    g_assert_cmpstr(odd, ==, "1"); /* not allowed, but what the device is */
    g_assert_cmpstr(one, ==, "1");
    g_assert_cmpstr(zero, ==, "0");
    g_assert_cmpstr(bytes, ==, "4096");
    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
        g_autofree char *value = vf_parameter_decode_attribute(flag, flags[i][0], &error);
        g_assert_cmpstr(value, ==, flags[i][1]);
    }
    g_assert_null(vf_parameter_decode_attribute(size, "large", &error));
    assert_error(&error, VFERRY_ERROR_DEVICE, "testdev/state_size");
    g_assert_null(vf_parameter_decode_attribute(flag, "2", &error));
    assert_error(&error, VFERRY_ERROR_DEVICE, "“2”");
}

static void
test_settings(void)
{
    g_autofree char *text = shipped("vferry.org-testdev.xml");
    g_autoptr(VfModel) model = parse(text);
    g_autoptr(GPtrArray) values = vf_value_list_new();
    g_autoptr(GPtrArray) settings = NULL;
    g_autoptr(GError) error = NULL;
    const VfSetting *setting;

    vf_value_list_set(values, "state-size", "01048576", NULL);
    vf_value_list_set(values, "banks", "2", NULL);
    vf_value_list_set(values, "pre-copy", NULL, NULL);
    settings = vf_model_settings(model, values, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(settings->len, ==, 1);
    setting = settings->pdata[0];
    g_assert_cmpstr(setting->parameter, ==, "state-size");
    g_assert_cmpstr(setting->attribute, ==, "testdev/state_size");
    g_assert_cmpstr(setting->text, ==, "1048576");
    vf_value_list_set(values, "state-size", "1000", NULL);
    g_assert_null(vf_model_settings(model, values, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "state-size is “1000”");
    vf_value_list_set(values, "state-size", NULL, NULL);
    vf_value_list_set(values, "speed", "1", NULL);
    g_assert_null(vf_model_settings(model, values, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "has no parameter “speed”");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/model/ids", test_ids);
    g_test_add_func("/xml/model/escape", test_escape);
    g_test_add_func("/xml/model/shipped", test_shipped);
    g_test_add_func("/xml/model/documentation", test_documentation);
    g_test_add_func("/xml/model/digest", test_digest);
    g_test_add_func("/xml/model/canonical", test_canonical);
    g_test_add_func("/xml/model/bad-descriptors", test_bad_descriptors);
    g_test_add_func("/xml/model/unknown-ignored", test_unknown_ignored);
    g_test_add_func("/xml/model/values", test_values);
    g_test_add_func("/xml/model/sysfs", test_sysfs);
    g_test_add_func("/xml/model/settings", test_settings);
    return g_test_run();
}
