/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk's points and fixtures. Each group is a test of its own and leaves no device behind. */
#pragma once

#include "testdev-device.h"

#define TYPE_ONE "vferry_testdev-1"
#define TYPE_TWO "vferry_testdev-2"
#define TYPE_STOP_COPY "vferry_testdev-stopcopy"

/* The stream's layout as the module's README gives it. */
#define HEADER_SIZE 32
#define RECORD_SIZE 16
#define STATE_PAGE 4096
#define PIECE_SIZE 65536

#define BAR0 0
#define CONFIG 7

struct walk {
    unsigned points;
    unsigned failed;
};

struct pair {
    struct device a;
    struct device b;
};

/* One TAP line; false stays false, so that callers can give up. */
bool check(struct walk *walk, bool good, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool check_error(struct walk *walk, int error, int expected, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool pair_open(struct walk *walk, struct pair *pair, const char *type_a, const char *type_b,
               const char *state_size);
void pair_close(struct walk *walk, struct pair *pair);

/* Ends whatever goes on and comes to `state` the plain way; its data fd if it has one. */
int enter(const struct device *device, unsigned state, int *data_fd);

/* A whole stream of a device that runs, by STOP_COPY alone; the device is left in STOP. */
int save(const struct device *device, struct stream *stream);
/* Loads bytes and leaves RESUMING for STOP: the write's errno, then that of the arc. */
int load(const struct device *device, const struct stream *stream, size_t size, size_t chunk,
         int *final_error);

/* Exact size of a stream which sends each page once. */
uint64_t stream_size(uint64_t state_size);

void walk_identity(struct walk *walk);
void walk_arcs(struct walk *walk);
void walk_precopy(struct walk *walk);
void walk_reinit(struct walk *walk);
void walk_polling(struct walk *walk);
void walk_transfer(struct walk *walk);
void walk_refusals(struct walk *walk);
void walk_faults(struct walk *walk);
void walk_life(struct walk *walk);
void walk_large(struct walk *walk);
void walk_storm(struct walk *walk);
void walk_cycles(struct walk *walk);
void walk_resets(struct walk *walk);
