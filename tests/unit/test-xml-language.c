/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-xml.h"
#include "xml/host/capabilities.h"
#include "xml/model/model-make.h"
#include "xml/model/model-xml.h"
#include "xml/model/model.h"

/* The language of descriptors, beyond what test-xml-model.c has of the first version of it. */

#define OPEN "<model xmlns='https://vferry.org/ns/model/1' id='example.org/nic'>"
#define WITH(content) OPEN "<match/>" content "</model>"
#define QUEUES "<parameter name='queues' type='int' compare='equal' init='4' off='1'/>"
#define MULTIQUEUE "<parameter name='multiqueue' type='bool' compare='equal' init='yes' off='no'/>"
#define RULE                                                                                       \
    "<constraint><when parameter='queues' at-least='3'/><then parameter='multiqueue' "             \
    "is='yes'/></constraint>"
#define VERSION_PARAMETER                                                                          \
    "<parameter name='version' type='enum' compare='equal'><allowed><value>v1</value>"             \
    "<value>v2</value></allowed></parameter>"

static char *
everything(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "everything.xml", NULL);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static VfModel *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VfModel *model = vf_model_parse(text, -1, "nic.xml", &error);

    g_assert_no_error(error);
    return model;
}

static void
test_canonical(void)
{
    g_autofree char *text = everything();
    g_autoptr(VfModel) model = parse(text);
    g_autofree char *once = vf_model_format(model);
    g_autoptr(VfModel) again = parse(once);
    g_autofree char *twice = vf_model_format(again);

    assert_valid(text, "model");
    assert_valid(once, "model");
    g_assert_cmpstr(once, ==, twice);
    g_assert_cmpstr(model->digest, ==, again->digest);
    g_assert_cmpuint(model->parameters->len, ==, 6);
    g_assert_cmpuint(model->constraints->len, ==, 1);
    g_assert_cmpuint(model->versions->len, ==, 2);
}

/* What another host learns of it: all of the schema, nothing of the access. */
static void
test_capabilities(void)
{
    g_autofree char *text = everything();
    g_autoptr(VfModel) model = parse(text);
    g_autoptr(VfCapabilities) capabilities =
        vf_capabilities_new("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
    g_autofree char *xml = NULL;
    g_autofree char *again = NULL;
    g_autoptr(VfCapabilities) parsed = NULL;
    g_autoptr(GError) error = NULL;
    const VfModel *there;

    vf_capabilities_add_model(capabilities, model);
    xml = vf_capabilities_format(capabilities);
    assert_valid(xml, "capabilities");
    parsed = vf_capabilities_parse(xml, -1, NULL, &error);
    g_assert_no_error(error);
    again = vf_capabilities_format(parsed);
    g_assert_cmpstr(xml, ==, again);
    there = vf_capabilities_find_model(parsed, "example.org/nic");
    g_assert_cmpstr(there->digest, ==, model->digest);
    g_assert_cmpuint(there->matches->len, ==, 0);
    g_assert_cmpuint(there->constraints->len, ==, 1);
    g_assert_cmpstr(there->aliases[0], ==, "example.org/old-nic");
    g_assert_cmpint(vf_model_find_parameter(there, "caps")->reader.kind, ==, VF_READER_NONE);
    g_assert_cmpstr(vf_value_list_find(vf_model_find_version(there, "2")->values, "queues")->value,
                    ==, "8");
}

/* What is part of the schema changes the digest; what is not does not. */
static void
test_digest(void)
{
    static const char *const schemas[] = {
        WITH(QUEUES MULTIQUEUE),
        WITH(QUEUES MULTIQUEUE RULE),
        WITH(QUEUES MULTIQUEUE "<versions><version name='1'/></versions>"),
        WITH("<alias id='a.b/c'/>" QUEUES MULTIQUEUE),
        WITH("<not-migratable>broken</not-migratable>" QUEUES MULTIQUEUE),
        WITH(MULTIQUEUE "<parameter name='queues' type='int' compare='equal' off='1'/>"),
        WITH(MULTIQUEUE "<parameter name='queues' type='int' compare='equal' init='4'/>"),
        WITH(MULTIQUEUE "<parameter name='queues' type='int' compare='equal' init='4' off='1' "
                        "enforced='no'/>"),
    };
    g_autoptr(VfModel) with_reader =
        parse(WITH(MULTIQUEUE "<parameter name='queues' type='int' compare='equal' init='4' "
                              "off='1'><read><attribute path='q' key='k'/></read></parameter>"));
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(schemas); i++) {
        g_autoptr(VfModel) model = parse(schemas[i]);
        g_assert_true(g_hash_table_add(seen, g_strdup(model->digest)));
        g_assert_cmpint(i == 0, ==, g_str_equal(model->digest, with_reader->digest));
    }
}

static void
assert_value(const VfParameter *parameter, const char *text, const char *canonical,
             gboolean allowed)
{
    g_autofree char *value = vf_parameter_canonicalize(parameter, text, NULL);
    g_autofree char *checked = vf_parameter_check_value(parameter, text, NULL);

    g_assert_cmpstr(value, ==, canonical);
    g_assert_cmpstr(checked, ==, allowed ? canonical : NULL);
}

static void
test_values(void)
{
    g_autofree char *text = everything();
    g_autoptr(VfModel) model = parse(text);
    const VfParameter *caps = vf_model_find_parameter(model, "caps");
    const VfParameter *features = vf_model_find_parameter(model, "features");
    const VfParameter *queues = vf_model_find_parameter(model, "queues");

    assert_value(caps, "sym  asym sym", "asym sym", TRUE);
    assert_value(caps, "", "", TRUE);
    assert_value(caps, "sym other", "other sym", FALSE);
    assert_value(features, "0xFF", "0xff", TRUE);
    assert_value(features, "16", "0x10", TRUE);
    assert_value(features, "0x100", "0x100", FALSE);
    assert_value(features, "0x", NULL, FALSE);
    assert_value(features, "0x00000000000000001", NULL, FALSE);
    assert_value(features, "-1", NULL, FALSE);
    assert_value(queues, "255", "255", TRUE);
    assert_value(queues, "256", "256", FALSE);
    assert_value(queues, "512", "512", TRUE);
    assert_value(queues, "2048", "2048", TRUE);
    assert_value(queues, "0x10", NULL, FALSE);
}

static void
assert_decoded(const VfParameter *parameter, const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = vf_parameter_decode_attribute(parameter, text, &error);

    g_assert_cmpstr(value, ==, expected);
    if (expected == NULL)
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE);
}

/* As drivers write it: facts of i915, NVIDIA and QAT. */
static void
test_decode(void)
{
    g_autofree char *text = everything();
    g_autoptr(VfModel) model = parse(text);
    const VfParameter *caps = vf_model_find_parameter(model, "caps");
    const VfParameter *memory = vf_model_find_parameter(model, "memory");
    const VfParameter *queues = vf_model_find_parameter(model, "queues");
    g_autofree char *encoded = vf_parameter_encode_attribute(caps, "asym sym");

    assert_decoded(caps, "sym;asym", "asym sym");
    assert_decoded(caps, "sym; dc ;", "dc sym");
    g_assert_cmpstr(encoded, ==, "asym;sym");
    assert_decoded(memory, "2048M", "2147483648");
    assert_decoded(memory, "64MB", "67108864");
    assert_decoded(memory, "1 GiB", "1073741824");
    assert_decoded(memory, "4096", "4096");
    assert_decoded(memory, "0x1000", "4096");
    assert_decoded(memory, "8388608T", NULL);
    assert_decoded(memory, "M", NULL);
    assert_decoded(memory, "64MX", NULL);
    assert_decoded(memory, "", NULL);
    assert_decoded(queues, "0x10", "16");
    assert_decoded(queues, "0xffffffffffffffff", NULL);
}

static void
assert_picked(const char *key, const char *text, const char *expected)
{
    const VfReader reader = {.kind = VF_READER_ATTRIBUTE, .key = (char *)key};
    g_autofree char *value = vf_reader_pick(&reader, text);

    g_assert_cmpstr(value, ==, expected);
}

static void
test_pick(void)
{
    const char *const nvidia =
        "num_heads=4, frl_config=45, framebuffer=2048M, max_resolution=5120x2880, max_instance=12";
    const char *const i915 = "low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\nweight: 4";

    assert_picked("framebuffer", nvidia, "2048M");
    assert_picked("max_instance", nvidia, "12");
    assert_picked("max", nvidia, NULL);
    assert_picked("low_gm_size", i915, "128MB");
    assert_picked("fence", i915, "4");
    assert_picked("gm_size", i915, NULL);
    assert_picked("k", "", NULL);
    assert_picked("k", "k=", "");
    assert_picked(NULL, i915, i915);
}

/* What the parser takes the schema takes, too. */
static void
test_schema_of_readers(void)
{
    static const char marks[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

    for (const char *mark = marks; *mark != '\0'; mark++) {
        g_autofree char *text = g_strdup_printf(
            WITH("<parameter name='n' type='set' compare='equal'><read><attribute path='a' "
                 "separator='&#%d;'/></read></parameter>"),
            *mark);
        g_autoptr(VfModel) model = parse(text);

        assert_valid(text, "model");
        g_assert_cmpint(((VfParameter *)model->parameters->pdata[0])->reader.separator, ==, *mark);
    }
    assert_valid(WITH("<parameter name='n' type='int' compare='equal'><read><pci-config "
                      "offset='08' width='04'/></read></parameter>"),
                 "model");
}

/* A PCI function has no mdev type, and whatever fits any type says nothing of it. */
static void
test_no_type(void)
{
    g_autoptr(VfModel) model =
        parse(WITH("<parameter name='n' type='int' compare='equal'><read><type-name><map type='*' "
                   "value='1'/></type-name></read></parameter>"));
    g_autoptr(GPtrArray) some = vf_model_values_from_type(model, "card-1");
    g_autoptr(GPtrArray) none = vf_model_values_from_type(model, "");

    g_assert_cmpuint(some->len, ==, 1);
    g_assert_cmpuint(none->len, ==, 0);
}

static void
test_match(void)
{
    g_autofree char *text = everything();
    g_autoptr(VfModel) model = parse(text);
    g_autoptr(VfModel) plain =
        parse(OPEN "<match><pci vendor='15b3' device='101e'/></match></model>");
    const VfPciId id = {0x15b3, 0x101e, 0x1af4, 0x1100};
    const VfPciId other = {0x15b3, 0x101e, 0x1234, 0x1100};

    g_assert_cmpuint(vf_model_matches_pci(model, &id, "mlx5_vfio_pci"), >,
                     vf_model_matches_pci(plain, &id, "mlx5_vfio_pci"));
    g_assert_cmpuint(vf_model_matches_pci(model, &id, "vfio-pci"), ==, 0);
    g_assert_cmpuint(vf_model_matches_pci(model, &id, NULL), ==, 0);
    g_assert_cmpuint(vf_model_matches_pci(model, &other, "mlx5_vfio_pci"), ==, 0);
    g_assert_cmpuint(vf_model_matches_pci(plain, &other, NULL), >, 0);
    g_assert_cmpuint(vf_model_matches_program(model, "/usr/libexec/my-nic-2"), >, 0);
    g_assert_cmpuint(vf_model_matches_program(model, "/usr/libexec/other"), ==, 0);
    g_assert_cmpuint(vf_model_matches_mdev(model, "card", "card-1"), >, 0);
    g_assert_true(vf_model_is(model, "example.org/old-nic"));
    g_assert_false(vf_model_is(model, "example.org/older-nic"));
}

static void
test_versions(void)
{
    g_autoptr(VfModel) model =
        parse(WITH(VERSION_PARAMETER "<versions parameter='version'><version name='v1'/><version "
                                     "name='v2'><loads version='v1'/></version></versions>"));

    g_assert_true(vf_model_version_loads(model, "v2", "v1"));
    g_assert_true(vf_model_version_loads(model, "v2", "v2"));
    g_assert_false(vf_model_version_loads(model, "v1", "v2"));
    g_assert_true(vf_model_version_loads(model, "v9", "v9"));
    g_assert_false(vf_model_version_loads(model, "v9", "v1"));
}

static void
test_constraint(void)
{
    g_autoptr(VfModel) model = parse(WITH(QUEUES MULTIQUEUE RULE));
    g_autoptr(GPtrArray) values = vf_value_list_new();
    const VfConstraint *constraint = model->constraints->pdata[0];

    /* absent: off */
    g_assert_cmpint(vf_model_check_constraint(model, constraint, values), ==, VF_TRUTH_YES);
    vf_value_list_set(values, "queues", "8", NULL);
    g_assert_cmpint(vf_model_check_constraint(model, constraint, values), ==, VF_TRUTH_NO);
    vf_value_list_set(values, "multiqueue", "yes", NULL);
    g_assert_cmpint(vf_model_check_constraint(model, constraint, values), ==, VF_TRUTH_YES);
    vf_value_list_set(values, "multiqueue", NULL, NULL);
    g_assert_cmpint(vf_model_check_constraint(model, constraint, values), ==, VF_TRUTH_UNKNOWN);
}

typedef struct {
    const char *text;
    const char *part;
} BadCase;

static const BadCase bad_parameters[] = {
    {WITH("<parameter name='n' type='int' compare='superset'/>"),
     "the rule superset cannot compare values of the type int"},
    {WITH("<parameter name='n' type='string' compare='at-least'/>"),
     "the rule at-least cannot compare values of the type string"},
    {WITH("<parameter name='n' type='int' compare='equal' init='x'/>"),
     "init: the parameter n is “x”"},
    {WITH("<parameter name='n' type='int' compare='equal' off='9'><allowed max='8'/>"
          "</parameter>"),
     "off: the parameter n is “9”, but must be"},
    {WITH("<parameter name='n' type='int' compare='equal' enforced='maybe'/>"),
     "enforced is “maybe”"},
    {WITH("<parameter name='n' type='set' compare='equal'><allowed><value>a b</value>"
          "</allowed></parameter>"),
     "one word, not “a b”"},
    {WITH("<parameter name='n' type='bitmask' compare='equal'><allowed><value>1</value>"
          "</allowed></parameter>"),
     "a bitmask has a mask"},
    {WITH("<parameter name='n' type='int' compare='equal'><allowed mask='0x1'/></parameter>"),
     "a mask is for the type bitmask only"},
    {WITH("<parameter name='n' type='int' compare='equal'><allowed max='1'><range max='2'/>"
          "</allowed></parameter>"),
     "there must be values and ranges, or"},
    {WITH("<parameter name='n' type='string' compare='equal'><allowed><range max='2'/>"
          "</allowed></parameter>"),
     "for the types int and size only"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><attribute path='a' "
          "of='cousin'/></read></parameter>"),
     "of is “cousin”"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><attribute path='a' "
          "separator=';'/></read></parameter>"),
     "a separator is for the type set only"},
    {WITH("<parameter name='n' type='set' compare='equal'><read><attribute path='a' "
          "separator='ab'/></read></parameter>"),
     "one ASCII punctuation mark"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><pci-config offset='3' "
          "width='2'/></read></parameter>"),
     "offset a multiple of it"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><pci-config offset='256' "
          "width='1'/></read></parameter>"),
     "offset is “256”"},
    {WITH("<parameter name='n' type='string' compare='equal'><read><pci-config offset='0' "
          "width='1'/></read></parameter>"),
     "the types int and bitmask only"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><udev-property name='a-b'/>"
          "</read></parameter>"),
     "a udev property has"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><attribute path='a' "
          "of='physfn'/></read><apply><attribute path='a'/></apply></parameter>"),
     "must be read from one"},
    {WITH("<parameter name='n' type='set' compare='superset'><read><attribute path='a' key='k' "
          "separator=','/></read></parameter>"),
     "a comma ends its value"},
    {WITH("<parameter name='n' type='int' compare='equal'><read><udev-property name=''/>"
          "</read></parameter>"),
     "a udev property has"},
    {OPEN "<match><pci vendor='15B3' device='101e'/></match></model>",
     "vendor is “15B3”, but must be four lower-case hexadecimal digits"},
    {OPEN "<match><pci device='101e'/></match></model>", "“vendor” is missing"},
    {NULL, NULL},
};

static const BadCase bad_models[] = {
    {WITH("<alias id='example.org/nic'/>"), "the id “example.org/nic” is there twice"},
    {WITH("<alias id='a.b/c'/><alias id='a.b/c'/>"), "the id “a.b/c” is there twice"},
    {WITH("<not-migratable> </not-migratable>"), "the reason is missing"},
    {WITH(QUEUES "<constraint><when parameter='queues' is='1'/></constraint>"),
     "the element <then> is missing"},
    {WITH(QUEUES "<constraint><then parameter='queues'/></constraint>"),
     "one of the attributes is, is-not"},
    {WITH(QUEUES "<constraint><then parameter='queues' is='1' has='1'/></constraint>"),
     "one of the attributes is, is-not"},
    {WITH(QUEUES "<constraint><then parameter='other' is='1'/></constraint>"),
     "there is no parameter “other”"},
    {WITH(QUEUES "<constraint><then parameter='queues' is='many'/></constraint>"),
     "queues is “many”"},
    {WITH(QUEUES "<constraint><then parameter='queues' has='1'/></constraint>"),
     "the test has cannot be made with queues, a int"},
    {WITH(QUEUES "<constraint><then parameter='queues' at-most='2'/></constraint>"),
     "the initial values break the constraint “queues at-most 2”"},
    {WITH("<parameter name='n' type='int' compare='equal'/>"
          "<constraint><when parameter='n' at-least='0'/><then parameter='n' at-most='1'/>"
          "<then parameter='n' at-least='2'/></constraint>"
          "<constraint><then parameter='n' at-least='5'/></constraint>"),
     "contradict each other"},
    {WITH(QUEUES MULTIQUEUE RULE "<versions><version name='1'><value parameter='queues'>4"
                                 "</value></version></versions>"),
     "the values of version 1 break the constraint"},
    {WITH(QUEUES "<versions><version name='1'><value parameter='other'>4</value></version>"
                 "</versions>"),
     "there is no parameter “other”"},
    {WITH(QUEUES "<versions><version name='1'><value parameter='queues'>x</value></version>"
                 "</versions>"),
     "version 1: the parameter queues is “x”"},
    {WITH("<versions><version name='1'/><version name='1'/></versions>"),
     "the version “1” is there twice"},
    {WITH("<versions><version name='a b'/></versions>"), "a text without spaces"},
    {WITH("<versions><version name='1'><loads version='0'/></version></versions>"),
     "in a model with a version parameter"},
    {WITH(VERSION_PARAMETER "<versions parameter='version'><version name='v1'/></versions>"),
     "the value v2 of version is not among the versions"},
    {WITH(VERSION_PARAMETER "<versions parameter='version'><version name='v1'/><version "
                            "name='v2'/><version name='v3'/></versions>"),
     "version v3 is no allowed value of version"},
    {WITH(VERSION_PARAMETER "<versions parameter='version'><version name='v1'><loads "
                            "version='v0'/></version><version name='v2'/></versions>"),
     "loads “v0”, which is no version"},
    {WITH(QUEUES "<versions parameter='queues'><version name='1'/></versions>"),
     "it must be an enum"},
    {NULL, NULL},
};

static void
test_bad(gconstpointer data)
{
    for (const BadCase *bad = data; bad->text != NULL; bad++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfModel) model = vf_model_parse(bad->text, -1, "nic.xml", &error);

        if (model != NULL)
            g_error("accepted: %s", bad->text);
        g_assert_true(g_str_has_prefix(error->message, "nic.xml:"));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, bad->part);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/language/canonical", test_canonical);
    g_test_add_func("/xml/language/capabilities", test_capabilities);
    g_test_add_func("/xml/language/digest", test_digest);
    g_test_add_func("/xml/language/values", test_values);
    g_test_add_func("/xml/language/decode", test_decode);
    g_test_add_func("/xml/language/pick", test_pick);
    g_test_add_func("/xml/language/schema-of-readers", test_schema_of_readers);
    g_test_add_func("/xml/language/no-type", test_no_type);
    g_test_add_func("/xml/language/match", test_match);
    g_test_add_func("/xml/language/versions", test_versions);
    g_test_add_func("/xml/language/constraint", test_constraint);
    g_test_add_data_func("/xml/language/bad-parameters", bad_parameters, test_bad);
    g_test_add_data_func("/xml/language/bad-models", bad_models, test_bad);
    return g_test_run();
}
