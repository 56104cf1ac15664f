/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "frame.h"

#include <string.h>

#include <glib/gi18n-lib.h>
#include <inttypes.h>

/* The hash's state lives on the stack here, which the library promises only for its own compiled-in
 * copy. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "error.h"

#define CHECKSUM_OFFSET 24

enum { FROM_SOURCE = 1 << VF_ROLE_SOURCE, FROM_DESTINATION = 1 << VF_ROLE_DESTINATION };
enum { ANY_LENGTH = -1, SOME_LENGTH = -2 };

typedef struct {
    const char *name;
    guint senders;
    gboolean has_device;
    gint length; /* exactly, or ANY_LENGTH, or SOME_LENGTH: at least a byte */
    guint32 max;
} TypeRule;

static const TypeRule rules[] = {
    [VF_FRAME_HELLO] = {"HELLO", FROM_SOURCE, FALSE, SOME_LENGTH, VF_FRAME_HELLO_MAX},
    [VF_FRAME_HELLO_REPLY] = {"HELLO", FROM_DESTINATION, FALSE, SOME_LENGTH, VF_FRAME_HELLO_MAX},
    [VF_FRAME_DATA] = {"DATA", FROM_SOURCE, TRUE, SOME_LENGTH, VF_FRAME_DATA_MAX},
    [VF_FRAME_INITIAL_END] = {"INITIAL_END", FROM_SOURCE, TRUE, 0, 0},
    [VF_FRAME_INITIAL_LOADED] = {"INITIAL_LOADED", FROM_DESTINATION, TRUE, 0, 0},
    [VF_FRAME_DEVICE_END] = {"DEVICE_END", FROM_SOURCE, TRUE, 8, 8},
    [VF_FRAME_LOADED] = {"LOADED", FROM_DESTINATION, FALSE, 0, 0},
    [VF_FRAME_COMMIT] = {"COMMIT", FROM_SOURCE, FALSE, 0, 0},
    [VF_FRAME_STARTED] = {"STARTED", FROM_DESTINATION, FALSE, 0, 0},
    [VF_FRAME_HEARTBEAT] = {"HEARTBEAT", FROM_SOURCE | FROM_DESTINATION, FALSE, 0, 0},
    [VF_FRAME_ABORT] = {"ABORT", FROM_SOURCE | FROM_DESTINATION, FALSE, SOME_LENGTH,
                        VF_FRAME_OTHER_MAX},
};
static const TypeRule optional_rule = {"(optional)", FROM_SOURCE | FROM_DESTINATION, FALSE,
                                       ANY_LENGTH, VF_FRAME_OTHER_MAX};

static const TypeRule *
find_rule(guint type)
{
    if (type >= VF_FRAME_OPTIONAL)
        return &optional_rule;
    return type < G_N_ELEMENTS(rules) && rules[type].name ? &rules[type] : NULL;
}

const char *
vf_frame_type_name(guint type)
{
    const TypeRule *rule = find_rule(type);

    return rule ? rule->name : "(unknown)";
}

static void
put(guint8 *at, guint64 value, guint size)
{
    for (guint i = 0; i < size; i++)
        at[i] = (guint8)(value >> (8 * i));
}

static guint64
get(const guint8 *at, guint size)
{
    guint64 value = 0;

    for (guint i = 0; i < size; i++)
        value |= (guint64)at[i] << (8 * i);
    return value;
}

static guint64
checksum(const guint8 *bytes, const void *payload, guint32 length)
{
    XXH3_state_t state;

    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, bytes, CHECKSUM_OFFSET);
    if (length > 0)
        XXH3_64bits_update(&state, payload, length);
    return XXH3_64bits_digest(&state);
}

void
vf_frame_pack(const VfFrameHeader *header, const void *payload, guint8 bytes[VF_FRAME_HEADER_SIZE])
{
    put(bytes, VF_FRAME_MAGIC, 4);
    put(bytes + 4, header->type, 2);
    put(bytes + 6, header->device, 2);
    put(bytes + 8, header->length, 4);
    put(bytes + 12, 0, 4);
    put(bytes + 16, header->sequence, 8);
    put(bytes + CHECKSUM_OFFSET, checksum(bytes, payload, header->length), 8);
}

static gboolean
refuse(GError **error, const char *what, guint64 value, const char *rule)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("a frame has %s %#" PRIx64 ", but must have %s"), what, value, rule);
    return FALSE;
}

static gboolean
check_rule(const TypeRule *rule, const VfFrameHeader *header, VfRole sender, guint n_devices,
           GError **error)
{
    if (!rule || !(rule->senders & (1u << sender)))
        return refuse(error, "type", header->type, "one that this side may send");
    if (header->length > rule->max ||
        (rule->length >= 0 && header->length != (guint)rule->length) ||
        (rule->length == SOME_LENGTH && header->length == 0)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("a %s frame has %u bytes of payload, which it may not have (at most %u)"),
                    rule->name, header->length, rule->max);
        return FALSE;
    }
    if (rule->has_device && header->device >= n_devices)
        return refuse(error, "device", header->device, "one of the job's");
    if (!rule->has_device && rule != &optional_rule && header->device != VF_FRAME_NO_DEVICE)
        return refuse(error, "device", header->device, "0xffff for this type");
    return TRUE;
}

gboolean
vf_frame_unpack(const guint8 bytes[VF_FRAME_HEADER_SIZE], VfRole sender, guint n_devices,
                guint64 sequence, VfFrameHeader *header, GError **error)
{
    guint64 magic = get(bytes, 4);

    header->type = (guint16)get(bytes + 4, 2);
    header->device = (guint16)get(bytes + 6, 2);
    header->length = (guint32)get(bytes + 8, 4);
    header->sequence = get(bytes + 16, 8);
    header->checksum = get(bytes + CHECKSUM_OFFSET, 8);
    if (magic != VF_FRAME_MAGIC)
        return refuse(error, "magic", magic, "0x59524656");
    if (get(bytes + 12, 4) != 0)
        return refuse(error, "reserved field", get(bytes + 12, 4), "0 there");
    if (header->sequence != sequence)
        return refuse(error, "sequence", header->sequence, "the next number");
    return check_rule(find_rule(header->type), header, sender, n_devices, error);
}

gboolean
vf_frame_verify(const guint8 bytes[VF_FRAME_HEADER_SIZE], const VfFrameHeader *header,
                const void *payload, GError **error)
{
    if (checksum(bytes, payload, header->length) == header->checksum)
        return TRUE;
    return refuse(error, "checksum", header->checksum, "that of its bytes");
}
