/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "config-file.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

#include "error.h"
#include "number.h"

#define GROUP "migration"
#define PORT_MIN 49300
#define PORT_MAX 49399
#define SIZE_MAX_DEFAULT (G_GUINT64_CONSTANT(256) << 30)

gboolean
vf_config_file_check_address(const char *address, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(address, "%", 2);
    g_autoptr(GInetAddress) parsed = parts[0] ? g_inet_address_new_from_string(parts[0]) : NULL;

    if (parsed && !g_inet_address_get_is_any(parsed) &&
        (!parts[1] || (*parts[1] && g_inet_address_get_family(parsed) == G_SOCKET_FAMILY_IPV6)))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("address “%s” is not one local IPv4 or IPv6 address in digits"), address);
    return FALSE;
}

static gboolean
take_number(const char *key, const char *text, guint64 max, guint64 *value, GError **error)
{
    return vf_number_parse_u64(text, key, 1, max, value, error);
}

static gboolean
take_yes_or_no(const char *key, const char *text, gboolean *value, GError **error)
{
    *value = g_str_equal(text, "yes");
    if (*value || g_str_equal(text, "no"))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("%s is “%s”, but must be yes or no"), key, text);
    return FALSE;
}

static gboolean
take_key(VfConfigFile *self, const char *key, const char *text, GError **error)
{
    guint64 number = 0;

    if (g_str_equal(key, "address")) {
        g_free(self->address);
        self->address = g_strdup(text);
        return vf_config_file_check_address(text, error);
    }
    if (g_str_equal(key, "port-min") || g_str_equal(key, "port-max")) {
        if (!take_number(key, text, G_MAXUINT16, &number, error))
            return FALSE;
        *(g_str_equal(key, "port-min") ? &self->port_min : &self->port_max) = (guint16)number;
        return TRUE;
    }
    if (g_str_equal(key, "size-max"))
        return take_number(key, text, G_MAXINT64, &self->size_max, error);
    if (g_str_equal(key, "accept-from-process"))
        return take_yes_or_no(key, text, &self->accept_from_process, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("unknown key “%s”"), key);
    return FALSE;
}

static gboolean
take_file(VfConfigFile *self, GKeyFile *file, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    g_auto(GStrv) keys = NULL;

    for (char **group = groups; *group; group++)
        if (!g_str_equal(*group, GROUP)) {
            g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("unknown group “%s”"),
                        *group);
            return FALSE;
        }
    keys = g_key_file_get_keys(file, GROUP, NULL, NULL);
    for (char **key = keys; key && *key; key++) {
        g_autofree char *text = g_key_file_get_string(file, GROUP, *key, error);

        if (!text || !take_key(self, *key, text, error))
            return FALSE;
    }
    if (self->port_min <= self->port_max)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT,
                _("port-min %u is larger than port-max %u"), self->port_min, self->port_max);
    return FALSE;
}

VfConfigFile *
vf_config_file_load(const char *path, GError **error)
{
    g_autoptr(VfConfigFile) self = g_new0(VfConfigFile, 1);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) local = NULL;

    self->port_min = PORT_MIN;
    self->port_max = PORT_MAX;
    self->size_max = SIZE_MAX_DEFAULT;
    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &local)) {
        if (g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return g_steal_pointer(&self);
    } else if (take_file(self, file, &local)) {
        return g_steal_pointer(&self);
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, "%s: %s", path, local->message);
    return NULL;
}

void
vf_config_file_free(VfConfigFile *self)
{
    g_free(self->address);
    g_free(self);
}
