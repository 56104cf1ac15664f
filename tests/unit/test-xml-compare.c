/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/compare.h"

#include "test-xml.h"

#define REQUIREMENT(content)                                                                       \
    "<requirement xmlns='https://vferry.org/ns/requirement/1'>" content "</requirement>"
#define MODEL "<model id='kernel.org/mtty'/>"
#define SIXTEEN_GS "gggggggggggggggg"
#define SIXTY_FOUR_GS SIXTEEN_GS SIXTEEN_GS SIXTEEN_GS SIXTEEN_GS
#define REPORT(attributes, content)                                                                \
    "<report xmlns='https://vferry.org/ns/report/1' " attributes ">" content "</report>"

static VfModel *
shipped(const char *name)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "models", name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    VfModel *model;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    model = vf_model_parse(text, -1, path, &error);
    g_assert_no_error(error);
    return model;
}

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
                        "  <parameter name=\"pre-copy\" value=\"yes\" evidence=\"mdev-type\"/>\n"
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

static VfRequirement *
requirement_of(VfModel *model, const char *type, const char *size)
{
    g_autoptr(GPtrArray) known = vf_model_values_from_type(model, type);

    if (size != NULL)
        vf_value_list_set(known, "state-size", size, VF_EVIDENCE_ATTRIBUTE);
    return vf_requirement_new_for_device(model, known);
}

static const VfReportLine *
find_line(const VfReport *report, const char *name)
{
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *line = report->lines->pdata[i];
        if (g_strcmp0(line->name, name) == 0)
            return line;
    }
    return NULL;
}

/* The report survives its own format. */
static void
assert_report_round_trip(const VfReport *report)
{
    g_autofree char *text = vf_report_format(report);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfReport) again = vf_report_parse(text, -1, NULL, &error);
    g_autofree char *twice = NULL;

    g_assert_no_error(error);
    assert_valid(text, "report");
    twice = vf_report_format(again);
    g_assert_cmpstr(text, ==, twice);
    for (guint i = 0; i < report->lines->len; i++) {
        const VfReportLine *left = report->lines->pdata[i];
        const VfReportLine *right = again->lines->pdata[i];
        g_assert_cmpint(left->verdict, ==, right->verdict);
        g_assert_cmpint(left->subject, ==, right->subject);
    }
}

static void
test_mtty(void)
{
    g_autoptr(VfModel) model = shipped("kernel.org-mtty.xml");
    static const char *const types[] = {"mtty-1", "mtty-2"};

    for (gsize i = 0; i < 4; i++) {
        g_autoptr(VfRequirement) requirement = requirement_of(model, types[i / 2], NULL);
        g_autoptr(GPtrArray) known = vf_model_values_from_type(model, types[i % 2]);
        g_autoptr(VfReport) report = vf_compare_requirement(requirement, model, known, NULL);
        g_autoptr(GError) error = NULL;
        gboolean fits = vf_report_check(report, &error);

        assert_report_round_trip(report);
        g_assert_cmpint(fits, ==, i / 2 == i % 2);
        if (fits) {
            g_assert_no_error(error);
            g_assert_cmpint(report->verdict, ==, VF_VERDICT_IDENTICAL);
            continue;
        }
        g_assert_cmpint(report->verdict, ==, VF_VERDICT_INCOMPATIBLE);
        g_assert_cmpstr(find_line(report, "ports")->code, ==, VF_REPORT_CODE_VALUE_DIFFERS);
        assert_error(&error, VFERRY_ERROR_INCOMPATIBLE,
                     i == 1 ? "The source has ports=1, the destination has ports=2"
                            : "The source has ports=2, the destination has ports=1");
    }
}

static void
assert_testdev(const char *source_size, const char *type, const char *size, gboolean offer,
               VfVerdict verdict, const char *code, const char *part)
{
    g_autoptr(VfModel) model = shipped("vferry.org-testdev.xml");
    g_autoptr(VfRequirement) requirement = requirement_of(model, "vferry_testdev-1", source_size);
    g_autoptr(GPtrArray) known = vf_model_values_from_type(model, type);
    g_auto(GStrv) settable = vf_model_settable_names(model);
    g_autoptr(VfReport) report = NULL;

    if (size != NULL)
        vf_value_list_set(known, "state-size", size, VF_EVIDENCE_ATTRIBUTE);
    report = vf_compare_requirement(requirement, model, known, offer ? settable : NULL);
    assert_report_round_trip(report);
    g_assert_cmpint(report->verdict, ==, verdict);
    g_assert_cmpstr(find_line(report, "state-size")->code, ==, code);
    if (strstr(find_line(report, "state-size")->sentence, part) == NULL)
        g_error("“%s” does not say “%s”", find_line(report, "state-size")->sentence, part);
}

static void
test_testdev(void)
{
    assert_testdev("8192", "vferry_testdev-1", NULL, TRUE, VF_VERDICT_IDENTICAL,
                   VF_REPORT_CODE_CAN_BE_SET, "can be given state-size=8192 bytes");
    assert_testdev("8192", "vferry_testdev-1", "4096", TRUE, VF_VERDICT_IDENTICAL,
                   VF_REPORT_CODE_CAN_BE_SET, "8192");
    assert_testdev("8193", "vferry_testdev-1", NULL, TRUE, VF_VERDICT_INCOMPATIBLE,
                   VF_REPORT_CODE_VALUE_NOT_ALLOWED,
                   "state-size=8193 bytes; the destination allows 4096 to 8589934592");
    assert_testdev("8192", "vferry_testdev-1", "8192", FALSE, VF_VERDICT_IDENTICAL,
                   VF_REPORT_CODE_MATCHES, "Both have state-size=8192 bytes");
    assert_testdev("8192", "vferry_testdev-1", "4096", FALSE, VF_VERDICT_INCOMPATIBLE,
                   VF_REPORT_CODE_VALUE_DIFFERS,
                   "state-size=8192 bytes, the destination has state-size=4096 bytes");
    assert_testdev("8192", "vferry_testdev-1", NULL, FALSE, VF_VERDICT_UNKNOWN,
                   VF_REPORT_CODE_VALUE_UNREAD, "the value at the destination could not be read");
    assert_testdev(NULL, "vferry_testdev-1", NULL, TRUE, VF_VERDICT_UNKNOWN,
                   VF_REPORT_CODE_VALUE_UNREAD, "could not be read at the source");
    assert_testdev(NULL, "vferry_testdev-1", NULL, FALSE, VF_VERDICT_UNKNOWN,
                   VF_REPORT_CODE_VALUE_UNREAD, "neither at the source nor at the destination");
    assert_testdev(NULL, "vferry_testdev-1", "4096", FALSE, VF_VERDICT_UNKNOWN,
                   VF_REPORT_CODE_VALUE_UNREAD, "could not be read at the source");
    /* incompatible outweighs unknown */
    assert_testdev(NULL, "vferry_testdev-2", "4096", FALSE, VF_VERDICT_INCOMPATIBLE,
                   VF_REPORT_CODE_VALUE_UNREAD, "could not be read");
    assert_testdev("8192", "vferry_testdev-stopcopy", NULL, TRUE, VF_VERDICT_INCOMPATIBLE,
                   VF_REPORT_CODE_CAN_BE_SET, "8192");
}

/* A requirement and a destination's model and values (one "name=value" each), and what comes out.
 */
static void
assert_compare(const char *wanted, const char *parameters, const char *known_name,
               const char *known_value, VfVerdict verdict, VferryError code, const char *part)
{
    g_autofree char *text = g_strdup_printf(
        "<model xmlns='https://vferry.org/ns/model/1' id='kernel.org/mtty'><match/>%s</model>",
        parameters);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfModel) model = vf_model_parse(text, -1, NULL, &error);
    g_autoptr(VfRequirement) requirement = vf_requirement_parse(wanted, -1, NULL, &error);
    g_autoptr(GPtrArray) known = vf_value_list_new();
    g_autoptr(VfReport) report = NULL;

    g_assert_no_error(error);
    vf_value_list_set(known, known_name, known_value, NULL);
    report = vf_compare_requirement(requirement, model, known, NULL);
    assert_report_round_trip(report);
    g_assert_cmpint(report->verdict, ==, verdict);
    if (verdict == VF_VERDICT_IDENTICAL) {
        g_assert_true(vf_report_check(report, &error));
        return;
    }
    g_assert_false(vf_report_check(report, &error));
    assert_error(&error, code, part);
}

#define PARAMETER(rule) "<parameter name='n' type='int' compare='" rule "'/>"
#define N_IS(value) REQUIREMENT(MODEL "<parameter name='n' value='" value "'/>")

static void
test_rules(void)
{
    assert_compare(N_IS("2"), PARAMETER("equal"), "n", "2", VF_VERDICT_IDENTICAL, 0, NULL);
    assert_compare(N_IS("02"), PARAMETER("equal"), "n", "2", VF_VERDICT_IDENTICAL, 0, NULL);
    assert_compare(N_IS("2"), PARAMETER("equal"), "n", "3", VF_VERDICT_INCOMPATIBLE,
                   VFERRY_ERROR_INCOMPATIBLE, "n=2, the destination has n=3");
    assert_compare(N_IS("2"), PARAMETER("ignore"), "n", "3", VF_VERDICT_IDENTICAL, 0, NULL);
    assert_compare(N_IS("two"), PARAMETER("equal"), "n", "3", VF_VERDICT_INCOMPATIBLE,
                   VFERRY_ERROR_INCOMPATIBLE, "n is “two”, but must be a whole decimal number");
    assert_compare(N_IS("2"), PARAMETER("firmware"), "n", "2", VF_VERDICT_UNKNOWN,
                   VFERRY_ERROR_UNKNOWN, "source 2, destination 2");
    assert_compare(N_IS("2"), "", "n", "2", VF_VERDICT_INCOMPATIBLE, VFERRY_ERROR_INCOMPATIBLE,
                   "The source has n=2; the destination does not know this parameter.");
    assert_compare(REQUIREMENT(MODEL), PARAMETER("equal"), "n", "2", VF_VERDICT_UNKNOWN,
                   VFERRY_ERROR_UNKNOWN, "parameter n, which the source does not know");
    assert_compare(REQUIREMENT(MODEL), PARAMETER("ignore"), "n", "2", VF_VERDICT_IDENTICAL, 0,
                   NULL);
    assert_compare(REQUIREMENT(MODEL "<parameter name='z' value='1'/>"), PARAMETER("equal"), "n",
                   "2", VF_VERDICT_INCOMPATIBLE, VFERRY_ERROR_INCOMPATIBLE, "The source has z=1");
    assert_compare(REQUIREMENT(MODEL "<parameter name='a' value='1'/>"), PARAMETER("equal"), "n",
                   "2", VF_VERDICT_INCOMPATIBLE, VFERRY_ERROR_INCOMPATIBLE, "The source has a=1");
    assert_compare(REQUIREMENT("<model id='a.b/c'/>"), PARAMETER("equal"), "n", "2",
                   VF_VERDICT_INCOMPATIBLE, VFERRY_ERROR_INCOMPATIBLE,
                   "The source is a a.b/c, the destination a kernel.org/mtty.");
}

/* The error has what decides, not every line. */
static void
test_message(void)
{
    g_autoptr(VfModel) model = shipped("vferry.org-testdev.xml");
    g_autoptr(VfRequirement) requirement = requirement_of(model, "vferry_testdev-1", NULL);
    g_autoptr(GPtrArray) known = vf_model_values_from_type(model, "vferry_testdev-2");
    g_autoptr(VfReport) report = vf_compare_requirement(requirement, model, known, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_false(vf_report_check(report, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INCOMPATIBLE);
    g_assert_cmpstr(
        error->message, ==,
        "The source has banks=1, the destination has banks=2; they must be equal, since "
        "the state of one cannot be loaded by the other.");
}

static void
test_no_model(void)
{
    g_autoptr(VfRequirement) requirement = vf_requirement_new("a.b/c", NULL);
    g_autoptr(GPtrArray) known = vf_value_list_new();
    g_autoptr(VfReport) report = vf_compare_requirement(requirement, NULL, known, NULL);
    g_autoptr(GError) error = NULL;

    assert_report_round_trip(report);
    g_assert_false(vf_report_check(report, &error));
    assert_error(&error, VFERRY_ERROR_INCOMPATIBLE, "does not know this model");
}

static void
test_digests(void)
{
    g_autoptr(VfModel) model = shipped("kernel.org-mtty.xml");
    g_autofree char *zeros = g_strnfill(64, '0');
    g_autofree char *digest = g_strconcat("sha256:", zeros, NULL);
    g_autoptr(VfRequirement) requirement = vf_requirement_new(model->id, digest);
    g_autoptr(GPtrArray) known = vf_model_values_from_type(model, "mtty-1");
    g_autoptr(VfReport) report = NULL;
    const VfReportLine *line;

    vf_value_list_set(requirement->values, "ports", "1", NULL);
    report = vf_compare_requirement(requirement, model, known, NULL);
    assert_report_round_trip(report);
    g_assert_cmpint(report->verdict, ==, VF_VERDICT_IDENTICAL);
    line = report->lines->pdata[1];
    g_assert_cmpint(line->subject, ==, VF_REPORT_SCHEMA);
    g_assert_cmpstr(line->source, ==, digest);
    g_assert_cmpstr(line->destination, ==, model->digest);
}

static void
test_bad_reports(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {REPORT("", ""), "“verdict” is missing"},
        {REPORT("verdict='maybe'", ""), "verdict is “maybe”"},
        {REPORT("verdict='unknown'", "<parameter name='n'/>"), "“code” is missing"},
        {REPORT("verdict='unknown'", "<parameter code='x'/>"), "“name” is missing"},
        {REPORT("verdict='unknown'", "<x required='yes'/>"), "<x>: this element is required"},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(VfReport) report = vf_report_parse(
        REPORT("verdict='identical'", "<parameter name='n' code='newer'> a\n b</parameter>"), -1,
        NULL, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(vf_report_parse(cases[i].text, -1, NULL, &error));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
    g_assert_cmpint(((const VfReportLine *)report->lines->pdata[0])->verdict, ==,
                    VF_VERDICT_UNKNOWN);
    g_assert_cmpstr(((const VfReportLine *)report->lines->pdata[0])->sentence, ==, "a b");
    g_assert_cmpint(report->verdict, ==, VF_VERDICT_IDENTICAL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/compare/requirement", test_requirement);
    g_test_add_func("/xml/compare/values", test_values);
    g_test_add_func("/xml/compare/requirement-ignored", test_requirement_ignored);
    g_test_add_func("/xml/compare/requirement-order", test_requirement_order);
    g_test_add_func("/xml/compare/bad-requirements", test_bad_requirements);
    g_test_add_func("/xml/compare/mtty", test_mtty);
    g_test_add_func("/xml/compare/testdev", test_testdev);
    g_test_add_func("/xml/compare/rules", test_rules);
    g_test_add_func("/xml/compare/message", test_message);
    g_test_add_func("/xml/compare/no-model", test_no_model);
    g_test_add_func("/xml/compare/digests", test_digests);
    g_test_add_func("/xml/compare/bad-reports", test_bad_reports);
    return g_test_run();
}
