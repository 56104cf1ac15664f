/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "job.h"

G_BEGIN_DECLS

/* The driver's function `discard`: the guest does not run here, and never will. Its QEMU is told to
 * end. BUSY when the guest runs, or when it cannot be told: where the monitor was lost nobody may
 * have one of the devices open. */
void vf_qemu_discard(VfJob *job, GTask *task);

G_END_DECLS
