/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "choice.h"

#include "error.h"

#define MODEL                                                                                      \
    "<model id='a.b/c' "                                                                           \
    "digest='sha256:0000000000000000000000000000000000000000000000000000000000000000' "            \
    "source='descriptor'><parameter name='n' type='int' compare='at-least'/></model>"
#define OFFER(id, n, left)                                                                         \
    "<offer id='p/" id "' model='a.b/c' how='create' type='" id "' left='" left                    \
    "' usable-by='vfio'><parameter name='n' value='" n "'/></offer>"
#define DEVICE(id, state, n)                                                                       \
    "<device id='" id "' kind='mdev' path='/sys/devices/x/" id "' model='a.b/c' state='" state     \
    "'><parameter name='n' value='" n "'/><migration source='unknown'/></device>"

static VfCapabilities *
host_with(const char *offers, const char *devices)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strconcat(
        "<capabilities xmlns='https://vferry.org/ns/capabilities/1'><host "
        "id='11111111-2222-4333-8444-555555555555'/><models>" MODEL
        "</models><parents><parent id='p' kind='mdev' path='/sys/devices/x/p'>",
        offers, "</parent></parents><devices>", devices, "</devices></capabilities>", NULL);
    VfCapabilities *host = vf_capabilities_parse(text, -1, NULL, &error);

    g_assert_no_error(error);
    return host;
}

static VfRequirement *
requirement_of(const char *model, const char *n)
{
    VfRequirement *requirement = vf_requirement_new(model, NULL);

    vf_value_list_set(requirement->values, "n", n, NULL);
    return requirement;
}

static void
assert_choice(const VfCapabilities *host, const char *n, VfVerdict verdict, const char *object)
{
    g_autoptr(VfRequirement) requirement = requirement_of("a.b/c", n);
    g_auto(VfChoice) choice = vf_choice_of_host(requirement, host, NULL);

    g_assert_cmpint(choice.report->verdict, ==, verdict);
    g_assert_cmpstr(choice.object, ==, object);
}

static void
test_best_of_host(void)
{
    g_autoptr(VfCapabilities) host =
        host_with(OFFER("one", "1", "9") OFFER("two", "2", "1") OFFER("four", "4", "0"),
                  DEVICE("idle", "idle", "3") DEVICE("open", "open", "5"));

    assert_choice(host, "1", VF_VERDICT_IDENTICAL, "p/one");
    assert_choice(host, "2", VF_VERDICT_IDENTICAL, "p/two");
    assert_choice(host, "3", VF_VERDICT_IDENTICAL, "idle");
    assert_choice(host, "4", VF_VERDICT_IDENTICAL, "p/four"); /* room is another question */
    assert_choice(host, "0", VF_VERDICT_SUPERSET, "p/one");   /* of equals the one with more left */
    assert_choice(host, "5", VF_VERDICT_INCOMPATIBLE, "p/one");
}

static void
test_another_model(void)
{
    g_autoptr(VfCapabilities) host = host_with(OFFER("one", "1", "9"), "");
    g_autoptr(VfRequirement) requirement = requirement_of("a.b/d", "1");
    g_auto(VfChoice) choice = vf_choice_of_host(requirement, host, NULL);

    g_assert_cmpint(choice.report->verdict, ==, VF_VERDICT_INCOMPATIBLE);
    g_assert_null(choice.object);
    g_assert_null(choice.how);
}

static void
test_object(void)
{
    static const struct {
        const char *id;
        VfChoiceOf of;
        const char *object; /* NULL: there is none */
    } cases[] = {
        {"open", VF_CHOICE_OF_ANY, "open"},   {"open", VF_CHOICE_OF_PARENT, NULL},
        {"p", VF_CHOICE_OF_ANY, "p/two"},     {"p", VF_CHOICE_OF_DEVICE, NULL},
        {"p/one", VF_CHOICE_OF_ANY, "p/one"}, {"none", VF_CHOICE_OF_ANY, NULL},
    };
    g_autoptr(VfCapabilities) host =
        host_with(OFFER("one", "1", "9") OFFER("two", "2", "1"), DEVICE("open", "open", "5"));
    g_autoptr(VfRequirement) requirement = requirement_of("a.b/c", "2");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(VfChoice) choice = {0};
        g_autoptr(GError) error = NULL;
        gboolean found =
            vf_choice_of_object(requirement, host, cases[i].id, cases[i].of, NULL, &choice, &error);

        g_assert_cmpint(found, ==, cases[i].object != NULL);
        g_assert_cmpstr(choice.object, ==, cases[i].object);
        if (!found)
            g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND);
    }
}

static void
test_consumer(void)
{
    g_autoptr(VfCapabilities) host = host_with(OFFER("one", "1", "9"), "");
    g_autoptr(VfRequirement) requirement = requirement_of("a.b/c", "1");
    g_autoptr(VfConsumer) qemu = vf_consumer_parse("qemu", NULL);
    g_autoptr(VfConsumer) vfio = vf_consumer_parse("vfio", NULL);
    g_auto(VfChoice) yes = vf_choice_of_host(requirement, host, vfio);
    g_auto(VfChoice) no = vf_choice_of_host(requirement, host, qemu);
    const VfReportLine *last = no.report->lines->pdata[no.report->lines->len - 1];

    g_assert_cmpint(yes.report->verdict, ==, VF_VERDICT_IDENTICAL);
    g_assert_cmpint(no.report->verdict, ==, VF_VERDICT_INCOMPATIBLE);
    g_assert_cmpint(last->subject, ==, VF_REPORT_CONSUMER);
    g_assert_cmpstr(last->code, ==, VF_REPORT_CODE_CONSUMER_CANNOT_USE);
    g_assert_false(vf_report_can_override(no.report));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/choice/best-of-host", test_best_of_host);
    g_test_add_func("/xml/choice/another-model", test_another_model);
    g_test_add_func("/xml/choice/object", test_object);
    g_test_add_func("/xml/choice/consumer", test_consumer);
    return g_test_run();
}
