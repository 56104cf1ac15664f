/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "udev.h"

#include <errno.h>

#include <glib-unix.h>
#include <glib/gi18n-lib.h>
#include <libudev.h>

#include "error.h"
#include "io.h"
#include "names.h"
#include "sysfs.h"

/* Events of a creation storm wait here while the daemon reads sysfs; needs CAP_NET_ADMIN, else the
 * default stays */
#define RECEIVE_BUFFER (16 * 1024 * 1024)
#define TAG "vferry"

typedef struct udev_device udev_device;
typedef struct udev_enumerate udev_enumerate;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(udev_device, udev_device_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(udev_enumerate, udev_enumerate_unref)

#define EVENTS_PER_TURN 64 /* then the main loop does something else first */

/* Two monitors, both filtered in the kernel so that a busy host's other events never wake the
 * daemon. Filters by subsystem and by tag exclude each other (both must match, see
 * udev_monitor_filter_add_match_tag(3)), and a parent may be of any subsystem (mtty, pci, ccw …):
 * our udev rule tags what announces itself with MDEV_STATE. Events of the two come in no particular
 * order, which is no matter: every event only says where to look again. */
enum { MONITOR_DEVICES, MONITOR_PARENTS, N_MONITORS };

struct _VfUdev {
    GObject parent;

    struct udev *udev;
    struct udev_monitor *monitors[N_MONITORS];
    guint sources[N_MONITORS];
};

G_DEFINE_TYPE(VfUdev, vf_udev, G_TYPE_OBJECT)

static void
emit(VfUdev *self, struct udev_device *device, const char *action)
{
    VfUdevEvent event = {
        .action = action,
        .subsystem = udev_device_get_subsystem(device),
        .name = udev_device_get_sysname(device),
        .sysfs_path = udev_device_get_syspath(device),
        .mdev_state = udev_device_get_property_value(device, "MDEV_STATE"),
    };

    if (event.action && event.subsystem && event.name && event.sysfs_path)
        g_signal_emit_by_name(self, "event", &event);
}

static gboolean
receive(VfUdev *self, struct udev_monitor *monitor)
{
    for (guint i = 0; i < EVENTS_PER_TURN; i++) {
        g_autoptr(udev_device) device = NULL;

        errno = 0;
        device = udev_monitor_receive_device(monitor);
        if (!device && errno == ENOBUFS) {
            g_warning("udev events were lost; looking at everything again");
            g_signal_emit_by_name(self, "overrun");
        }
        if (!device)
            break;
        emit(self, device, udev_device_get_action(device));
    }
    return G_SOURCE_CONTINUE;
}

static gboolean
on_devices(gint fd, GIOCondition condition, gpointer data)
{
    VfUdev *self = data;

    return receive(self, self->monitors[MONITOR_DEVICES]);
}

static gboolean
on_parents(gint fd, GIOCondition condition, gpointer data)
{
    VfUdev *self = data;

    return receive(self, self->monitors[MONITOR_PARENTS]);
}

static gboolean
listen_to(VfUdev *self, guint which, GUnixFDSourceFunc callback, GError **error)
{
    struct udev_monitor *monitor = self->monitors[which];
    int r;

    (void)udev_monitor_set_receive_buffer_size(monitor, RECEIVE_BUFFER);
    r = udev_monitor_enable_receiving(monitor);
    if (r < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, -r, _("cannot listen to udev"));
    self->sources[which] =
        g_unix_fd_add(udev_monitor_get_fd(monitor), G_IO_IN | G_IO_ERR, callback, self);
    return TRUE;
}

static gboolean
open_monitors(VfUdev *self, GError **error)
{
    self->udev = udev_new();
    for (guint i = 0; i < N_MONITORS; i++) {
        /* "udev": after the rules, when names and permissions of nodes are settled */
        self->monitors[i] = self->udev ? udev_monitor_new_from_netlink(self->udev, "udev") : NULL;
        if (!self->monitors[i])
            return vf_error_errno(error, VFERRY_ERROR_FAILED, errno, _("cannot reach udev"));
    }
    udev_monitor_filter_add_match_subsystem_devtype(self->monitors[MONITOR_DEVICES],
                                                    VF_SUBSYSTEM_MDEV, NULL);
    udev_monitor_filter_add_match_subsystem_devtype(self->monitors[MONITOR_DEVICES],
                                                    VF_SUBSYSTEM_VFIO_DEV, NULL);
    udev_monitor_filter_add_match_subsystem_devtype(self->monitors[MONITOR_DEVICES],
                                                    VF_SUBSYSTEM_PCI, NULL);
    udev_monitor_filter_add_match_tag(self->monitors[MONITOR_PARENTS], TAG);
    return listen_to(self, MONITOR_DEVICES, on_devices, error) &&
           listen_to(self, MONITOR_PARENTS, on_parents, error);
}

static void
enumerate_parents(VfUdev *self)
{
    vf_autofd int fd = vf_sysfs_open_dir(VF_SYSFS_MDEV_PARENTS, NULL);
    g_auto(GStrv) names = fd < 0 ? NULL : vf_sysfs_list(fd, NULL);

    for (guint i = 0; names && names[i]; i++) {
        g_autofree char *path = g_build_filename(VF_SYSFS_MDEV_PARENTS, names[i], NULL);
        VfUdevEvent event = {"add", "mdev_bus", names[i], path, "registered"};

        g_signal_emit_by_name(self, "event", &event);
    }
}

static gboolean
enumerate_devices(VfUdev *self, GError **error)
{
    g_autoptr(udev_enumerate) enumerate = udev_enumerate_new(self->udev);
    struct udev_list_entry *entry;
    int r;

    udev_enumerate_add_match_subsystem(enumerate, VF_SUBSYSTEM_MDEV);
    udev_enumerate_add_match_subsystem(enumerate, VF_SUBSYSTEM_PCI);
    r = udev_enumerate_scan_devices(enumerate);
    if (r < 0)
        return vf_error_errno(error, VFERRY_ERROR_FAILED, -r,
                              _("cannot list mdevs and PCI functions"));
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
    {
        g_autoptr(udev_device) device =
            udev_device_new_from_syspath(self->udev, udev_list_entry_get_name(entry));

        if (device) /* else it has gone meanwhile */
            emit(self, device, "add");
    }
    return TRUE;
}

gboolean
vf_udev_enumerate(VfUdev *self, GError **error)
{
    enumerate_parents(self);
    return enumerate_devices(self, error);
}

VfUdev *
vf_udev_new(GError **error)
{
    g_autoptr(VfUdev) self = g_object_new(VF_TYPE_UDEV, NULL);

    return open_monitors(self, error) ? g_steal_pointer(&self) : NULL;
}

static void
vf_udev_finalize(GObject *object)
{
    VfUdev *self = VF_UDEV(object);

    for (guint i = 0; i < N_MONITORS; i++) {
        g_clear_handle_id(&self->sources[i], g_source_remove);
        g_clear_pointer(&self->monitors[i], udev_monitor_unref);
    }
    g_clear_pointer(&self->udev, udev_unref);
    G_OBJECT_CLASS(vf_udev_parent_class)->finalize(object);
}

static void
vf_udev_class_init(VfUdevClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);
    GType type = G_TYPE_FROM_CLASS(class);

    object_class->finalize = vf_udev_finalize;
    g_signal_new("event", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                 G_TYPE_POINTER);
    g_signal_new("overrun", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
vf_udev_init(VfUdev *self)
{
}
