/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "exit.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "error.h"
#include "names.h"
#include "text-view.h"

static VfExit
exit_from_code(VferryError code)
{
    switch (code) {
    case VFERRY_ERROR_INVALID_ARGUMENT:
    case VFERRY_ERROR_INVALID_XML:
    case VFERRY_ERROR_UNKNOWN_OPTION:
    case VFERRY_ERROR_NOT_FOUND:
        return VF_EXIT_INPUT;
    case VFERRY_ERROR_NOT_AUTHORIZED:
        return VF_EXIT_UNAUTHORIZED;
    case VFERRY_ERROR_UNKNOWN:
    case VFERRY_ERROR_IN_DOUBT:
        return VF_EXIT_UNKNOWN;
    case VFERRY_ERROR_FAILED:
    case VFERRY_ERROR_NOT_SUPPORTED:
    case VFERRY_ERROR_BUSY:
    case VFERRY_ERROR_NO_ROOM:
    case VFERRY_ERROR_INCOMPATIBLE:
    case VFERRY_ERROR_PEER:
    case VFERRY_ERROR_DEVICE:
    case VFERRY_ERROR_CANCELLED:
    case VFERRY_ERROR_LIMIT_EXCEEDED:
    default:
        return VF_EXIT_FAILED;
    }
}

/* GLib 2.74 has no code for it. */
static gboolean
needs_interaction(const GError *error)
{
    g_autofree char *name = g_dbus_error_get_remote_error(error);

    return g_strcmp0(name, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") == 0;
}

VfExit
vf_exit_from_error(const GError *error)
{
    if (error->domain == VFERRY_ERROR)
        return exit_from_code((VferryError)error->code);
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED) || needs_interaction(error))
        return VF_EXIT_UNAUTHORIZED;
    return VF_EXIT_INPUT;
}

char *
vf_exit_message(const GError *error)
{
    g_autoptr(GError) copy = g_error_copy(error);

    g_dbus_error_strip_remote_error(copy);
    return vf_text_printable(copy->message);
}

char *
vf_exit_error_name(const GError *error)
{
    char *name;

    if (error->domain == VFERRY_ERROR)
        return g_strdup(vf_error_to_name((VferryError)error->code));
    name = g_dbus_error_get_remote_error(error);
    return name ? name : g_strdup(VF_ERROR_PREFIX "Failed");
}

/* org.vferry1.override is not in the shipped rule: who may run decides about other people's guests.
 */
static void
print_grant(const char *message, const char *where, const char *action)
{
    /* our daemon says it already, the bus itself does not */
    if (!strstr(message, action))
        g_printerr(_("It needs the polkit action %s at %s, which root has.\n"), action,
                   where ? where : _("this host"));
    if (g_str_equal(action, VF_ACTION_OVERRIDE))
        return;
    g_printerr(_("An administrator there gives it to the members of the group “vferry” with the "
                 "rule that comes with vferryd:\n"));
    g_printerr("  cp %s/vferry-group.rules /etc/polkit-1/rules.d/50-vferry-group.rules\n",
               VF_DATADIR);
}

VfExit
vf_exit_report(const GError *error, const char *where, const char *action)
{
    g_autofree char *message = vf_exit_message(error);
    VfExit status = vf_exit_from_error(error);

    if (where)
        g_printerr("vferryctl: %s: %s\n", where, message);
    else
        g_printerr("vferryctl: %s\n", message);
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN))
        g_printerr(
            _("Is vferryd installed and running there? “systemctl status vferryd” tells.\n"));
    if (status == VF_EXIT_UNAUTHORIZED && action)
        print_grant(message, where, action);
    return status;
}

VfExit
vf_exit_report_unanswered(const GError *error)
{
    VfExit status = vf_exit_report(error, NULL, NULL);

    return status == VF_EXIT_FAILED ? VF_EXIT_INPUT : status;
}
