/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "host-id.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <systemd/sd-id128.h>

#include "error.h"

#define ID_SIZE 16
#define ID_DIGITS (2 * ID_SIZE)

/* 8f5c7a40-6d3b-4d5e-9e0a-31f2b7c06d11, chosen once at random; another one would rename every host
 */
static const guint8 application_id[ID_SIZE] = {0x8f, 0x5c, 0x7a, 0x40, 0x6d, 0x3b, 0x4d, 0x5e,
                                               0x9e, 0x0a, 0x31, 0xf2, 0xb7, 0xc0, 0x6d, 0x11};

static gboolean
parse_machine_id(const char *text, guint8 id[ID_SIZE])
{
    if (strlen(text) < ID_DIGITS || (text[ID_DIGITS] != '\n' && text[ID_DIGITS] != '\0'))
        return FALSE;
    for (guint i = 0; i < ID_SIZE; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return FALSE;
        id[i] = (guint8)(high << 4 | low);
    }
    return TRUE;
}

/* As id128_make_v4_uuid() in systemd: RFC 4122, version 4, the DCE variant */
static char *
format_uuid(guint8 id[ID_SIZE])
{
    GString *text = g_string_sized_new(36);

    id[6] = (guint8)((id[6] & 0x0f) | 0x40);
    id[8] = (guint8)((id[8] & 0x3f) | 0x80);
    for (guint i = 0; i < ID_SIZE; i++)
        g_string_append_printf(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
                               id[i]);
    return g_string_free(text, FALSE);
}

char *
vf_host_read_id(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) local = NULL;
    g_autoptr(GHmac) hmac = NULL;
    guint8 machine_id[ID_SIZE], digest[32];
    gsize size = sizeof digest;

    if (!g_file_get_contents(path, &text, NULL, &local)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED, _("this host has no identity: %s"),
                    local->message);
        return NULL;
    }
    if (!parse_machine_id(text, machine_id)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_FAILED,
                    _("“%s” has no machine-id of %d hexadecimal digits"), path, ID_DIGITS);
        return NULL;
    }
    hmac = g_hmac_new(G_CHECKSUM_SHA256, machine_id, ID_SIZE);
    g_hmac_update(hmac, application_id, ID_SIZE);
    g_hmac_get_digest(hmac, digest, &size);
    return format_uuid(digest);
}

const char *
vf_host_get_boot(void)
{
    static gsize known;
    static char boot[SD_ID128_STRING_MAX];

    if (g_once_init_enter(&known)) {
        sd_id128_t id;
        int r = sd_id128_get_boot(&id);

        if (r < 0)
            g_warning("the boot has no id: %s", g_strerror(-r));
        else
            sd_id128_to_string(id, boot);
        g_once_init_leave(&known, 1);
    }
    return boot;
}
