/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks two vferry_testdev devices through the uAPI, and prints TAP.
 *
 *   testdev-walk [GROUP...]
 */
#include "testdev-walk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*run)(struct walk *walk);
} groups[] = {
    {"identity", walk_identity}, {"arcs", walk_arcs},       {"precopy", walk_precopy},
    {"reinit", walk_reinit},     {"polling", walk_polling}, {"transfer", walk_transfer},
    {"refusals", walk_refusals}, {"faults", walk_faults},   {"life", walk_life},
    {"large", walk_large},       {"cycles", walk_cycles},   {"storm", walk_storm},
    {"resets", walk_resets},
};
#define GROUPS (sizeof groups / sizeof *groups)

static bool __attribute__((format(printf, 4, 0)))
vcheck(struct walk *walk, bool good, const char *tail, const char *format, va_list arguments)
{
    printf("%s %u - ", good ? "ok" : "not ok", ++walk->points);
    vprintf(format, arguments);
    printf("%s\n", tail);
    if (!good)
        walk->failed++;
    return good;
}

bool
check(struct walk *walk, bool good, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vcheck(walk, good, "", format, arguments);
    va_end(arguments);
    return good;
}

bool
check_error(struct walk *walk, int error, int expected, const char *format, ...)
{
    char tail[128] = "";
    va_list arguments;

    if (error != expected)
        snprintf(tail, sizeof tail, " (errno is %d %s, not %d %s)", error, strerrorname_np(error),
                 expected, strerrorname_np(expected));
    va_start(arguments, format);
    vcheck(walk, error == expected, tail, format, arguments);
    va_end(arguments);
    return error == expected;
}

void
note(const char *format, ...)
{
    va_list arguments;

    printf("# ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

bool
pair_open(struct walk *walk, struct pair *pair, const char *type_a, const char *type_b,
          const char *state_size)
{
    struct device *devices[] = {&pair->a, &pair->b};
    const char *types[] = {type_a, type_b};
    bool good = true;

    for (unsigned i = 0; i < 2; i++) {
        int error = device_create(devices[i], i + 1, types[i]);

        if (!error)
            error = device_set(devices[i], "state_size", state_size);
        if (!error)
            error = device_open(devices[i]);
        if (error)
            good =
                check_error(walk, error, 0, "create and open %s of %s bytes", types[i], state_size);
    }
    return good;
}

void
pair_close(struct walk *walk, struct pair *pair)
{
    struct device *devices[] = {&pair->a, &pair->b};

    for (unsigned i = 0; i < 2; i++) {
        device_close(devices[i]);
        int error = device_remove(devices[i]);
        if (error)
            check_error(walk, error, 0, "remove device %s", devices[i]->uuid);
    }
}

int
enter(const struct device *device, unsigned state, int *data_fd)
{
    int error = device_reset(device);

    *data_fd = -1;
    if (!error && state != STATE_RUNNING)
        error = device_set_state(device, state, data_fd);
    return error;
}

int
save(const struct device *device, struct stream *stream)
{
    int data_fd, ignored;
    int error = device_set_state(device, STATE_STOP_COPY, &data_fd);

    if (error)
        return error;
    error = stream_read(stream, data_fd, SIZE_MAX, 1 << 20);
    close(data_fd);
    return error ? error : device_set_state(device, STATE_STOP, &ignored);
}

int
load(const struct device *device, const struct stream *stream, size_t size, size_t chunk,
     int *final_error)
{
    int data_fd, ignored;
    int error = device_set_state(device, STATE_RESUMING, &data_fd);

    *final_error = -1;
    if (error)
        return error;
    error = stream_write(stream, data_fd, 0, size, chunk);
    close(data_fd);
    *final_error = device_set_state(device, STATE_STOP, &ignored);
    return error;
}

uint64_t
stream_size(uint64_t state_size)
{
    uint64_t pages = STATE_PAGE + state_size;

    return HEADER_SIZE + pages + (pages + PIECE_SIZE - 1) / PIECE_SIZE * RECORD_SIZE + RECORD_SIZE;
}

static int
run_group(struct walk *walk, const char *name)
{
    for (size_t i = 0; i < GROUPS; i++) {
        if (strcmp(name, groups[i].name) != 0)
            continue;
        double start = monotonic_seconds();
        groups[i].run(walk);
        note("%s took %.2f s", name, monotonic_seconds() - start);
        return 0;
    }
    fprintf(stderr, "testdev-walk: there is no group '%s'\n", name);
    return EINVAL;
}

int
main(int argc, char **argv)
{
    struct walk walk = {0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        if (run_group(&walk, argv[i]))
            return 2;
    for (size_t i = 0; argc == 1 && i < GROUPS; i++)
        run_group(&walk, groups[i].name);
    printf("1..%u\n", walk.points);
    return walk.failed > 0 || walk.points == 0;
}
