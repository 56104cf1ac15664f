/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-xml-parsers.h"
#include "test-xml.h"
#include "xml/host/capabilities-stream.h"
#include "xml/model/model.h"
#include "xml/text/document.h"

/* The worst that can be sent to each parser: it is taken or refused with a clear word, in bounded
 * time and memory. Each document has a process of its own, whose time and memory are measured. */

#define MIB (1024 * 1024)

typedef gboolean (*Parse)(const char *text, gssize size, GError **error);

static gboolean
parse_stream(const char *text, gssize size, GError **error)
{
    static const VfCapabilitiesVisitor nobody = {NULL};
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    return vf_capabilities_stream_read(stream, text, size, "it", &nobody, NULL, error);
}

static gboolean
parse_type(const char *text, gssize size, GError **error)
{
    g_autoptr(GPtrArray) models = vf_migration_info_parse_type(text, size, "it", error);
    return models != NULL;
}

/* --- making documents */

/* Pieces with a number each, as long as there is room, at most @n. */
static void
fill(GString *text, gsize room, guint n, const char *before, const char *after)
{
    for (guint i = 0; i < n && text->len + strlen(before) + strlen(after) + 32 < room; i++)
        g_string_append_printf(text, "%s%u%s", before, i, after);
}

static void
repeat(GString *text, gsize room, const char *piece)
{
    gsize size = strlen(piece);

    while (text->len + size < room)
        g_string_append_len(text, piece, (gssize)size);
}

/* --- one document in a process of its own */

#define SECONDS 2.0

/* How much slower than itself a program is here. */
static double
slowness(void)
{
    const char *preloaded = g_getenv("LD_PRELOAD");

    if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
        return 60.0;
#ifdef __SANITIZE_ADDRESS__
    return 5.0;
#else
    return 1.0;
#endif
}

static double
seconds_of(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

typedef struct {
    const char *name;
    Parse parse;
    gsize room;        /* what a document of its kind may have */
    const char *error; /* a part of it; "": any, or none; NULL: none */
    void (*make)(GString *text, gsize room, gconstpointer data);
    gconstpointer data;
} Case;

static void
check_message(const Case *self, const GError *error)
{
    g_assert_true(g_str_has_prefix(error->message, "it:"));
    g_assert_cmpuint(strlen(error->message), <, 2048);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    if (strstr(error->message, self->error) == NULL)
        g_error("%s: “%s” does not say “%s”", self->name, error->message, self->error);
}

static void
parse_and_measure(const Case *self, const GString *text)
{
    g_autoptr(GError) error = NULL;
    struct rusage before;
    struct rusage after;
    double seconds;
    long kib;
    gboolean good;

    getrusage(RUSAGE_SELF, &before);
    good = self->parse(text->str, (gssize)text->len, &error);
    getrusage(RUSAGE_SELF, &after);
    seconds = seconds_of(&after) - seconds_of(&before);
    kib = after.ru_maxrss - before.ru_maxrss;
    g_test_message("%s: %zu KiB in %.3f s, %ld KiB more: %s", self->name, text->len / 1024, seconds,
                   kib, good ? "accepted" : error->message);
    g_assert_cmpfloat(seconds, <, SECONDS * slowness());
    /* a tree of some twenty times the most that a document may have; a sanitizer has its own */
    if (slowness() == 1.0)
        g_assert_cmpint(kib, <, 8192 + (long)(self->room / 1024 * 32));
    if (!good && self->error != NULL)
        check_message(self, error);
    else if (self->error == NULL || self->error[0] != '\0')
        g_assert_true(good && self->error == NULL);
}

/* In a process of its own, whose memory is that of this document. */
static void
run(const Case *self)
{
    pid_t child;
    int status;

    /* valgrind would need an hour for the large ones, in which the sanitizers find the same */
    if (slowness() > 10.0 && self->room > 64 * 1024)
        return;
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        g_autoptr(GString) text = g_string_sized_new(self->room + 4096);
        self->make(text, self->room, self->data);
        parse_and_measure(self, text);
        fflush(stdout);
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        g_error("%s: the parser's process ended with status 0x%x", self->name, (guint)status);
}

/* --- what no parser may take, whatever it is of */

static const struct {
    const char *name;
    Parse parse;
    const char *head; /* the root's tag without its end */
    const char *end;
    gsize room;
} kinds[] = {
    {"descriptor", parse_model, "<model xmlns='https://vferry.org/ns/model/1' id='a.b/c'",
     "</model>", MIB},
    {"capabilities", parse_capabilities,
     "<capabilities xmlns='https://vferry.org/ns/capabilities/1'", "</capabilities>", 16 * MIB},
    {"stream", parse_stream, "<capabilities xmlns='https://vferry.org/ns/capabilities/1'",
     "</capabilities>", 16 * MIB},
    {"requirement", parse_requirement, "<requirement xmlns='https://vferry.org/ns/requirement/1'",
     "</requirement>", MIB},
    {"report", parse_report, "<report xmlns='https://vferry.org/ns/report/1' verdict='unknown'",
     "</report>", MIB},
    {"migration", parse_migration,
     "<migration xmlns='https://vferry.org/ns/migration/1' "
     "job='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' source='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'",
     "</migration>", MIB},
    {"answer", parse_answer,
     "<answer xmlns='https://vferry.org/ns/answer/1' job='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' "
     "destination='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' expires='1'",
     "</answer>", MIB},
};

typedef struct {
    const char *name;
    const char *before; /* the root */
    const char *first;
    const char *piece; /* as many as there is room for */
    const char *last;
    const char *error;
} Shape;

static const Shape shapes[] = {
    {"bomb",
     "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
     "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]>",
     ">", "&c;", "", "a document type declaration is not accepted"},
    {"external", "<!DOCTYPE a SYSTEM 'file:///dev/zero'>", ">", "&a;", "",
     "a document type declaration is not accepted"},
    {"deep", "", ">", "<x>", "", "elements are nested deeper than 32"},
    {"wide", "", ">", "<x/>", "", "too many elements and attributes"},
    {"attribute", "", " x='", "0123456789abcdef", "'>", "a tag is longer than 49152 bytes"},
    {"open", "", "><x", " ", "", "a tag is longer than 49152 bytes"},
    {"not-utf8", "", ">", "    ", "\xff", "the text is not UTF-8"},
    {"characters", "", ">", "&#65;", "", ""},
    {"comments", "", ">", "<!---->\n", "", ""},
    {"instructions", "", ">", "<?a?>\n", "", ""},
    {"sections", "", ">", "<![CDATA[]]>\n", "", ""},
    {"undefined", "", ">", "&undefined;", "", "it:1: "},
    {"encoding", "<?xml version='1.0' encoding='", ">", " encoding", "", "it:1: "},
    {"prefixes", "", ">", "<a:x/>", "", "it:1: "},
};

typedef struct {
    guint kind;
    guint shape;
} Pair;

static void
make_shape(GString *text, gsize room, gconstpointer data)
{
    const Pair *pair = data;
    const Shape *shape = &shapes[pair->shape];

    g_string_append_printf(text, "%s%s%s", shape->before, kinds[pair->kind].head, shape->first);
    repeat(text, room - 64, shape->piece);
    g_string_append_printf(text, "%s%s", shape->last, kinds[pair->kind].end);
}

static void
test_shapes(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        for (guint j = 0; j < G_N_ELEMENTS(shapes); j++) {
            g_autofree char *name = g_strdup_printf("%s %s", kinds[i].name, shapes[j].name);
            const Pair pair = {i, j};
            const Case self = {name,       kinds[i].parse, kinds[i].room, shapes[j].error,
                               make_shape, &pair};
            run(&self);
        }
}

static void
make_huge(GString *text, gsize room, gconstpointer data)
{
    g_string_append(text, data);
    g_string_set_size(text, 100 * MIB);
    memset(text->str + strlen(data), ' ', text->len - strlen(data));
}

static void
test_huge(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *head = g_strconcat(kinds[i].head, ">", NULL);
        const Case self = {kinds[i].name, kinds[i].parse,
                           kinds[i].room, "has 104857600 bytes, but at most",
                           make_huge,     head};
        run(&self);
    }
}

/* Tags that are as long as they may be, full of attributes, or of namespaces that stay in scope. */
static void
make_tags(GString *text, gsize room, gconstpointer data)
{
    const Pair *pair = data;

    g_string_append_printf(text, "%s>", kinds[pair->kind].head);
    while (text->len + 16384 < room) {
        g_string_append(text, "<x");
        fill(text, room, 256, " a", "=''");
        g_string_append(text, "/>");
    }
    g_string_append(text, kinds[pair->kind].end);
}

static void
make_namespaces(GString *text, gsize room, gconstpointer data)
{
    const Pair *pair = data;

    g_string_append_printf(text, "%s>", kinds[pair->kind].head);
    for (guint i = 0; i < 24; i++) {
        g_string_append(text, "<x");
        fill(text, room, i < 21 ? 3 : 0, " xmlns:a", "='b'");
        g_string_append(text, ">");
    }
    repeat(text, room - 64, "<x></x>");
}

static void
test_tags(void)
{
    for (guint i = 0; i < 3; i++) {
        const Pair pair = {i, 0};
        const Case attributes = {"attributes", kinds[i].parse, kinds[i].room, "", make_tags, &pair};
        const Case namespaces = {"namespaces", kinds[i].parse,  kinds[i].room,
                                 "it:1: ",     make_namespaces, &pair};
        run(&attributes);
        run(&namespaces);
    }
}

/* --- descriptors: many of everything */

#define MODEL "<model xmlns='https://vferry.org/ns/model/1' id='a.b/c'><match/>"
#define PARAMETER(name, type) "<parameter name='" name "' type='" type "' compare='equal'"

typedef struct {
    const char *name;
    const char *head;
    const char *before; /* a number */
    const char *after;
    const char *end;
    const char *error;
} Many;

static const Many many[] = {
    {"parameters", "", "<parameter name='p", "' type='int' compare='equal'/>", "",
     "at most 256 of these are accepted here"},
    {"aliases", "", "<alias id='a.b/c", "'/>", "", "at most 64 of these are accepted here"},
    {"matches", "<match/>", "<x id='", "'/>", "", "<match>: at most 1 of these"},
    {"constraints", PARAMETER("p", "int") "/>", "<constraint><then parameter='p' at-least='-",
     "'/></constraint>", "", "at most 64 of these are accepted here"},
    {"conditions", PARAMETER("p", "int") "/><constraint>", "<then parameter='p' at-least='-", "'/>",
     "</constraint>", "at most 16 of these are accepted here"},
    {"versions", "<versions>", "<version name='", "'/>", "</versions>",
     "at most 256 of these are accepted here"},
    {"loads", "<versions><version name='v'>", "<loads version='", "'/>", "</version></versions>",
     "at most 256 of these are accepted here"},
    {"version values", "<versions><version name='v'>", "<value parameter='", "'>1</value>",
     "</version></versions>", "at most 256 of these are accepted here"},
    {"ranges", PARAMETER("p", "int") "><allowed>", "<range min='", "'/>", "</allowed></parameter>",
     "at most 64 of these are accepted here"},
    {"allowed values", PARAMETER("p", "int") "><allowed>", "<value>", "</value>",
     "</allowed></parameter>", "at most 256 of these are accepted here"},
    {"maps", PARAMETER("p", "int") "><read><type-name>", "<map type='", "' value='1'/>",
     "</type-name></read></parameter>", "at most 256 of these are accepted here"},
    {"descriptions", "", "<description>", "</description>", "", "at most 1 of these"},
    {"foreign", "", "<x:y xmlns:x='x", "'/>", "", NULL},
    {"text", "<description>", "&#65;<!---->&lt;", "\n", "</description>", NULL},
    {"words", PARAMETER("p", "set") "><allowed><value>", "a ", " ",
     "</value></allowed></parameter>", "at most 1024 bytes"},
};

static void
make_many(GString *text, gsize room, gconstpointer data)
{
    const Many *self = data;

    g_string_append_printf(text, MODEL "%s", self->head);
    fill(text, room - 256, 5000, self->before, self->after);
    g_string_append_printf(text, "%s</model>", self->end);
}

static void
test_many(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(many); i++) {
        const Case self = {many[i].name, parse_model, MIB, many[i].error, make_many, &many[i]};
        run(&self);
    }
}

/* --- descriptors that keep to every limit, and whose checks multiply */

static void
append_enum(GString *text, const char *name)
{
    g_string_append_printf(text, "<parameter name='%s' type='enum' compare='equal'><allowed>",
                           name);
    for (guint i = 0; i < 256; i++)
        g_string_append_printf(
            text, "<value>a-rather-long-common-prefix-of-all-the-values-%u</value>", i);
    g_string_append(text, "</allowed></parameter>");
}

/* Constraints that hold and take long to see it. */
static void
append_constraints(GString *text, guint n, const char *condition)
{
    for (guint i = 0; i < n; i++) {
        g_string_append(text, "<constraint>");
        for (guint j = 0; j < 16; j++)
            g_string_append_printf(text, "<when %s/>", condition);
        for (guint j = 0; j < 16; j++)
            g_string_append_printf(text, "<then %s/>", condition);
        g_string_append(text, "</constraint>");
    }
}

#define LAST "a-rather-long-common-prefix-of-all-the-values-255"

/* No values satisfy them, which takes all combinations of the others to see. */
static void
make_search(GString *text, gsize room, gconstpointer data)
{
    g_string_append(text, MODEL);
    append_enum(text, "e");
    fill(text, room, 24, "<parameter name='b", "' type='bool' compare='equal'/>");
    append_constraints(text, 7, "parameter='e' at-most='" LAST "'");
    g_string_append(text, "<constraint>");
    fill(text, room, 16, "<then parameter='b", "' is='yes'/>");
    g_string_append(text,
                    "<when parameter='b23' is='yes'/></constraint><constraint>"
                    "<when parameter='b23' is='no'/><then parameter='b23' is='yes'/></constraint>"
                    "<constraint><when parameter='b23' is='yes'/><then parameter='b23' is='no'/>"
                    "</constraint></model>");
}

static void
make_versions(GString *text, gsize room, gconstpointer data)
{
    g_string_append(text, MODEL);
    append_enum(text, "e");
    append_constraints(text, 8, "parameter='e' at-most='" LAST "'");
    g_string_append(text, "<versions>");
    fill(text, room, 256, "<version name='v", "'><value parameter='e'>" LAST "</value></version>");
    g_string_append(text, "</versions></model>");
}

static void
append_words(GString *text, guint n, guint length)
{
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%s%c%0*u", i > 0 ? " " : "", 'a', length - 1, i);
}

/* Each parameter can have a thousand sets. */
static void
make_sets(GString *text, gsize room, gconstpointer data)
{
    g_string_append(text, MODEL);
    fill(text, room, 256, "<parameter name='s", "' type='set' compare='superset'/>");
    for (guint i = 0; i < 64; i++) {
        g_string_append(text, "<constraint>");
        for (guint j = 0; j < 4; j++) {
            g_string_append_printf(text, "<then parameter='s%u' has='", 4 * i + j);
            append_words(text, 10, 100);
            g_string_append(text, "'/>");
        }
        g_string_append(text, "</constraint>");
    }
    g_string_append(text, "</model>");
}

/* Long sets that have to be read to their ends. */
static void
make_long_sets(GString *text, gsize room, gconstpointer data)
{
    g_autoptr(GString) words = g_string_new("parameter='s' has='");

    append_words(words, 200, 4);
    g_string_append(words, "'");
    g_string_append(text, MODEL PARAMETER("s", "set") "/>");
    append_constraints(text, 8, words->str);
    g_string_append(text, "<versions>");
    for (guint i = 0; i < 200; i++) {
        g_string_append_printf(text, "<version name='v%u'><value parameter='s'>", i);
        append_words(text, 200, 4);
        g_string_append(text, "</value></version>");
    }
    g_string_append(text, "</versions></model>");
}

/* Of each version, which others it loads. */
static void
make_loads(GString *text, gsize room, gconstpointer data)
{
    g_string_append(text, MODEL PARAMETER("v", "enum") "><allowed>");
    fill(text, room, 256, "<value>", "</value>");
    g_string_append(text, "</allowed></parameter><versions parameter='v'>");
    for (guint i = 0; i < 256; i++) {
        g_string_append_printf(text, "<version name='%u'>", i);
        fill(text, room, 120, "<loads version='", "'/>");
        g_string_append(text, "</version>");
    }
    g_string_append(text, "</versions></model>");
}

/* More words than can be tried out, each another. */
static void
make_words(GString *text, gsize room, gconstpointer data)
{
    guint n = 100000;

    g_string_append(text, MODEL PARAMETER("s", "set") "/>");
    for (guint i = 0; i < 64; i++) {
        g_string_append(text, "<constraint>");
        for (guint j = 0; j < 15; j++) {
            g_string_append(text, "<then parameter='s' has='");
            for (guint k = 0; k < 140; k++, n++)
                g_string_append_printf(text, "%x ", n);
            g_string_append(text, "'/>");
        }
        g_string_append(text, "</constraint>");
    }
    g_string_append(text, "</model>");
}

/* A value that is none of very many long ones. */
static void
make_rule(GString *text, gsize room, gconstpointer data)
{
    g_string_append(text, MODEL PARAMETER("e", "enum") " init='other'><allowed>");
    for (guint i = 0; i < 256; i++) {
        g_string_append(text, "<value>");
        append_words(text, 200, 4);
        g_string_append_printf(text, "%u</value>", i);
    }
    g_string_append(text, "</allowed></parameter></model>");
}

/* A host that has as many of the worst models as it has room for. */
static void
make_models(GString *text, gsize room, gconstpointer data)
{
    g_autoptr(GString) model = g_string_new(NULL);
    const char *content;

    make_versions(model, MIB, NULL);
    content = strstr(model->str, "<match/>") + strlen("<match/>");
    g_string_append_printf(text, "%s><host id='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/><models>",
                           kinds[1].head);
    for (guint i = 0; text->len + model->len + 64 < room; i++)
        g_string_append_printf(text, "<model id='a.b/c%u'>%s", i, content);
    g_string_append_printf(text, "</models>%s", kinds[1].end);
}

/* Offers that name a thousand parameters each. */
static void
make_settable(GString *text, gsize room, gconstpointer data)
{
    g_string_append_printf(text,
                           "%s><host id='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/><parents>"
                           "<parent id='p' kind='mdev' path='/'>",
                           kinds[1].head);
    for (guint i = 0; text->len + 16384 < room; i++) {
        g_string_append_printf(text, "<offer id='%u' how='create' left='1' settable='", i);
        fill(text, room, 2000, "p", " ");
        g_string_append(text, "'/>");
    }
    g_string_append_printf(text, "</parent></parents>%s", kinds[1].end);
}

static void
make_ids(GString *text, gsize room, gconstpointer data)
{
    g_string_append_printf(text,
                           "%s><host id='83b8f4f2-509f-382f-3c1e-e6bfe0fa1001'/><parents>"
                           "<parent id='p' kind='mdev' path='/'>",
                           kinds[1].head);
    fill(text, room - 128, 200000, "<offer id='",
         "' how='create' left='1' type='some-words-so-that-it-is-long-and-more'/>");
    g_string_append_printf(text, "%s</parent></parents>%s", (const char *)data, kinds[1].end);
}

static void
test_products(void)
{
    static const Case cases[] = {
        {"search", parse_model, MIB, "", make_search, NULL},
        {"versions and constraints", parse_model, MIB, "", make_versions, NULL},
        {"sets", parse_model, MIB, "", make_sets, NULL},
        {"long sets", parse_model, MIB, "", make_long_sets, NULL},
        {"loads", parse_model, MIB, "", make_loads, NULL},
        {"words", parse_model, MIB, "", make_words, NULL},
        {"rule", parse_model, MIB, "but must be a000 a001", make_rule, NULL},
        {"models", parse_capabilities, 16 * MIB, NULL, make_models, NULL},
        {"models", parse_stream, 16 * MIB, NULL, make_models, NULL},
        {"settable", parse_capabilities, 16 * MIB, "settable has 2000 words, but at most 256",
         make_settable, NULL},
        {"ids", parse_capabilities, 16 * MIB, NULL, make_ids, ""},
        {"ids", parse_stream, 16 * MIB, NULL, make_ids, ""},
        {"id", parse_capabilities, 16 * MIB, "<offer>: the id “7” is there twice", make_ids,
         "<offer id='7' how='create' left='1'/>"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        run(&cases[i]);
}

/* --- a model and its base, each with all that a document may have */

static VfModel *
parse_many(const char *head, guint n, const char *before, const char *after, const char *end)
{
    g_autoptr(GString) text = g_string_new(MODEL);
    g_autoptr(GError) error = NULL;
    VfModel *model;

    g_string_append(text, head);
    fill(text, MIB, n, before, after);
    g_string_append_printf(text, "%s</model>", end);
    model = vf_model_parse(text->str, -1, "it", &error);
    g_assert_no_error(error);
    return model;
}

static void
assert_not_extended(VfModel *model, VfModel *base, const char *message)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vf_model_extend(model, base, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, message);
    vf_model_unref(model);
    vf_model_unref(base);
}

#define AND "'/><then parameter='p' at-least='-"
#define MORE                                                                                       \
    AND "1" AND "2" AND "3" AND "4" AND "5" AND "6" AND "7" AND "8" AND "9" AND "10" AND "11" AND  \
        "12" AND "13"
#define CONSTRAINT "<constraint><then parameter='p' at-least='-"

static void
test_extended(void)
{
    assert_not_extended(
        parse_many("", 200, "<parameter name='p", "' type='int' compare='equal'/>", ""),
        parse_many("", 200, "<parameter name='q", "' type='int' compare='equal'/>", ""),
        "there are 400 parameters, but at most 256 are accepted");
    assert_not_extended(
        parse_many(PARAMETER("p", "int") "/>", 33, CONSTRAINT, "'/></constraint>", ""),
        parse_many(PARAMETER("p", "int") "/>", 33, CONSTRAINT, "'/></constraint>", ""),
        "there are 66 constraints, but at most 64 are accepted");
    assert_not_extended(
        parse_many(PARAMETER("p", "int") "/>", 10, CONSTRAINT, MORE "'/></constraint>", ""),
        parse_many(PARAMETER("p", "int") "/>", 10, CONSTRAINT, MORE "'/></constraint>", ""),
        "there are 280 conditions, but at most 256 are accepted");
    assert_not_extended(parse_many("<versions>", 200, "<version name='a", "'/>", "</versions>"),
                        parse_many("<versions>", 200, "<version name='b", "'/>", "</versions>"),
                        "there are 400 versions, but at most 256 are accepted");
    assert_not_extended(
        parse_many(PARAMETER("v", "enum") "><allowed><value>0</value></allowed></parameter>"
                                          "<versions parameter='v'>",
                   1, "<version name='", "'/>", "</versions>"),
        parse_many(PARAMETER("p", "int") "/><versions>", 1, "<version name='old",
                   "'><value parameter='p'>1</value></version>", "</versions>"),
        "version old0 has values, but v has the version");
}

/* --- what drivers and programs say */

typedef struct {
    const char *name;
    Parse parse;
    const char *head;
    const char *before; /* a number, as often as there is room */
    const char *after;
    const char *end;
    const char *error;
} Said;

static const Said said[] = {
    {"levels", parse_type, "{\"models\":", "[", "", "", "more than"},
    {"models", parse_program, "{\"models\":{\"a.b/c\":{\"params\":{}}", ",\"a.b/c",
     "\":{\"params\":{}}", "}}", "more than"},
    {"same", parse_program, "{\"models\":{\"a.b/c\":{}", ",\"a.b/c\":{\"params\":[", "]}", "}}",
     "is there twice"},
    {"parameters", parse_type, "{\"models\":{\"a.b/c\":{\"params\":{\"p\":{}", ",\"p", "\":{}",
     "}}}}", "it has more than"},
    {"values", parse_type,
     "{\"models\":{\"a.b/c\":{\"params\":{\"p\":{\"type\":\"int\",\"init_value\":1,"
     "\"allowed_values\":[0",
     ",1", "", "]}}}}}", "values, but must have 1 to 256"},
    {"versions", parse_program, "{\"models\":{\"a.b/c\":{\"versions\":[\"a\"", ",\"b", "\"", "]}}}",
     "versions, but must have 1 to"},
    {"string", parse_type, "{\"models\":\"", "\\u00e4", "", "\"}", "must be an object"},
    {"number", parse_type, "{\"models\":", "1", "", "}", "at most 18 digits"},
    {"open", parse_type, "{\"models\":{\"", "a", "", "", "a string is not closed"},
    {"lines", parse_versions, "a.b/c:\n", " ", "\n", "", "versions, but must have 1 to"},
    {"line", parse_versions, "a.b/c:\n ", "x", "", "\n", "a version is"},
    {"text models", parse_versions, "", "a.b/c", ":\n 1\n", "", "more than"},
};

static void
make_said(GString *text, gsize room, gconstpointer data)
{
    const Said *self = data;

    g_string_append(text, self->head);
    fill(text, room - 64, G_MAXUINT, self->before, self->after);
    g_string_append(text, self->end);
}

static void
test_said(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(said); i++) {
        const Case fits = {said[i].name,  said[i].parse, 64 * 1024,
                           said[i].error, make_said,     &said[i]};
        const Case large = {said[i].name, said[i].parse, 8 * MIB, "more than", make_said, &said[i]};
        run(&fits);
        run(&large);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/bounds/shapes", test_shapes);
    g_test_add_func("/xml/bounds/huge", test_huge);
    g_test_add_func("/xml/bounds/tags", test_tags);
    g_test_add_func("/xml/bounds/many", test_many);
    g_test_add_func("/xml/bounds/products", test_products);
    g_test_add_func("/xml/bounds/extended", test_extended);
    g_test_add_func("/xml/bounds/said", test_said);
    return g_test_run();
}
