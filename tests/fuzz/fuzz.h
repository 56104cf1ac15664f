/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "frame.h"

/* A fuzz target is one function: libFuzzer calls it, or replay.c with what a folder holds. An input
 * that breaks a rule ends the process. */
int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* Not an assertion that a build may leave out. */
#define FUZZ_RULE(condition)                                                                       \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (!(condition))                                                                          \
            fuzz_broken(#condition, __FILE__, __LINE__);                                           \
    }                                                                                              \
    G_STMT_END

G_NORETURN void fuzz_broken(const char *rule, const char *file, int line);

/* @error is there, of our domain, and text that a person can read. */
void fuzz_check_error(const GError *error);

/* Drops what is logged: a hostile peer makes warnings, and that is right. Once for a process. */
void fuzz_be_quiet(void);

/* Bytes that are taken from the front, zeros when there are no more. */
typedef struct {
    const guint8 *at;
    gsize left;
} FuzzBytes;

guint8 fuzz_take_u8(FuzzBytes *bytes);
guint16 fuzz_take_u16(FuzzBytes *bytes);
/* At most @size, fewer when there are not so many. */
const guint8 *fuzz_take(FuzzBytes *bytes, gsize size, gsize *n);

/* One side of a session against the frames in an input. Its first byte: how. */
enum {
    FUZZ_RAW = 1 << 0, /* the rest is the stream as it is; otherwise frames, each of
                        *   gate u8, gate count u8, type u16, device u8, length u16, payload
                        * with the header made right, and heard once so many frames of the gate's
                        * type were said */
    FUZZ_PRECOPY = 1 << 1,
    FUZZ_DEVICES = 3 << 2, /* one to four */
    FUZZ_HELLO = 1 << 4,   /* a right hello comes first, cooked only */
    FUZZ_P2P = 1 << 5,
    FUZZ_FAULT = 1 << 6,
    FUZZ_LIMIT = 1 << 7,
};

void fuzz_session(VfRole role, const guint8 *data, gsize size);
