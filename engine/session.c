/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "session.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "error.h"

VfSession *
vf_session_new(VfDevices *devices, VfRecord *record)
{
    VfSession *self = g_new0(VfSession, 1);

    self->devices = devices;
    self->record = record;
    self->cancel = vf_cancel_new();
    self->meter = vf_meter_new(vf_devices_get_count(devices));
    self->config.peer_patience_ms = VF_STREAM_PATIENCE_MS;
    self->config.decision_seconds = VF_SESSION_DECISION_SECONDS;
    self->config.size_max = G_MAXUINT64;
    self->config.switchover_ack = TRUE;
    return self;
}

void
vf_session_free(VfSession *self)
{
    vf_devices_free(self->devices);
    g_clear_pointer(&self->record, vf_record_free);
    vf_cancel_free(self->cancel);
    vf_meter_free(self->meter);
    g_clear_pointer(&self->channel, vf_channel_free);
    g_free(self->config.job);
    g_free(self->config.address);
    g_strfreev(self->config.features);
    explicit_bzero(self->config.key, sizeof self->config.key);
    g_free(self);
}

gboolean
vf_session_wants(const VfSession *self, const char *feature)
{
    return self->config.features &&
           g_strv_contains((const char *const *)self->config.features, feature);
}

guint32
vf_session_get_lanes(const VfSession *self)
{
    return self->subject && self->subject->take_lane ? 1 : 0;
}

/* A name of its own gives a lane a key of its own (tls.c). */
VfTls *
vf_session_make_tls(VfSession *self, VfRole role, VfTls **lane, GError **error)
{
    g_autofree char *lane_name = g_strconcat(self->config.job, " lane 1", NULL);
    g_autoptr(VfTls) tls = vf_tls_new(role, self->config.job, self->config.key, error);

    *lane = tls && vf_session_get_lanes(self) > 0
                ? vf_tls_new(role, lane_name, self->config.key, error)
                : NULL;
    explicit_bzero(self->config.key, sizeof self->config.key);
    return *lane || vf_session_get_lanes(self) == 0 ? g_steal_pointer(&tls) : NULL;
}

GVariant *
vf_session_introduce(VfSession *self, GError **error)
{
    g_autoptr(GVariant) said = self->subject && self->subject->introduce
                                   ? self->subject->introduce(self->subject->data, error)
                                   : NULL;

    if (said && g_variant_get_size(said) > VF_MESSAGE_SUBJECT_MAX) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("what is to be said of the guest has %zu bytes; at most %d are allowed"),
                    g_variant_get_size(said), VF_MESSAGE_SUBJECT_MAX);
        return NULL;
    }
    return g_steal_pointer(&said);
}

gboolean
vf_session_meet(VfSession *self, GVariant *other, GError **error)
{
    if (!self->subject || !self->subject->meet)
        return TRUE;
    if (other)
        return self->subject->meet(self->subject->data, other, error);
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                        _("the other side says nothing of its guest"));
    return FALSE;
}

char **
vf_session_describe(const VfSession *self)
{
    const char *one[] = {self->subject ? self->subject->describe(self->subject->data) : NULL, NULL};

    return self->subject ? g_strdupv((char **)one) : vf_devices_describe(self->devices);
}

gboolean
vf_session_give_back(VfSession *self, GError **error)
{
    return self->subject ? self->subject->give_back(self->subject->data, error)
                         : vf_devices_run(self->devices, error);
}

gboolean
vf_session_run(VfSession *self, GError **error)
{
    return self->subject ? self->subject->run(self->subject->data, error)
                         : vf_devices_run(self->devices, error);
}

void
vf_session_set_phase(VfSession *self, const char *phase)
{
    if (g_str_equal(phase, "switchover"))
        self->switchover = g_get_monotonic_time();
    if (self->events.phase)
        self->events.phase(phase, self->events.data);
}

gboolean
vf_session_append(VfSession *self, const char *event, GError **error)
{
    return vf_record_append(self->record, event, NULL, error);
}

void
vf_session_note(VfSession *self, const char *event)
{
    g_autoptr(GError) error = NULL;

    if (!vf_session_append(self, event, &error))
        g_warning("it has happened, but: %s", error->message);
}

void
vf_session_end_clear(VfSessionEnd *end)
{
    g_clear_error(&end->error);
    g_clear_pointer(&end->device_states, g_strfreev);
    g_clear_pointer(&end->statistics, g_variant_unref);
}

const char *
vf_session_end_name(VfSessionEndKind kind)
{
    static const char *const names[] = {
        [VF_SESSION_COMPLETED] = "completed",
        [VF_SESSION_FAILED] = "failed",
        [VF_SESSION_CANCELLED] = "cancelled",
        [VF_SESSION_IN_DOUBT] = "in-doubt",
    };

    return names[kind];
}

void
vf_session_end_fail(VfSessionEnd *end, GError *error)
{
    end->kind = g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED) ? VF_SESSION_CANCELLED
                                                                             : VF_SESSION_FAILED;
    end->error = error;
}

void
vf_session_end_doubt(VfSessionEnd *end, GError *error, const char *what)
{
    end->kind = VF_SESSION_IN_DOUBT;
    end->error = g_error_new(VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT, "%s: %s", what, error->message);
    g_error_free(error);
}
