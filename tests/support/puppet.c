/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "puppet.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "io.h"
#include "lane.h"
#include "worker.h"

#define PATIENCE_MS 100 /* for what may take long: then the peer is heard, and it is asked on */
#define PAUSE_US 2000

typedef struct {
    int fd;
    gboolean asked;
    const char *state;
    int lane_ends[2]; /* ours, and the lane's until it has it */
    gsize through;    /* bytes */
    VfLane *lane;
    VfSession *session; /* it is the session's subject */
    VfSessionSubject subject;
} Puppet;

/* FALSE: the other end has gone. @answer is left alone when none has come for @patience_ms. */
static gboolean
ask(Puppet *self, VfPuppetQuestion question, int patience_ms, VfPuppetAnswer *answer,
    GError **error)
{
    struct pollfd wait = {.fd = self->fd, .events = POLLIN};
    guint8 byte = (guint8)question;
    VfPuppetAnswer said;

    if (!self->asked && write(self->fd, &byte, 1) == 1)
        self->asked = TRUE;
    while (self->asked) {
        if (poll(&wait, 1, patience_ms) == 0)
            return TRUE;
        if (read(self->fd, &said, sizeof said) != sizeof said)
            break;
        if (said.question != question) /* that was given up */
            continue;
        *answer = said;
        self->asked = FALSE;
        return TRUE;
    }
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "who pulls the strings is gone");
    return FALSE;
}

static gboolean
ask_at_once(Puppet *self, VfPuppetQuestion question, GError **error)
{
    VfPuppetAnswer answer = {0};

    if (!ask(self, question, -1, &answer, error))
        return FALSE;
    if (!answer.yes)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE, "%d cannot be done", question);
    return answer.yes != 0;
}

static GVariant *
introduce(gpointer data, GError **error)
{
    return g_variant_ref_sink(g_variant_new_parsed("{'puppet': <%s>}", ((Puppet *)data)->state));
}

static gboolean
meet(gpointer data, GVariant *other, GError **error)
{
    const char *own = ((Puppet *)data)->state;
    const char *state = own;

    if (!g_variant_lookup(other, "puppet", "&s", &state) || g_str_equal(state, own))
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER, "the other side is %s, too", state);
    return !g_str_equal(state, own);
}

static void
take_lane(gpointer data, VfChannel *channel)
{
    Puppet *self = data;

    self->lane = vf_lane_start(channel, vf_io_steal_fd(&self->lane_ends[1]));
}

/* As much as goes without waiting. TRUE: all of it has gone, or come. */
static gboolean
is_through(Puppet *self, gboolean out)
{
    guint8 bytes[4096] = {0};
    gsize size = MIN(sizeof bytes, VF_PUPPET_BYTES - self->through);
    ssize_t n = 1;

    for (; n > 0 && size > 0; size = MIN(sizeof bytes, VF_PUPPET_BYTES - self->through)) {
        n = out ? send(self->lane_ends[0], bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                : recv(self->lane_ends[0], bytes, size, MSG_DONTWAIT);
        self->through += (gsize)MAX(n, 0);
    }
    return size == 0;
}

static gboolean
move(gpointer data, gboolean *done, GError **error)
{
    Puppet *self = data;
    VfPuppetAnswer answer = {0};

    if (!is_through(self, TRUE)) {
        g_usleep(PAUSE_US);
        return TRUE;
    }
    if (!ask(self, VF_PUPPET_MOVE, PATIENCE_MS, &answer, error))
        return FALSE;
    vf_meter_reach(self->session->meter, answer.done, answer.rest);
    *done = answer.yes != 0;
    if (*done)
        self->state = "stopped";
    else
        g_usleep(PAUSE_US);
    return TRUE;
}

static gboolean
load(gpointer data, gboolean *done, GError **error)
{
    VfPuppetAnswer answer = {0};

    if (!is_through(data, FALSE)) {
        g_usleep(PAUSE_US);
        return TRUE;
    }
    if (!ask(data, VF_PUPPET_LOAD, PATIENCE_MS, &answer, error))
        return FALSE;
    *done = answer.yes != 0;
    if (!*done)
        g_usleep(PAUSE_US);
    return TRUE;
}

static gboolean
check_still(gpointer data, GError **error)
{
    return ask_at_once(data, VF_PUPPET_CHECK_STILL, error);
}

static gboolean
give_back(gpointer data, GError **error)
{
    Puppet *self = data;

    self->asked = FALSE; /* whatever was not answered yet is not worth an answer any more */
    if (!ask_at_once(self, VF_PUPPET_GIVE_BACK, error))
        return FALSE;
    self->state = "running";
    return TRUE;
}

static gboolean
run(gpointer data, GError **error)
{
    Puppet *self = data;

    if (!ask_at_once(self, VF_PUPPET_RUN, error))
        return FALSE;
    self->state = "running";
    return TRUE;
}

static const char *
describe(gpointer data)
{
    return ((Puppet *)data)->state;
}

static void
puppet_free(gpointer data)
{
    Puppet *self = data;

    g_clear_pointer(&self->lane, vf_lane_free);
    vf_io_clear_fd(&self->lane_ends[0]);
    vf_io_clear_fd(&self->lane_ends[1]);
    vf_io_clear_fd(&self->fd);
    g_free(self);
}

static VfSession *
adopt(VfRequest *request, int *fds, guint n_fds, VfRecord *record, gpointer data, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    Puppet *self = g_new0(Puppet, 1);

    request->own = self;
    request->free_own = puppet_free;
    self->fd = vf_io_steal_fd(&fds[0]);
    self->state = request->verb->needs & VF_CONFINE_CONNECT ? "running" : "stopped";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->lane_ends) < 0)
        g_error("socketpair");
    self->subject = (VfSessionSubject){.introduce = introduce,
                                       .meet = meet,
                                       .take_lane = take_lane,
                                       .move = move,
                                       .check_still = check_still,
                                       .give_back = give_back,
                                       .load = load,
                                       .run = run,
                                       .describe = describe,
                                       .data = self};
    self->session = vf_session_new(vf_devices_new(none), record);
    self->session->subject = &self->subject;
    return self->session;
}

static void
look(VfRequest *request, VfRequestResult *result, GError **error)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    if (!ask_at_once(request->own, VF_PUPPET_LOOK, error))
        return;
    g_variant_dict_insert(&dict, "state", "s", "prelaunch");
    result->more = g_variant_ref_sink(g_variant_dict_end(&dict));
}

int
main(int argc, char **argv)
{
    static const VfVerb verbs[] = {
        {"look", VF_REQUEST_ONE_FD, 0, FALSE, NULL, look},
        {"return", VF_REQUEST_RECORD_LAST, VF_CONFINE_RECORD, FALSE, vf_request_take_return,
         vf_request_return},
        {"start", VF_REQUEST_RECORD_LAST, VF_CONFINE_RECORD, FALSE, vf_request_take_past,
         vf_request_start},
        {"send", VF_REQUEST_RECORD_FIRST, VF_CONFINE_RECORD | VF_CONFINE_CONNECT, TRUE,
         vf_request_take_send, vf_request_send},
        {"receive", VF_REQUEST_RECORD_FIRST, VF_CONFINE_RECORD | VF_CONFINE_LISTEN, TRUE,
         vf_request_take_receive, vf_request_receive},
    };
    static const VfWorker worker = {.program = "vf-puppet",
                                    .verbs = verbs,
                                    .n_verbs = G_N_ELEMENTS(verbs),
                                    .adopt = adopt,
                                    .confine = vf_confine_to};

    return vf_worker_main(argc, argv, &worker);
}
