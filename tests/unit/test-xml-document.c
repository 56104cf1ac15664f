/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/text/document-element.h"

#include "test-xml.h"
#include "xml/text/document-attribute.h"
#include "xml/text/writer.h"

#define NS "urn:test"
#define OPEN "<doc xmlns='" NS "'>"

static const VfDocumentKind kind = {"test", "doc", NS, 65536, NULL};

static void
assert_refused(const char *text, gssize size, VferryError code, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfDocument) document = vf_document_parse(text, size, &kind, &error);

    g_assert_null(document);
    g_assert_true(g_str_has_prefix(error->message, "test:"));
    assert_error(&error, code, part);
}

static void
test_refused(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"", "empty"},
        {"text", "test:1: "},
        {OPEN, "test:1: "},
        {OPEN "\n<a>\n</b></doc>", "test:3: "},
        {OPEN "&undefined;</doc>", "test:1: "},
        {"<!DOCTYPE doc>" OPEN "</doc>", "test:1: a document type declaration is not accepted"},
        {"<!-- <!DOCTYPE -->\n\n<!DOCTYPE doc>" OPEN "</doc>", "test:3: a document type"},
        {"<!DOCTYPE doc [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>" OPEN "&b;</doc>",
         "document type"},
        {"<!DOCTYPE doc SYSTEM 'file:///etc/passwd'>" OPEN "</doc>", "document type"},
        {"<doc/>", "must be <doc> in the namespace urn:test"},
        {"<doc xmlns='urn:other'/>", "must be <doc> in the namespace urn:test"},
        {"<other xmlns='" NS "'/>", "must be <doc>"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?>" OPEN "</doc>",
         "“ISO-8859-1”, but must be UTF-8"},
        {"<?xml version='1.0' encoding = \"UTF-7\"?>" OPEN "</doc>", "must be UTF-8"},
        {OPEN "\xff</doc>", "not UTF-8"},
        {OPEN "\xc3</doc>", "not UTF-8"},
        {OPEN "\x01</doc>", "test:1: "},
        {OPEN "<x:a/></doc>", "test:1: "},
        {OPEN "<a b='1' b='2'/></doc>", "test:1: "},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].text, -1, VFERRY_ERROR_INVALID_XML, cases[i].part);
    assert_refused(OPEN "\0</doc>", sizeof OPEN "\0</doc>" - 1, VFERRY_ERROR_INVALID_XML, "UTF-8");
    assert_refused("\xfe\xff\0<\0d", 6, VFERRY_ERROR_INVALID_XML, "UTF-8");
}

static void
test_silent(void)
{
    if (g_test_subprocess()) {
        test_refused();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("");
}

static void
test_accepted(void)
{
    static const char *const texts[] = {
        OPEN "</doc>",
        "<?xml version='1.0'?>" OPEN "</doc>",
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n" OPEN "</doc>\n",
        "\xef\xbb\xbf" OPEN "</doc>",
        "<x:doc xmlns:x='" NS "'/>",
        OPEN "<!-- <!DOCTYPE > \" ' --><![CDATA[ <!DOCTYPE ' ]]><?pi <'?></doc>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfDocument) document = vf_document_parse(texts[i], -1, &kind, &error);
        g_assert_no_error(error);
        g_assert_nonnull(document);
    }
}

static char *
repeated(const char *before, const char *piece, gsize n, const char *after)
{
    GString *text = g_string_new(before);

    for (gsize i = 0; i < n; i++)
        g_string_append(text, piece);
    g_string_append(text, after);
    return g_string_free(text, FALSE);
}

static void
test_limits(void)
{
    g_autofree char *large = repeated(OPEN, " ", 65536, "</doc>");
    g_autofree char *deep = repeated(OPEN, "<a>", 32, "");
    g_autofree char *wide = repeated(OPEN, "<a/>", 4096, "</doc>");
    g_autofree char *many = repeated(OPEN, "<a b='' c='' d=''/>", 1024, "</doc>");
    g_autofree char *tag = repeated(OPEN "\n<a b='", ">", 49152, "'/></doc>");

    assert_refused(large, -1, VFERRY_ERROR_LIMIT_EXCEEDED, "at most 65536");
    assert_refused(large, 65537, VFERRY_ERROR_LIMIT_EXCEEDED, "has 65537 bytes");
    assert_refused(deep, -1, VFERRY_ERROR_INVALID_XML, "nested deeper than 32");
    assert_refused(wide, -1, VFERRY_ERROR_INVALID_XML, "too many elements");
    assert_refused(many, -1, VFERRY_ERROR_INVALID_XML, "too many elements");
    assert_refused(tag, -1, VFERRY_ERROR_INVALID_XML, "test:2: a tag is longer than 49152");
}

static void
test_limits_reached(void)
{
    g_autofree char *inner = repeated("", "</a>", 31, "</doc>");
    g_autofree char *deep = repeated(OPEN, "<a>", 31, inner);
    g_autofree char *wide = repeated(OPEN, "<a/>", 4094, "</doc>");
    const char *const texts[] = {deep, wide};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfDocument) document = vf_document_parse(texts[i], -1, &kind, &error);
        g_assert_no_error(error);
        g_assert_nonnull(document);
    }
}

static gboolean
count(const xmlNode *node, gpointer data, GError **error)
{
    (*(guint *)data)++;
    return TRUE;
}

static void
assert_children(const char *text, guint expected, const char *part)
{
    const VfDocumentChild children[] = {{"a", count, 1, 2}, {"b", count, 0, 0, "urn:b"}};
    g_autoptr(GError) error = NULL;
    g_autoptr(VfDocument) document = vf_document_parse(text, -1, &kind, &error);
    guint n = 0;

    g_assert_no_error(error);
    if (part == NULL) {
        g_assert_true(vf_document_children(vf_document_root(document), children, 2, &n, &error));
        g_assert_cmpuint(n, ==, expected);
        return;
    }
    g_assert_false(vf_document_children(vf_document_root(document), children, 2, &n, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, part);
}

static void
test_children(void)
{
    assert_children(OPEN "<a/></doc>", 1, NULL);
    assert_children(OPEN " <a x='1'/> <!-- --> <a/> <b/> </doc>", 2, NULL);
    assert_children(OPEN "<a/><b xmlns='urn:b'/><b xmlns='urn:b'/></doc>", 3, NULL);
    assert_children(OPEN "<a/><a xmlns='urn:x'/><c><a/></c></doc>", 1, NULL);
    assert_children(OPEN "<a/><c required='no'/><c x:required='yes' xmlns:x='urn:x'/></doc>", 1,
                    NULL);
    assert_children(OPEN "<a/><c required='yes'/></doc>", 0, "<c>: this element is required");
    assert_children(OPEN "<a/>\n<c xmlns='urn:x' required='yes'/></doc>", 0, "test:2: <c>: this");
    assert_children(OPEN "</doc>", 0, "<doc>: the element <a> is missing");
    assert_children(OPEN "<a/><a/><a/></doc>", 0, "<a>: at most 2");
    assert_children(OPEN "<a/>text</doc>", 0, "<doc>: text is not accepted");
    assert_children(OPEN "<a/><![CDATA[text]]></doc>", 0, "<doc>: text is not accepted");
}

static void
test_attributes(void)
{
    const char *text = OPEN "</doc>";
    g_autoptr(GError) error = NULL;
    g_autoptr(VfDocument) document = vf_document_parse(
        "<doc xmlns='" NS
        "' good='a b' bad='a&#10;b' n='18446744073709551615' yes='yes' maybe='maybe' "
        "words=' p2p  pre-copy p2p ' upper='P2P' x:only='1' xmlns:x='urn:x'/>",
        -1, &kind, &error);
    const xmlNode *root = vf_document_root(document);
    g_autofree char *value = g_strdup("kept");
    g_auto(GStrv) words = NULL;
    guint64 number = 7;
    gboolean flag = FALSE;

    g_assert_no_error(error);
    g_assert_nonnull(text);
    g_assert_true(vf_document_get_text(root, "absent", 10, &value, &error));
    g_assert_cmpstr(value, ==, "kept");
    g_assert_false(vf_document_need_text(root, "absent", 10, &value, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "the attribute “absent” is missing");
    g_assert_false(vf_document_has(root, "only"));
    g_assert_true(vf_document_need_text(root, "good", 3, &value, &error));
    g_assert_cmpstr(value, ==, "a b");
    g_assert_false(vf_document_need_text(root, "good", 2, &value, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "at most 2 bytes");
    g_assert_false(vf_document_need_text(root, "bad", 10, &value, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "without control characters");
    g_assert_true(vf_document_need_u64(root, "n", 1, G_MAXUINT64, &number, &error));
    g_assert_cmpuint(number, ==, G_MAXUINT64);
    g_assert_false(vf_document_need_u64(root, "n", 1, 5, &number, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "from 1 to 5");
    g_assert_false(vf_document_need_u64(root, "good", 1, 5, &number, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "“a b”");
    g_assert_true(vf_document_get_yes_no(root, "yes", &flag, &error));
    g_assert_true(flag);
    g_assert_false(vf_document_get_yes_no(root, "maybe", &flag, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "maybe is “maybe”, but must be yes or no");
    g_assert_true(vf_document_get_words(root, "words", &words, &error));
    g_assert_cmpuint(g_strv_length(words), ==, 2);
    g_assert_cmpstr(words[0], ==, "p2p");
    g_assert_cmpstr(words[1], ==, "pre-copy");
    g_assert_false(vf_document_get_words(root, "upper", &words, &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "upper is “P2P”");
}

static void
test_writer(void)
{
    g_autoptr(VfWriter) writer = vf_writer_new("doc", NS, TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfDocument) document = NULL;
    g_autofree char *text = NULL;
    g_autofree char *value = NULL;

    vf_writer_attribute(writer, "a", "<&\"'>\n\x01\xff ä ￾");
    vf_writer_prose(writer, "p", "  one\n two ]]> <&\t");
    vf_writer_prose(writer, "q", NULL);
    text = vf_writer_finish(writer);
    g_assert_cmpstr(text, ==,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<doc xmlns=\"" NS "\" a=\"&lt;&amp;&quot;'&gt;��� ä �\">\n"
                    "  <p>one two ]]&gt; &lt;&amp;</p>\n</doc>\n");
    document = vf_document_parse(text, -1, &kind, &error);
    g_assert_no_error(error);
    g_assert_true(vf_document_get_text(vf_document_root(document), "a", 100, &value, &error));
    g_assert_cmpstr(value, ==, "<&\"'>��� ä �");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/document/refused", test_refused);
    g_test_add_func("/xml/document/silent", test_silent);
    g_test_add_func("/xml/document/accepted", test_accepted);
    g_test_add_func("/xml/document/limits", test_limits);
    g_test_add_func("/xml/document/limits-reached", test_limits_reached);
    g_test_add_func("/xml/document/children", test_children);
    g_test_add_func("/xml/document/attributes", test_attributes);
    g_test_add_func("/xml/document/writer", test_writer);
    return g_test_run();
}
