/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pre-copy as linux/vfio.h has it (VFIO_MIG_GET_PRECOPY_INFO), and waiting for data. */
#include "testdev-walk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_SIZE (1 << 20)
#define MANY (64 << 20)
/* An instant that the guest may take even when it is slow; and one in which nothing may happen. */
#define SOON_MS 10000
#define MOMENT_MS 200

static short
poll_for(int fd, int timeout_ms)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};

    return poll(&item, 1, timeout_ms) == 1 ? item.revents : 0;
}

static void
check_initial(struct walk *walk, const struct device *device, int data_fd, struct stream *stream)
{
    uint64_t initial, dirty, size, first = stream_size(STATE_SIZE) - RECORD_SIZE;

    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == first && dirty == 0,
          "initial bytes are the first pass, dirty none: %llu", (unsigned long long)initial);
    check(walk, !device_data_size(device, &size) && size == first + RECORD_SIZE,
          "MIG_DATA_SIZE is everything yet");
    check(walk, poll_for(data_fd, 0) == POLLIN, "there is something to read");
    device_write_at(device, BAR0, 0, "early", 5);
    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == first && dirty == 0,
          "what changes before it was sent is not dirty");
    for (size_t part = 1; part < first; part *= 40) {
        stream_read(stream, data_fd, part, part);
        check(walk,
              !precopy_info(data_fd, &initial, &dirty) && initial == first - stream->size && !dirty,
              "initial bytes fall to %llu", (unsigned long long)initial);
    }
    check_error(walk, stream_read(stream, data_fd, SIZE_MAX, 100000), ENOMSG, "the temporary end");
    check(walk, stream->size == first, "which comes after exactly the initial bytes");
    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == 0 && dirty == 0,
          "nothing is left");
    check(walk, poll_for(data_fd, MOMENT_MS) == 0, "and poll says so");
    check(walk, !device_data_size(device, &size) && size == RECORD_SIZE,
          "MIG_DATA_SIZE is the end record: %llu", (unsigned long long)size);
}

static void
check_dirty(struct walk *walk, const struct device *device, int data_fd, struct stream *stream)
{
    const uint64_t page = STATE_PAGE + RECORD_SIZE;
    uint64_t initial, dirty, size;
    size_t before = stream->size;

    device_write_at(device, BAR0, 5, "marker", 6);
    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == 0 && dirty == page,
          "a write to a bank makes one page dirty");
    check(walk, !device_data_size(device, &size) && size == page + RECORD_SIZE,
          "MIG_DATA_SIZE has grown by it");
    stream_read(stream, data_fd, 7, 7);
    check(walk, !precopy_info(data_fd, &initial, &dirty) && dirty == page - 7,
          "dirty bytes fall as they are read");
    device_write_at(device, BAR0, 5, "MARKER", 6);
    check(walk, !precopy_info(data_fd, &initial, &dirty) && dirty == page - 7 + page,
          "a page that changes while it is read is dirty again");
    check_error(walk, stream_read(stream, data_fd, SIZE_MAX, 4096), ENOMSG, "the temporary end");
    check(walk, stream->size == before + 2 * page, "it came twice");
}

static void
check_rate(struct walk *walk, const struct device *device, int data_fd, struct stream *stream)
{
    uint64_t initial, dirty = 0, later = 0;
    double deadline = monotonic_seconds() + SOON_MS / 1000.0;

    check_error(walk, device_set(device, "dirty_rate", "409600"), 0, "100 pages a second");
    double start = monotonic_seconds();
    usleep(500000);
    precopy_info(data_fd, &initial, &dirty);
    double passed = monotonic_seconds() - start;
    check(walk, dirty > 0 && dirty <= (passed * 100 + 1) * (STATE_PAGE + RECORD_SIZE),
          "%llu bytes dirty after %.2f s", (unsigned long long)dirty, passed);
    while (later <= dirty && monotonic_seconds() < deadline)
        precopy_info(data_fd, &initial, &later);
    check(walk, later > dirty, "it grows to %llu", (unsigned long long)later);
    device_set(device, "dirty_rate", "0");
    check_error(walk, stream_read(stream, data_fd, MANY, 1 << 20), ENOMSG, "read what is dirty");
    precopy_info(data_fd, &initial, &dirty);
    check(walk, dirty == 0, "at rate 0 nothing gets dirty");
    device_set(device, "dirty_rate", "409600");
    usleep(100000);
    device_set(device, "dirty_rate", "0");
    check(walk, !precopy_info(data_fd, &initial, &dirty) && dirty > 0,
          "what the old rate made dirty counts under the new one");
    stream_read(stream, data_fd, MANY, 1 << 20);
}

static void
check_switchover(struct walk *walk, struct pair *pair, int data_fd, struct stream *stream)
{
    uint64_t initial, dirty, size;
    int new_fd, final_error;
    char there[32] = "", here[32] = "-";

    device_set(&pair->a, "dirty_rate", "40960000");
    usleep(100000);
    check_error(walk, device_set_state(&pair->a, STATE_PRE_COPY_P2P, &new_fd), 0,
                "-> pre-copy-p2p");
    check(walk, new_fd == -1, "the session goes on");
    precopy_info(data_fd, &initial, &dirty);
    usleep(20000);
    check(walk, !precopy_info(data_fd, &initial, &size) && dirty > 0 && size > 0,
          "it still changes: %llu, %llu", (unsigned long long)dirty, (unsigned long long)size);
    check_error(walk, device_set_state(&pair->a, STATE_STOP_COPY, &new_fd), 0, "-> stop-copy");
    check(walk, new_fd == -1, "the session goes on");
    check_error(walk, precopy_info(data_fd, &initial, &dirty), EINVAL, "no pre-copy info any more");
    check(walk, !device_data_size(&pair->a, &size), "MIG_DATA_SIZE is %llu",
          (unsigned long long)size);
    size_t before = stream->size;
    check_error(walk, stream_read(stream, data_fd, SIZE_MAX, 30000), 0, "read to the end");
    check(walk, stream->size > before && stream->size - before <= size,
          "%zu bytes came, no more than announced", stream->size - before);
    check(walk, poll_for(data_fd, 0) == POLLIN && read(data_fd, &size, 1) == 0,
          "the end is readable and stays the end");
    check_error(walk, load(&pair->b, stream, stream->size, 1 << 20, &final_error), 0, "load it");
    check_error(walk, final_error, 0, "it is whole");
    device_get(&pair->a, "checksum", here, sizeof here);
    device_get(&pair->b, "checksum", there, sizeof there);
    check(walk, strcmp(here, there) == 0, "checksums are %s and %s", here, there);
}

void
walk_precopy(struct walk *walk)
{
    struct stream stream = {0};
    struct pair pair;
    int data_fd;

    if (pair_open(walk, &pair, TYPE_TWO, TYPE_TWO, "1048576") &&
        check_error(walk, enter(&pair.a, STATE_PRE_COPY, &data_fd), 0, "-> pre-copy")) {
        check_initial(walk, &pair.a, data_fd, &stream);
        check_dirty(walk, &pair.a, data_fd, &stream);
        check_rate(walk, &pair.a, data_fd, &stream);
        check_switchover(walk, &pair, data_fd, &stream);
        close(data_fd);
    }
    stream_clear(&stream);
    pair_close(walk, &pair);
}

/* Not told to who has not asked, nor to the next who opens the device. */
static void
check_unasked(struct walk *walk, const struct device *device)
{
    struct stream stream = {0};
    uint64_t initial, dirty;
    int data_fd;

    device_set(device, "reinit", "after 0");
    enter(device, STATE_PRE_COPY, &data_fd);
    stream_read(&stream, data_fd, SIZE_MAX, 1 << 20);
    check(walk, precopy_flags(data_fd, 0) == 0 && poll_for(data_fd, 0) == 0, "nobody has asked");
    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == 0, "so nothing is anew");
    close(data_fd);
    stream_clear(&stream);
}

static void
check_reinit(struct walk *walk, struct pair *pair)
{
    const struct device *device = &pair->a;
    uint64_t initial, dirty, whole = stream_size(STATE_SIZE) - HEADER_SIZE - RECORD_SIZE;
    struct stream stream = {0};
    int data_fd, ignored, final_error;

    check_error(walk, device_want_reinit(device), 0, "asking to be told");
    device_set(device, "reinit", "after 5000");
    enter(device, STATE_PRE_COPY, &data_fd);
    stream_read(&stream, data_fd, 4999, 4999);
    check(walk, precopy_flags(data_fd, 1) == 0, "not before its time, and no echo");
    stream_read(&stream, data_fd, SIZE_MAX, 1 << 20);
    check(walk, poll_for(data_fd, 0) == POLLIN, "poll knows of initial bytes anew");
    device_write_at(device, BAR0, 0, "again", 5);
    check(walk, precopy_flags(data_fd, 0) == 1, "REINIT");
    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == whole && dirty == 0,
          "all of it is initial again: %llu, and nothing dirty", (unsigned long long)initial);
    check(walk, precopy_flags(data_fd, 0) == 0, "said once");
    check_error(walk, stream_read(&stream, data_fd, SIZE_MAX, 1 << 20), ENOMSG, "read it");
    check(walk, !precopy_info(data_fd, &initial, &dirty) && initial == 0 && dirty == 0, "once");
    device_set(device, "reinit", "at pre-copy-p2p");
    check(walk, precopy_flags(data_fd, 0) == 0, "not in pre-copy");
    device_set_state(device, STATE_PRE_COPY_P2P, &ignored);
    check(walk, precopy_flags(data_fd, 0) == 1, "REINIT in pre-copy-p2p");
    check_error(walk, device_set_state(device, STATE_PRE_COPY, &ignored), 0, "and back");
    stream_read(&stream, data_fd, 100000, 4096);
    device_set_state(device, STATE_STOP_COPY, &ignored);
    check_error(walk, stream_read(&stream, data_fd, SIZE_MAX, 1 << 20), 0, "read to the end");
    check_error(walk, load(&pair->b, &stream, stream.size, 1 << 20, &final_error), 0, "load it");
    check_error(walk, final_error, 0, "it is whole");
    check_error(walk, device_set(device, "reinit", "at stop-copy"), EINVAL, "nobody could be told");
    close(data_fd);
    stream_clear(&stream);
}

void
walk_reinit(struct walk *walk)
{
    struct pair pair;

    if (pair_open(walk, &pair, TYPE_ONE, TYPE_ONE, "1048576")) {
        check_unasked(walk, &pair.a);
        check_reinit(walk, &pair);
        device_close(&pair.a);
        if (check_error(walk, device_open(&pair.a), 0, "open it anew"))
            check_unasked(walk, &pair.a);
    }
    pair_close(walk, &pair);
}

enum wake_up {
    WAKE_BANK,
    WAKE_RATE,
    WAKE_STOP_COPY,
    WAKE_CANCEL,
    WAKE_RESET,
    WAKE_FAULT,
    WAKE_COUNT,
};

/* Run in a child, while the parent sleeps in poll. */
static int
wake_up(const struct device *device, enum wake_up how)
{
    int ignored;

    switch (how) {
    case WAKE_BANK:
        return device_write_at(device, BAR0, 0, "!", 1);
    case WAKE_RATE:
        return device_set(device, "dirty_rate", "40960");
    case WAKE_STOP_COPY:
        return device_set_state(device, STATE_STOP_COPY, &ignored);
    case WAKE_CANCEL:
        return device_set_state(device, STATE_RUNNING, &ignored);
    case WAKE_RESET:
        return device_reset(device);
    case WAKE_FAULT:
        return device_set(device, "fault", "io-after 0");
    case WAKE_COUNT:
        break;
    }
    return EINVAL;
}

static void
check_wake_up(struct walk *walk, const struct device *device, enum wake_up how)
{
    static const char *const names[WAKE_COUNT] = {
        "a write to a bank", "a change by itself", "stop-copy", "cancelling", "a reset", "a fault"};
    const short expected = how == WAKE_FAULT ? POLLIN | POLLERR : POLLIN;
    struct stream stream = {0};
    int data_fd, status;

    device_set(device, "dirty_rate", "0");
    enter(device, STATE_PRE_COPY, &data_fd);
    stream_read(&stream, data_fd, SIZE_MAX, 1 << 20);
    check(walk, poll_for(data_fd, 0) == 0, "nothing to read");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        usleep(MOMENT_MS * 1000);
        _exit(wake_up(device, how));
    }
    /* At its timeout poll looks once more, so an answer alone proves no wake-up. */
    double start = monotonic_seconds();
    check(walk,
          poll_for(data_fd, SOON_MS) == expected && monotonic_seconds() - start < SOON_MS / 2000.0,
          "%s wakes who polls", names[how]);
    check(walk, waitpid(child, &status, 0) == child && status == 0, "it was done");
    device_set(device, "fault", "none");
    close(data_fd);
    stream_clear(&stream);
}

void
walk_polling(struct walk *walk)
{
    struct pair pair;

    if (pair_open(walk, &pair, TYPE_ONE, TYPE_ONE, "65536"))
        for (enum wake_up how = 0; how < WAKE_COUNT; how++)
            check_wake_up(walk, &pair.a, how);
    pair_close(walk, &pair);
}
