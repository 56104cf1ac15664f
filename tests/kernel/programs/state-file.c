/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says to a state: saves that of a device to a file, and loads files into a device.
 *
 *     state-file save UUID FILE
 *     state-file load UUID FILE…
 *
 * `load` prints a line for each file: UUID, its name, and "ok", or where the kernel refused it
 * ("write", "end": when the loading state is left) and the errno's name. Each file meets the device
 * as a new one: it is reset, closed and opened before. Ends with 1 when something else went wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "testdev-device.h"

#define CHUNK (64 * 1024)
#define LARGEST (256u * 1024 * 1024)

static int
complain(const char *what, int error)
{
    fprintf(stderr, "state-file: %s: %s\n", what, strerror(error));
    return 1;
}

static int
write_file(const char *path, const struct stream *stream)
{
    FILE *file = fopen(path, "wb");
    int error = 0;

    if (!file)
        return errno;
    if (fwrite(stream->bytes, 1, stream->size, file) != stream->size)
        error = errno;
    if (fclose(file))
        error = errno;
    return error;
}

static int
read_file(const char *path, struct stream *stream)
{
    FILE *file = fopen(path, "rb");
    int error;

    if (!file)
        return errno;
    error = stream_read(stream, fileno(file), LARGEST, CHUNK);
    fclose(file);
    return error;
}

/* Leaves the device running. */
static int
save(struct device *device, struct stream *stream)
{
    int data_fd, nothing;
    int error = device_set_state(device, STATE_STOP_COPY, &data_fd);

    if (error)
        return error;
    error = stream_read(stream, data_fd, LARGEST, CHUNK);
    close(data_fd);
    return error ? error : device_set_state(device, STATE_RUNNING, &nothing);
}

static int
save_to(struct device *device, const char *path)
{
    struct stream stream = {0};
    int error = device_open(device);

    if (error)
        return complain("open", error);
    error = save(device, &stream);
    device_close(device);
    if (!error)
        error = write_file(path, &stream);
    stream_clear(&stream);
    return error ? complain(path, error) : 0;
}

/* *where: what refused it. */
static int
load(struct device *device, const struct stream *stream, const char **where)
{
    int data_fd, nothing;
    int error = device_set_state(device, STATE_RESUMING, &data_fd);

    *where = "begin";
    if (error)
        return error;
    *where = "write";
    error = stream_write(stream, data_fd, 0, stream->size, CHUNK);
    close(data_fd);
    if (error)
        return error;
    *where = "end";
    error = device_set_state(device, STATE_STOP, &nothing);
    return error ? error : device_set_state(device, STATE_RUNNING, &nothing);
}

static int
load_from(struct device *device, const char *path)
{
    struct stream stream = {0};
    const char *where = "";
    int error = read_file(path, &stream);

    if (error) {
        stream_clear(&stream);
        return complain(path, error);
    }
    error = device_open(device);
    if (error) {
        stream_clear(&stream);
        return complain("open", error);
    }
    error = load(device, &stream, &where);
    if (error)
        printf("%s %s %s %s\n", device->uuid, path, where, strerrorname_np(error));
    else
        printf("%s %s ok\n", device->uuid, path);
    error = device_reset(device);
    device_close(device);
    stream_clear(&stream);
    return error ? complain("reset", error) : 0;
}

int
main(int argc, char **argv)
{
    struct device device = {.container = -1, .group = -1, .fd = -1};
    int status = 0;

    if (argc < 4 || (strcmp(argv[1], "load") != 0 && (strcmp(argv[1], "save") != 0 || argc > 4))) {
        fprintf(stderr, "usage: state-file save UUID FILE | load UUID FILE…\n");
        return 3;
    }
    snprintf(device.uuid, sizeof device.uuid, "%s", argv[2]);
    if (strcmp(argv[1], "save") == 0)
        return save_to(&device, argv[3]);
    for (int i = 3; i < argc && status == 0; i++)
        status = load_from(&device, argv[i]);
    return status;
}
