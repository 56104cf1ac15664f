/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lives how long: memory, sessions, data fds and the device itself. And how long it takes. */
#include "testdev-walk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICES_MAX 8
#define CYCLES 200
#define SESSIONS 20
#define MOMENT_US 300000

static void
check_cleared(struct walk *walk, struct device *device, const char *how, const char *fresh)
{
    uint8_t bytes[16];
    char sum[32] = "";

    device_read_at(device, BAR0, 0, bytes, sizeof bytes);
    check(walk, bytes[0] == 0 && memcmp(bytes, bytes + 1, sizeof bytes - 1) == 0,
          "banks are cleared by %s", how);
    device_get(device, "checksum", sum, sizeof sum);
    check(walk, strcmp(sum, fresh) == 0, "the payload is as new after %s", how);
}

static void
check_memory(struct walk *walk, struct pair *pair)
{
    struct device *device = &pair->a;
    char fresh[32] = "", other[32] = "", sum[32] = "", state[32] = "";

    device_get(device, "checksum", fresh, sizeof fresh);
    device_get(&pair->b, "checksum", other, sizeof other);
    check(walk, strlen(fresh) == 16 && strcmp(fresh, other) != 0, "two devices differ: %s, %s",
          fresh, other);
    device_write_at(device, BAR0, 0, "something", 9);
    device_get(device, "checksum", sum, sizeof sum);
    check(walk, strcmp(sum, fresh) != 0, "a bank counts in the checksum");
    check_error(walk, device_reset(device), 0, "reset");
    check_cleared(walk, device, "a reset", fresh);
    device_write_at(device, BAR0, 0, "something", 9);
    device_close(device);
    device_get(device, "migration_state", state, sizeof state);
    device_get(device, "checksum", sum, sizeof sum);
    check(walk, strcmp(state, "closed") == 0 && strcmp(sum, "closed") == 0, "it shows as closed");
    check_error(walk, device_open(device), 0, "open again");
    check_cleared(walk, device, "a close", fresh);
    check(walk, device_count(device, "opens") == 2, "two opens are counted");
    device_set(device, "dirty_rate", "409600");
    usleep(100000);
    device_get(device, "checksum", sum, sizeof sum);
    check(walk, strcmp(sum, fresh) != 0, "it changes while it runs");
    device_set(device, "dirty_rate", "0");
}

static void
check_frozen(struct walk *walk, const struct device *device)
{
    char before[32] = "", after[32] = "", bytes[4];
    int data_fd;

    enter(device, STATE_STOP, &data_fd);
    device_set(device, "dirty_rate", "40960000");
    check(walk,
          !device_write_at(device, BAR0, 0, "kept", 4) &&
              !device_read_at(device, BAR0, 0, bytes, 4) && !memcmp(bytes, "kept", 4),
          "a stopped device takes a write");
    device_get(device, "checksum", before, sizeof before);
    usleep(50000);
    device_get(device, "checksum", after, sizeof after);
    check(walk, strcmp(before, after) == 0, "but does not change by itself");
    device_set_state(device, STATE_STOP_COPY, &data_fd);
    check(walk,
          !device_write_at(device, BAR0, 0, "lost", 4) &&
              !device_read_at(device, BAR0, 0, bytes, 4) && !memcmp(bytes, "kept", 4),
          "in stop-copy a write changes nothing");
    close(data_fd);
    device_set(device, "dirty_rate", "0");
}

/* At a page in two seconds, three seconds of standing still are no reason to change. */
static void
check_stopped_time(struct walk *walk, const struct device *device)
{
    char before[32] = "", after[32] = "-";
    int ignored;

    enter(device, STATE_STOP, &ignored);
    device_set(device, "dirty_rate", "2048");
    device_get(device, "checksum", before, sizeof before);
    usleep(3000000);
    double start = monotonic_seconds();
    device_set_state(device, STATE_RUNNING, &ignored);
    device_get(device, "checksum", after, sizeof after);
    check(walk, strcmp(before, after) == 0 || monotonic_seconds() - start > 1.9,
          "time that it was stopped does not count");
    device_set(device, "dirty_rate", "0");
}

static void
check_cancelled(struct walk *walk, const struct device *device)
{
    uint64_t initial, dirty;
    int data_fd, new_fd;
    char byte;

    enter(device, STATE_PRE_COPY, &data_fd);
    struct pollfd item = {.fd = data_fd, .events = POLLIN | POLLRDHUP};
    check(walk, read(data_fd, &byte, 1) == 1, "a pre-copy begins");
    check_error(walk, device_set_state(device, STATE_RUNNING, &new_fd), 0, "it is cancelled");
    check(walk, read(data_fd, &byte, 1) == -1 && errno == ENODEV, "its fd is dead");
    check(walk, poll(&item, 1, 0) == 1 && item.revents & POLLRDHUP, "poll says so");
    check_error(walk, precopy_info(data_fd, &initial, &dirty), EINVAL, "no pre-copy info");
    check_error(walk, device_set_state(device, STATE_PRE_COPY, &new_fd), 0, "another begins");
    check(walk,
          !precopy_info(new_fd, &initial, &dirty) && initial == stream_size(65536) - RECORD_SIZE,
          "from the start");
    check_error(walk, precopy_info(data_fd, &initial, &dirty), ENODEV,
                "which is none of the old fd's");
    close(data_fd);
    close(new_fd);
    check_error(walk, device_set_state(device, STATE_STOP_COPY, &new_fd), 0,
                "stop-copy after the user has closed the fd");
    check(walk, new_fd == -1, "there is no other");
}

static void
check_data_fd_outlives(struct walk *walk, unsigned state)
{
    struct device device;
    char byte = 0;
    int data_fd;

    if (device_create(&device, 3, TYPE_ONE) || device_open(&device) ||
        enter(&device, state, &data_fd)) {
        check(walk, false, "a device in %s", mig_state_name(state));
        return;
    }
    struct pollfd item = {.fd = data_fd, .events = POLLIN | POLLRDHUP};
    bool loads = state == STATE_RESUMING;
    device_close(&device);
    check(walk,
          (loads ? write(data_fd, &byte, 1) : read(data_fd, &byte, 1)) == -1 && errno == ENODEV,
          "after a close in %s the data fd is dead", mig_state_name(state));
    check(walk, loads || (poll(&item, 1, 0) == 1 && item.revents & POLLRDHUP), "and says so");
    check_error(walk, device_remove(&device), 0, "the device can be removed");
    check(walk,
          (loads ? write(data_fd, &byte, 1) : read(data_fd, &byte, 1)) == -1 && errno == ENODEV,
          "the data fd is still dead");
    close(data_fd);
}

/* One byte into the file that removes a device, by a child: the write blocks. */
static void
check_remove_waits(struct walk *walk)
{
    struct device device;
    int status;

    if (device_create(&device, 3, TYPE_ONE) || device_open(&device)) {
        check(walk, false, "an open device");
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        device.container = device.group = device.fd = -1;
        closefrom(3);
        _exit(device_remove(&device));
    }
    usleep(MOMENT_US);
    check(walk, waitpid(child, &status, WNOHANG) == 0, "a remove waits for the user");
    device_close(&device);
    check(walk, waitpid(child, &status, 0) == child && status == 0, "and ends with the last close");
}

static void
check_room(struct walk *walk, unsigned in_use)
{
    struct device devices[DEVICES_MAX + 1];
    unsigned count = 0;
    char left[16] = "";

    while (count < DEVICES_MAX - in_use &&
           !device_create(&devices[count], 10 + count, count % 2 ? TYPE_TWO : TYPE_STOP_COPY))
        count++;
    check(walk, count == DEVICES_MAX - in_use, "%u devices in all", DEVICES_MAX);
    sysfs_read(TESTDEV_PARENT "/mdev_supported_types/" TYPE_ONE "/available_instances", left,
               sizeof left);
    check(walk, strcmp(left, "0") == 0, "of no type there is another");
    struct device surplus;
    check_error(walk, device_create(&surplus, 10 + count, TYPE_ONE), EUSERS, "nor can it be made");
    while (count > 0)
        device_remove(&devices[--count]);
}

static void
check_delays(struct walk *walk, const struct pair *pair)
{
    struct stream stream = {0};
    unsigned state;
    int ignored, status;

    /* 1 MiB and a bit, that is 16 times the delay. */
    device_reset(&pair->a);
    device_set(&pair->a, "read_delay_us", "20000");
    double start = monotonic_seconds();
    check_error(walk, save(&pair->a, &stream), 0, "a slow save");
    double took = monotonic_seconds() - start;
    check(walk, took >= 0.32 && took < 5, "takes its time: %.2f s", took);
    device_set(&pair->b, "write_delay_us", "20000");
    start = monotonic_seconds();
    check_error(walk, load(&pair->b, &stream, stream.size, SIZE_MAX, &ignored), 0, "a slow load");
    took = monotonic_seconds() - start;
    check(walk, took >= 0.32 && took < 5, "takes its time: %.2f s", took);

    device_set(&pair->a, "read_delay_us", "2000000");
    int data_fd;
    enter(&pair->a, STATE_PRE_COPY, &data_fd);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(stream_read(&stream, data_fd, SIZE_MAX, SIZE_MAX >> 40) != ENODEV);
    usleep(MOMENT_US);
    start = monotonic_seconds();
    device_state(&pair->a, &state);
    check_error(walk, device_set_state(&pair->a, STATE_RUNNING, &ignored), 0, "cancel a slow read");
    took = monotonic_seconds() - start;
    check(walk, state == STATE_PRE_COPY && took < 1, "which holds up nobody: %.3f s", took);
    check(walk, waitpid(child, &status, 0) == child && status == 0, "the reader learns");
    close(data_fd);
    device_set(&pair->a, "read_delay_us", "0");
    device_set(&pair->b, "write_delay_us", "0");
    stream_clear(&stream);
}

void
walk_life(struct walk *walk)
{
    struct pair pair;

    if (pair_open(walk, &pair, TYPE_ONE, TYPE_ONE, "65536")) {
        check_memory(walk, &pair);
        check_frozen(walk, &pair.a);
        check_stopped_time(walk, &pair.a);
        check_cancelled(walk, &pair.a);
        check_data_fd_outlives(walk, STATE_PRE_COPY);
        check_data_fd_outlives(walk, STATE_STOP_COPY);
        check_data_fd_outlives(walk, STATE_RESUMING);
        check_remove_waits(walk);
        check_room(walk, 2);
    }
    pair_close(walk, &pair);
    if (pair_open(walk, &pair, TYPE_ONE, TYPE_ONE, "1048576"))
        check_delays(walk, &pair);
    pair_close(walk, &pair);
}

/* Through one buffer, as a mover does it; the two directions timed apart. */
static int
carry(int from, int to, uint64_t *bytes, double *read_seconds, double *write_seconds)
{
    const size_t size = 1 << 20;
    uint8_t *buffer = malloc(size);
    ssize_t count = 1;

    *bytes = 0;
    *read_seconds = *write_seconds = 0;
    while (buffer && count > 0) {
        double start = monotonic_seconds();
        count = read(from, buffer, size);
        double between = monotonic_seconds();
        if (count > 0 && write(to, buffer, (size_t)count) != count)
            count = -1;
        *write_seconds += monotonic_seconds() - between;
        *read_seconds += between - start;
        *bytes += count > 0 ? (uint64_t)count : 0;
    }
    int error = count < 0 ? errno : buffer ? 0 : ENOMEM;
    free(buffer);
    return error;
}

/* Sizes that 32 bits do not hold, where none of the bytes need to move. */
static void
check_beyond_4g(struct walk *walk)
{
    const uint64_t size = (uint64_t)5 << 30;
    uint64_t initial = 0, dirty = 0, length = 0;
    struct stream stream = {0};
    struct pair pair;
    int data_fd;

    if (pair_open(walk, &pair, TYPE_TWO, TYPE_TWO, "5368709120")) {
        device_data_size(&pair.a, &length);
        check(walk, length == stream_size(size), "the stream of 5 GiB is %llu bytes",
              (unsigned long long)length);
        device_set_state(&pair.a, STATE_PRE_COPY, &data_fd);
        stream_read(&stream, data_fd, 100000, 100000);
        precopy_info(data_fd, &initial, &dirty);
        check(walk, initial == stream_size(size) - RECORD_SIZE - stream.size && dirty == 0,
              "of which %llu are left after %zu", (unsigned long long)initial, stream.size);
        close(data_fd);
        stream_clear(&stream);
    }
    pair_close(walk, &pair);
}

void
walk_large(struct walk *walk)
{
    struct pair pair;
    char here[32] = "-", there[32] = "";
    double start = monotonic_seconds(), reading, writing;
    int from, to, ignored;
    uint64_t bytes;

    if (pair_open(walk, &pair, TYPE_TWO, TYPE_TWO, "268435456")) {
        note("two opens of 256 MiB: %.2f s", monotonic_seconds() - start);
        start = monotonic_seconds();
        check_error(walk, device_reset(&pair.a), 0, "reset");
        note("a reset: %.2f s", monotonic_seconds() - start);
        device_write_at(&pair.a, BAR0, 1020, "over the edge", 13);
        device_set_state(&pair.a, STATE_PRE_COPY, &from);
        device_set_state(&pair.b, STATE_RESUMING, &to);
        check_error(walk, carry(from, to, &bytes, &reading, &writing), ENOMSG,
                    "256 MiB of pre-copy");
        check(walk, bytes == stream_size(256 << 20) - RECORD_SIZE, "all of it");
        note("%llu bytes: save %.2f s, load %.2f s", (unsigned long long)bytes, reading, writing);
        start = monotonic_seconds();
        device_set_state(&pair.a, STATE_STOP_COPY, &ignored);
        check_error(walk, carry(from, to, &bytes, &reading, &writing), 0, "the rest");
        check_error(walk, device_set_state(&pair.b, STATE_STOP, &ignored), 0, "it is whole");
        note("%llu bytes of stop-copy, switchover %.3f s", (unsigned long long)bytes,
             monotonic_seconds() - start);
        start = monotonic_seconds();
        device_get(&pair.a, "checksum", here, sizeof here);
        device_get(&pair.b, "checksum", there, sizeof there);
        check(walk, strcmp(here, there) == 0, "checksum %s", there);
        note("two checksums: %.2f s", monotonic_seconds() - start);
        close(from);
        close(to);
    }
    pair_close(walk, &pair);
    check_beyond_4g(walk);
}

/* Kilobytes that a line of /proc/meminfo gives. */
static long
meminfo(const char *name)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    long value = -1;

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    if (file)
        fclose(file);
    return value;
}

/* Sessions enough that what one leaks adds up. */
static bool
many_sessions(const struct device *device)
{
    int data_fd, ignored;

    for (unsigned i = 0; i < SESSIONS; i++) {
        if (device_set_state(device, i % 2 ? STATE_STOP_COPY : STATE_PRE_COPY, &data_fd))
            return false;
        close(data_fd);
        if (device_set_state(device, STATE_RUNNING, &ignored))
            return false;
    }
    return true;
}

/* The data fd is left open over the close and the remove, which is what leaks if anything does. */
static bool
one_cycle(unsigned i)
{
    static const unsigned states[] = {STATE_PRE_COPY, STATE_STOP_COPY, STATE_RESUMING, STATE_STOP};
    struct device device;
    int data_fd;
    bool good;

    if (device_create(&device, 100 + i % 7, i % 3 ? TYPE_ONE : TYPE_TWO))
        return false;
    good =
        !device_open(&device) && many_sessions(&device) && !enter(&device, states[i % 4], &data_fd);
    device_close(&device);
    good = !device_remove(&device) && good;
    if (good && data_fd >= 0)
        close(data_fd);
    return good;
}

/* The vfio core gives the lowest free number and takes it back with a device's last reference. */
static unsigned long
next_number(void)
{
    char path[PATH_MAX];
    unsigned long number = ULONG_MAX;
    struct device device;

    if (device_create(&device, 3, TYPE_ONE))
        return number;
    snprintf(path, sizeof path, TESTDEV_DEVICES "/%s/vfio-dev", device.uuid);
    DIR *folder = opendir(path);
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder))
        if (strncmp(entry->d_name, "vfio", 4) == 0)
            number = strtoul(entry->d_name + 4, NULL, 10);
    if (folder)
        closedir(folder);
    device_remove(&device);
    return number;
}

void
walk_cycles(struct walk *walk)
{
    unsigned long number = next_number();
    unsigned good = 0;
    long vmalloc = 0, slab = 0;

    for (unsigned i = 0; i < CYCLES + 20; i++) {
        if (i == 20) {
            vmalloc = meminfo("VmallocUsed:");
            slab = meminfo("SUnreclaim:");
        }
        good += one_cycle(i);
    }
    check(walk, good == CYCLES + 20, "%u cycles from create to remove", good);
    vmalloc = meminfo("VmallocUsed:") - vmalloc;
    slab = meminfo("SUnreclaim:") - slab;
    note("VmallocUsed %+ld KiB, SUnreclaim %+ld KiB", vmalloc, slab);
    check(walk, vmalloc < 4096, "of 200 MiB that they used nothing stays");
    check(walk, slab < 2048, "nor of what %u sessions took", CYCLES * SESSIONS);
    check(walk, next_number() == number, "and every device is gone");
}
