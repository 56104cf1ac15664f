/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-compare.h"
#include "xml/model/model-make.h"

#define REQUIREMENT(content)                                                                       \
    "<requirement xmlns='https://vferry.org/ns/requirement/1'>" content "</requirement>"
#define MODEL "<model id='kernel.org/mtty'/>"
#define REPORT(attributes, content)                                                                \
    "<report xmlns='https://vferry.org/ns/report/1' " attributes ">" content "</report>"

static VfRequirement *
requirement_of(VfModel *model, const char *type, const char *size)
{
    g_autoptr(GPtrArray) known = vf_model_values_from_type(model, type);

    if (size != NULL)
        vf_value_list_set(known, "state-size", size, VF_EVIDENCE_ATTRIBUTE);
    return vf_requirement_new_for_device(model, known);
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
    /* how a state was saved does not matter to who loads it */
    assert_testdev("8192", "vferry_testdev-stopcopy", NULL, TRUE, VF_VERDICT_IDENTICAL,
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

/* --- every rule with every type --- */

/* Values of one parameter under one rule; NULL where there is no such value. */
typedef struct {
    const char *type, *rule, *allowed;
    const char *source, *fits, *differs;
    const char *invalid;         /* no value of the type */
    const char *foreign, *takes; /* not allowed, and the nearest that is and that the rule takes */
} Cell;

#define VALUES(content) "<allowed>" content "</allowed>"
#define V(text) "<value>" text "</value>"
#define STEPS "<allowed min='0' max='100' step='10'/>"
#define MORE_STEPS                                                                                 \
    "<allowed><range min='0' max='100' step='10'/><range min='200' max='300' step='1'/>" V(        \
        "500") "</allowed>"
#define MASK "<allowed mask='0xff'/>"
#define LEVELS VALUES(V("low") V("middle") V("high"))
#define WORDS VALUES(V("asym") V("dc") V("sym"))
#define DRIVERS VALUES(V("535.129.3") V("550.54.14") V("550.90.7"))

static const Cell cells[] = {
    {"bool", "equal", VALUES(V("yes")), "yes", NULL, "no", "maybe", "no", NULL},
    {"bool", "at-least", "", "no", "yes", NULL, "1", NULL, NULL},
    {"bool", "at-least", VALUES(V("yes")), "yes", NULL, "no", "", "no", "yes"},
    {"bool", "at-most", "", "yes", "no", NULL, "Yes", NULL, NULL},
    {"bool", "at-most", VALUES(V("no")), "no", NULL, "yes", "n", "yes", "no"},
    {"bool", "firmware", "", "no", NULL, "yes", "maybe", NULL, NULL},
    {"bool", "ignore", "", "no", NULL, "yes", "maybe", NULL, NULL},
    {"int", "equal", STEPS, "20", NULL, "30", "2x", "25", NULL},
    {"int", "at-least", STEPS, "20", "30", "10", "", "25", "30"},
    {"int", "at-least", STEPS, "20", "100", "-10", "0x14", "-5", "0"},
    {"int", "at-least", STEPS, "100", "101", "99", "1e2", "101", NULL},
    {"int", "at-most", STEPS, "20", "10", "30", "two", "25", "20"},
    {"int", "at-most", STEPS, "20", "-1", "21", " 20", "-1", NULL},
    {"int", "at-most", MORE_STEPS, "20", "-1", "21", "+20", "999", "500"},
    {"int", "firmware", "", "20", NULL, "30", "x", NULL, NULL},
    {"int", "ignore", "", "20", NULL, "30", "x", NULL, NULL},
    {"size", "equal", STEPS, "20", NULL, "30", "-1", "5", NULL},
    {"size", "at-least", STEPS, "20", "9223372036854775807", "10", "20K", "5", "10"},
    {"size", "at-most", STEPS, "20", "0", "30", "x", "9223372036854775807", "100"},
    {"size", "firmware", "", "20", NULL, "30", "x", NULL, NULL},
    {"size", "ignore", "", "20", NULL, "30", "x", NULL, NULL},
    {"enum", "equal", LEVELS, "middle", NULL, "high", "\t", "highest", NULL},
    {"enum", "at-least", LEVELS, "middle", "high", "low", "\t", "highest", NULL},
    {"enum", "at-least", LEVELS, "low", "middle", "newer", "\t", "", NULL},
    {"enum", "at-most", LEVELS, "middle", "low", "high", "\t", "lowest", NULL},
    {"enum", "firmware", LEVELS, "low", NULL, "high", "\t", NULL, NULL},
    {"enum", "ignore", LEVELS, "low", NULL, "high", "\t", NULL, NULL},
    {"string", "equal", DRIVERS, "550.54.14", NULL, "550.90.7", "a\nb", "550.1", NULL},
    {"string", "same-major", DRIVERS, "550.54.14", "550", "535.1", "a\nb", "535.1", "535.129.3"},
    {"string", "same-major", DRIVERS, "550.54.14", "550.99", "55", "a\nb", "570.1", NULL},
    {"string", "firmware", "", "22.1", NULL, "22.2", "a\nb", NULL, NULL},
    {"string", "ignore", "", "22.1", NULL, "22.2", "a\nb", NULL, NULL},
    {"set", "equal", WORDS, "asym sym", NULL, "asym dc sym", "a\tb", "asym rsa", NULL},
    {"set", "superset", WORDS, "asym sym", "asym dc sym", "asym dc", "a\tb", "asym rsa", NULL},
    {"set", "superset", WORDS, "", "dc", NULL, "a\tb", "rsa", NULL},
    {"set", "firmware", "", "a", NULL, "a b", "a\tb", NULL, NULL},
    {"set", "ignore", "", "a", NULL, "a b", "a\tb", NULL, NULL},
    {"bitmask", "equal", MASK, "0x3", NULL, "0x7", "3x", "0x100", NULL},
    {"bitmask", "superset", MASK, "0x3", "0x7", "0x5", "-1", "0x101", NULL},
    {"bitmask", "superset", MASK, "0x0", "0xffffffffffffffff", NULL, "0x", "0x1ff", NULL},
    {"bitmask", "firmware", "", "0x3", NULL, "0x7", "0xg", NULL, NULL},
    {"bitmask", "ignore", "", "0x3", NULL, "0x7", "0xg", NULL, NULL},
};

/* What the two rules that decide nothing say instead of @code. */
static const char *
code_of(const Cell *cell, const char *code)
{
    if (g_str_equal(cell->rule, "ignore"))
        return "ignored";
    return g_str_equal(cell->rule, "firmware") ? "firmware-decides" : code;
}

/* One comparison of the cell's parameter; @source "-": the requirement does not have it. */
static void
assert_cell(const Cell *cell, const VfModel *model, const char *source, const char *destination,
            gboolean settable, const char *code, const char *given)
{
    static const char *const names[] = {"p", NULL};
    g_autoptr(VfRequirement) requirement = vf_requirement_new(model->id, NULL);
    g_autoptr(GPtrArray) known = vf_value_list_new();
    g_autoptr(VfReport) report = NULL;
    const VfReportLine *line;

    if (g_strcmp0(source, "-") != 0)
        vf_value_list_set(requirement->values, "p", source, NULL);
    vf_value_list_set(known, "p", destination, NULL);
    report = compare(requirement, model, known, settable ? (char *const *)names : NULL);
    line = find_line(report, "p");
    if (g_strcmp0(line != NULL ? line->code : NULL, code) != 0)
        g_error("%s %s: %s, %s%s: %s, but expected %s", cell->type, cell->rule, source, destination,
                settable ? " settable" : "", line != NULL ? line->code : "nothing", code);
    if (line != NULL && g_strcmp0(line->destination, given) != 0)
        g_error("%s %s: %s: %s, but expected %s", cell->type, cell->rule, source, line->destination,
                given);
}

static VfModel *
cell_model(const Cell *cell, const char *attributes)
{
    g_autofree char *content =
        g_strdup_printf("<match/><parameter name='p' type='%s' compare='%s' %s>%s</parameter>",
                        cell->type, cell->rule, attributes, cell->allowed);
    return model_of("a.b/c", content);
}

static void
test_cells(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cells); i++) {
        const Cell *cell = &cells[i];
        g_autoptr(VfModel) model = cell_model(cell, "");
        gboolean ignored = g_str_equal(cell->rule, "ignore");
        const char *unread = code_of(cell, "value-unread");

        assert_cell(cell, model, cell->source, cell->source, FALSE, code_of(cell, "matches"),
                    cell->source);
        if (cell->fits != NULL)
            assert_cell(cell, model, cell->source, cell->fits, FALSE, "fits", cell->fits);
        if (cell->differs != NULL)
            assert_cell(cell, model, cell->source, cell->differs, FALSE,
                        code_of(cell, "value-differs"), cell->differs);
        assert_cell(cell, model, NULL, cell->source, FALSE, unread, cell->source);
        assert_cell(cell, model, cell->source, NULL, FALSE, unread, NULL);
        assert_cell(cell, model, NULL, NULL, FALSE, unread, NULL);
        if (strpbrk(cell->invalid, "\t\n") == NULL) { /* no document has such a text */
            assert_cell(cell, model, cell->invalid, cell->source, FALSE,
                        ignored ? "ignored" : "value-invalid", cell->source);
            assert_cell(cell, model, cell->source, cell->invalid, FALSE,
                        code_of(cell, "value-differs"), cell->invalid);
        }
        assert_cell(cell, model, "-", cell->source, FALSE,
                    ignored ? NULL : code_of(cell, "parameter-missing"), cell->source);
    }
}

static void
test_settable_cells(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cells); i++) {
        const Cell *cell = &cells[i];
        g_autoptr(VfModel) model = cell_model(cell, "");

        if (g_str_equal(cell->rule, "ignore") || g_str_equal(cell->rule, "firmware")) {
            assert_cell(cell, model, cell->source, NULL, TRUE, code_of(cell, ""), NULL);
            continue;
        }
        assert_cell(cell, model, cell->source, NULL, TRUE, "can-be-set", NULL);
        if (cell->differs != NULL) /* what it has now does not count */
            assert_cell(cell, model, cell->source, cell->differs, TRUE, "can-be-set", NULL);
        if (cell->foreign != NULL)
            assert_cell(cell, model, cell->foreign, cell->source, TRUE,
                        cell->takes != NULL ? "fits" : "value-not-allowed", cell->takes);
        assert_cell(cell, model, NULL, NULL, TRUE, "value-unread", NULL);
        assert_cell(cell, model, "-", NULL, TRUE, "parameter-missing", NULL);
    }
}

/* A requirement without the parameter is one in which it is off. */
static void
test_off_cells(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cells); i++) {
        const Cell *cell = &cells[i];
        g_autofree char *off = g_strdup_printf("off='%s'", cell->source);
        g_autoptr(VfModel) model = cell_model(cell, off);

        if (g_str_equal(cell->rule, "ignore") || g_str_equal(cell->rule, "firmware"))
            continue;
        assert_cell(cell, model, "-", cell->source, FALSE, "off", cell->source);
        assert_cell(cell, model, "-", NULL, FALSE, "value-unread", NULL);
        assert_cell(cell, model, "-", NULL, TRUE, "off", NULL);
        if (cell->fits != NULL)
            assert_cell(cell, model, "-", cell->fits, FALSE, "fits", cell->fits);
        if (cell->differs != NULL) {
            assert_cell(cell, model, "-", cell->differs, FALSE, "value-differs", cell->differs);
            assert_cell(cell, model, "-", cell->differs, TRUE, "off", NULL);
        }
        assert_cell(cell, model, cell->source, cell->source, FALSE, "matches", cell->source);
    }
}

/* Whatever spelling a peer sends, the values are the same; and what is shown has one. */
static void
test_spellings(void)
{
    static const struct {
        const char *type, *source, *destination, *expected;
    } cases[] = {
        {"int", "007", "7", "identical: p matches"},
        {"int", "-0", "0", "identical: p matches"},
        {"size", "00", "0", "identical: p matches"},
        {"int", "1000000000000000000", "1000000000000000000", "identical: p matches"},
        {"int", "9223372036854775808", "1", "incompatible: p value-invalid"},
        {"bitmask", "0x0F", "15", "identical: p matches"},
        {"bitmask", "0xf", "0x00f", "identical: p matches"},
        {"bitmask", "0x10000000000000000", "0x0", "incompatible: p value-invalid"},
        {"set", "b  a b", "a b", "identical: p matches"},
        {"set", " a", "a ", "identical: p matches"},
        {"set", "a ab", "ab a", "identical: p matches"},
        {"string", "ä", "ä", "identical: p matches"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Cell cell = {cases[i].type, "equal", "", NULL, NULL, NULL, NULL, NULL, NULL};
        g_autoptr(VfModel) model = cell_model(&cell, "");
        g_autofree char *wanted = g_strconcat("p=", cases[i].source, NULL);
        g_autofree char *known = g_strconcat("p=", cases[i].destination, NULL);
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", wanted);
        assert_answer(cases[i].source, requirement, model, known, NULL, cases[i].expected);
    }
}

/* --- versions, aliases, constraints --- */

#define NIC                                                                                        \
    "<alias id='old.example/nic'/><match/>"                                                        \
    "<parameter name='multiqueue' type='bool' compare='equal' off='no'/>"                          \
    "<parameter name='queues' type='int' compare='equal' init='1' off='1'>"                        \
    "<allowed min='1' max='8'/></parameter>"                                                       \
    "<constraint><description>more than two queues need multiqueue</description>"                  \
    "<when parameter='queues' at-least='3'/><then parameter='multiqueue' is='yes'/></constraint>"  \
    "<versions><version name='1'/><version name='2'><value parameter='multiqueue'>yes</value>"     \
    "<value parameter='queues'>4</value></version></versions>"
#define BOTH "multiqueue queues"

static void
test_language(void)
{
    static const struct {
        const char *model, *wanted, *known, *settable, *expected;
    } cases[] = {
        /* an id that the destination knows by another name */
        {"a.b/nic", "", "multiqueue=no; queues=1", NULL, "identical: multiqueue off, queues off"},
        {"old.example/nic", "", "multiqueue=no; queues=1", NULL,
         "identical: multiqueue off, queues off"},
        {"other.example/nic", "", "", BOTH, "incompatible: model model-differs"},
        /* versions: what is said outright outweighs them */
        {"a.b/nic@1", "", "", BOTH, "identical: version matches, multiqueue off, queues off"},
        {"a.b/nic@2", "", "", BOTH,
         "identical: version matches, multiqueue can-be-set, queues can-be-set"},
        {"a.b/nic@2", "", "multiqueue=yes; queues=4", NULL,
         "identical: version matches, multiqueue matches, queues matches"},
        {"a.b/nic@2", "queues=8", "multiqueue=yes; queues=4", NULL,
         "incompatible: version matches, multiqueue matches, queues value-differs"},
        {"a.b/nic@2", "queues=8", "multiqueue=yes; queues=8", NULL,
         "identical: version matches, multiqueue matches, queues matches"},
        {"a.b/nic@1", "zeal=1", "", BOTH,
         "incompatible: version matches, multiqueue off, queues off, zeal parameter-unknown"},
        {"a.b/nic@3", "queues=1", "", BOTH,
         "incompatible: version version-unknown, multiqueue off, queues can-be-set"},
        /* constraints, on what the destination would have */
        {"a.b/nic", "queues=3", "", BOTH,
         "incompatible: multiqueue off, queues can-be-set, constraint constraint-violated"},
        {"a.b/nic", "queues=2", "", BOTH, "identical: multiqueue off, queues can-be-set"},
        {"a.b/nic", "multiqueue=yes; queues=3", "multiqueue=yes", "queues",
         "identical: multiqueue matches, queues can-be-set"},
        {"a.b/nic", "multiqueue; queues=3", "multiqueue=no", "queues",
         "incompatible: multiqueue value-unread, queues can-be-set, constraint "
         "constraint-violated"},
        {"a.b/nic", "multiqueue; queues=3", "", "queues",
         "unknown: multiqueue value-unread, queues can-be-set, constraint constraint-undecided"},
        {"a.b/nic", "multiqueue; queues=2", "", "queues",
         "unknown: multiqueue value-unread, queues can-be-set"},
        {"a.b/nic", "multiqueue; queues=3", "", BOTH,
         "unknown: multiqueue value-unread, queues can-be-set, constraint constraint-undecided"},
        {"a.b/nic", "multiqueue=no; queues", "", BOTH, /* not what a new one would have */
         "unknown: multiqueue can-be-set, queues value-unread, constraint constraint-undecided"},
        {"a.b/nic", "multiqueue=yes; queues", "multiqueue=yes; queues=3", NULL,
         "unknown: multiqueue matches, queues value-unread"},
        {"a.b/nic", "multiqueue=yes; queues=9", "multiqueue=yes", "queues",
         "incompatible: multiqueue matches, queues value-not-allowed"},
        /* a destination that is as it is */
        {"a.b/nic", "multiqueue=yes; queues=3", "multiqueue=yes; queues=nonsense", NULL,
         "incompatible: multiqueue matches, queues value-differs"},
        {"a.b/nic", "", "", NULL,
         "unknown: multiqueue value-unread, queues value-unread, constraint constraint-undecided"},
    };
    g_autoptr(VfModel) model = model_of("a.b/nic", NIC);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfRequirement) requirement = requirement_from(cases[i].model, cases[i].wanted);
        g_autofree char *row = g_strdup_printf("%" G_GSIZE_FORMAT ": %s", i, cases[i].wanted);
        assert_answer(row, requirement, model, cases[i].known, cases[i].settable,
                      cases[i].expected);
    }
}

/* What nobody sets is what a new device has, or what the one that is there has. */
static void
test_init(void)
{
    static const struct {
        const char *init, *known, *expected;
    } cases[] = {
        {"init='4'", "",
         "incompatible: mode matches, queues parameter-missing, constraint "
         "constraint-violated"},
        {"init='2'", "", "unknown: mode matches, queues parameter-missing"},
        {"init='2'", "; queues=4",
         "incompatible: mode matches, queues parameter-missing, "
         "constraint constraint-violated"},
        {"", "",
         "unknown: mode matches, queues parameter-missing, constraint "
         "constraint-undecided"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *content =
            g_strdup_printf("<match/><parameter name='mode' type='string' compare='equal'/>"
                            "<parameter name='queues' type='int' compare='equal' %s/>"
                            "<constraint><when parameter='mode' is='small'/>"
                            "<then parameter='queues' at-most='2'/></constraint>",
                            cases[i].init);
        g_autofree char *known = g_strconcat("mode=small", cases[i].known, NULL);
        g_autoptr(VfModel) model = model_of("a.b/c", content);
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", "mode=small");
        assert_answer(cases[i].init, requirement, model, known, "queues", cases[i].expected);
    }
}

#define OPAQUE(versions)                                                                           \
    "<match/><parameter name='format' type='enum' compare='equal'><allowed>" V("v1") V("v2")       \
        V("v3") "</allowed></parameter><versions parameter='format'>" versions "</versions>"

/* Opaque versions load what they say, and nothing follows from their names. */
static void
test_opaque_versions(void)
{
    static const struct {
        const char *model, *wanted, *known, *settable, *expected;
    } cases[] = {
        {"a.b/c", "format=v1", "format=v1", NULL, "identical: format matches"},
        {"a.b/c", "format=v1", "format=v2", NULL, "superset: format fits"},
        {"a.b/c", "format=v2", "format=v1", NULL, "incompatible: format value-differs"},
        {"a.b/c", "format=v2", "format=v3", NULL, "incompatible: format value-differs"},
        {"a.b/c", "format=v1", "format=v3", NULL, "superset: format fits"},
        {"a.b/c", "format=v1", "format=v3", "format", "identical: format can-be-set"},
        {"a.b/c", "format=v4", "", "format", "incompatible: format value-not-allowed"},
        {"a.b/c@v1", "", "format=v2", NULL, "superset: version matches, format fits"},
        {"a.b/c@v2", "", "format=v2", NULL, "identical: version matches, format matches"},
        {"a.b/c@v2", "", "", "format", "identical: version matches, format can-be-set"},
        {"a.b/c@v4", "", "format=v2", NULL,
         "incompatible: version version-unknown, format parameter-missing"},
    };
    g_autoptr(VfModel) model = model_of(
        "a.b/c", OPAQUE("<version name='v1'/><version name='v2'><loads version='v1'/></version>"
                        "<version name='v3'><loads version='v1'/></version>"));

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfRequirement) requirement = requirement_from(cases[i].model, cases[i].wanted);
        assert_answer(cases[i].model, requirement, model, cases[i].known, cases[i].settable,
                      cases[i].expected);
    }
}

static void
test_not_migratable(void)
{
    g_autoptr(VfModel) model =
        model_of("kernel.org/vfio-ap",
                 "<not-migratable>its adapters are the host's own</not-migratable><match/>"
                 "<parameter name='n' type='int' compare='equal'/>");
    g_autoptr(VfRequirement) requirement = requirement_from("kernel.org/vfio-ap", "n=1");
    g_autoptr(VfRequirement) other = requirement_from("kernel.org/other", "n=1");
    g_autoptr(GPtrArray) known = values_of("n=1");
    g_autoptr(VfReport) report = compare(requirement, model, known, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_false(vf_report_check(report, &error));
    assert_error(&error, VFERRY_ERROR_INCOMPATIBLE,
                 "No kernel.org/vfio-ap can migrate: its adapters are the host's own");
    g_assert_false(vf_report_can_override(report));
    assert_answer("same", requirement, model, "n=1", NULL, "incompatible: model not-migratable");
    assert_answer("other", other, model, "n=1", NULL, "incompatible: model model-differs");
}

/* --- overriding --- */

static void
test_override(void)
{
    static const struct {
        const char *wanted, *known;
        gboolean can;
    } cases[] = {
        {"driver=550.1; ports=1", "driver=550.1; ports=1", FALSE}, /* nothing speaks against it */
        {"driver=550.1; ports=1", "driver=550.2; ports=1", FALSE},
        {"driver=550.1; ports=1", "driver=535.1; ports=1", TRUE},
        {"driver=550.1; ports=1", "driver=535.1; ports=2", FALSE},
        {"driver=550.1; ports=1", "driver=535.1; ports", TRUE},
        {"driver; ports=1", "driver=535.1; ports=1", TRUE},
        {"driver=550.1; ports", "driver=550.1; ports=2", TRUE},
        {"driver=550.1", "driver=550.1; ports=2", TRUE}, /* the source does not know it */
        {"driver=550.1; ports=x", "driver=550.1; ports=2", FALSE},
        {"driver=550.1; ports=1; x=1", "driver=550.1; ports=1", FALSE},
        {"driver=550.1; firmware=1; ports=1", "driver=550.1; ports=1", TRUE},
        {"driver=550.1; firmware=1; ports=1", "driver=550.1; ports=2", FALSE},
    };
    g_autoptr(VfModel) plain =
        model_of("a.b/c", "<match/><parameter name='driver' type='string' compare='same-major' "
                          "enforced='no'/><parameter name='ports' type='int' compare='equal'/>");
    g_autoptr(VfModel) firmware =
        model_of("a.b/c", "<match/><parameter name='driver' type='string' compare='same-major' "
                          "enforced='no'/><parameter name='ports' type='int' compare='equal'/>"
                          "<parameter name='firmware' type='string' compare='firmware'/>");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        VfModel *model = strstr(cases[i].wanted, "firmware") != NULL ? firmware : plain;
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", cases[i].wanted);
        g_autoptr(GPtrArray) known = values_of(cases[i].known);
        g_autoptr(VfReport) report = compare(requirement, model, known, NULL);
        if (vf_report_can_override(report) != cases[i].can)
            g_error("%s, %s", cases[i].wanted, cases[i].known);
    }
}

/* What was found out only later has been overridden by nobody. */
static void
test_override_covers(void)
{
    static const struct {
        const char *now;
        gboolean covered;
    } cases[] = {
        {"driver=550.1; ports=1", TRUE},  {"driver=535.1; ports=1", TRUE},
        {"driver=520.1; ports=1", TRUE},  {"driver; ports=1", TRUE},
        {"driver=535.1; ports=2", FALSE}, {"driver=535.1; ports", FALSE},
        {"driver=550.1; ports=2", FALSE},
    };
    g_autoptr(VfModel) model =
        model_of("a.b/c", "<match/><parameter name='driver' type='string' compare='same-major' "
                          "enforced='no'/><parameter name='ports' type='int' compare='equal' "
                          "enforced='no'/>");
    g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", "driver=550.1; ports=1");
    g_autoptr(GPtrArray) before = values_of("driver=535.1; ports=1");
    g_autoptr(VfReport) overridden = compare(requirement, model, before, NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) known = values_of(cases[i].now);
        g_autoptr(VfReport) now = compare(requirement, model, known, NULL);
        g_assert_true(vf_report_check(now, NULL) || vf_report_can_override(now));
        if (vf_report_covers(overridden, now) != cases[i].covered)
            g_error("%s", cases[i].now);
    }
}

static void
test_override_constraints(void)
{
    g_autoptr(VfModel) model = model_of("a.b/nic", NIC);
    g_autoptr(GPtrArray) unread = values_of("multiqueue; queues=3");
    g_autoptr(GPtrArray) broken = values_of("multiqueue=no; queues=3");
    g_autoptr(VfRequirement) first = requirement_from("a.b/nic", "multiqueue=yes; queues=3");
    g_autoptr(VfRequirement) second = requirement_from("a.b/nic", "multiqueue=no; queues=3");
    g_autoptr(VfReport) undecided = compare(first, model, unread, NULL);
    g_autoptr(VfReport) violated = compare(second, model, broken, NULL);

    g_assert_cmpint(undecided->verdict, ==, VF_VERDICT_UNKNOWN);
    g_assert_true(vf_report_can_override(undecided));
    g_assert_cmpint(violated->verdict, ==, VF_VERDICT_INCOMPATIBLE);
    g_assert_false(vf_report_can_override(violated));
}

/* An override does not change what was found out, and is there to be read. */
static void
test_override_is_written(void)
{
    g_autoptr(VfModel) model = model_of(
        "a.b/c",
        "<match/><parameter name='n' type='int' compare='at-least' enforced='no' unit='queues'/>");
    g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", "n=2");
    g_autoptr(GPtrArray) known = values_of("n=1");
    g_autoptr(VfReport) report = compare(requirement, model, known, NULL);
    g_autoptr(VfReport) again = NULL;
    g_autofree char *text = NULL;

    report->override = g_strdup("the host is on fire");
    assert_report_round_trip(report);
    text = vf_report_format(report);
    g_assert_cmpstr(
        text, ==,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<report xmlns=\"https://vferry.org/ns/report/1\" verdict=\"incompatible\" "
        "override=\"the host is on fire\">\n"
        "  <model source=\"a.b/c\" destination=\"a.b/c\" code=\"matches\">Both are a.b/c.</model>\n"
        "  <parameter name=\"n\" source=\"2\" destination=\"1\" compare=\"at-least\" "
        "code=\"value-differs\" overridable=\"yes\">The source has n=2 queues, the destination has "
        "n=1 queues; the destination must not have less.</parameter>\n"
        "</report>\n");
    again = vf_report_parse(text, -1, NULL, NULL);
    g_assert_cmpstr(again->override, ==, "the host is on fire");
    g_assert_true(vf_report_can_override(again));
    g_assert_false(vf_report_check(again, NULL));
}

/* --- sentences --- */

static void
test_sentences(void)
{
    static const struct {
        const char *attributes, *wanted, *known;
        gboolean settable;
        const char *sentence;
    } cases[] = {
        {"type='int' compare='equal'", "p=1", "p=1", FALSE, "Both have p=1."},
        {"type='int' compare='at-least' unit='MiB'", "p=1", "p=2", FALSE,
         "The source has p=1 MiB, the destination has p=2 MiB, which fits."},
        {"type='int' compare='at-least' unit='MiB'", "p", "p=2", FALSE,
         "The value of p could not be read at the source."},
        {"type='int' compare='at-least' unit='MiB'", "p=1", "p", FALSE,
         "The source has p=1 MiB; the value at the destination could not be read."},
        {"type='int' compare='at-least' off='0'", "", "p=2", FALSE,
         "The source does not have p; the destination has p=2, which fits."},
        {"type='int' compare='equal' off='0'", "", "p=2", FALSE,
         "The source does not have p; the destination has p=2, which is not switched off."},
        {"type='int' compare='equal' off='0'", "", "p=0", FALSE,
         "The source does not have p; the destination has it switched off, with p=0."},
        {"type='int' compare='equal' off='0'", "", "p=2", TRUE,
         "The source does not have p; the destination can be given p=0, which switches it off."},
        {"type='int' compare='equal' off='0'", "", "p", FALSE,
         "The source does not have p; whether the destination has it switched off could not be "
         "read."},
        {"type='set' compare='superset'", "p=a b", "p=a c", FALSE,
         "The source has p=a b, the destination has p=a c; the destination must have all that the "
         "source has."},
        {"type='int' compare='at-most'", "p=1", "p=2", FALSE,
         "The source has p=1, the destination has p=2; the destination must not have more."},
        {"type='string' compare='same-major'", "p=1.2", "p=2.2", FALSE,
         "The source has p=1.2, the destination has p=2.2; they must be equal up to the first "
         "dot."},
        {"type='string' compare='firmware'", "p=1.2", "p", FALSE,
         "Whether p fits only the device itself can say (source 1.2, destination ?)."},
        {"type='string' compare='ignore'", "p=%s", "p", FALSE, "p does not matter."},
        {"type='string' compare='equal'", "p=%1$s%", "p=%s", FALSE,
         "The source has p=%1$s%, the destination has p=%s; they must be equal, since the state of "
         "one cannot be loaded by the other."},
        {"type='int' compare='equal'", "p=x", "p=1", FALSE,
         "The destination cannot understand the source's value: the parameter p is “x”, but must "
         "be a whole decimal number."},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const char *const names[] = {"p", NULL};
        g_autofree char *content =
            g_strdup_printf("<match/><parameter name='p' %s/>", cases[i].attributes);
        g_autoptr(VfModel) model = model_of("a.b/c", content);
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", cases[i].wanted);
        g_autoptr(GPtrArray) known = values_of(cases[i].known);
        g_autoptr(VfReport) report =
            compare(requirement, model, known, cases[i].settable ? (char *const *)names : NULL);
        g_assert_cmpstr(find_line(report, "p")->sentence, ==, cases[i].sentence);
    }
}

/* --- what a device is given --- */

static void
test_values_to_give(void)
{
    static const struct {
        const char *model, *wanted, *settable, *expected;
    } cases[] = {
        {"a.b/nic", "", BOTH, "multiqueue=no; queues=1; "}, /* all that the source lacks is off */
        {"a.b/nic@2", "", BOTH, "multiqueue=yes; queues=4; "},
        {"a.b/nic@2", "queues=08", BOTH, "multiqueue=yes; queues=8; "},
        {"a.b/nic", "multiqueue=yes", "multiqueue", "multiqueue=yes; "},
        {"a.b/nic", "queues=9; zeal=1", BOTH, "multiqueue=no; "}, /* not what cannot be given */
        {"a.b/nic", "queues", BOTH, "multiqueue=no; "},
        {"a.b/nic", "queues=3", NULL, ""},
    };
    g_autoptr(VfModel) model = model_of("a.b/nic", NIC);
    g_autoptr(GPtrArray) known = values_of("");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) names = g_strsplit(cases[i].settable ?: "", " ", -1);
        g_autoptr(VfRequirement) requirement = requirement_from(cases[i].model, cases[i].wanted);
        g_autoptr(GPtrArray) values = vf_compare_values_to_give(requirement, model, known, names);
        g_autofree char *text = text_of(values);
        g_assert_cmpstr(text, ==, cases[i].expected);
    }
}

/* Where its own value cannot be set, the nearest that the rule takes. */
static void
test_nearest_to_give(void)
{
    static const char *const settable[] = {"p", NULL};
    const Cell cell = {"int", "at-least", STEPS, NULL, NULL, NULL, NULL, NULL, NULL};
    g_autoptr(VfModel) model = cell_model(&cell, "");
    g_autoptr(VfRequirement) requirement = requirement_from("a.b/c", "p=25");
    g_autoptr(GPtrArray) known = values_of("p=10");
    g_autoptr(GPtrArray) given =
        vf_compare_values_to_give(requirement, model, known, (char *const *)settable);
    g_autofree char *text = text_of(given);
    g_autoptr(VfReport) report = compare(requirement, model, given, NULL);

    g_assert_cmpstr(text, ==, "p=30; ");
    g_assert_cmpint(report->verdict, ==, VF_VERDICT_SUPERSET);
}

/* A device that was made as the comparison says is what the requirement asks for, and its own
 * requirement is the first one again: the state can go back. */
static void
test_there_and_back(void)
{
    static const char *const wanted[] = {"", "queues=2", "multiqueue=yes",
                                         "multiqueue=yes; queues=8"};
    g_autoptr(VfModel) model = model_of("a.b/nic", NIC);
    g_auto(GStrv) settable = g_strsplit(BOTH, " ", -1);
    g_autoptr(GPtrArray) nothing = values_of("");

    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autoptr(VfRequirement) requirement = requirement_from("a.b/nic", wanted[i]);
        g_autoptr(GPtrArray) given =
            vf_compare_values_to_give(requirement, model, nothing, settable);
        g_autoptr(VfRequirement) back = vf_requirement_new_for_device(model, given);
        g_autoptr(VfReport) report = compare(requirement, model, given, NULL);
        g_autofree char *text = NULL;
        g_autofree char *back_text = NULL;
        g_assert_cmpint(report->verdict, ==, VF_VERDICT_IDENTICAL);
        requirement->digest = g_strdup(back->digest);
        text = vf_requirement_format(requirement);
        back_text = vf_requirement_format(back);
        g_assert_cmpstr(text, ==, back_text);
    }
}

/* More parameters than are at hand without an allocation. */
static void
test_many(void)
{
    g_autoptr(GString) content = g_string_new("<match/>");
    g_autoptr(GString) values = g_string_new(NULL);
    g_autoptr(VfModel) model = NULL;
    g_autoptr(VfRequirement) requirement = NULL;

    for (int i = 0; i < 100; i++) {
        g_string_append_printf(content, "<parameter name='p%02d' type='int' compare='equal'/>", i);
        g_string_append_printf(values, "p%02d=0%d; ", i, i);
    }
    model = model_of("a.b/c", content->str);
    requirement = requirement_from("a.b/c", values->str);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GPtrArray) known = values_of(values->str);
        g_autoptr(VfReport) report = NULL;
        if (i == 1)
            vf_value_list_set(known, "p57", "56", NULL);
        report = compare(requirement, model, known, NULL);
        g_assert_cmpuint(report->lines->len, ==, 101);
        g_assert_cmpint(report->verdict, ==,
                        i == 0 ? VF_VERDICT_IDENTICAL : VF_VERDICT_INCOMPATIBLE);
    }
}

/* A value that may be the same, fit, differ, be none of the type, unread ("?") or not there ("").
 */
static void
set_any(GPtrArray *list, const char *name, const char *const *values, guint n)
{
    const char *value = values[g_test_rand_int_range(0, (gint)n)];

    if (value[0] != '\0')
        vf_value_list_set(list, name, g_str_equal(value, "?") ? NULL : value, NULL);
}

/* Whatever meets whatever, the verdict alone is that of the report. */
static void
test_verdict_is_the_reports(void)
{
    static const char *const numbers[] = {"", "?", "1", "2", "3", "9", "x"};
    static const char *const words[] = {"", "?", "asym", "asym sym", "sym  asym", "rsa"};
    static const char *const versions[] = {"", "?", "v1", "v2", "v3"};
    static const char *const sets[] = {"", "number", "number words", "format number words"};
    static const char *const names[] = {NULL, "v1", "v3"};
    static const char *const more[] = {"", "", "", "", "1"};
    g_autoptr(VfModel) model = model_of(
        "a.b/c", "<match/><parameter name='number' type='int' compare='at-least' off='1'>"
                 "<allowed min='1' max='3'/></parameter>"
                 "<parameter name='words' type='set' compare='superset'>" WORDS "</parameter>"
                 "<parameter name='format' type='enum' compare='equal'><allowed>" V("v1")
                     V("v2") "</allowed></parameter>"
                             "<constraint><when parameter='number' at-least='3'/>"
                             "<then parameter='words' has='sym'/></constraint>"
                             "<versions parameter='format'><version name='v1'/><version name='v2'>"
                             "<loads version='v1'/></version></versions>");
    guint counts[4] = {0};

    for (int i = 0; i < 20000; i++) {
        g_autoptr(VfRequirement) requirement = vf_requirement_new("a.b/c", NULL);
        g_autoptr(GPtrArray) known = vf_value_list_new();
        g_auto(GStrv) settable = g_strsplit(sets[g_test_rand_int_range(0, 4)], " ", -1);
        g_autoptr(VfReport) report = NULL;
        VfVerdict verdict;
        requirement->version = g_strdup(names[g_test_rand_int_range(0, 3)]);
        for (int side = 0; side < 2; side++) {
            GPtrArray *list = side == 0 ? requirement->values : known;
            set_any(list, "number", numbers, G_N_ELEMENTS(numbers));
            set_any(list, "words", words, G_N_ELEMENTS(words));
            set_any(list, "format", versions, G_N_ELEMENTS(versions));
            set_any(list, "zeal", more, G_N_ELEMENTS(more));
        }
        report = vf_compare_requirement(requirement, model, known, settable);
        verdict = vf_compare_verdict(requirement, model, known, settable);
        g_assert_cmpint(verdict, ==, report->verdict);
        counts[verdict]++;
    }
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        g_assert_cmpuint(counts[i], >, 20);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/compare/mtty", test_mtty);
    g_test_add_func("/xml/compare/testdev", test_testdev);
    g_test_add_func("/xml/compare/rules", test_rules);
    g_test_add_func("/xml/compare/message", test_message);
    g_test_add_func("/xml/compare/no-model", test_no_model);
    g_test_add_func("/xml/compare/digests", test_digests);
    g_test_add_func("/xml/compare/bad-reports", test_bad_reports);
    g_test_add_func("/xml/compare/cells", test_cells);
    g_test_add_func("/xml/compare/settable-cells", test_settable_cells);
    g_test_add_func("/xml/compare/off-cells", test_off_cells);
    g_test_add_func("/xml/compare/spellings", test_spellings);
    g_test_add_func("/xml/compare/language", test_language);
    g_test_add_func("/xml/compare/init", test_init);
    g_test_add_func("/xml/compare/opaque-versions", test_opaque_versions);
    g_test_add_func("/xml/compare/not-migratable", test_not_migratable);
    g_test_add_func("/xml/compare/override", test_override);
    g_test_add_func("/xml/compare/override-covers", test_override_covers);
    g_test_add_func("/xml/compare/override-constraints", test_override_constraints);
    g_test_add_func("/xml/compare/override-is-written", test_override_is_written);
    g_test_add_func("/xml/compare/sentences", test_sentences);
    g_test_add_func("/xml/compare/values-to-give", test_values_to_give);
    g_test_add_func("/xml/compare/nearest-to-give", test_nearest_to_give);
    g_test_add_func("/xml/compare/there-and-back", test_there_and_back);
    g_test_add_func("/xml/compare/many", test_many);
    g_test_add_func("/xml/compare/verdict-is-the-reports", test_verdict_is_the_reports);
    return g_test_run();
}
