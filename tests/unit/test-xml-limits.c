/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-xml-parsers.h"
#include "test-xml.h"
#include "xml/baseline/baseline.h"
#include "xml/find/offers.h"
#include "xml/model/model.h"

/* How much of everything a document may have: as much is taken, one more is refused by a sentence
 * that has the number, docs/descriptors.md has it, and where it is a length the schema, too. */

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

typedef gboolean (*Parse)(const char *text, gssize size, GError **error);

static gboolean
parse_offers(const char *text, gssize size, GError **error)
{
    g_autoptr(VfOffers) offers = vf_offers_parse(text, size, "it", error);
    return offers != NULL;
}

static gboolean
parse_baseline(const char *text, gssize size, GError **error)
{
    g_autoptr(VfBaseline) baseline = vf_baseline_parse(text, size, "it", error);
    return baseline != NULL;
}

typedef struct {
    const char *name; /* of the schema; NULL: not XML */
    Parse parse;
    const char *head;
    const char *end;
} Kind;

static const Kind model = {"model", parse_model,
                           "<model xmlns='https://vferry.org/ns/model/1' id='a.b/c'", "</model>"};
static const Kind requirement = {
    "requirement", parse_requirement,
    "<requirement xmlns='https://vferry.org/ns/requirement/1'><model id='a.b/c'", "</requirement>"};
static const Kind capabilities = {
    "capabilities", parse_capabilities,
    "<capabilities xmlns='https://vferry.org/ns/capabilities/1'><host id='" UUID "'",
    "</capabilities>"};
static const Kind migration = {"migration", parse_migration,
                               "<migration xmlns='https://vferry.org/ns/migration/1' job='" UUID
                               "' source='" UUID "'><stream min='1' max='1'",
                               "</migration>"};
static const Kind answer = {"answer", parse_answer,
                            "<answer xmlns='https://vferry.org/ns/answer/1' job='" UUID
                            "' destination='" UUID "' expires='1'><stream version='1'",
                            "</answer>"};
static const Kind report = {"report", parse_report,
                            "<report xmlns='https://vferry.org/ns/report/1' verdict='unknown'",
                            "</report>"};
static const Kind offers = {"offers", parse_offers,
                            "<offers xmlns='https://vferry.org/ns/offers/1'", "</offers>"};
static const Kind baseline = {"baseline", parse_baseline,
                              "<baseline xmlns='https://vferry.org/ns/baseline/1' "
                              "verdict='conflict' hosts='1' fitting='0'",
                              "</baseline>"};
static const Kind program = {NULL, parse_program, "{\"models\": {", "}}"};
static const Kind versions = {NULL, parse_versions, "", "\n"};

typedef struct {
    const Kind *kind;
    const char *row; /* of the page */
    guint max;
    const char *before;
    const char *piece; /* a number in the place of “#”; NULL: a letter */
    const char *after;
    guint already; /* so many are in what is around */
} Limit;

#define PARAMETER(type) "><match/><parameter name='p' type='" type "' compare='equal'"
#define PARENT "/><parents><parent id='p' kind='mdev' path='/'"
#define OFFER PARENT "><offer id='o' how='create' left='1'"
#define OFFER_END "'/></parent></parents>"
#define DEVICE "/><devices><device id='d' kind='pci' path='/' state='idle'"
#define LINE "verdict='unknown' code='in-use'"

static const Limit limits[] = {
    {&model, "| `alias` | 64 |", 64, "><match/>", "<alias id='a.b/#'/>", ""},
    {&model, "| `mdev`, `pci`, `vfio-user` | 256 of each |", 256, "><match>",
     "<mdev driver='a' type='#'/>", "</match>"},
    {&model, "| `mdev`, `pci`, `vfio-user` | 256 of each |", 256, "><match>",
     "<pci vendor='15b3' driver='#'/>", "</match>"},
    {&model, "| `mdev`, `pci`, `vfio-user` | 256 of each |", 256, "><match>",
     "<vfio-user program='#'/>", "</match>"},
    {&model, "| `parameter` | 256 |", 256, "><match/>",
     "<parameter name='p#' type='int' compare='equal'/>", ""},
    {&model, "| `value` of `allowed` | 256 |", 256, PARAMETER("int") "><allowed>",
     "<value>#</value>", "</allowed></parameter>"},
    {&model, "| `range` of `allowed` | 64 |", 64, PARAMETER("int") "><allowed>", "<range min='#'/>",
     "</allowed></parameter>"},
    {&model, "| `map` of a parameter | 256 |", 256, PARAMETER("int") "><read><type-name>",
     "<map type='#' value='1'/>", "</type-name></read></parameter>"},
    {&model, "| `constraint` | 64 |", 64, PARAMETER("int") "/>",
     "<constraint><then parameter='p' at-least='-#'/></constraint>", ""},
    {&model, "| `when`, `then` of a constraint | 16 of each |", 16,
     PARAMETER("int") "/><constraint>", "<then parameter='p' at-least='-#'/>", "</constraint>"},
    {&model, "| `when`, `then` of a constraint | 16 of each |", 16,
     PARAMETER("int") "/><constraint>", "<when parameter='p' at-least='-#'/>",
     "<then parameter='p' at-most='1'/></constraint>"},
    {&model, "| `version` | 256 |", 256, "><match/><versions>", "<version name='#'/>",
     "</versions>"},
    {&model, "| `value`, `loads` of a version | 256 of each |", 256,
     "><match/><parameter name='p' type='enum' compare='equal'><allowed><value>v</value></allowed>"
     "</parameter><versions parameter='p'><version name='v'>",
     "<loads version='v'/>", "</version></versions>"},
    {&model, "| `name` of a parameter or a udev property | 128 bytes |", 128,
     "><match/><parameter type='int' compare='equal' name='", NULL, "'/>"},
    {&model, "| `name` of a parameter or a udev property | 128 bytes |", 128,
     PARAMETER("int") "><read><udev-property name='", NULL, "'/></read></parameter>"},
    {&model, "| `name` of a version | 128 bytes, without spaces |", 128,
     "><match/><versions><version name='", NULL, "'/></versions>"},
    {&model, "| `driver` | 64 bytes |", 64, "><match><mdev type='*' driver='", NULL, "'/></match>"},
    {&model, "| `driver` | 64 bytes |", 64, "><match><pci vendor='15b3' driver='", NULL,
     "'/></match>"},
    {&model, "| `type` of `mdev` and `map`, `program` | 128 bytes |", 128,
     "><match><mdev driver='a' type='", NULL, "'/></match>"},
    {&model, "| `type` of `mdev` and `map`, `program` | 128 bytes |", 128,
     PARAMETER("int") "><read><type-name><map value='1' type='", NULL,
     "'/></type-name></read></parameter>"},
    {&model, "| `type` of `mdev` and `map`, `program` | 128 bytes |", 128,
     "><match><vfio-user program='", NULL, "'/></match>"},
    {&model, "| `unit` | 32 bytes |", 32, PARAMETER("int") " unit='", NULL, "'/>"},
    {&model, "| `key` | 64 bytes |", 64, PARAMETER("int") "><read><attribute path='a' key='", NULL,
     "'/></read></parameter>"},
    {&model, "| `path` of an attribute | 255 bytes |", 255,
     PARAMETER("int") "><read><attribute path='", NULL, "'/></read></parameter>"},
    {&model, "| a value | 1024 bytes |", 1024, PARAMETER("string") " init='", NULL, "'/>"},

    {&requirement, "`parameter` of a requirement, a device or an offer | 256 |", 256, "/>",
     "<parameter name='p#'/>", ""},
    {&capabilities, "`parameter` of a requirement, a device or an offer | 256 |", 256, OFFER ">",
     "<parameter name='p#'/>", "</offer></parent></parents>"},
    {&capabilities, "`parameter` of a requirement, a device or an offer | 256 |", 256, DEVICE ">",
     "<parameter name='p#'/>", "<migration source='unknown'/></device></devices>"},
    {&requirement, "`version` of a requirement | 128 bytes |", 128, " version='", NULL, "'/>"},
    {&requirement, "`value`, `source`, `destination` | 1024 bytes |", 1024,
     "/><parameter name='p' value='", NULL, "'/>"},
    {&requirement, "`evidence` | 256 bytes |", 256, "/><parameter name='p' evidence='", NULL,
     "'/>"},
    {&capabilities, "`kernel`, `driver`, `type`, `parent` | 255 bytes |", 255, " kernel='", NULL,
     "'/>"},
    {&capabilities, "`kernel`, `driver`, `type`, `parent` | 255 bytes |", 255, PARENT " driver='",
     NULL, "'/></parents>"},
    {&capabilities, "`kernel`, `driver`, `type`, `parent` | 255 bytes |", 255, OFFER " type='",
     NULL, OFFER_END},
    {&capabilities, "| | `path` | 4096 bytes |", 4096,
     "/><parents><parent id='p' kind='mdev' path='", NULL, "'/></parents>"},
    {&capabilities, "| | names in `settable` | 256 |", 256, OFFER " settable='",
     "a-name-that-is-long-enough-for-all-of-them-to-have-more-than-4096-bytes-# ", OFFER_END},
    {&capabilities, "| | `usable-by` | 4096 bytes |", 4096, OFFER " usable-by='", NULL, OFFER_END},
    {&migration, "| `migration`, `answer` | `device` | 256 |", 256, "/>",
     "<device ref='d#'><requirement xmlns='https://vferry.org/ns/requirement/1'>"
     "<model id='a.b/c'/></requirement></device>",
     ""},
    {&answer, "| `migration`, `answer` | `device` | 256 |", 256,
     "/><channel address='::1' port='1'/>", "<device ref='d#' as='d#'/>", ""},
    {&answer, "| | `features` | 4096 bytes |", 4096, " features='", NULL,
     "'/><channel address='::1' port='1'/><device ref='d' as='d'/>"},
    {&answer, "| `answer` | `endpoint` | 16 |", 16, "/><device ref='d' as='d'/>",
     "<endpoint kind='unix' path='/#'/>", ""},
    {&answer, "| | `path` of an endpoint | 1024 bytes |", 1024,
     "/><device ref='d' as='d'/><endpoint kind='unix' path='/", NULL, "'/>", 1},
    {&report, "| `report` | `parameter`, `constraint` | 1024 of each |", 1024, ">",
     "<parameter name='p#' code='matches'/>", ""},
    {&report, "| `report` | `parameter`, `constraint` | 1024 of each |", 1024, ">",
     "<constraint code='constraint-undecided'>#</constraint>", ""},
    {&report, "| | `override` | 1024 bytes |", 1024, " override='", NULL, "'>"},
    {&offers, "`how`, `type`, `code`, `for` | 255 bytes |", 255, " for='", NULL, "'>"},
    {&offers, "| | `where` | 4096 bytes |", 4096, "><refusal " LINE " where='", NULL, "'/>"},
    {&baseline, "| `baseline` | `name` | 255 bytes |", 255,
     "><conflict host='h' code='value-differs' name='", NULL, "'/>"},

    {&program, "models of a program or of `migration_device_models` | 64;", 64, "",
     "\"a.b/c#\": {\"versions\": [\"1\"]},", "\"a.b/last\": {\"versions\": [\"1\"]}", 1},
    {&program, "| `params` | 256 |", 256, "\"a.b/c\": {\"params\": {",
     "\"p#\": {\"type\": \"int\", \"init_value\": 1},",
     "\"last\": {\"type\": \"int\", \"init_value\": 1}}}", 1},
    {&program, "| `allowed_values` | 256, of which 64 ranges", 256,
     "\"a.b/c\": {\"params\": {\"p\": {\"type\": \"int\", \"init_value\": 1, \"allowed_values\": [",
     "1#,", "1]}}}", 1},
    {&program, "| `allowed_values` | 256, of which 64 ranges", 64,
     "\"a.b/c\": {\"params\": {\"p\": {\"type\": \"int\", \"init_value\": 1, \"allowed_values\": [",
     "\"0-#\",", "\"0-99\"]}}}", 1},
    {&program, "| `description` | 4096 bytes |", 4096,
     "\"a.b/c\": {\"params\": {\"p\": {\"type\": \"int\", \"init_value\": 1, \"description\": \"",
     NULL, "\"}}}"},
    {&program, "| `versions` of a model | 256 |", 256, "\"a.b/c\": {\"versions\": [", "\"#\",",
     "\"last\"]}", 1},
    {&program, "| a version | 128 characters of ASCII |", 128, "\"a.b/c\": {\"versions\": [\"",
     NULL, "\"]}"},
    {&versions, "| `versions` of a model | 256 |", 256, "a.b/c:", "\n v#", ""},
};

static char *
read_page(void)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "..", "..", "docs", "descriptors.md", NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void
append_numbered(GString *text, const char *piece, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);
        g_autoptr(GString) one = g_string_new(piece);

        g_string_replace(one, "#", number, 0);
        g_string_append(text, one->str);
    }
}

static char *
make(const Limit *self, guint n)
{
    g_autoptr(GString) text = g_string_new(self->kind->head);

    g_string_append(text, self->before);
    append_numbered(text, self->piece ? self->piece : "a", n - self->already);
    g_string_append_printf(text, "%s%s", self->after, self->kind->end);
    return g_strdup(text->str);
}

static void
assert_taken(const Kind *kind, const char *row, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (!kind->parse(text, -1, &error))
        g_error("%s: %s", row, error->message);
    if (kind->name && !is_valid(text, kind->name))
        g_error("%s: the schema refuses it", row);
}

static void
assert_refused(const Kind *kind, const char *row, const char *text, guint max)
{
    g_autofree char *number = g_strdup_printf(" %u ", max);
    g_autoptr(GError) error = NULL;

    if (kind->parse(text, -1, &error))
        g_error("%s: more is taken", row);
    g_assert_true(error->domain == VFERRY_ERROR);
    if (!strstr(error->message, number) && !g_str_has_suffix(error->message, g_strchomp(number)))
        g_error("%s: “%s” has no such number", row, error->message);
}

static void
test_limits(void)
{
    g_autofree char *page = read_page();

    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
        const Limit *limit = &limits[i];
        g_autofree char *most = make(limit, limit->max);
        g_autofree char *more = make(limit, limit->max + 1);

        if (!strstr(page, limit->row))
            g_error("docs/descriptors.md does not say “%s”", limit->row);
        assert_taken(limit->kind, limit->row, most);
        assert_refused(limit->kind, limit->row, more, limit->max);
        /* how many elements there may be is nothing that it can say */
        if (limit->kind->name && !limit->piece && is_valid(more, limit->kind->name))
            g_error("%s: the schema takes more", limit->row);
    }
}

static char *
make_conditions(guint n)
{
    g_autoptr(GString) text = g_string_new(model.head);

    g_string_append(text, PARAMETER("int") "/>");
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%s<then parameter='p' at-least='-%u'/>%s",
                               i % 16 == 0 ? "<constraint>" : "", i,
                               i % 16 == 15 || i + 1 == n ? "</constraint>" : "");
    g_string_append(text, model.end);
    return g_strdup(text->str);
}

static char *
make_values(guint n)
{
    g_autoptr(GString) text = g_string_new(model.head);

    g_string_append(text, "><match/>");
    append_numbered(text, "<parameter name='p#' type='int' compare='equal'/>", 256);
    g_string_append(text, "<versions><version name='v'>");
    append_numbered(text, "<value parameter='p#'>1</value>", n);
    g_string_append_printf(text, "</version></versions>%s", model.end);
    return g_strdup(text->str);
}

static void
test_together(void)
{
    static const struct {
        const char *row;
        char *(*make)(guint n);
    } cases[] = {
        {"| `when` and `then` of all constraints together | 256 |", make_conditions},
        {"| `value`, `loads` of a version | 256 of each |", make_values},
    };
    g_autofree char *page = read_page();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *most = cases[i].make(256);
        g_autofree char *more = cases[i].make(257);

        g_assert_nonnull(strstr(page, cases[i].row));
        assert_taken(&model, cases[i].row, most);
        assert_refused(&model, cases[i].row, more, 256);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/limits/each", test_limits);
    g_test_add_func("/xml/limits/together", test_together);
    return g_test_run();
}
