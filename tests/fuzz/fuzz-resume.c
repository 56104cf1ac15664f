/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "io.h"
#include "qmp.h"

/* What comes over a monitor's connection that an earlier process has left in the middle of
 * something. The first byte: whether that had heard of commands out of band, and whether a right
 * answer comes behind the rest. Numbers of questions are the same each time here: 1, and then 2. */

#define OOB (1 << 0)
#define ANSWERED (1 << 1)
#define ANSWER                                                                                     \
    "\r\n{\"return\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 10}}, \"id\": 1}\r\n"     \
    "{\"return\": {}, \"id\": 2}\r\n"

ssize_t
getrandom(void *buffer, size_t size, unsigned int flags)
{
    memset(buffer, 0, size);
    return (ssize_t)size;
}

static void
on_event(const char *name, JsonObject *data, gpointer user_data)
{
    FUZZ_RULE(g_utf8_validate(name, -1, NULL));
}

/* It works then, or says why not. */
static void
go_on(VfQmp *qmp, guint8 how)
{
    const VfQmpVersion *version = vf_qmp_get_version(qmp);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = NULL;

    FUZZ_RULE(MAX(MAX(version->major, version->minor), version->micro) <= G_MAXUINT16);
    FUZZ_RULE(vf_qmp_has_oob(qmp) == ((how & OOB) != 0));
    answer = vf_qmp_call(qmp, "stop", NULL, 0, &error);
    if (!answer)
        fuzz_check_error(error);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    FuzzBytes bytes = {data, size};
    guint8 how = fuzz_take_u8(&bytes);
    g_autoptr(VfQmp) qmp = NULL;
    g_autoptr(GError) error = NULL;
    vf_autofd int peer = -1;
    int pair[2];

    fuzz_be_quiet();
    FUZZ_RULE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    peer = pair[1];
    qmp = vf_qmp_new(pair[0], on_event, NULL, &error);
    FUZZ_RULE(qmp);
    (void)!send(peer, bytes.at, bytes.left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (how & ANSWERED)
        (void)!send(peer, ANSWER, strlen(ANSWER), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(peer, SHUT_WR);
    if (vf_qmp_resume(qmp, how & OOB, 1000, &error))
        go_on(qmp, how);
    else
        fuzz_check_error(error);
    return 0;
}
