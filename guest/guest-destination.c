/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "error.h"
#include "guest-side.h"
#include "io.h"

#define LOOK_MS 50

/* The source has come, and waits: who is to receive the guest must be there by now. */
static gboolean
await_guest(VfGuestSide *self, GError **error)
{
    int fd;

    g_mutex_lock(&self->lock);
    fd = vf_io_steal_fd(&self->brought);
    self->met = TRUE;
    g_mutex_unlock(&self->lock);
    if (fd >= 0)
        return vf_guest_side_connect(self, fd, error);
    g_set_error_literal(
        error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
        _("no QEMU is attached to the lease that is to receive the guest: start it, "
          "and attach it (AttachDomain with the option “lease”), before Perform"));
    return FALSE;
}

static gboolean
meet(gpointer data, GVariant *other, GError **error)
{
    VfGuestSide *self = data;
    const VfGuestLook *seen = self->guest || await_guest(self, error)
                                  ? vf_guest_side_look(self, VF_RUN_INCOMING, error)
                                  : NULL;

    return seen && vf_guest_look_meet(seen, other, error) &&
           vf_guest_side_agree(self, other, error);
}

static GVariant *
introduce(gpointer data, GError **error)
{
    VfGuestSide *self = data;
    const VfGuestLook *seen = vf_guest_side_look(self, VF_RUN_INCOMING, error);

    if (!seen)
        return NULL;
    return g_variant_ref_sink(vf_guest_look_introduce(seen, (const char *const *)self->known));
}

/* Whoever can has asked the kernel whether it takes the devices' state, before anybody commits to
 * it: QEMU does so only when the guest is to run, and then it is too late. A daemon that stands
 * still, or is not started again, is waited for as long as one that asks a second time takes. */
static gboolean
await_verdict(VfGuestSide *self, gboolean *done, GError **error)
{
    gint64 now = g_get_monotonic_time();
    gboolean first;

    g_mutex_lock(&self->lock);
    first = !self->asking;
    self->asking = TRUE; /* a verdict from before is none */
    g_mutex_unlock(&self->lock);
    if (first) {
        self->asked_time = now;
        vf_session_set_phase(self->session, "accepting");
    }
    g_mutex_lock(&self->lock);
    if (!self->verdict)
        g_cond_wait_until(&self->told, &self->lock, now + LOOK_MS * 1000);
    if (!self->verdict && now - self->asked_time >= (gint64)self->patience->verdict_ms * 1000) {
        self->refusal = g_error_new(VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                                    _("nobody has said within %u ms whether the kernel takes the "
                                      "state of the devices"),
                                    self->patience->verdict_ms);
        self->verdict = TRUE;
    }
    *done = self->verdict && !self->refusal;
    if (self->refusal)
        g_propagate_error(error, g_error_copy(self->refusal));
    g_mutex_unlock(&self->lock);
    return *done || !self->refusal;
}

static gboolean
check_still(VfRunState state, GError **error)
{
    if (state != VF_RUN_RUNNING)
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("somebody has let the guest run here before the source gave it up"));
    return FALSE;
}

/* QEMU has it all when it says so and does not wait for it any more: the latter comes later. */
static gboolean
has_loaded(VfGuestSide *self, gboolean *done, GError **error)
{
    VfRunState state = VF_RUN_INCOMING;

    if (!vf_guest_side_ask_run_state(self, &state, error) || !check_still(state, error))
        return FALSE;
    *done = state != VF_RUN_INCOMING;
    return TRUE;
}

static gboolean
look(VfGuestSide *self, gboolean *done, GError **error)
{
    g_auto(VfMigrateInfo) info = {0};
    gboolean known = FALSE;

    if (self->over)
        return has_loaded(self, done, error);
    if (!vf_guest_ask_migration(self->guest, self->patience->answer_ms, &known, &info, error))
        return FALSE;
    if (!known)
        return TRUE;
    if (info.state == VF_MIGRATE_FAILED || info.state == VF_MIGRATE_CANCELLED)
        return vf_guest_side_fail(self, &info, error);
    self->over = info.state == VF_MIGRATE_COMPLETED;
    return !self->over || has_loaded(self, done, error);
}

static gboolean
begin(VfGuestSide *self, GError **error)
{
    g_autoptr(GError) local = NULL;

    self->asked = TRUE;
    if (vf_guest_side_begin(self, "migrate-incoming", &local))
        return TRUE;
    self->asked = !g_error_matches(local, VFERRY_ERROR, VFERRY_ERROR_FAILED);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

static gboolean
load(gpointer data, gboolean *done, GError **error)
{
    VfGuestSide *self = data;
    gboolean prepared = FALSE, again = FALSE, loaded = FALSE;

    if (self->begun == 0)
        return vf_guest_side_prepare(self, FALSE, &prepared, error) &&
               (!prepared || begin(self, error));
    if (self->asking)
        return await_verdict(self, done, error);
    vf_meter_reach(self->session->meter, vf_lane_get_received(self->lane), 0);
    if (!vf_guest_side_wait(self, LOOK_MS, &again, error) || (again && !look(self, &loaded, error)))
        return FALSE;
    if (loaded && self->ask_kernel)
        return await_verdict(self, done, error);
    *done = loaded;
    return TRUE;
}

/* Since it had it, the kernel was asked and the line written, and it may have ended. */
static gboolean
check_loaded(gpointer data, GError **error)
{
    VfGuestSide *self = data;
    VfRunState state;

    if (!vf_guest_get_run_state(self->guest, VF_GUEST_ANSWER_MS, &state, error) ||
        !check_still(state, error))
        return FALSE;
    if (state != VF_RUN_INCOMING)
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                        _("QEMU has not loaded the guest"));
    return FALSE;
}

static gboolean
run(gpointer data, GError **error)
{
    VfGuestSide *self = data;

    self->state = "unknown"; /* it may run all the same, or later */
    if (!vf_guest_run(self->guest, self->patience->turn_ms, error))
        return FALSE;
    self->state = "running";
    return TRUE;
}

const VfSessionSubject *
vf_guest_destination_get_subject(void)
{
    static const VfSessionSubject subject = {.introduce = introduce,
                                             .meet = meet,
                                             .take_lane = vf_guest_side_take_lane,
                                             .load = load,
                                             .check_loaded = check_loaded,
                                             .run = run,
                                             .describe = vf_guest_side_describe};

    return &subject;
}
