/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "worker.h"

/* What makes a worker vferry-guest: its sessions are about a guest that a QEMU has, whose monitor
 * it was given (docs/mover-control.md). */
void vf_guest_worker_init(VfWorker *worker);
