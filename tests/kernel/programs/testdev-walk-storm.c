/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many at once on one device. What each sees is unforeseeable; afterwards the device must be whole.
 */
#include "testdev-walk.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 3.0
#define ACTORS 6

static void
act_save(const struct device *device, unsigned round)
{
    static uint8_t buffer[1 << 18];
    int data_fd, ignored;

    if (device_set_state(device, round % 3 ? STATE_PRE_COPY : STATE_STOP_COPY, &data_fd) ||
        data_fd < 0)
        return;
    struct pollfd item = {.fd = data_fd, .events = POLLIN};
    for (unsigned i = 0; i < 8 && read(data_fd, buffer, sizeof buffer) != 0; i++)
        poll(&item, 1, 2);
    if (round % 2)
        device_set_state(device, STATE_STOP_COPY, &ignored);
    if (round % 5 == 0)
        device_set_state(device, STATE_RUNNING, &ignored);
    close(data_fd);
}

static void
act_load(const struct device *device, unsigned round)
{
    static const uint8_t bytes[4096];
    int data_fd, ignored;

    if (device_set_state(device, STATE_RESUMING, &data_fd) || data_fd < 0)
        return;
    if (write(data_fd, bytes, round % sizeof bytes) < 0)
        usleep(100);
    device_set_state(device, STATE_RUNNING, &ignored);
    device_reset(device);
    close(data_fd);
}

static void
act_walk(const struct device *device, unsigned round)
{
    int data_fd;

    device_set_state(device, round % STATE_COUNT, &data_fd);
    if (data_fd >= 0)
        close(data_fd);
    if (round % 7 == 0)
        device_reset(device);
}

static void
act_bar(const struct device *device, unsigned round)
{
    uint64_t size;
    char bytes[64];

    device_write_at(device, BAR0, round * 61 % 900, &round, sizeof round);
    device_read_at(device, BAR0, round * 61 % 900, bytes, sizeof bytes);
    device_data_size(device, &size);
}

static void
act_knobs(const struct device *device, unsigned round)
{
    static const char *const faults[] = {"none", "refuse stop", "io-after 5000", "load-final"};
    static const char *const rates[] = {"0", "4096", "409600000"};

    device_set(device, "fault", faults[round % 4]);
    device_set(device, "dirty_rate", rates[round % 3]);
    device_set(device, "read_delay_us", round % 2 ? "100" : "0");
    device_set(device, "state_size", "4096");
}

static void
act_look(const struct device *device, unsigned round)
{
    char value[64];

    device_get(device, round % 2 ? "checksum" : "migration_state", value, sizeof value);
    device_get(device, "fault", value, sizeof value);
}

static void (*const actors[ACTORS])(const struct device *device, unsigned round) = {
    act_save, act_load, act_walk, act_bar, act_knobs, act_look,
};

static pid_t
start_actor(const struct device *device, size_t which)
{
    double deadline = monotonic_seconds() + SECONDS;
    pid_t child = fork();

    if (child == 0) {
        for (unsigned round = 0; monotonic_seconds() < deadline; round++)
            actors[which](device, round);
        _exit(0);
    }
    return child;
}

void
walk_storm(struct walk *walk)
{
    struct stream stream = {0};
    struct pair pair;
    pid_t children[ACTORS];
    int final_error, status;

    if (pair_open(walk, &pair, TYPE_TWO, TYPE_TWO, "1048576")) {
        fflush(stdout);
        for (size_t i = 0; i < ACTORS; i++)
            children[i] = start_actor(&pair.a, i);
        for (size_t i = 0; i < ACTORS; i++)
            check(walk, waitpid(children[i], &status, 0) == children[i] && status == 0,
                  "actor %zu ended", i);
        device_set(&pair.a, "fault", "none");
        device_set(&pair.a, "dirty_rate", "0");
        device_set(&pair.a, "read_delay_us", "0");
        check_error(walk, device_reset(&pair.a), 0, "a reset");
        check_error(walk, save(&pair.a, &stream), 0, "a save");
        check_error(walk, load(&pair.b, &stream, stream.size, 1 << 20, &final_error), 0, "a load");
        check_error(walk, final_error, 0, "which is whole");
    }
    stream_clear(&stream);
    pair_close(walk, &pair);
}
