/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the device is, and the migration state machine. */
#include "testdev-walk.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/uapi.h"

#define FLAGS_ALL (VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY)

static void
check_info(struct walk *walk, const struct device *device)
{
    struct vfio_device_info info = {.argsz = sizeof info};
    uint64_t offset, size;

    check(walk, !ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info), "device info");
    check(walk, info.flags == (VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET),
          "flags PCI and RESET: %#x", info.flags);
    check(walk, info.num_regions == VFIO_PCI_NUM_REGIONS && info.num_irqs == VFIO_PCI_NUM_IRQS,
          "regions and interrupts of a PCI device");
    for (unsigned i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
        uint64_t expected = i == BAR0 ? 4096 : i == CONFIG ? 256 : 0;

        check(walk, !device_region(device, i, &offset, &size) && size == expected,
              "region %u has %llu bytes", i, (unsigned long long)expected);
    }
    check_error(walk, device_region(device, VFIO_PCI_NUM_REGIONS, &offset, &size), EINVAL,
                "there is no further region");
    for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
        struct vfio_irq_info irq = {.argsz = sizeof irq, .index = i, .count = 9};

        check(walk, !ioctl(device->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) && irq.count == 0,
              "interrupt index %u is empty", i);
    }
}

static void
check_config(struct walk *walk, const struct device *device, unsigned banks)
{
    uint8_t config[256], bar[4];

    check_error(walk, device_read_at(device, CONFIG, 0, config, sizeof config), 0, "read config");
    check(walk, config[0] == 0x57 && config[1] == 0x7e && config[2] == 1 && config[3] == 0,
          "vendor 7e57, device 0001");
    check(walk, config[0x2c] == 0x57 && config[0x2d] == 0x7e && config[0x2e] == banks,
          "the subsystem id is the number of banks");
    check(walk, config[0x0e] == 0 && config[0x3d] == 0, "header type 0, no interrupt pin");
    memset(bar, 0xff, sizeof bar);
    device_write_at(device, CONFIG, 0x10, bar, sizeof bar);
    device_read_at(device, CONFIG, 0x10, bar, sizeof bar);
    check(walk, bar[0] == 0 && bar[1] == 0xf0 && bar[2] == 0xff && bar[3] == 0xff,
          "BAR0 sizes as 4 KiB of 32-bit memory");
    check_error(walk, device_read_at(device, CONFIG, 250, config, 16), ENODATA,
                "a read across the end of a region is short");
    check_error(walk, device_read_at(device, CONFIG, 256, config, 1), EINVAL,
                "a read beyond a region fails");
    check_error(walk, device_read_at(device, 1, 0, config, 1), EINVAL,
                "a read of an empty region fails");
}

static void
check_banks(struct walk *walk, const struct device *device, unsigned banks)
{
    uint8_t written[4096], bytes[4096];
    bool same = true, empty = true;

    device_read_at(device, BAR0, 0, bytes, banks * 1024);
    for (unsigned i = 0; i < banks * 1024; i++)
        empty = empty && bytes[i] == 0;
    check(walk, empty, "%u banks are zero after the open", banks);
    for (unsigned i = 0; i < sizeof written; i++)
        written[i] = (uint8_t)(i * 7 + i / 256 + 1);
    check_error(walk, device_write_at(device, BAR0, 0, written, sizeof written), 0,
                "write all of BAR0");
    check_error(walk, device_read_at(device, BAR0, 0, bytes, sizeof bytes), 0, "read all of BAR0");
    for (unsigned i = 0; i < sizeof bytes; i++)
        same = same && bytes[i] == (i < banks * 1024 ? written[i] : 0xff);
    check(walk, same, "%u banks keep what is written, the rest reads as ff", banks);
    check(walk,
          !device_write_at(device, BAR0, 1021, "abcdef", 6) &&
              !device_read_at(device, BAR0, 1021, bytes, 6) &&
              memcmp(bytes, "abcdef", banks == 1 ? 3 : 6) == 0,
          "a write across the end of bank 1");
}

static void
check_type(struct walk *walk, struct pair *pair, const char *type, unsigned banks,
           uint64_t expected)
{
    uint64_t flags, size;

    note("type %s", type);
    if (!pair_open(walk, pair, type, type, "4096")) {
        pair_close(walk, pair);
        return;
    }
    check_info(walk, &pair->a);
    check_config(walk, &pair->a, banks);
    check_banks(walk, &pair->a, banks);
    check(walk, !device_flags(&pair->a, &flags) && flags == expected, "migration flags %#llx",
          (unsigned long long)flags);
    check(walk, !device_data_size(&pair->a, &size) && size == stream_size(4096),
          "MIG_DATA_SIZE is a whole stream: %llu", (unsigned long long)size);
    pair_close(walk, pair);
}

void
walk_identity(struct walk *walk)
{
    struct pair pair;

    check_type(walk, &pair, TYPE_ONE, 1, FLAGS_ALL);
    check_type(walk, &pair, TYPE_TWO, 2, FLAGS_ALL);
    check_type(walk, &pair, TYPE_STOP_COPY, 1, VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P);
}

static bool
is_precopy(unsigned state)
{
    return state == STATE_PRE_COPY || state == STATE_PRE_COPY_P2P;
}

static bool
is_saving(unsigned state)
{
    return is_precopy(state) || state == STATE_STOP_COPY;
}

/* linux/vfio.h, "The device migration Finite State Machine": what SET_STATE answers. */
static int
expected_error(unsigned from, unsigned to, bool has_precopy)
{
    if (from == to)
        return 0;
    if (to == STATE_ERROR || to >= STATE_COUNT || (is_precopy(to) && !has_precopy))
        return EINVAL;
    if (from == STATE_STOP_COPY && is_precopy(to))
        return EINVAL;
    /* No state was loaded. */
    return from == STATE_RESUMING ? EINVAL : 0;
}

/* Whether an arc begins a session, which is when there is a new data fd. */
static bool
begins_session(unsigned from, unsigned to)
{
    if (from == to)
        return false;
    return to == STATE_RESUMING || (is_saving(to) && !is_saving(from));
}

static void
check_arc(struct walk *walk, const struct device *device, unsigned from, unsigned to,
          bool has_precopy)
{
    int expected = expected_error(from, to, has_precopy);
    int data_fd, new_fd = -1;
    char shown[32];
    unsigned state;

    if (enter(device, from, &data_fd)) {
        check(walk, false, "come to %s", mig_state_name(from));
        return;
    }
    int error = device_set_state(device, to, &new_fd);
    device_state(device, &state);
    check_error(walk, error, expected, "%s -> %s", mig_state_name(from), mig_state_name(to));
    if (!check(walk, state == (expected ? from : to), "which leaves it in %s",
               mig_state_name(state)))
        note("expected %s", mig_state_name(expected ? from : to));
    check(walk, (new_fd >= 0) == (!expected && begins_session(from, to)), "and gives %s data fd",
          new_fd >= 0 ? "a" : "no");
    check(walk,
          !device_get(device, "migration_state", shown, sizeof shown) &&
              strcmp(shown, mig_state_name(state)) == 0,
          "sysfs shows %s", shown);
    if (new_fd >= 0)
        close(new_fd);
    if (data_fd >= 0)
        close(data_fd);
}

/* From every state to every state and to two that can't be asked for. */
static void
check_all_arcs(struct walk *walk, const struct device *device, bool has_precopy)
{
    for (unsigned from = STATE_STOP; from < STATE_COUNT; from++)
        for (unsigned to = STATE_ERROR; to <= STATE_COUNT; to++)
            if (has_precopy || !is_precopy(from))
                check_arc(walk, device, from, to, has_precopy);
}

void
walk_arcs(struct walk *walk)
{
    struct pair pair;

    if (pair_open(walk, &pair, TYPE_ONE, TYPE_STOP_COPY, "4096")) {
        note("with pre-copy");
        check_all_arcs(walk, &pair.a, true);
        note("without pre-copy");
        check_all_arcs(walk, &pair.b, false);
    }
    pair_close(walk, &pair);
}
