/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resets that somebody else than the device's user makes: the driver, and an administrator. */
#include "testdev-walk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_ROOM 4096

/* What the history says last of the device: the newest two lines, as "reset running". */
static void
last_two(const struct device *device, char *words, size_t size)
{
    char text[HISTORY_ROOM] = "", *save = NULL, names[2][16] = {"", ""};
    FILE *file = fopen(TESTDEV_PARENT "/history", "re");

    if (file) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *name = strrchr(line, ' ');

        if (name && strstr(line, device->uuid)) {
            memcpy(names[0], names[1], sizeof names[0]);
            snprintf(names[1], sizeof names[1], "%s", name + 1);
        }
    }
    snprintf(words, size, "%s %s", names[0], names[1]);
}

/* Runs, with nothing in its banks, and @data_fd, if there is one, is dead. */
static void
check_is_new(struct walk *walk, const struct device *device, int data_fd, const char *fresh)
{
    struct pollfd item = {.fd = data_fd, .events = POLLIN | POLLRDHUP};
    char sum[32] = "", said[40];
    uint8_t byte = 1;
    unsigned state;

    device_state(device, &state);
    check(walk, state == STATE_RUNNING, "it is in %s", mig_state_name(state));
    device_get(device, "checksum", sum, sizeof sum);
    check(walk, strcmp(sum, fresh) == 0, "its state is as new");
    last_two(device, said, sizeof said);
    check(walk, strcmp(said, "reset running") == 0, "the history says '%s'", said);
    if (data_fd < 0)
        return;
    bool loads = (fcntl(data_fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
    check(walk,
          (loads ? write(data_fd, &byte, 1) : read(data_fd, &byte, 1)) == -1 && errno == ENODEV,
          "its data fd is dead");
    check(walk, loads || (poll(&item, 1, 0) == 1 && item.revents & POLLRDHUP), "and says so");
}

static const struct {
    unsigned from;
    unsigned to;
    unsigned at;
} arcs[] = {
    {STATE_RUNNING, STATE_PRE_COPY, STATE_PRE_COPY},
    {STATE_PRE_COPY, STATE_STOP_COPY, STATE_STOP_COPY},
    {STATE_PRE_COPY, STATE_STOP_COPY, STATE_PRE_COPY_P2P},
    {STATE_RUNNING, STATE_STOP_COPY, STATE_STOP_COPY},
    {STATE_RUNNING, STATE_STOP_COPY, STATE_STOP},
    {STATE_STOP_COPY, STATE_STOP, STATE_STOP},
    {STATE_RUNNING, STATE_RESUMING, STATE_RESUMING},
    {STATE_RUNNING, STATE_RESUMING, STATE_STOP},
    {STATE_STOP, STATE_RUNNING, STATE_RUNNING},
};

/* The change of state succeeds, with its data fd, and then it is as if it had never been. */
static void
check_reset_at(struct walk *walk, const struct device *device, size_t i, const char *fresh)
{
    int data_fd, new_fd = -1;
    char fault[32];

    device_set(device, "fault", "none");
    device_reset(device);
    device_write_at(device, BAR0, 0, "lost", 4);
    if (arcs[i].from != STATE_RUNNING)
        device_set_state(device, arcs[i].from, &data_fd);
    else
        data_fd = -1;
    snprintf(fault, sizeof fault, "reset %s", mig_state_name(arcs[i].at));
    check_error(walk, device_set(device, "fault", fault), 0, "%s", fault);
    check_error(walk, device_set_state(device, arcs[i].to, &new_fd), 0, "%s -> %s succeeds",
                mig_state_name(arcs[i].from), mig_state_name(arcs[i].to));
    check_is_new(walk, device, new_fd >= 0 ? new_fd : data_fd, fresh);
    device_set(device, "fault", "none");
    if (new_fd >= 0)
        close(new_fd);
    if (data_fd >= 0)
        close(data_fd);
}

static void
check_reset_after(struct walk *walk, const struct device *device, const struct stream *stream,
                  const char *fresh)
{
    struct stream other = {0};
    int data_fd;

    enter(device, STATE_PRE_COPY, &data_fd);
    device_set(device, "fault", "reset-after 5000");
    check_error(walk, stream_read(&other, data_fd, SIZE_MAX, 10000), ENODEV, "reset-after 5000");
    check(walk, other.size == 5000, "%zu bytes came", other.size);
    check_is_new(walk, device, data_fd, fresh);
    close(data_fd);
    device_set(device, "fault", "none");
    enter(device, STATE_RESUMING, &data_fd);
    device_set(device, "fault", "reset-after 5000");
    check(walk, write(data_fd, stream->bytes, stream->size) == 5000, "5000 bytes are taken");
    check_error(walk, stream_write(stream, data_fd, 5000, stream->size, 10000), ENODEV,
                "and no more");
    check_is_new(walk, device, data_fd, fresh);
    close(data_fd);
    device_set(device, "fault", "none");
    stream_clear(&other);
}

/* Whatever the device's user is doing, and not while there is none. */
static void
check_administrator(struct walk *walk, struct device *device, const char *fresh)
{
    const unsigned states[] = {STATE_RUNNING,  STATE_STOP,        STATE_STOP_COPY,
                               STATE_RESUMING, STATE_RUNNING_P2P, STATE_PRE_COPY};
    int data_fd;

    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        enter(device, states[i], &data_fd);
        check_error(walk, device_set(device, "reset", "1\n"), 0, "reset in %s",
                    mig_state_name(states[i]));
        check_is_new(walk, device, data_fd, fresh);
        if (data_fd >= 0)
            close(data_fd);
    }
    check_error(walk, device_set(device, "reset", "0"), EINVAL, "only 1 resets");
    device_close(device);
    check_error(walk, device_set(device, "reset", "1"), ENODEV, "a closed device has no state");
}

void
walk_resets(struct walk *walk)
{
    struct stream stream = {0};
    char fresh[32] = "";
    struct pair pair;

    if (pair_open(walk, &pair, TYPE_ONE, TYPE_ONE, "65536")) {
        device_get(&pair.a, "checksum", fresh, sizeof fresh);
        save(&pair.a, &stream);
        for (size_t i = 0; i < sizeof arcs / sizeof *arcs; i++)
            check_reset_at(walk, &pair.a, i, fresh);
        check_reset_after(walk, &pair.a, &stream, fresh);
        check_administrator(walk, &pair.a, fresh);
    }
    stream_clear(&stream);
    pair_close(walk, &pair);
}
