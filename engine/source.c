/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "source.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "caller.h"
#include "error.h"
#include "past.h"
#include "precopy.h"

#define CONNECT_MS 10000
#define LINGER_MS 500

/* Monotonic times of what the statistics are made of; 0 when it did not come to that. */
typedef struct {
    gint64 begin;
    gint64 stop;
    gint64 stopped;
    gint64 sent;
    gint64 loaded;
    gint64 started;
} Times;

typedef struct {
    VfSession *session;
    VfStream *stream;
    VfPrecopy *precopy;
    guint n_devices;
    gboolean use_precopy;
    gboolean use_reinit;
    gboolean heard_loaded; /* before it was all there, as far as this side knew */
    gboolean committed;    /* the decision is on record: never again */
    VfTls *lane;           /* NULL: it has none */
    Times times;
} Source;

static gboolean
say_hello(Source *self, GError **error)
{
    VfSessionConfig *config = &self->session->config;
    VfHello hello = {.job = config->job,
                     .min = VF_MESSAGE_VERSION,
                     .max = VF_MESSAGE_VERSION,
                     .features = config->features,
                     .lanes = vf_session_get_lanes(self->session)};
    g_autofree guint32 *flags = g_new0(guint32, self->n_devices);
    g_autoptr(GVariant) subject = NULL;
    g_autoptr(GBytes) payload = NULL;
    g_autoptr(GError) mistake = NULL;
    const void *data;
    gsize size;

    hello.subject = subject = vf_session_introduce(self->session, &mistake);
    if (mistake) {
        g_propagate_error(error, g_steal_pointer(&mistake));
        return FALSE;
    }
    for (guint i = 0; i < self->n_devices; i++)
        flags[i] = vf_devices_get_info(self->session->devices, i)->flags;
    payload = vf_message_pack_hello(&hello, flags, self->n_devices);
    data = g_bytes_get_data(payload, &size);
    if (size <= VF_FRAME_HELLO_MAX)
        return vf_stream_send(self->stream, VF_FRAME_HELLO, VF_FRAME_NO_DEVICE, data, size, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                _("the hello has %zu bytes; at most %d are allowed"), size, VF_FRAME_HELLO_MAX);
    return FALSE;
}

static gboolean
is_agreed(Source *self, const VfHelloReply *reply, const char *feature)
{
    return vf_session_wants(self->session, feature) &&
           g_strv_contains((const char *const *)reply->features, feature);
}

static gboolean
hear_reply(Source *self, GError **error)
{
    g_auto(VfHelloReply) reply = {0};
    VfFrame frame;

    if (!vf_stream_receive(self->stream, &frame, error))
        return FALSE;
    if (frame.header.type != VF_FRAME_HELLO_REPLY) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the destination sent %s instead of its hello"),
                    vf_frame_type_name(frame.header.type));
        return FALSE;
    }
    if (!vf_message_parse_reply(frame.payload, frame.header.length, &reply, error))
        return FALSE;
    if (reply.version != VF_MESSAGE_VERSION) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the destination chose version %u of the stream, this side speaks %d"),
                    reply.version, VF_MESSAGE_VERSION);
        return FALSE;
    }
    self->use_precopy = is_agreed(self, &reply, VF_FEATURE_PRE_COPY);
    self->use_reinit = is_agreed(self, &reply, VF_FEATURE_REINIT);
    return vf_session_meet(self->session, reply.subject, error);
}

static VfChannel *
reach_destination(Source *self, GError **error)
{
    VfSession *session = self->session;
    const VfSessionConfig *config = &session->config;
    g_autoptr(VfTls) tls = NULL;

    if (session->channel)
        return g_steal_pointer(&session->channel);
    tls = vf_session_make_tls(session, VF_ROLE_SOURCE, &self->lane, error);
    return tls ? vf_caller_reach(config->address, config->port, tls, config->peer_patience_ms,
                                 CONNECT_MS, session->cancel, error)
               : NULL;
}

/* After the hello, so that the other side waits for it. */
static gboolean
open_lane(Source *self, GError **error)
{
    const VfSessionConfig *config = &self->session->config;
    const VfSessionSubject *subject = self->session->subject;
    VfChannel *channel;

    if (!self->lane)
        return TRUE;
    channel = vf_caller_reach(config->address, config->port, self->lane, config->peer_patience_ms,
                              CONNECT_MS, self->session->cancel, error);
    if (channel)
        subject->take_lane(subject->data, channel);
    return channel != NULL;
}

static gboolean
attach(Source *self, GError **error)
{
    VfSessionConfig *config = &self->session->config;
    VfChannel *channel = reach_destination(self, error);
    gint64 said;

    if (!channel)
        return FALSE;
    self->stream = vf_stream_new(channel, VF_ROLE_SOURCE, self->n_devices, self->session->cancel);
    vf_stream_set_patience(self->stream, config->peer_patience_ms);
    said = g_get_monotonic_time();
    if (!say_hello(self, error) || !hear_reply(self, error))
        return FALSE;
    self->precopy =
        vf_precopy_new(self->session, self->stream, (guint64)(g_get_monotonic_time() - said));
    vf_stream_start_heartbeat(self->stream);
    return open_lane(self, error);
}

static gboolean
precopy(Source *self, GError **error)
{
    /* their holder may have stopped one meanwhile: then none is touched */
    return vf_devices_expect(self->session->devices, VF_STATE_RUNNING, error) &&
           vf_precopy_run(self->precopy, self->use_precopy, self->use_reinit, error);
}

/* An ABORT is heard here while it can still be heeded. */
static gboolean
look_up(Source *self, GError **error)
{
    VfFrame frame;

    if (!vf_stream_try_receive(self->stream, &frame, error))
        return FALSE;
    return frame.header.type == 0 || vf_precopy_take(self->precopy, &frame, error);
}

/* Until it is done, and the other side is heard meanwhile: it may have all of the data, which go
 * their own way, before this one knows, but not before it was touched. */
static gboolean
drive_subject(Source *self, gboolean (*step)(gpointer data, gboolean *done, GError **error),
              GError **error)
{
    gboolean done = FALSE;

    while (!done) {
        VfFrame frame;
        if (vf_cancel_set_error_if_cancelled(self->session->cancel, error) ||
            !step(self->session->subject->data, &done, error) ||
            !vf_stream_try_receive(self->stream, &frame, error))
            return FALSE;
        if (frame.header.type == VF_FRAME_LOADED && self->session->touched && !self->heard_loaded)
            self->heard_loaded = TRUE;
        else if (frame.header.type != 0 && !vf_precopy_take(self->precopy, &frame, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
move_subject(Source *self, GError **error)
{
    const VfSessionSubject *subject = self->session->subject;

    if ((subject->prepare && !drive_subject(self, subject->prepare, error)) ||
        !vf_past_touch_subject(self->session, error))
        return FALSE;
    vf_session_set_phase(self->session, "pre-copy");
    if (!drive_subject(self, subject->move, error))
        return FALSE;
    self->times.stop = self->session->switchover;
    self->times.sent = g_get_monotonic_time();
    vf_meter_complete(self->session->meter);
    return TRUE;
}

static gboolean
move_last_bytes(Source *self, guint index, GError **error)
{
    VfReadResult result = VF_READ_DATA;
    guint64 bytes;

    while (result == VF_READ_DATA)
        if (!vf_precopy_move(self->precopy, index, &result, error) || !look_up(self, error))
            return FALSE;
    if (result == VF_READ_DRY) {
        g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_DEVICE,
                            _("the device is stopped, but promises more state later"));
        return vf_devices_blame(self->session->devices, index, error);
    }
    bytes = GUINT64_TO_LE(vf_meter_get_device(self->session->meter, index));
    return vf_stream_send(self->stream, VF_FRAME_DEVICE_END, index, &bytes, sizeof bytes, error);
}

static gboolean
switch_over(Source *self, GError **error)
{
    vf_session_set_phase(self->session, "switchover");
    self->times.stop = vf_precopy_get_end(self->precopy);
    if (self->times.stop == 0)
        self->times.stop = self->session->switchover;
    if (!vf_devices_stop_copy(self->session->devices, error))
        return FALSE;
    self->times.stopped = g_get_monotonic_time();
    vf_meter_set_rest(self->session->meter, vf_precopy_estimate_rest(self->precopy));
    for (guint i = 0; i < self->n_devices; i++)
        if (!move_last_bytes(self, i, error))
            return FALSE;
    /* what was read to its end was the whole state, unless a reset was the end of it */
    if (!vf_devices_expect(self->session->devices, VF_STATE_STOP_COPY, error))
        return FALSE;
    self->times.sent = g_get_monotonic_time();
    vf_meter_complete(self->session->meter);
    return TRUE;
}

static gboolean
await_loaded(Source *self, GError **error)
{
    vf_session_set_phase(self->session, "loading");
    while (!self->heard_loaded) {
        VfFrame frame;
        if (!vf_stream_receive(self->stream, &frame, error))
            return FALSE;
        if (frame.header.type == VF_FRAME_LOADED)
            break;
        if (!vf_precopy_take(self->precopy, &frame, error))
            return FALSE;
    }
    self->times.loaded = g_get_monotonic_time();
    return vf_devices_stop(self->session->devices, error) && look_up(self, error);
}

/* The decision. When the line cannot be written, it is not made: nobody has been told, so this side
 * runs on. A subject's hypervisor may take its time to say that it stands still: what came
 * meanwhile is heard before, and the daemon's end heeded. */
static gboolean
commit(Source *self, GError **error)
{
    const VfSessionSubject *subject = self->session->subject;

    vf_session_set_phase(self->session, "committing");
    if (!(subject ? subject->check_still(subject->data, error)
                  : vf_devices_expect(self->session->devices, VF_STATE_STOP, error)) ||
        !look_up(self, error))
        return FALSE;
    if (!vf_cancel_close(self->session->cancel)) {
        vf_cancel_set_error_if_cancelled(self->session->cancel, error);
        return FALSE;
    }
    if (!vf_session_append(self->session, "commit", error))
        return FALSE;
    self->committed = TRUE;
    vf_stream_ignore_cancel(self->stream);
    return vf_stream_send(self->stream, VF_FRAME_COMMIT, VF_FRAME_NO_DEVICE, NULL, 0, error);
}

static gboolean
await_started(Source *self, GError **error)
{
    VfFrame frame;

    if (!vf_stream_receive_within(self->stream, self->session->config.decision_seconds, &frame,
                                  error))
        return FALSE;
    if (frame.header.type != VF_FRAME_STARTED) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the destination sent %s instead of STARTED"),
                    vf_frame_type_name(frame.header.type));
        return FALSE;
    }
    self->times.started = g_get_monotonic_time();
    vf_session_note(self->session, "done");
    return TRUE;
}

/* The peer first, without waiting for it, then the devices, which must not stand still for long:
 * those that were touched. Another one that does not run was stopped by its holder. */
static void
give_up(Source *self, GError *error, VfSessionEnd *end)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *message = NULL;

    if (self->stream)
        vf_stream_abort(self->stream, error);
    vf_past_explain(self->session, error);
    vf_session_end_fail(end, error);
    if (!self->session->touched &&
        !vf_devices_have_past(self->session->devices, VF_DEVICE_TOUCHED)) {
        end->untouched = TRUE;
        return;
    }
    vf_past_mark_returning(self->session);
    if (vf_session_give_back(self->session, &local)) {
        vf_session_note(self->session, "returned");
        return;
    }
    message = g_strdup_printf(_("%s; and the way back to running failed: %s"), end->error->message,
                              local->message);
    g_free(end->error->message);
    end->error->message = g_steal_pointer(&message);
}

static void
conclude(Source *self, GError *error, VfSessionEnd *end)
{
    if (!error)
        end->kind = VF_SESSION_COMPLETED;
    else if (self->committed)
        vf_session_end_doubt(end, error,
                             _("committed, but the destination has not said that it runs"));
    else
        give_up(self, error, end);
}

static void
insert_span(GVariantDict *dict, const char *key, gint64 from, gint64 to)
{
    if (from > 0 && to >= from)
        g_variant_dict_insert(dict, key, "t", (guint64)(to - from));
}

static GVariant *
make_statistics(Source *self)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    const Times *times = &self->times;
    VfProgress progress;
    guint64 unloaded;

    vf_meter_get(self->session->meter, &progress, NULL);
    if (self->precopy && vf_precopy_get_unloaded(self->precopy, &unloaded))
        g_variant_dict_insert(&dict, "initial-bytes-unloaded", "t", unloaded);
    g_variant_dict_insert(&dict, "bytes", "t", progress.done);
    if (!self->session->subject) /* of another's rounds the last progress has told */
        g_variant_dict_insert(&dict, "rounds", "u",
                              self->precopy ? vf_precopy_get_rounds(self->precopy) : 0);
    g_variant_dict_insert(&dict, "seconds", "d",
                          (double)(g_get_monotonic_time() - times->begin) / G_USEC_PER_SEC);
    insert_span(&dict, "downtime", times->stop, times->started);
    insert_span(&dict, "downtime-stop", times->stop, times->stopped);
    insert_span(&dict, "downtime-last-bytes", times->stopped, times->sent);
    insert_span(&dict, "downtime-load", times->sent, times->loaded);
    insert_span(&dict, "downtime-start", times->loaded, times->started);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

void
vf_source_run(VfSession *session, VfSessionEnd *end)
{
    Source self = {.session = session,
                   .n_devices = vf_devices_get_count(session->devices),
                   .times.begin = g_get_monotonic_time()};
    GError *error = NULL;

    vf_past_watch(session);
    (void)(vf_devices_expect(session->devices, VF_STATE_RUNNING, &error) &&
           vf_devices_load_info(session->devices, &error) && attach(&self, &error) &&
           (session->subject ? move_subject(&self, &error)
                             : precopy(&self, &error) && switch_over(&self, &error)) &&
           await_loaded(&self, &error) && commit(&self, &error) && await_started(&self, &error));
    conclude(&self, error, end);
    end->device_states = vf_session_describe(session);
    end->statistics = make_statistics(&self);
    g_clear_pointer(&self.precopy, vf_precopy_free);
    if (self.stream)
        vf_stream_finish(self.stream, LINGER_MS);
    g_clear_pointer(&self.stream, vf_stream_free);
    g_clear_pointer(&self.lane, vf_tls_free);
}
