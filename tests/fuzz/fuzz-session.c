/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "message.h"
#include "solo.h"
#include "tape.h"

/* Whatever the other side says: a source that has not committed runs again, one that has does not,
 * and a destination runs only with a commit on record, and after it has said that it is loaded. */

#define DEVICE_SIZE (2 * VF_MEMORY_PAGE)

static void
add_hello(VfTape *tape, VfRole receiver, const VfSoloSetup *setup)
{
    static const char *const features[] = {VF_FEATURE_PRE_COPY, VF_FEATURE_REINIT, NULL};
    const guint32 flags[VF_SOLO_DEVICES_MAX] = {1, 1, 1, 1};
    VfHello hello = {.job = (char *)VF_SOLO_JOB, .min = 1, .max = 1, .features = (char **)features};
    g_autoptr(GBytes) payload = receiver == VF_ROLE_DESTINATION
                                    ? vf_message_pack_hello(&hello, flags, setup->n_devices)
                                    : vf_message_pack_reply(VF_MESSAGE_VERSION, features, NULL);
    gsize size;
    const void *data = g_bytes_get_data(payload, &size);

    vf_tape_add_frame(tape, receiver == VF_ROLE_DESTINATION ? VF_FRAME_HELLO : VF_FRAME_HELLO_REPLY,
                      VF_FRAME_NO_DEVICE, data, (guint32)size, 0, 0);
}

/* The types of frames that are there, as bits. */
static guint
add_frames(VfTape *tape, FuzzBytes *bytes)
{
    guint types = 0;

    while (bytes->left > 0) {
        guint gate = fuzz_take_u8(bytes) % VF_TAPE_TYPES;
        guint count = fuzz_take_u8(bytes);
        guint16 type = fuzz_take_u16(bytes);
        guint8 device = fuzz_take_u8(bytes);
        gsize want = fuzz_take_u16(bytes);
        gsize length;
        const guint8 *payload = fuzz_take(bytes, want, &length);

        vf_tape_add_frame(tape, type, device == 0xff ? VF_FRAME_NO_DEVICE : device, payload,
                          (guint32)length, gate, gate == 0 ? 0 : count);
        types |= type < VF_TAPE_TYPES ? 1u << type : 0;
    }
    return types;
}

/* @heard: types of frames that may have come. */
static void
check_source(const VfSolo *solo, guint heard)
{
    gboolean committed = g_str_has_prefix(solo->events, "commit");
    gboolean done = g_str_equal(solo->events, "commit,done");

    FUZZ_RULE(committed || g_str_equal(solo->events, solo->end.untouched ? "" : "returned"));
    FUZZ_RULE(committed != vf_solo_is_live(solo));
    FUZZ_RULE(done == (solo->end.kind == VF_SESSION_COMPLETED));
    FUZZ_RULE(!committed || heard & 1u << VF_FRAME_LOADED);
    FUZZ_RULE(!done || heard & 1u << VF_FRAME_STARTED);
    FUZZ_RULE(committed == (done || solo->end.kind == VF_SESSION_IN_DOUBT));
}

static void
check_destination(const VfSolo *solo, VfTape *tape, guint heard)
{
    gboolean started = g_str_equal(solo->events, "loaded,commit,started");

    FUZZ_RULE(g_str_has_prefix("loaded,commit,started", solo->events));
    FUZZ_RULE(started == vf_solo_is_live(solo));
    FUZZ_RULE(!started || heard & 1u << VF_FRAME_COMMIT);
    FUZZ_RULE(started == (solo->end.kind == VF_SESSION_COMPLETED));
    FUZZ_RULE(!started || vf_tape_count(tape, VF_FRAME_LOADED) == 1);
    FUZZ_RULE(vf_tape_count(tape, VF_FRAME_STARTED) == (started ? 1 : 0));
    FUZZ_RULE(solo->end.kind != VF_SESSION_IN_DOUBT || solo->events[0] != '\0');
}

void
fuzz_session(VfRole role, const guint8 *data, gsize size)
{
    FuzzBytes bytes = {data, size};
    guint8 how = fuzz_take_u8(&bytes);
    g_autoptr(VfTape) tape = vf_tape_new();
    VfSoloSetup setup = {
        .role = role,
        .n_devices = 1 + (how & FUZZ_DEVICES) / (1 << 2),
        .device = {.flags = VF_BACKEND_STOP_COPY | (how & FUZZ_PRECOPY ? VF_BACKEND_PRE_COPY : 0) |
                            (how & FUZZ_P2P ? VF_BACKEND_P2P : 0),
                   .size = DEVICE_SIZE,
                   .no_trailer = TRUE},
        .precopy = (how & FUZZ_PRECOPY) != 0,
        .size_max = how & FUZZ_LIMIT ? VF_MEMORY_PAGE : 0,
    };
    g_autoptr(VfSolo) solo = NULL;
    guint heard = G_MAXUINT;

    fuzz_be_quiet();
    /* raw bytes are what older sides said, which do not have it */
    setup.reinit = setup.precopy && !(how & FUZZ_RAW);
    setup.device.reinit_times = setup.reinit ? 2 : 0;
    setup.device.reinit_after = 1;
    if (how & FUZZ_FAULT && role == VF_ROLE_SOURCE)
        setup.device.fail_read_at = VF_MEMORY_PAGE;
    else if (how & FUZZ_FAULT)
        setup.device.fail_write_at = VF_MEMORY_PAGE;
    if (how & FUZZ_HELLO && !(how & FUZZ_RAW))
        add_hello(tape, role, &setup);
    if (how & FUZZ_RAW)
        vf_tape_add(tape, bytes.at, bytes.left, 0, 0);
    else
        heard = add_frames(tape, &bytes);
    solo = vf_solo_run(&setup, vf_tape_play(tape));
    if (solo->end.error)
        fuzz_check_error(solo->end.error);
    if (role == VF_ROLE_SOURCE)
        check_source(solo, heard);
    else
        check_destination(solo, tape, heard);
}
