/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What crosses, and what a loading device refuses. */
#include "testdev-walk.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL "4096"
#define SMALL_SIZE 4096

static void
mark_banks(const struct device *device, unsigned seed)
{
    uint8_t bytes[2048];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(seed + i * 31 + i / 128);
    device_write_at(device, BAR0, 0, bytes, sizeof bytes);
}

static void
check_same(struct walk *walk, const struct pair *pair)
{
    uint8_t here[4096] = {1}, there[4096] = {2};
    char sum_here[32] = "-", sum_there[32] = "";

    device_read_at(&pair->a, BAR0, 0, here, sizeof here);
    device_read_at(&pair->b, BAR0, 0, there, sizeof there);
    check(walk, memcmp(here, there, sizeof here) == 0, "BAR0 is the same");
    device_get(&pair->a, "checksum", sum_here, sizeof sum_here);
    device_get(&pair->b, "checksum", sum_there, sizeof sum_there);
    check(walk, strcmp(sum_here, sum_there) == 0, "so is the checksum, %s", sum_there);
}

static void
check_crossing(struct walk *walk, const char *from, const char *to, const char *size, size_t chunk)
{
    struct stream stream = {0};
    struct pair pair;
    int final_error, ignored;

    if (!pair_open(walk, &pair, from, to, size)) {
        pair_close(walk, &pair);
        return;
    }
    mark_banks(&pair.a, (unsigned)chunk);
    check_error(walk, save(&pair.a, &stream), 0, "save %s of %s bytes", from, size);
    check(walk, stream.size == stream_size(strtoull(size, NULL, 10)), "%zu bytes, each page once",
          stream.size);
    check_error(walk, load(&pair.b, &stream, stream.size, chunk, &final_error), 0,
                "load into %s by %zu bytes", to, chunk);
    check_error(walk, final_error, 0, "it is whole");
    check_same(walk, &pair);
    check(walk, device_count(&pair.b, "loaded") == 1, "one load is counted");
    check_error(walk, device_set_state(&pair.b, STATE_RUNNING, &ignored), 0, "it runs");
    stream_clear(&stream);
    pair_close(walk, &pair);
}

void
walk_transfer(struct walk *walk)
{
    check_crossing(walk, TYPE_ONE, TYPE_ONE, SMALL, 1);
    check_crossing(walk, TYPE_TWO, TYPE_TWO, SMALL, 7);
    check_crossing(walk, TYPE_TWO, TYPE_TWO, "61440", 65536);
    check_crossing(walk, TYPE_TWO, TYPE_TWO, "65536", 4095);
    check_crossing(walk, TYPE_ONE, TYPE_STOP_COPY, "1048576", 65537);
    check_crossing(walk, TYPE_STOP_COPY, TYPE_ONE, "8388608", 1 << 24);
}

/* After a refusal nothing but a reset leads out, and the device is then as after an open. */
static void
check_stuck(struct walk *walk, const struct device *device, const char *fresh)
{
    char sum[32] = "";
    unsigned state;
    int ignored;

    device_state(device, &state);
    check(walk, state == STATE_RESUMING, "it is still in resuming");
    check_error(walk, device_set_state(device, STATE_RUNNING, &ignored), EINVAL, "and can't run");
    check_error(walk, device_reset(device), 0, "a reset leads out");
    device_state(device, &state);
    device_get(device, "checksum", sum, sizeof sum);
    check(walk, state == STATE_RUNNING && strcmp(sum, fresh) == 0, "to a fresh device that runs");
}

/* What the write says (0: all of it is taken), then the arc, which never succeeds here. */
static void
check_refused(struct walk *walk, const struct device *device, const struct stream *stream,
              size_t size, int expected, const char *what)
{
    char fresh[32] = "-";
    int final_error;

    device_reset(device);
    device_get(device, "checksum", fresh, sizeof fresh);
    check_error(walk, load(device, stream, size, 5000, &final_error), expected, "write: %s", what);
    check_error(walk, final_error, EINVAL, "resuming -> stop: %s", what);
    check_stuck(walk, device, fresh);
}

static void
check_other_device(struct walk *walk, const char *from, const char *to, const char *from_size,
                   const char *to_size)
{
    struct stream stream = {0};
    struct pair pair;

    if (!pair_open(walk, &pair, from, to, from_size)) {
        pair_close(walk, &pair);
        return;
    }
    device_close(&pair.b);
    device_set(&pair.b, "state_size", to_size);
    device_open(&pair.b);
    save(&pair.a, &stream);
    note("%s of %s bytes into %s of %s", from, from_size, to, to_size);
    check_refused(walk, &pair.b, &stream, HEADER_SIZE - 1, 0, "a header that lacks a byte");
    check_refused(walk, &pair.b, &stream, HEADER_SIZE, EINVAL, "the header of another device");
    check_refused(walk, &pair.b, &stream, stream.size, EINVAL, "the state of another device");
    check(walk, device_count(&pair.b, "loaded") == 0, "nothing was loaded");
    stream_clear(&stream);
    pair_close(walk, &pair);
}

/* Offsets in a stream of 4096 bytes: header, record, two pages, end record. */
#define AT_RECORD HEADER_SIZE
#define AT_PAGES (AT_RECORD + RECORD_SIZE)
#define AT_END (AT_PAGES + 2 * STATE_PAGE)

static const struct {
    const char *what;
    size_t at;
    uint32_t value;
    int error; /* of the write */
} damages[] = {
    {"another magic", 0, 1, EINVAL},
    {"another version", 8, 1, EINVAL},
    {"a layout that the device has not", 12, 1, EINVAL},
    {"no banks", 16, 0, EINVAL},
    {"a layout that nobody knows", 12, 9, EINVAL},
    {"settings without a layout", 20, 1, EINVAL},
    {"another state size", 24, 8192, EINVAL},
    {"a state size over 4 GiB", 28, 1, EINVAL},
    {"an unknown kind of record", AT_RECORD, 3, EINVAL},
    {"a record of no pages", AT_RECORD + 4, 0, EINVAL},
    {"a record of half a page", AT_RECORD + 4, 2048, EINVAL},
    {"a record of too many pages", AT_RECORD + 4, 17 * STATE_PAGE, EINVAL},
    {"a record of more pages than there are", AT_RECORD + 4, 3 * STATE_PAGE, EINVAL},
    {"a record that begins beyond the end", AT_RECORD + 8, 2, EINVAL},
    {"a record that crosses the end", AT_RECORD + 8, 1, EINVAL},
    {"a page number over 32 bits", AT_RECORD + 12, 1, EINVAL},
    {"a byte of a bank changed", AT_PAGES + 3, 0x55555555, 0},
    {"a byte of the payload changed", AT_PAGES + STATE_PAGE + 4000, 0x55555555, 0},
    {"the first word of a page changed", AT_PAGES + STATE_PAGE, 0x55555555, 0},
    {"a byte between banks and payload", AT_PAGES + 3000, 1, 0},
    {"an end record with a length", AT_END + 4, 1, EINVAL},
    {"another checksum", AT_END + 8, 0x55555555, 0},
};

static void
check_damages(struct walk *walk, const struct device *device, struct stream *stream)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint32_t value = htole32(damages[i].value), old;

        memcpy(&old, stream->bytes + damages[i].at, sizeof old);
        memcpy(stream->bytes + damages[i].at, &value, sizeof value);
        check_refused(walk, device, stream, stream->size, damages[i].error, damages[i].what);
        memcpy(stream->bytes + damages[i].at, &old, sizeof old);
    }
}

static void
check_truncated(struct walk *walk, const struct device *device, const struct stream *stream)
{
    const size_t sizes[] = {0,
                            1,
                            HEADER_SIZE - 1,
                            HEADER_SIZE,
                            AT_RECORD + 1,
                            AT_PAGES,
                            AT_PAGES + STATE_PAGE,
                            AT_END,
                            AT_END + RECORD_SIZE - 1};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char what[64];

        snprintf(what, sizeof what, "%zu bytes of %zu", sizes[i], stream->size);
        check_refused(walk, device, stream, sizes[i], 0, what);
    }
}

/* The end record right after the header, and one byte after the end. */
static void
check_ends(struct walk *walk, const struct device *device, const struct stream *stream)
{
    struct stream other = {.bytes = malloc(stream->size + 1), .size = stream->size + 1};

    if (!other.bytes)
        abort();
    memcpy(other.bytes, stream->bytes, stream->size);
    other.bytes[stream->size] = 0;
    check_refused(walk, device, &other, other.size, EINVAL, "a byte after the end");
    memcpy(other.bytes + AT_RECORD, stream->bytes + AT_END, RECORD_SIZE);
    check_refused(walk, device, &other, AT_RECORD + RECORD_SIZE, 0, "an end before the pages");
    stream_clear(&other);
}

/* A refused write stays refused, and takes no state. */
static void
check_write_after_refusal(struct walk *walk, const struct device *device, struct stream *stream)
{
    int data_fd;

    enter(device, STATE_RESUMING, &data_fd);
    stream->bytes[0] ^= 1;
    check_error(walk, stream_write(stream, data_fd, 0, stream->size, SIZE_MAX), EINVAL,
                "a bad header in one write with all the rest");
    stream->bytes[0] ^= 1;
    check_error(walk, stream_write(stream, data_fd, 0, stream->size, SIZE_MAX), EINVAL,
                "the good stream after it");
    check_error(walk, stream_write(stream, data_fd, HEADER_SIZE, stream->size, SIZE_MAX), EINVAL,
                "the rest after it");
    close(data_fd);
    enter(device, STATE_RESUMING, &data_fd);
    stream->bytes[AT_RECORD] ^= 4;
    check(walk, write(data_fd, stream->bytes, stream->size) == -1 && errno == EINVAL,
          "a bad record in one write with a good header is no short write");
    stream->bytes[AT_RECORD] ^= 4;
    close(data_fd);
}

void
walk_refusals(struct walk *walk)
{
    struct stream stream = {0};
    struct pair pair;
    int final_error;

    check_other_device(walk, TYPE_TWO, TYPE_ONE, SMALL, SMALL);
    check_other_device(walk, TYPE_ONE, TYPE_TWO, SMALL, SMALL);
    check_other_device(walk, TYPE_ONE, TYPE_ONE, "8192", SMALL);
    check_other_device(walk, TYPE_ONE, TYPE_ONE, SMALL, "8192");
    if (pair_open(walk, &pair, TYPE_TWO, TYPE_TWO, SMALL)) {
        mark_banks(&pair.a, 3);
        save(&pair.a, &stream);
        check(walk, stream.size == AT_END + RECORD_SIZE, "a stream to damage");
        check_damages(walk, &pair.b, &stream);
        check_truncated(walk, &pair.b, &stream);
        check_ends(walk, &pair.b, &stream);
        check_write_after_refusal(walk, &pair.b, &stream);
        device_reset(&pair.b);
        check_error(walk, load(&pair.b, &stream, stream.size, 100, &final_error), 0,
                    "the good stream at last");
        check_error(walk, final_error, 0, "is loaded");
        check_same(walk, &pair);
    }
    stream_clear(&stream);
    pair_close(walk, &pair);
}
