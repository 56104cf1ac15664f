/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "guest-side.h"

#include <errno.h>
#include <sys/socket.h>

#include <glib/gi18n-lib.h>

#include "error.h"
#include "io.h"
#include "json-get.h"

#define LANE_NAME "vferry-lane"
#define LANE_URI "fd:" LANE_NAME

/* In the order of their worth. Without the return path nobody knows when the other side has all of
 * it, and `events` saves a wait; the destination's word that it has the initial bytes is what keeps
 * the guest's pause short. */
static const char *const ours[] = {"return-path", "events", "switchover-ack", NULL};

VfGuestSide *
vf_guest_side_new(VfSession *session, const VfSessionSubject *subject,
                  const VfGuestPatience *patience)
{
    VfGuestSide *self = g_new0(VfGuestSide, 1);

    self->session = session;
    self->subject = *subject;
    self->subject.data = self;
    self->state = "stopped";
    self->lane_ends[0] = self->lane_ends[1] = -1;
    self->brought = -1;
    self->patience = patience;
    g_mutex_init(&self->lock);
    g_cond_init(&self->told);
    session->subject = &self->subject;
    return self;
}

void
vf_guest_side_free(VfGuestSide *self)
{
    g_clear_pointer(&self->lane, vf_lane_free);
    g_clear_pointer(&self->guest, vf_guest_free);
    vf_io_clear_fd(&self->lane_ends[0]);
    vf_io_clear_fd(&self->lane_ends[1]);
    vf_io_clear_fd(&self->brought);
    g_clear_pointer(&self->seen, vf_guest_look_free);
    g_strfreev(self->known);
    g_strfreev(self->were_on);
    g_clear_pointer(&self->parameters, json_object_unref);
    g_strfreev(self->capabilities);
    g_clear_error(&self->refusal);
    g_cond_clear(&self->told);
    g_mutex_clear(&self->lock);
    g_free(self);
}

gboolean
vf_guest_side_connect(VfGuestSide *self, int fd, GError **error)
{
    self->guest = vf_guest_new(fd, &self->past, self->patience->greet_ms, error);
    return self->guest != NULL;
}

static gboolean
check_run_state(const VfGuestLook *look, VfRunState wanted, GError **error)
{
    if (look->migrate_state == VF_MIGRATE_UNDER_WAY || look->migrate_state == VF_MIGRATE_WAITING) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_BUSY,
                            _("somebody else has QEMU migrate the guest already"));
        return FALSE;
    }
    if (look->run_state == wanted)
        return TRUE;
    g_set_error_literal(
        error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
        wanted == VF_RUN_RUNNING
            ? _("the guest does not run: only one that does is migrated")
            : _("QEMU does not wait for a guest: it must be started with -incoming defer, and "
                "nothing may have been loaded into it"));
    return FALSE;
}

/* Of the first device that has one, the first. */
static gboolean
check_reasons(const VfGuestLook *look, GError **error)
{
    for (guint i = 0; i < look->devices->len; i++) {
        const VfGuestDevice *device = look->devices->pdata[i];

        if (device->reasons->len == 0)
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                    _("device %s (%s) of the guest cannot migrate: %s"), device->guest_address,
                    device->host_address, (char *)device->reasons->pdata[0]);
        return FALSE;
    }
    return TRUE;
}

const VfGuestLook *
vf_guest_side_look(VfGuestSide *self, VfRunState wanted, GError **error)
{
    g_autoptr(VfGuestLook) seen = self->seen ? NULL : vf_guest_look(self->guest, error);

    if (self->seen)
        return self->seen;
    if (seen && wanted == VF_RUN_RUNNING) /* what else a destination's QEMU runs is not the guest */
        self->state = seen->run_state == VF_RUN_RUNNING ? "running" : "stopped";
    self->waits = seen && seen->run_state == VF_RUN_INCOMING;
    if (!seen || !check_run_state(seen, wanted, error) || !check_reasons(seen, error))
        return NULL;
    self->known = vf_guest_list_capabilities(self->guest, &self->were_on, error);
    if (self->known)
        self->seen = g_steal_pointer(&seen);
    return self->seen;
}

gboolean
vf_guest_side_agree(VfGuestSide *self, GVariant *other, GError **error)
{
    g_autoptr(GStrvBuilder) both = g_strv_builder_new();
    g_auto(GStrv) theirs = NULL;

    if (!g_variant_lookup(other, "capabilities", "^as", &theirs))
        theirs = g_new0(char *, 1);
    for (gsize i = 0; ours[i]; i++)
        if (g_strv_contains((const char *const *)self->known, ours[i]) &&
            g_strv_contains((const char *const *)theirs, ours[i]))
            g_strv_builder_add(both, ours[i]);
    g_strfreev(self->capabilities);
    self->capabilities = g_strv_builder_end(both);
    if (g_strv_contains((const char *const *)self->capabilities, ours[0]))
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                _("one of the two QEMUs has no migration capability “%s”, and nothing else tells "
                  "when all of the guest has arrived"),
                ours[0]);
    return FALSE;
}

gboolean
vf_guest_side_make_lane(VfGuestSide *self, GError **error)
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->lane_ends) == 0 ||
           vf_error_errno(error, VFERRY_ERROR_FAILED, errno, "socketpair");
}

void
vf_guest_side_take_lane(gpointer data, VfChannel *channel)
{
    VfGuestSide *self = data;

    self->lane = vf_lane_start(channel, vf_io_steal_fd(&self->lane_ends[0]));
}

const char *
vf_guest_side_describe(gpointer data)
{
    return ((VfGuestSide *)data)->state;
}

gboolean
vf_guest_side_wait(VfGuestSide *self, guint ms, gboolean *again, GError **error)
{
    *again = self->over || vf_guest_is_asked(self->guest);
    if (*again)
        return TRUE;
    if (vf_guest_get_n_events(self->guest) == self->n_events &&
        !vf_guest_listen(self->guest, ms, error))
        return FALSE;
    *again = vf_guest_get_n_events(self->guest) != self->n_events ||
             g_get_monotonic_time() - self->looked >= (gint64)ms * 1000;
    if (!*again)
        return TRUE;
    self->n_events = vf_guest_get_n_events(self->guest);
    self->looked = g_get_monotonic_time();
    return TRUE;
}

gboolean
vf_guest_side_ask_run_state(VfGuestSide *self, VfRunState *state, GError **error)
{
    gboolean known = FALSE;

    if (!vf_guest_ask_run_state(self->guest, self->patience->answer_ms, &known, state, error))
        return FALSE;
    self->over = !known;
    return TRUE;
}

gboolean
vf_guest_side_fail(VfGuestSide *self, const VfMigrateInfo *info, GError **error)
{
    g_autoptr(GError) broken = NULL;

    if (self->lane)
        vf_lane_check(self->lane, &broken);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                _("QEMU ended the migration as “%s”%s%s%s%s"), info->status,
                info->error ? ": " : "", info->error ? info->error : "", broken ? "; " : "",
                broken ? broken->message : "");
    return FALSE;
}

static JsonObject *
make_parameters(const VfGuestSide *self)
{
    const VfSessionConfig *config = &self->session->config;
    JsonObject *arguments = json_object_new();

    json_object_set_int_member(arguments, "downtime-limit", config->downtime_limit_ms);
    json_object_set_int_member(arguments, "max-bandwidth", (gint64)self->bandwidth);
    return arguments;
}

static JsonObject *
make_name(const char *member, const char *value)
{
    JsonObject *arguments = json_object_new();

    json_object_set_string_member(arguments, member, value);
    return arguments;
}

/* Of query-migrate-parameters: those that are set here, as far as this QEMU has them. */
static void
keep_parameters(VfGuestSide *self, JsonNode *answer)
{
    static const char *const names[] = {"downtime-limit", "max-bandwidth", VF_GUEST_SIDE_RATE};
    JsonObject *from = JSON_NODE_HOLDS_OBJECT(answer) ? json_node_get_object(answer) : NULL;
    guint64 value;

    self->parameters = json_object_new();
    for (gsize i = 0; from && i < G_N_ELEMENTS(names); i++)
        if (vf_json_get_u64(from, names[i], &value) && value <= G_MAXINT64)
            json_object_set_int_member(self->parameters, names[i], (gint64)value);
}

enum {
    SET_CAPABILITIES,
    GET_PARAMETERS, /* source */
    SET_PARAMETERS, /* source */
    STAND_STILL,    /* destination */
    PASS_LANE,
    ALL_DONE,
};

/* A destination that was started without -S would let the guest run by itself as soon as it has it:
 * `stop` before that is the same as -S (qmp_stop() in QEMU's monitor/qmp-cmds.c). */
static gboolean
take_step(VfGuestSide *self, GError **error)
{
    g_autoptr(JsonNode) answer = NULL;
    JsonObject *arguments = NULL;
    const char *command = NULL;
    int fd = -1;

    switch (self->step) {
    case SET_CAPABILITIES:
        command = "migrate-set-capabilities";
        arguments = vf_guest_make_capabilities((const char *const *)self->known,
                                               (const char *const *)self->capabilities);
        break;
    case GET_PARAMETERS:
        command = "query-migrate-parameters";
        break;
    case SET_PARAMETERS:
        command = "migrate-set-parameters";
        arguments = make_parameters(self);
        break;
    case STAND_STILL:
        command = "stop";
        break;
    default:
        command = "getfd";
        arguments = make_name("fdname", LANE_NAME);
        fd = self->lane_ends[1];
    }
    if (!vf_guest_ask(self->guest, command, arguments, fd, self->patience->answer_ms, &answer,
                      error))
        return FALSE;
    if (self->step == GET_PARAMETERS)
        keep_parameters(self, answer);
    if (self->step == PASS_LANE)
        vf_io_clear_fd(&self->lane_ends[1]);
    return TRUE;
}

gboolean
vf_guest_side_prepare(VfGuestSide *self, gboolean source, gboolean *done, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (self->step == (source ? STAND_STILL : GET_PARAMETERS))
        self->step = source ? PASS_LANE : STAND_STILL;
    if (self->step < ALL_DONE && take_step(self, &local))
        self->step++;
    *done = self->step == ALL_DONE;
    if (!local)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
vf_guest_side_begin(VfGuestSide *self, const char *command, GError **error)
{
    JsonObject *arguments = make_name("uri", LANE_URI);
    g_autoptr(GError) local = NULL;

    if (g_str_equal(command, "migrate-incoming")) /* it is to say why, and to answer us */
        json_object_set_boolean_member(arguments, "exit-on-error", FALSE);
    if (vf_guest_ask(self->guest, command, arguments, -1, self->patience->answer_ms, NULL, &local))
        self->begun = g_get_monotonic_time();
    if (!local)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static void
tell(VfGuestSide *self, const char *command, JsonObject *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer G_GNUC_UNUSED =
        vf_qmp_call(vf_guest_get_qmp(self->guest), command, arguments, VF_GUEST_ANSWER_MS, &error);

    if (error)
        g_message("QEMU is not left as it was found: %s", error->message);
}

void
vf_guest_side_leave(VfGuestSide *self)
{
    if (self->step > PASS_LANE && self->begun == 0)
        tell(self, "closefd", make_name("fdname", LANE_NAME));
    if (self->parameters && json_object_get_size(self->parameters) > 0)
        tell(self, "migrate-set-parameters", json_object_ref(self->parameters));
    if (self->step > SET_CAPABILITIES)
        tell(self, "migrate-set-capabilities",
             vf_guest_make_capabilities((const char *const *)self->known,
                                        (const char *const *)self->were_on));
}
