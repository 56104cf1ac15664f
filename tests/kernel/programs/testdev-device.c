/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "testdev-device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "engine/uapi.h"

#define SETTLE_SECONDS 5.0

static int
errno_of(ssize_t result)
{
    return result < 0 ? errno : 0;
}

const char *
mig_state_name(unsigned state)
{
    static const char *const names[STATE_COUNT] = {
        "error",    "stop",        "running",  "stop-copy",
        "resuming", "running-p2p", "pre-copy", "pre-copy-p2p",
    };

    return state < STATE_COUNT ? names[state] : "?";
}

double
monotonic_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
sysfs_write(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int error;

    if (fd < 0)
        return errno;
    error = errno_of(write(fd, value, strlen(value)));
    close(fd);
    return error;
}

/* The value without its newline. */
int
sysfs_read(const char *path, char *value, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0)
        return errno;
    length = read(fd, value, size - 1);
    int error = errno_of(length);
    close(fd);
    if (error)
        return error;
    value[length] = '\0';
    value[strcspn(value, "\n")] = '\0';
    return 0;
}

int
device_create(struct device *device, unsigned number, const char *type)
{
    char path[PATH_MAX];

    *device = (struct device){.container = -1, .group = -1, .fd = -1};
    snprintf(device->uuid, sizeof device->uuid, "7e57de00-0000-4000-8000-%012u", number);
    snprintf(path, sizeof path, TESTDEV_PARENT "/mdev_supported_types/%s/create", type);
    return sysfs_write(path, device->uuid);
}

int
device_remove(const struct device *device)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, TESTDEV_DEVICES "/%s/remove", device->uuid);
    return sysfs_write(path, "1");
}

int
device_set(const struct device *device, const char *knob, const char *value)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, TESTDEV_DEVICES "/%s/testdev/%s", device->uuid, knob);
    return sysfs_write(path, value);
}

int
device_get(const struct device *device, const char *knob, char *value, size_t size)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, TESTDEV_DEVICES "/%s/testdev/%s", device->uuid, knob);
    return sysfs_read(path, value, size);
}

/* UINT64_MAX is no count. */
uint64_t
device_count(const struct device *device, const char *knob)
{
    char value[64];

    return device_get(device, knob, value, sizeof value) ? UINT64_MAX : strtoull(value, NULL, 10);
}

/* udev may still be giving the new node its owner: only that it does not exist yet is waited for.
 */
static int
open_group(const struct device *device, int *group)
{
    double deadline = monotonic_seconds() + SETTLE_SECONDS;
    char path[PATH_MAX], target[PATH_MAX];
    ssize_t length;

    snprintf(path, sizeof path, TESTDEV_DEVICES "/%s/iommu_group", device->uuid);
    length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return errno;
    target[length] = '\0';
    snprintf(path, sizeof path, "/dev/vfio/%.32s", strrchr(target, '/') + 1);
    do {
        *group = open(path, O_RDWR | O_CLOEXEC);
    } while (*group < 0 && errno == ENOENT && monotonic_seconds() < deadline && !usleep(1000));
    return errno_of(*group);
}

int
device_open(struct device *device)
{
    int error;

    device->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    error = errno_of(device->container);
    if (!error)
        error = open_group(device, &device->group);
    if (!error)
        error = errno_of(ioctl(device->group, VFIO_GROUP_SET_CONTAINER, &device->container));
    if (!error)
        error = errno_of(ioctl(device->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
    if (!error) {
        device->fd = ioctl(device->group, VFIO_GROUP_GET_DEVICE_FD, device->uuid);
        error = errno_of(device->fd);
    }
    if (error)
        device_close(device);
    return error;
}

void
device_close(struct device *device)
{
    int *fds[] = {&device->fd, &device->group, &device->container};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

int
device_reset(const struct device *device)
{
    return errno_of(ioctl(device->fd, VFIO_DEVICE_RESET));
}

int
device_region(const struct device *device, unsigned index, uint64_t *offset, uint64_t *size)
{
    struct vfio_region_info info = {.argsz = sizeof info, .index = index};

    if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
        return errno;
    *offset = info.offset;
    *size = info.size;
    return 0;
}

int
device_read_at(const struct device *device, unsigned region, size_t pos, void *bytes, size_t size)
{
    uint64_t offset = 0, length = 0;
    int error = device_region(device, region, &offset, &length);

    if (error)
        return error;
    ssize_t done = pread(device->fd, bytes, size, (off_t)(offset + pos));
    return done == (ssize_t)size ? 0 : done < 0 ? errno : ENODATA;
}

int
device_write_at(const struct device *device, unsigned region, size_t pos, const void *bytes,
                size_t size)
{
    uint64_t offset = 0, length = 0;
    int error = device_region(device, region, &offset, &length);

    if (error)
        return error;
    ssize_t done = pwrite(device->fd, bytes, size, (off_t)(offset + pos));
    return done == (ssize_t)size ? 0 : done < 0 ? errno : ENODATA;
}

int
device_feature(const struct device *device, uint32_t flags, void *data, size_t size)
{
    uint64_t buffer[8] = {0};
    struct vfio_device_feature *feature = (struct vfio_device_feature *)buffer;
    int error;

    feature->argsz = (uint32_t)(sizeof *feature + size);
    feature->flags = flags;
    if (size)
        memcpy(feature->data, data, size);
    error = errno_of(ioctl(device->fd, VFIO_DEVICE_FEATURE, feature));
    if (!error && size)
        memcpy(data, feature->data, size);
    return error;
}

int
device_state(const struct device *device, unsigned *state)
{
    struct vfio_device_feature_mig_state arg = {0};
    int error = device_feature(
        device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof arg);

    *state = error ? STATE_COUNT : arg.device_state;
    return error;
}

int
device_set_state(const struct device *device, unsigned state, int *data_fd)
{
    struct vfio_device_feature_mig_state arg = {.device_state = state, .data_fd = -1};
    int error = device_feature(
        device, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof arg);

    *data_fd = error ? -1 : arg.data_fd;
    return error;
}

int
device_flags(const struct device *device, uint64_t *flags)
{
    struct vfio_device_feature_migration arg = {0};
    int error = device_feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION,
                               &arg, sizeof arg);

    *flags = arg.flags;
    return error;
}

int
device_data_size(const struct device *device, uint64_t *size)
{
    struct vfio_device_feature_mig_data_size arg = {0};
    int error = device_feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
                               &arg, sizeof arg);

    *size = arg.stop_copy_length;
    return error;
}

int
device_want_reinit(const struct device *device)
{
    return device_feature(device, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2,
                          NULL, 0);
}

uint32_t
precopy_flags(int data_fd, uint32_t echo)
{
    struct vfio_precopy_info info = {.argsz = sizeof info, .flags = echo};

    return ioctl(data_fd, VFIO_MIG_GET_PRECOPY_INFO, &info) ? UINT32_MAX : info.flags;
}

int
precopy_info(int data_fd, uint64_t *initial_bytes, uint64_t *dirty_bytes)
{
    struct vfio_precopy_info info = {.argsz = sizeof info};

    *initial_bytes = *dirty_bytes = UINT64_MAX;
    if (ioctl(data_fd, VFIO_MIG_GET_PRECOPY_INFO, &info))
        return errno;
    *initial_bytes = info.initial_bytes;
    *dirty_bytes = info.dirty_bytes;
    return 0;
}

static int
stream_reserve(struct stream *stream, size_t room)
{
    size_t capacity = stream->size + room;
    uint8_t *bytes;

    if (capacity <= stream->capacity)
        return 0;
    bytes = realloc(stream->bytes, capacity * 2);
    if (!bytes)
        return ENOMEM;
    stream->bytes = bytes;
    stream->capacity = capacity * 2;
    return 0;
}

int
stream_read(struct stream *stream, int data_fd, size_t most, size_t chunk)
{
    while (most > 0) {
        size_t count = most < chunk ? most : chunk;
        int error = stream_reserve(stream, count);
        if (error)
            return error;

        ssize_t length = read(data_fd, stream->bytes + stream->size, count);
        if (length <= 0)
            return errno_of(length);
        stream->size += (size_t)length;
        most -= (size_t)length;
    }
    return 0;
}

int
stream_write(const struct stream *stream, int data_fd, size_t from, size_t to, size_t chunk)
{
    while (from < to) {
        ssize_t length =
            write(data_fd, stream->bytes + from, to - from < chunk ? to - from : chunk);

        if (length <= 0)
            return length ? errno : ENODATA;
        from += (size_t)length;
    }
    return 0;
}

void
stream_clear(struct stream *stream)
{
    free(stream->bytes);
    *stream = (struct stream){0};
}
