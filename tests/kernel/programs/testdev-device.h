/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A test device as its user sees it: the bare uAPI of linux/vfio.h, and its knobs in sysfs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TESTDEV_PARENT "/sys/class/mdev_bus/vferry_testdev"
#define TESTDEV_DEVICES "/sys/bus/mdev/devices"

/* enum vfio_device_mig_state; Debian 12's header ends before PRE_COPY. */
enum mig_state {
    STATE_ERROR,
    STATE_STOP,
    STATE_RUNNING,
    STATE_STOP_COPY,
    STATE_RESUMING,
    STATE_RUNNING_P2P,
    STATE_PRE_COPY,
    STATE_PRE_COPY_P2P,
    STATE_COUNT,
};

/* Everything fails with a positive errno; 0 is success. */

struct device {
    char uuid[37];
    int container;
    int group;
    int fd;
};

/* Bytes of a migration stream, kept whole in memory. */
struct stream {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

const char *mig_state_name(unsigned state);
double monotonic_seconds(void);

int sysfs_write(const char *path, const char *value);
int sysfs_read(const char *path, char *value, size_t size);

/* A device number's uuid is always the same, so a left-over one is noticed. */
int device_create(struct device *device, unsigned number, const char *type);
int device_remove(const struct device *device);
int device_set(const struct device *device, const char *knob, const char *value);
int device_get(const struct device *device, const char *knob, char *value, size_t size);
uint64_t device_count(const struct device *device, const char *knob);

int device_open(struct device *device);
void device_close(struct device *device);
int device_reset(const struct device *device);
int device_region(const struct device *device, unsigned index, uint64_t *offset, uint64_t *size);
int device_read_at(const struct device *device, unsigned region, size_t pos, void *bytes,
                   size_t size);
int device_write_at(const struct device *device, unsigned region, size_t pos, const void *bytes,
                    size_t size);
int device_feature(const struct device *device, uint32_t flags, void *data, size_t size);
int device_state(const struct device *device, unsigned *state);
int device_set_state(const struct device *device, unsigned state, int *data_fd);
int device_flags(const struct device *device, uint64_t *flags);
int device_data_size(const struct device *device, uint64_t *size);

int device_want_reinit(const struct device *device);

int precopy_info(int data_fd, uint64_t *initial_bytes, uint64_t *dirty_bytes);
/* The flags of the same; UINT32_MAX when it fails. The kernel is given `echo` for them. */
uint32_t precopy_flags(int data_fd, uint32_t echo);

/* Until end of stream (0), ENOMSG or another error; `most` bytes at most. */
int stream_read(struct stream *stream, int data_fd, size_t most, size_t chunk);
int stream_write(const struct stream *stream, int data_fd, size_t from, size_t to, size_t chunk);
void stream_clear(struct stream *stream);
