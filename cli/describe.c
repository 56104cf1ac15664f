/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "describe.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "text-view.h"

typedef char *(*Formatter)(guint64 number);

/* The members of dbus/org.vferry1.*.xml that are more than a plain number. */
static const struct {
    const char *key;
    Formatter format;
} numbers[] = {
    {"BytesDone", vf_text_bytes},
    {"BytesTotal", vf_text_bytes},
    {"Deadline", vf_text_time},
    {"Downtime", vf_text_duration},
    {"ExpectedDowntime", vf_text_duration},
    {"Rate", vf_text_rate},
    {"StartTime", vf_text_time},
    {"bytes", vf_text_bytes},
    {"dirty", vf_text_bytes},
    {"done", vf_text_bytes},
    {"downtime", vf_text_duration},
    {"downtime-last-bytes", vf_text_duration},
    {"downtime-load", vf_text_duration},
    {"downtime-start", vf_text_duration},
    {"downtime-stop", vf_text_duration},
    {"expected-downtime", vf_text_duration},
    {"initial-bytes-unloaded", vf_text_bytes},
    {"initial-left", vf_text_bytes},
    {"rate", vf_text_rate},
    {"total", vf_text_bytes},
};

static char *
describe_number(const char *key, GVariant *value)
{
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (g_str_equal(numbers[i].key, key))
            return numbers[i].format(g_variant_get_uint64(value));
    return g_strdup_printf("%" G_GUINT64_FORMAT, g_variant_get_uint64(value));
}

/* An offer, or whatever else a list has: by its type or id, and how many are left. */
static char *
describe_element(GVariant *element)
{
    const char *name = "?";
    guint64 left;

    if (!g_variant_lookup(element, "type", "&s", &name) &&
        !g_variant_lookup(element, "name", "&s", &name))
        (void)g_variant_lookup(element, "id", "&s", &name);
    if (g_variant_lookup(element, "left", "t", &left))
        return g_strdup_printf(_("%s (%" PRIu64 " left)"), name, left);
    return g_strdup(name);
}

static char *
describe_list(GVariant *list)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) texts = NULL;
    gsize n = g_variant_n_children(list);

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(list, i);
        g_autofree char *text = g_variant_is_of_type(child, G_VARIANT_TYPE_VARDICT)
                                    ? describe_element(child)
                                    : vf_describe_value("", child);

        g_strv_builder_add(builder, text);
    }
    texts = g_strv_builder_end(builder);
    return n > 0 ? g_strjoinv(", ", texts) : g_strdup(_("none"));
}

static char *
describe(const char *key, GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ||
        g_variant_is_of_type(value, G_VARIANT_TYPE_OBJECT_PATH))
        return g_variant_dup_string(value, NULL);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        return g_strdup(g_variant_get_boolean(value) ? _("yes") : _("no"));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        return describe_number(key, value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE))
        return g_strdup_printf("%.3g", g_variant_get_double(value));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE("a{s*}")))
        return vf_text_parameters(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY) ||
        g_variant_is_of_type(value, G_VARIANT_TYPE_TUPLE))
        return describe_list(value);
    return g_variant_print(value, FALSE);
}

char *
vf_describe_value(const char *key, GVariant *value)
{
    g_autofree char *text = describe(key, value);

    return vf_text_printable(text);
}

static void
add_details(GStrvBuilder *builder, GVariant *details)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, details);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autofree char *words = vf_text_to_snake(key);
        g_autofree char *text = NULL;
        g_autofree char *pair = NULL;

        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT) && g_ascii_islower(key[0])) {
            add_details(builder, value);
            continue;
        }
        text = vf_describe_value(key, value);
        pair = g_strdup_printf("%s %s", g_strdelimit(words, "_", ' '), text);
        if (text[0] != '\0')
            g_strv_builder_add(builder, pair);
    }
}

char *
vf_describe_details(GVariant *details)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) pairs = NULL;

    add_details(builder, details);
    pairs = g_strv_builder_end(builder);
    return g_strjoinv("  ", pairs);
}
