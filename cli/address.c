/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "address.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"

#define USER_MAX 64
#define HOST_MAX 255 /* RFC 1035, 2.3.4 */

void
vf_address_free(VfAddress *self)
{
    g_free(self->user);
    g_free(self->host);
    g_free(self->bus);
    g_free(self->text);
    g_free(self);
}

static gboolean
is_plain(const char *text, const char *extra, gsize max)
{
    gsize n = strlen(text);

    if (n == 0 || n > max || text[0] == '-')
        return FALSE;
    for (gsize i = 0; i < n; i++)
        if (!g_ascii_isalnum(text[i]) && !strchr(extra, text[i]))
            return FALSE;
    return TRUE;
}

static gboolean
refuse(const char *text, const char *rule, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_INVALID_ARGUMENT, _("“%.200s” is no address: %s"),
                text, rule);
    return FALSE;
}

static gboolean
parse_ssh(VfAddress *self, const char *text, GError **error)
{
    g_autofree char *scheme = NULL, *path = NULL, *query = NULL, *fragment = NULL;
    int port = -1;

    if (!g_uri_split(text, G_URI_FLAGS_NONE, &scheme, &self->user, &self->host, &port, &path,
                     &query, &fragment, NULL) ||
        !self->host || port == 0)
        return refuse(text, _("it must be ssh://[user@]host[:port]"), error);
    if ((path[0] != '\0' && strcmp(path, "/") != 0) || query || fragment)
        return refuse(text, _("nothing may follow the host and port"), error);
    if (self->user && !is_plain(self->user, "._-", USER_MAX))
        return refuse(text,
                      _("a user name has letters, digits, “.”, “_” and “-” and does not begin with "
                        "“-”"),
                      error);
    /* colons and a zone are those of an IPv6 address in brackets, which g_uri_split() takes off */
    if (!is_plain(self->host, strchr(text, '[') ? ".:%_-" : "._-", HOST_MAX))
        return refuse(text,
                      _("a host name has letters, digits, “.”, “_” and “-” and does not begin with "
                        "“-”"),
                      error);
    self->port = port < 0 ? 0 : (guint)port;
    return TRUE;
}

VfAddress *
vf_address_parse(const char *text, GError **error)
{
    g_autoptr(VfAddress) self = g_new0(VfAddress, 1);
    gboolean good;

    if (!text)
        return g_steal_pointer(&self);
    self->text = g_strdup(text);
    if (g_str_has_prefix(text, "ssh://")) {
        good = parse_ssh(self, text, error);
    } else if (!g_str_has_prefix(text, "unix:")) {
        good = refuse(text, _("it must be ssh://[user@]host[:port], or unix:… for a D-Bus address"),
                      error);
    } else if (strchr(text, ';')) {
        /* a list could hide a unixexec: behind the unix: */
        good = refuse(text, _("it must be a single D-Bus address"), error);
    } else {
        self->bus = g_strdup(text);
        good = TRUE;
    }
    return good ? g_steal_pointer(&self) : NULL;
}

const char *
vf_address_get_label(const VfAddress *self)
{
    if (self->host)
        return self->host;
    return self->bus ? self->bus : g_get_host_name();
}

char **
vf_address_get_command(const VfAddress *self, gboolean batch, const char *command)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *port = g_strdup_printf("%u", self->port);

    g_return_val_if_fail(self->host, NULL);
    /* An existing master connection of the user is used, but we never leave one behind. A dead link
     * is noticed after a quarter of a minute, since the answers to Finish and Release would
     * otherwise never come. */
    g_strv_builder_add_many(argv, "ssh", "-T", "-x", "-o", "ControlMaster=no", "-o",
                            "ClearAllForwardings=yes", "-o", "ConnectTimeout=15", "-o",
                            "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o",
                            batch ? "BatchMode=yes" : "BatchMode=no", NULL);
    if (self->port > 0)
        g_strv_builder_add_many(argv, "-p", port, NULL);
    if (self->user)
        g_strv_builder_add_many(argv, "-l", self->user, NULL);
    g_strv_builder_add_many(argv, "--", self->host, command, NULL);
    return g_strv_builder_end(argv);
}
