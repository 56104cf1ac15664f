/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "number.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"

static gboolean
digits_only(const char *text)
{
    /* 20 digits hold G_MAXUINT64; longer input is refused before it is scanned */
    gsize n = strspn(text, "0123456789");
    return n > 0 && n <= 20 && text[n] == '\0';
}

gboolean
vf_number_parse_u64(const char *text, const char *what, guint64 min, guint64 max, guint64 *value,
                    GError **error)
{
    if (digits_only(text) && g_ascii_string_to_unsigned(text, 10, min, max, value, NULL))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("%s is “%.40s”, but must be a number from %" PRIu64 " to %" PRIu64), what, text,
                min, max);
    return FALSE;
}

gboolean
vf_number_parse_i64(const char *text, const char *what, gint64 min, gint64 max, gint64 *value,
                    GError **error)
{
    if (digits_only(text[0] == '-' ? text + 1 : text) &&
        g_ascii_string_to_signed(text, 10, min, max, value, NULL))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("%s is “%.40s”, but must be a number from %" PRId64 " to %" PRId64), what, text,
                min, max);
    return FALSE;
}
