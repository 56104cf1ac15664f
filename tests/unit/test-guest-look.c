/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "error.h"
#include "guest-look.h"
#include "monitor.h"

/* What a QEMU says that its guest is, and whether two of them fit. Questions and answers are those
 * of a real one (q35), shortened. */

#define P "/machine/peripheral"
#define UUID "5c01b7a8-0000-4000-8000-000000000001"
#define SYSFS "\"/sys/devices/virtual/mtty/mtty/" UUID "\""
#define VFIO(name) "{\"name\": \"" name "\", \"type\": \"child<vfio-pci>\"}"

/* Root ports and bridges have no bus numbers before firmware has run, and nothing behind them is
 * listed; a pxb's root comes first. */
#define PCI_BEFORE                                                                                 \
    "[{\"bus\": 128, \"devices\": [{\"bus\": 128, \"slot\": 0, \"function\": 0, \"qdev_id\": "     \
    "\"rp2\", \"pci_bridge\": {\"bus\": {}}}]}, "                                                  \
    "{\"bus\": 0, \"devices\": [{\"bus\": 0, \"slot\": 2, \"function\": 0, \"qdev_id\": \"rp1\", " \
    "\"pci_bridge\": {\"bus\": {}}}, "                                                             \
    "{\"bus\": 0, \"slot\": 5, \"function\": 3, \"qdev_id\": \"flat\"}, "                          \
    "{\"bus\": 0, \"slot\": 31, \"function\": 0, \"qdev_id\": \"\"}]}]"
#define PCI_AFTER                                                                                  \
    "[{\"bus\": 128, \"devices\": [{\"bus\": 128, \"slot\": 0, \"function\": 0, \"qdev_id\": "     \
    "\"rp2\", \"pci_bridge\": {\"bus\": {}, \"devices\": [{\"bus\": 129, \"slot\": 0, "            \
    "\"function\": 0, \"qdev_id\": \"far\"}]}}]}, "                                                \
    "{\"bus\": 0, \"devices\": [{\"bus\": 0, \"slot\": 2, \"function\": 0, \"qdev_id\": \"rp1\", " \
    "\"pci_bridge\": {\"bus\": {}, \"devices\": [{\"bus\": 1, \"slot\": 0, \"function\": 0, "      \
    "\"qdev_id\": \"near\"}]}}, "                                                                  \
    "{\"bus\": 0, \"slot\": 5, \"function\": 3, \"qdev_id\": \"flat\"}]}]"

#define NO_DEVICES                                                                                 \
    {"qom-list " P, "[]"},                                                                         \
    {                                                                                              \
        "qom-list " P "-anon", "[]"                                                                \
    }

static const VfMonitorRow usual[] = {
    {"query-name", "{\"name\": \"web\"}"},
    {"query-uuid", "{\"UUID\": \"00000000-0000-0000-0000-000000000000\"}"},
    {"query-memory-size-summary", "{\"base-memory\": 268435456, \"plugged-memory\": 4096}"},
    {"query-status", "{\"status\": \"running\", \"running\": true}"},
    {"qom-get /machine type", "\"pc-q35-10.0-machine\""},
    {"query-pci", PCI_AFTER},
    {"qom-list " P, "[{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"rp1\", \"type\": "
                    "\"child<pcie-root-port>\"}, " VFIO("flat") ", " VFIO(
                        "near") ", "
                                "{\"name\": \"far\", \"type\": \"child<vfio-pci-nohotplug>\"}]"},
    {"qom-list " P "-anon", "[" VFIO("device[0]") "]"},
    {"qom-get " P "/flat sysfsdev", SYSFS},
    {"qom-get " P "/flat addr", "43"},
    {"qom-get " P "/flat parent_bus", "\"/machine/q35/pcie.0\""},
    {"qom-get " P "/near sysfsdev", "\"\""},
    {"qom-get " P "/near host", "\"0000:C1:00.1\""},
    {"qom-get " P "/near addr", "0"},
    {"qom-get " P "/near parent_bus", "\"" P "/rp1/rp1\""},
    {"qom-get " P "/rp1 addr", "16"},
    {"qom-get " P "/rp1 parent_bus", "\"/machine/q35/pcie.0\""},
    {"qom-get " P "/far sysfsdev", "\"/sys/bus/pci/devices/0000:c1:00.2\""},
    {"qom-get " P "/far addr", "0"},
    {"qom-get " P "/far parent_bus", "\"" P "/rp2/rp2\""},
    {"qom-get " P "/rp2 addr", "0"},
    {"qom-get " P "/rp2 parent_bus", "\"/machine/unattached/device[25]/pxb1\""},
    {"qom-get " P "-anon/device[0] sysfsdev", "\"/sys/bus/pci/devices/0000:c1:00.3\""},
    {"query-migrate", "{}"},
    {NULL, NULL},
};

static VfGuestLook *
look(const VfMonitorRow *rows, GError **error)
{
    int fd;
    g_autoptr(VfMonitor) monitor G_GNUC_UNUSED = vf_monitor_new(rows, usual, &fd);
    g_autoptr(VfGuest) guest = vf_guest_new(fd, &(VfGuestPast){0}, 5000, error);

    g_assert_no_error(error ? *error : NULL);
    return vf_guest_look(guest, error);
}

static VfGuestLook *
look_rightly(const VfMonitorRow *rows)
{
    g_autoptr(GError) error = NULL;
    VfGuestLook *seen = look(rows, &error);

    g_assert_no_error(error);
    return seen;
}

static void
check_device(const VfGuestLook *seen, guint index, const char *guest, const char *host,
             const char *place)
{
    const VfGuestDevice *device = seen->devices->pdata[index];

    g_assert_cmpstr(device->guest_address, ==, guest);
    g_assert_cmpstr(device->host_address, ==, host);
    g_assert_cmpstr(device->place, ==, place);
}

static void
test_usual(void)
{
    g_autoptr(VfGuestLook) seen = look_rightly(NULL);
    g_autoptr(GVariant) said = NULL;
    g_autoptr(GVariant) devices = NULL;
    g_autofree char *text = NULL;

    g_assert_cmpstr(seen->name, ==, "web");
    g_assert_cmpstr(seen->uuid, ==, "");
    g_assert_cmpstr(seen->machine, ==, "pc-q35-10.0");
    g_assert_cmpstr(seen->version, ==, "10.0.2");
    g_assert_cmpuint(seen->memory, ==, 268439552);
    g_assert_cmpint(seen->run_state, ==, VF_RUN_RUNNING);
    g_assert_cmpint(seen->migrate_state, ==, VF_MIGRATE_NONE);
    g_assert_cmpuint(seen->devices->len, ==, 4);
    check_device(seen, 0, "0000:00:05.3", UUID, "pcie.0/05.3");
    check_device(seen, 1, "0000:01:00.0", "0000:c1:00.1", "pcie.0/02.0/00.0");
    check_device(seen, 2, "0000:81:00.0", "0000:c1:00.2", "pxb1/00.0/00.0");
    /* of one without a name nobody tells */
    check_device(seen, 3, P "-anon/device[0]", "0000:c1:00.3", P "-anon/device[0]");
    g_ptr_array_set_size(seen->devices, 1);
    said = g_variant_ref_sink(vf_guest_look_to_variant(seen));
    devices = g_variant_lookup_value(said, "vfio-devices", G_VARIANT_TYPE("a(ssas)"));
    text = g_variant_print(devices, FALSE);
    g_assert_cmpstr(text, ==, "[('0000:00:05.3', '" UUID "', [])]");
}

/* A QEMU that waits for a guest has the same devices at the same places. */
static void
test_before_firmware(void)
{
    static const VfMonitorRow rows[] = {
        {"query-pci", PCI_BEFORE},
        {"query-status", "{\"status\": \"inmigrate\", \"running\": false}"},
        {NULL, NULL}};
    static const char *const none[] = {NULL};
    g_autoptr(VfGuestLook) there = look_rightly(NULL);
    g_autoptr(VfGuestLook) here = look_rightly(rows);
    g_autoptr(GVariant) said = g_variant_ref_sink(vf_guest_look_introduce(there, none));
    g_autoptr(GError) error = NULL;

    check_device(here, 1, P "/near", "0000:c1:00.1", "pcie.0/02.0/00.0");
    check_device(here, 2, P "/far", "0000:c1:00.2", "pxb1/00.0/00.0");
    vf_guest_look_meet(here, said, &error);
    g_assert_no_error(error);
}

/* Their numbers QEMU does not say. */
static void
test_domains(void)
{
    static const VfMonitorRow rows[] = {
        {"query-pci", "[{\"bus\": 0, \"devices\": [{\"bus\": 0, \"slot\": 5, \"function\": 3, "
                      "\"qdev_id\": \"flat\"}]}, {\"bus\": 0, \"devices\": []}]"},
        {NULL, NULL}};
    g_autoptr(VfGuestLook) seen = look_rightly(rows);

    check_device(seen, 0, P "/flat", UUID, "pcie.0/05.3");
}

static void
check_reasons(const VfGuestLook *seen, guint index, const char *expected)
{
    const VfGuestDevice *device = seen->devices->pdata[index];
    GString *joined = g_string_new(NULL);

    for (guint i = 0; i < device->reasons->len; i++)
        g_string_append_printf(joined, "%s|", (char *)device->reasons->pdata[i]);
    g_assert_cmpstr(joined->str, ==, expected);
    g_string_free(joined, TRUE);
}

/* One names its device in whatever case; one that names none keeps all of them. */
static void
test_reasons(void)
{
    static const VfMonitorRow rows[] = {
        {"query-migrate", "{\"blocked-reasons\": [\"0000:C1:00.2: VFIO migration is not supported "
                          "in kernel\", 7, \"vIOMMU is on\\u001b[2J\", {}]}"},
        {NULL, NULL}};
    g_autoptr(VfGuestLook) seen = look_rightly(rows);

    check_reasons(seen, 0, "vIOMMU is on?[2J|");
    check_reasons(seen, 2,
                  "0000:C1:00.2: VFIO migration is not supported in kernel|vIOMMU is on?[2J|");
}

static void
test_many(void)
{
    g_autoptr(GString) list = g_string_new("[");
    g_autoptr(GString) reasons = g_string_new("{\"blocked-reasons\": [");
    VfMonitorRow rows[] = {{"qom-list " P, NULL}, {"query-migrate", NULL}, {NULL, NULL}};
    g_autoptr(VfGuestLook) seen = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < VF_GUEST_DEVICES_MAX - 1; i++)
        g_string_append_printf(list, "%s" VFIO("d%u"), i ? ", " : "", i);
    for (guint i = 0; i < VF_GUEST_REASONS_MAX + 3; i++)
        g_string_append_printf(reasons, "%s\"no\"", i ? ", " : "");
    g_string_append(reasons, "]}");
    rows[0].answer = g_strconcat(list->str, "]", NULL);
    rows[1].answer = reasons->str;
    seen = look_rightly(rows);
    g_assert_cmpuint(seen->devices->len, ==, VF_GUEST_DEVICES_MAX);
    g_assert_cmpuint(((VfGuestDevice *)seen->devices->pdata[7])->reasons->len, ==,
                     VF_GUEST_REASONS_MAX);
    g_free((char *)rows[0].answer);
    rows[0].answer = g_string_append(list, ", " VFIO("more") "]")->str;
    g_assert_null(look(rows, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED);
}

static void
dawdle(VfMonitor *monitor, const char *command, gint64 id, int fd, gpointer data)
{
    g_usleep(200000);
}

/* Each answer in its time, and all of them in an hour: nobody waits for that. */
static void
test_slow(void)
{
    g_autoptr(GString) list = g_string_new("[" VFIO("d"));
    VfMonitorRow rows[] = {{"qom-list " P, NULL}, {NULL, NULL}};
    int fd;
    g_autoptr(VfMonitor) monitor = NULL;
    g_autoptr(VfGuest) guest = NULL;
    g_autoptr(GError) error = NULL;
    gint64 begin = g_get_monotonic_time();

    for (guint i = 0; i < VF_GUEST_DEVICES_MAX - 2; i++)
        g_string_append_printf(list, ", " VFIO("d%u"), i);
    rows[0].answer = g_string_append(list, "]")->str;
    monitor = vf_monitor_new(rows, usual, &fd);
    vf_monitor_follow(monitor, dawdle, NULL);
    guest = vf_guest_new(fd, &(VfGuestPast){0}, 5000, &error);
    g_assert_no_error(error);
    g_assert_null(vf_guest_look(guest, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER);
    g_assert_nonnull(strstr(error->message, "to say what its guest is"));
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 20 * G_USEC_PER_SEC);
}

typedef struct {
    const char *name;
    VfMonitorRow rows[4];
    int code; /* -1: it is taken for nothing */
} Odd;

static const Odd odds[] = {
    {"name", {{"query-name", "[]"}, NO_DEVICES}, -1},
    {"name-of-another-type", {{"query-name", "{\"name\": {\"a\": 1}}"}, NO_DEVICES}, -1},
    {"no-name", {{"query-name", "{}"}, NO_DEVICES}, -1},
    {"memory", {{"query-memory-size-summary", "{\"base-memory\": -1}"}, NO_DEVICES}, -1},
    {"much-memory",
     {{"query-memory-size-summary",
       "{\"base-memory\": 9223372036854775807, \"plugged-memory\": 9223372036854775807}"},
      NO_DEVICES},
     -1},
    {"machine", {{"qom-get /machine type", "{}"}, NO_DEVICES}, -1},
    {"no-machine", {{"qom-get /machine type", "!Property not found"}, NO_DEVICES}, -1},
    {"pci",
     {{"query-pci", "[7, {}, {\"devices\": {}}, {\"devices\": [1, [], {}]}]"}, NO_DEVICES},
     -1},
    {"pci-object", {{"query-pci", "{}"}, NO_DEVICES}, -1},
    {"pci-numbers",
     {{"query-pci", "[{\"bus\": \"0\", \"devices\": [{\"bus\": 256, \"slot\": 0, \"function\": 0, "
                    "\"qdev_id\": \"flat\"}, {\"bus\": 0, \"slot\": 32, \"function\": 0, "
                    "\"qdev_id\": \"flat\"}, {\"bus\": 0, \"slot\": 0, \"function\": 8, "
                    "\"qdev_id\": \"flat\"}, {\"bus\": 0.5, \"slot\": 0, \"function\": 0, "
                    "\"qdev_id\": \"flat\"}]}]"},
      NO_DEVICES},
     -1},
    {"list", {{"qom-list " P, "{}"}, {"qom-list " P "-anon", "7"}}, -1},
    {"list-entries",
     {{"qom-list " P, "[7, [], {}, {\"name\": \"a\"}, {\"type\": \"child<vfio-pci>\"}, "
                      "{\"name\": \"a b\", \"type\": \"child<vfio-pci>\"}, "
                      "{\"name\": \"\", \"type\": \"child<vfio-pci>\"}]"},
      {"qom-list " P "-anon", "[]"}},
     -1},
    {"reasons", {{"query-migrate", "{\"blocked-reasons\": \"no\"}"}, NO_DEVICES}, -1},
    {"migrate", {{"query-migrate", "[]"}, NO_DEVICES}, VFERRY_ERROR_PEER},
    {"status", {{"query-status", "{}"}, NO_DEVICES}, VFERRY_ERROR_PEER},
    {"no-list", {{"qom-list " P, "!gone"}}, VFERRY_ERROR_FAILED},
    {"unknown-command", {{"query-pci", "?what"}}, VFERRY_ERROR_NOT_SUPPORTED},
    {"silence", {{"query-uuid", ""}}, VFERRY_ERROR_PEER},
    {"silence-about-a-property", {{"qom-get /machine type", ""}, NO_DEVICES}, VFERRY_ERROR_PEER},
    {"hang-up", {{"qom-get /machine type", "x"}}, VFERRY_ERROR_PEER},
};

/* None of it is taken for more than it says, and what is wrong with it is said. */
static void
test_odd(gconstpointer data)
{
    const Odd *odd = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfGuestLook) seen = look(odd->rows, &error);

    if (odd->code >= 0) {
        g_assert_error(error, VFERRY_ERROR, odd->code);
        g_assert_null(seen);
        return;
    }
    g_assert_no_error(error);
    g_assert_cmpuint(seen->devices->len, ==, 0);
    g_variant_unref(g_variant_ref_sink(vf_guest_look_to_variant(seen)));
}

/* Of a device, whatever it says of itself: then it has no place but its own path. */
static void
test_odd_device(void)
{
    static const char *const addresses[] = {"\"05.3\"", "-1", "256", "{}", "4.5", "!no"};
    static const char *const buses[] = {"\"\"", "\"pcie.0\"", "7", "\"" P "/flat/a\""};
    VfMonitorRow rows[] = {{"qom-list " P, "[" VFIO("flat") "]"},
                           {"qom-list " P "-anon", "[]"},
                           {"qom-get " P "/flat addr", NULL},
                           {"qom-get " P "/flat parent_bus", "\"/machine/q35/pcie.0\""},
                           {"qom-get " P "/flat sysfsdev", "7"},
                           {"qom-get " P "/flat host", "[]"},
                           {NULL, NULL}};

    for (gsize i = 0; i < G_N_ELEMENTS(addresses) + G_N_ELEMENTS(buses); i++) {
        g_autoptr(VfGuestLook) seen = NULL;

        rows[2].answer = i < G_N_ELEMENTS(addresses) ? addresses[i] : "43";
        if (i >= G_N_ELEMENTS(addresses))
            rows[3].answer = buses[i - G_N_ELEMENTS(addresses)];
        seen = look_rightly(rows);
        check_device(seen, 0, "0000:00:05.3", "", P "/flat");
    }
}

#define SAID                                                                                       \
    "'hypervisor': <'qemu'>, 'version': <'11.1.3'>, 'machine': <'pc-q35-10.0'>, "                  \
    "'memory': <uint64 268439552>, 'capabilities': <['return-path']>"
#define PLACES                                                                                     \
    "'vfio-devices': <['" P "-anon/device[0]', 'pcie.0/02.0/00.0', 'pcie.0/05.3', "                \
    "'pxb1/00.0/00.0']>"

/* The rest of a pair must agree, each with a sentence; which QEMU it is need not. */
static void
test_meet(void)
{
    static const struct {
        const char *said;
        int code;
        const char *words;
    } cases[] = {
        {"{" SAID ", " PLACES "}", -1, NULL},
        {"{" SAID ", " PLACES ", 'later': <1>}", -1, NULL},
        {"{" SAID "}", VFERRY_ERROR_PEER, "lacks something"},
        {"{" SAID ", 'vfio-devices': <'x'>}", VFERRY_ERROR_PEER, "lacks something"},
        {"@a{sv} {}", VFERRY_ERROR_PEER, "lacks something"},
        {"{" SAID ", 'vfio-devices': <['pcie.0/05.3', '\\u001b[2J']>}", VFERRY_ERROR_INCOMPATIBLE,
         "“pcie.0/05.3 ?[2J” at the other side"},
        {"{'hypervisor': <'bhyve'>, 'machine': <'pc-q35-10.0'>, 'memory': <uint64 "
         "268439552>, " PLACES "}",
         VFERRY_ERROR_INCOMPATIBLE, "the hypervisor is “qemu” here and “bhyve”"},
        {"{'hypervisor': <'qemu'>, 'machine': <'pc-q35-5.1'>, 'memory': <uint64 268439552>, " PLACES
         "}",
         VFERRY_ERROR_INCOMPATIBLE, "the machine type is “pc-q35-10.0” here and “pc-q35-5.1”"},
        {"{'hypervisor': <'qemu'>, 'machine': <'pc-q35-10.0'>, 'memory': <uint64 1>, " PLACES "}",
         VFERRY_ERROR_INCOMPATIBLE, "268439552 bytes of memory here and 1 at"},
    };
    g_autoptr(VfGuestLook) seen = look_rightly(NULL);
    static const char *const capabilities[] = {"return-path", NULL};
    g_autoptr(GVariant) own = g_variant_ref_sink(vf_guest_look_introduce(seen, capabilities));

    g_assert_true(vf_guest_look_meet(seen, own, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) said =
            g_variant_parse(G_VARIANT_TYPE_VARDICT, cases[i].said, NULL, NULL, &error);

        g_assert_no_error(error);
        g_assert_cmpint(vf_guest_look_meet(seen, said, &error), ==, cases[i].code < 0);
        if (cases[i].code < 0)
            continue;
        g_assert_error(error, VFERRY_ERROR, cases[i].code);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].words));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest/look/usual", test_usual);
    g_test_add_func("/guest/look/before-firmware", test_before_firmware);
    g_test_add_func("/guest/look/domains", test_domains);
    g_test_add_func("/guest/look/reasons", test_reasons);
    g_test_add_func("/guest/look/many", test_many);
    for (gsize i = 0; i < G_N_ELEMENTS(odds); i++) {
        g_autofree char *path = g_strconcat("/guest/look/odd/", odds[i].name, NULL);
        g_test_add_data_func(path, &odds[i], test_odd);
    }
    g_test_add_func("/guest/look/odd-device", test_odd_device);
    g_test_add_func("/guest/look/slow", test_slow);
    g_test_add_func("/guest/look/meet", test_meet);
    return g_test_run();
}
