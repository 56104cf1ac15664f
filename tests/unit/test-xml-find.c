/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/find/find.h"

#include <glib/gstdio.h>

#include "test-xml.h"
#include "xml/compare/choice.h"

#define UUID "-2222-4333-8444-555555555555"
#define MODEL                                                                                      \
    "<model id='a.b/card'>"                                                                        \
    "<parameter name='memory' type='size' compare='at-least'/>"                                    \
    "<parameter name='ports' type='int' compare='equal'/>"                                         \
    "<parameter name='queues' type='int' compare='at-least'><allowed min='1' max='8'/>"            \
    "</parameter></model>"
#define STUCK "<model id='a.b/stuck'><not-migratable>It has no state.</not-migratable></model>"
#define CARD(memory, ports)                                                                        \
    "<parameter name='memory' value='" memory "'/><parameter name='ports' value='" ports "'/>"
#define OFFER(id, left, more, values)                                                              \
    "<offer id='" id "' model='a.b/card' how='create' type='t' left='" left                        \
    "' settable='queues' " more ">" values "</offer>"
#define DEVICE(id, state, source, p2p, values)                                                     \
    "<device id='" id "' kind='pci' path='/p' model='a.b/card' state='" state "'>" values          \
    "<parameter name='queues' value='4'/><migration source='" source "' stop-copy='yes' p2p='" p2p \
    "'/></device>"

/* One digit tells a host from the others. */
static char *
host(guint n, const char *offers, const char *devices)
{
    return g_strdup_printf("<capabilities xmlns='https://vferry.org/ns/capabilities/1'>"
                           "<host id='1111111%u" UUID "' name='host-%u'/><models>" MODEL STUCK
                           "</models><parents><parent id='p' kind='mdev' path='/p'>%s</parent>"
                           "</parents><devices>%s</devices></capabilities>",
                           n, n, offers, devices);
}

static VfRequirement *
card(const char *memory, const char *ports, const char *queues)
{
    VfRequirement *self = vf_requirement_new("a.b/card", NULL);

    vf_value_list_set(self->values, "memory", memory, NULL);
    vf_value_list_set(self->values, "ports", ports, NULL);
    vf_value_list_set(self->values, "queues", queues, NULL);
    return self;
}

/* The same answer from a fleet, in one pass, and from whole documents. */
static VfOffers *
ask(const VfFindQuery *query, GPtrArray *documents)
{
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    g_autoptr(VfFleet) other = vf_fleet_new();
    g_autoptr(VfFinder) finder = vf_finder_new(query);
    g_autoptr(VfFinder) trees = vf_finder_new(query);
    g_autoptr(GError) error = NULL;
    g_autofree char *texts[4] = {NULL};
    VfOffers *answers[4];

    for (guint i = 0; i < documents->len; i++) {
        g_autoptr(VfCapabilities) tree =
            vf_capabilities_parse(documents->pdata[i], -1, NULL, &error);
        g_assert_no_error(error);
        vf_fleet_add(other, tree, NULL);
        vf_finder_add(trees, tree, NULL);
        g_assert_true(vf_fleet_add_text(fleet, documents->pdata[i], -1, NULL, NULL));
        g_assert_true(vf_finder_add_text(finder, documents->pdata[i], -1, NULL, NULL));
    }
    answers[0] = vf_find_in_fleet(query, fleet);
    answers[1] = vf_find_in_fleet(query, other);
    answers[2] = vf_finder_finish(finder);
    answers[3] = vf_finder_finish(trees);
    for (guint i = 0; i < 4; i++) {
        texts[i] = vf_offers_format(answers[i]);
        g_assert_cmpstr(texts[i], ==, texts[0]);
        if (i > 0)
            vf_offers_free(answers[i]);
    }
    for (guint i = 1; i < 4; i++)
        g_clear_pointer(&texts[i], g_free);
    assert_valid(texts[0], "offers");
    g_clear_pointer(&texts[0], g_free);
    return answers[0];
}

/* "host-1 p/a create 3 identical" and "host-1 p/a no-room", one a line. */
static char *
show(const VfOffers *offers)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < offers->offers->len; i++) {
        const VfOffer *offer = offers->offers->pdata[i];
        g_string_append_printf(text, "%s %s %s %s %" G_GUINT64_FORMAT " %s%s%s\n", offer->name,
                               offer->id, offer->kind, offer->how, offer->left,
                               vf_report_verdict_to_string(offer->verdict),
                               offer->code != NULL ? " " : "", offer->code ?: "");
    }
    for (guint i = 0; i < offers->refusals->len; i++) {
        const VfRefusal *refusal = offers->refusals->pdata[i];
        g_string_append_printf(text, "- %s %s %s %s\n", refusal->name ?: refusal->where,
                               refusal->id ?: "*", refusal->code,
                               vf_report_verdict_to_string(refusal->verdict));
    }
    return g_string_free(text, FALSE);
}

static void
assert_answer(const VfFindQuery *query, GPtrArray *documents, const char *expected)
{
    g_autoptr(VfOffers) offers = ask(query, documents);
    g_autofree char *shown = show(offers);

    g_assert_cmpstr(shown, ==, expected);
}

static GPtrArray *
documents_of(char *first, ...)
{
    GPtrArray *documents = g_ptr_array_new_with_free_func(g_free);
    va_list more;

    va_start(more, first);
    for (char *text = first; text != NULL; text = va_arg(more, char *))
        g_ptr_array_add(documents, text);
    va_end(more);
    return documents;
}

/* identical, superset, unknown; more left; the host's name; the id. */
static void
test_order(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    const VfFindQuery query = {requirement, NULL, 1, 0, FALSE};
    g_autoptr(GPtrArray) documents = documents_of(
        host(2,
             OFFER("p/b", "3", "", CARD("1024", "2")) OFFER("p/a", "3", "", CARD("1024", "2"))
                 OFFER("p/c", "1", "", CARD("2048", "2")) OFFER("p/x", "9", "", CARD("1024", "1")),
             ""),
        host(1,
             OFFER("p/u", "99", "", "<parameter name='ports' value='2'/>")
                 OFFER("p/a", "3", "", CARD("1024", "2")) OFFER("p/d", "7", "", CARD("4096", "2")),
             DEVICE("d", "idle", "probe", "no", CARD("1024", "2"))),
        NULL);

    assert_answer(&query, documents,
                  "host-1 p/a mdev create 3 identical\n"
                  "host-2 p/a mdev create 3 identical\n"
                  "host-2 p/b mdev create 3 identical\n"
                  "host-1 d pci use 1 identical\n"
                  "host-1 p/d mdev create 7 superset\n"
                  "host-2 p/c mdev create 1 superset\n"
                  "host-1 p/u mdev create 99 unknown value-unread\n");
}

static void
test_limit(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    const VfFindQuery query = {requirement, NULL, 1, 3, FALSE};
    g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VfOffers) offers = NULL;
    g_autofree char *shown = NULL;

    for (guint i = 0; i < 10; i++)
        g_ptr_array_add(documents, host(i,
                                        OFFER("p/a", "3", "", CARD("2048", "2"))
                                            OFFER("p/b", "4", "", CARD("2048", "2"))
                                                OFFER("p/c", "2", "", CARD("2048", "2")),
                                        ""));
    offers = ask(&query, documents);
    shown = show(offers);
    g_assert_cmpstr(shown, ==,
                    "host-0 p/b mdev create 4 superset\nhost-1 p/b mdev create 4 superset\n"
                    "host-2 p/b mdev create 4 superset\n");
    g_assert_cmpuint(offers->fitting, ==, 30);
    g_assert_cmpuint(offers->fitting_hosts, ==, 10);
    g_assert_cmpuint(offers->hosts, ==, 10);
}

/* Of a host without an offer, what came closest. */
static void
test_refusals(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    VfFindQuery query = {requirement, NULL, 1, 0, FALSE};
    g_autoptr(GPtrArray) documents = documents_of(
        host(1, OFFER("p/a", "1", "", CARD("512", "1")) OFFER("p/b", "1", "", CARD("512", "2")),
             ""),
        host(2, OFFER("p/a", "1", "", CARD("512", "2")) OFFER("p/b", "0", "", CARD("1024", "2")),
             ""),
        host(3, OFFER("p/a", "1", "", CARD("512", "2")),
             DEVICE("d", "leased", "probe", "no", CARD("1024", "2"))),
        host(4, "<offer id='p/s' model='a.b/stuck' how='create' left='1'/>", ""), host(5, "", ""),
        host(6,
             "<offer id='p/n' how='create' left='1'/><offer id='p/o' model='a.b/none' "
             "how='create' left='1'/>",
             ""),
        NULL);
    g_autoptr(VfRequirement) stuck = vf_requirement_new("a.b/stuck", NULL);

    assert_answer(&query, documents,
                  "- host-1 p/b value-differs incompatible\n"
                  "- host-2 p/b no-room identical\n"
                  "- host-3 d in-use identical\n"
                  "- host-4 * model-unknown incompatible\n"
                  "- host-5 * model-unknown incompatible\n"
                  "- host-6 * model-unknown incompatible\n");
    query.all_refusals = TRUE;
    assert_answer(&query, documents,
                  "- host-1 p/a value-differs incompatible\n"
                  "- host-1 p/b value-differs incompatible\n"
                  "- host-2 p/a value-differs incompatible\n"
                  "- host-2 p/b no-room identical\n"
                  "- host-3 d in-use identical\n"
                  "- host-3 p/a value-differs incompatible\n"
                  "- host-4 p/s model-differs incompatible\n"
                  "- host-5 * model-unknown incompatible\n"
                  "- host-6 p/n model-unknown incompatible\n"
                  "- host-6 p/o model-unknown incompatible\n");
    query.requirement = stuck;
    query.all_refusals = FALSE;
    g_ptr_array_remove_range(documents, 0, 3);
    g_ptr_array_remove_range(documents, 1, 2);
    assert_answer(&query, documents, "- host-4 p/s not-migratable incompatible\n");
}

static void
test_sentences(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    const VfFindQuery query = {requirement, NULL, 1, 0, TRUE};
    g_autoptr(GPtrArray) documents =
        documents_of(host(1, OFFER("p/a", "0", "", CARD("1024", "2")),
                          DEVICE("d", "leased", "probe", "no", CARD("1024", "2"))
                              DEVICE("e", "idle", "probe", "no", CARD("1024", "1"))),
                     NULL);
    g_autoptr(VfOffers) offers = ask(&query, documents);
    static const char *const sentences[] = {"The device is there, but its state is leased.",
                                            "The source has ports=2",
                                            "No more of these can be made now."};

    g_assert_cmpuint(offers->refusals->len, ==, G_N_ELEMENTS(sentences));
    for (guint i = 0; i < offers->refusals->len; i++) {
        const VfRefusal *refusal = offers->refusals->pdata[i];
        g_assert_true(g_str_has_prefix(refusal->reason, sentences[i]));
    }
}

/* An offer that QEMU cannot use is no answer for QEMU. */
static void
test_consumer(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    g_autoptr(VfConsumer) qemu = vf_consumer_parse("qemu", NULL);
    g_autoptr(VfConsumer) old = vf_consumer_parse("qemu=8.0", NULL);
    VfFindQuery query = {requirement, NULL, 1, 0, FALSE};
    g_autoptr(GPtrArray) documents =
        documents_of(host(1, OFFER("p/a", "1", "usable-by='vfio'", CARD("1024", "2")), ""),
                     host(2, OFFER("p/a", "1", "usable-by='qemu vfio'", CARD("1024", "2")), ""),
                     host(3, OFFER("p/a", "1", "", CARD("1024", "2")), ""), NULL);

    assert_answer(&query, documents,
                  "host-1 p/a mdev create 1 identical\nhost-2 p/a mdev create 1 identical\n"
                  "host-3 p/a mdev create 1 identical\n");
    query.consumer = qemu;
    assert_answer(&query, documents,
                  "host-2 p/a mdev create 1 identical\nhost-3 p/a mdev create 1 identical\n"
                  "- host-1 p/a consumer-cannot-use identical\n");
    query.consumer = old;
    assert_answer(&query, documents,
                  "- host-1 p/a consumer-cannot-use identical\n"
                  "- host-2 p/a consumer-too-old identical\n"
                  "- host-3 p/a consumer-too-old identical\n");
}

/* Several devices of one guest: QEMU wants the P2P states of all. */
static void
test_several(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    g_autoptr(VfConsumer) qemu = vf_consumer_parse("qemu=10.0", NULL);
    g_autoptr(VfConsumer) vfio = vf_consumer_parse("vfio", NULL);
    VfFindQuery query = {requirement, qemu, 2, 0, TRUE};
    g_autoptr(GPtrArray) documents = documents_of(
        host(1, OFFER("p/a", "1", "", CARD("1024", "2")),
             DEVICE("d-yes", "idle", "probe", "yes", CARD("1024", "2"))
                 DEVICE("d-no", "idle", "probe", "no", CARD("1024", "2"))
                     DEVICE("d-old", "idle", "debugfs", "no", CARD("1024", "2"))
                         DEVICE("d-unknown", "idle", "unknown", "no", CARD("1024", "2"))),
        NULL);

    assert_answer(&query, documents,
                  "host-1 d-yes pci use 1 identical\n"
                  "host-1 d-old pci use 1 unknown p2p-unknown\n"
                  "host-1 d-unknown pci use 1 unknown p2p-unknown\n"
                  "host-1 p/a mdev create 1 unknown p2p-unknown\n"
                  "- host-1 d-no consumer-cannot-use identical\n");
    query.devices = 1;
    query.limit = 1;
    assert_answer(&query, documents, "host-1 d-no pci use 1 identical\n");
    query.devices = 2;
    query.consumer = vfio;
    assert_answer(&query, documents, "host-1 d-no pci use 1 identical\n");
}

/* A device that is known not to migrate fits nobody. */
static void
test_not_migratable(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    const VfFindQuery query = {requirement, NULL, 1, 0, FALSE};
    g_autoptr(GPtrArray) documents = documents_of(
        host(1, "",
             "<device id='d' kind='pci' path='/p' model='a.b/card' state='idle'>" CARD(
                 "1024", "2") "<parameter name='queues' value='4'/><migration source='probe'/>"
                              "</device>"),
        NULL);

    g_autoptr(VfCapabilities) tree = vf_capabilities_parse(documents->pdata[0], -1, NULL, NULL);
    g_auto(VfChoice) choice = vf_choice_of_host(requirement, tree, NULL);

    assert_answer(&query, documents, "- host-1 d not-migratable identical\n");
    /* nor does it when one host is compared */
    g_assert_cmpstr(choice.object, ==, "d");
    g_assert_cmpint(choice.report->verdict, ==, VF_VERDICT_INCOMPATIBLE);
}

/* --- documents that cannot be read, other hosts' answers */

static void
test_unreadable(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    const VfFindQuery query = {requirement, NULL, 1, 0, FALSE};
    g_autoptr(VfFinder) finder = vf_finder_new(&query);
    g_autofree char *good = host(1, OFFER("p/a", "1", "", CARD("1024", "2")), "");
    /* all of it is there, and void nevertheless */
    g_autofree char *cut = g_strndup(good, strlen(good) - 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfOffers) offers = NULL;
    g_autofree char *shown = NULL;

    g_assert_false(vf_finder_add_text(finder, cut, -1, "cut.xml", &error));
    assert_error(&error, VFERRY_ERROR_INVALID_XML, "cut.xml:1: ");
    g_assert_true(vf_finder_add_text(finder, good, -1, "good.xml", &error));
    g_assert_false(vf_finder_add_file(finder, "/nonexistent/a.xml", &error));
    assert_error(&error, VFERRY_ERROR_NOT_FOUND, "/nonexistent/a.xml");
    vf_finder_add_unreachable(finder, "host-9", "ssh: no route to host");
    offers = vf_finder_finish(finder);
    shown = show(offers);
    g_assert_cmpstr(shown, ==,
                    "host-1 p/a mdev create 1 identical\n"
                    "- /nonexistent/a.xml * unreadable unknown\n"
                    "- cut.xml * unreadable unknown\n"
                    "- host-9 * unreachable unknown\n");
    g_assert_cmpuint(offers->hosts, ==, 4);
}

static void
test_offers_round_trip(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    g_autoptr(VfConsumer) consumer = vf_consumer_parse("qemu=10.0", NULL);
    const VfFindQuery query = {requirement, consumer, 2, 0, TRUE};
    g_autoptr(VfFinder) finder = vf_finder_new(&query);
    g_autofree char *document = host(1, OFFER("p/é&amp;", "1", "", CARD("1024", "2")),
                                     DEVICE("d", "open", "probe", "yes", CARD("1024", "2")));
    g_autoptr(VfOffers) offers = NULL;
    g_autoptr(VfOffers) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *twice = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_finder_add_text(finder, document, -1, NULL, NULL));
    vf_finder_add_unreachable(finder, "peer\x01", "no <route>");
    offers = vf_finder_finish(finder);
    text = vf_offers_format(offers);
    assert_valid(text, "offers");
    again = vf_offers_parse(text, -1, NULL, &error);
    g_assert_no_error(error);
    twice = vf_offers_format(again);
    g_assert_cmpstr(twice, ==, text);
    g_assert_cmpstr(again->consumer, ==, "qemu=10.0");
    g_assert_cmpuint(again->offers->len, ==, 1);
    g_assert_cmpuint(again->refusals->len, ==, 2);
    g_assert_cmpstr(((VfOffer *)again->offers->pdata[0])->code, ==, "p2p-unknown");
}

static void
test_offers_bad(void)
{
    static const struct {
        const char *content;
        const char *part;
    } cases[] = {
        {"<offer/>", "“kind” is missing"},
        {"<offer kind='a' id='b' how='c' left='1'/>", "“verdict” is missing"},
        {"<offer kind='a' id='b' how='c' left='1' verdict='maybe'/>", "verdict is “maybe”"},
        {"<offer kind='a' id='b' how='c' left='x' verdict='unknown'/>", "left is “x”"},
        {"<offer host='x' kind='a' id='b' how='c' left='1' verdict='unknown'/>", "not a UUID"},
        {"<offer kind='a' id='b' how='c' left='1' verdict='unknown'><reason/><reason/></offer>",
         "at most 1"},
        {"<offer kind='a' id='b' how='c' left='1' verdict='unknown'><parameter/></offer>",
         "“name” is missing"},
        {"<refusal verdict='unknown'/>", "“code” is missing"},
        {"<refusal code='a' verdict='unknown'><x required='yes'/></refusal>", "is required"},
        {"<x required='yes'/>", "is required"},
        {"text", "text is not accepted"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(
            "<offers xmlns='https://vferry.org/ns/offers/1'>%s</offers>", cases[i].content);
        g_autoptr(GError) error = NULL;
        g_assert_null(vf_offers_parse(text, -1, NULL, &error));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

/* Models and offers that are alike have one class, whatever their hosts are called. */
static void
test_classes(void)
{
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    const VfFleetHost *last;

    for (guint i = 0; i < 10; i++) {
        g_autofree char *text =
            host(i,
                 OFFER("p/a", "1", "", CARD("1", "1")) OFFER("p/b", "2", "", CARD("1", "1"))
                     OFFER("p/c", "2", "", CARD("1", "2")),
                 DEVICE("d", "idle", "probe", "no", CARD("1", "1")));
        g_assert_true(vf_fleet_add_text(fleet, text, -1, "where", NULL));
    }
    g_assert_false(vf_fleet_add_text(fleet, "<a/>", -1, NULL, NULL));
    g_assert_cmpuint(fleet->hosts->len, ==, 10);
    g_assert_cmpuint(fleet->offers->len, ==, 40);
    g_assert_cmpuint(fleet->classes->len, ==, 3);
    last = vf_fleet_host(fleet, 9);
    g_assert_cmpstr(last->name, ==, "host-9");
    g_assert_cmpstr(last->where, ==, "where");
    g_assert_cmpstr(vf_fleet_offer(fleet, last, 1)->id, ==, "p/b");
    g_assert_cmpuint(vf_fleet_offer(fleet, last, 0)->class_id, ==, 0);
    g_assert_cmpuint(vf_fleet_offer(fleet, last, 1)->class_id, ==, 0);
    g_assert_cmpstr(vf_fleet_class(fleet, 2)->kind, ==, "pci");
    vf_fleet_clear(fleet);
    g_assert_cmpuint(fleet->hosts->len, ==, 0);
    g_assert_cmpuint(fleet->offers->len, ==, 0);
}

/* More classes than are kept: an answer is not that of an older class with the same number. */
static void
test_many_classes(void)
{
    g_autoptr(VfRequirement) requirement = card("1024", "2", "4");
    const VfFindQuery query = {requirement, NULL, 1, 0, FALSE};
    g_autoptr(VfFinder) finder = vf_finder_new(&query);
    g_autoptr(VfOffers) offers = NULL;

    for (guint i = 0; i < 4; i++) {
        g_autoptr(GString) body = g_string_new(NULL);
        g_autofree char *text = NULL;
        for (guint j = 0; j < 3000; j++)
            g_string_append_printf(body, OFFER("p/%u", "1", "", CARD("%u", "2")), j,
                                   i % 2 == 0 ? j % 1024 + i * 3000 : 1024 + j + i * 3000);
        text = host(i, body->str, "");
        g_assert_true(vf_finder_add_text(finder, text, -1, NULL, NULL));
    }
    offers = vf_finder_finish(finder);
    /* none of the first, all of the others */
    g_assert_cmpuint(offers->fitting, ==, 9000);
    g_assert_cmpuint(offers->fitting_hosts, ==, 3);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/find/order", test_order);
    g_test_add_func("/xml/find/limit", test_limit);
    g_test_add_func("/xml/find/refusals", test_refusals);
    g_test_add_func("/xml/find/sentences", test_sentences);
    g_test_add_func("/xml/find/consumer", test_consumer);
    g_test_add_func("/xml/find/several", test_several);
    g_test_add_func("/xml/find/not-migratable", test_not_migratable);
    g_test_add_func("/xml/find/unreadable", test_unreadable);
    g_test_add_func("/xml/find/classes", test_classes);
    g_test_add_func("/xml/find/many-classes", test_many_classes);
    g_test_add_func("/xml/offers/round-trip", test_offers_round_trip);
    g_test_add_func("/xml/offers/bad", test_offers_bad);
    return g_test_run();
}
