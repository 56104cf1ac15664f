/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The faults on demand, each where it can strike. */
#include "testdev-walk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    unsigned refused;
    unsigned from;
    unsigned to;
    unsigned left_in;
} refusals[] = {
    {STATE_STOP, STATE_RUNNING, STATE_STOP, STATE_RUNNING_P2P},
    {STATE_STOP, STATE_RUNNING, STATE_STOP_COPY, STATE_RUNNING_P2P},
    {STATE_STOP, STATE_STOP_COPY, STATE_STOP, STATE_STOP_COPY},
    {STATE_STOP, STATE_STOP_COPY, STATE_RUNNING, STATE_STOP_COPY},
    {STATE_RUNNING, STATE_STOP, STATE_RUNNING, STATE_RUNNING_P2P},
    {STATE_RUNNING, STATE_PRE_COPY, STATE_RUNNING, STATE_PRE_COPY},
    {STATE_STOP_COPY, STATE_RUNNING, STATE_STOP_COPY, STATE_STOP},
    {STATE_STOP_COPY, STATE_PRE_COPY, STATE_STOP_COPY, STATE_PRE_COPY_P2P},
    {STATE_RESUMING, STATE_RUNNING, STATE_RESUMING, STATE_STOP},
    {STATE_RUNNING_P2P, STATE_RUNNING, STATE_STOP_COPY, STATE_RUNNING},
    {STATE_RUNNING_P2P, STATE_STOP, STATE_RUNNING, STATE_STOP},
    {STATE_PRE_COPY, STATE_RUNNING, STATE_PRE_COPY, STATE_RUNNING},
    {STATE_PRE_COPY_P2P, STATE_PRE_COPY, STATE_PRE_COPY_P2P, STATE_PRE_COPY},
    {STATE_PRE_COPY_P2P, STATE_PRE_COPY, STATE_STOP_COPY, STATE_PRE_COPY},
};

static void
check_refusal(struct walk *walk, const struct device *device, size_t i)
{
    char fault[32], shown[32] = "";
    int data_fd, new_fd = -1;
    unsigned state;

    device_set(device, "fault", "none");
    enter(device, refusals[i].from, &data_fd);
    snprintf(fault, sizeof fault, "refuse %s", mig_state_name(refusals[i].refused));
    device_set(device, "fault", fault);
    check(walk, !device_get(device, "fault", shown, sizeof shown) && strcmp(shown, fault) == 0,
          "fault %s", shown);
    check_error(walk, device_set_state(device, refusals[i].to, &new_fd), EIO, "%s -> %s",
                mig_state_name(refusals[i].from), mig_state_name(refusals[i].to));
    device_state(device, &state);
    check(walk, state == refusals[i].left_in, "which leaves it in %s", mig_state_name(state));
    device_set(device, "fault", "none");
    check_error(walk, device_set_state(device, refusals[i].to, &new_fd), 0,
                "without the fault it goes on");
    if (new_fd >= 0)
        close(new_fd);
    if (data_fd >= 0)
        close(data_fd);
}

/* A refused leaving of RESUMING has checked nothing yet: it can be repeated. */
static void
check_refused_final(struct walk *walk, const struct device *device, const struct stream *stream)
{
    int data_fd, ignored;

    enter(device, STATE_RESUMING, &data_fd);
    check_error(walk, stream_write(stream, data_fd, 0, stream->size, SIZE_MAX), 0, "load a state");
    device_set(device, "fault", "refuse stop");
    check_error(walk, device_set_state(device, STATE_RUNNING, &ignored), EIO, "resuming -> stop");
    device_set(device, "fault", "none");
    check_error(walk, device_set_state(device, STATE_RUNNING, &ignored), 0,
                "and again without fault");
    close(data_fd);
}

static void
set_io_after(const struct device *device, size_t bytes)
{
    char fault[32];

    snprintf(fault, sizeof fault, "io-after %zu", bytes);
    device_set(device, "fault", fault);
}

static void
check_broken_read(struct walk *walk, const struct device *device, unsigned state, size_t after)
{
    struct stream stream = {0};
    struct pollfd item = {.events = POLLIN};
    int ignored;

    device_set(device, "fault", "none");
    enter(device, state, &item.fd);
    set_io_after(device, after);
    check_error(walk, stream_read(&stream, item.fd, SIZE_MAX, 10000), EIO,
                "read in %s, io-after %zu", mig_state_name(state), after);
    check(walk, stream.size == after, "%zu bytes came", stream.size);
    check(walk, poll(&item, 1, 0) == 1 && item.revents & POLLERR, "poll sees the error");
    device_set(device, "fault", "none");
    check_error(walk, stream_read(&stream, item.fd, 1, 1), EIO, "it stays broken");
    check_error(walk, device_set_state(device, STATE_RUNNING, &ignored), 0,
                "the device runs again");
    check_error(walk, stream_read(&stream, item.fd, 1, 1), ENODEV, "the fd is dead");
    close(item.fd);
    stream.size = 0;
    check_error(walk, save(device, &stream), 0, "another save works");
    stream_clear(&stream);
}

static void
check_broken_write(struct walk *walk, const struct device *device, const struct stream *stream,
                   size_t after)
{
    int data_fd, ignored;

    device_set(device, "fault", "none");
    enter(device, STATE_RESUMING, &data_fd);
    set_io_after(device, after);
    check(walk, write(data_fd, stream->bytes, stream->size) == (after ? (ssize_t)after : -1),
          "write, io-after %zu: a short write", after);
    check_error(walk, stream_write(stream, data_fd, after, stream->size, 10000), EIO,
                "then an error");
    device_set(device, "fault", "none");
    check_error(walk, stream_write(stream, data_fd, after, stream->size, 10000), EIO,
                "it stays broken");
    check_error(walk, device_set_state(device, STATE_STOP, &ignored), EINVAL, "nothing is loaded");
    check_error(walk, device_reset(device), 0, "a reset leads out");
    close(data_fd);
}

static void
check_is_broken(struct walk *walk, const struct device *device)
{
    unsigned state;
    int ignored;

    device_state(device, &state);
    check(walk, state == STATE_ERROR, "it is in %s", mig_state_name(state));
    device_set(device, "fault", "none");
    check_error(walk, device_set_state(device, STATE_RUNNING, &ignored), EINVAL,
                "no arc leads out, not without the fault either");
    check_error(walk, device_reset(device), 0, "a reset does");
    device_state(device, &state);
    check(walk, state == STATE_RUNNING, "and it runs");
}

/* ERROR, on an arc and in the middle of a stream. */
static void
check_error_state(struct walk *walk, const struct device *device, unsigned from, unsigned to)
{
    char fault[32];
    int data_fd, ignored;

    enter(device, from, &data_fd);
    snprintf(fault, sizeof fault, "error %s", mig_state_name(to));
    device_set(device, "fault", fault);
    check_error(walk, device_set_state(device, to, &ignored), EIO, "%s -> %s", mig_state_name(from),
                mig_state_name(to));
    check_is_broken(walk, device);
    if (data_fd >= 0)
        close(data_fd);
}

static void
check_error_after(struct walk *walk, const struct device *device, struct stream *stream)
{
    struct stream other = {0};
    int data_fd;

    enter(device, STATE_STOP_COPY, &data_fd);
    device_set(device, "fault", "error-after 5000");
    check_error(walk, stream_read(&other, data_fd, SIZE_MAX, 10000), ENODEV, "error-after 5000");
    check(walk, other.size == 5000, "%zu bytes came", other.size);
    check_is_broken(walk, device);
    close(data_fd);
    enter(device, STATE_RESUMING, &data_fd);
    device_set(device, "fault", "error-after 5000");
    check(walk, write(data_fd, stream->bytes, stream->size) == 5000, "5000 bytes are taken");
    check_error(walk, stream_write(stream, data_fd, 5000, stream->size, 10000), ENODEV,
                "and no more");
    check_is_broken(walk, device);
    close(data_fd);
    stream_clear(&other);
}

static void
check_load_final(struct walk *walk, const struct device *device, const struct stream *stream)
{
    uint64_t before = device_count(device, "loaded");
    int final_error, ignored;
    unsigned state;

    device_reset(device);
    device_set(device, "fault", "load-final");
    check_error(walk, load(device, stream, stream->size, SIZE_MAX, &final_error), 0,
                "every byte is taken");
    check_error(walk, final_error, EINVAL, "resuming -> stop");
    device_state(device, &state);
    check(walk, state == STATE_RESUMING, "it is still in resuming");
    device_set(device, "fault", "none");
    check_error(walk, device_set_state(device, STATE_STOP, &ignored), EINVAL, "it stays so");
    check(walk, device_count(device, "loaded") == before, "no load is counted");
    device_reset(device);
    check_error(walk, load(device, stream, stream->size, SIZE_MAX, &final_error), 0,
                "without the fault");
    check_error(walk, final_error, 0, "it is loaded");
    check(walk, device_count(device, "loaded") == before + 1, "and counted");
}

static const struct {
    const char *knob;
    const char *value;
    int error;
} knobs[] = {
    {"fault", "refuse", EINVAL},
    {"fault", "refuse error", EINVAL},
    {"fault", "refuse running-", EINVAL},
    {"fault", "refuse  stop", EINVAL},
    {"fault", "io-after", EINVAL},
    {"fault", "io-after -1", EINVAL},
    {"fault", "io-after 1x", EINVAL},
    {"fault", "io-after 18446744073709551616", ERANGE},
    {"fault", "load-final please", EINVAL},
    {"fault", "error error", EINVAL},
    {"fault", "error-after x", EINVAL},
    {"fault", "hang", EINVAL},
    {"fault", "reset", EINVAL},
    {"fault", "reset error", EINVAL},
    {"fault", "reset-after", EINVAL},
    {"fault", "reset stop-copy\n", 0},
    {"fault", "reset-after 4096\n", 0},
    {"fault", "hang resuming\n", 0},
    {"fault", "hang-after 4096\n", 0},
    {"fault", "error-after 1\n", 0},
    {"fault", "error stop\n", 0},
    {"fault", "none\n", 0},
    {"fault", "io-after 0\n", 0},
    {"fault", "refuse pre-copy-p2p\n", 0},
    {"dirty_rate", "1.5", EINVAL},
    {"dirty_rate", "-1", EINVAL},
    {"dirty_rate", "8589934593", ERANGE},
    {"dirty_rate", "8589934592\n", 0},
    {"dirty_rate", "1", 0},
    {"read_delay_us", "10000001", ERANGE},
    {"read_delay_us", "10000000", 0},
    {"write_delay_us", "0x10", EINVAL},
    {"state_size", "4096", EBUSY},
};

static void
check_knobs(struct walk *walk, const struct device *device)
{
    for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++) {
        char before[64] = "", after[64] = "";

        device_get(device, knobs[i].knob, before, sizeof before);
        check_error(walk, device_set(device, knobs[i].knob, knobs[i].value), knobs[i].error,
                    "%s = '%.*s'", knobs[i].knob, (int)strcspn(knobs[i].value, "\n"),
                    knobs[i].value);
        device_get(device, knobs[i].knob, after, sizeof after);
        check(walk,
              knobs[i].error ? strcmp(before, after) == 0
                             : strncmp(after, knobs[i].value, strlen(after)) == 0,
              "which makes it '%s'", after);
    }
    device_set(device, "fault", "none");
    device_set(device, "dirty_rate", "0");
    device_set(device, "read_delay_us", "0");
}

void
walk_faults(struct walk *walk)
{
    const size_t afters[] = {0, 1, HEADER_SIZE, HEADER_SIZE + 5, 66000, 69696};
    struct stream stream = {0};
    struct pair pair;

    if (pair_open(walk, &pair, TYPE_ONE, TYPE_ONE, "65536")) {
        check_knobs(walk, &pair.a);
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
            check_refusal(walk, &pair.a, i);
        device_reset(&pair.a);
        save(&pair.a, &stream);
        check(walk, stream.size == stream_size(65536), "a stream of %zu bytes", stream.size);
        check_refused_final(walk, &pair.b, &stream);
        for (size_t i = 0; i < sizeof afters / sizeof *afters; i++) {
            check_broken_read(walk, &pair.a, STATE_STOP_COPY, afters[i]);
            check_broken_read(walk, &pair.a, STATE_PRE_COPY, afters[i]);
            check_broken_write(walk, &pair.b, &stream, afters[i]);
        }
        check_load_final(walk, &pair.b, &stream);
        check_error_state(walk, &pair.a, STATE_RUNNING, STATE_PRE_COPY);
        check_error_state(walk, &pair.a, STATE_PRE_COPY, STATE_STOP_COPY);
        check_error_state(walk, &pair.a, STATE_RUNNING, STATE_RESUMING);
        check_error_state(walk, &pair.a, STATE_RESUMING, STATE_STOP);
        check_error_after(walk, &pair.a, &stream);
    }
    stream_clear(&stream);
    pair_close(walk, &pair);
}
