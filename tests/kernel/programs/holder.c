/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for a VMM at the source: opens a device, writes a marker into it, lends it, and goes
 * on. */
#include "vmm.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <locale.h>

/* The 16550's scratch register, which means nothing to the device; mtty has one in BAR0. */
#define SCRATCH_OFFSET 7

typedef struct {
    char *marker;
    gint64 offset;
    gboolean scratch;
    gboolean lend;
    gboolean keep;
    gboolean no_open;
    gboolean node;
    gboolean leave;
} Options;

static gboolean
parse(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"marker", 0, 0, G_OPTION_ARG_STRING, &options->marker, "Write this into region 0",
         "HEX|TEXT"},
        {"offset", 0, 0, G_OPTION_ARG_INT64, &options->offset, "where in region 0 (default: 0)",
         "BYTES"},
        {"scratch", 0, 0, G_OPTION_ARG_NONE, &options->scratch,
         "at a UART's scratch register, one byte", NULL},
        {"lend", 0, 0, G_OPTION_ARG_NONE, &options->lend, "Lend it to vferryd", NULL},
        {"keep", 0, 0, G_OPTION_ARG_NONE, &options->keep, "for longer than we live", NULL},
        {"no-open", 0, 0, G_OPTION_ARG_NONE, &options->no_open,
         "Do not open it: lend /dev/null instead", NULL},
        {"node", 0, 0, G_OPTION_ARG_NONE, &options->node,
         "Open it through its own node and iommufd, not through its group", NULL},
        {"exit", 0, 0, G_OPTION_ARG_NONE, &options->leave, "End at once", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("UUID");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc == 2 && options->offset >= 0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "which device?");
    return FALSE;
}

static gboolean
open_device(Vmm *vmm, const Options *options, GError **error)
{
    if (options->no_open) {
        vmm_take_fd(vmm, g_open("/dev/null", O_RDWR | O_CLOEXEC, 0));
        return TRUE;
    }
    if (!(options->node ? vmm_open_node : vmm_open)(vmm, error))
        return FALSE;
    return !vmm->marker || (vmm_write_marker(vmm, error) && vmm_print(vmm, "wrote", error));
}

static gboolean
lend(Vmm *vmm, GDBusConnection *bus, gboolean keep, GError **error)
{
    g_autofree char *path = NULL;
    g_autoptr(VferryManager) manager = vferry_manager_proxy_new_sync(
        bus, G_DBUS_PROXY_FLAGS_NONE, VFERRY_BUS_NAME, VFERRY_OBJECT_ROOT, NULL, error);

    if (!manager || !vferry_manager_call_lookup_sync(manager, vmm->name, G_DBUS_CALL_FLAGS_NONE, -1,
                                                     &path, NULL, error))
        return FALSE;
    return vmm_lend(vmm, bus, path, keep, error);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(Vmm) vmm = NULL;
    Options options = {0};

    setlocale(LC_ALL, "");
    if (!parse(&options, &argc, &argv, &error))
        return vmm_fail(error) + 2;
    vmm = vmm_new(argv[1], options.scratch ? SCRATCH_OFFSET : (guint64)options.offset);
    vmm->marker = vmm_parse_marker(options.marker);
    g_free(options.marker);
    if (!open_device(vmm, &options, &error))
        return vmm_fail(error);
    if (options.lend) {
        bus = vferry_connect_sync(NULL, NULL, &error);
        if (!bus || !lend(vmm, bus, options.keep, &error))
            return vmm_fail(error);
    }
    return options.leave ? 0 : vmm_serve(vmm);
}
