/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "solo.h"

/* What was captured, and how it ended: for the program that records and the test that replays. */

#define CAPTURES_PATIENCE_MS 60000 /* no heartbeat gets in between */

typedef struct {
    const char *name;
    guint n_devices;
    VfMemoryOptions device;       /* at both sides */
    guint64 fail_read_at;         /* at the source only */
    guint64 fail_write_at;        /* at the destination only */
    gboolean precopy[2];          /* by VfRole: wanted by this side */
    VfSessionEndKind outcomes[2]; /* by VfRole */
    const char *events[2];
} Capture;

#define CAPTURES_PAGES(n) ((n)*VF_MEMORY_PAGE)

static const Capture captures[] = {
    {.name = "stop-copy",
     .n_devices = 1,
     .device = {.flags = VF_BACKEND_STOP_COPY, .size = CAPTURES_PAGES(2), .seed = 11},
     .events = {"commit,done", "loaded,commit,started"}},
    {.name = "pre-copy",
     .n_devices = 1,
     .device = {.flags = VF_BACKEND_STOP_COPY | VF_BACKEND_PRE_COPY,
                .size = CAPTURES_PAGES(3),
                .seed = 12,
                .stop_only = CAPTURES_PAGES(1),
                .dirty_per_read = CAPTURES_PAGES(1),
                .dirty_max = CAPTURES_PAGES(2)},
     .precopy = {TRUE, TRUE},
     .events = {"commit,done", "loaded,commit,started"}},
    {.name = "pre-copy-refused", /* one side does not want it */
     .n_devices = 1,
     .device = {.flags = VF_BACKEND_STOP_COPY | VF_BACKEND_PRE_COPY,
                .size = CAPTURES_PAGES(1),
                .seed = 13},
     .precopy = {TRUE, FALSE},
     .events = {"commit,done", "loaded,commit,started"}},
    {.name = "two-devices",
     .n_devices = 2,
     .device = {.flags = VF_BACKEND_STOP_COPY | VF_BACKEND_P2P | VF_BACKEND_PRE_COPY,
                .size = CAPTURES_PAGES(2),
                .seed = 14,
                .read_max = 1500},
     .precopy = {TRUE, TRUE},
     .events = {"commit,done", "loaded,commit,started"}},
    {.name = "abort-by-source",
     .n_devices = 1,
     .device = {.flags = VF_BACKEND_STOP_COPY, .size = CAPTURES_PAGES(2), .seed = 15},
     .fail_read_at = CAPTURES_PAGES(1),
     .outcomes = {VF_SESSION_FAILED, VF_SESSION_FAILED},
     .events = {"returned", ""}},
    {.name = "abort-by-destination",
     .n_devices = 1,
     .device = {.flags = VF_BACKEND_STOP_COPY, .size = CAPTURES_PAGES(2), .seed = 16},
     .fail_write_at = CAPTURES_PAGES(1),
     .outcomes = {VF_SESSION_FAILED, VF_SESSION_FAILED},
     .events = {"returned", ""}},
};

static inline VfSoloSetup
capture_setup(const Capture *capture, VfRole role)
{
    VfSoloSetup setup = {.role = role,
                         .n_devices = capture->n_devices,
                         .device = capture->device,
                         .precopy = capture->precopy[role],
                         .patience_ms = CAPTURES_PATIENCE_MS};

    setup.device.fail_read_at = role == VF_ROLE_SOURCE ? capture->fail_read_at : 0;
    setup.device.fail_write_at = role == VF_ROLE_DESTINATION ? capture->fail_write_at : 0;
    return setup;
}

static inline char *
capture_path(const char *folder, const Capture *capture, VfRole from)
{
    g_autofree char *name = g_strdup_printf("%s.%s.stream", capture->name,
                                            from == VF_ROLE_SOURCE ? "source" : "destination");

    return g_build_filename(folder, name, NULL);
}
