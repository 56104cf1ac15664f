/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "precopy.h"

#include <glib/gi18n-lib.h>

#include "error.h"

#define NAP_MS 20
#define DEVICE_US 2000 /* for a device's changes of state, until it is measured */

typedef struct {
    gboolean dry; /* since the round began */
    gboolean initial_ended;
    gboolean initial_loaded;
    VfPrecopyInfo left;
} Device;

struct VfPrecopy {
    VfSession *session;
    VfStream *stream;
    guint64 rtt_us;
    guint n_devices;
    Device *devices;
    VfPace pace;
    guint rounds;
    guint64 round_bytes;
    gboolean poll_lies; /* the devices said there was more, and there was not */
};

VfPrecopy *
vf_precopy_new(VfSession *session, VfStream *stream, guint64 rtt_us)
{
    VfPrecopy *self = g_new0(VfPrecopy, 1);

    self->session = session;
    self->stream = stream;
    self->rtt_us = rtt_us;
    self->n_devices = vf_devices_get_count(session->devices);
    self->devices = g_new0(Device, self->n_devices);
    return self;
}

void
vf_precopy_free(VfPrecopy *self)
{
    g_free(self->devices);
    g_free(self);
}

guint
vf_precopy_get_rounds(VfPrecopy *self)
{
    return self->rounds;
}

static guint64
add(guint64 a, guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}

/* MIG_DATA_SIZE is what STOP_COPY would give if it began now, or, with some drivers, what a whole
 * state has; PRECOPY_INFO is what is left, but only of what pre-copy may move. Whichever says more.
 */
guint64
vf_precopy_estimate_rest(VfPrecopy *self)
{
    guint64 rest = 0;

    for (guint i = 0; i < self->n_devices; i++) {
        const VfPrecopyInfo *left = &self->devices[i].left;
        guint64 size = vf_devices_get_info(self->session->devices, i)->data_size;
        guint64 moved = vf_progress_get_device(self->session->progress, i);
        guint64 unmoved = size > moved ? size - moved : 0;
        rest = add(rest, MAX(unmoved, add(left->initial_bytes, left->dirty_bytes)));
    }
    return rest;
}

gboolean
vf_precopy_move(VfPrecopy *self, guint index, VfReadResult *result, GError **error)
{
    VfDevices *devices = self->session->devices;
    gint64 start = g_get_monotonic_time();
    gint64 end;
    gsize n;

    *result = vf_backend_read(vf_devices_get(devices, index), vf_stream_get_buffer(self->stream),
                              VF_FRAME_DATA_MAX, &n, error);
    if (*result == VF_READ_ERROR)
        return vf_devices_blame(devices, index, error);
    if (*result != VF_READ_DATA)
        return TRUE;
    if (!vf_stream_send_buffer(self->stream, VF_FRAME_DATA, index, n, error))
        return FALSE;
    end = g_get_monotonic_time();
    vf_pace_add(&self->pace, n, (guint64)(end - start), end);
    vf_progress_add(self->session->progress, index, n);
    self->round_bytes += n;
    return TRUE;
}

gboolean
vf_precopy_take(VfPrecopy *self, const VfFrame *frame, GError **error)
{
    Device *device;

    if (frame->header.type != VF_FRAME_INITIAL_LOADED) {
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_PEER,
                    _("the destination sent %s, which may not come now"),
                    vf_frame_type_name(frame->header.type));
        return FALSE;
    }
    device = &self->devices[frame->header.device];
    if (!device->initial_ended || device->initial_loaded) {
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_PEER,
            _("the destination says that it has loaded initial bytes of device %u that were "
              "not announced"),
            frame->header.device);
        return FALSE;
    }
    device->initial_loaded = TRUE;
    return TRUE;
}

static gboolean
take_all(VfPrecopy *self, GError **error)
{
    for (;;) {
        VfFrame frame;
        if (!vf_stream_try_receive(self->stream, &frame, error))
            return FALSE;
        if (frame.header.type == 0)
            return TRUE;
        if (!vf_precopy_take(self, &frame, error))
            return FALSE;
    }
}

static gboolean
step(VfPrecopy *self, guint index, GError **error)
{
    VfDevices *devices = self->session->devices;
    Device *device = &self->devices[index];
    VfReadResult result;

    if (!vf_precopy_move(self, index, &result, error))
        return FALSE;
    device->dry = result != VF_READ_DATA;
    if (!vf_backend_get_precopy_info(vf_devices_get(devices, index), &device->left, error))
        return vf_devices_blame(devices, index, error);
    if (device->initial_ended || device->left.initial_bytes > 0)
        return TRUE;
    device->initial_ended = TRUE;
    return vf_stream_send(self->stream, VF_FRAME_INITIAL_END, index, NULL, 0, error);
}

/* One frame of each device. */
static gboolean
sweep(VfPrecopy *self, gboolean *all_dry, GError **error)
{
    guint64 dirty = 0;
    guint64 initial = 0;

    *all_dry = TRUE;
    for (guint i = 0; i < self->n_devices; i++) {
        if (!vf_devices_in_precopy(self->session->devices, i))
            continue;
        if (!step(self, i, error))
            return FALSE;
        *all_dry = *all_dry && self->devices[i].dry;
        dirty = add(dirty, self->devices[i].left.dirty_bytes);
        initial = add(initial, self->devices[i].left.initial_bytes);
    }
    if (*all_dry && self->round_bytes > 0) {
        self->rounds++;
        self->round_bytes = 0;
    }
    vf_progress_set_precopy(self->session->progress, self->rounds, dirty, initial);
    vf_progress_set_rest(self->session->progress, vf_precopy_estimate_rest(self));
    return TRUE;
}

/* What is on its way has to arrive and be loaded before the last byte can be. */
static guint64
bytes_left(VfPrecopy *self)
{
    guint64 bytes = vf_stream_get_in_flight(self->stream);

    for (guint i = 0; i < self->n_devices; i++)
        bytes =
            add(bytes, add(self->devices[i].left.initial_bytes, self->devices[i].left.dirty_bytes));
    return bytes;
}

/* Two exchanges (loaded and commit, started) and the devices' own steps: no pre-copy makes that
 * shorter. */
static guint64
time_term_us(VfPrecopy *self)
{
    return 2 * self->rtt_us + self->n_devices * DEVICE_US;
}

static guint64
predict_downtime(VfPrecopy *self)
{
    guint64 us = vf_pace_predict(&self->pace, bytes_left(self), time_term_us(self));

    vf_progress_set_expected_downtime(self->session->progress, us);
    return us;
}

/* A limit that time alone exceeds cannot be kept; then the bytes may add as much again at most. */
static gboolean
may_leave(VfPrecopy *self)
{
    guint64 limit = (guint64)self->session->config.downtime_limit_ms * 1000;
    guint64 us = predict_downtime(self);

    for (guint i = 0; i < self->n_devices; i++)
        if (vf_devices_in_precopy(self->session->devices, i) && !self->devices[i].initial_loaded)
            return FALSE;
    return us <= (time_term_us(self) < limit ? limit : 2 * time_term_us(self));
}

/* Until a device has more, the peer says something, or a moment has passed. A data fd without a
 * poll of its own is always readable: then only the moment counts. */
static gboolean
nap(VfPrecopy *self, GError **error)
{
    g_autofree int *fds = g_new(int, self->n_devices);
    guint n = 0;
    gint64 start = g_get_monotonic_time();

    for (guint i = 0; i < self->n_devices && !self->poll_lies; i++)
        if (vf_devices_in_precopy(self->session->devices, i))
            fds[n++] = vf_backend_get_poll_fd(vf_devices_get(self->session->devices, i));
    if (!vf_stream_wait(self->stream, fds, n, NAP_MS, error))
        return FALSE;
    self->poll_lies = n > 0 && g_get_monotonic_time() - start < 1000;
    return TRUE;
}

static gboolean
any_in_precopy(VfPrecopy *self)
{
    for (guint i = 0; i < self->n_devices; i++)
        if (vf_devices_in_precopy(self->session->devices, i))
            return TRUE;
    return FALSE;
}

gboolean
vf_precopy_run(VfPrecopy *self, gboolean allowed, GError **error)
{
    gint64 end =
        g_get_monotonic_time() + (gint64)self->session->config.precopy_max_seconds * G_USEC_PER_SEC;

    vf_progress_set_rest(self->session->progress, vf_precopy_estimate_rest(self));
    if (!vf_devices_start_precopy(self->session->devices, allowed, error))
        return FALSE;
    if (!any_in_precopy(self))
        return TRUE;
    vf_session_set_phase(self->session, "pre-copy");
    while (g_get_monotonic_time() < end) {
        gboolean all_dry;
        if (!sweep(self, &all_dry, error) || !take_all(self, error))
            return FALSE;
        if (may_leave(self))
            return TRUE;
        if (all_dry && !nap(self, error))
            return FALSE;
    }
    return TRUE;
}
