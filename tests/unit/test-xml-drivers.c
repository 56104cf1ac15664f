/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "test-compare.h"

/* What each migration driver of the kernel checks when it loads a state, said in the language and
 * decided by a comparison before anything moves. The descriptors are small ones of their own: the
 * shipped ones also say how a value is read, and where the kernel shows none, it is unread. */

typedef struct {
    const char *source;      /* what the source's device has */
    const char *destination; /* what the destination's has */
    const char *expected;
} Row;

/* A requirement as the source makes it, against a device that is as it is. */
static void
assert_rows(const char *id, const char *content, const Row *rows, gsize n)
{
    g_autoptr(VfModel) model = model_of(id, content);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GPtrArray) source = values_of(rows[i].source);
        g_autoptr(VfRequirement) requirement = vf_requirement_new_for_device(model, source);
        g_autofree char *row = g_strdup_printf("%s, row %" G_GSIZE_FORMAT, id, i);
        assert_answer(row, requirement, model, rows[i].destination, NULL, rows[i].expected);
    }
}

/* mtty: the header's number of ports equals the device's, else EINVAL. */
static void
test_mtty(void)
{
    static const Row rows[] = {
        {"ports=1", "ports=1", "identical: ports matches"},
        {"ports=2", "ports=2", "identical: ports matches"},
        {"ports=1", "ports=2", "incompatible: ports value-differs"},
        {"ports=2", "ports=1", "incompatible: ports value-differs"},
    };

    assert_rows("kernel.org/mtty",
                "<match/><parameter name='ports' type='int' compare='equal'>"
                "<allowed><value>1</value><value>2</value></allowed></parameter>",
                rows, G_N_ELEMENTS(rows));
}

#define QAT                                                                                        \
    "<match><pci vendor='8086' device='4941'/></match>"                                            \
    "<parameter name='capabilities' type='bitmask' compare='superset'/>"                           \
    "<parameter name='dc-capabilities' type='bitmask' compare='superset' off='0x0'/>"              \
    "<parameter name='ring-to-service' type='string' compare='equal'/>"                            \
    "<parameter name='services' type='set' compare='equal'><read>"                                 \
    "<attribute path='qat/cfg_services' of='physfn' separator=';'/></read></parameter>"            \
    "<parameter name='sla-dc-cir' type='int' compare='at-least' off='0'/>"                         \
    "<parameter name='sla-dc-pir' type='int' compare='at-least' off='0'/>"                         \
    "<parameter name='state-version' type='int' compare='at-least'/>"
#define QAT_ALL(capabilities, dc, rings, services, cir, pir, version)                              \
    "capabilities=" capabilities "; dc-capabilities=" dc "; ring-to-service=" rings                \
    "; services=" services "; sla-dc-cir=" cir "; sla-dc-pir=" pir "; state-version=" version
#define QAT_CAPS(capabilities) QAT_ALL(capabilities, "0x0", "0x6a", "asym sym", "0", "0", "1")
#define QAT_DC(dc) QAT_ALL("0x3", dc, "0x6a", "asym sym", "0", "0", "1")
#define QAT_RINGS(rings) QAT_ALL("0x3", "0x0", rings, "asym sym", "0", "0", "1")
#define QAT_SERVICES(services) QAT_ALL("0x3", "0x0", "0x6a", services, "0", "0", "1")
#define QAT_SLA(cir, pir) QAT_ALL("0x3", "0x0", "0x6a", "dc", cir, pir, "1")
#define QAT_STATE(version) QAT_ALL("0x3", "0x0", "0x6a", "asym sym", "0", "0", version)
#define QAT_ANSWER(verdict, capabilities, dc, rings, services, cir, pir, version)                  \
    verdict ": capabilities " capabilities ", dc-capabilities " dc ", ring-to-service " rings      \
            ", services " services ", sla-dc-cir " cir ", sla-dc-pir " pir                         \
            ", state-version " version

/* qat: the destination's masks are supersets; the map of rings to services is
 * equal; every service level agreement of the source finds at least its committed and its peak
 * rate; a preamble's version is not newer than the loader's. */
static void
test_qat(void)
{
    static const Row rows[] = {
        {QAT_CAPS("0x3"), QAT_CAPS("0x3"),
         QAT_ANSWER("identical", "matches", "off", "matches", "matches", "off", "off", "matches")},
        {QAT_CAPS("0x3"), QAT_CAPS("0x7"),
         QAT_ANSWER("superset", "fits", "off", "matches", "matches", "off", "off", "matches")},
        {QAT_CAPS("0x3"), QAT_CAPS("0x5"),
         QAT_ANSWER("incompatible", "value-differs", "off", "matches", "matches", "off", "off",
                    "matches")},
        {QAT_CAPS("0x0"), QAT_CAPS("0xffffffff"),
         QAT_ANSWER("superset", "fits", "off", "matches", "matches", "off", "off", "matches")},
        {QAT_DC("0x1"), QAT_DC("0x3"),
         QAT_ANSWER("superset", "matches", "fits", "matches", "matches", "off", "off", "matches")},
        {QAT_DC("0x1"), QAT_DC("0x2"),
         QAT_ANSWER("incompatible", "matches", "value-differs", "matches", "matches", "off", "off",
                    "matches")},
        {QAT_DC("0x0"), QAT_DC("0x2"),
         QAT_ANSWER("superset", "matches", "fits", "matches", "matches", "off", "off", "matches")},
        {QAT_RINGS("0x6a"), QAT_RINGS("0xd5"),
         QAT_ANSWER("incompatible", "matches", "off", "value-differs", "matches", "off", "off",
                    "matches")},
        {QAT_SERVICES("sym asym"), QAT_SERVICES("asym sym"),
         QAT_ANSWER("identical", "matches", "off", "matches", "matches", "off", "off", "matches")},
        {QAT_SERVICES("asym sym"), QAT_SERVICES("dc"),
         QAT_ANSWER("incompatible", "matches", "off", "matches", "value-differs", "off", "off",
                    "matches")},
        {QAT_SLA("500", "1000"), QAT_SLA("500", "1000"),
         QAT_ANSWER("identical", "matches", "off", "matches", "matches", "matches", "matches",
                    "matches")},
        {QAT_SLA("500", "1000"), QAT_SLA("600", "2000"),
         QAT_ANSWER("superset", "matches", "off", "matches", "matches", "fits", "fits", "matches")},
        {QAT_SLA("500", "1000"), QAT_SLA("499", "2000"),
         QAT_ANSWER("incompatible", "matches", "off", "matches", "matches", "value-differs", "fits",
                    "matches")},
        {QAT_SLA("500", "1000"), QAT_SLA("500", "999"),
         QAT_ANSWER("incompatible", "matches", "off", "matches", "matches", "matches",
                    "value-differs", "matches")},
        {QAT_SLA("500", "1000"), QAT_SLA("0", "0"), /* none there */
         QAT_ANSWER("incompatible", "matches", "off", "matches", "matches", "value-differs",
                    "value-differs", "matches")},
        {QAT_SLA("0", "0"), QAT_SLA("500", "1000"),
         QAT_ANSWER("superset", "matches", "off", "matches", "matches", "fits", "fits", "matches")},
        {QAT_STATE("1"), QAT_STATE("2"),
         QAT_ANSWER("superset", "matches", "off", "matches", "matches", "off", "off", "fits")},
        {QAT_STATE("2"), QAT_STATE("1"),
         QAT_ANSWER("incompatible", "matches", "off", "matches", "matches", "off", "off",
                    "value-differs")},
        /* what sysfs shows, and the rest unread */
        {"services=asym sym", "services=asym sym",
         QAT_ANSWER("unknown", "value-unread", "value-unread", "value-unread", "matches",
                    "value-unread", "value-unread", "value-unread")},
        {"services=asym sym", "services=dc",
         QAT_ANSWER("incompatible", "value-unread", "value-unread", "value-unread", "value-differs",
                    "value-unread", "value-unread", "value-unread")},
    };

    assert_rows("kernel.org/vfio/qat-4xxx", QAT, rows, G_N_ELEMENTS(rows));
}

/* cfg_services has its words in the order in which they were configured. */
static void
test_qat_services(void)
{
    g_autoptr(VfModel) model = model_of("kernel.org/vfio/qat-4xxx", QAT);
    const VfParameter *services = vf_model_find_parameter(model, "services");
    g_autofree char *one = vf_parameter_decode_attribute(services, "sym;asym", NULL);
    g_autofree char *other = vf_parameter_decode_attribute(services, "asym;sym", NULL);

    g_assert_cmpstr(one, ==, "asym sym");
    g_assert_cmpstr(one, ==, other);
}

#define HISI                                                                                       \
    "<match/><parameter name='device-id' type='string' compare='equal'/>"                          \
    "<parameter name='qp-num' type='int' compare='equal'/>"                                        \
    "<parameter name='queue-isolation' type='bool' compare='equal'/>"                              \
    "<parameter name='state-version' type='string' compare='same-major'/>"
#define HISI_ALL(id, qps, isolation, version)                                                      \
    "device-id=" id "; qp-num=" qps "; queue-isolation=" isolation "; state-version=" version
#define HISI_ANSWER(verdict, id, qps, isolation, version)                                          \
    verdict ": device-id " id ", qp-num " qps ", queue-isolation " isolation                       \
            ", state-version " version

/* hisi_acc: device id, number of queue pairs and queue isolation are equal; of the
 * version, major alone. */
static void
test_hisi(void)
{
    static const Row rows[] = {
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a251", "2", "no", "1.0"),
         HISI_ANSWER("identical", "matches", "matches", "matches", "matches")},
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a251", "2", "no", "1.3"),
         HISI_ANSWER("superset", "matches", "matches", "matches", "fits")},
        {HISI_ALL("a251", "2", "no", "1.3"), HISI_ALL("a251", "2", "no", "1.0"),
         HISI_ANSWER("superset", "matches", "matches", "matches", "fits")},
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a251", "2", "no", "2.0"),
         HISI_ANSWER("incompatible", "matches", "matches", "matches", "value-differs")},
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a251", "2", "no", "11.0"),
         HISI_ANSWER("incompatible", "matches", "matches", "matches", "value-differs")},
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a256", "2", "no", "1.0"),
         HISI_ANSWER("incompatible", "value-differs", "matches", "matches", "matches")},
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a251", "4", "no", "1.0"),
         HISI_ANSWER("incompatible", "matches", "value-differs", "matches", "matches")},
        {HISI_ALL("a251", "4", "no", "1.0"), HISI_ALL("a251", "2", "no", "1.0"),
         HISI_ANSWER("incompatible", "matches", "value-differs", "matches", "matches")},
        {HISI_ALL("a251", "2", "no", "1.0"), HISI_ALL("a251", "2", "yes", "1.0"),
         HISI_ANSWER("incompatible", "matches", "matches", "value-differs", "matches")},
        /* sysfs shows the id and nothing else */
        {"device-id=a251", "device-id=a251",
         HISI_ANSWER("unknown", "matches", "value-unread", "value-unread", "value-unread")},
        {"device-id=a251", "device-id=a259",
         HISI_ANSWER("incompatible", "value-differs", "value-unread", "value-unread",
                     "value-unread")},
    };

    assert_rows("kernel.org/vfio/hisi-acc", HISI, rows, G_N_ELEMENTS(rows));
}

/* The magic of the match block: V2 still loads V1, whose version it does not look at, and V2 of its
 * own major version; as opaque versions, since no order of names says that. */
static void
test_hisi_magic(void)
{
    static const Row rows[] = {
        {"format=V1", "format=V1", "identical: format matches"},
        {"format=V1", "format=V2-1", "superset: format fits"},
        {"format=V1", "format=V2-2", "superset: format fits"},
        {"format=V2-1", "format=V2-1", "identical: format matches"},
        {"format=V2-1", "format=V2-2", "incompatible: format value-differs"},
        {"format=V2-2", "format=V2-1", "incompatible: format value-differs"},
        {"format=V2-1", "format=V1", "incompatible: format value-differs"},
    };

    assert_rows("kernel.org/vfio/hisi-acc",
                "<match/><parameter name='format' type='enum' compare='equal'><allowed>"
                "<value>V1</value><value>V2-1</value><value>V2-2</value></allowed></parameter>"
                "<versions parameter='format'><version name='V1'/>"
                "<version name='V2-1'><loads version='V1'/></version>"
                "<version name='V2-2'><loads version='V1'/></version></versions>",
                rows, G_N_ELEMENTS(rows));
}

/* hisi_acc since 7.x: the guest sees 32 or 64 KiB of BAR 2, by the mode of the host. */
static void
test_hisi_bar(void)
{
    static const Row rows[] = {
        {"bar2=32768", "bar2=32768", "identical: bar2 matches"},
        {"bar2=32768", "bar2=65536", "incompatible: bar2 value-differs"},
        {"bar2=65536", "bar2=32768", "incompatible: bar2 value-differs"},
    };

    assert_rows("kernel.org/vfio/hisi-acc",
                "<match/><parameter name='bar2' type='size' compare='equal' unit='bytes'/>", rows,
                G_N_ELEMENTS(rows));
}

#define XE                                                                                         \
    "<match><pci vendor='8086' device='e20b'/></match>"                                            \
    "<parameter name='device-id' type='bitmask' compare='equal'><read>"                            \
    "<pci-config offset='2' width='2'/></read></parameter>"                                        \
    "<parameter name='revision' type='int' compare='equal'><read>"                                 \
    "<pci-config offset='8' width='1'/></read></parameter>"                                        \
    "<parameter name='vram' type='size' compare='at-least' off='0'/>"

/* The descriptor packet's device id and revision equal the device's own; what is in VRAM must fit
 * into the destination's quota. */
static void
test_xe(void)
{
    static const Row rows[] = {
        {"device-id=0xe20b; revision=0; vram=0", "device-id=0xe20b; revision=0; vram=0",
         "identical: device-id matches, revision matches, vram off"},
        {"device-id=0xe20b; revision=0; vram=0", "device-id=0xe20c; revision=0; vram=0",
         "incompatible: device-id value-differs, revision matches, vram off"},
        {"device-id=0xe20b; revision=0; vram=0", "device-id=0xe20b; revision=1; vram=0",
         "incompatible: device-id matches, revision value-differs, vram off"},
        {"device-id=0xe20b; revision=1; vram=0", "device-id=0xe20b; revision=0; vram=0",
         "incompatible: device-id matches, revision value-differs, vram off"},
        {"device-id=0xe20b; revision=0; vram=1048576", "device-id=0xe20b; revision=0; vram=2097152",
         "superset: device-id matches, revision matches, vram fits"},
        {"device-id=0xe20b; revision=0; vram=2097152", "device-id=0xe20b; revision=0; vram=1048576",
         "incompatible: device-id matches, revision matches, vram value-differs"},
        {"device-id=0xe20b; revision=0; vram=2097152", "device-id=0xe20b; revision=0; vram",
         "unknown: device-id matches, revision matches, vram value-unread"},
    };

    assert_rows("kernel.org/vfio/xe-e20b", XE, rows, G_N_ELEMENTS(rows));
}

/* What the firmware alone decides is never a yes, however alike the versions are; what the guest
 * sees and differs is a no before it. */
static void
test_firmware(void)
{
    static const Row rows[] = {
        {"firmware=22.41.1000; roce=yes", "firmware=22.41.1000; roce=yes",
         "unknown: firmware firmware-decides, roce matches"},
        {"firmware=22.41.1000; roce=yes", "firmware=22.42.1000; roce=yes",
         "unknown: firmware firmware-decides, roce matches"},
        {"roce=yes", "roce=yes", "unknown: firmware firmware-decides, roce matches"},
        {"firmware=22.41.1000; roce=yes", "firmware=22.41.1000; roce=no",
         "incompatible: firmware firmware-decides, roce value-differs"},
        {"firmware=22.41.1000; roce=no", "firmware=22.41.1000; roce=yes",
         "incompatible: firmware firmware-decides, roce value-differs"},
    };
    static const char *const ids[] = {"kernel.org/vfio/mlx5", "kernel.org/vfio/pds"};

    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
        assert_rows(ids[i],
                    "<match/><parameter name='firmware' type='string' compare='firmware'/>"
                    "<parameter name='roce' type='bool' compare='equal' off='no'/>",
                    rows, G_N_ELEMENTS(rows));
}

/* virtio: the features that were negotiated are among those that the destination offers; the parts
 * of its state are the device's own to accept. */
static void
test_virtio(void)
{
    static const Row rows[] = {
        {"features=0x130000000; parts=1", "features=0x130000000; parts=1",
         "unknown: features matches, parts firmware-decides"},
        {"features=0x130000000; parts=1", "features=0x170000000; parts=1",
         "unknown: features fits, parts firmware-decides"},
        {"features=0x130000000; parts=1", "features=0x110000000; parts=1",
         "incompatible: features value-differs, parts firmware-decides"},
        {"parts", "features=0x110000000; parts",
         "unknown: features value-unread, parts firmware-decides"},
    };

    assert_rows("virtio-spec.org/pci/net",
                "<match/><parameter name='features' type='bitmask' compare='superset'/>"
                "<parameter name='parts' type='string' compare='firmware'/>",
                rows, G_N_ELEMENTS(rows));
}

/* NVIDIA: the same profile, and drivers of one branch; nobody in the kernel checks the latter. */
static void
test_nvidia(void)
{
    static const Row rows[] = {
        {"driver=550.54.14; profile=P40-2B", "driver=550.90.7; profile=P40-2B",
         "superset: driver fits, profile matches"},
        {"driver=550.54.14; profile=P40-2B", "driver=535.129.3; profile=P40-2B",
         "incompatible: driver value-differs, profile matches"},
        {"driver=550.54.14; profile=P40-2B", "driver=550.54.14; profile=P40-1B",
         "incompatible: driver matches, profile value-differs"},
        {"profile=P40-2B", "driver=550.54.14; profile=P40-2B",
         "unknown: driver value-unread, profile matches"},
    };

    assert_rows(
        "nvidia.com/vgpu/GRID%20P40",
        "<match/><parameter name='driver' type='string' compare='same-major' enforced='no'/>"
        "<parameter name='profile' type='string' compare='equal'/>",
        rows, G_N_ELEMENTS(rows));
}

/* vfio_ap and vfio_ccw cannot migrate at all, and say why. */
static void
test_not_migratable(void)
{
    static const Row rows[] = {{"", "", "incompatible: model not-migratable"}};

    assert_rows("kernel.org/vfio-ap",
                "<not-migratable>a guest's adapters are unplugged before and plugged in again "
                "after</not-migratable><match/>",
                rows, G_N_ELEMENTS(rows));
    assert_rows("kernel.org/vfio-ccw",
                "<not-migratable>the driver saves no state</not-migratable><match/>", rows,
                G_N_ELEMENTS(rows));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/drivers/mtty", test_mtty);
    g_test_add_func("/xml/drivers/qat", test_qat);
    g_test_add_func("/xml/drivers/qat-services", test_qat_services);
    g_test_add_func("/xml/drivers/hisi", test_hisi);
    g_test_add_func("/xml/drivers/hisi-magic", test_hisi_magic);
    g_test_add_func("/xml/drivers/hisi-bar", test_hisi_bar);
    g_test_add_func("/xml/drivers/xe", test_xe);
    g_test_add_func("/xml/drivers/firmware", test_firmware);
    g_test_add_func("/xml/drivers/virtio", test_virtio);
    g_test_add_func("/xml/drivers/nvidia", test_nvidia);
    g_test_add_func("/xml/drivers/not-migratable", test_not_migratable);
    return g_test_run();
}
