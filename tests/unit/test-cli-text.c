/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>

#include "address.h"
#include "bar.h"
#include "error.h"
#include "exit.h"
#include "json.h"
#include "table.h"
#include "text-view.h"

static void
test_clean(void)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"plain", "plain"},
        {"größer µ", "größer µ"},
        {"two\nlines", "two\nlines"},
        {"\033[2J", "\\x1b[2J"},
        {"a\rb\tc", "a\\x0db\\x09c"},
        {"\302\233"
         "1m",
         "\\x9b1m"},                             /* a C1 control: CSI in one character */
        {"abc\342\200\256fed", "abc\\x202efed"}, /* right-to-left override */
        {"bro\377ken", "bro\357\277\275ken"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *clean = vf_text_printable(cases[i].text);

        g_assert_cmpstr(clean, ==, cases[i].clean);
    }
}

static void
test_bytes(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {96, "96 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {1258291, "1.2 MiB"},
        {10 << 20, "10 MiB"},
        {256 << 20, "256 MiB"},
        {(1 << 20) - 1, "1 MiB"},
        {G_MAXUINT64, "16 EiB"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = vf_text_bytes(cases[i].bytes);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_duration(void)
{
    static const struct {
        guint64 microseconds;
        const char *text;
    } cases[] = {
        {850, "850 µs"},
        {41000, "41 ms"},
        {1200000, "1.2 s"},
        {59 * G_USEC_PER_SEC, "59 s"},
        {200 * G_USEC_PER_SEC, "3 min 20 s"},
        {7500 * (guint64)G_USEC_PER_SEC, "2 h 5 min"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = vf_text_duration(cases[i].microseconds);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_parameters(void)
{
    g_autoptr(GVariant) variants = g_variant_ref_sink(
        g_variant_new_parsed("{'ports': <'2'>, 'banks': <uint32 4>, 'a\tb': <'c'>}"));
    g_autoptr(GVariant) strings = g_variant_ref_sink(g_variant_new_parsed("{'ports': '2'}"));
    g_autofree char *text = vf_text_parameters(variants);
    g_autofree char *other = vf_text_parameters(strings);
    g_autofree char *none = vf_text_parameters(NULL);

    g_assert_cmpstr(text, ==, "a\\x09b=c,banks=4,ports=2");
    g_assert_cmpstr(other, ==, "ports=2");
    g_assert_cmpstr(none, ==, "-");
}

static void
test_migration(void)
{
    const char *flags[] = {"stop-copy", "p2p", NULL};
    const char *nothing[] = {NULL};
    g_autofree char *some = vf_text_migration(flags, "probe");
    g_autofree char *none = vf_text_migration(nothing, "debugfs");
    g_autofree char *unknown = vf_text_migration(nothing, "unknown");

    g_assert_cmpstr(some, ==, "stop-copy, p2p");
    g_assert_cmpstr(none, ==, "none");
    g_assert_cmpstr(unknown, ==, "unknown");
}

static void
test_snake(void)
{
    g_autofree char *property = vf_text_to_snake("SysfsPath");
    g_autofree char *key = vf_text_to_snake("downtime-last-bytes");

    g_assert_cmpstr(property, ==, "sysfs_path");
    g_assert_cmpstr(key, ==, "downtime_last_bytes");
}

static void
test_table(void)
{
    const char *titles[] = {"NAME", "STATE", NULL};
    g_autoptr(VfTable) table = vf_table_new(titles);
    g_autofree char *plain = NULL;
    g_autofree char *colour = NULL;

    vf_table_add(table, "größe");
    vf_table_add_styled(table, "failed", VF_STYLE_BAD);
    vf_table_add(table, "日本語"); /* six columns */
    vf_table_add(table, NULL);
    plain = vf_table_format(table, FALSE);
    colour = vf_table_format(table, TRUE);
    g_assert_cmpstr(plain, ==,
                    "NAME    STATE\n"
                    "größe   failed\n"
                    "日本語  -\n");
    g_assert_nonnull(strstr(colour, "größe   \033[31mfailed\033[0m\n"));
}

static void
check_bar(const VfBar *progress, guint width, const char *expected)
{
    g_autofree char *line = vf_bar_format("pre-copy", progress, width, TRUE);

    g_assert_cmpstr(line, ==, expected);
}

static void
test_bar(void)
{
    VfBar progress = {
        .done = 128 << 20, .total = 256 << 20, .rate = 64 << 20, .round = 2, .dirty = 1258291};

    check_bar(&progress, 120,
              "pre-copy    ━━━━━━━━━━━━━━━───────────────  128 MiB of 256 MiB  64 MiB/s  2 s left"
              "  round 2, 1.2 MiB dirty");
    check_bar(&progress, 60, "pre-copy    ━━━━────  128 MiB of 256 MiB  64 MiB/s");
    check_bar(&progress, 25, "pre-copy    ━━━━────");
    check_bar(&progress, 8, "");
    progress.done = progress.total;
    progress.round = 0;
    check_bar(&progress, 80, "pre-copy    ━━━━━━━━━━━━━━━  256 MiB  64 MiB/s");
}

/* What is left is said in seconds, and the bar does not move when a number gets another digit. */
static void
test_bar_is_calm(void)
{
    const guint64 done[] = {0, 1, 100 << 10, 255 << 20, (256 << 20) - 130};
    const char *left[] = {"  4 s left", "  3 s left", "  3 s left", "  <1 s left", "  <1 s left"};

    for (gsize i = 0; i < G_N_ELEMENTS(done); i++) {
        const VfBar progress = {.done = done[i], .total = 256 << 20, .rate = 64 << 20};
        g_autofree char *line = vf_bar_format("pre-copy", &progress, 90, FALSE);

        g_assert_cmpuint(strspn(line + 12, "=-"), ==, 25);
        g_assert_nonnull(strstr(line, left[i]));
    }
}

static void
test_bar_never_overflows(void)
{
    const guint64 numbers[] = {0, 1, 1023, 1 << 20, G_MAXUINT64 / 2, G_MAXUINT64};

    for (guint width = 0; width < 130; width++)
        for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
            for (gsize j = 0; j < G_N_ELEMENTS(numbers); j++) {
                VfBar progress = {.done = numbers[i],
                                  .total = numbers[j],
                                  .rate = numbers[(i + j) % G_N_ELEMENTS(numbers)],
                                  .round = (guint)j,
                                  .dirty = numbers[j]};
                g_autofree char *line = vf_bar_format("switchover", &progress, width, (i + j) % 2);

                g_assert_cmpuint(vf_text_width(line), <=, width > 0 ? width - 1 : 0);
            }
}

static void
test_remaining(void)
{
    g_assert_cmpint(vf_bar_remaining(&(VfBar){.done = 1, .total = 3, .rate = 2}), ==,
                    G_USEC_PER_SEC);
    g_assert_cmpint(vf_bar_remaining(&(VfBar){.done = 1, .total = 3}), ==, -1);
    g_assert_cmpint(vf_bar_remaining(&(VfBar){.done = 3, .total = 1, .rate = 2}), ==, -1);
    g_assert_cmpint(vf_bar_remaining(&(VfBar){.done = 1, .total = 3, .rate = 2, .ended = TRUE}), ==,
                    -1);
}

static void
test_addresses(void)
{
    static const struct {
        const char *text, *user, *host;
        guint port;
    } cases[] = {
        {"ssh://harbour-b", NULL, "harbour-b", 0},
        {"ssh://harbour-b/", NULL, "harbour-b", 0},
        {"ssh://root@10.77.0.2:2222", "root", "10.77.0.2", 2222},
        {"ssh://a.b-c_d@[fe80::1]:22", "a.b-c_d", "fe80::1", 22},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VfAddress) address = vf_address_parse(cases[i].text, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(address->user, ==, cases[i].user);
        g_assert_cmpstr(address->host, ==, cases[i].host);
        g_assert_cmpuint(address->port, ==, cases[i].port);
        g_assert_cmpstr(vf_address_get_label(address), ==, cases[i].host);
    }
}

static void
test_addresses_refused(void)
{
    static const char *const texts[] = {
        "",
        "harbour-b",
        "ssh:",
        "ssh://",
        "ssh://@harbour-b",
        "ssh://-oProxyCommand=touch%20x",
        "ssh://-l@harbour-b",
        "ssh://root@-p",
        "ssh://root:secret@harbour-b",
        "ssh://harbour-b:0",
        "ssh://harbour-b:65536",
        "ssh://harbour-b/x",
        "ssh://harbour-b?x",
        "ssh://harbour-b#x",
        "ssh://harbour b",
        "ssh://harbour%20b",
        "ssh://h;reboot",
        "ssh://$(reboot)",
        "ssh://a:b",
        "tcp:host=x",
        "unixexec:path=/bin/true",
        "unix:path=/x;unixexec:path=/bin/true",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        VfAddress *address = vf_address_parse(texts[i], &error);

        g_test_message("%s", texts[i]);
        g_assert_null(address);
        g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_ssh_command(void)
{
    g_autoptr(VfAddress) address = vf_address_parse("ssh://pilot@harbour-b:2222", NULL);
    g_auto(GStrv) argv = vf_address_get_command(address, TRUE, "systemd-stdio-bridge");
    guint n = g_strv_length(argv);

    g_assert_cmpstr(argv[0], ==, "ssh");
    g_assert_true(g_strv_contains((const char *const *)argv, "BatchMode=yes"));
    g_assert_cmpstr(argv[n - 3], ==, "--");
    g_assert_cmpstr(argv[n - 2], ==, "harbour-b");
    g_assert_cmpstr(argv[n - 1], ==, "systemd-stdio-bridge");
}

static void
test_exit_codes(void)
{
    for (int code = 0; code < VF_N_ERRORS; code++) {
        g_autoptr(GError) error = g_error_new_literal(VFERRY_ERROR, code, "x");
        g_autofree char *name = vf_exit_error_name(error);
        VfExit status = vf_exit_from_error(error);

        g_assert_cmpstr(name, ==, vf_error_to_name((VferryError)code));
        g_assert_cmpint(status, !=, VF_EXIT_DONE);
        g_assert_cmpint(status == VF_EXIT_UNAUTHORIZED, ==, code == VFERRY_ERROR_NOT_AUTHORIZED);
        g_assert_cmpint(status == VF_EXIT_UNKNOWN, ==,
                        code == VFERRY_ERROR_UNKNOWN || code == VFERRY_ERROR_IN_DOUBT);
    }
}

static void
test_json(void)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(
        "{'Parameters': <{'Keep-Me': <'x'>}>, 'Error': <('', '')>, 'BytesDone': <uint64 "
        "18446744073709551615>, 'on-time': <true>, 'list': <[{'initial-left': <uint64 5>}]>}"));
    g_autoptr(JsonNode) node = vf_json_from_variant(value, TRUE);
    JsonObject *object = json_node_get_object(node);

    g_assert_true(
        json_object_has_member(json_object_get_object_member(object, "parameters"), "Keep-Me"));
    g_assert_true(json_object_get_null_member(object, "error"));
    g_assert_cmpint(json_object_get_int_member(object, "bytes_done"), ==, G_MAXINT64);
    g_assert_true(json_object_get_boolean_member(object, "on_time"));
    g_assert_cmpint(json_object_get_int_member(json_array_get_object_element(
                                                   json_object_get_array_member(object, "list"), 0),
                                               "initial_left"),
                    ==, 5);
}

int
main(int argc, char **argv)
{
    setlocale(LC_ALL, "C.UTF-8");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/text/clean", test_clean);
    g_test_add_func("/cli/text/bytes", test_bytes);
    g_test_add_func("/cli/text/duration", test_duration);
    g_test_add_func("/cli/text/parameters", test_parameters);
    g_test_add_func("/cli/text/migration", test_migration);
    g_test_add_func("/cli/text/snake", test_snake);
    g_test_add_func("/cli/table", test_table);
    g_test_add_func("/cli/bar/line", test_bar);
    g_test_add_func("/cli/bar/is-calm", test_bar_is_calm);
    g_test_add_func("/cli/bar/never-overflows", test_bar_never_overflows);
    g_test_add_func("/cli/bar/remaining", test_remaining);
    g_test_add_func("/cli/address/good", test_addresses);
    g_test_add_func("/cli/address/refused", test_addresses_refused);
    g_test_add_func("/cli/address/command", test_ssh_command);
    g_test_add_func("/cli/exit-codes", test_exit_codes);
    g_test_add_func("/cli/json", test_json);
    return g_test_run();
}
