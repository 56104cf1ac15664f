/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "error.h"

#include <gio/gio.h>

#include "names.h"

static const GDBusErrorEntry entries[] = {
    {VFERRY_ERROR_FAILED, VF_ERROR_PREFIX "Failed"},
    {VFERRY_ERROR_INVALID_ARGUMENT, VF_ERROR_PREFIX "InvalidArgument"},
    {VFERRY_ERROR_INVALID_XML, VF_ERROR_PREFIX "InvalidXml"},
    {VFERRY_ERROR_UNKNOWN_OPTION, VF_ERROR_PREFIX "UnknownOption"},
    {VFERRY_ERROR_NOT_FOUND, VF_ERROR_PREFIX "NotFound"},
    {VFERRY_ERROR_NOT_SUPPORTED, VF_ERROR_PREFIX "NotSupported"},
    {VFERRY_ERROR_NOT_AUTHORIZED, VF_ERROR_PREFIX "NotAuthorized"},
    {VFERRY_ERROR_BUSY, VF_ERROR_PREFIX "Busy"},
    {VFERRY_ERROR_NO_ROOM, VF_ERROR_PREFIX "NoRoom"},
    {VFERRY_ERROR_INCOMPATIBLE, VF_ERROR_PREFIX "Incompatible"},
    {VFERRY_ERROR_UNKNOWN, VF_ERROR_PREFIX "Unknown"},
    {VFERRY_ERROR_PEER, VF_ERROR_PREFIX "Peer"},
    {VFERRY_ERROR_DEVICE, VF_ERROR_PREFIX "Device"},
    {VFERRY_ERROR_CANCELLED, VF_ERROR_PREFIX "Cancelled"},
    {VFERRY_ERROR_IN_DOUBT, VF_ERROR_PREFIX "InDoubt"},
    {VFERRY_ERROR_LIMIT_EXCEEDED, VF_ERROR_PREFIX "LimitExceeded"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(entries) == VF_N_ERRORS);

GQuark
vferry_error_quark(void)
{
    static gsize quark = 0;

    g_dbus_error_register_error_domain("vferry-error-quark", &quark, entries,
                                       G_N_ELEMENTS(entries));
    return (GQuark)quark;
}

const char *
vf_error_to_name(VferryError code)
{
    g_return_val_if_fail((guint)code < G_N_ELEMENTS(entries), entries[0].dbus_error_name);
    return entries[code].dbus_error_name;
}

gboolean
vf_error_from_name(const char *name, VferryError *code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(entries); i++)
        if (g_str_equal(entries[i].dbus_error_name, name)) {
            *code = (VferryError)entries[i].error_code;
            return TRUE;
        }
    return FALSE;
}

gboolean
vf_error_errno(GError **error, VferryError code, int errnum, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, VFERRY_ERROR, code, "%s: %s", what, g_strerror(errnum));
    return FALSE;
}
