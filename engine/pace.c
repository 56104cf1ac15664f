/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "pace.h"

#define TURN_US (G_USEC_PER_SEC / 2)

void
vf_pace_add(VfPace *self, guint64 bytes, guint64 busy_us, gint64 now)
{
    /* what little was moved is kept until there is enough to replace it */
    if (now - self->turned >= TURN_US && self->bytes[0] >= VF_PACE_SAMPLE_MIN) {
        self->bytes[1] = self->bytes[0];
        self->busy_us[1] = self->busy_us[0];
        self->bytes[0] = self->busy_us[0] = 0;
        self->turned = now;
    }
    self->bytes[0] += bytes;
    self->busy_us[0] += busy_us;
}

guint64
vf_pace_get_rate(const VfPace *self)
{
    guint64 bytes = self->bytes[0] + self->bytes[1];
    guint64 busy_us = self->busy_us[0] + self->busy_us[1];

    if (bytes < VF_PACE_SAMPLE_MIN || busy_us == 0)
        return VF_PACE_RATE_UNKNOWN;
    return MAX(1, (guint64)((double)bytes * G_USEC_PER_SEC / (double)busy_us));
}

guint64
vf_pace_predict(const VfPace *self, guint64 bytes, guint64 time_us)
{
    double us = (double)bytes * G_USEC_PER_SEC / (double)vf_pace_get_rate(self) + (double)time_us;

    return us < (double)G_MAXINT64 ? (guint64)us : G_MAXINT64;
}
