/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "io.h"
#include "migrate-info.h"
#include "qmp.h"

/* What a QEMU that its guest has taken over says over its monitor. The first byte: whether a right
 * greeting comes before the rest, and how many questions are under way when it is read. */

#define GREETED (1 << 0)
#define QUESTIONS 7 /* shifted by one */
#define GREETING                                                                                   \
    "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":0,\"major\":10}},"                     \
    "\"capabilities\":[\"oob\"]}}{\"return\":{},\"id\":1}"

static void
on_event(const char *name, JsonObject *data, gpointer user_data)
{
    FUZZ_RULE(g_utf8_validate(name, -1, NULL));
}

static void
look_at(JsonNode *answer)
{
    g_auto(VfMigrateInfo) info = {0};
    VfRunState state;

    if (vf_migrate_info_parse(answer, &info, NULL)) {
        FUZZ_RULE(info.total >= info.done);
        FUZZ_RULE(!info.error || g_utf8_validate(info.error, -1, NULL));
    }
    (void)vf_run_state_parse(answer, &state, NULL);
}

static void
play(VfQmp *qmp, guint8 how)
{
    guint n = (how >> 1) & QUESTIONS;
    guint64 questions[QUESTIONS];

    if (how & GREETED && !vf_qmp_greet(qmp, 0, NULL))
        return;
    for (guint i = 0; i < n; i++)
        questions[i] = vf_qmp_send(qmp, "query-migrate", NULL,
                                   i % 2 ? VF_QMP_OUT_OF_BAND : VF_QMP_IN_TURN, -1, NULL);
    for (guint i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) answer = NULL;

        if (questions[i] == 0)
            continue;
        if (!vf_qmp_take(qmp, questions[i], 0, &answer, &error))
            fuzz_check_error(error);
        else if (answer)
            look_at(answer);
    }
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
    if (how & GREETED)
        (void)!send(peer, GREETING, strlen(GREETING), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)!send(peer, bytes.at, bytes.left, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(peer, SHUT_WR);
    play(qmp, how);
    while (vf_qmp_listen(qmp, 0, &error))
        continue;
    fuzz_check_error(error);
    return 0;
}
