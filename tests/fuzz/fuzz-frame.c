/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "error.h"
#include "fuzz.h"
#include "message.h"
#include "printable.h"

/* One frame's header and the payloads that are more than a number: sender and number of devices,
 * the header, the payload. */

static void
check_features(char **features)
{
    FUZZ_RULE(g_strv_length(features) <= VF_MESSAGE_FEATURES_MAX);
    for (; *features; features++)
        FUZZ_RULE(vf_printable_is_word(*features, VF_MESSAGE_WORD_MAX));
}

/* Whoever meets it may look for anything in it. */
static void
check_subject(GVariant *subject)
{
    g_autofree char *text = NULL;

    if (!subject)
        return;
    FUZZ_RULE(g_variant_is_of_type(subject, G_VARIANT_TYPE_VARDICT));
    text = g_variant_print(subject, TRUE);
}

static void
parse_payload(const guint8 *payload, gsize size)
{
    g_auto(VfHello) hello = {0};
    g_auto(VfHelloReply) reply = {0};
    g_autoptr(GError) reason = vf_message_parse_abort(payload, size);
    g_autoptr(GBytes) again = NULL;

    FUZZ_RULE(reason->domain == VFERRY_ERROR);
    FUZZ_RULE(g_utf8_strlen(reason->message, -1) < 1100);
    for (const char *at = reason->message; *at; at = g_utf8_next_char(at))
        FUZZ_RULE(g_unichar_isprint(g_utf8_get_char(at)));
    again = vf_message_pack_abort(reason);
    FUZZ_RULE(g_bytes_get_size(again) <= VF_FRAME_OTHER_MAX);
    if (vf_message_parse_hello(payload, size, &hello, NULL)) {
        check_features(hello.features);
        check_subject(hello.subject);
    }
    if (vf_message_parse_reply(payload, size, &reply, NULL)) {
        check_features(reply.features);
        check_subject(reply.subject);
    }
}

static void
parse_header(VfRole sender, guint n_devices, FuzzBytes *bytes)
{
    guint8 header[VF_FRAME_HEADER_SIZE] = {0};
    guint8 packed[VF_FRAME_HEADER_SIZE];
    g_autoptr(GError) error = NULL;
    VfFrameHeader fields;
    gsize n;
    const guint8 *at = fuzz_take(bytes, sizeof header, &n);

    memcpy(header, at, n);
    if (!vf_frame_unpack(header, sender, n_devices, 0, &fields, &error)) {
        FUZZ_RULE(error != NULL);
        return;
    }
    FUZZ_RULE(fields.length <= VF_FRAME_DATA_MAX);
    if (fields.length > bytes->left)
        return;
    vf_frame_pack(&fields, bytes->at, packed);
    FUZZ_RULE(memcmp(packed, header, 24) == 0);
    FUZZ_RULE(vf_frame_verify(header, &fields, bytes->at, NULL) ==
              (memcmp(packed, header, sizeof packed) == 0));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FuzzBytes bytes = {data, size};
    guint8 how = fuzz_take_u8(&bytes);

    fuzz_be_quiet();
    if (how & 0x80)
        parse_payload(bytes.at, bytes.left);
    else
        parse_header(how & 1 ? VF_ROLE_SOURCE : VF_ROLE_DESTINATION, how >> 1 & 7, &bytes);
    return 0;
}
