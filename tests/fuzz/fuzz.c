/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "error.h"

void
fuzz_broken(const char *rule, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, rule);
    abort();
}

static GLogWriterOutput
drop(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    return G_LOG_WRITER_HANDLED;
}

void
fuzz_be_quiet(void)
{
    static gsize once = 0;

    if (g_once_init_enter(&once)) {
        g_log_set_writer_func(drop, NULL, NULL);
        g_once_init_leave(&once, 1);
    }
}

void
fuzz_check_error(const GError *error)
{
    FUZZ_RULE(error && error->domain == VFERRY_ERROR);
    FUZZ_RULE(g_utf8_validate(error->message, -1, NULL));
    for (const char *at = error->message; *at; at++)
        FUZZ_RULE(!g_ascii_iscntrl(*at));
}

const guint8 *
fuzz_take(FuzzBytes *bytes, gsize size, gsize *n)
{
    const guint8 *at = bytes->at;

    *n = MIN(size, bytes->left);
    bytes->at += *n;
    bytes->left -= *n;
    return at;
}

guint8
fuzz_take_u8(FuzzBytes *bytes)
{
    gsize n;
    const guint8 *at = fuzz_take(bytes, 1, &n);

    return n ? *at : 0;
}

guint16
fuzz_take_u16(FuzzBytes *bytes)
{
    guint low = fuzz_take_u8(bytes);

    return (guint16)(low | (guint)fuzz_take_u8(bytes) << 8);
}
