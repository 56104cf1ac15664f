/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fleet-maker.h"

#include <string.h>

#include "xml/host/capabilities.h"
#include "xml/model/model-make.h"

#define N_INVENTED 8
#define TYPES_OF_PARENT 4
#define DEVICES 4

/* An invented accelerator: the first four parameters are in every model, the others in some. */
static const char *const parameters[] = {
    "<parameter name='framebuffer' type='size' compare='at-least' unit='bytes'><description>Memory "
    "of the device</description><allowed min='268435456' max='103079215104' step='268435456'/>"
    "<read><type-name><map type='*' value='268435456'/></type-name></read></parameter>",
    "<parameter name='driver' type='string' compare='same-major'><description>Version of the "
    "driver that has the physical device</description><read><attribute path='driver_version' "
    "of='parent'/></read></parameter>",
    "<parameter name='heads' type='int' compare='equal'><description>Number of displays"
    "</description><allowed min='1' max='4'/><read><type-name><map type='*' value='1'/>"
    "</type-name></read></parameter>",
    "<parameter name='engines' type='set' compare='superset'><description>What the device can "
    "compute</description><allowed><value>asym</value><value>compress</value><value>copy</value>"
    "<value>decode</value><value>encode</value><value>render</value><value>sym</value></allowed>"
    "<read><attribute path='engines'/></read></parameter>",
    "<parameter name='max-resolution' type='enum' compare='at-least'><description>Largest picture "
    "of a display</description><allowed><value>1280x1024</value><value>2560x1600</value>"
    "<value>4096x2160</value><value>5120x2880</value></allowed><read><attribute "
    "path='max_resolution' of='type'/></read></parameter>",
    "<parameter name='queues' type='int' compare='at-least'><description>Number of queues"
    "</description><allowed min='1' max='64'/><read><attribute path='queues'/></read><apply>"
    "<attribute path='queues'/></apply></parameter>",
    "<parameter name='features' type='bitmask' compare='superset'><description>Features of the "
    "interface</description><allowed mask='0xffffffff'/><read><attribute path='features'/></read>"
    "</parameter>",
    ("<parameter name='ecc' type='bool' compare='equal' off='no'><description>Whether the memory "
     "is protected by check bits</description><read><attribute path='ecc'/></read></parameter>"),
};

static const char *const engines[] = {"copy", "copy decode encode", "copy decode encode render",
                                      "asym compress copy sym"};
static const char *const resolutions[] = {"1280x1024", "2560x1600", "4096x2160", "5120x2880"};

static VfModel *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VfModel *model = vf_model_parse(text, -1, NULL, &error);

    g_assert_no_error(error);
    return model;
}

static VfModel *
invent_model(guint which)
{
    g_autoptr(GString) text = g_string_new("<model xmlns='https://vferry.org/ns/model/1' ");

    g_string_append_printf(text,
                           "id='example.com/accelerator/series-%u'><description>Virtual function "
                           "of an accelerator of the series %u</description><match><mdev "
                           "driver='accel' type='accel-%u-*'/></match>",
                           which, which, which);
    for (guint i = 0; i < 4 + which % 5; i++)
        g_string_append(text, parameters[i]);
    g_string_append(text, "</model>");
    return parse(text->str);
}

static VfModel *
read_model(const char *name)
{
    g_autofree char *path = g_build_filename(VF_BENCH_MODELS, name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return parse(text);
}

static void
set_if_known(GPtrArray *values, const VfModel *model, const char *name, const char *value,
             const char *evidence)
{
    if (vf_model_find_parameter(model, name) != NULL)
        vf_value_list_set(values, name, value, evidence);
}

/* What type @type of an invented model is on host @host. */
static GPtrArray *
invent_values(const VfModel *model, guint host, guint type)
{
    GPtrArray *values = vf_value_list_new();
    g_autofree char *framebuffer =
        g_strdup_printf("%" G_GUINT64_FORMAT, G_GUINT64_CONSTANT(1073741824) << type % 6);
    g_autofree char *driver =
        g_strdup_printf("%u.%u.%u", 535 + host % 3 * 15, host % 5 * 20, type % 2);
    g_autofree char *heads = g_strdup_printf("%u", 1 + type % 4);
    g_autofree char *features = g_strdup_printf("0x%x", 0xff0fu | (host % 4) << 16);

    set_if_known(values, model, "framebuffer", framebuffer, VF_EVIDENCE_MDEV_TYPE);
    set_if_known(values, model, "driver", driver, VF_EVIDENCE_ATTRIBUTE);
    set_if_known(values, model, "heads", heads, VF_EVIDENCE_MDEV_TYPE);
    set_if_known(values, model, "engines", engines[type % G_N_ELEMENTS(engines)],
                 VF_EVIDENCE_ATTRIBUTE);
    set_if_known(values, model, "max-resolution", resolutions[type % G_N_ELEMENTS(resolutions)],
                 VF_EVIDENCE_ATTRIBUTE);
    set_if_known(values, model, "features", features, VF_EVIDENCE_ATTRIBUTE);
    set_if_known(values, model, "ecc", host % 8 == 0 ? "yes" : "no", VF_EVIDENCE_ATTRIBUTE);
    return values;
}

static void
add_offer(VfCapabilitiesParent *parent, const VfModel *model, const char *type, guint64 left,
          GPtrArray *values)
{
    g_autofree char *id = g_strconcat(parent->id, "/", type, NULL);
    VfCapabilitiesOffer *offer = vf_capabilities_offer_new(id);

    offer->model = g_strdup(model->id);
    offer->type = g_strdup(type);
    offer->left = left;
    offer->usable_by = g_strsplit("libvirt qemu vfio", " ", -1);
    offer->settable = vf_model_settable_names(model);
    g_ptr_array_unref(offer->values);
    offer->values = values;
    g_ptr_array_add(parent->offers, offer);
}

static VfCapabilitiesParent *
add_parent(VfCapabilities *host, const char *id, const char *driver)
{
    g_autofree char *path = g_strconcat("/sys/devices/pci0000:00/0000:00:01.0/", id, NULL);
    VfCapabilitiesParent *parent = vf_capabilities_parent_new(id, path);

    parent->driver = g_strdup(driver);
    g_ptr_array_add(host->parents, parent);
    return parent;
}

/* mtty and vferry_testdev: five offers. */
static void
add_samples(VfCapabilities *host, VfModel *mtty, VfModel *testdev)
{
    static const char *const types[] = {"mtty-1", "mtty-2", "vferry_testdev-1", "vferry_testdev-2",
                                        "vferry_testdev-stopcopy"};
    VfCapabilitiesParent *ports = add_parent(host, "mtty", "mtty");
    VfCapabilitiesParent *tests = add_parent(host, "vferry_testdev", "vferry_testdev");

    vf_capabilities_add_model(host, mtty);
    vf_capabilities_add_model(host, testdev);
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        VfModel *model = i < 2 ? mtty : testdev;
        add_offer(i < 2 ? ports : tests, model, types[i], 24 >> i,
                  vf_model_values_from_type(model, types[i]));
    }
}

static void
add_accelerators(VfCapabilities *host, VfModel *const *models, guint n, guint offers)
{
    for (guint i = 0; i < offers; i++) {
        guint which = (n + i / TYPES_OF_PARENT) % 3 * 2 % N_INVENTED + n % 2;
        VfModel *model = models[which];
        g_autofree char *id = g_strdup_printf("0000:%02x:00.%u", 0x10 + i / TYPES_OF_PARENT, n % 2);
        g_autofree char *type = g_strdup_printf("accel-%u-%u", which, i % TYPES_OF_PARENT);
        VfCapabilitiesParent *parent = i % TYPES_OF_PARENT == 0
                                           ? add_parent(host, id, "accel")
                                           : host->parents->pdata[host->parents->len - 1];
        vf_capabilities_add_model(host, model);
        add_offer(parent, model, type, (n + i) % 9, invent_values(model, n, i % TYPES_OF_PARENT));
    }
}

static void
add_devices(VfCapabilities *host, VfModel *const *models, guint n)
{
    static const char *const states[] = {"idle", "open", "leased"};

    for (guint i = 0; i < DEVICES; i++) {
        g_autofree char *id = g_strdup_printf("%08x-2222-4333-8444-%012x", n, i);
        g_autofree char *path = g_strconcat("/sys/devices/pci0000:00/0000:00:01.0/", id, NULL);
        VfCapabilitiesDevice *device = vf_capabilities_device_new(id, path);
        VfModel *model = models[n % 2];

        vf_capabilities_add_model(host, model);
        device->parent = g_strdup("0000:10:00.0");
        device->model = g_strdup(model->id);
        g_free(device->state);
        device->state = g_strdup(states[(n + i) % G_N_ELEMENTS(states)]);
        g_free(device->migration_source);
        device->migration_source = g_strdup("debugfs");
        device->migration = VF_CAPABILITIES_STOP_COPY | VF_CAPABILITIES_P2P;
        g_ptr_array_unref(device->values);
        device->values = invent_values(model, n, i);
        g_ptr_array_add(host->devices, device);
    }
}

static char *
make_host(guint n, VfModel *mtty, VfModel *testdev, VfModel *const *models)
{
    g_autofree char *id = g_strdup_printf("%08x-5555-4666-8777-888888888888", n);
    g_autoptr(VfCapabilities) host = vf_capabilities_new(id);
    gboolean samples = n % 2 == 0;

    host->host_name = g_strdup_printf("node-%05u.example.com", n);
    host->arch = g_strdup("x86_64");
    host->kernel = g_strdup_printf("6.12.%u-amd64", 40 + n % 8);
    if (samples)
        add_samples(host, mtty, testdev);
    add_accelerators(host, models, n, samples ? FLEET_OFFERS - 5 : FLEET_OFFERS);
    add_devices(host, models, n);
    return vf_capabilities_format(host);
}

GPtrArray *
fleet_maker_write(const char *dir, guint n)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(VfModel) mtty = read_model("kernel.org-mtty.xml");
    g_autoptr(VfModel) testdev = read_model("vferry.org-testdev.xml");
    VfModel *models[N_INVENTED];

    for (guint i = 0; i < N_INVENTED; i++)
        models[i] = invent_model(i);
    for (guint i = 0; i < n; i++) {
        g_autofree char *text = make_host(i, mtty, testdev, models);
        g_autofree char *name = g_strdup_printf("%s/%05u.xml", dir, i);
        g_autoptr(GError) error = NULL;

        /* without a temporary file and its fsync() */
        g_file_set_contents_full(name, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error);
        g_assert_no_error(error);
        g_ptr_array_add(files, g_steal_pointer(&name));
    }
    for (guint i = 0; i < N_INVENTED; i++)
        vf_model_unref(models[i]);
    return files;
}

VfRequirement *
fleet_maker_requirement(void)
{
    g_autoptr(VfModel) model = invent_model(3);
    g_autoptr(GPtrArray) values = invent_values(model, 4, 2);

    return vf_requirement_new_for_device(model, values);
}
