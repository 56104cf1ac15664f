/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/compare/compare.h"
#include "xml/text/json-strict.h"
#include "xml/driver-info/driver-info.h"
#include "xml/model/model-union.h"

#include "test-xml.h"
#include "xml/model/model-make.h"
#include "xml/model/model-xml.h"

#define CARD "vendor-a.com/graphics-card"

typedef GPtrArray *(*ParseFunc)(const char *text, gssize size, const char *where, GError **error);

static void
assert_refused(ParseFunc parse, const char *text, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) models = parse(text, -1, "card", &error);

    if (models)
        g_error("taken: %s", text);
    if (!g_str_has_prefix(error->message, "card:"))
        g_error("“%s” does not begin with the document", error->message);
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, part);
}

static VfModel *
parse_one(ParseFunc parse, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) models = parse(text, -1, "card", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(models->len, ==, 1);
    return vf_model_ref(models->pdata[0]);
}

/* A type's file with one parameter, or only the members of the parameter `p`. */
static char *
with_parameter(const char *members)
{
    return g_strdup_printf("{\"models\":{\"" CARD "\":{\"params\":{\"p\":{%s}}}}}", members);
}

/* The document's own example (with the quotes that JSON has). */
static const char nic[] =
    "{ \"models\": { \"vendor-a.com/my-nic\": { \"params\": {"
    " \"new-feature\": { \"description\": \"New  feature that\\nold devices lack\","
    "   \"init_value\": true, \"off_value\": false, \"type\": \"bool\" },"
    " \"num-resources\": { \"allowed_values\": [64], \"init_value\": 64, \"type\": \"int\" },"
    " \"queues\": { \"allowed_values\": [\"1024-2048\", 512, \"0-255\", 300], \"init_value\": 4,"
    "   \"off_value\": 0, \"type\": \"int\", \"unheard-of\": {\"deep\": [1.5e-3, null]} },"
    " \"mode\": { \"allowed_values\": [\"b\", \"a\"], \"init_value\": \"a\", \"type\": \"str\" }"
    "} } } }";

static void
test_parameters(void)
{
    g_autoptr(VfModel) model = parse_one(vf_migration_info_parse_type, nic);
    const VfParameter *feature = vf_model_find_parameter(model, "new-feature");
    const VfParameter *queues = vf_model_find_parameter(model, "queues");
    const VfParameter *mode = vf_model_find_parameter(model, "mode");

    g_assert_cmpstr(model->id, ==, "vendor-a.com/my-nic");
    g_assert_cmpstr(model->source, ==, "kernel");
    g_assert_true(g_str_has_prefix(model->digest, "sha256:"));
    g_assert_null(model->select_attribute);
    g_assert_cmpuint(model->parameters->len, ==, 4);
    g_assert_cmpint(feature->type, ==, VF_PARAMETER_BOOL);
    g_assert_cmpint(feature->compare, ==, VF_COMPARE_EQUAL);
    g_assert_cmpstr(feature->init, ==, "yes");
    g_assert_cmpstr(feature->off, ==, "no");
    g_assert_cmpstr(feature->description, ==, "New feature that old devices lack");
    g_assert_true(feature->enforced);
    g_assert_cmpint(feature->reader.kind, ==, VF_READER_ATTRIBUTE);
    g_assert_cmpstr(feature->reader.attribute, ==, "migration/new-feature");
    g_assert_cmpint(feature->applier, ==, VF_APPLIER_ATTRIBUTE);
    g_assert_cmpstr(feature->applier_attribute, ==, "migration/new-feature");
    g_assert_cmpstr(queues->allowed[0], ==, "300");
    g_assert_cmpstr(queues->allowed[1], ==, "512");
    g_assert_cmpint(g_array_index(queues->ranges, VfRange, 0).max, ==, 255);
    g_assert_cmpint(g_array_index(queues->ranges, VfRange, 1).min, ==, 1024);
    g_assert_true(vf_parameter_allows(queues, "2048"));
    g_assert_false(vf_parameter_allows(queues, "256"));
    g_assert_cmpint(mode->type, ==, VF_PARAMETER_STRING);
    g_assert_null(mode->off);
    g_assert_false(vf_parameter_allows(mode, "c"));
}

/* What is made of it is a schema like any other. */
static void
test_schema(void)
{
    g_autoptr(VfModel) model = parse_one(vf_migration_info_parse_type, nic);
    g_autofree char *text = vf_model_format(model);

    assert_valid(text, "model");
}

static void
test_program(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) model = parse_one(vf_migration_info_parse_program, nic);
    g_autoptr(GPtrArray) models = vf_migration_info_parse_program(
        "{\"models\":{\"b.org/v\":{\"versions\":[\"2\",\"1\"]},\"a.org\\/p\":{\"params\":{}}}}", -1,
        "card", &error);
    const VfModel *versions;

    g_assert_cmpstr(model->source, ==, "program");
    g_assert_cmpint(vf_model_find_parameter(model, "queues")->reader.kind, ==, VF_READER_NONE);
    g_assert_cmpint(vf_model_find_parameter(model, "queues")->applier, ==, VF_APPLIER_NONE);
    g_assert_no_error(error);
    g_assert_cmpuint(models->len, ==, 2);
    g_assert_cmpstr(((VfModel *)models->pdata[0])->id, ==, "a.org/p");
    versions = models->pdata[1];
    g_assert_cmpstr(versions->version_parameter, ==, "version");
    g_assert_null(versions->select_attribute);
    g_assert_cmpuint(versions->versions->len, ==, 2);
    g_assert_cmpstr(vf_model_find_parameter(versions, "version")->allowed[0], ==, "2");
}

static void
test_versions(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) models = vf_migration_info_parse_versions(
        "org.project/b:\n 8GB-v2\n 8GB-v1\nexample.org/a:\n v1\n", -1, "card", &error);
    const VfParameter *version;
    const VfModel *b;

    g_assert_no_error(error);
    g_assert_cmpuint(models->len, ==, 2);
    g_assert_cmpstr(((VfModel *)models->pdata[0])->id, ==, "example.org/a");
    b = models->pdata[1];
    version = vf_model_find_parameter(b, "version");
    g_assert_cmpstr(b->source, ==, "kernel");
    g_assert_cmpstr(b->select_attribute, ==, "migration/device_model");
    g_assert_cmpstr(((VfVersion *)b->versions->pdata[0])->name, ==, "8GB-v2");
    g_assert_cmpint(version->type, ==, VF_PARAMETER_ENUM);
    g_assert_cmpstr(version->reader.attribute, ==, "migration/version");
    g_assert_cmpstr(version->applier_attribute, ==, "migration/version");
    g_assert_false(vf_model_version_loads(b, "8GB-v2", "8GB-v1"));
}

static void
test_bad_versions(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "it has no model"},
        {"\n", "a model ends with"},
        {"a.org/b:\n", "has 0 versions"},
        {"a.org/b:\na.org/c:\n v1\n", "model “a.org/b”: it has 0 versions"},
        {" v1\n", "card:1: the line is “ v1”: a version follows its model"},
        {"a.org/b\n v1\n", "a model ends with “:”"},
        {"a.org/b:\nv1\n", "card:2: the line is “v1”"},
        {"a.org/b:\n\tv1\n", "card:2"},
        {"a.org/b:\n v1\n\n v2\n", "card:3"},
        {"a.org/b:\n v1\n v1\n", "the version “v1” is there twice"},
        {"a.org/b:\n v1\na.org/b:\n v2\n", "the model a.org/b is there twice"},
        {"a.org/b:\n  v1\n", "a version is “ v1”"},
        {"a.org/b:\n v 1\n", "without spaces"},
        {"a.org/b:\n \n", "a version is “”"},
        {"a.org/b:\n v\xc3\xa4\n", "ASCII"},
        {"a.org/b:\n v\x01\n", "control characters"},
        {"a.org/b:\r\n v1\r\n", "a model ends with"},
        {"https://a.org/b:\n v1\n", "the model id"},
        {"b:\n v1\n", "a model id must be a domain"},
        {"A.org/b:\n v1\n", "the model id"},
        {"a.org/b c:\n v1\n", "%XX"},
        {":\n v1\n", "the model id"},
        {"a.org/b:\n \xff\n", "card: it is not UTF-8"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(vf_migration_info_parse_versions, cases[i].text, cases[i].part);
}

static void
test_bad_parameters(void)
{
    static const struct {
        const char *members, *part;
    } cases[] = {
        {"", "parameter “p”: there is no “type”"},
        {"\"type\":\"int\"", "there is no “init_value”"},
        {"\"type\":1,\"init_value\":1", "“type” is 1, but must be a text"},
        {"\"type\":\"float\",\"init_value\":1", "“type” is \"float\", but must be bool, int, str"},
        {"\"type\":\"int\",\"init_value\":\"1\"", "“init_value” is \"1\", but must be a whole"},
        {"\"type\":\"int\",\"init_value\":1.0", "must be a whole number"},
        {"\"type\":\"int\",\"init_value\":true", "must be a whole number"},
        {"\"type\":\"int\",\"init_value\":null", "must be a whole number"},
        {"\"type\":\"int\",\"init_value\":[1]", "“init_value” is [1]"},
        {"\"type\":\"bool\",\"init_value\":1", "must be true, false"},
        {"\"type\":\"bool\",\"init_value\":\"on\"", "must be true, false"},
        {"\"type\":\"str\",\"init_value\":1", "must be a text"},
        {"\"type\":\"str\",\"init_value\":\"a\\nb\"", "without control characters"},
        {"\"type\":\"int\",\"init_value\":1,\"off_value\":\"no\"", "“off_value” is \"no\""},
        {"\"type\":\"int\",\"init_value\":1,\"off_value\":0,\"allowed_values\":[1]",
         "“off_value”: the parameter p is “0”, but must be 1"},
        {"\"type\":\"int\",\"init_value\":3,\"allowed_values\":[1,\"5-7\"]",
         "“init_value”: the parameter p is “3”, but must be 5 to 7, 1"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":1", "must be an array"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[]", "has 0 values"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[1,1]", "has “1” twice"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"7-5\"]", "a range “<min>-<max>”"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"5\"]", "a range"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"-5-7\"]", "a range"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"1-\"]", "a range"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"1-2-3\"]", "a range"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"0-9999999999999999999\"]",
         "a range"},
        {"\"type\":\"int\",\"init_value\":1,\"allowed_values\":[\"0x1-0x5\"]", "a range"},
        {"\"type\":\"str\",\"init_value\":\"a\",\"allowed_values\":[\"a\",1]", "must be a text"},
        {"\"type\":\"bool\",\"init_value\":true,\"allowed_values\":[\"true\"]", "true, false"},
        {"\"type\":\"bool\",\"init_value\":true,\"allowed_values\":[false]", "“init_value”"},
        {"\"type\":\"int\",\"init_value\":1,\"description\":7", "“description” is 7"},
        {"\"type\":\"int\",\"init_value\":1,\"init_value\":1", "“init_value” is there twice"},
        {"\"type\":\"int\",\"init_value\":1,\"init\\u005fvalue\":1", "is there twice"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = with_parameter(cases[i].members);
        assert_refused(vf_migration_info_parse_type, text, cases[i].part);
    }
}

static void
test_bad_structure(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "it ends too early"},
        {"[]", "the document must be an object"},
        {"null", "the document must be an object"},
        {"{}", "there is no “models”"},
        {"{\"models\":[]}", "“models” is [], but must be an object"},
        {"{\"models\":{}}", "it has no model"},
        {"{\"models\":{\"a.org/b\":[]}}", "must be an object"},
        {"{\"models\":{\"a.org/b\":{}}}", "either “params” or “versions”"},
        {"{\"models\":{\"a.org/b\":{\"params\":{},\"versions\":[\"1\"]}}}", "either"},
        {"{\"models\":{\"a.org/b\":{\"params\":[]}}}", "“params” is [], but must be an object"},
        {"{\"models\":{\"a.org/b\":{\"versions\":[\"1\"]}}}", "migration_device_models"},
        {"{\"models\":{\"a.org/b\":{\"params\":{}},\"a.org/c\":{\"params\":{}}}}",
         "it has 2 models, but an mdev type has one"},
        {"{\"models\":{\"a.org/b\":{\"params\":{}},\"a.org/b\":{\"params\":{}}}}",
         "the member “a.org/b” is there twice"},
        {"{\"models\":{\"a.org/b\":{\"params\":{\"p\":1}}}}", "“p” is 1, but must be an object"},
        {"{\"models\":{\"a.org/b\":{\"params\":{\"a/b\":{}}}}}", "a parameter's name"},
        {"{\"models\":{\"a.org/b\":{\"params\":{\"a=b\":{}}}}}", "a parameter's name"},
        {"{\"models\":{\"a.org/b\":{\"params\":{\"..\":{}}}}}", "a parameter's name"},
        {"{\"models\":{\"a.org/b\":{\"params\":{\"a%20b\":{}}}}}", "a parameter's attribute"},
        {"{\"models\":{\"a.org/b\":{\"params\":{\"\":{}}}}}", "a parameter's name"},
        {"{\"models\":{\"nodomain\":{\"params\":{}}}}", "the model id"},
        {"{\"models\":{\"https://a.org/b\":{\"params\":{}}}}", "the model id"},
        {"{\"models\":{\"a.org/b\xff\":{\"params\":{}}}}", "not UTF-8"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(vf_migration_info_parse_type, cases[i].text, cases[i].part);
    assert_refused(vf_migration_info_parse_program, "{\"models\":{\"a.org/b\":{\"versions\":{}}}}",
                   "must be an array");
    assert_refused(vf_migration_info_parse_program, "{\"models\":{\"a.org/b\":{\"versions\":[]}}}",
                   "has 0 versions");
    assert_refused(vf_migration_info_parse_program, "{\"models\":{\"a.org/b\":{\"versions\":[1]}}}",
                   "must be a text");
    assert_refused(vf_migration_info_parse_program,
                   "{\"models\":{\"a.org/b\":{\"versions\":[\"a b\"]}}}", "without spaces");
}

/* What json-glib would take. */
static void
test_not_json(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{'models':{}}", "a text in double quotes"},
        {"{\"models\":0x10}", "a decimal number"},
        {"{\"models\":010}", "a decimal number"},
        {"{\"models\":.5}", "a decimal number"},
        {"{\"models\":5.}", "a decimal number"},
        {"{\"models\":1e}", "a decimal number"},
        {"{\"models\":-}", "a decimal number"},
        {"{\"models\":- 5}", "a decimal number"},
        {"{\"models\":+5}", "a decimal number"},
        {"{\"models\":NaN}", "a decimal number"},
        {"{\"models\":True}", "there must be true"},
        {"{\"models\":9223372036854775808}", "at most 18 digits"},
        {"{\"models\":1,}", "card: "},
        {"{\"models\" 1}", "card: "},
        {"{\"models\":1 2}", "card: "},
        {"{models:1}", "in double quotes"},
        {"{} {}", "nothing may follow"},
        {"{},", "nothing may follow"},
        {"{}}", "nothing may follow"},
        {"]", "nothing is open here"},
        {"{\n\n]", "card: "},
        {"{\"models\":{}", "it ends too early"},
        {"var a = {}", "the document must be an object"},
        {"/* \" */ {}", "the document must be an object"},
        {"{ # \"\n}", "in double quotes"},
        {"{ // \"\n}", "in double quotes"},
        {"{\n\"a\":\"\n\"}", "card:2: at"},
        {"{\"a\":\"b", "a string is not closed"},
        {"{\"a\":\"\t\"}", "control characters"},
        {"{\"a\":\"\\x41\"}", "no such escape"},
        {"{\"a\":\"\\", "no such escape"},
        {"{\"a\":\"\\u00g0\"}", "four hexadecimal digits"},
        {"{\"a\":\"\\u0000\"}", "U+0000"},
        {"{\"a\\u0000b\":1}", "U+0000"},
        {"{\"a\":\"\\ud83d\"}", "half a character"},
        {"{\"a\":\"\\ud83d\\u0041\"}", "half a character"},
        {"{\"a\":\"\\ude00\"}", "half a character"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(vf_migration_info_parse_type, cases[i].text, cases[i].part);
}

static void
test_limits(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *deep = g_malloc(40001);
    g_autofree char *large = g_malloc(VF_JSON_STRICT_SIZE_MAX + 2);
    GString *many = g_string_new("a.org/b:\n");

    memset(deep, '[', 40000);
    deep[0] = '{';
    memcpy(deep + 1, "\"a\":", 4);
    deep[40000] = '\0';
    g_assert_null(vf_migration_info_parse_type(deep, -1, "card", &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED, "more than 16 levels");

    memset(large, ' ', VF_JSON_STRICT_SIZE_MAX + 1);
    large[VF_JSON_STRICT_SIZE_MAX + 1] = '\0';
    g_assert_null(vf_migration_info_parse_type(large, -1, "card", &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED, "card: more than 65536 bytes");
    g_assert_null(vf_migration_info_parse_versions(large, -1, "card", &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED, "card: more than 65536 bytes");

    for (guint i = 0; i < 257; i++)
        g_string_append_printf(many, " v%u\n", i);
    assert_refused(vf_migration_info_parse_versions, many->str, "has 257 versions");
    g_string_free(many, TRUE);

    /* neither reads on behind the size that it is told */
    g_assert_null(vf_migration_info_parse_type("{}{", 2, "card", &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "there is no “models”");
    g_assert_null(vf_migration_info_parse_type("{\"a\0\":1}", 8, "card", &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "not UTF-8");
}

static VfVerdict
compare(const VfModel *source, const VfModel *destination, const char *const *values)
{
    g_autoptr(GPtrArray) list = vf_value_list_new();
    g_autoptr(GPtrArray) nothing = vf_value_list_new();
    g_autoptr(VfRequirement) requirement = NULL;
    g_auto(GStrv) settable = vf_model_settable_names(destination);

    for (; values[0]; values += 2)
        vf_value_list_set(list, values[0], values[1], NULL);
    requirement = vf_requirement_new_for_device(source, list);
    return vf_compare_verdict(requirement, destination, nothing, settable);
}

/* The 4 GB and 8 GB cards of the documents: revision 3 has memory=4096 and memory=8192
 * (20201110095349.GA1082456), revision 4 the versions 4GB-v1 and 8GB-v1. */
static void
test_graphics_cards(void)
{
    static const char memory[] = "{\"models\":{\"" CARD "\":{\"params\":{\"memory\":{\"type\":"
                                 "\"int\",\"init_value\":%d,\"allowed_values\":[%d]}}}}}";
    g_autofree char *text4 = g_strdup_printf(memory, 4096, 4096);
    g_autofree char *text8 = g_strdup_printf(memory, 8192, 8192);
    g_autoptr(VfModel) card4 = parse_one(vf_migration_info_parse_type, text4);
    g_autoptr(VfModel) card8 = parse_one(vf_migration_info_parse_type, text8);
    g_autoptr(VfModel) old =
        parse_one(vf_migration_info_parse_versions, CARD ":\n 4GB-v1\n 8GB-v1\n");
    g_autoptr(VfModel) new =
        parse_one(vf_migration_info_parse_versions, CARD ":\n 4GB-v1\n 4GB-v2\n");
    static const char *const has4[] = {"memory", "4096", NULL};
    static const char *const is4v1[] = {"version", "4GB-v1", NULL};
    static const char *const is4v2[] = {"version", "4GB-v2", NULL};

    g_assert_cmpint(compare(card4, card4, has4), ==, VF_VERDICT_IDENTICAL);
    g_assert_cmpint(compare(card4, card8, has4), ==, VF_VERDICT_INCOMPATIBLE);
    g_assert_cmpint(compare(old, new, is4v1), ==, VF_VERDICT_IDENTICAL);
    g_assert_cmpint(compare(new, old, is4v2), ==, VF_VERDICT_INCOMPATIBLE);
    g_assert_cmpint(compare(card4, old, has4), ==, VF_VERDICT_INCOMPATIBLE);
}

static VfModel *
parse_parameter(const char *members)
{
    g_autofree char *text = with_parameter(members);

    return parse_one(vf_migration_info_parse_type, text);
}

static void
test_union(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) one =
        parse_parameter("\"type\":\"int\",\"init_value\":8,\"allowed_values\":[8]");
    g_autoptr(VfModel) some = parse_parameter(
        "\"type\":\"int\",\"init_value\":4,\"allowed_values\":[4,\"32-64\",\"16-20\"]");
    g_autoptr(VfModel) any = parse_parameter("\"type\":\"int\",\"init_value\":4");
    g_autoptr(VfModel) text = parse_parameter("\"type\":\"str\",\"init_value\":\"4\"");
    g_autoptr(VfModel) both = vf_model_union(one, some, &error);
    g_autoptr(VfModel) reversed = vf_model_union(some, one, &error);
    g_autoptr(VfModel) all = vf_model_union(one, any, &error);
    const VfParameter *p = both->parameters->pdata[0];
    gboolean narrower;

    g_assert_no_error(error);
    g_assert_cmpstr(both->digest, ==, reversed->digest);
    g_assert_cmpstr(p->allowed[0], ==, "4");
    g_assert_cmpstr(p->allowed[1], ==, "8");
    g_assert_cmpint(g_array_index(p->ranges, VfRange, 0).min, ==, 16);
    g_assert_null(p->init);
    g_assert_null(((VfParameter *)all->parameters->pdata[0])->allowed);
    g_assert_cmpstr(vf_model_union_only_value(one->parameters->pdata[0], p, &narrower), ==, "8");
    g_assert_false(narrower);
    g_assert_null(vf_model_union_only_value(some->parameters->pdata[0], p, &narrower));
    g_assert_true(narrower);
    g_assert_null(vf_model_union_only_value(p, p, &narrower));
    g_assert_false(narrower);
    g_assert_null(vf_model_union(one, text, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "differ in the type");
}

static void
test_union_of_versions(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) old = parse_one(vf_migration_info_parse_versions, CARD ":\n 1\n 2\n");
    g_autoptr(VfModel) new = parse_one(vf_migration_info_parse_versions, CARD ":\n 2\n 3\n");
    g_autoptr(VfModel) both = vf_model_union(old, new, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(both->versions->len, ==, 3);
    g_assert_cmpstr(vf_model_find_parameter(both, "version")->allowed[2], ==, "3");
    g_assert_cmpstr(both->select_attribute, ==, "migration/device_model");
}

#define ALIAS(values)                                                                              \
    "<model xmlns='https://vferry.org/ns/model/1' id='" CARD "'><match/>"                          \
    "<parameter name='n' type='int' compare='equal' off='0'/>"                                     \
    "<versions><version name='1'>" values "</version></versions></model>"

/* What one of them says of a version must not count for a device of the other. */
static void
test_union_of_other_versions(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) one =
        vf_model_parse(ALIAS("<value parameter='n'>1</value>"), -1, NULL, &error);
    g_autoptr(VfModel) two =
        vf_model_parse(ALIAS("<value parameter='n'>2</value>"), -1, NULL, &error);
    g_autoptr(VfModel) opaque = parse_one(vf_migration_info_parse_versions, CARD ":\n 1\n");
    g_autoptr(VfModel) same = vf_model_union(one, one, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(same->digest, ==, one->digest);
    g_assert_null(vf_model_union(one, two, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "different things by its versions");
    g_assert_null(vf_model_union(one, opaque, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "different things by its versions");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/migration-info/parameters", test_parameters);
    g_test_add_func("/xml/migration-info/schema", test_schema);
    g_test_add_func("/xml/migration-info/program", test_program);
    g_test_add_func("/xml/migration-info/versions", test_versions);
    g_test_add_func("/xml/migration-info/bad-versions", test_bad_versions);
    g_test_add_func("/xml/migration-info/bad-parameters", test_bad_parameters);
    g_test_add_func("/xml/migration-info/bad-structure", test_bad_structure);
    g_test_add_func("/xml/migration-info/not-json", test_not_json);
    g_test_add_func("/xml/migration-info/limits", test_limits);
    g_test_add_func("/xml/migration-info/graphics-cards", test_graphics_cards);
    g_test_add_func("/xml/migration-info/union", test_union);
    g_test_add_func("/xml/migration-info/union-of-versions", test_union_of_versions);
    g_test_add_func("/xml/migration-info/union-of-other-versions", test_union_of_other_versions);
    return g_test_run();
}
