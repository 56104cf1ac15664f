/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "meter.h"

#include <string.h>

/* The last second in slots, the one being filled beside them. */
#define SLOTS 8
#define SLOT_US (G_USEC_PER_SEC / SLOTS)

struct VfMeter {
    GMutex lock;
    VfProgress now;
    guint64 rest;
    guint n_devices;
    guint64 *devices;
    gint64 start;
    gint64 slot; /* number of the one being filled, since start */
    guint64 slots[SLOTS + 1];
};

VfMeter *
vf_meter_new(guint n_devices)
{
    VfMeter *self = g_new0(VfMeter, 1);

    g_mutex_init(&self->lock);
    self->n_devices = n_devices;
    self->devices = g_new0(guint64, n_devices);
    self->start = g_get_monotonic_time();
    return self;
}

void
vf_meter_free(VfMeter *self)
{
    g_mutex_clear(&self->lock);
    g_free(self->devices);
    g_free(self);
}

static void
turn_slots(VfMeter *self)
{
    gint64 slot = (g_get_monotonic_time() - self->start) / SLOT_US;

    if (slot - self->slot > SLOTS)
        memset(self->slots, 0, sizeof self->slots);
    else
        for (gint64 i = self->slot + 1; i <= slot; i++)
            self->slots[i % (SLOTS + 1)] = 0;
    self->slot = slot;
}

static void
update_total(VfMeter *self)
{
    self->now.total = MAX(self->now.total, self->now.done + self->rest);
}

void
vf_meter_add(VfMeter *self, guint device, guint64 bytes)
{
    g_return_if_fail(device < self->n_devices);
    g_mutex_lock(&self->lock);
    turn_slots(self);
    self->slots[self->slot % (SLOTS + 1)] += bytes;
    self->now.done += bytes;
    self->devices[device] += bytes;
    self->rest -= MIN(self->rest, bytes);
    update_total(self);
    g_mutex_unlock(&self->lock);
}

void
vf_meter_set_rest(VfMeter *self, guint64 bytes)
{
    g_mutex_lock(&self->lock);
    /* a driver's estimate may be anything */
    self->rest = MIN(bytes, G_MAXUINT64 - self->now.done);
    update_total(self);
    g_mutex_unlock(&self->lock);
}

void
vf_meter_reach(VfMeter *self, guint64 done, guint64 rest)
{
    g_mutex_lock(&self->lock);
    turn_slots(self);
    if (done > self->now.done) {
        self->slots[self->slot % (SLOTS + 1)] += done - self->now.done;
        self->now.done = done;
    }
    self->rest = MIN(rest, G_MAXUINT64 - self->now.done);
    update_total(self);
    g_mutex_unlock(&self->lock);
}

void
vf_meter_set_precopy(VfMeter *self, guint round, guint64 dirty, guint64 initial_left)
{
    g_mutex_lock(&self->lock);
    self->now.round = round;
    self->now.dirty = dirty;
    self->now.initial_left = initial_left;
    g_mutex_unlock(&self->lock);
}

void
vf_meter_set_expected_downtime(VfMeter *self, guint64 microseconds)
{
    g_mutex_lock(&self->lock);
    self->now.has_expected_downtime = TRUE;
    self->now.expected_downtime = microseconds;
    g_mutex_unlock(&self->lock);
}

void
vf_meter_complete(VfMeter *self)
{
    g_mutex_lock(&self->lock);
    self->rest = 0;
    self->now.total = self->now.done;
    self->now.dirty = 0;
    self->now.initial_left = 0;
    g_mutex_unlock(&self->lock);
}

static guint64
compute_rate(VfMeter *self)
{
    gint64 elapsed = g_get_monotonic_time() - self->start;
    gint64 covered = MIN(elapsed, SLOTS * SLOT_US + elapsed % SLOT_US);
    guint64 bytes = 0;

    for (guint i = 0; i <= SLOTS; i++)
        bytes += self->slots[i];
    return covered > 0 ? (guint64)((double)bytes * G_USEC_PER_SEC / (double)covered) : 0;
}

void
vf_meter_get(VfMeter *self, VfProgress *progress, guint64 *devices)
{
    g_mutex_lock(&self->lock);
    turn_slots(self);
    self->now.rate = compute_rate(self);
    *progress = self->now;
    if (devices) {
        memcpy(devices, self->devices, self->n_devices * sizeof *devices);
        progress->device_bytes = devices;
        progress->n_devices = self->n_devices;
    }
    g_mutex_unlock(&self->lock);
}

guint64
vf_meter_get_device(VfMeter *self, guint device)
{
    guint64 bytes;

    g_return_val_if_fail(device < self->n_devices, 0);
    g_mutex_lock(&self->lock);
    bytes = self->devices[device];
    g_mutex_unlock(&self->lock);
    return bytes;
}
