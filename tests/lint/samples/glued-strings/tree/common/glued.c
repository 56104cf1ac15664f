/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n-lib.h>

void
say(guint64 bytes, gsize size)
{
    g_print(_("moved %" PRIu64 " bytes of %zu"), bytes, size);
    g_print(_("moved %" G_GUINT64_FORMAT " bytes"), bytes);
    g_print("moved %" G_GUINT64_FORMAT " bytes, %s", bytes, _("all"));
    g_print(_("%" PRIu64 " bytes at "
              "%#" G_GINT64_MODIFIER "x"),
            bytes, bytes);
}
