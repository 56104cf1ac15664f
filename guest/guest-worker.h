/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest.h"
#include "worker.h"

/* What makes a worker vferry-guest: its sessions are about a guest that a QEMU has, whose monitor
 * it was given (docs/mover-control.md). @patience stays the caller's, for as long as it works. */
void vf_guest_worker_init(VfWorker *worker, const VfGuestPatience *patience);
