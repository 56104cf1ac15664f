/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "guest.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "json-get.h"

#define SLICE_MS 100 /* of a wait that is interrupted for others */
#define PAUSE_MS 20

struct VfGuest {
    VfQmp *qmp;
    guint n_events;
    gboolean stopped;
    guint64 question; /* of vf_guest_ask(); 0: none is open */
    gint64 asked;
};

static void
on_event(const char *name, JsonObject *data, gpointer user_data)
{
    VfGuest *self = user_data;

    gboolean stop = g_str_equal(name, "STOP");
    gboolean resume = g_str_equal(name, "RESUME");

    if (stop || resume)
        self->stopped = stop;
    if (stop || resume || g_str_equal(name, "MIGRATION"))
        self->n_events++;
}

const VfGuestPatience vf_guest_patience = {
    .greet_ms = 5000, .answer_ms = 60000, .turn_ms = 30000, .verdict_ms = 30000};

VfGuest *
vf_guest_new(int fd, const VfGuestPast *past, guint greet_ms, GError **error)
{
    g_autoptr(VfGuest) self = g_new0(VfGuest, 1);

    self->qmp = vf_qmp_new(fd, on_event, self, error);
    if (!self->qmp || !(past->resume ? vf_qmp_resume(self->qmp, past->oob, greet_ms, error)
                                     : vf_qmp_greet(self->qmp, greet_ms, error)))
        return NULL;
    return g_steal_pointer(&self);
}

void
vf_guest_free(VfGuest *self)
{
    g_clear_pointer(&self->qmp, vf_qmp_free);
    g_free(self);
}

VfQmp *
vf_guest_get_qmp(VfGuest *self)
{
    return self->qmp;
}

guint
vf_guest_get_n_events(VfGuest *self)
{
    return self->n_events;
}

gboolean
vf_guest_has_stopped(VfGuest *self)
{
    return self->stopped;
}

gboolean
vf_guest_listen(VfGuest *self, guint ms, GError **error)
{
    return vf_qmp_listen(self->qmp, ms, error);
}

gboolean
vf_guest_ask(VfGuest *self, const char *command, JsonObject *arguments, int fd, guint ms,
             JsonNode **answer, GError **error)
{
    g_autoptr(JsonNode) said = NULL;

    if (self->question == 0) {
        self->question = vf_qmp_send(self->qmp, command, arguments, VF_QMP_IN_TURN, fd, error);
        self->asked = g_get_monotonic_time();
    } else {
        g_clear_pointer(&arguments, json_object_unref);
    }
    if (self->question == 0)
        return FALSE;
    if (!vf_qmp_take(self->qmp, self->question, SLICE_MS, &said, error)) {
        self->question = 0;
        g_prefix_error(error, "%s: ", command);
        return FALSE;
    }
    if (said) {
        self->question = 0;
        if (answer)
            *answer = g_steal_pointer(&said);
        return TRUE;
    }
    if (g_get_monotonic_time() - self->asked > (gint64)ms * 1000)
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("QEMU has not answered “%s” for %u ms"), command, ms);
    return FALSE;
}

gboolean
vf_guest_is_asked(VfGuest *self)
{
    return self->question != 0;
}

gboolean
vf_guest_get_run_state(VfGuest *self, guint ms, VfRunState *state, GError **error)
{
    g_autoptr(JsonNode) answer = vf_qmp_call(self->qmp, "query-status", NULL, ms, error);

    return answer && vf_run_state_parse(answer, state, error);
}

gboolean
vf_guest_get_migration(VfGuest *self, guint ms, VfMigrateInfo *info, GError **error)
{
    g_autoptr(JsonNode) answer = vf_qmp_call(self->qmp, "query-migrate", NULL, ms, error);

    return answer && vf_migrate_info_parse(answer, info, error);
}

/* FALSE only with @error; NULL in @answer: not yet. */
static gboolean
ask_on(VfGuest *self, const char *command, guint ms, JsonNode **answer, GError **error)
{
    g_autoptr(GError) local = NULL;

    *answer = NULL;
    vf_guest_ask(self, command, NULL, -1, ms, answer, &local);
    if (!local)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

gboolean
vf_guest_ask_run_state(VfGuest *self, guint ms, gboolean *known, VfRunState *state, GError **error)
{
    g_autoptr(JsonNode) answer = NULL;

    if (!ask_on(self, "query-status", ms, &answer, error))
        return FALSE;
    *known = answer != NULL;
    return !answer || vf_run_state_parse(answer, state, error);
}

gboolean
vf_guest_ask_migration(VfGuest *self, guint ms, gboolean *known, VfMigrateInfo *info,
                       GError **error)
{
    g_autoptr(JsonNode) answer = NULL;

    if (!ask_on(self, "query-migrate", ms, &answer, error))
        return FALSE;
    *known = answer != NULL;
    return !answer || vf_migrate_info_parse(answer, info, error);
}

char **
vf_guest_list_capabilities(VfGuest *self, char ***on, GError **error)
{
    g_autoptr(JsonNode) answer =
        vf_qmp_call(self->qmp, "query-migrate-capabilities", NULL, VF_GUEST_ANSWER_MS, error);
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    g_autoptr(GStrvBuilder) names_on = g_strv_builder_new();
    JsonArray *list;

    if (!answer)
        return NULL;
    if (!JSON_NODE_HOLDS_ARRAY(answer)) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                            _("what QEMU answers to query-migrate-capabilities is no list"));
        return NULL;
    }
    list = json_node_get_array(answer);
    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        JsonObject *each = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        const char *name = each ? vf_json_get_string(each, "capability") : NULL;
        gboolean state = FALSE;

        if (!name)
            continue;
        g_strv_builder_add(names, name);
        if (vf_json_get_boolean(each, "state", &state) && state)
            g_strv_builder_add(names_on, name);
    }
    *on = g_strv_builder_end(names_on);
    return g_strv_builder_end(names);
}

/* Those that change how the data go, when, or what of them (qapi/migration.json); the others are
 * the administrator's. */
static const char *const deciding[] = {
    "background-snapshot", "mapped-ram",   "multifd",          "pause-before-switchover",
    "postcopy-blocktime",  "postcopy-ram", "postcopy-preempt", "rdma-pin-all",
    "release-ram",         "return-path",  "switchover-ack",   "events",
    "validate-uuid",       "x-colo",       "x-ignore-shared",  "zero-copy-send",
};

JsonObject *
vf_guest_make_capabilities(const char *const *known, const char *const *on)
{
    JsonObject *arguments = json_object_new();
    JsonArray *list = json_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(deciding); i++) {
        JsonObject *each;

        if (!g_strv_contains(known, deciding[i]))
            continue;
        each = json_object_new();
        json_object_set_string_member(each, "capability", deciding[i]);
        json_object_set_boolean_member(each, "state", g_strv_contains(on, deciding[i]));
        json_array_add_object_element(list, each);
    }
    json_object_set_array_member(arguments, "capabilities", list);
    return arguments;
}

static gboolean
is_late(gint64 end)
{
    return g_get_monotonic_time() >= end;
}

/* For an answer, which also one that is asked at the last moment gets. */
static guint
left_ms(gint64 end)
{
    return (guint)MAX((end - g_get_monotonic_time()) / 1000, VF_GUEST_ANSWER_MS);
}

/* QEMU takes a `cont` then, and lets the guest run when it is there, whoever else has it. */
static gboolean
check_loaded(VfRunState state, GError **error)
{
    if (state != VF_RUN_INCOMING)
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("QEMU has not loaded the guest"));
    return FALSE;
}

static gboolean
await_running(VfGuest *self, gint64 end, VfRunState *state, GError **error)
{
    do {
        if (!vf_guest_get_run_state(self, left_ms(end), state, error))
            return FALSE;
        if (*state == VF_RUN_RUNNING)
            return TRUE;
        if (!vf_guest_listen(self, PAUSE_MS, error))
            return FALSE;
    } while (!is_late(end));
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("QEMU was told to let the guest run, and it does not"));
    return FALSE;
}

gboolean
vf_guest_run(VfGuest *self, guint ms, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)ms * 1000;
    g_autoptr(JsonNode) answer = NULL;
    VfRunState state;

    if (!vf_guest_get_run_state(self, ms, &state, error))
        return FALSE;
    if (state == VF_RUN_RUNNING)
        return TRUE;
    if (!check_loaded(state, error))
        return FALSE;
    answer = vf_qmp_call(self->qmp, "cont", NULL, ms, error);
    return answer && await_running(self, end, &state, error);
}

/* Until it says that nothing is under way: QEMU needs a moment after a cancel, and longer where it
 * is told to give up what it has nearly done. */
static gboolean
await_quiet(VfGuest *self, gint64 end, GError **error)
{
    gboolean told = FALSE;

    do {
        g_auto(VfMigrateInfo) info = {0};

        if (!vf_guest_get_migration(self, left_ms(end), &info, error))
            return FALSE;
        if (info.state != VF_MIGRATE_UNDER_WAY && info.state != VF_MIGRATE_WAITING)
            return TRUE;
        if (!told) {
            g_autoptr(JsonNode) answer =
                vf_qmp_call(self->qmp, "migrate_cancel", NULL, left_ms(end), error);

            if (!answer)
                return FALSE;
            told = TRUE;
        }
        if (!vf_guest_listen(self, PAUSE_MS, error))
            return FALSE;
    } while (!is_late(end));
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("QEMU was told to cancel its migration, and goes on with it"));
    return FALSE;
}

/* `failed` comes before the guest runs again in QEMU 10, and by itself it does not run where the
 * migration had completed. `cont` is refused for a moment in between ("not finalized yet"). */
gboolean
vf_guest_take_back(VfGuest *self, guint ms, GError **error)
{
    gint64 end = g_get_monotonic_time() + (gint64)ms * 1000;

    if (!await_quiet(self, end, error))
        return FALSE;
    for (;;) {
        g_autoptr(GError) refusal = NULL;
        g_autoptr(JsonNode) answer = NULL;
        VfRunState state;

        if (!vf_guest_get_run_state(self, left_ms(end), &state, error))
            return FALSE;
        if (state == VF_RUN_RUNNING)
            return TRUE;
        if (!check_loaded(state, error))
            return FALSE;
        if (state != VF_RUN_MOVING)
            answer = vf_qmp_call(self->qmp, "cont", NULL, left_ms(end), &refusal);
        if (refusal && (is_late(end) || refusal->code == VFERRY_ERROR_PEER)) {
            g_propagate_error(error, g_steal_pointer(&refusal));
            return FALSE;
        }
        if (answer)
            return await_running(self, end, &state, error);
        if (is_late(end)) {
            g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                                _("the guest stands still for a migration that is over"));
            return FALSE;
        }
        if (!vf_guest_listen(self, PAUSE_MS, error))
            return FALSE;
    }
}

gboolean
vf_guest_quit(VfGuest *self, GError **error)
{
    g_autoptr(JsonNode) answer = vf_qmp_call(self->qmp, "quit", NULL, VF_GUEST_ANSWER_MS, error);

    return answer != NULL;
}
