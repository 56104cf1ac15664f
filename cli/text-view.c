/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "text-view.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "text.h"

/* Control characters can reprogram a terminal; those of Unicode's bidirectional algorithm can make
 * a line read as another one. */
static gboolean
is_harmless(gunichar c)
{
    if (c == '\n')
        return TRUE;
    return g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_FORMAT;
}

char *
vf_text_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) clean = g_string_new(NULL);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (is_harmless(c))
            g_string_append_unichar(clean, c);
        else
            g_string_append_printf(clean, "\\x%02x", c);
    }
    return g_string_free(g_steal_pointer(&clean), FALSE);
}

guint
vf_text_width(const char *text)
{
    guint width = 0;

    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (!g_unichar_iszerowidth(c))
            width += g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

char *
vf_text_bytes(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    guint unit = 0;

    /* 1023.6 would round to 1024 */
    while (value >= 1023.5 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    if (unit > 0 && value < 9.95 && (guint64)(value * 10 + 0.5) % 10 != 0)
        return g_strdup_printf("%.1f %s", value, units[unit]);
    return g_strdup_printf("%.0f %s", value, units[unit]);
}

char *
vf_text_rate(guint64 bytes_per_second)
{
    g_autofree char *bytes = vf_text_bytes(bytes_per_second);

    return g_strdup_printf(_("%s/s"), bytes);
}

char *
vf_text_duration(guint64 microseconds)
{
    guint64 seconds = (microseconds + G_USEC_PER_SEC / 2) / G_USEC_PER_SEC;

    if (microseconds < 1000)
        return g_strdup_printf(_("%u µs"), (guint)microseconds);
    if (microseconds < G_USEC_PER_SEC)
        return g_strdup_printf(_("%u ms"), (guint)(microseconds / 1000));
    if (microseconds < 10 * G_USEC_PER_SEC)
        return g_strdup_printf(_("%.1f s"), (double)microseconds / G_USEC_PER_SEC);
    if (seconds < 60)
        return g_strdup_printf(_("%u s"), (guint)seconds);
    if (seconds < 3600)
        return g_strdup_printf(_("%u min %u s"), (guint)(seconds / 60), (guint)(seconds % 60));
    return g_strdup_printf(_("%" PRIu64 " h %u min"), seconds / 3600, (guint)(seconds % 3600 / 60));
}

char *
vf_text_time(guint64 microseconds)
{
    g_autoptr(GDateTime) time = NULL;

    if (microseconds > 0 && microseconds / G_USEC_PER_SEC < G_MAXINT64)
        time = g_date_time_new_from_unix_local((gint64)(microseconds / G_USEC_PER_SEC));
    return time ? g_date_time_format(time, "%F %T") : g_strdup("-");
}

static char *
join_pairs(GPtrArray *pairs)
{
    if (pairs->len == 0)
        return g_strdup("-");
    g_ptr_array_sort(pairs, vf_text_compare);
    g_ptr_array_add(pairs, NULL);
    return g_strjoinv(",", (char **)pairs->pdata);
}

char *
vf_text_parameters(GVariant *parameters)
{
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);
    gsize n = parameters ? g_variant_n_children(parameters) : 0;

    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(parameters, i);
        g_autoptr(GVariant) name = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) boxed = g_variant_get_child_value(entry, 1);
        g_autoptr(GVariant) value = g_variant_is_of_type(boxed, G_VARIANT_TYPE_VARIANT)
                                        ? g_variant_get_variant(boxed)
                                        : g_variant_ref(boxed);
        g_autofree char *text = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                                    ? g_variant_dup_string(value, NULL)
                                    : g_variant_print(value, FALSE);
        g_autofree char *pair = g_strdup_printf("%s=%s", g_variant_get_string(name, NULL), text);

        g_ptr_array_add(pairs, vf_text_printable(pair));
    }
    return join_pairs(pairs);
}

char *
vf_text_values(GHashTable *values)
{
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, values);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        g_autofree char *pair = g_strdup_printf("%s=%s", (const char *)name, (const char *)value);

        g_ptr_array_add(pairs, vf_text_printable(pair));
    }
    return join_pairs(pairs);
}

char *
vf_text_migration(const char *const *flags, const char *source)
{
    g_autofree char *joined = NULL;

    if (g_strcmp0(source, "unknown") == 0)
        return g_strdup(_("unknown"));
    if (!flags || !flags[0])
        return g_strdup(_("none"));
    joined = g_strjoinv(", ", (char **)flags);
    return vf_text_printable(joined);
}

char *
vf_text_to_snake(const char *name)
{
    GString *snake = g_string_new(NULL);

    for (const char *p = name; *p != '\0'; p++) {
        if (g_ascii_isupper(*p) && p != name)
            g_string_append_c(snake, '_');
        g_string_append_c(snake, *p == '-' ? '_' : g_ascii_tolower(*p));
    }
    return g_string_free(snake, FALSE);
}
