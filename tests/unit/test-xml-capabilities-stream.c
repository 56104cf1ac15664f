/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/host/capabilities-stream.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <unistd.h>

#include "test-streamed.h"
#include "test-xml.h"
#include "xml/host/capabilities-file.h"

#define HOST "11111111-2222-4333-8444-555555555555"
#define NS "https://vferry.org/ns/capabilities/1"
#define OPEN "<capabilities xmlns='" NS "'>"
#define WITH(content) OPEN "<host id='" HOST "'/>" content "</capabilities>"
#define PARENT(content)                                                                            \
    WITH("<parents><parent id='p' kind='mdev' path='/'>" content "</parent></parents>")
#define DEVICE_ATTRIBUTES "id='d' kind='mdev' path='/p' state='idle'"
#define MODEL "<model id='a.b/c'/>"
#define MIB (1024 * 1024)

static const VfCapabilitiesVisitor nobody = {NULL};

/* --- it agrees with the parser that makes a tree */

/* Whether it was accepted. The same stream reads all documents: what is left of an earlier one must
 * not matter. */
static gboolean
assert_agree(VfCapabilitiesStream *stream, const char *text, gssize size)
{
    g_autoptr(GError) tree_error = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfCapabilities) tree = vf_capabilities_parse(text, size, "test", &tree_error);
    g_autoptr(VfCapabilities) streamed = vf_capabilities_new(NULL);
    g_autofree char *expected = NULL;
    g_autofree char *found = NULL;

    if (vf_capabilities_stream_read(stream, text, size, "test", &test_streamed, streamed, &error) !=
        (tree != NULL))
        g_error("the tree says “%s”, the stream “%s” of: %s",
                tree_error != NULL ? tree_error->message : "yes",
                error != NULL ? error->message : "yes", text);
    if (tree == NULL) {
        g_assert_cmpint(error->code, ==, tree_error->code);
        g_assert_true(g_str_has_prefix(error->message, "test:"));
        return FALSE;
    }
    expected = vf_capabilities_format(tree);
    found = vf_capabilities_format(streamed);
    g_assert_cmpstr(found, ==, expected);
    return TRUE;
}

static const char *const accepted[] = {
    WITH(""),
    "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<!-- a -->" WITH("") "<?b?>\n",
    "\xef\xbb\xbf" WITH(""),
    "<c:capabilities xmlns:c='" NS "'><c:host id='" HOST "' name='&lt;&amp;&#38;&#x41;&quot;'/>"
    "<c:models><c:model id='a.b/c'/></c:models></c:capabilities>",
    OPEN "<parents><parent id='p' kind='pci' path='/é'><offer id='ö &amp; é' how='a' left='0'/>"
         "</parent></parents><host id='" HOST "'/></capabilities>",
    WITH("<models>" MODEL "<model id='a.b/d'><description> a <![CDATA[ b]]>&amp;<!-- c -->d <e/>"
         "</description><parameter name='n' type='enum' compare='equal'><allowed><value> x</value>"
         "<value>y</value></allowed><e required='no' xmlns=''><f required='yes'/></e></parameter>"
         "<e><f xmlns='urn:f' required='yes'/></e></model></models>"),
    WITH("<models><x/></models><x><host/></x><host xmlns='urn:x'/><host x:id='' xmlns:x='urn:x' "
         "xmlns='urn:y' xml:id='1'/><a xml:id='b'/><a xml:id='b'/>"),
    PARENT("<offer id='o' how='create' left='007' model='a.b/c' type='t' usable-by='vfio qemu qemu'"
           " settable='b a' x='1' x:left='-1' xmlns:x='urn:x'><parameter name='n' value='&lt;' "
           "evidence=''/><parameter name='m'> <x/> </parameter><x>text</x> <?p?></offer>"
           "<offer left='18446744073709551615' how='create' id='o2'/><offer how='create' id='o3' "
           "left='12' model='a.b/c' type='t' usable-by='vfio qemu qemu' settable='b a'/>"
           "<device/><offer xmlns='urn:x'/>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES "/><device id='e' kind='k' path='/&#32;' state='s' "
         "parent='' model='a.b/c'><migration source='probe' stop-copy='yes' p2p='no'/>"
         "<parameter name='n'/></device><offer/></devices>"),
};

static const char *const refused[] = {
    "",
    "text",
    OPEN,
    OPEN "</capabilities>",
    "<capabilities><host id='" HOST "'/></capabilities>",
    "<host xmlns='" NS "'/>",
    "<!DOCTYPE capabilities>" WITH(""),
    "<!DOCTYPE capabilities [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>" WITH("&b;"),
    "<!DOCTYPE capabilities SYSTEM 'file:///etc/passwd'>" WITH(""),
    "<?xml version='1.0' encoding='ISO-8859-1'?>" WITH(""),
    WITH("") "<a/>",
    WITH("&undefined;"),
    WITH("text"),
    WITH("<![CDATA[x]]>"),
    WITH("\xff"),
    WITH("\xc1\xa1"),
    WITH("\x01"),
    WITH("<x:a/>"),
    WITH("<a b='1' b='2'/>"),
    WITH("<a></b>"),
    WITH("<host id='" HOST "'/>"),
    WITH("<models/><models/>"),
    WITH("<parents/><parents/>"),
    WITH("<devices/><devices/>"),
    WITH("<a required='yes'/>"),
    WITH("<a xmlns='urn:a' required='yes'/>"),
    WITH("<a required='&#9;'/>"),
    WITH("<models><a required='yes'/></models>"),
    WITH("<models>x</models>"),
    WITH("<models>" MODEL MODEL "</models>"),
    WITH("<models><model id='C'/></models>"),
    WITH("<models><model id='a.b/c'>x</model></models>"),
    WITH("<models><model id='a.b/c' digest='sha256:0'/></models>"),
    WITH("<models><model id='a.b/c'><e xmlns='urn:e' required='yes'/></model></models>"),
    WITH("<models><model id='a.b/c'><parameter name='n' type='enum' compare='equal'/></model>"
         "</models>"),
    OPEN "<host/></capabilities>",
    OPEN "<host id='" HOST "'><a required='yes'/></host></capabilities>",
    OPEN "<host id='" HOST "'>x</host></capabilities>",
    OPEN "<host id='" HOST "' name='&#10;'/></capabilities>",
    WITH("<parents><parent/></parents>"),
    WITH("<parents><parent id='p' kind='' path='/'/></parents>"),
    WITH("<parents><parent id='p' kind='k' path='/'/><parent id='p' kind='k' path='/'/></parents>"),
    PARENT("x"),
    PARENT("<a required='yes'/>"),
    PARENT("<offer how='create' left='1'/>"),
    PARENT("<offer id='o' left='1'/>"),
    PARENT("<offer id='o' how='create'/>"),
    PARENT("<offer id='o' how='create' left=''/>"),
    PARENT("<offer id='o' how='create' left=' 1'/>"),
    PARENT("<offer id='o' how='create' left='18446744073709551616'/>"),
    PARENT("<offer id='&#9;' how='create' left='1'/>"),
    PARENT("<offer id='o' how='create' left='1'/><offer id='o' how='create' left='1'/>"),
    PARENT("<offer id='o' how='create' left='1' usable-by='A'/>"),
    PARENT("<offer id='o' how='create' left='1' settable='a b=c'/>"),
    PARENT("<offer id='o' how='create' left='1'>x</offer>"),
    PARENT("<offer id='o' how='create' left='1'><a required='yes'/></offer>"),
    PARENT("<offer id='o' how='create' left='1'><parameter/></offer>"),
    PARENT("<offer id='o' how='create' left='1'><parameter name='n'>x</parameter></offer>"),
    PARENT(
        "<offer id='o' how='create' left='1'><parameter name='n'/><parameter name='n'/></offer>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES "/><device " DEVICE_ATTRIBUTES "/></devices>"),
    WITH("<devices><device id=' ' kind='mdev' path='/p' state='idle'/></devices>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES " parent='&#127;'/></devices>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES " model='x'/></devices>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES "><migration/></device></devices>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES
         "><migration source='a' p2p='1'/></device></devices>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES "><migration source='a'/><migration source='a'/>"
         "</device></devices>"),
    WITH("<devices><device " DEVICE_ATTRIBUTES "><migration source='a'>x</migration></device>"
         "</devices>"),
};

static void
test_agree(void)
{
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    /* twice: the second time from what is kept of the first */
    for (guint turn = 0; turn < 2; turn++) {
        for (gsize i = 0; i < G_N_ELEMENTS(accepted); i++)
            if (!assert_agree(stream, accepted[i], -1))
                g_error("refused: %s", accepted[i]);
        for (gsize i = 0; i < G_N_ELEMENTS(refused); i++)
            if (assert_agree(stream, refused[i], -1))
                g_error("accepted: %s", refused[i]);
    }
    g_assert_false(assert_agree(stream, WITH("") "\0", sizeof WITH("")));
}

/* Errors have their place. */
static void
test_messages(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {OPEN "\n</capabilities>", "test:1: <capabilities>: the element <host> is missing"},
        {WITH("\n<models>\n" MODEL "\n" MODEL "</models>"), "test:4: <model>: the id “a.b/c” is"},
        {WITH("\n<models>\n<model id='C'/></models>"), "test:3: <model>: the model id is “C”"},
        {PARENT("\n<offer id='o' how='create'\nleft='x'/>"), "test:3: <offer>: left is “x”"},
        {PARENT("\n<offer id='o' how='create' left='1'>\n<parameter name=''/></offer>"),
         "test:3: <parameter>: name is “”"},
        {WITH("\n<b required='yes'/>"), "test:2: <b>: this element is required"},
        {"\n<!DOCTYPE a>" WITH(""), "test:2: a document type"},
        {WITH("\n<a>"), "test:2: "},
    };
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(
            vf_capabilities_stream_read(stream, cases[i].text, -1, "test", &nobody, NULL, &error));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

static void
mutate(GString *text, GRand *random)
{
    static const char bytes[] = "<>/'\"&;=! \n\tax0-[]\x01\x7f\xc3\xa9\xff";
    guint n = (guint)g_rand_int_range(random, 1, 3);

    for (guint i = 0; i < n && text->len > 0; i++) {
        gssize at = g_rand_int_range(random, 0, (gint32)text->len);
        gssize wanted = g_rand_int_range(random, 1, 40);
        gssize size = MIN(wanted, (gssize)text->len - at);
        gssize to = g_rand_int_range(random, 0, (gint32)text->len);
        g_autofree char *piece = g_strndup(text->str + at, (gsize)size);
        switch (g_rand_int_range(random, 0, 4)) {
        case 0:
            g_string_erase(text, at, size);
            break;
        case 1:
            g_string_insert(text, to, piece);
            break;
        case 2:
            text->str[at] = bytes[g_rand_int_range(random, 0, sizeof bytes - 1)];
            break;
        default:
            g_string_insert_c(text, at, bytes[g_rand_int_range(random, 0, sizeof bytes - 1)]);
            break;
        }
    }
}

static void
test_agree_on_mutations(void)
{
    guint rounds = g_test_thorough() ? 200000 : 2000;
    g_autoptr(GRand) random = g_rand_new_with_seed(4);
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();
    guint n_accepted = 0;

    for (guint i = 0; i < rounds; i++) {
        const char *original = accepted[i % G_N_ELEMENTS(accepted)];
        g_autoptr(GString) text = g_string_new(original);
        mutate(text, random);
        n_accepted += assert_agree(stream, text->str, (gssize)text->len) ? 1 : 0;
    }
    g_test_message("%u of %u accepted", n_accepted, rounds);
    g_assert_cmpuint(n_accepted, >, rounds / 100);
}

static void
test_agree_on_files(void)
{
    static const char *const folders[] = {"../fuzz/corpus/capabilities",
                                          "../fuzz/corpus/descriptor", "../../xml/models"};
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_test_build_filename(G_TEST_DIST, folders[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *file = g_build_filename(path, name, NULL);
            g_autofree char *text = NULL;
            gsize size;
            if (g_file_get_contents(file, &text, &size, NULL))
                assert_agree(stream, text, (gssize)size);
        }
    }
}

/* --- what is shared */

typedef struct {
    GPtrArray *models;
    GPtrArray *shapes;
} Shared;

static void
share_model(VfModel *model, gpointer data)
{
    g_ptr_array_add(((Shared *)data)->models, vf_model_ref(model));
}

static void
share_offer(const char *id, guint64 left, VfShape *shape, gpointer data)
{
    g_ptr_array_add(((Shared *)data)->shapes, vf_shape_ref(shape));
}

static const VfCapabilitiesVisitor sharing = {.model = share_model, .offer = share_offer};

#define DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define BOUND(max)                                                                                 \
    "<model id='a.b/c' digest='" DIGEST "'><parameter name='n' type='int' compare='equal'>"        \
    "<allowed max='" max "'/></parameter></model>"
#define OFFER(id, left, value)                                                                     \
    "<offer id='" id "' how='create' left='" left                                                  \
    "' model='a.b/c'><parameter name='n' value='" value "'/></offer>"

/* Documents with one schema parse it once. One that only says that it has the same schema, by its
 * digest, does not get the other's, whichever comes first. */
static void
test_shared(void)
{
    static const char *const documents[] = {
        WITH("<models>" BOUND("1") "</models><parents><parent id='p' kind='mdev' path='/'>" OFFER(
            "a", "1", "1") OFFER("b", "2", "1") "</parent></parents>"),
        WITH("<!-- -->\n<models>" BOUND("1") "</models>"),
        WITH("<models>" BOUND("2") "</models>"),
        "<x:capabilities xmlns:x='" NS "' xmlns='urn:x'><x:host id='" HOST
        "'/><x:models>" BOUND("1") "</x:models></x:capabilities>",
        PARENT(OFFER("c", "3", "1") OFFER("d", "1", "2")),
    };
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();
    g_autoptr(GPtrArray) models = g_ptr_array_new_with_free_func((GDestroyNotify)vf_model_unref);
    g_autoptr(GPtrArray) shapes = g_ptr_array_new_with_free_func((GDestroyNotify)vf_shape_unref);
    Shared shared = {models, shapes};
    const VfModel *other;

    for (gsize i = 0; i < G_N_ELEMENTS(documents); i++)
        g_assert_true(
            vf_capabilities_stream_read(stream, documents[i], -1, NULL, &sharing, &shared, NULL));
    g_assert_cmpuint(models->len, ==, 3);
    g_assert_true(models->pdata[0] == models->pdata[1]);
    other = models->pdata[2];
    g_assert_true(models->pdata[0] != models->pdata[2]);
    g_assert_cmpstr(other->digest, ==, DIGEST);
    g_assert_cmpint(
        g_array_index(((VfParameter *)other->parameters->pdata[0])->ranges, VfRange, 0).max, ==, 2);
    g_assert_cmpuint(shapes->len, ==, 4);
    g_assert_true(shapes->pdata[0] == shapes->pdata[1]);
    g_assert_true(shapes->pdata[0] == shapes->pdata[2]);
    g_assert_true(shapes->pdata[0] != shapes->pdata[3]);
}

/* --- hostile documents: an error and bounded memory */

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
    g_autofree char *inner = repeated("", "</a>", 31, "</capabilities>");
    g_autofree char *deepest = repeated(OPEN "<host id='" HOST "'/>", "<a>", 31, inner);
    g_autofree char *deep = repeated(OPEN, "<a>", 32, "");
    g_autofree char *deeper = repeated(OPEN, "<a>", 100000, "");
    g_autofree char *wide = repeated(OPEN, "<a/>", MIB, "</capabilities>");
    g_autofree char *many = repeated(OPEN, "<a b='' c='' d=''/>", MIB / 4, "</capabilities>");
    g_autofree char *tag = repeated(OPEN "<a b='", ">", 16384, "'/></capabilities>");
    g_autofree char *large = repeated(WITH(""), " ", 16 * MIB, "");
    g_autofree char *text = repeated(OPEN "<a>&amp;", "x", 11000000, "</a></capabilities>");
    g_autofree char *parameters =
        repeated(OPEN "<host id='" HOST "'/><parents><parent id='p' kind='k' path='/'><offer id='o'"
                      " how='a' left='1'>",
                 "<parameter name='n'/>", 300, "</offer></parent></parents></capabilities>");
    const char *const texts[] = {deep, deeper, wide, many, tag, large, text, parameters};
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    g_assert_true(assert_agree(stream, deepest, -1));
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_assert_false(assert_agree(stream, texts[i], -1));
}

/* A model can be no larger than a descriptor can make it. */
static void
test_model_limits(void)
{
    const char *open = OPEN "<host id='" HOST "'/><models><model id='a.b/c'>";
    const char *close = "</model></models></capabilities>";
    g_autofree char *wide = repeated(open, "<a/>", 65534, close);
    g_autofree char *wider = repeated(open, "<a/>", 65535, close);
    g_autofree char *foreign = repeated(open, "<a xmlns=''><b/><b/>text</a>", 65534, close);
    g_autofree char *text_open = g_strconcat(open, "<description>", NULL);
    g_autofree char *text_close = g_strconcat("</description>", close, NULL);
    g_autofree char *long_text = repeated(text_open, "x", MIB - 5, text_close);
    g_autofree char *longer_text = repeated(text_open, "x", MIB - 4, text_close);
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();

    g_assert_true(assert_agree(stream, wide, -1));
    g_assert_false(assert_agree(stream, wider, -1));
    g_assert_true(assert_agree(stream, foreign, -1));
    g_assert_true(assert_agree(stream, long_text, -1));
    g_assert_false(assert_agree(stream, longer_text, -1));
}

static gsize
peak_memory(void)
{
    g_autofree char *status = NULL;
    const char *line;

    g_assert_true(g_file_get_contents("/proc/self/status", &status, NULL, NULL));
    line = strstr(status, "VmHWM:");
    g_assert_nonnull(line);
    return (gsize)g_ascii_strtoull(line + 6 + strspn(line + 6, " \t"), NULL, 10) * 1024;
}

/* Documents with distinct ids, values and models, each as large as it can be. */
static char *
make_distinct(guint turn)
{
    GString *text = g_string_new(OPEN "<host id='" HOST "'/><models>");
    guint n = 0;

    for (; text->len < 3 * MIB; n++)
        g_string_append_printf(text,
                               "<model id='a.b/c%u-%u'><parameter name='n' type='int' "
                               "compare='equal'/></model>\n        ",
                               turn, n);
    g_string_append(text, "</models><parents><parent id='p' kind='mdev' path='/'>");
    for (; text->len < 14 * MIB; n++)
        g_string_append_printf(text,
                               "<offer id='o%u' how='create' left='1'><parameter name='n' "
                               "value='%u-%u' evidence='none at all'/></offer>\n        ",
                               n, turn, n);
    g_string_append(text, "</parent></parents></capabilities>");
    return g_string_free(text, FALSE);
}

#define LARGE_DOCUMENTS 3
#define ENV_LARGE "VFERRY_TEST_LARGE"

static char *
large_path(const char *dir, guint turn)
{
    return g_strdup_printf("%s/%u.xml", dir, turn);
}

static void
read_large(void)
{
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();
    gsize before = peak_memory();
    gsize more;

    for (guint turn = 0; turn < LARGE_DOCUMENTS; turn++) {
        g_autofree char *path = large_path(g_getenv(ENV_LARGE), turn);
        g_autoptr(GError) error = NULL;
        vf_capabilities_stream_read_file(stream, path, &nobody, NULL, &error);
        g_assert_no_error(error);
    }
    more = (peak_memory() - before) / MIB;
    g_test_message("%zu MiB", more);
    g_printerr("%zu MiB\n", more);
    g_assert_cmpuint(more, <, 80);
}

/* In a process of its own, whose memory nobody else has used. */
static void
test_memory(void)
{
    g_autofree char *dir = NULL;

    if (g_test_subprocess()) {
        read_large();
        return;
    }
    dir = g_dir_make_tmp("vferry-XXXXXX", NULL);
    for (guint turn = 0; turn < LARGE_DOCUMENTS; turn++) {
        g_autofree char *path = large_path(dir, turn);
        g_autofree char *text = make_distinct(turn);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
    }
    g_setenv(ENV_LARGE, dir, TRUE);
    g_test_trap_subprocess(NULL, 0, 0);
    for (guint turn = 0; turn < LARGE_DOCUMENTS; turn++) {
        g_autofree char *path = large_path(dir, turn);
        g_unlink(path);
    }
    g_rmdir(dir);
    g_test_trap_assert_passed();
}

static void
test_files(void)
{
    g_autofree char *dir = g_dir_make_tmp("vferry-XXXXXX", NULL);
    g_autofree char *large = g_build_filename(dir, "large.xml", NULL);
    g_autofree char *good = g_build_filename(dir, "good.xml", NULL);
    g_autofree char *other = g_build_filename(dir, "other.txt", NULL);
    g_autofree char *missing = g_build_filename(dir, "missing.xml", NULL);
    g_autoptr(VfCapabilitiesStream) stream = vf_capabilities_stream_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) files = NULL;

    g_assert_true(g_file_set_contents(good, WITH(""), -1, NULL));
    g_assert_true(g_file_set_contents(other, "", -1, NULL));
    g_assert_true(g_file_set_contents(large, WITH(""), -1, NULL));
    /* 100 MB, and not read */
    g_assert_cmpint(truncate(large, 100 * 1000 * 1000), ==, 0);
    files = vf_capabilities_list_files(dir, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(files->len, ==, 2);
    g_assert_cmpstr(files->pdata[0], ==, good);
    g_assert_cmpstr(files->pdata[1], ==, large);
    g_clear_pointer(&files, g_ptr_array_unref);
    files = vf_capabilities_list_files(other, &error);
    g_assert_cmpuint(files->len, ==, 1);
    g_assert_null(vf_capabilities_list_files(missing, &error));
    assert_error(&error, VFERRY_ERROR_NOT_FOUND, "missing.xml");
    g_assert_true(vf_capabilities_stream_read_file(stream, good, &nobody, NULL, &error));
    g_assert_false(vf_capabilities_stream_read_file(stream, large, &nobody, NULL, &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED,
                 "large.xml: the document has 100000000 bytes");
    g_assert_false(vf_capabilities_stream_read_file(stream, missing, &nobody, NULL, &error));
    assert_error(&error, VFERRY_ERROR_NOT_FOUND, "missing.xml");
    g_assert_false(vf_capabilities_stream_read_file(stream, dir, &nobody, NULL, &error));
    assert_error(&error, VFERRY_ERROR_FAILED, dir);
    g_assert_false(vf_capabilities_stream_read_file(stream, "/dev/zero", &nobody, NULL, &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED, "/dev/zero: the document has");
    g_unlink(good);
    g_unlink(large);
    g_assert_null(vf_capabilities_list_files(dir, &error)); /* there is another file */
    assert_error(&error, VFERRY_ERROR_NOT_FOUND, "/*.xml: ");
    g_unlink(other);
    g_rmdir(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/capabilities-stream/agree", test_agree);
    g_test_add_func("/xml/capabilities-stream/agree-on-mutations", test_agree_on_mutations);
    g_test_add_func("/xml/capabilities-stream/agree-on-files", test_agree_on_files);
    g_test_add_func("/xml/capabilities-stream/messages", test_messages);
    g_test_add_func("/xml/capabilities-stream/shared", test_shared);
    g_test_add_func("/xml/capabilities-stream/limits", test_limits);
    g_test_add_func("/xml/capabilities-stream/model-limits", test_model_limits);
    /* 0 where a sanitizer or valgrind keeps the heap, with memory of its own around everything */
    if (mallinfo2().uordblks > 0)
        g_test_add_func("/xml/capabilities-stream/memory", test_memory);
    g_test_add_func("/xml/capabilities-stream/files", test_files);
    return g_test_run();
}
