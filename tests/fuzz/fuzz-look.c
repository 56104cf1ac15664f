/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "guest-look.h"
#include "io.h"

/* What a QEMU that its guest has taken over says that its guest is. The first byte: raw, the rest
 * is what comes over its monitor behind a right greeting; or answers, parted by zeros, each of
 * which is given to one question after the other; or what another side says of its own guest (a
 * GVariant), which is compared with a right one. */

enum {
    RAW = 1 << 0,
    OTHER_SIDE = 1 << 1,
};

#define GREETING                                                                                   \
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":0,\"major\":10}},"                     \
    "\"capabilities\":[]}}{\"return\":{},\"id\":1}"

static void
check_text(const char *text, gsize max)
{
    FUZZ_RULE(g_utf8_validate(text, -1, NULL));
    FUZZ_RULE((gsize)g_utf8_strlen(text, -1) <= max);
    for (const char *at = text; *at; at = g_utf8_next_char(at))
        FUZZ_RULE(g_unichar_isprint(g_utf8_get_char(at)));
}

static void
check_device(const VfGuestDevice *device)
{
    check_text(device->guest_address, 2 * VF_GUEST_WORD_MAX);
    check_text(device->host_address, VF_GUEST_WORD_MAX);
    check_text(device->place, 2 * VF_GUEST_WORD_MAX);
    FUZZ_RULE(device->reasons->len <= VF_GUEST_REASONS_MAX);
    for (guint i = 0; i < device->reasons->len; i++)
        check_text(device->reasons->pdata[i], 400);
}

/* One that is like itself can always go there. */
static void
check_look(const VfGuestLook *seen)
{
    static const char *const none[] = {NULL};
    g_autoptr(GVariant) said = g_variant_ref_sink(vf_guest_look_introduce(seen, none));
    g_autoptr(GVariant) shown = g_variant_ref_sink(vf_guest_look_to_variant(seen));

    check_text(seen->name, VF_GUEST_WORD_MAX);
    check_text(seen->uuid, VF_GUEST_WORD_MAX);
    check_text(seen->machine, VF_GUEST_WORD_MAX);
    FUZZ_RULE(seen->devices->len <= VF_GUEST_DEVICES_MAX);
    for (guint i = 0; i < seen->devices->len; i++)
        check_device(seen->devices->pdata[i]);
    FUZZ_RULE(g_variant_is_normal_form(shown));
    FUZZ_RULE(vf_guest_look_meet(seen, said, NULL));
}

static void
say(int fd, const char *text, gsize size)
{
    (void)!send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
answer_all(int fd, FuzzBytes *bytes)
{
    for (guint id = 2; bytes->left > 0; id++) {
        const guint8 *end = memchr(bytes->at, 0, bytes->left);
        gsize size = end ? (gsize)(end - bytes->at) : bytes->left;
        g_autofree char *text = g_strndup((const char *)bytes->at, size);
        g_autofree char *line = g_strdup_printf("{\"return\":%s,\"id\":%u}\n", text, id);
        gsize n;

        say(fd, line, strlen(line));
        fuzz_take(bytes, size + 1, &n);
    }
}

static void
look(guint8 how, FuzzBytes *bytes)
{
    g_autoptr(VfGuest) guest = NULL;
    g_autoptr(VfGuestLook) seen = NULL;
    g_auto(GStrv) on = NULL;
    g_auto(GStrv) known = NULL;
    g_autoptr(GError) error = NULL;
    vf_autofd int peer = -1;
    int pair[2];

    FUZZ_RULE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    peer = pair[1];
    say(peer, GREETING, strlen(GREETING));
    if (how & RAW)
        say(peer, (const char *)bytes->at, bytes->left);
    else
        answer_all(peer, bytes);
    shutdown(peer, SHUT_WR);
    guest = vf_guest_new(pair[0], &(VfGuestPast){0}, 5000, &error);
    seen = guest ? vf_guest_look(guest, &error) : NULL;
    if (seen) {
        check_look(seen);
        known = vf_guest_list_capabilities(guest, &on, &error);
        if (known)
            json_object_unref(
                vf_guest_make_capabilities((const char *const *)known, (const char *const *)on));
    }
    if (error)
        fuzz_check_error(error);
    FUZZ_RULE(error || known);
}

static void
meet(FuzzBytes *raw)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    const VfGuestLook own = {.machine = (char *)"pc-q35-10.0", .devices = none};
    g_autoptr(GBytes) bytes = g_bytes_new(raw->at, raw->left);
    g_autoptr(GVariant) said =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, FALSE));
    g_autoptr(GError) error = NULL;

    if (g_variant_is_normal_form(said) && !vf_guest_look_meet(&own, said, &error))
        fuzz_check_error(error);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FuzzBytes bytes = {data, size};
    guint8 how = fuzz_take_u8(&bytes);

    fuzz_be_quiet();
    if (how & OTHER_SIDE)
        meet(&bytes);
    else
        look(how, &bytes);
    return 0;
}
