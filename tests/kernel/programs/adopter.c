/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for a VMM at the destination: adopts a loaded device and looks whether the marker came
 * along. It can also give a lease back, as an owner who has changed his mind. */
#include "vmm.h"

#include <gio/gunixfdlist.h>
#include <locale.h>
#include <stdio.h>

#define SCRATCH_OFFSET 7
#define CALL_MS 20000
#define RETRY_US (G_USEC_PER_SEC / 10)

typedef struct {
    char *expect;
    gint64 offset;
    int wait;
    gboolean scratch;
    gboolean lend;
    gboolean stay;
    gboolean release;
} Options;

static gboolean
parse(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"expect", 0, 0, G_OPTION_ARG_STRING, &options->expect,
         "End with 1 if this is not in region 0", "HEX|TEXT"},
        {"offset", 0, 0, G_OPTION_ARG_INT64, &options->offset, "where in region 0 (default: 0)",
         "BYTES"},
        {"scratch", 0, 0, G_OPTION_ARG_NONE, &options->scratch,
         "at a UART's scratch register, one byte", NULL},
        {"wait", 0, 0, G_OPTION_ARG_INT, &options->wait, "Try so long while it is not loaded",
         "SECONDS"},
        {"lend", 0, 0, G_OPTION_ARG_NONE, &options->lend, "Lend it to vferryd again and stay",
         NULL},
        {"release", 0, 0, G_OPTION_ARG_NONE, &options->release,
         "Do not adopt it: release the lease", NULL},
        {"stay", 0, 0, G_OPTION_ARG_NONE, &options->stay, "Keep it open", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("LEASE|JOB|any");

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc == 2 && options->offset >= 0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "which lease?");
    return FALSE;
}

static gboolean
lease_matches(VferryLease *lease, const char *id)
{
    return (g_str_equal(id, "any") && g_strcmp0(vferry_lease_get_state(lease), "adopted") != 0) ||
           g_strcmp0(g_dbus_proxy_get_object_path(G_DBUS_PROXY(lease)), id) == 0 ||
           g_strcmp0(vferry_lease_get_id(lease), id) == 0 ||
           g_strcmp0(vferry_lease_get_job_uuid(lease), id) == 0;
}

static VferryLease *
find_lease(GDBusConnection *bus, const char *id, GError **error)
{
    g_autoptr(GDBusObjectManager) manager = vferry_objects_sync(bus, NULL, error);
    g_autolist(GDBusObject) objects = NULL;

    if (!manager)
        return NULL;
    objects = g_dbus_object_manager_get_objects(manager);
    for (GList *l = objects; l; l = l->next) {
        VferryLease *lease = vferry_object_peek_lease(VFERRY_OBJECT(l->data));

        if (lease && lease_matches(lease, id))
            return g_object_ref(lease);
    }
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_FOUND, "there is no lease %s", id);
    return NULL;
}

static GUnixFDList *
adopt(VferryLease *lease, int seconds, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    g_autoptr(GError) local = NULL;
    g_autoptr(GVariant) handles = NULL;
    GUnixFDList *fds = NULL;

    while (!vferry_lease_call_adopt_sync(lease, g_variant_new("a{sv}", NULL),
                                         G_DBUS_CALL_FLAGS_NONE, CALL_MS, NULL, &handles, &fds,
                                         NULL, &local)) {
        if (!g_error_matches(local, VFERRY_ERROR, VFERRY_ERROR_BUSY) ||
            g_get_monotonic_time() >= deadline) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        g_clear_error(&local);
        g_usleep(RETRY_US);
    }
    return fds;
}

static gboolean
take_device(Vmm *vmm, VferryLease *lease, int seconds, GError **error)
{
    g_autoptr(GUnixFDList) fds = adopt(lease, seconds, error);
    int fd;

    if (!fds)
        return FALSE;
    fd = g_unix_fd_list_get(fds, 0, error);
    if (fd < 0)
        return FALSE;
    vmm_take_fd(vmm, fd);
    return vmm_print(vmm, "adopted", error);
}

static gboolean
check_marker(Vmm *vmm, GError **error)
{
    g_autoptr(GBytes) found = vmm_read_marker(vmm, error);

    if (!found)
        return FALSE;
    if (!vmm->marker || g_bytes_equal(found, vmm->marker))
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the marker did not come along");
    return FALSE;
}

static int
release(VferryLease *lease)
{
    g_autoptr(GError) error = NULL;

    if (!vferry_lease_call_release_sync(lease, g_variant_new("a{sv}", NULL), G_DBUS_CALL_FLAGS_NONE,
                                        CALL_MS, NULL, &error))
        return vmm_fail(error);
    puts("released");
    return 0;
}

static int
run(GDBusConnection *bus, Vmm *vmm, const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VferryLease) lease = find_lease(bus, vmm->name, &error);
    g_auto(GStrv) devices = NULL;

    if (!lease)
        return vmm_fail(error);
    if (options->release)
        return release(lease);
    devices = vferry_lease_dup_devices(lease);
    if (!take_device(vmm, lease, options->wait, &error) || !check_marker(vmm, &error))
        return vmm_fail(error);
    if (options->lend && !(devices && devices[0] && vmm_lend(vmm, bus, devices[0], FALSE, &error)))
        return error ? vmm_fail(error) : 1;
    return options->lend || options->stay ? vmm_serve(vmm) : 0;
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
    vmm->marker = vmm_parse_marker(options.expect);
    g_free(options.expect);
    bus = vferry_connect_sync(NULL, NULL, &error);
    return bus ? run(bus, vmm, &options) : vmm_fail(error);
}
