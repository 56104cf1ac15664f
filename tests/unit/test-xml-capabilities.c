/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/host/capabilities.h"

#include "test-xml.h"
#include "xml/model/model-make.h"

#define HOST "11111111-2222-4333-8444-555555555555"
#define OPEN "<capabilities xmlns='https://vferry.org/ns/capabilities/1'>"
#define WITH(content) OPEN "<host id='" HOST "'/>" content "</capabilities>"
#define DEVICE_ATTRIBUTES "id='d' kind='mdev' path='/p' state='idle'"
#define MODEL "<model id='a.b/c'/>"

static void
add_models(VfCapabilities *self)
{
    static const char *const names[] = {"vferry.org-testdev.xml", "kernel.org-mtty.xml"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path =
            g_test_build_filename(G_TEST_DIST, "..", "..", "xml", "models", names[i], NULL);
        g_autofree char *text = NULL;
        g_autoptr(VfModel) model = NULL;
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        model = vf_model_parse(text, -1, path, NULL);
        vf_capabilities_add_model(self, model);
        vf_capabilities_add_model(self, model);
    }
}

static VfCapabilitiesOffer *
make_offer(VfCapabilities *self, const char *type, guint64 left)
{
    g_autofree char *id = g_strdup_printf("vferry_testdev/%s", type);
    VfCapabilitiesOffer *offer = vf_capabilities_offer_new(id);
    VfModel *model = vf_capabilities_find_model(self, "vferry.org/testdev");

    offer->model = g_strdup(model->id);
    offer->type = g_strdup(type);
    offer->left = left;
    offer->usable_by = g_strsplit("libvirt qemu vfio", " ", -1);
    g_ptr_array_unref(offer->values);
    offer->values = vf_model_values_from_type(model, type);
    offer->settable = vf_model_settable_names(model);
    return offer;
}

static VfCapabilities *
make_capabilities(void)
{
    VfCapabilities *self = vf_capabilities_new(HOST);
    VfCapabilitiesParent *parent = vf_capabilities_parent_new("vferry_testdev", "/sys/devices/x");
    VfCapabilitiesDevice *device = vf_capabilities_device_new("bbb", "/sys/devices/x/bbb");
    VfCapabilitiesDevice *unknown = vf_capabilities_device_new("aaa", "/sys/devices/x/aaa\n");

    self->host_name = g_strdup("harbour-a");
    self->arch = g_strdup("x86_64");
    add_models(self);
    parent->driver = g_strdup("vferry_testdev");
    g_ptr_array_add(parent->offers, make_offer(self, "vferry_testdev-2", 3));
    g_ptr_array_add(parent->offers, make_offer(self, "vferry_testdev-1", G_MAXUINT64));
    g_ptr_array_add(self->parents, parent);
    device->parent = g_strdup("vferry_testdev");
    device->model = g_strdup("vferry.org/testdev");
    vf_value_list_set(device->values, "state-size", NULL, NULL);
    vf_value_list_set(device->values, "banks", "1", VF_EVIDENCE_MDEV_TYPE);
    g_free(device->migration_source);
    device->migration_source = g_strdup("probe");
    device->migration = VF_CAPABILITIES_STOP_COPY | VF_CAPABILITIES_PRE_COPY;
    g_ptr_array_add(self->devices, device);
    g_ptr_array_add(self->devices, unknown);
    return self;
}

static void
test_round_trip(void)
{
    g_autoptr(VfCapabilities) self = make_capabilities();
    g_autofree char *text = vf_capabilities_format(self);
    g_autoptr(GError) error = NULL;
    g_autoptr(VfCapabilities) again = vf_capabilities_parse(text, -1, NULL, &error);
    g_autofree char *twice = NULL;

    g_assert_no_error(error);
    assert_valid(text, "capabilities");
    twice = vf_capabilities_format(again);
    g_assert_cmpstr(text, ==, twice);
    g_assert_cmpuint(again->models->len, ==, 2);
    g_assert_cmpstr(((VfModel *)again->models->pdata[0])->id, ==, "kernel.org/mtty");
    g_assert_cmpstr(vf_capabilities_find_model(again, "vferry.org/testdev")->digest, ==,
                    vf_capabilities_find_model(self, "vferry.org/testdev")->digest);
    g_assert_cmpstr(again->host_id, ==, HOST);
    g_assert_cmpstr(again->host_name, ==, "harbour-a");
    g_assert_null(again->kernel);
}

static void
test_elements(void)
{
    g_autoptr(VfCapabilities) self = make_capabilities();
    g_autofree char *text = vf_capabilities_format(self);
    g_autoptr(VfCapabilities) again = vf_capabilities_parse(text, -1, NULL, NULL);
    const VfCapabilitiesParent *parent = again->parents->pdata[0];
    const VfCapabilitiesOffer *offer = parent->offers->pdata[0];
    const VfCapabilitiesDevice *device = again->devices->pdata[1];
    const VfCapabilitiesDevice *unknown = again->devices->pdata[0];

    g_assert_cmpstr(offer->id, ==, "vferry_testdev/vferry_testdev-1");
    g_assert_cmpuint(offer->left, ==, G_MAXUINT64);
    g_assert_cmpstr(offer->usable_by[1], ==, "qemu");
    g_assert_cmpstr(offer->settable[0], ==, "state-size");
    g_assert_cmpstr(vf_value_list_find(offer->values, "banks")->value, ==, "1");
    g_assert_cmpstr(device->id, ==, "bbb");
    g_assert_cmpint(device->migration, ==, VF_CAPABILITIES_STOP_COPY | VF_CAPABILITIES_PRE_COPY);
    g_assert_null(vf_value_list_find(device->values, "state-size")->value);
    g_assert_cmpstr(unknown->path, ==, "/sys/devices/x/aaa�");
    g_assert_cmpstr(unknown->migration_source, ==, "unknown");
    g_assert_null(unknown->model);
}

static void
test_device_alone(void)
{
    g_autoptr(VfCapabilities) self = make_capabilities();
    g_autofree char *text = vf_capabilities_device_format(self->devices->pdata[0]);

    assert_valid(text, "capabilities");
    g_assert_cmpstr(
        text, ==,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<device xmlns=\"https://vferry.org/ns/capabilities/1\" id=\"bbb\" kind=\"mdev\""
        " path=\"/sys/devices/x/bbb\" parent=\"vferry_testdev\""
        " model=\"vferry.org/testdev\" state=\"unknown\">\n"
        "  <parameter name=\"banks\" value=\"1\" evidence=\"mdev-type\"/>\n"
        "  <parameter name=\"state-size\"/>\n"
        "  <migration source=\"probe\" stop-copy=\"yes\" p2p=\"no\" pre-copy=\"yes\"/>\n"
        "</device>\n");
}

/* What debugfs leaves out beside other flags is not known to be missing. */
static void
test_migration_from_debugfs(void)
{
    g_autoptr(VfCapabilitiesDevice) device = vf_capabilities_device_new("0000:01:10.0", "/sys/x");
    g_autofree char *none = NULL, *some = NULL;

    g_free(device->migration_source);
    device->migration_source = g_strdup("debugfs");
    none = vf_capabilities_device_format(device);
    g_assert_nonnull(strstr(
        none, "<migration source=\"debugfs\" stop-copy=\"no\" p2p=\"no\" pre-copy=\"no\"/>"));
    device->migration = VF_CAPABILITIES_STOP_COPY;
    some = vf_capabilities_device_format(device);
    g_assert_nonnull(strstr(some, "<migration source=\"debugfs\" stop-copy=\"yes\"/>"));
    assert_valid(some, "capabilities");
}

static void
test_bad(void)
{
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {OPEN "</capabilities>", "the element <host> is missing"},
        {OPEN "<host/></capabilities>", "“id” is missing"},
        {OPEN "<host id='harbour'/></capabilities>", "id is “harbour”, which is not a UUID"},
        {WITH("<models>" MODEL MODEL "</models>"), "the id “a.b/c” is there twice"},
        {WITH("<models><model id='C'/></models>"), "the model id is “C”"},
        {WITH("<models/><models/>"), "at most 1"},
        {WITH("<parents><parent/></parents>"), "“id” is missing"},
        {WITH("<parents><parent id='p' kind='mdev'/></parents>"), "“path” is missing"},
        {WITH("<parents><parent id='p' kind='mdev' path='/'><offer id='o' "
              "how='create'/></parent></parents>"),
         "“left” is missing"},
        {WITH("<parents><parent id='p' kind='mdev' path='/'><offer id='o' how='create' "
              "left='-1'/></parent>"
              "</parents>"),
         "left is “-1”"},
        {WITH("<parents><parent id='p' kind='mdev' path='/'><offer id='o' how='create' left='1'/>"
              "<offer id='o' how='create' left='1'/></parent></parents>"),
         "the id “o” is there twice"},
        {WITH("<parents><parent id='p' kind='mdev' path='/'/><parent id='p' kind='mdev' "
              "path='/'/></parents>"),
         "the id “p” is there twice"},
        {WITH("<devices><device " DEVICE_ATTRIBUTES "/><device " DEVICE_ATTRIBUTES "/></devices>"),
         "the id “d” is there twice"},
        {WITH("<parents><parent id='p' kind='mdev' path='/'><offer id='o' how='create' left='1' "
              "settable='a "
              "b=c'/></parent></parents>"),
         "settable is “b=c”"},
        {WITH("<devices><device " DEVICE_ATTRIBUTES " model='x'/></devices>"),
         "the model id is “x”"},
        {WITH("<devices><device " DEVICE_ATTRIBUTES "><migration/></device></devices>"),
         "“source” is missing"},
        {WITH("<devices><device " DEVICE_ATTRIBUTES
              "><migration source='probe' p2p='1'/></device></devices>"),
         "p2p is “1”, but must be yes or no"},
        {WITH("<devices><device " DEVICE_ATTRIBUTES
              "><parameter name='n'/><parameter name='n'/></device>"
              "</devices>"),
         "the parameter “n” is there twice"},
        {WITH("<domains required='yes'/>"), "<domains>: this element is required"},
    };
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(vf_capabilities_parse(cases[i].text, -1, "harbour.xml", &error));
        g_assert_true(g_str_has_prefix(error->message, "harbour.xml:1: "));
        assert_error(&error, VFERRY_ERROR_INVALID_XML, cases[i].part);
    }
}

/* What a later version may add is skipped at every level. */
static void
test_newer(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfCapabilities) self = vf_capabilities_parse(
        WITH("<domains/><models x='1'><model id='a.b/c'><version name='v1'/><parameter name='n' "
             "type='int'"
             " compare='equal'><off>1</off></parameter></model><group/></models>"
             "<devices><device " DEVICE_ATTRIBUTES "><rehearsal/></device><pool/></devices>"),
        -1, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(self->models->len, ==, 1);
    g_assert_true(g_str_has_prefix(((VfModel *)self->models->pdata[0])->digest, "sha256:"));
    g_assert_cmpuint(self->devices->len, ==, 1);
}

static void
test_large(void)
{
    g_autoptr(VfCapabilities) self = vf_capabilities_new(HOST);
    g_autofree char *text = NULL;
    g_autofree char *spaces = g_strnfill(16 * 1024 * 1024 + 1, ' ');
    g_autoptr(GError) error = NULL;
    g_autoptr(VfCapabilities) again = NULL;

    for (guint i = 0; i < 2000; i++) {
        g_autofree char *id = g_strdup_printf("device-%04u", i);
        VfCapabilitiesDevice *device = vf_capabilities_device_new(id, "/sys/devices/x");
        vf_value_list_set(device->values, "ports", "1", VF_EVIDENCE_MDEV_TYPE);
        g_ptr_array_add(self->devices, device);
    }
    text = vf_capabilities_format(self);
    again = vf_capabilities_parse(text, -1, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->devices->len, ==, 2000);
    g_assert_null(vf_capabilities_parse(spaces, -1, NULL, &error));
    assert_error(&error, VFERRY_ERROR_LIMIT_EXCEEDED, "at most 16777216");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/capabilities/round-trip", test_round_trip);
    g_test_add_func("/xml/capabilities/elements", test_elements);
    g_test_add_func("/xml/capabilities/device-alone", test_device_alone);
    g_test_add_func("/xml/capabilities/migration-from-debugfs", test_migration_from_debugfs);
    g_test_add_func("/xml/capabilities/bad", test_bad);
    g_test_add_func("/xml/capabilities/newer", test_newer);
    g_test_add_func("/xml/capabilities/large", test_large);
    return g_test_run();
}
