/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "guest-side.h"

#define LOOK_MS 100
#define LOOK_STOPPED_MS 5 /* the guest stands still: each is part of its pause */
#define ROUNDS_ENOUGH 3   /* all of it has gone once, and what has changed since */

static GVariant *
introduce(gpointer data, GError **error)
{
    VfGuestSide *self = data;
    const VfGuestLook *seen = vf_guest_side_look(self, VF_RUN_RUNNING, error);

    if (!seen)
        return NULL;
    return g_variant_ref_sink(vf_guest_look_introduce(seen, (const char *const *)self->known));
}

static gboolean
meet(gpointer data, GVariant *other, GError **error)
{
    return vf_guest_side_agree(data, other, error); /* the rest the destination has compared */
}

static void
show(VfGuestSide *self, const VfMigrateInfo *info)
{
    VfMeter *meter = self->session->meter;

    vf_meter_reach(meter, info->done, info->total - info->done);
    vf_meter_set_precopy(meter, info->rounds, info->dirty, 0);
    if (info->has_expected_downtime)
        vf_meter_set_expected_downtime(meter, info->expected_downtime);
}

static gboolean
check_time(VfGuestSide *self, const VfMigrateInfo *info, GError **error)
{
    guint seconds = self->session->config.precopy_max_seconds;

    if (self->switchover || seconds == 0 ||
        g_get_monotonic_time() - self->begun < (gint64)seconds * G_USEC_PER_SEC)
        return TRUE;
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                _("the guest has not come to its switchover within %u s: %" PRIu64
                  " bytes are left, and a pause of %u ms is allowed. It changes its memory faster "
                  "than that moves, or the limit is too short"),
                seconds, info->total - info->done, self->session->config.downtime_limit_ms);
    return FALSE;
}

/* QEMU goes on to the switchover when what is left fits into the allowed pause, at the bandwidth of
 * its last moments: with a guest that changes nothing, and a device whose state comes only at the
 * end, these are next to nothing, and it goes round for ever. So it is told what was seen to go
 * over this way before. One that does not know the parameter (before 8.2) goes round. */
static gboolean
tell_rate(VfGuestSide *self, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    JsonObject *arguments = json_object_new();

    json_object_set_int_member(arguments, VF_GUEST_SIDE_RATE, (gint64)MIN(self->rate, G_MAXINT64));
    self->rate_told = vf_guest_ask(self->guest, "migrate-set-parameters", arguments, -1,
                                   self->patience->answer_ms, NULL, &refusal) ||
                      g_error_matches(refusal, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    if (self->rate_told || !refusal)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

static gboolean
wants_rate(VfGuestSide *self, const VfMigrateInfo *info)
{
    self->rate = MAX(self->rate, info->rate);
    return !self->rate_told && !self->switchover && info->rounds >= ROUNDS_ENOUGH && self->rate > 0;
}

static gboolean
has_moved(VfGuestSide *self, gboolean *done, GError **error)
{
    VfRunState state = VF_RUN_STOPPED;

    if (!vf_guest_side_ask_run_state(self, &state, error))
        return FALSE;
    *done = state == VF_RUN_MOVED;
    if (*done)
        self->state = "stopped";
    if (state != VF_RUN_RUNNING)
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("somebody has let the guest run here again while it was being moved"));
    return FALSE;
}

/* The guest has stopped: for the switchover, as QEMU says itself then, or because somebody else
 * wants it so, and that may be over any time. */
static gboolean
see_why(VfGuestSide *self, GError **error)
{
    VfRunState state = VF_RUN_STOPPED;
    gboolean known = FALSE;

    if (!vf_guest_ask_run_state(self->guest, self->patience->answer_ms, &known, &state, error))
        return FALSE;
    self->paused = known && state != VF_RUN_MOVING && state != VF_RUN_MOVED;
    self->switchover = known && !self->paused;
    if (self->switchover) {
        self->state = "stopped";
        vf_session_set_phase(self->session, "switchover");
    }
    return TRUE;
}

static gboolean
look(VfGuestSide *self, gboolean *done, GError **error)
{
    g_auto(VfMigrateInfo) info = {0};
    gboolean known = FALSE;

    if (self->over)
        return has_moved(self, done, error);
    if (!vf_guest_is_asked(self->guest))
        self->wonders = vf_guest_has_stopped(self->guest) && !self->switchover && !self->paused;
    if (self->wonders)
        return see_why(self, error);
    if (self->tells_rate && !self->rate_told)
        return tell_rate(self, error);
    if (!vf_guest_ask_migration(self->guest, self->patience->answer_ms, &known, &info, error))
        return FALSE;
    if (!known)
        return TRUE;
    show(self, &info);
    switch (info.state) {
    case VF_MIGRATE_COMPLETED:
        self->over = TRUE;
        return has_moved(self, done, error);
    case VF_MIGRATE_NONE:
    case VF_MIGRATE_FAILED:
    case VF_MIGRATE_CANCELLED:
        return vf_guest_side_fail(self, &info, error);
    case VF_MIGRATE_UNDER_WAY:
    case VF_MIGRATE_WAITING:
        break;
    }
    self->tells_rate = wants_rate(self, &info);
    return check_time(self, &info, error) && (!self->tells_rate || tell_rate(self, error));
}

/* It may have been stopped since it was looked at, and is left so then. */
static gboolean
check_runs(VfGuestSide *self, gboolean *known, GError **error)
{
    VfRunState state = VF_RUN_STOPPED;

    if (!vf_guest_ask_run_state(self->guest, self->patience->answer_ms, known, &state, error))
        return FALSE;
    if (!*known || state == VF_RUN_RUNNING)
        return TRUE;
    self->state = "stopped";
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("the guest does not run: only one that does is migrated"));
    return FALSE;
}

static gboolean
prepare(gpointer data, gboolean *done, GError **error)
{
    VfGuestSide *self = data;
    gboolean prepared = FALSE;

    return vf_guest_side_prepare(self, TRUE, &prepared, error) &&
           (!prepared || check_runs(self, done, error));
}

static gboolean
move(gpointer data, gboolean *done, GError **error)
{
    VfGuestSide *self = data;
    gboolean again = FALSE;

    if (self->begun == 0)
        return vf_guest_side_begin(self, "migrate", error);
    self->paused = self->paused && vf_guest_has_stopped(self->guest);
    if (!vf_guest_side_wait(self, self->switchover ? LOOK_STOPPED_MS : LOOK_MS, &again, error))
        return FALSE;
    return !again || look(self, done, error);
}

static gboolean
check_still(gpointer data, GError **error)
{
    VfGuestSide *self = data;
    g_auto(VfMigrateInfo) info = {0};
    VfRunState state;

    if (!vf_guest_get_run_state(self->guest, VF_GUEST_ANSWER_MS, &state, error) ||
        !vf_guest_get_migration(self->guest, VF_GUEST_ANSWER_MS, &info, error))
        return FALSE;
    if (state == VF_RUN_MOVED && info.state == VF_MIGRATE_COMPLETED)
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("the guest does not stand still here any more: somebody else has told "
                          "QEMU something"));
    return FALSE;
}

/* The lane first: a QEMU that waits for the other one to read hears nothing else. */
static gboolean
give_back(gpointer data, GError **error)
{
    VfGuestSide *self = data;

    g_clear_pointer(&self->lane, vf_lane_free);
    self->state = "unknown"; /* so that another worker tries again */
    if (!vf_guest_take_back(self->guest, self->patience->turn_ms, error))
        return FALSE;
    self->state = "running";
    return TRUE;
}

const VfSessionSubject *
vf_guest_source_get_subject(void)
{
    static const VfSessionSubject subject = {.introduce = introduce,
                                             .meet = meet,
                                             .take_lane = vf_guest_side_take_lane,
                                             .prepare = prepare,
                                             .move = move,
                                             .check_still = check_still,
                                             .give_back = give_back,
                                             .describe = vf_guest_side_describe};

    return &subject;
}
