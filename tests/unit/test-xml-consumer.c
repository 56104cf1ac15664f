/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "xml/compare/consumer.h"

#include "test-xml.h"
#include "xml/compare/report.h"

static void
test_parse(void)
{
    static const char *const good[] = {"vfio", "qemu", "qemu=10", "qemu=8.1.0", "libvirt=11.3.0.1"};
    static const char *const bad[] = {
        "",        "QEMU",           "xen",      "qemu=",    "qemu=x",     "qemu=1.",
        "qemu=-1", "qemu=1.2.3.4.5", "qemu=1=2", "qemu 8.1", "libvirt=v9", "qemu=99999999999"};

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfConsumer) self = vf_consumer_parse(good[i], &error);
        g_autoptr(VfConsumer) copy = NULL;
        g_autofree char *again = NULL;
        g_assert_no_error(error);
        copy = vf_consumer_copy(self);
        again = vf_consumer_format(copy);
        g_assert_cmpstr(again, ==, good[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(vf_consumer_parse(bad[i], &error));
        assert_error(&error, VFERRY_ERROR_INVALID_ARGUMENT, "must be vfio, qemu or libvirt");
    }
    g_assert_cmpstr(vf_consumer_kind_to_string(VF_CONSUMER_QEMU), ==, "qemu");
}

#define CANNOT VF_REPORT_CODE_CONSUMER_CANNOT_USE
#define TOO_OLD VF_REPORT_CODE_CONSUMER_TOO_OLD

/* Who can use what; a host's own word can say less, and of a kind that no version is known to
 * migrate, more. */
static void
test_check(void)
{
    static const struct {
        const char *consumer, *kind, *type, *device_api, *usable_by, *code;
    } cases[] = {
        {"vfio", "mdev", NULL, NULL, NULL, NULL},
        {"vfio", "pci", NULL, "vfio-pci", NULL, NULL},
        {"vfio", "vfio-user", NULL, NULL, NULL, NULL},
        {"vfio", "mdev", "vfio_ap-passthrough", NULL, NULL, CANNOT},
        {"vfio", "quantum", NULL, NULL, NULL, CANNOT},
        {"qemu", "mdev", "nvidia-156", NULL, NULL, NULL},
        {"qemu=8.1", "mdev", NULL, NULL, NULL, NULL},
        {"qemu=8.1.0", "pci", NULL, NULL, NULL, NULL},
        {"qemu=10.0.13", "pci", NULL, NULL, NULL, NULL},
        {"qemu=8.0.5", "pci", NULL, NULL, NULL, TOO_OLD},
        {"qemu=7", "mdev", NULL, NULL, NULL, TOO_OLD},
        {"qemu", "vfio-user", NULL, NULL, NULL, CANNOT},
        {"qemu=10.2", "vfio-user", NULL, NULL, NULL, CANNOT},
        {"qemu=12", "vfio-user", NULL, NULL, "qemu vfio", NULL},
        {"qemu", "mdev", NULL, "vfio-ap", NULL, CANNOT},
        {"qemu", "mdev", "vfio_ccw-io", NULL, NULL, CANNOT},
        {"qemu", "mdev", "a-1", "vfio-platform", NULL, CANNOT},
        {"vfio", "mdev", "a-1", "vfio-platform", NULL, NULL},
        {"qemu", "mdev", "vfio_ap-passthrough", NULL, "qemu", CANNOT},
        {"qemu", "mdev", NULL, NULL, "vfio", CANNOT},
        {"qemu", "mdev", NULL, NULL, "", CANNOT},
        {"qemu=8.0", "mdev", NULL, NULL, "qemu vfio", TOO_OLD},
        {"libvirt", "pci", NULL, NULL, NULL, NULL},
        {"libvirt=8.6.0", "mdev", NULL, NULL, "libvirt", NULL},
        {"libvirt=8.5.0", "mdev", NULL, NULL, NULL, TOO_OLD},
        {"libvirt=11.3.0", "vfio-user", NULL, NULL, NULL, CANNOT},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(VfConsumer) consumer = vf_consumer_parse(cases[i].consumer, NULL);
        g_auto(GStrv) usable_by = cases[i].usable_by != NULL && cases[i].usable_by[0] != '\0'
                                      ? g_strsplit(cases[i].usable_by, " ", -1)
                                  : cases[i].usable_by != NULL ? g_new0(char *, 1)
                                                               : NULL;
        const VfConsumerDevice device = {cases[i].kind, cases[i].type, cases[i].device_api,
                                         usable_by};
        g_autofree char *sentence = NULL;
        g_assert_cmpstr(vf_consumer_check(consumer, &device, &sentence), ==, cases[i].code);
        g_assert_true((sentence != NULL) == (cases[i].code != NULL));
    }
}

static void
test_sentences(void)
{
    g_autoptr(VfConsumer) consumer = vf_consumer_parse("qemu=8.0", NULL);
    const VfConsumerDevice mdev = {"mdev", NULL, NULL, NULL};
    const VfConsumerDevice user = {"vfio-user", NULL, NULL, NULL};
    g_autofree char *old = NULL;
    g_autofree char *never = NULL;

    vf_consumer_check(consumer, &mdev, &old);
    g_assert_cmpstr(old, ==,
                    "QEMU migrates devices of the kind mdev from version 8.1 on; this is 8.0.");
    vf_consumer_check(consumer, &user, &never);
    g_assert_cmpstr(never, ==, "QEMU cannot migrate devices of the kind vfio-user.");
}

static void
test_list(void)
{
    static const struct {
        const char *kind, *type, *device_api, *names;
    } cases[] = {
        {"mdev", "mtty-1", "vfio-pci", "libvirt qemu vfio"},
        {"pci", NULL, NULL, "libvirt qemu vfio"},
        {"vfio-user", NULL, NULL, "vfio"},
        {"mdev", "vfio_ccw-io", "vfio-ccw", ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) names = vf_consumer_list(cases[i].kind, cases[i].type, cases[i].device_api);
        g_autofree char *joined = g_strjoinv(" ", names);
        g_assert_cmpstr(joined, ==, cases[i].names);
    }
}

static void
test_p2p(void)
{
    static const char *const names[] = {"vfio", "qemu", "libvirt"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(VfConsumer) consumer = vf_consumer_parse(names[i], NULL);
        g_assert_cmpint(vf_consumer_needs_p2p(consumer), ==, i > 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xml/consumer/parse", test_parse);
    g_test_add_func("/xml/consumer/check", test_check);
    g_test_add_func("/xml/consumer/sentences", test_sentences);
    g_test_add_func("/xml/consumer/list", test_list);
    g_test_add_func("/xml/consumer/p2p", test_p2p);
    return g_test_run();
}
