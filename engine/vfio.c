/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "io.h"
#include "uapi.h"

#define CONTAINER_PATH "/dev/vfio/vfio"
#define IOMMUFD_PATH "/dev/iommu"
#define NODES_PATH "/dev/vfio/devices"

typedef struct {
    VfBackend parent;
    int fd;
    int data_fd; /* of the saving or resuming session; -1 without one */
    gboolean wants_reinit;
    guint64 offset; /* in the data stream, for messages */
} VfVfio;

G_STATIC_ASSERT((int)VF_BACKEND_STOP_COPY == VFIO_MIGRATION_STOP_COPY);
G_STATIC_ASSERT((int)VF_BACKEND_P2P == VFIO_MIGRATION_P2P);
G_STATIC_ASSERT((int)VF_BACKEND_PRE_COPY == VFIO_MIGRATION_PRE_COPY);
G_STATIC_ASSERT((int)VF_STATE_ERROR == VFIO_DEVICE_STATE_ERROR);
G_STATIC_ASSERT((int)VF_STATE_RESUMING == VFIO_DEVICE_STATE_RESUMING);
G_STATIC_ASSERT((int)VF_STATE_RUNNING_P2P == VFIO_DEVICE_STATE_RUNNING_P2P);

/* One VFIO_DEVICE_FEATURE call with @size bytes of payload, in and out; 0 or errno. */
static int
feature(VfVfio *self, guint32 flags, void *payload, gsize size)
{
    union {
        struct vfio_device_feature header;
        char bytes[sizeof(struct vfio_device_feature) + 64];
    } request = {.header = {.flags = flags}};
    int r;

    g_assert(size <= sizeof request.bytes - sizeof request.header);
    request.header.argsz = (guint32)(sizeof request.header + size);
    memcpy(request.header.data, payload, size);
    do
        r = ioctl(self->fd, VFIO_DEVICE_FEATURE, &request);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno;
    memcpy(payload, request.header.data, size);
    return 0;
}

static gboolean
vfio_get_info(VfBackend *backend, VfBackendInfo *info, GError **error)
{
    VfVfio *self = (VfVfio *)backend;
    struct vfio_device_feature_migration migration = {0};
    struct vfio_device_feature_mig_data_size size = {0};
    int errnum = feature(self, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, &migration,
                         sizeof migration);

    if (errnum == ENOTTY) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                            _("the device's driver cannot migrate it"));
        return FALSE;
    }
    if (errnum != 0)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, errnum, _("reading the migration flags"));
    if (!(migration.flags & VFIO_MIGRATION_STOP_COPY)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the migration flags are %#" PRIx64 ", but stop-copy is mandatory"),
                    (guint64)migration.flags);
        return FALSE;
    }
    info->flags =
        (guint)migration.flags & (VF_BACKEND_STOP_COPY | VF_BACKEND_P2P | VF_BACKEND_PRE_COPY);
    /* Kernels before 6.2 do not have it, and a driver may fail it: the size is only an estimate
     * then unknown. */
    info->has_data_size = feature(self, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
                                  &size, sizeof size) == 0;
    info->data_size = info->has_data_size ? size.stop_copy_length : 0;
    return TRUE;
}

static gboolean
vfio_get_state(VfBackend *backend, VfMigrationState *state, GError **error)
{
    struct vfio_device_feature_mig_state mig = {0};
    int errnum =
        feature((VfVfio *)backend, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
                &mig, sizeof mig);

    if (errnum != 0)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, errnum, _("reading the device's state"));
    if (mig.device_state >= VF_N_STATES) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("the device's state is %u, which linux/vfio.h does not have"),
                    mig.device_state);
        return FALSE;
    }
    *state = (VfMigrationState)mig.device_state;
    return TRUE;
}

static gboolean
has_stream(VfMigrationState state)
{
    return state == VF_STATE_STOP_COPY || state == VF_STATE_RESUMING ||
           state == VF_STATE_PRE_COPY || state == VF_STATE_PRE_COPY_P2P;
}

/* A reset in the middle of an arc ends the session, and the kernel composes the way from RUNNING: a
 * second fd in one session is of another one, and what was read before is no part of it. */
static gboolean
take_data_fd(VfVfio *self, VfMigrationState from, VfMigrationState to, int data_fd, GError **error)
{
    gboolean goes_on = has_stream(from) && from != VF_STATE_RESUMING && has_stream(to);

    if (goes_on && data_fd < 0)
        return TRUE;
    vf_io_clear_fd(&self->data_fd);
    self->data_fd = data_fd;
    self->offset = 0;
    if (!goes_on && (!has_stream(to) || data_fd >= 0))
        return TRUE;
    self->parent.began_anew = goes_on;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                goes_on ? _("change of state from %s to %s: the kernel gave a second data fd; the "
                            "device was reset meanwhile")
                        : _("change of state from %s to %s: the kernel gave no data fd"),
                vf_backend_state_name(from), vf_backend_state_name(to));
    return FALSE;
}

static gboolean
vfio_set_state(VfBackend *backend, VfMigrationState from, VfMigrationState to, GError **error)
{
    VfVfio *self = (VfVfio *)backend;
    struct vfio_device_feature_mig_state mig = {.device_state = to, .data_fd = -1};
    int errnum = feature(self, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig,
                         sizeof mig);

    if (errnum != 0)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, errnum,
                              _("change of state from %s to %s"), vf_backend_state_name(from),
                              vf_backend_state_name(to));
    return take_data_fd(self, from, to, mig.data_fd, error);
}

static VfReadResult
vfio_read(VfBackend *backend, void *buffer, gsize size, gsize *n, GError **error)
{
    VfVfio *self = (VfVfio *)backend;
    ssize_t r;

    do
        r = read(self->data_fd, buffer, size);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == ENOMSG)
        return VF_READ_DRY;
    if (r < 0) {
        vf_error_errno(error, VFERRY_ERROR_DEVICE, errno,
                       _("read of device state at byte %" PRIu64), self->offset);
        return VF_READ_ERROR;
    }
    *n = (gsize)r;
    self->offset += *n;
    return r == 0 ? VF_READ_END : VF_READ_DATA;
}

static gboolean
vfio_write(VfBackend *backend, const void *buffer, gsize size, GError **error)
{
    VfVfio *self = (VfVfio *)backend;
    const char *at = buffer;

    while (size > 0) {
        ssize_t r = write(self->data_fd, at, size);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return vf_error_errno(error, VFERRY_ERROR_DEVICE, r < 0 ? errno : EIO,
                                  _("write of device state at byte %" PRIu64), self->offset);
        at += r;
        size -= (gsize)r;
        self->offset += (guint64)r;
    }
    return TRUE;
}

/* Nothing is lost where it fails: what a kernel that does not know it reports has no such flag. */
static void
vfio_want_reinit(VfBackend *backend)
{
    VfVfio *self = (VfVfio *)backend;
    char none = 0;

    self->wants_reinit =
        feature(self, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, &none, 0) ==
        0;
}

static gboolean
vfio_get_precopy_info(VfBackend *backend, VfPrecopyInfo *info, GError **error)
{
    VfVfio *self = (VfVfio *)backend;
    struct vfio_precopy_info precopy = {.argsz = sizeof precopy};
    int r;

    do
        r = ioctl(self->data_fd, VFIO_MIG_GET_PRECOPY_INFO, &precopy);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, errno,
                              _("asking how much of the state is left"));
    info->initial_bytes = precopy.initial_bytes;
    info->dirty_bytes = precopy.dirty_bytes;
    info->reinit = self->wants_reinit && (precopy.flags & VFIO_PRECOPY_INFO_REINIT);
    return TRUE;
}

static int
vfio_get_poll_fd(VfBackend *backend)
{
    return ((VfVfio *)backend)->data_fd;
}

static void
vfio_free(VfBackend *backend)
{
    VfVfio *self = (VfVfio *)backend;

    vf_io_clear_fd(&self->data_fd);
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

static const VfBackendClass vfio_class = {
    .get_info = vfio_get_info,
    .get_state = vfio_get_state,
    .set_state = vfio_set_state,
    .read = vfio_read,
    .write = vfio_write,
    .want_reinit = vfio_want_reinit,
    .get_precopy_info = vfio_get_precopy_info,
    .get_poll_fd = vfio_get_poll_fd,
    .free = vfio_free,
};

VfBackend *
vf_vfio_new(int device_fd)
{
    VfVfio *self = g_new0(VfVfio, 1);

    self->parent.class = &vfio_class;
    self->fd = device_fd;
    self->data_fd = -1;
    return &self->parent;
}

/* Without @there, a node must be there; with it, -1 and FALSE without an error when the kernel has
 * no such thing. */
static int
open_node(const char *path, gboolean *there, GError **error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    gboolean absent = fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO);

    if (there)
        *there = !absent;
    if (fd < 0 && (!there || !absent))
        vf_error_errno(error, errno == EBUSY ? VFERRY_ERROR_BUSY : VFERRY_ERROR_DEVICE, errno,
                       _("cannot open “%s”"), path);
    return fd;
}

/* mdevs without an IOMMU of their own are in an emulated group: its name in sysfs is
 * "vfio-noiommu", but its node has the ordinary name and it takes a type 1 container like any other
 * (drivers/vfio/group.c, VFIO_EMULATED_IOMMU). A true no-IOMMU group would be /dev/vfio/noiommu-N,
 * which we never open. */
static int
open_group(const char *device, int group, GError **error)
{
    g_autofree char *path = g_strdup_printf("/dev/vfio/%d", group);
    struct vfio_group_status status = {.argsz = sizeof status};
    vf_autofd int container = open_node(CONTAINER_PATH, NULL, error);
    vf_autofd int group_fd = -1;
    int version, fd = -1;

    if (container < 0)
        return -1;
    version = ioctl(container, VFIO_GET_API_VERSION);
    if (version != VFIO_API_VERSION) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("“%s” speaks API version %d, but must speak %d"), CONTAINER_PATH, version,
                    VFIO_API_VERSION);
        return -1;
    }
    group_fd = open_node(path, NULL, error);
    if (group_fd < 0)
        return -1;
    if (ioctl(group_fd, VFIO_GROUP_GET_STATUS, &status) < 0)
        vf_error_errno(error, VFERRY_ERROR_DEVICE, errno, _("reading the status of “%s”"), path);
    else if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                    _("“%s” is not viable: not all devices of the group are bound to VFIO drivers"),
                    path);
    else if (ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container) < 0)
        vf_error_errno(error, VFERRY_ERROR_DEVICE, errno, _("putting “%s” into a container"), path);
    else if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
        vf_error_errno(error, VFERRY_ERROR_DEVICE, errno,
                       _("giving the container of “%s” a type 1 IOMMU"), path);
    else if ((fd = ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, device)) < 0)
        vf_error_errno(error, VFERRY_ERROR_DEVICE, errno, _("opening “%s” in “%s”"), device, path);
    return fd; /* the kernel makes it close-on-exec */
}

/* Nobody may touch a device through its node before this; and it is what opens the device. A second
 * user is EINVAL, which our arguments are no reason for (drivers/vfio/vfio_main.c, vfio_df_open),
 * and a device whose group is open is EBUSY (vfio_device_block_group). */
static gboolean
bind_iommufd(int fd, int iommufd, const char *path, GError **error)
{
    struct vfio_device_bind_iommufd bind = {.argsz = sizeof bind, .iommufd = iommufd};

    if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) == 0)
        return TRUE;
    if (errno != EINVAL && errno != EBUSY)
        return vf_error_errno(error, VFERRY_ERROR_DEVICE, errno, _("binding “%s” to “%s”"), path,
                              IOMMUFD_PATH);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                _("“%s” cannot be bound to “%s”: the device is open elsewhere"), path,
                IOMMUFD_PATH);
    return FALSE;
}

int
vf_vfio_open(const char *device, const char *node, int group, GError **error)
{
    g_autofree char *path = g_build_filename(NODES_PATH, node, NULL);
    vf_autofd int iommufd = -1;
    vf_autofd int fd = -1;
    gboolean there = node[0] != '\0';

    if (there)
        iommufd = open_node(IOMMUFD_PATH, &there, error);
    if (there && iommufd >= 0)
        fd = open_node(path, &there, error);
    if (!there)
        return open_group(device, group, error);
    if (fd < 0 || !bind_iommufd(fd, iommufd, path, error))
        return -1;
    return vf_io_steal_fd(&fd);
}
