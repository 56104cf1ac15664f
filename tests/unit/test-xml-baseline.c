/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-baseline.h"
#include "xml/model/model-make.h"

/* Baselines, the questions of the thread first. Messages of "VFIO Migration", November 2020, on
 * qemu-devel are named by author and time. */

/* Opaque versions, as in the revision of 2021: the schema of each host has those it knows. */
static char *
versions(const char *names)
{
    g_autoptr(GString) values = g_string_new(NULL);
    g_autoptr(GString) list = g_string_new(NULL);
    g_auto(GStrv) parts = g_strsplit(names, " ", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        g_string_append_printf(values, "<value>%s</value>", parts[i]);
        g_string_append_printf(list, "<version name='%s'/>", parts[i]);
    }
    return g_strdup_printf(
        MODEL("<parameter name='version' type='enum' compare='equal'><allowed>%s</allowed>"
              "</parameter><versions parameter='version'>%s</versions>"),
        values->str, list->str);
}

static void
host_with_versions(Hosts *hosts, const char *id, const char *names)
{
    g_autofree char *model = versions(names);

    host(hosts, id);
    offer(hosts, model, "", "version");
}

/* Gilbert, 2020-11-05 14:17: "That's why I liked the 'version' idea; you just have to find the
 * lowest version in your set." The lowest of each host's newest is not it when a host lacks it. */
static void
test_lowest_common_version(void)
{
    static const struct {
        const char *a, *b, *c;
        VfBaselineVerdict verdict;
        const char *requirement;
        const char *lines;
    } cases[] = {
        {"1 2", "1", NULL, VF_BASELINE_FOUND, "version=1", ""},
        {"1 2 3", "1 2", "2 3", VF_BASELINE_FOUND, "version=2", ""},
        {"1 3", "1 2", NULL, VF_BASELINE_FOUND, "version=1", ""},
        {"1 2", "3", NULL, VF_BASELINE_CONFLICT, "version=2", "b value-not-allowed"},
        {"1 2", "1", "3", VF_BASELINE_CONFLICT, "version=1", "c value-not-allowed"},
        {"up-1", "rh-1", "rh-1 rh-2", VF_BASELINE_CONFLICT, "version=rh-1", "a value-not-allowed"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Hosts) hosts = hosts_new();
        host_with_versions(hosts, "a", cases[i].a);
        host_with_versions(hosts, "b", cases[i].b);
        if (cases[i].c != NULL)
            host_with_versions(hosts, "c", cases[i].c);
        assert_baseline(hosts, cases[i].verdict, cases[i].requirement, cases[i].lines);
    }
}

/* A version that loads the state of an older one. */
static void
test_loads(void)
{
    static const char new[] =
        MODEL("<parameter name='version' type='enum' compare='equal'><allowed><value>v1</value>"
              "<value>v2</value></allowed></parameter><versions parameter='version'>"
              "<version name='v1'/><version name='v2'><loads version='v1'/></version></versions>");
    g_autoptr(Hosts) hosts = hosts_new();

    host(hosts, "a");
    offer(hosts, new, "version=v2", "");
    host(hosts, "b");
    offer(hosts, new, "version=v1", "");
    assert_baseline(hosts, VF_BASELINE_FOUND, "version=v1", "");
}

/* Stefan Hajnoczi, 2020-11-02 11:11: version 1 behaves as if rx-filter-size=0, version 2 is 32. */
#define FILTER                                                                                     \
    "<parameter name='rx-filter-size' type='int' compare='equal' init='64' off='0'>"               \
    "<allowed min='0' max='128'/></parameter>"
#define VERSION_1 "<version name='1'/>"
#define VERSION_2 "<version name='2'><value parameter='rx-filter-size'>32</value></version>"
#define VERSION_3 "<version name='3'><value parameter='rx-filter-size'>64</value></version>"
static const char filter_1[] = MODEL("<versions>" VERSION_1 "</versions>");
static const char filter_2[] = MODEL(FILTER "<versions>" VERSION_1 VERSION_2 "</versions>");
static const char filter_3[] =
    MODEL(FILTER "<versions>" VERSION_1 VERSION_2 VERSION_3 "</versions>");
static const char filter_only[] = MODEL(FILTER);

static void
test_alias_versions(void)
{
    static const struct {
        const char *a, *b;
        const char *requirement;
    } cases[] = {
        {filter_3, filter_2, "[2]rx-filter-size=32"},
        {filter_2, filter_1, "[1]"},
        {filter_3, filter_3, "[3]rx-filter-size=64"},
        /* one host knows no versions: values are what is left */
        {filter_3, filter_only, "rx-filter-size=128"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Hosts) hosts = hosts_new();
        host(hosts, "a");
        offer(hosts, cases[i].a, "", "rx-filter-size");
        host(hosts, "b");
        offer(hosts, cases[i].b, "", "rx-filter-size");
        assert_baseline(hosts, VF_BASELINE_FOUND, cases[i].requirement, "");
    }
}

/* What a version does not name and cannot be off is chosen as without versions. */
static void
test_version_and_values(void)
{
    static const char model[] = MODEL("<parameter name='ports' type='int' compare='equal'/>" FILTER
                                      "<versions>" VERSION_1 VERSION_2 "</versions>");
    g_autoptr(Hosts) hosts = hosts_new();

    host(hosts, "a");
    offer(hosts, model, "ports=2", "rx-filter-size");
    offer(hosts, model, "ports=4", "rx-filter-size");
    host(hosts, "b");
    offer(hosts, model, "ports=2", "rx-filter-size");
    assert_baseline(hosts, VF_BASELINE_FOUND, "[2]ports=2;rx-filter-size=32", "");
}

/* Each host's own schema says what a version is: where they disagree, it is none in common. */
static void
test_version_differs(void)
{
    static const char other[] =
        MODEL("<parameter name='mtu' type='int' compare='equal' off='0'/>" FILTER
              "<versions><version name='1'/><version name='2'><value parameter='mtu'>9000</value>"
              "</version></versions>");
    g_autoptr(Hosts) hosts = hosts_new();

    host(hosts, "a");
    offer(hosts, filter_2, "", "rx-filter-size");
    host(hosts, "b");
    offer(hosts, filter_2, "", "rx-filter-size");
    host(hosts, "c");
    offer(hosts, other, "mtu=1500", "rx-filter-size");
    assert_baseline(hosts, VF_BASELINE_CONFLICT, "[2]rx-filter-size=32", "c value-differs");
}

/* Gilbert, 2020-11-05 12:13: "I can read the config off one of the other machines; can I just use
 * that even if my new machine has a later device implementation?" Tsirkin, 12:47: "we need a tool
 * that can query a set of machines and then produce a safe configuration." */
static void
test_newer_host(void)
{
    static const char old[] = MODEL("<parameter name='ports' type='int' compare='equal'/>");
    static const char new[] =
        MODEL("<parameter name='ports' type='int' compare='equal'/>"
              "<parameter name='rss' type='bool' compare='equal' init='yes' off='no'/>");
    static const char fixed[] = MODEL("<parameter name='ports' type='int' compare='equal'/>"
                                      "<parameter name='rss' type='bool' compare='equal'/>");
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(Hosts) only_new = hosts_new();
    g_autoptr(Hosts) without_off = hosts_new();

    host(hosts, "new");
    offer(hosts, new, "ports=2", "rss");
    host(hosts, "old");
    offer(hosts, old, "ports=2", "");
    assert_baseline(hosts, VF_BASELINE_FOUND, "ports=2", "");

    host(only_new, "new");
    offer(only_new, new, "ports=2", "rss");
    assert_baseline(only_new, VF_BASELINE_FOUND, "ports=2;rss=yes", "");

    host(without_off, "new");
    offer(without_off, fixed, "ports=2;rss=yes", "");
    host(without_off, "old");
    offer(without_off, old, "ports=2", "");
    assert_baseline(without_off, VF_BASELINE_UNKNOWN, "ports=2", "new parameter-missing");
}

/* Gilbert, 2020-11-11 12:56, of the revision of that month: "new-feature=on when num-queues>2". */
static void
test_constraint(void)
{
    static const char model[] =
        MODEL("<parameter name='new-feature' type='bool' compare='equal' off='no'/>"
              "<parameter name='num-queues' type='int' compare='equal'>"
              "<allowed min='1' max='4'/></parameter>"
              "<constraint><when parameter='new-feature' is='yes'/>"
              "<then parameter='num-queues' at-least='3'/></constraint>");
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(Hosts) alone = hosts_new();

    host(alone, "a");
    offer(alone, model, "", "new-feature num-queues");
    assert_baseline(alone, VF_BASELINE_FOUND, "new-feature=yes;num-queues=4", "");
    host(hosts, "a");
    offer(hosts, model, "", "new-feature num-queues");
    host(hosts, "b");
    offer(hosts, model, "num-queues=2", "new-feature");
    assert_baseline(hosts, VF_BASELINE_FOUND, "num-queues=2", "");
}

static void
test_rules(void)
{
    static const struct {
        const char *parameter; /* its attributes and content */
        const char *a, *b;     /* "": settable */
        VfBaselineVerdict verdict;
        const char *requirement;
    } cases[] = {
        {"type='int' compare='equal'/>", "2", "2", VF_BASELINE_FOUND, "p=2"},
        {"type='int' compare='equal'><allowed min='0' max='9'/></parameter>", "", "4",
         VF_BASELINE_FOUND, "p=4"},
        {"type='int' compare='equal'><allowed min='0' max='128' step='12'/></parameter>", "", "",
         VF_BASELINE_FOUND, "p=120"},
        {"type='int' compare='at-least'/>", "8", "6", VF_BASELINE_FOUND, "p=6"},
        {"type='int' compare='at-most'/>", "8", "6", VF_BASELINE_FOUND, "p=8"},
        {"type='bool' compare='at-least'/>", "yes", "no", VF_BASELINE_FOUND, "p=no"},
        {"type='set' compare='superset'/>", "a b c", "b c d", VF_BASELINE_FOUND, "p=b c"},
        {"type='set' compare='superset'/>", "a", "b", VF_BASELINE_FOUND, "p="},
        {"type='set' compare='superset' off=''/>", "a", "b", VF_BASELINE_FOUND, ""},
        {"type='bitmask' compare='superset'/>", "0x6", "0x3", VF_BASELINE_FOUND, "p=0x2"},
        {"type='bitmask' compare='superset'><allowed mask='0xf'/></parameter>", "", "0x13",
         VF_BASELINE_FOUND, "p=0x3"},
        {"type='string' compare='same-major'/>", "550.90", "550.54.14", VF_BASELINE_FOUND,
         "p=550.54.14"},
        {"type='string' compare='same-major'/>", "550.9", "550.54.14", VF_BASELINE_FOUND,
         "p=550.9"},
        {"type='string' compare='ignore'/>", "a", "b", VF_BASELINE_FOUND, ""},
        {"type='string' compare='firmware'/>", "1", "1", VF_BASELINE_UNKNOWN, "p=?"},
        {"type='enum' compare='at-least'><allowed><value>low</value><value>high</value></allowed>"
         "</parameter>",
         "high", "low", VF_BASELINE_FOUND, "p=low"},
        {"type='int' compare='equal'/>", "2", "?", VF_BASELINE_UNKNOWN, "p=2"},
        {"type='int' compare='equal'/>", "?", "?", VF_BASELINE_UNKNOWN, "p=?"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Hosts) hosts = hosts_new();
        g_autofree char *model =
            g_strdup_printf(MODEL("<parameter name='p' %s"), cases[i].parameter);
        g_autoptr(VfBaseline) result = NULL;
        g_autofree char *described = NULL;

        for (guint j = 0; j < 2; j++) {
            const char *value = j == 0 ? cases[i].a : cases[i].b;
            g_autofree char *values =
                value[0] != '\0' && value[0] != '?' ? g_strconcat("p=", value, NULL) : g_strdup("");
            host(hosts, j == 0 ? "a" : "b");
            offer(hosts, model, values, value[0] == '\0' ? "p" : "");
        }
        result = baseline(hosts);
        described = describe(result->requirement);
        if (result->verdict != cases[i].verdict || g_strcmp0(described, cases[i].requirement) != 0)
            g_error("row %" G_GSIZE_FORMAT ": %s", i, described);
    }
}

/* The range of one host, the list of another (Stefan Hajnoczi, 2020-11-03 15:05: a table of 48). */
static void
test_common_values(void)
{
    static const char range[] = MODEL("<parameter name='rx' type='int' compare='equal'>"
                                      "<allowed min='0' max='128'/></parameter>");
    static const char list[] = MODEL("<parameter name='rx' type='int' compare='equal'><allowed>"
                                     "<value>0</value><value>32</value><value>64</value></allowed>"
                                     "</parameter>");
    static const char fours[] = MODEL("<parameter name='rx' type='int' compare='equal'>"
                                      "<allowed min='0' max='100' step='4'/></parameter>");
    static const char sixes[] = MODEL("<parameter name='rx' type='int' compare='equal'>"
                                      "<allowed min='0' max='98' step='6'/></parameter>");
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(Hosts) steps = hosts_new();

    host(hosts, "a");
    offer(hosts, range, "", "rx");
    host(hosts, "b");
    offer(hosts, list, "", "rx");
    assert_baseline(hosts, VF_BASELINE_FOUND, "rx=64", "");
    host(steps, "a");
    offer(steps, fours, "", "rx");
    host(steps, "b");
    offer(steps, sixes, "", "rx");
    assert_baseline(steps, VF_BASELINE_FOUND, "rx=96", "");
}

/* Parameters in the order of their names: what the first gains outweighs what the second loses. */
static void
test_order_of_parameters(void)
{
    static const char model[] = MODEL("<parameter name='a' type='int' compare='at-least'/>"
                                      "<parameter name='b' type='int' compare='at-least'/>");
    g_autoptr(Hosts) hosts = hosts_new();

    for (guint i = 0; i < 2; i++) {
        host(hosts, i == 0 ? "x" : "y");
        offer(hosts, model, "a=4;b=1", "");
        offer(hosts, model, "a=2;b=9", "");
    }
    assert_baseline(hosts, VF_BASELINE_FOUND, "a=4;b=1", "");
    host(hosts, "z");
    offer(hosts, model, "a=3;b=9", "");
    assert_baseline(hosts, VF_BASELINE_FOUND, "a=3;b=1", "");
}

static void
assert_model_error(Hosts *hosts, const char *model, VferryError code, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfBaseline) result = vf_baseline_of_supply(hosts->supply, model, &error);

    g_assert_null(result);
    assert_error(&error, code, part);
}

#define PORTS "<parameter name='ports' type='int' compare='equal'/>"

static void
test_model(void)
{
    static const char nic[] = MODEL(PORTS);
    static const char disk[] = MODEL_OF("example.org/disk", PORTS);
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(VfBaseline) named = NULL;

    assert_model_error(hosts, NULL, VFERRY_ERROR_INVALID_ARGUMENT, "at least one host");
    host(hosts, "a");
    assert_model_error(hosts, NULL, VFERRY_ERROR_NOT_FOUND, "no host has anything");
    offer(hosts, nic, "ports=1", "");
    offer(hosts, disk, "ports=2", "");
    host(hosts, "b");
    offer(hosts, disk, "ports=2", "");
    offer(hosts, nic, "ports=1", "");
    assert_model_error(hosts, NULL, VFERRY_ERROR_INVALID_ARGUMENT,
                       "example.org/disk, example.org/nic");
    assert_model_error(hosts, "example.org/gpu", VFERRY_ERROR_NOT_FOUND, "example.org/gpu");
    named = vf_baseline_of_supply(hosts->supply, "example.org/disk", NULL);
    g_assert_cmpint(named->verdict, ==, VF_BASELINE_FOUND);
    g_assert_cmpstr(named->requirement->model, ==, "example.org/disk");
    host(hosts, "c");
    offer(hosts, nic, "ports=1", "");
    assert_baseline(hosts, VF_BASELINE_FOUND, "ports=1", "");
    host(hosts, "d");
    assert_baseline(hosts, VF_BASELINE_CONFLICT, "ports=1", "d model-unknown");
}

/* A host that knows the model under its new name can supply the old one. */
static void
test_alias(void)
{
    static const char old[] = MODEL_OF("example.org/old", PORTS);
    static const char new[] = MODEL_OF("example.org/new", "<alias id='example.org/old'/>" PORTS);
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(VfBaseline) mixed = NULL;

    host(hosts, "a");
    offer(hosts, new, "ports=1", "");
    host(hosts, "b");
    offer(hosts, old, "ports=1", "");
    mixed = baseline(hosts);
    g_assert_cmpint(mixed->verdict, ==, VF_BASELINE_FOUND);
    g_assert_cmpstr(mixed->requirement->model, ==, "example.org/old");
}

static void
test_not_migratable(void)
{
    static const char model[] = MODEL("<not-migratable>the host keeps it</not-migratable>" PORTS);
    g_autoptr(Hosts) hosts = hosts_new();

    host(hosts, "a");
    offer(hosts, model, "ports=1", "");
    assert_baseline(hosts, VF_BASELINE_CONFLICT, "none", "a not-migratable");
}

/* What the host that is left out has, and why that does not do. */
static void
test_conflict(void)
{
    static const char model[] =
        MODEL(PORTS "<parameter name='caps' type='set' compare='superset'/>");
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(VfBaseline) result = NULL;
    const VfBaselineLine *line;

    host(hosts, "a");
    offer(hosts, model, "ports=2;caps=x y", "");
    host(hosts, "b");
    offer(hosts, model, "ports=4;caps=x y z", "");
    offer(hosts, model, "ports=3;caps=", "");
    host(hosts, "c");
    offer(hosts, model, "ports=2;caps=y", "");
    result = baseline(hosts);
    g_assert_cmpint(result->verdict, ==, VF_BASELINE_CONFLICT);
    g_assert_cmpuint(result->hosts, ==, 3);
    g_assert_cmpuint(result->fitting, ==, 2);
    g_assert_cmpuint(result->conflicts->len, ==, 1);
    line = result->conflicts->pdata[0];
    g_assert_cmpstr(line->host, ==, "b");
    g_assert_cmpstr(line->parameter, ==, "ports");
    g_assert_cmpstr(line->source, ==, "2");
    g_assert_cmpstr(line->destination, ==, "4");
    g_assert_cmpstr(line->code, ==, "value-differs");
    g_assert_nonnull(strstr(line->sentence, "ports"));
}

static void
assert_canonical(const VfBaseline *result)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = vf_baseline_format(result);
    g_autoptr(VfBaseline) again = vf_baseline_parse(xml, -1, NULL, &error);
    g_autofree char *twice = NULL;

    g_assert_no_error(error);
    assert_valid(xml, "baseline");
    twice = vf_baseline_format(again);
    g_assert_cmpstr(xml, ==, twice);
}

static void
test_document(void)
{
    static const char model[] =
        MODEL(PORTS "<parameter name='fw' type='string' compare='firmware'/>");
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(VfBaseline) unknown = NULL;
    g_autoptr(VfBaseline) conflict = NULL;
    const VfBaselineLine *line;

    host(hosts, "b");
    offer(hosts, model, "ports=2", "");
    host(hosts, "a");
    offer(hosts, model, "ports=2", "");
    unknown = baseline(hosts);
    assert_canonical(unknown);
    g_assert_cmpuint(unknown->undecided->len, ==, 1);
    line = unknown->undecided->pdata[0];
    g_assert_cmpstr(line->host, ==, "a");
    g_assert_cmpuint(line->hosts, ==, 2);
    host(hosts, "c");
    conflict = baseline(hosts);
    conflict->exact = FALSE;
    assert_canonical(conflict);
    g_assert_cmpuint(conflict->conflicts->len, ==, 1);
}

static void
test_document_errors(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"<baseline xmlns='https://vferry.org/ns/baseline/1' verdict='maybe' hosts='1' "
         "fitting='1'/>",
         "verdict is “maybe”"},
        {"<baseline xmlns='https://vferry.org/ns/baseline/1' verdict='found' hosts='1' "
         "fitting='2'/>",
         "fitting"},
        {"<baseline xmlns='https://vferry.org/ns/baseline/1' verdict='found' hosts='1' "
         "fitting='1'/>",
         "requirement is missing"},
        {"<baseline xmlns='https://vferry.org/ns/baseline/1' verdict='conflict' hosts='1' "
         "fitting='0'><conflict host='a'>x</conflict></baseline>",
         "code"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfBaseline) result = vf_baseline_parse(cases[i].text, -1, NULL, &error);
        g_assert_null(result);
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

#define SHARED                                                                                     \
    "<parameter name='caps' type='set' compare='superset'/>"                                       \
    "<parameter name='driver' type='string' compare='same-major'/>" PORTS                          \
    "<parameter name='queues' type='int' compare='at-least'><allowed min='1' max='64'/>"           \
    "</parameter>"

/* The example of docs/descriptors.md. */
static void
test_documented(void)
{
    static const char new[] =
        MODEL(SHARED "<parameter name='rss' type='bool' compare='equal' off='no'/>");
    static const char old[] = MODEL(SHARED);
    static const char result[] = "caps=aes;driver=550.54;ports=2;queues=16";
    g_autoptr(Hosts) hosts = hosts_new();

    host(hosts, "alpha");
    offer(hosts, new, "caps=aes gcm sha;driver=550.90;ports=4", "queues rss");
    offer(hosts, new, "caps=aes gcm sha;driver=550.90;ports=2", "queues rss");
    host(hosts, "beta");
    offer(hosts, new, "caps=aes sha;driver=550.54;ports=2;queues=16", "rss");
    host(hosts, "gamma");
    offer(hosts, old, "caps=aes gcm;driver=550.54;ports=2", "queues");
    assert_baseline(hosts, VF_BASELINE_FOUND, result, "");
    host(hosts, "delta");
    offer(hosts, new, "caps=aes;driver=535.10;ports=2", "queues rss");
    assert_baseline(hosts, VF_BASELINE_CONFLICT, result, "delta value-differs");
}

static VfCapabilities *
capabilities_of(const char *id, const char *name, VfModel *model)
{
    VfCapabilities *capabilities = vf_capabilities_new(id);
    VfCapabilitiesParent *parent = vf_capabilities_parent_new("mtty", "/sys/devices/mtty");

    capabilities->host_name = g_strdup(name);
    vf_capabilities_add_model(capabilities, model);
    g_ptr_array_add(capabilities->parents, parent);
    return capabilities;
}

static void
add_offer(VfCapabilities *capabilities, const char *id, const char *ports)
{
    const VfCapabilitiesParent *parent = capabilities->parents->pdata[0];
    VfCapabilitiesOffer *one = vf_capabilities_offer_new(id);

    one->model = g_strdup(MODEL_ID);
    vf_value_list_set(one->values, "ports", ports, NULL);
    g_ptr_array_add(parent->offers, one);
}

/* Offers of which none is left and devices that are open count as well. */
static void
test_fleet(void)
{
    static const char text[] = MODEL(PORTS);
    g_autoptr(VfModel) model = vf_model_parse(text, -1, NULL, NULL);
    g_autoptr(VfCapabilities) a =
        capabilities_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "a.example.org", model);
    g_autoptr(VfCapabilities) b =
        capabilities_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1002", "b.example.org", model);
    VfCapabilitiesDevice *device = vf_capabilities_device_new("0000:01:00.1", "/sys/devices/pci");
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    g_autoptr(VfBaseline) found = NULL;
    g_autoptr(VfBaseline) conflict = NULL;

    add_offer(a, "mtty/mtty-1", "1");
    add_offer(a, "mtty/mtty-2", "2");
    device->model = g_strdup(MODEL_ID);
    g_free(device->state);
    device->state = g_strdup("open");
    vf_value_list_set(device->values, "ports", "1", NULL);
    g_ptr_array_add(b->devices, device);
    vf_fleet_add(fleet, a, "a.xml");
    vf_fleet_add(fleet, b, "b.xml");
    found = vf_baseline_of_fleet(fleet, NULL, NULL);
    g_assert_cmpint(found->verdict, ==, VF_BASELINE_FOUND);
    g_assert_cmpstr(vf_value_list_find(found->requirement->values, "ports")->value, ==, "1");
    vf_value_list_set(device->values, "ports", "4", NULL);
    vf_fleet_add(fleet, b, "c.xml");
    conflict = vf_baseline_of_fleet(fleet, MODEL_ID, NULL);
    g_assert_cmpint(conflict->verdict, ==, VF_BASELINE_CONFLICT);
    g_assert_cmpuint(conflict->fitting, ==, 2);
    assert_canonical(conflict);
}

/* Two hosts say different things under one digest: each is asked by what it says. */
static void
test_claimed_digest(void)
{
    g_autoptr(VfModel) model = vf_model_parse(MODEL(PORTS), -1, NULL, NULL);
    g_autoptr(VfModel) other = vf_model_parse(
        MODEL("<parameter name='ports' type='int' compare='at-least'/>"), -1, NULL, NULL);
    g_autoptr(VfCapabilities) a =
        capabilities_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "a.example.org", model);
    g_autoptr(VfCapabilities) b =
        capabilities_of("83b8f4f2-509f-382f-3c1e-e6bfe0fa1002", "b.example.org", other);
    g_autoptr(VfFleet) fleet = vf_fleet_new();
    g_autoptr(VfBaseline) conflict = NULL;

    g_free(other->digest);
    other->digest = g_strdup(model->digest);
    add_offer(a, "mtty/mtty-1", "4");
    add_offer(b, "mtty/mtty-2", "2");
    vf_fleet_add(fleet, b, "b.xml");
    vf_fleet_add(fleet, a, "a.xml");
    conflict = vf_baseline_of_fleet(fleet, NULL, NULL);
    /* by b's rule a would take two ports, too; by its own it does not */
    g_assert_cmpint(conflict->verdict, ==, VF_BASELINE_CONFLICT);
}

#define SWITCHES 40

/* One of three switches is fixed in each offer, the others can be set: a puzzle that has no answer
 * which is found quickly. */
static void
add_puzzle(Hosts *hosts, const char *model, guint n)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(4);

    for (guint i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("host-%03u", i);
        host(hosts, g_intern_string(id));
        for (guint j = 0; j < 3; j++) {
            guint fixed = (guint)g_rand_int_range(random, 0, SWITCHES);
            g_autofree char *value =
                g_strdup_printf("p%02u=%s", fixed, g_rand_boolean(random) ? "yes" : "no");
            g_autoptr(GString) settable = g_string_new(NULL);
            for (guint k = 0; k < SWITCHES; k++)
                if (k != fixed)
                    g_string_append_printf(settable, " p%02u", k);
            offer(hosts, model, value, settable->str + 1);
        }
    }
}

/* More combinations than are tried: what is found is right all the same, and the result says that
 * not all was tried. */
static void
test_bound(void)
{
    g_autoptr(Hosts) hosts = hosts_new();
    g_autoptr(GString) parameters = g_string_new(NULL);
    g_autofree char *model = NULL;
    g_autoptr(VfBaseline) result = NULL;

    for (guint i = 0; i < SWITCHES; i++)
        g_string_append_printf(parameters, "<parameter name='p%02u' type='bool' compare='equal'/>",
                               i);
    model = g_strdup_printf(MODEL("%s"), parameters->str);
    add_puzzle(hosts, model, 400);
    result = baseline(hosts);
    g_assert_false(result->exact);
    g_assert_nonnull(result->requirement);
    g_assert_cmpuint(result->fitting, >=, result->hosts * 7 / 8);
    g_assert_cmpuint(result->fitting, <, result->hosts);
    assert_canonical(result);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/baseline/thread/lowest-common-version", test_lowest_common_version);
    g_test_add_func("/baseline/thread/alias-versions", test_alias_versions);
    g_test_add_func("/baseline/thread/newer-host", test_newer_host);
    g_test_add_func("/baseline/thread/constraint", test_constraint);
    g_test_add_func("/baseline/loads", test_loads);
    g_test_add_func("/baseline/version-and-values", test_version_and_values);
    g_test_add_func("/baseline/version-differs", test_version_differs);
    g_test_add_func("/baseline/rules", test_rules);
    g_test_add_func("/baseline/common-values", test_common_values);
    g_test_add_func("/baseline/order-of-parameters", test_order_of_parameters);
    g_test_add_func("/baseline/model", test_model);
    g_test_add_func("/baseline/alias", test_alias);
    g_test_add_func("/baseline/not-migratable", test_not_migratable);
    g_test_add_func("/baseline/conflict", test_conflict);
    g_test_add_func("/baseline/document", test_document);
    g_test_add_func("/baseline/document-errors", test_document_errors);
    g_test_add_func("/baseline/documented", test_documented);
    g_test_add_func("/baseline/fleet", test_fleet);
    g_test_add_func("/baseline/claimed-digest", test_claimed_digest);
    g_test_add_func("/baseline/bound", test_bound);
    return g_test_run();
}
