/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "uuid.h"

#include <glib/gi18n-lib.h>

#include "error.h"

char *
vf_uuid_normalize(const char *text, const char *what, GError **error)
{
    if (g_uuid_string_is_valid(text))
        return g_ascii_strdown(text, -1);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("%s is “%.40s”, which is not a UUID"), what, text);
    return NULL;
}
