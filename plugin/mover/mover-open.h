/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device.h"
#include "mover.h"

G_BEGIN_DECLS

/* Opens @device, which resets a PCI function, and asks what it can: vf_mover_call_finish() has the
 * descriptor. The kernel opens none that somebody else has open. */
void vf_mover_open_async(VfDevice *device, GAsyncReadyCallback callback, gpointer data);

G_END_DECLS
