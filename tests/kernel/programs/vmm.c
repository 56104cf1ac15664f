/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CALL_MS 20000

Vmm *
vmm_new(const char *name, guint64 offset)
{
    Vmm *self = g_new0(Vmm, 1);

    self->container = self->group = self->fd = -1;
    self->offset = offset;
    self->name = g_strdup(name);
    return self;
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void
vmm_free(Vmm *self)
{
    close_fd(self->fd);
    close_fd(self->group);
    close_fd(self->container);
    g_clear_pointer(&self->marker, g_bytes_unref);
    g_clear_object(&self->lent);
    g_free(self->name);
    g_free(self);
}

static gboolean
is_hex(const char *text)
{
    gsize n = strlen(text);

    return n > 0 && n % 2 == 0 && strspn(text, "0123456789abcdefABCDEF") == n;
}

GBytes *
vmm_parse_marker(const char *text)
{
    const char *digits = text && g_str_has_prefix(text, "0x") ? text + 2 : text;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (!text)
        return NULL;
    if (!is_hex(digits))
        return g_bytes_new(text, strlen(text));
    for (; digits[0] != '\0'; digits += 2) {
        guint8 byte =
            (guint8)(g_ascii_xdigit_value(digits[0]) << 4 | g_ascii_xdigit_value(digits[1]));

        g_byte_array_append(bytes, &byte, 1);
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

static gboolean
fail(GError **error, const char *what)
{
    int errnum = errno;

    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errnum), "%s: %s", what,
                g_strerror(errnum));
    return FALSE;
}

/* The device's directory in sysfs, or NULL. */
static char *
find_device(const char *name)
{
    static const char *const buses[] = {"mdev", "pci"};

    for (gsize i = 0; i < G_N_ELEMENTS(buses); i++) {
        g_autofree char *path = g_strdup_printf("/sys/bus/%s/devices/%s", buses[i], name);

        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            return g_steal_pointer(&path);
    }
    return NULL;
}

static int
open_group(const char *name)
{
    g_autofree char *device = find_device(name);
    g_autofree char *link = device ? g_build_filename(device, "iommu_group", NULL) : NULL;
    g_autofree char *target = link ? g_file_read_link(link, NULL) : NULL;
    g_autofree char *number = target ? g_path_get_basename(target) : NULL;
    g_autofree char *path = number ? g_build_filename("/dev/vfio", number, NULL) : NULL;

    if (path)
        return g_open(path, O_RDWR | O_CLOEXEC, 0);
    errno = ENODEV;
    return -1;
}

static int
open_node(const char *name)
{
    g_autofree char *device = find_device(name);
    g_autofree char *folder = device ? g_build_filename(device, "vfio-dev", NULL) : NULL;
    g_autoptr(GDir) dir = folder ? g_dir_open(folder, 0, NULL) : NULL;
    const char *node = dir ? g_dir_read_name(dir) : NULL;
    g_autofree char *path = node ? g_build_filename("/dev/vfio/devices", node, NULL) : NULL;

    if (path)
        return g_open(path, O_RDWR | O_CLOEXEC, 0);
    errno = ENODEV;
    return -1;
}

/* Documentation/driver-api/vfio.rst, "VFIO Device cdev" */
gboolean
vmm_open_node(Vmm *self, GError **error)
{
    struct {
        guint32 argsz, flags;
        gint32 iommufd;
        guint32 out_devid;
    } bind = {.argsz = sizeof bind}; /* struct vfio_device_bind_iommufd, since Linux 6.6 */

    self->container = g_open("/dev/iommu", O_RDWR | O_CLOEXEC, 0);
    if (self->container < 0)
        return fail(error, "/dev/iommu");
    self->fd = open_node(self->name);
    if (self->fd < 0)
        return fail(error, self->name);
    bind.iommufd = self->container;
    return ioctl(self->fd, _IO(VFIO_TYPE, VFIO_BASE + 18), &bind) == 0 ||
           fail(error, "VFIO_DEVICE_BIND_IOMMUFD");
}

/* Documentation/driver-api/vfio.rst, "VFIO Usage Example" */
gboolean
vmm_open(Vmm *self, GError **error)
{
    self->container = g_open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC, 0);
    if (self->container < 0)
        return fail(error, "/dev/vfio/vfio");
    self->group = open_group(self->name);
    if (self->group < 0)
        return fail(error, self->name);
    if (ioctl(self->group, VFIO_GROUP_SET_CONTAINER, &self->container) < 0)
        return fail(error, "VFIO_GROUP_SET_CONTAINER");
    if (ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
        return fail(error, "VFIO_SET_IOMMU");
    self->fd = ioctl(self->group, VFIO_GROUP_GET_DEVICE_FD, self->name);
    return self->fd >= 0 || fail(error, "VFIO_GROUP_GET_DEVICE_FD");
}

void
vmm_take_fd(Vmm *self, int fd)
{
    close_fd(self->fd);
    self->fd = fd;
}

static gboolean
find_marker(Vmm *self, off_t *position, GError **error)
{
    struct vfio_region_info info = {.argsz = sizeof info, .index = 0};

    if (ioctl(self->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
        return fail(error, "VFIO_DEVICE_GET_REGION_INFO");
    *position = (off_t)(info.offset + self->offset);
    return TRUE;
}

gboolean
vmm_write_marker(Vmm *self, GError **error)
{
    gsize size;
    const void *data = g_bytes_get_data(self->marker, &size);
    off_t position;

    if (!find_marker(self, &position, error))
        return FALSE;
    if (pwrite(self->fd, data, size, position) == (gssize)size)
        return TRUE;
    return fail(error, "writing the marker");
}

GBytes *
vmm_read_marker(Vmm *self, GError **error)
{
    gsize size = self->marker ? g_bytes_get_size(self->marker) : 1;
    g_autofree guint8 *data = g_malloc0(size);
    off_t position;

    if (!find_marker(self, &position, error))
        return NULL;
    if (pread(self->fd, data, size, position) == (gssize)size)
        return g_bytes_new_take(g_steal_pointer(&data), size);
    (void)fail(error, "reading the marker");
    return NULL;
}

/* linux/vfio.h, enum vfio_device_mig_state; Debian 12's header ends before PRE_COPY. */
static const char *
read_state(int fd)
{
    static const char *const names[] = {"ERROR",    "STOP",        "RUNNING",  "STOP_COPY",
                                        "RESUMING", "RUNNING_P2P", "PRE_COPY", "PRE_COPY_P2P"};
    union {
        struct vfio_device_feature feature;
        guint8
            room[sizeof(struct vfio_device_feature) + sizeof(struct vfio_device_feature_mig_state)];
    } request = {.feature = {
                     .argsz = sizeof request,
                     .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
                 }};
    struct vfio_device_feature_mig_state state = {0};

    if (ioctl(fd, VFIO_DEVICE_FEATURE, &request) < 0)
        return "none";
    memcpy(&state, request.feature.data, sizeof state);
    return state.device_state < G_N_ELEMENTS(names) ? names[state.device_state] : "unknown";
}

gboolean
vmm_print(Vmm *self, const char *word, GError **error)
{
    g_autoptr(GBytes) bytes = vmm_read_marker(self, error);
    g_autoptr(GString) hex = g_string_new(NULL);
    const guint8 *data;
    gsize size;

    if (!bytes)
        return FALSE;
    data = g_bytes_get_data(bytes, &size);
    for (gsize i = 0; i < size; i++)
        g_string_append_printf(hex, "%02x", data[i]);
    if (g_utf8_validate((const char *)data, (gssize)size, NULL) && g_ascii_isprint(data[0]))
        g_string_append_printf(hex, " “%.*s”", (int)size, (const char *)data);
    printf("%s %s state %s\n", word, hex->str, read_state(self->fd));
    fflush(stdout);
    return TRUE;
}

gboolean
vmm_lend(Vmm *self, GDBusConnection *bus, const char *path, gboolean keep, GError **error)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    g_autoptr(VferryDevice) device = NULL;
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

    if (keep)
        g_variant_dict_insert(&options, "keep", "b", TRUE);
    device = vferry_device_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_NONE, VFERRY_BUS_NAME, path, NULL,
                                          error);
    if (!device || g_unix_fd_list_append(fds, self->fd, error) < 0)
        return FALSE;
    if (!vferry_device_call_lend_sync(device, g_variant_new_handle(0), g_variant_dict_end(&options),
                                      G_DBUS_CALL_FLAGS_NONE, CALL_MS, fds, NULL, NULL, error))
        return FALSE;
    g_set_object(&self->lent, device);
    puts("lent");
    fflush(stdout);
    return TRUE;
}

gboolean
vmm_reclaim(Vmm *self, GError **error)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) handle = NULL;

    if (!self->lent) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s is not lent", self->name);
        return FALSE;
    }
    if (!vferry_device_call_reclaim_sync(self->lent, g_variant_new("a{sv}", NULL),
                                         G_DBUS_CALL_FLAGS_NONE, CALL_MS, NULL, &handle, &fds, NULL,
                                         error))
        return FALSE;
    g_clear_object(&self->lent);
    puts("reclaimed");
    fflush(stdout);
    return TRUE;
}

gboolean
vmm_reset(Vmm *self, GError **error)
{
    if (ioctl(self->fd, VFIO_DEVICE_RESET) < 0)
        return fail(error, "VFIO_DEVICE_RESET");
    puts("reset");
    fflush(stdout);
    return TRUE;
}

static gboolean
on_print(gpointer vmm)
{
    g_autoptr(GError) error = NULL;

    if (!vmm_print(vmm, "holds", &error))
        (void)vmm_fail(error);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_reclaim(gpointer vmm)
{
    g_autoptr(GError) error = NULL;

    if (!vmm_reclaim(vmm, &error))
        (void)vmm_fail(error);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_reset(gpointer vmm)
{
    g_autoptr(GError) error = NULL;

    if (!vmm_reset(vmm, &error))
        (void)vmm_fail(error);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_end(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

int
vmm_serve(Vmm *self)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);

    (void)g_unix_signal_add(SIGUSR1, on_print, self);
    (void)g_unix_signal_add(SIGUSR2, on_reclaim, self);
    (void)g_unix_signal_add(SIGHUP, on_reset, self);
    (void)g_unix_signal_add(SIGTERM, on_end, loop);
    (void)g_unix_signal_add(SIGINT, on_end, loop);
    g_main_loop_run(loop);
    return 0;
}

int
vmm_fail(const GError *error)
{
    /* with the bus name of a remote error in front, which tests look for */
    g_printerr("%s: %s\n", g_get_prgname(), error->message);
    return 1;
}
