/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "control.h"
#include "fuzz.h"
#include "io.h"
#include "job.h"
#include "mover-message.h"
#include "printable.h"

/* What a mover that was taken over says to the daemon: a datagram as it is, or, for depth,
 * arguments as GVariant text behind the number of a verb. */

static const char *const verbs[] = {"result", "progress", "listening", "attached", "phase"};

static void
parse_result(VfControlMessage *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VfMoverReply) reply = vf_mover_message_parse_result(message, &error);

    if (!reply) {
        fuzz_check_error(error);
        return;
    }
    FUZZ_RULE(reply->outcome && reply->flags && reply->state);
    for (guint i = 0; reply->flags[i]; i++)
        FUZZ_RULE(vf_printable_is_word(reply->flags[i], 64));
    if (reply->outcome->error)
        fuzz_check_error(reply->outcome->error);
}

static void
parse_progress(VfControlMessage *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) devices = NULL;
    VfProgress progress;
    guint64 sum = 0;

    if (!vf_mover_message_parse_progress(message, &progress, &devices, &error)) {
        fuzz_check_error(error);
        return;
    }
    for (gsize i = 0; i < progress.n_devices; i++)
        sum ^= progress.device_bytes[i];
    FUZZ_RULE(progress.n_devices <= VF_JOB_DEVICES_MAX || sum == 0);
}

static void
parse_rest(VfControlMessage *message)
{
    static const char *const keys[] = {"peer-address", "phase"};
    g_autofree char *address = NULL;
    guint16 port;

    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = vf_mover_message_parse_text(message, keys[i], &error);
        if (!text)
            fuzz_check_error(error);
    }
    if (vf_mover_message_parse_listening(message, &address, &port, NULL))
        FUZZ_RULE(port > 0 && vf_printable_is_word(address, 64));
}

static void
say(int fd, guint8 how, FuzzBytes *bytes)
{
    g_autofree char *text = NULL;
    g_autoptr(GVariant) args = NULL;

    if (how & 0x80) {
        (void)!send(fd, bytes->at, bytes->left, MSG_DONTWAIT | MSG_NOSIGNAL);
        return;
    }
    text = g_strndup((const char *)bytes->at, bytes->left);
    args = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
    if (args)
        vf_control_send(fd, verbs[how % G_N_ELEMENTS(verbs)], args, NULL, 0, NULL);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FuzzBytes bytes = {data, size};
    guint8 how = fuzz_take_u8(&bytes);
    vf_autofd int ours = -1;
    vf_autofd int theirs = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(VfControlMessage) message = NULL;

    fuzz_be_quiet();
    FUZZ_RULE(vf_control_pair(&ours, &theirs, NULL));
    say(theirs, how, &bytes);
    vf_io_clear_fd(&theirs);
    message = vf_control_receive(ours, &error);
    if (message) {
        FUZZ_RULE(vf_printable_is_word(message->verb, 32));
        parse_result(message);
        parse_progress(message);
        parse_rest(message);
    } else if (error) {
        fuzz_check_error(error);
    }
    return 0;
}
