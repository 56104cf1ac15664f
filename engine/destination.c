/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "destination.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"
#include "io.h"
#include "link.h"
#include "past.h"
#include "reception.h"

#define LINGER_MS 1000
#define LANE_MS 10000 /* a source that is there already brings it at once */

typedef enum {
    PROGRESS_NONE,
    PROGRESS_RESUMING,
    PROGRESS_ENDED,
} DeviceProgress;

typedef struct {
    DeviceProgress progress;
    gboolean initial_loaded;
    gboolean fresh; /* there was DATA since the last INITIAL_END */
    guint64 bytes;
} Loading;

typedef struct {
    VfSession *session;
    VfStream *stream;
    guint n_devices;
    gboolean use_reinit;
    Loading *loading; /* of each device */
    guint n_ended;
    guint64 bytes;
    gint64 start;       /* the source is here */
    gboolean promised;  /* LOADED was sent */
    gboolean committed; /* COMMIT has come and is on record */
    int listener;       /* as long as somebody is to come */
    VfTls *lane;        /* NULL: it has none */
} Destination;

/* Before anything comes: a fresh device runs, and one that is being loaded must not. */
static gboolean
stop_devices(Destination *self, GError **error)
{
    VfDevices *devices = self->session->devices;

    if (!vf_devices_load_info(devices, error))
        return FALSE;
    for (guint i = 0; i < self->n_devices; i++) {
        VfMigrationState state;
        if (!vf_backend_get_state(vf_devices_get(devices, i), &state, error))
            return vf_devices_blame(devices, i, error);
        if (state == VF_STATE_RUNNING &&
            !vf_devices_set_state(devices, i, VF_STATE_RUNNING, VF_STATE_STOP, error))
            return FALSE;
    }
    return vf_devices_expect(devices, VF_STATE_STOP, error);
}

/* The version to speak, and what both sides want. */
static gboolean
answer(Destination *self, const VfHello *hello, GError **error)
{
    g_autoptr(GStrvBuilder) common = g_strv_builder_new();
    g_auto(GStrv) features = NULL;
    g_autoptr(GVariant) subject = NULL;
    g_autoptr(GBytes) reply = NULL;
    g_autoptr(GError) mistake = NULL;
    gsize size;
    const void *data;

    if (hello->min > VF_MESSAGE_VERSION || hello->max < VF_MESSAGE_VERSION) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the source speaks versions %u to %u of the stream, this side %d"),
                    hello->min, hello->max, VF_MESSAGE_VERSION);
        return FALSE;
    }
    if (hello->n_devices != self->n_devices) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the source has %u devices, this side %u"), hello->n_devices,
                    self->n_devices);
        return FALSE;
    }
    if (hello->lanes != vf_session_get_lanes(self->session)) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the source has %u lanes, this side %u"), hello->lanes,
                    vf_session_get_lanes(self->session));
        return FALSE;
    }
    if (!vf_session_meet(self->session, hello->subject, error))
        return FALSE;
    subject = vf_session_introduce(self->session, &mistake);
    if (mistake) {
        g_propagate_error(error, g_steal_pointer(&mistake));
        return FALSE;
    }
    for (guint i = 0; hello->features[i]; i++)
        if (vf_session_wants(self->session, hello->features[i]))
            g_strv_builder_add(common, hello->features[i]);
    features = g_strv_builder_end(common);
    self->use_reinit = g_strv_contains((const char *const *)features, VF_FEATURE_REINIT);
    reply = vf_message_pack_reply(VF_MESSAGE_VERSION, (const char *const *)features, subject);
    data = g_bytes_get_data(reply, &size);
    return vf_stream_send(self->stream, VF_FRAME_HELLO_REPLY, VF_FRAME_NO_DEVICE, data, size,
                          error);
}

static gboolean
unexpected(const VfFrame *frame, GError **error)
{
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the source sent %s, which may not come now"),
                vf_frame_type_name(frame->header.type));
    return FALSE;
}

/* It has the key, so that whatever is wrong with its hello ends the job. */
static gboolean
hear_hello(Destination *self, GError **error)
{
    g_auto(VfHello) hello = {0};
    VfFrame frame;

    if (!vf_stream_receive(self->stream, &frame, error))
        return FALSE;
    if (frame.header.type != VF_FRAME_HELLO)
        return unexpected(&frame, error);
    if (!vf_message_parse_hello(frame.payload, frame.header.length, &hello, error))
        return FALSE;
    if (g_str_equal(hello.job, self->session->config.job))
        return answer(self, &hello, error);
    g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                _("the source's hello is for another job than “%s”"), self->session->config.job);
    return FALSE;
}

/* Whoever comes: @tls is used up then. */
static VfChannel *
receive(Destination *self, VfTls *tls, guint64 timeout_ms, const VfReceptionBeside *beside,
        char **peer, GError **error)
{
    const VfSessionConfig *config = &self->session->config;

    return vf_reception_wait(self->listener, tls,
                             MIN(VF_RECEPTION_HANDSHAKE_MS, config->peer_patience_ms), timeout_ms,
                             self->session->cancel, beside, peer, error);
}

/* The key is used up when it returns, and the listener closed unless a lane is to come. */
static VfChannel *
receive_source(Destination *self, GError **error)
{
    VfSession *session = self->session;
    const VfSessionConfig *config = &session->config;
    g_autoptr(VfTls) tls = vf_session_make_tls(session, VF_ROLE_DESTINATION, &self->lane, error);
    g_autofree char *peer = NULL;
    guint16 port = 0;
    VfChannel *channel;

    if (tls)
        self->listener =
            vf_link_listen(config->address, config->port_min, config->port_max, &port, error);
    if (self->listener < 0)
        return NULL;
    if (session->events.listening)
        session->events.listening(config->address, port, session->events.data);
    channel = receive(self, tls, (guint64)config->accept_seconds * 1000, NULL, &peer, error);
    if (!self->lane)
        vf_io_clear_fd(&self->listener);
    if (channel && session->events.attached)
        session->events.attached(peer, session->events.data);
    return channel;
}

/* A source that does not like what it has heard says so, and brings no lane. */
static gboolean
hear_source(gpointer data, GError **error)
{
    Destination *self = data;
    VfFrame frame;

    return vf_stream_try_receive(self->stream, &frame, error) &&
           (frame.header.type == 0 || unexpected(&frame, error));
}

static gboolean
receive_lane(Destination *self, GError **error)
{
    const VfSessionSubject *subject = self->session->subject;
    const VfReceptionBeside source = {vf_stream_get_fd(self->stream), hear_source, self};
    g_autofree char *peer = NULL;
    VfChannel *channel;

    if (!self->lane)
        return TRUE;
    channel = receive(self, self->lane, LANE_MS, &source, &peer, error);
    vf_io_clear_fd(&self->listener);
    if (channel)
        subject->take_lane(subject->data, channel);
    return channel != NULL;
}

static gboolean
attach(Destination *self, GError **error)
{
    VfSession *session = self->session;
    VfChannel *channel =
        session->channel ? g_steal_pointer(&session->channel) : receive_source(self, error);

    if (!channel)
        return FALSE;
    self->start = g_get_monotonic_time();
    self->stream = vf_stream_new(channel, VF_ROLE_DESTINATION, self->n_devices, session->cancel);
    vf_stream_set_patience(self->stream, session->config.peer_patience_ms);
    if (!hear_hello(self, error))
        return FALSE;
    vf_stream_start_heartbeat(self->stream);
    return receive_lane(self, error);
}

static gboolean
begin_device(Destination *self, guint index, GError **error)
{
    if (self->loading[index].progress == PROGRESS_RESUMING)
        return TRUE;
    self->loading[index].progress = PROGRESS_RESUMING;
    return vf_devices_set_state(self->session->devices, index, VF_STATE_STOP, VF_STATE_RESUMING,
                                error);
}

static gboolean
load_data(Destination *self, const VfFrame *frame, GError **error)
{
    guint index = frame->header.device;
    Loading *loading = &self->loading[index];

    if (loading->progress == PROGRESS_ENDED)
        return unexpected(frame, error);
    if (frame->header.length > self->session->config.size_max - self->bytes) {
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
            _("the source sends more than the %" PRIu64 " bytes of device state that are allowed"),
            self->session->config.size_max);
        return FALSE;
    }
    if (!begin_device(self, index, error))
        return FALSE;
    /* Final: a kernel driver may accept at RESUMING -> STOP what it refused in part before. */
    if (!vf_backend_write(vf_devices_get(self->session->devices, index), frame->payload,
                          frame->header.length, error))
        return vf_devices_blame(self->session->devices, index, error);
    loading->fresh = TRUE;
    loading->bytes += frame->header.length;
    self->bytes += frame->header.length;
    vf_meter_add(self->session->meter, index, frame->header.length);
    return TRUE;
}

/* Again only where that was agreed, and something came for it: each costs an answer. */
static gboolean
end_initial(Destination *self, const VfFrame *frame, GError **error)
{
    Loading *loading = &self->loading[frame->header.device];

    if (loading->progress == PROGRESS_ENDED ||
        (loading->initial_loaded && !(self->use_reinit && loading->fresh)))
        return unexpected(frame, error);
    loading->initial_loaded = TRUE;
    loading->fresh = FALSE;
    return vf_stream_send(self->stream, VF_FRAME_INITIAL_LOADED, frame->header.device, NULL, 0,
                          error);
}

static gboolean
end_device(Destination *self, const VfFrame *frame, GError **error)
{
    guint index = frame->header.device;
    Loading *loading = &self->loading[index];
    guint64 announced;

    memcpy(&announced, frame->payload, sizeof announced);
    announced = GUINT64_FROM_LE(announced);
    if (loading->progress == PROGRESS_ENDED)
        return unexpected(frame, error);
    if (announced != loading->bytes) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("%" PRIu64 " bytes of device state have come, but the source says "
                      "that it sent %" PRIu64),
                    loading->bytes, announced);
        return vf_devices_blame(self->session->devices, index, error);
    }
    /* A device without a byte of state has its final check, too. */
    if (!begin_device(self, index, error) ||
        !vf_devices_set_state(self->session->devices, index, VF_STATE_RESUMING, VF_STATE_STOP,
                              error)) {
        g_prefix_error(error, _("the state was refused as a whole: "));
        return FALSE;
    }
    loading->progress = PROGRESS_ENDED;
    self->n_ended++;
    return TRUE;
}

/* Its own data come their own way; of frames nothing may come before LOADED. */
static gboolean
load_subject(Destination *self, GError **error)
{
    const VfSessionSubject *subject = self->session->subject;
    gboolean done = FALSE;

    while (!done) {
        VfFrame frame;
        if (vf_cancel_set_error_if_cancelled(self->session->cancel, error) ||
            !subject->load(subject->data, &done, error) ||
            !vf_stream_try_receive(self->stream, &frame, error))
            return FALSE;
        if (frame.header.type != 0)
            return unexpected(&frame, error);
    }
    vf_meter_complete(self->session->meter);
    return TRUE;
}

static gboolean
load(Destination *self, GError **error)
{
    vf_session_set_phase(self->session, "loading");
    if (self->session->subject)
        return load_subject(self, error);
    while (self->n_ended < self->n_devices) {
        VfFrame frame;
        gboolean good;
        if (!vf_stream_receive(self->stream, &frame, error))
            return FALSE;
        if (frame.header.type == VF_FRAME_DATA)
            good = load_data(self, &frame, error);
        else if (frame.header.type == VF_FRAME_INITIAL_END)
            good = end_initial(self, &frame, error);
        else if (frame.header.type == VF_FRAME_DEVICE_END)
            good = end_device(self, &frame, error);
        else
            good = unexpected(&frame, error);
        if (!good)
            return FALSE;
    }
    vf_meter_complete(self->session->meter);
    return TRUE;
}

/* What was loaded may have gone since. */
static gboolean
check_loaded(Destination *self, GError **error)
{
    const VfSessionSubject *subject = self->session->subject;

    if (subject && subject->check_loaded && !subject->check_loaded(subject->data, error))
        return FALSE;
    return vf_devices_expect(self->session->devices, VF_STATE_STOP, error);
}

/* From here on only the source may say what happens. */
static gboolean
promise(Destination *self, GError **error)
{
    if (!vf_devices_expect(self->session->devices, VF_STATE_STOP, error) ||
        !vf_session_append(self->session, "loaded", error) || !check_loaded(self, error))
        return FALSE;
    if (!vf_cancel_promise(self->session->cancel)) {
        vf_cancel_set_error_if_cancelled(self->session->cancel, error);
        return FALSE;
    }
    /* A frame that did not leave whole is none: the source cannot commit to it. */
    self->promised =
        vf_stream_send(self->stream, VF_FRAME_LOADED, VF_FRAME_NO_DEVICE, NULL, 0, error);
    return self->promised;
}

static gboolean
await_commit(Destination *self, GError **error)
{
    VfFrame frame;

    if (!vf_stream_receive_within(self->stream, self->session->config.decision_seconds, &frame,
                                  error))
        return FALSE;
    if (frame.header.type != VF_FRAME_COMMIT)
        return unexpected(&frame, error);
    if (!vf_cancel_close(self->session->cancel)) {
        vf_cancel_set_error_if_cancelled(self->session->cancel, error);
        return FALSE;
    }
    vf_session_set_phase(self->session, "committing");
    vf_stream_ignore_cancel(self->stream);
    self->committed = vf_session_append(self->session, "commit", error);
    return self->committed;
}

static gboolean
start(Destination *self, GError **error)
{
    VfDevices *devices = self->session->devices;
    g_autoptr(GError) local = NULL;

    if (!vf_devices_expect(devices, VF_STATE_STOP, error) ||
        !vf_past_mark(self->session, "starting", error) || !vf_session_run(self->session, error))
        return FALSE;
    /* That must be said, whatever the disk or the link do now: a source that does not hear it is in
     * doubt. */
    vf_session_note(self->session, "started");
    if (!vf_stream_send(self->stream, VF_FRAME_STARTED, VF_FRAME_NO_DEVICE, NULL, 0, &local))
        g_warning("the devices run, but the source cannot be told: %s", local->message);
    else
        /* as long as the source still waits for it: what has not arrived when this side closes may
         * be lost, and a link that comes back in time would bring it */
        vf_stream_finish(self->stream, self->session->config.peer_patience_ms);
    return TRUE;
}

/* Which of the rows of the document's table it is. */
static void
conclude(Destination *self, GError *error, VfSessionEnd *end)
{
    gboolean called_off = vf_cancel_is_set(self->session->cancel);
    gboolean told = self->stream && vf_stream_was_aborted(self->stream);

    if (error)
        vf_past_explain(self->session, error);
    if (!error) {
        end->kind = VF_SESSION_COMPLETED;
    } else if (self->promised && !told && !called_off) {
        vf_session_end_doubt(
            end, error,
            self->committed ? _("the source has committed, but the devices do not run here")
                            : _("the devices are loaded, but the source's decision is not known"));
    } else {
        if (self->stream && !told)
            vf_stream_abort(self->stream, error);
        /* a source that cancels fails this side; only one's own cancel is called that */
        if (!called_off && g_error_matches(error, VFERRY_ERROR, VFERRY_ERROR_CANCELLED))
            error->code = VFERRY_ERROR_PEER;
        vf_session_end_fail(end, error);
    }
}

static GVariant *
make_statistics(Destination *self)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    VfProgress progress;

    vf_meter_get(self->session->meter, &progress, NULL); /* a subject's are not seen here */
    g_variant_dict_insert(&dict, "bytes", "t",
                          self->session->subject ? progress.done : self->bytes);
    g_variant_dict_insert(
        &dict, "seconds", "d",
        self->start ? (double)(g_get_monotonic_time() - self->start) / G_USEC_PER_SEC : 0.0);
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

void
vf_destination_run(VfSession *session, VfSessionEnd *end)
{
    guint n_devices = vf_devices_get_count(session->devices);
    g_autofree Loading *loading = g_new0(Loading, n_devices);
    Destination self = {
        .session = session, .n_devices = n_devices, .loading = loading, .listener = -1};
    GError *error = NULL;

    vf_past_watch(session);
    (void)(stop_devices(&self, &error) && attach(&self, &error) && load(&self, &error) &&
           promise(&self, &error) && await_commit(&self, &error) && start(&self, &error));
    conclude(&self, error, end);
    end->device_states = vf_session_describe(session);
    end->statistics = make_statistics(&self);
    if (self.stream && end->kind != VF_SESSION_COMPLETED)
        vf_stream_finish(self.stream, LINGER_MS);
    g_clear_pointer(&self.stream, vf_stream_free);
    g_clear_pointer(&self.lane, vf_tls_free);
    vf_io_clear_fd(&self.listener);
}
