/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "precopy.h"

#include <glib/gi18n-lib.h>
#include <inttypes.h>

#include "error.h"

#define NAP_MS 20
#define DEVICE_US 2000 /* for a device's changes of state, until it is measured */

/* A device may ask again before the destination has answered: at most one INITIAL_LOADED is due,
 * and a later INITIAL_END waits for it, so that it is known which bytes are meant. */
typedef struct {
    gboolean dry;     /* since the round began */
    gboolean sent;    /* all initial bytes are, and the destination was told */
    gboolean told;    /* INITIAL_END, at least once */
    gboolean due;     /* its INITIAL_LOADED */
    gboolean fresh;   /* there was DATA since it */
    guint64 moved;    /* initial bytes since it */
    guint64 unloaded; /* those before it, until they are loaded */
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
    gboolean repeats;
    gint64 end; /* the limit, in monotonic time */
    gint64 stop;
    gboolean forced; /* stopped unloaded */
    guint64 unloaded;
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

gint64
vf_precopy_get_end(VfPrecopy *self)
{
    return self->stop;
}

gboolean
vf_precopy_get_unloaded(VfPrecopy *self, guint64 *bytes)
{
    *bytes = self->unloaded;
    return self->forced;
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
        guint64 moved = vf_meter_get_device(self->session->meter, i);
        guint64 unmoved = size > moved ? size - moved : 0;
        rest = add(rest, MAX(unmoved, add(left->initial_bytes, left->dirty_bytes)));
    }
    return rest;
}

gboolean
vf_precopy_move(VfPrecopy *self, guint index, VfReadResult *result, GError **error)
{
    VfDevices *devices = self->session->devices;
    Device *device = &self->devices[index];
    gint64 start = g_get_monotonic_time();
    gint64 end;
    gsize n;

    *result = vf_backend_read(vf_devices_get(devices, index), vf_stream_get_buffer(self->stream),
                              VF_FRAME_DATA_MAX, &n, error);
    if (*result == VF_READ_ERROR)
        return vf_devices_blame(devices, index, error);
    if (*result != VF_READ_DATA)
        return TRUE;
    device->fresh = TRUE;
    device->moved = add(device->moved, MIN(n, device->left.initial_bytes));
    if (!vf_stream_send_buffer(self->stream, VF_FRAME_DATA, index, n, error))
        return FALSE;
    end = g_get_monotonic_time();
    vf_pace_add(&self->pace, n, (guint64)(end - start), end);
    vf_meter_add(self->session->meter, index, n);
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
    if (!device->due) {
        g_set_error(
            error, VFERRY_ERROR, VFERRY_ERROR_PEER,
            _("the destination says that it has loaded initial bytes of device %u that were "
              "not announced"),
            frame->header.device);
        return FALSE;
    }
    device->due = FALSE;
    device->unloaded = 0;
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
is_loaded(const Device *device)
{
    return device->sent && !device->due;
}

/* With devices that are not in pre-copy, which have no initial bytes. */
static gboolean
all_loaded(VfPrecopy *self)
{
    for (guint i = 0; i < self->n_devices; i++)
        if (vf_devices_in_precopy(self->session->devices, i) && !is_loaded(&self->devices[i]))
            return FALSE;
    return TRUE;
}

/* What the device says is left. It may have more initial bytes than before
 * (VFIO_PRECOPY_INFO_REINIT in linux/vfio.h): then what the destination has acknowledged is not
 * all, and a destination that cannot acknowledge again would leave this side guessing. */
static gboolean
look(VfPrecopy *self, guint index, GError **error)
{
    VfDevices *devices = self->session->devices;
    Device *device = &self->devices[index];

    if (!vf_backend_get_precopy_info(vf_devices_get(devices, index), &device->left, error))
        return vf_devices_blame(devices, index, error);
    if (!device->left.reinit || device->left.initial_bytes == 0)
        return TRUE;
    device->sent = FALSE;
    if (!device->told || self->repeats || !self->session->config.switchover_ack)
        return TRUE;
    g_set_error_literal(error, VFERRY_ERROR, VFERRY_ERROR_NOT_SUPPORTED,
                        _("the device has more initial bytes than at first, and the destination "
                          "cannot say again that it has loaded them"));
    return vf_devices_blame(devices, index, error);
}

static gboolean
end_initial(VfPrecopy *self, guint index, GError **error)
{
    Device *device = &self->devices[index];

    if (device->sent || device->left.initial_bytes > 0)
        return TRUE;
    if (device->told && !device->fresh) /* it has thought better of them */
        device->sent = TRUE;
    if (device->sent || device->due || (device->told && !self->repeats))
        return TRUE;
    device->sent = device->told = device->due = TRUE;
    device->fresh = FALSE;
    device->unloaded = device->moved;
    device->moved = 0;
    return vf_stream_send(self->stream, VF_FRAME_INITIAL_END, index, NULL, 0, error);
}

static gboolean
step(VfPrecopy *self, guint index, GError **error)
{
    VfReadResult result;

    if (!vf_precopy_move(self, index, &result, error))
        return FALSE;
    self->devices[index].dry = result != VF_READ_DATA;
    return look(self, index, error) && end_initial(self, index, error);
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
    vf_meter_set_precopy(self->session->meter, self->rounds, dirty, initial);
    vf_meter_set_rest(self->session->meter, vf_precopy_estimate_rest(self));
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

    vf_meter_set_expected_downtime(self->session->meter, us);
    return us;
}

/* A limit that time alone exceeds cannot be kept; then the bytes may add as much again at most. */
static gboolean
may_leave(VfPrecopy *self)
{
    guint64 limit = (guint64)self->session->config.downtime_limit_ms * 1000;
    guint64 us = predict_downtime(self);

    return all_loaded(self) && us <= (time_term_us(self) < limit ? limit : 2 * time_term_us(self));
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

static guint64
count_unloaded(const Device *device)
{
    return is_loaded(device)
               ? 0
               : add(device->unloaded, add(device->moved, device->left.initial_bytes));
}

/* The time limit has passed. */
static gboolean
check_loaded(VfPrecopy *self, GError **error)
{
    for (guint i = 0; i < self->n_devices; i++) {
        const Device *device = &self->devices[i];
        if (!vf_devices_in_precopy(self->session->devices, i) || is_loaded(device))
            continue;
        g_set_error(error, VFERRY_ERROR, VFERRY_ERROR_LIMIT_EXCEEDED,
                    _("the limit of %u s for pre-copy has passed, and the destination has not "
                      "loaded %" PRIu64 " initial bytes of device %u, of which %" PRIu64
                      " are not sent"),
                    self->session->config.precopy_max_seconds, count_unloaded(device), i,
                    device->left.initial_bytes);
        return FALSE;
    }
    return TRUE;
}

/* It has passed while a frame could not be sent. */
static gboolean
on_late(gpointer data, GError **error)
{
    VfPrecopy *self = data;

    return take_all(self, error) && check_loaded(self, error);
}

static void
note_unloaded(VfPrecopy *self)
{
    self->forced = TRUE;
    for (guint i = 0; i < self->n_devices; i++)
        if (vf_devices_in_precopy(self->session->devices, i))
            self->unloaded = add(self->unloaded, count_unloaded(&self->devices[i]));
    g_message("the limit of %u s for pre-copy has passed: stopping, as asked for, although the "
              "destination has not loaded %" PRIu64 " initial bytes",
              self->session->config.precopy_max_seconds, self->unloaded);
}

/* The last moment at which a device can be heard: after it comes STOP_COPY, which has no
 * VFIO_MIG_GET_PRECOPY_INFO. Where it asks again now, it goes on. */
static gboolean
settle(VfPrecopy *self, gboolean without, gboolean *settled, GError **error)
{
    VfDevices *devices = self->session->devices;

    self->stop = g_get_monotonic_time();
    if (!vf_devices_quiesce(devices, error))
        return FALSE;
    for (guint i = 0; i < self->n_devices; i++)
        if (vf_devices_in_precopy(devices, i) && !look(self, i, error))
            return FALSE;
    *settled = all_loaded(self) || without;
    if (!*settled)
        return vf_devices_unquiesce(devices, error);
    if (!all_loaded(self))
        note_unloaded(self);
    return TRUE;
}

static gboolean
move_rounds(VfPrecopy *self, GError **error)
{
    for (;;) {
        gboolean settled = FALSE;
        gboolean all_dry;
        gboolean over;
        gboolean without;
        if (!sweep(self, &all_dry, error) || !take_all(self, error))
            return FALSE;
        over = g_get_monotonic_time() >= self->end;
        without = over && !self->session->config.switchover_ack;
        if ((may_leave(self) || (over && all_loaded(self)) || without) &&
            !settle(self, without, &settled, error))
            return FALSE;
        if (settled)
            return TRUE;
        if (over && !check_loaded(self, error))
            return FALSE;
        if (all_dry && !nap(self, error))
            return FALSE;
    }
}

gboolean
vf_precopy_run(VfPrecopy *self, gboolean allowed, gboolean repeats, GError **error)
{
    VfSessionConfig *config = &self->session->config;
    guint n = 0;

    self->repeats = repeats;
    self->end = g_get_monotonic_time() + (gint64)config->precopy_max_seconds * G_USEC_PER_SEC;
    vf_meter_set_rest(self->session->meter, vf_precopy_estimate_rest(self));
    if (!vf_devices_start_precopy(self->session->devices, allowed, error))
        return FALSE;
    for (guint i = 0; i < self->n_devices; i++) {
        if (!vf_devices_in_precopy(self->session->devices, i))
            continue;
        if (n++ == 0)
            vf_session_set_phase(self->session, "pre-copy");
        if (!look(self, i, error))
            return FALSE;
    }
    if (n == 0)
        return TRUE;
    if (config->switchover_ack)
        vf_stream_set_late(self->stream, self->end, on_late, self);
    if (!move_rounds(self, error))
        return FALSE;
    vf_stream_set_late(self->stream, 0, NULL, NULL);
    return TRUE;
}
